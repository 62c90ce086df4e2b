//! What the flags of `loadgen websocket` say, as a scenario says it.

use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::{headers, input, stream_end};
use crate::args::WebsocketArgs;

/// The fields of a step, and the flags that say them; the longer first.
pub(super) const PLACES: [(&str, &str); 7] = [
    ("steps[0].websocket.send.json", "--send-json"),
    ("steps[0].websocket.send.text", "--send"),
    ("steps[0].websocket.path", "URL"),
    ("steps[0].websocket.stream", "--receive"),
    ("steps[0].websocket.repeat", "--repeat"),
    ("steps[0].websocket.every", "--every"),
    ("steps[0].websocket", "URL"),
];

/// Where to connect, and the path there.
pub(super) fn address(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..]
        .find(['/', '?'])
        .map_or(url.len(), |at| host + at);
    url.split_at(path)
}

/// Where to connect.
pub(crate) fn target(url: &str) -> &str {
    address(url).0
}

/// The scenario is called after the last part of the path.
pub(super) fn name(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let last = path
        .rsplit('/')
        .find(|it| !it.is_empty())
        .unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if last.starts_with(|c: char| c.is_ascii_alphanumeric())
        && last.len() <= 100
        && last.chars().all(fits)
    {
        last.to_owned()
    } else {
        "websocket".to_owned()
    }
}

/// The fields of the scenario, and its step.
pub(super) fn fields(
    args: &WebsocketArgs,
    path: &str,
) -> Result<(Map<String, Value>, Value), AdHocError> {
    let mut own = Map::new();
    if !args.shared.headers.is_empty() {
        own.insert("headers".to_owned(), headers(&args.shared.headers)?);
    }
    if !args.subprotocols.is_empty() {
        own.insert("subprotocols".to_owned(), json!(args.subprotocols));
    }
    let mut step = Map::new();
    let slash = if path.starts_with('/') { "" } else { "/" };
    step.insert("path".to_owned(), json!(format!("{slash}{path}")));
    if let Some(send) = payload(args)? {
        step.insert("send".to_owned(), send);
    } else if args.ping {
        step.insert("ping".to_owned(), json!(true));
    } else if args.receive.is_none() {
        return Err(AdHocError::NothingToSend);
    }
    if let Some(end) = args.receive {
        step.insert("stream".to_owned(), stream_end(end));
    }
    if args.no_reply {
        step.insert("reply".to_owned(), json!("none"));
    }
    if let Some(count) = args.repeat {
        step.insert("repeat".to_owned(), json!(count));
    }
    if let Some(time) = args.every {
        step.insert("every".to_owned(), json!(format_duration(time)));
    }
    Ok((own, step.into()))
}

/// What is sent, where anything is.
fn payload(args: &WebsocketArgs) -> Result<Option<Value>, AdHocError> {
    if let Some(text) = &args.send {
        return Ok(Some(json!({ "text": input::text("--send", text)? })));
    }
    let Some(given) = &args.send_json else {
        return Ok(None);
    };
    let flag = "--send-json";
    let mut values = input::json(flag, given)?;
    match values.len() {
        1 => Ok(Some(json!({ "json": values.swap_remove(0) }))),
        count => Err(AdHocError::Several { flag, count }),
    }
}
