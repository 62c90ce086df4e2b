//! Requests and answers under the eyes of an interceptor.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::answer::Answer;
use super::request::Filled;
use crate::driver::intercept::{Content, ContentError, Dialect, Direction, Form, Request, Watch};
use crate::driver::transport::net::Endpoint;
use crate::scenario::check_request_header_name;
use crate::workload::Iteration;

static HEADERS: Dialect = Dialect {
    fields: "headers",
    is_own: |name| matches!(name, "host" | "content-length"),
    is_reserved: |name| check_request_header_name(name).is_err(),
};

const BODY: &str = "body";

/// A request is about to be sent there: what is sent in its place.
pub(super) fn asks(
    watch: &Watch,
    mut request: Filled,
    endpoint: &Endpoint,
    iteration: &Iteration<'_>,
) -> Filled {
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let target = format!("{}://{}", endpoint.scheme(), endpoint.shown());
    let what = format!("{} {path}", request.method);
    let whose = (iteration.user(), iteration.number());
    watch.begin();
    let shown = Request::new(&HEADERS, what, target, whose, request.headers);
    let shown = watch.request(shown);
    request.headers = shown.all_fields().clone();
    if !request.body.is_empty() {
        let form = form_of(&request.headers);
        let (body, ..) = watch.sends(BODY, (request.body, form), &written);
        request.body = body;
    }
    request
}

/// This answered it.
pub(super) fn answered(watch: &Watch, answer: &Answer) {
    watch.head(Some(answer.status.to_string()), answer.headers.clone());
    if !answer.body.is_empty() {
        let body = Bytes::copy_from_slice(&answer.body);
        watch.received(Direction::Reply, BODY, &body, &form_of(&answer.headers));
    }
}

/// An event came.
pub(super) fn event(watch: &Watch, data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    watch.received(Direction::Reply, "event", &data, &Form::Text);
}

/// How a body is read.
fn form_of(headers: &HeaderMap) -> Form {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let is_text = [
        "text/",
        "application/json",
        "application/x-www-form-urlencoded",
    ]
    .iter()
    .any(|text| kind.starts_with(text))
        || kind.contains("+json")
        || kind.contains("xml");
    match is_text && !headers.contains_key(CONTENT_ENCODING) {
        true => Form::Text,
        false => Form::Binary,
    }
}

fn written(content: &Content) -> Result<(Bytes, Form), ContentError> {
    Ok(match content {
        Content::Json(value) => (value.to_string().into(), Form::Text),
        Content::Text(text) => (text.clone().into(), Form::Text),
        Content::Binary(bytes) => (bytes.clone(), Form::Binary),
    })
}
