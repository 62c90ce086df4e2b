//! The values of a WebSocket scenario: paths, payloads, header fields, subprotocols.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::plan::WebsocketPlan;
use crate::scenario::reader::{Check, Decode, Place, Reader, Refusal, Rule, as_written};
use crate::scenario::value::base64::{from_base64, to_base64};
use crate::scenario::value::template::{is_template, template, templates};
use crate::scenario::value::{Bounded, MAX_NAME, checked_text, text_schema, unit};
use crate::units::{SIZE_PATTERN, Size};

pub(in crate::scenario) use crate::scenario::value::FieldPath;

/// The most bytes of a message that is made to measure: 64 MiB.
const MAX_MESSAGE: u32 = 64 << 20;
const MAX_PATH: usize = 2000;

checked_text! {
    /// Path and query of a connection.
    Path, "Path",
    "a path such as \"/echo\": it begins with `/`, has at most 2000 characters of printable ASCII, \
     and no blank, `#`, `\"`, `<`, `>` or `` ` `` but in templates",
    is_path, "^/([!$-;=?-_a-~]{0,1999}|.*\\{[{%#].*)$"
}

fn is_path(text: &str) -> bool {
    let is_plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"#\"<>`".contains(&byte))
    };
    text.starts_with('/')
        && text.len() <= MAX_PATH
        && template(text).is_ok()
        && (is_template(text) || is_plain(text))
}

/// A JSON value without parts.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct Scalar(pub(in crate::scenario) Value);

impl Scalar {
    fn holds(value: &Value, at: &Place<'_>) -> bool {
        let is_constant = !value.as_str().is_some_and(is_template);
        if !value.is_array() && !value.is_object() && is_constant {
            return templates(value, at);
        }
        let expected = "a text, a number, true, false or null".to_owned();
        let help = (!is_constant).then(|| "it is no template: it holds of all replies".to_owned());
        at.refuse(value, Refusal { expected, help })
    }
}

impl Decode for Scalar {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        Self::holds(reader.value, &reader.at).then(|| Self(reader.value.clone()))
    }
}

impl Check for Scalar {
    fn check(&mut self, at: &Place<'_>) -> bool {
        Self::holds(&self.0, at)
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "null"] })
    }
}

checked_text! {
    /// The name of a subprotocol.
    Subprotocol, "Subprotocol",
    "the name of a subprotocol: 1 to 100 letters, digits and any of !#$%&'*+-.^_`|~",
    is_token, "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
}

/// A token of HTTP (RFC 9110, 5.6.2), of a length that a person can read.
pub(in crate::scenario) fn is_token(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a name may be that of a header field; else what is wrong with it.
pub(crate) fn check_header_name(name: &str) -> Result<(), String> {
    /// What the opening of a connection sets itself, or what goes with a body, which it has not.
    const RESERVED: [&str; 9] = [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    if !is_token(name) {
        return Err("1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if lower == "sec-websocket-protocol" {
        return Err("use `subprotocols`".to_owned());
    }
    if lower == "host" {
        return Err("it is set by the scenario's `authority`".to_owned());
    }
    if lower.starts_with("sec-websocket-") || RESERVED.contains(&lower.as_str()) {
        return Err("it belongs to the protocol, which sets it itself".to_owned());
    }
    Ok(())
}

/// The bits of a window that zlib can have. 8 it cannot, though the protocol allows it.
pub(in crate::scenario) type WindowBits = Bounded<9, 15>;
/// Redirections that are followed.
pub(in crate::scenario) type Redirects = Bounded<0, { WebsocketPlan::MAX_REDIRECTS as u64 }>;

/// A text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct TextMessage(pub(in crate::scenario) String);

impl Decode for TextMessage {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text("a text")?;
        templates(reader.value, &reader.at).then(|| Self(text.to_owned()))
    }
}

impl Check for TextMessage {
    fn check(&mut self, at: &Place<'_>) -> bool {
        templates(&as_written(self), at)
    }
}

impl Serialize for TextMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(TextMessage, "TextMessage", {
    "description": "A text; a template in it is filled in.",
});

/// A JSON value that is sent as a text.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct JsonMessage(pub(in crate::scenario) Value);

impl Decode for JsonMessage {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        templates(reader.value, &reader.at).then(|| Self(reader.value.clone()))
    }
}

impl Check for JsonMessage {
    fn check(&mut self, at: &Place<'_>) -> bool {
        templates(&self.0, at)
    }
}

impl Serialize for JsonMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for JsonMessage {
    fn schema_name() -> Cow<'static, str> {
        "JsonMessage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any JSON value, sent as a text; templates in its texts are filled in." })
    }
}

/// Bytes in base64, or a template of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) enum Binary {
    Bytes(Vec<u8>),
    Template(String),
}

impl Decode for Binary {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "base64, such as \"AAEC\"";
        let text = reader.text(EXPECTED)?;
        if is_template(text) {
            return reader.keep(Self::Template(text.to_owned()));
        }
        match from_base64(text) {
            Some(bytes) => Some(Self::Bytes(bytes)),
            None => reader.refuse(EXPECTED, None),
        }
    }
}

impl Rule for Binary {
    fn rule(&self) -> Result<(), Refusal> {
        match self {
            Self::Bytes(_) => Ok(()),
            Self::Template(text) => template(text),
        }
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => serializer.serialize_str(&to_base64(bytes)),
            Self::Template(text) => serializer.serialize_str(text),
        }
    }
}

text_schema!(Binary, "Base64", {
    "description": "Bytes in base64, with or without padding; or a template of it.",
    "pattern": "^([A-Za-z0-9+/]*={0,2}|.*\\{[{%#].*)$",
    "examples": ["AAEC", "{{ base64(row.name) }}"],
});

/// The length of a message that is made to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct MessageSize(pub(in crate::scenario) u32);

impl Decode for MessageSize {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text("a size as a text, such as \"1KiB\"")?;
        let size: Size = unit(reader, text.parse())?;
        // What has no room is above what may be.
        reader.keep(Self(u32::try_from(size.bytes()).unwrap_or(u32::MAX)))
    }
}

impl Rule for MessageSize {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0 {
            1..=MAX_MESSAGE => Ok(()),
            _ => Refusal::new("a size from 1B to 64MiB"),
        }
    }
}

impl Serialize for MessageSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A number of 32 bits is below the largest size there is.
        match Size::new(u64::from(self.0)) {
            Ok(size) => size.serialize(serializer),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

text_schema!(MessageSize, "MessageSize", {
    "description": "A number of bytes, from 1B to 64MiB.",
    "pattern": SIZE_PATTERN,
    "examples": ["64B", "1KiB"],
});

/// The word that a step pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct Ping;

impl Decode for Ping {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::Bool(true) => Some(Self),
            _ => reader.refuse("true", None),
        }
    }
}

impl Rule for Ping {}

impl Serialize for Ping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl JsonSchema for Ping {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ping".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}
