//! What the flags of `loadgen tcp` say, as a scenario says it.

use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::input;
use crate::args::TcpArgs;

/// The fields of a step, and the flags that say them; the longer first.
pub(super) const PLACES: [(&str, &str); 13] = [
    ("steps[0].tcp.send.text", "--send"),
    ("steps[0].tcp.send.base64", "--send"),
    ("steps[0].tcp.send.hex", "--send-hex"),
    ("steps[0].tcp.send.size", "--send-size"),
    ("steps[0].tcp.receive.until", "--until"),
    ("steps[0].tcp.receive.bytes", "--bytes"),
    (
        "steps[0].tcp.receive.length_prefix.bytes",
        "--length-prefix",
    ),
    ("steps[0].tcp.receive.regex", "--regex"),
    ("steps[0].tcp.receive", "--until-close"),
    ("steps[0].tcp.repeat", "--repeat"),
    ("steps[0].tcp.every", "--every"),
    ("steps[0].tcp.in_flight", "--in-flight"),
    ("steps[0].tcp", "TARGET"),
];

/// The fields of a step.
pub(super) fn step(args: &TcpArgs) -> Result<Value, AdHocError> {
    let (send, receive) = (send(args)?, receive(args)?);
    if send.is_none() && receive.is_none() {
        return Err(AdHocError::NothingOnTcp);
    }
    let fields = [
        ("send", send),
        ("receive", receive),
        ("shutdown", args.shutdown.then_some(json!(true))),
        ("repeat", args.repeat.map(|it| json!(it))),
        ("every", args.every.map(|it| json!(format_duration(it)))),
        ("in_flight", args.in_flight.map(|it| json!(it))),
    ];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(Value::Object(given.collect()))
}

fn send(args: &TcpArgs) -> Result<Option<Value>, AdHocError> {
    if let Some(given) = &args.send {
        return input::bytes("--send", given).map(|bytes| {
            Some(match String::from_utf8(bytes) {
                Ok(text) => json!({ "text": text }),
                Err(error) => json!({ "hex": hex(error.as_bytes()) }),
            })
        });
    }
    let hex = args.send_hex.as_ref().map(|it| json!({ "hex": it }));
    Ok(hex.or_else(|| args.send_size.as_ref().map(|it| json!({ "size": it }))))
}

fn receive(args: &TcpArgs) -> Result<Option<Value>, AdHocError> {
    if let Some(given) = &args.until {
        let bytes = input::unescaped("--until", given)?;
        return Ok(Some(match String::from_utf8(bytes) {
            Ok(text) => json!({ "until": text }),
            Err(error) => json!({ "until": { "hex": hex(error.as_bytes()) } }),
        }));
    }
    let mut one = Map::new();
    if let Some(count) = args.bytes {
        one.insert("bytes".to_owned(), json!(count));
    } else if let Some(bytes) = args.length_prefix {
        one.insert("length_prefix".to_owned(), json!({ "bytes": bytes }));
    } else if let Some(pattern) = &args.regex {
        one.insert("regex".to_owned(), json!(pattern));
    } else {
        return Ok(args.until_close.then_some(json!("end")));
    }
    Ok(Some(one.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
