//! Messages on their way out, made ready once, and what is read from those that come in.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio_tungstenite::tungstenite::Message;

use crate::scenario::Payload;

/// A message that is sent again and again.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Always the same.
    Constant(Message),
    /// A JSON object with a number in one field; the text before and after the number.
    Numbered { before: Box<str>, after: Box<str> },
    /// A ping that carries a number.
    Ping,
}

impl Outgoing {
    pub(super) fn constant(payload: &Payload) -> Self {
        Self::Constant(match payload {
            Payload::Text(text) => Message::text(text.as_str()),
            Payload::Json(value) => Message::text(value.to_string()),
            Payload::Binary(bytes) => Message::binary(bytes.clone()),
            Payload::Sized { bytes, text: true } => Message::text("x".repeat(*bytes as usize)),
            Payload::Sized { bytes, text: false } => Message::binary(filler(*bytes as usize)),
        })
    }

    /// A JSON object with room for a number in `field`; `None` when it is no object, or has the
    /// field already.
    pub(super) fn numbered(payload: &Payload, field: &str) -> Option<Self> {
        let Payload::Json(serde_json::Value::Object(fields)) = payload else {
            return None;
        };
        if fields.contains_key(field) {
            return None;
        }
        let name = serde_json::Value::from(field);
        let text = serde_json::to_string(fields).ok()?;
        let rest = text.strip_prefix('{')?;
        let comma = if fields.is_empty() { "" } else { "," };
        Some(Self::Numbered {
            before: format!("{{{name}:").into(),
            after: format!("{comma}{rest}").into(),
        })
    }

    /// The message with this number, if it carries one.
    #[inline]
    pub(super) fn message(&self, number: u64) -> Message {
        match self {
            // Counts a reference; the bytes are shared.
            Self::Constant(message) => message.clone(),
            Self::Numbered { before, after } => {
                Message::text([before, number.to_string().as_str(), after].concat())
            }
            Self::Ping => Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())),
        }
    }
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

/// The number in this field of a message that is a JSON object.
pub(super) fn number_in(message: &Message, field: &str) -> Option<u64> {
    let bytes: &[u8] = match message {
        Message::Text(text) => text.as_ref(),
        Message::Binary(bytes) => bytes,
        _ => return None,
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let number = NumberIn(field).deserialize(&mut json).ok()?;
    json.end().ok()?;
    number
}

/// Reads an object for one number and skips the rest.
struct NumberIn<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for NumberIn<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NumberIn<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(KeyIs(self.0))? {
            if is_it {
                found = Number::into_found(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a key without keeping it.
struct KeyIs<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// A whole number, or something else.
struct Number(serde_json::Value);

impl Number {
    fn into_found(Self(value): Self) -> Option<u64> {
        value.as_u64()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self)
    }
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

    #[test_case(json!({}) => r#"{"id":7}"#; "nothing else")]
    #[test_case(json!({"op": "add", "x": [1, 2]}) => r#"{"id":7,"op":"add","x":[1,2]}"#)]
    fn numbers_a_message(message: serde_json::Value) -> String {
        let outgoing = Outgoing::numbered(&Payload::Json(message), "id").expect("fits");
        let Message::Text(text) = outgoing.message(7) else {
            panic!("a text")
        };
        text.to_string()
    }

    #[test_case(json!({"id": 1}); "taken")]
    #[test_case(json!([1]); "no object")]
    fn has_no_room(message: serde_json::Value) {
        assert!(Outgoing::numbered(&Payload::Json(message), "id").is_none());
    }

    #[test_case(r#"{"id":7}"# => Some(7))]
    #[test_case(r#"{"a":{"id":1},"id":18446744073709551615,"b":[]}"# => Some(u64::MAX))]
    #[test_case(r#"{"\u0069d":7}"# => Some(7); "an escaped key")]
    #[test_case(r#"{"id":"7"}"# => None; "a text")]
    #[test_case(r#"{"id":-7}"# => None; "negative")]
    #[test_case(r#"{"id":7"# => None; "cut off")]
    #[test_case(r#"{"id":7} x"# => None; "more behind it")]
    #[test_case("[7]" => None; "no object")]
    #[test_case("" => None; "empty")]
    fn finds_a_number(text: &str) -> Option<u64> {
        number_in(&Message::text(text), "id")
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
