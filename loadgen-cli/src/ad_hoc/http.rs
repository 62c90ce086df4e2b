//! What the flags of `loadgen http` say, as a scenario says it.

use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::{headers, input, stream_end, url};
use crate::args::HttpArgs;

/// The fields of a step, and the flags that say them; the longer first.
pub(super) const PLACES: [(&str, &str); 8] = [
    ("steps[0].http.body.json", "--body-json"),
    ("steps[0].http.body.form", "--form"),
    ("steps[0].http.body.size", "--body-size"),
    ("steps[0].http.body.text", "--body"),
    ("steps[0].http.method", "--method"),
    ("steps[0].http.path", "URL"),
    ("steps[0].http.stream", "--receive"),
    ("steps[0].http", "URL"),
];

/// The fields of the scenario, and its step.
pub(super) fn fields(
    args: &HttpArgs,
    path: &str,
) -> Result<(Map<String, Value>, Value), AdHocError> {
    let mut own = Map::new();
    if !args.shared.headers.is_empty() {
        own.insert("headers".to_owned(), headers(&args.shared.headers)?);
    }
    if let Some(version) = &args.http_version {
        own.insert("http_version".to_owned(), json!(version));
    }
    if args.cookies {
        own.insert("cookies".to_owned(), json!(true));
    }
    if let Some(most) = args.redirects {
        own.insert("redirects".to_owned(), json!(most));
    }
    let body = body(args)?;
    let mut step = Map::new();
    if let Some(method) = &args.method {
        step.insert("method".to_owned(), json!(method));
    } else if body.is_some() {
        step.insert("method".to_owned(), json!("POST"));
    }
    step.insert("path".to_owned(), json!(url::absolute(path)));
    if let Some(body) = body {
        step.insert("body".to_owned(), body);
    }
    if let Some(end) = args.receive {
        step.insert("stream".to_owned(), stream_end(end));
    }
    Ok((own, step.into()))
}

/// What is sent with the request, where anything is.
fn body(args: &HttpArgs) -> Result<Option<Value>, AdHocError> {
    if let Some(text) = &args.body {
        return Ok(Some(json!({ "text": input::text("--body", text)? })));
    }
    if let Some(given) = &args.body_json {
        let json = input::one_json("--body-json", given)?;
        return Ok(Some(json!({ "json": json })));
    }
    if let Some(size) = &args.body_size {
        return Ok(Some(json!({ "size": size })));
    }
    let mut form = Map::new();
    for (name, value) in &args.form {
        if form.insert(name.clone(), json!(value)).is_some() {
            let name = name.clone();
            return Err(AdHocError::FormTwice { name });
        }
    }
    Ok((!form.is_empty()).then(|| json!({ "form": form })))
}
