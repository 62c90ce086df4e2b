//! An HTTP step: which fields go together, and what they amount to.

use super::plan::{HttpBody, HttpRequest};
use super::raw::{RawBody, RawEventsEnd, RawHttp};
use super::value::check_header_name;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::websocket::value::TextMessage;
use crate::scenario::reader::{Entries, Entry};
use crate::scenario::step::StreamEnd;

impl Layers<'_> {
    pub(super) fn request(&self, raw: &RawHttp, path: &str) -> Option<HttpRequest> {
        let headers = raw.headers.or(Some(Vec::new()), |entries| {
            self.headers(entries, &format!("{path}.headers"), check_header_name)
        });
        let body = raw.body.or(Some(None), |body| {
            self.body(body, &format!("{path}.body")).map(Some)
        });
        let stream = raw.stream.or(Some(None), |end| {
            self.events_end(end, &format!("{path}.stream")).map(Some)
        });
        let method = raw
            .method
            .or_else_with(|| "GET".to_owned(), |method| method.0.clone());
        let query = raw.query.or(Some(Vec::new()), texts);
        let timeout = raw.timeout.or(None, |span| Some(span.0));
        let of_target = raw
            .path
            .or_else_with(|| "/".to_owned(), |path| path.0.clone());
        Some(HttpRequest {
            method: method?,
            path: of_target?,
            query: query??,
            headers: headers??,
            body: body??,
            stream: stream??,
            timeout: timeout?,
        })
    }

    fn body(&self, raw: &RawBody, path: &str) -> Option<HttpBody> {
        let given: Vec<&str> = [
            ("json", raw.json.is_absent()),
            ("form", raw.form.is_absent()),
            ("text", raw.text.is_absent()),
            ("size", raw.size.is_absent()),
        ]
        .into_iter()
        .filter_map(|(name, absent)| (!absent).then_some(name))
        .collect();
        if given.len() != 1 {
            let found = match given.as_slice() {
                // What it has instead has been named already.
                [] if self.problems.any_below(path) => return None,
                [] => "none of them".to_owned(),
                several => format!("`{}` together", several.join("`, `")),
            };
            let expected = "one of `json`, `form`, `text` and `size`";
            self.problems.add(path, found, expected, None);
            return None;
        }
        let json = raw.json.given().map(|json| HttpBody::Json(json.0.clone()));
        let form = raw.form.given().and_then(texts).map(HttpBody::Form);
        let text = raw.text.given().map(|text| HttpBody::Text(text.0.clone()));
        let size = raw.size.given().map(|size| HttpBody::Sized(size.0));
        json.or(form).or(text).or(size)
    }

    fn events_end(&self, raw: &RawEventsEnd, path: &str) -> Option<StreamEnd> {
        match (&raw.messages, &raw.duration) {
            (Entry::Given(count), Entry::Absent) => Some(StreamEnd::Messages(count.small())),
            (Entry::Absent, Entry::Given(span)) => Some(StreamEnd::After(span.0)),
            (messages, _) => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let found = match messages.is_absent() {
                        true => "neither",
                        false => "both",
                    };
                    let expected = "when we end the events: `messages` or `for`";
                    self.problems.add(path, found, expected, None);
                }
                None
            }
        }
    }
}

fn texts(entries: &Entries<TextMessage>) -> Option<Vec<(String, String)>> {
    let entries = entries.0.iter();
    entries
        .map(|(name, value)| Some((name.clone(), value.given()?.0.clone())))
        .collect()
}
