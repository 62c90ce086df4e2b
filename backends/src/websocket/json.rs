//! The JSON of requests and answers.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::serve::identity::Identity;
use crate::serve::limits;

/// What `/compute` is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Compute {
    pub(super) rounds: u32,
}

/// What `/stream` is asked.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Stream {
    pub(super) count: u32,
    pub(super) interval_us: u32,
    pub(super) payload_bytes: u32,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            count: 10,
            interval_us: 0,
            payload_bytes: 0,
        }
    }
}

/// An answer: what it says, whose request it belongs to, and who gives it.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(flatten)]
    pub(super) says: Says<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backend: Option<&'a RawValue>,
}

/// What an answer says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Says<'a> {
    Computed {
        result: String,
        elapsed_us: u64,
    },
    Message {
        sequence: u32,
        #[serde(skip_serializing_if = "str::is_empty")]
        payload: &'a str,
    },
    Pong {
        pong: &'a str,
        time_us: u64,
    },
    Text {
        text: &'a str,
    },
    Binary {
        bytes: usize,
    },
    Greeting {
        greeting: u32,
    },
    Push {
        push: u32,
    },
    Error {
        error: Cow<'a, str>,
    },
}

/// Reads a request.
///
/// # Errors
/// What is wrong with it, for whoever sent it.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    // A structure would be read from an array, too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("expected a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl Compute {
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let asked: Self = read(text)?;
        limits::within("rounds", asked.rounds, limits::COMPUTE_ROUNDS)?;
        Ok(asked)
    }
}

impl Stream {
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let asked: Self = read(text)?;
        for (field, asked, most) in [
            ("count", asked.count, limits::STREAM_MESSAGES),
            ("interval_us", asked.interval_us, limits::STREAM_INTERVAL_US),
            (
                "payload_bytes",
                asked.payload_bytes,
                limits::STREAM_PAYLOAD_BYTES,
            ),
        ] {
            limits::within(field, asked, most)?;
        }
        Ok(asked)
    }
}

/// The `id` of a request, as it stands there, also where the rest of it cannot be used.
pub(super) fn id(text: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow, default, deserialize_with = "whatever")]
        id: Option<&'a RawValue>,
    }

    /// Without it, null would be as good as nothing.
    fn whatever<'de: 'a, 'a, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<&'a RawValue>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Some)
    }

    read::<Numbered<'_>>(text).ok()?.id
}

/// The identity as every answer carries it that is to name its backend.
pub(super) fn backend(identity: &Identity) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Backend<'a> {
        id: &'a str,
        host: &'a str,
        version: &'a str,
    }

    to_raw_value(&Backend {
        id: identity.id(),
        host: identity.host(),
        version: identity.version(),
    })
    .expect("three strings are JSON")
}

impl Answer<'_> {
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("an answer is JSON: its keys are strings")
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r#"{"id": 7}"# => Some("7".to_owned()); "a number")]
    #[test_case(r#"{"id": 12345678901234567890123}"# => Some("12345678901234567890123".to_owned()); "more than 64 bits")]
    #[test_case(r#"{"rounds": -1, "id": {"a": [1]}}"# => Some(r#"{"a": [1]}"#.to_owned()); "an object beside nonsense")]
    #[test_case(r#"{"id": null}"# => Some("null".to_owned()); "null")]
    #[test_case("{}" => None; "none")]
    #[test_case("[7]" => None; "an array")]
    #[test_case("id" => None; "no JSON")]
    fn ids(text: &str) -> Option<String> {
        id(text).map(|id| id.get().to_owned())
    }

    #[test]
    fn answers_have_only_what_is_there() {
        let message = |payload| Says::Message {
            sequence: 3,
            payload,
        };
        let bare = Answer {
            id: None,
            says: message(""),
            backend: None,
        };
        assert_eq!(bare.to_text(), r#"{"sequence":3}"#);
        let id = to_raw_value("a").unwrap();
        let backend = to_raw_value(&1).unwrap();
        let full = Answer {
            id: Some(&id),
            says: message("xx"),
            backend: Some(&backend),
        };
        assert_eq!(
            full.to_text(),
            r#"{"id":"a","sequence":3,"payload":"xx","backend":1}"#
        );
    }

    #[test]
    fn a_stream_has_defaults() {
        let asked = Stream::read("{}").unwrap();
        assert_eq!(
            (asked.count, asked.interval_us, asked.payload_bytes),
            (10, 0, 0)
        );
    }

    #[test_case("", "expected a JSON object"; "empty")]
    #[test_case("[1]", "expected a JSON object"; "an array")]
    #[test_case("{", "EOF while parsing an object at line 1 column 1"; "cut off")]
    #[test_case("{}", "missing field `rounds` at line 1 column 2"; "nothing asked")]
    #[test_case(r#"{"rounds": -1}"#, "invalid value: integer `-1`, expected u32 at line 1 column 13"; "negative")]
    #[test_case(r#"{"rounds": "1"}"#, r#"invalid type: string "1", expected u32 at line 1 column 14"#; "a string")]
    #[test_case(r#"{"rounds": 100000001}"#, "rounds is 100000001, at most 100000000 is allowed"; "too much")]
    fn refused(text: &str, error: &str) {
        assert_eq!(Compute::read(text).unwrap_err(), error);
    }
}
