//! The values of a gRPC call: method, message, metadata.

use std::borrow::Cow;

pub(in crate::scenario) use data_encoding::BASE64;
use data_encoding::{BASE64_NOPAD, Encoding};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::nearest::did_you_mean;
use crate::scenario::reader::{Decode, Reader};
use crate::scenario::value::{MAX_NAME, checked_text, text_schema};

/// A gRPC method: `package.Service/Method`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Method(pub(in crate::scenario) String);

impl Decode for Method {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "a method such as \"package.Service/Method\"";
        let text = reader.text(EXPECTED)?;
        let identifier = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match text.split_once('/') {
            Some((service, method)) if service.split('.').all(identifier) && identifier(method) => {
                Some(Self(text.to_owned()))
            }
            Some(("", rest)) if rest.contains('/') => {
                reader.refuse(EXPECTED, Some("leave out the slash in front".to_owned()))
            }
            _ => reader.refuse(EXPECTED, None),
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

/// A request message in protobuf's JSON form, or several.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct Message(pub(in crate::scenario) Value);

impl Decode for Message {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "the message as an object, or several in an array";
        match reader.value {
            Value::Array(items) if items.is_empty() || !items.iter().all(Value::is_object) => {
                return reader.refuse(EXPECTED, None);
            }
            Value::Array(_) => {}
            _ => drop(reader.object("the message as an object")?),
        }
        constant(reader).then(|| Self(reader.value.clone()))
    }
}

/// Whether there is no template anywhere in it; notes those that there are. Sending one as it
/// stands would measure something that nobody asked for.
pub(in crate::scenario) fn constant(reader: &Reader<'_>) -> bool {
    match reader.value {
        Value::String(text) if is_template(text) => reader
            .refuse::<()>(
                "a constant",
                Some("templates come with a later version; this one sends messages as they are written".to_owned()),
            )
            .is_some(),
        Value::Array(items) => items.iter().enumerate().fold(true, |all, (index, item)| {
            let mut below = reader.clone();
            below.value = item;
            below.path = format!("{}[{index}]", reader.path);
            constant(&below) && all
        }),
        Value::Object(fields) => fields.iter().fold(true, |all, (key, value)| {
            constant(&reader.field(key, value)) && all
        }),
        _ => true,
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
            "description": "The request message in protobuf's JSON form, or several for a stream.",
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

/// The bytes of a text in base64, with or without padding.
pub(in crate::scenario) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let decode = |encoding: Encoding| encoding.decode(text.as_bytes()).ok();
    decode(BASE64).or_else(|| decode(BASE64_NOPAD))
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
    /// A value of gRPC metadata.
    MetadataValue, "MetadataValue",
    "a text of printable ASCII without space at either end, and no `{{` or `${…}` (templates come with a later version)",
    is_metadata_value, "^([!-~]([ -~]*[!-~])?)?$"
}

pub(in crate::scenario) fn is_metadata_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim() == text
        && !is_template(text)
}

/// Whether a later version would put something else in its place.
pub(in crate::scenario) fn is_template(text: &str) -> bool {
    let shell = text
        .split_once("${")
        .is_some_and(|(_, rest)| rest.contains('}'));
    shell || text.contains("{{") || text.contains("{%")
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", &[]; "nothing")]
    #[test_case("AAEC", &[0, 1, 2]; "no padding needed")]
    #[test_case("/w==", &[255]; "two of padding")]
    #[test_case("/w", &[255]; "padding left out")]
    #[test_case("//8=", &[255, 255]; "one of padding")]
    fn base64_reads(text: &str, bytes: &[u8]) {
        assert_eq!(from_base64(text).as_deref(), Some(bytes));
    }

    #[test_case("A"; "half a byte")]
    #[test_case("A==="; "too much padding")]
    #[test_case("AA-_"; "the alphabet of addresses")]
    #[test_case("AA E"; "blank")]
    fn base64_refuses(text: &str) {
        assert_eq!(from_base64(text), None);
    }
}
