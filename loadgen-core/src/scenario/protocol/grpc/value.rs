//! The values of a gRPC call: method, message, metadata.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::nearest::did_you_mean;
use crate::scenario::reader::{Check, Decode, Place, Reader, Refusal, Rule};
use crate::scenario::value::template::{is_template, template, templates};
use crate::scenario::value::{MAX_NAME, PositiveSpan, checked_text, text_schema};
use crate::units::{format_duration, parse_duration};

/// A gRPC method: `package.Service/Method`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Method(pub(in crate::scenario) String);

impl Method {
    const EXPECTED: &str = "a method such as \"package.Service/Method\"";
}

impl Decode for Method {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(reader.text(Self::EXPECTED)?.to_owned()))
    }
}

impl Rule for Method {
    fn rule(&self) -> Result<(), Refusal> {
        let identifier = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match self.0.split_once('/') {
            Some((service, method)) if service.split('.').all(identifier) && identifier(method) => {
                Ok(())
            }
            Some(("", rest)) if rest.contains('/') => {
                let help = "leave out the slash in front".to_owned();
                Refusal::with_help(Self::EXPECTED, Some(help))
            }
            _ => Refusal::new(Self::EXPECTED),
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(Method, "Method", {
    "description": "The method to call: package.Service/Method.",
    "pattern": "^[A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*$",
    "examples": ["loadgen.v1.Greeter/Hello"],
});

/// How long a stream lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) enum Lasting {
    /// For a time above zero.
    Time(Duration),
    /// As long as the load.
    Load,
}

impl Decode for Lasting {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.text("a duration as a text, such as \"1.5s\", or \"load\"")? {
            "load" => Some(Self::Load),
            text => match parse_duration(text) {
                Ok(duration) => reader.keep(Self::Time(duration)),
                Err(error) => {
                    let mut expected = error.expected();
                    // What begins with a number was meant as a time.
                    if !text.starts_with(|first: char| first.is_ascii_digit()) {
                        expected.push_str(", or \"load\"");
                    }
                    reader.refuse(expected, error.reason())
                }
            },
        }
    }
}

impl Rule for Lasting {
    fn rule(&self) -> Result<(), Refusal> {
        match self {
            Self::Time(duration) => PositiveSpan(*duration).rule(),
            Self::Load => Ok(()),
        }
    }
}

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(duration) => serializer.serialize_str(&format_duration(*duration)),
            Self::Load => serializer.serialize_str("load"),
        }
    }
}

text_schema!(Lasting, "Lasting", {
    "description": "A duration above zero, at most 30 days; or `load`: as long as the load.",
    "pattern": r"^(load|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$",
    "examples": ["1.5s", "load"],
});

/// A request message in protobuf's JSON form, or several.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct Message(pub(in crate::scenario) Value);

impl Message {
    /// Whether it is a message, or several; notes it where it is not.
    fn holds(value: &Value, at: &Place<'_>) -> bool {
        let expected = match value {
            Value::Object(_) => return templates(value, at),
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
                return templates(value, at);
            }
            Value::Array(_) => "the message as an object, or several in an array",
            _ => "the message as an object",
        };
        let (expected, help) = (expected.to_owned(), None);
        at.refuse(value, Refusal { expected, help })
    }
}

impl Decode for Message {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        Self::holds(reader.value, &reader.at).then(|| Self(reader.value.clone()))
    }
}

impl Check for Message {
    fn check(&mut self, at: &Place<'_>) -> bool {
        Self::holds(&self.0, at)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Message {
    fn schema_name() -> Cow<'static, str> {
        "Message".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "object" },
                { "type": "array", "items": { "type": "object" }, "minItems": 1 },
            ],
            "description": "The request message in protobuf's JSON form, or several for a stream; templates in its texts are filled in.",
        })
    }
}

/// Whether a name may be that of metadata; else what is wrong with it.
pub(in crate::scenario) fn check_metadata_name(name: &str) -> Result<(), String> {
    /// What the transport sets itself.
    const RESERVED: [&str; 9] = [
        "connection",
        "content-length",
        "content-type",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("it must have 1 to {MAX_NAME} characters"));
    }
    if matches!(name, ":authority" | "host") {
        return Err("it is set by the scenario's `authority`".to_owned());
    }
    if name.starts_with(':') || name.starts_with("grpc-") || RESERVED.contains(&name) {
        return Err("it belongs to the protocol, which sets it itself".to_owned());
    }
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "write it in lower case: `{}`",
            name.to_ascii_lowercase()
        ));
    }
    if !name.bytes().all(allowed) {
        return Err("only lower-case letters, digits, `_`, `-` and `.` may stand in it".to_owned());
    }
    Ok(())
}

/// Methods of the reference service are known here. Any other service is described by `protos` or
/// by the server itself, which only the driver can ask.
pub(in crate::scenario) fn check_reference_method(method: &str) -> Result<(), Option<String>> {
    const METHODS: [&str; 6] = ["Hello", "Compute", "Echo", "Stream", "Collect", "Chat"];
    match method.split_once('/') {
        Some(("loadgen.v1.Greeter", name)) if METHODS.contains(&name) => Ok(()),
        Some((service, _)) if !service.starts_with("loadgen.v1.") => Ok(()),
        _ => {
            let full = METHODS.map(|name| format!("loadgen.v1.Greeter/{name}"));
            Err(did_you_mean(method, full.iter().map(String::as_str)))
        }
    }
}

checked_text! {
    /// A service as gRPC's health protocol names it.
    HealthService, "HealthService",
    "the name of a service such as \"package.Service\", of at most 200 printable ASCII characters without blanks, or \"\" for the server as a whole",
    is_health_service, "^([!-~]{0,200}|.*\\{[{%#].*)$"
}

fn is_health_service(text: &str) -> bool {
    let is_plain = text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
    template(text).is_ok() && (is_template(text) || is_plain)
}
