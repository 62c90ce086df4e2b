//! Messages on their way out, made ready once; what pongs bring back.

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::Message;

use super::deflate::Deflated;
use super::fields::FieldPath;
use crate::scenario::Payload;

/// A message that is sent again and again.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Always the same, and what it is when it is compressed.
    Constant(Message, Box<Deflated>),
    /// A JSON object with a number in one field, its own or one of an object within; the text
    /// before and after the number.
    Numbered { before: Box<str>, after: Box<str> },
    /// A ping that carries a number.
    Ping,
}

impl Outgoing {
    pub(super) fn constant(payload: &Payload) -> Self {
        let message = match payload {
            Payload::Text(text) => Message::text(text.as_str()),
            Payload::Json(value) => Message::text(value.to_string()),
            Payload::Binary(bytes) => Message::binary(bytes.clone()),
            Payload::Sized { bytes, text: true } => Message::text("x".repeat(*bytes as usize)),
            Payload::Sized { bytes, text: false } => Message::binary(filler(*bytes as usize)),
        };
        Self::Constant(message, Box::default())
    }

    /// Compresses now what will be sent compressed in a window of so many bits.
    pub(super) fn prepare_deflated(&self, bits: u8) {
        if let Self::Constant(message, deflated) = self {
            let payload: &[u8] = match message {
                Message::Text(text) => text.as_ref(),
                Message::Binary(bytes) => bytes,
                _ => return,
            };
            deflated.prepare(bits, payload);
        }
    }

    /// What it is when it is compressed, where it is always the same.
    pub(super) fn deflated(&self) -> Option<&Deflated> {
        match self {
            Self::Constant(_, deflated) => Some(deflated),
            Self::Numbered { .. } | Self::Ping => None,
        }
    }

    /// A JSON object with room for a number in `field`. Objects on the way to it are there or are
    /// made. `None` when the message is no object, has something else on the way, or has the field
    /// already.
    pub(super) fn numbered(payload: &Payload, field: &FieldPath) -> Option<Self> {
        let Payload::Json(Value::Object(fields)) = payload else {
            return None;
        };
        let (before, after) = around(fields, field.names())?;
        Some(Self::Numbered {
            before: before.into(),
            after: after.into(),
        })
    }

    /// The message with this number, if it carries one.
    #[inline]
    pub(super) fn message(&self, number: u64) -> Message {
        match self {
            // Counts a reference; the bytes are shared.
            Self::Constant(message, _) => message.clone(),
            Self::Numbered { before, after } => {
                Message::text([before, number.to_string().as_str(), after].concat())
            }
            Self::Ping => Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())),
        }
    }
}

/// The text of an object before and after a number that is to stand at this place in it.
fn around(fields: &Map<String, Value>, names: &[Box<str>]) -> Option<(String, String)> {
    let (name, rest) = names.split_first()?;
    let (before, after) = match (fields.get(&**name), rest) {
        (None, []) => (String::new(), String::new()),
        (None, rest) => around(&Map::new(), rest)?,
        (Some(Value::Object(within)), [_, ..]) => around(within, rest)?,
        (Some(_), _) => return None,
    };
    let mut others = fields.clone();
    others.remove(&**name);
    let comma = if others.is_empty() { "" } else { "," };
    let others = serde_json::to_string(&others).ok()?;
    let others = others.strip_prefix('{')?;
    let name = Value::from(&**name);
    Some((
        format!("{{{name}:{before}"),
        format!("{after}{comma}{others}"),
    ))
}

/// Bytes that look like nothing in particular: what compresses on the way would measure little.
fn filler(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(0);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

/// The number that a pong brings back.
pub(super) fn number_of_pong(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}

/// The beginning of a message, for people.
pub(super) fn excerpt(message: &Message) -> String {
    const MOST: usize = 80;
    match message {
        Message::Text(text) => {
            let start: String = text.chars().take(MOST).collect();
            let dots = if start.len() < text.len() { "…" } else { "" };
            format!("{start:?}{dots}")
        }
        other => format!("{} bytes of binary", other.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    #[test_case("id", json!({}) => r#"{"id":7}"#; "nothing else")]
    #[test_case("id", json!({"op": "add", "x": [1, 2]}) => r#"{"id":7,"op":"add","x":[1,2]}"#)]
    #[test_case("meta.id", json!({"op": "add"}) => r#"{"meta":{"id":7},"op":"add"}"#; "an object that is made")]
    #[test_case("meta.id", json!({"meta": {}}) => r#"{"meta":{"id":7}}"#; "an object that is there")]
    #[test_case("meta.id", json!({"a": 1, "meta": {"id2": 1, "z": {}}}) => r#"{"meta":{"id":7,"id2":1,"z":{}},"a":1}"#; "an object that has fields")]
    #[test_case("a.b.c", json!({"a": {"x": "}"}}) => r#"{"a":{"b":{"c":7},"x":"}"}}"#; "two on the way")]
    #[test_case("a\"b", json!({}) => r#"{"a\"b":7}"#; "a quote in the name")]
    fn numbers_a_message(field: &str, message: Value) -> String {
        let payload = Payload::Json(message);
        let outgoing = Outgoing::numbered(&payload, &FieldPath::new(field)).expect("fits");
        let Message::Text(text) = outgoing.message(7) else {
            panic!("a text")
        };
        text.to_string()
    }

    #[test_case("id", json!({"id": 1}); "taken")]
    #[test_case("id", json!([1]); "no object")]
    #[test_case("meta.id", json!({"meta": {"id": null}}); "taken further down")]
    #[test_case("meta.id", json!({"meta": [1]}); "no object on the way")]
    fn has_no_room(field: &str, message: Value) {
        let payload = Payload::Json(message);
        assert!(Outgoing::numbered(&payload, &FieldPath::new(field)).is_none());
    }

    #[test]
    fn a_pong_brings_the_number_back() {
        let Message::Ping(payload) = Outgoing::Ping.message(77) else {
            panic!("a ping")
        };
        assert_eq!(number_of_pong(&payload), Some(77));
        assert_eq!(number_of_pong(b"keep-alive"), None);
    }

    #[test]
    fn sizes_are_kept() {
        for (bytes, text) in [(1, true), (1024, false)] {
            let outgoing = Outgoing::constant(&Payload::Sized { bytes, text });
            let message = outgoing.message(0);
            assert_eq!((message.len(), message.is_text()), (bytes as usize, text));
        }
    }
}
