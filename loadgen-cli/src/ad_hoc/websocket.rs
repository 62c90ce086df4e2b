//! What the flags of `loadgen websocket` say, as a scenario says it.

use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::{headers, input, stream_end, url};
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
    step.insert("path".to_owned(), json!(url::absolute(path)));
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
    let json = input::one_json("--send-json", given)?;
    Ok(Some(json!({ "json": json })))
}
