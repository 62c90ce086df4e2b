//! The values of a TCP scenario: bytes, delimiters, patterns.

use std::borrow::Cow;

use data_encoding::HEXLOWER_PERMISSIVE;
use regex::bytes::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
use crate::scenario::value::template::{is_template, template};
use crate::scenario::value::{Bounded, text_schema};

/// The most bytes of a reply whose end is a number of them.
pub(in crate::scenario) type ByteCount = Bounded<1, { 64 << 20 }>;

/// The most bytes in which the end of a reply is looked for with a regular expression: what has come is
/// looked through again with all that comes.
pub(crate) const MAX_REGEX_BYTES: usize = 1 << 20;

/// The bytes of a text in hexadecimal, in capitals or not.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Bytes in hexadecimal, or a template of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) enum Hex {
    Bytes(Vec<u8>),
    Template(String),
}

impl Decode for Hex {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "hexadecimal, two digits for each byte, such as \"0a1f\"";
        let text = reader.text(EXPECTED)?;
        if is_template(text) {
            return reader.keep(Self::Template(text.to_owned()));
        }
        match from_hex(text) {
            Some(bytes) => reader.keep(Self::Bytes(bytes)),
            None => reader.refuse(EXPECTED, None),
        }
    }
}

impl Rule for Hex {
    fn rule(&self) -> Result<(), Refusal> {
        match self {
            Self::Bytes(_) => Ok(()),
            Self::Template(text) => template(text),
        }
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => serializer.serialize_str(&HEXLOWER_PERMISSIVE.encode(bytes)),
            Self::Template(text) => serializer.serialize_str(text),
        }
    }
}

text_schema!(Hex, "Hex", {
    "description": "Bytes in hexadecimal, two digits for each; or a template of it.",
    "pattern": "^(([0-9A-Fa-f]{2})*|.*\\{[{%#].*)$",
    "examples": ["0a1f"],
});

/// What a reply ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Delimiter(pub(in crate::scenario) Vec<u8>);

impl Delimiter {
    const EXPECTED: &'static str =
        "a delimiter of 1 to 1000 bytes: a text such as \"\\n\", or {\"hex\": \"0d0a\"}";
    const MAX: usize = 1000;

    /// As a text, where people can read it as one.
    fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let is_shown = |it: char| !it.is_control() || matches!(it, '\n' | '\r' | '\t');
        text.chars().all(is_shown).then_some(text)
    }
}

impl Decode for Delimiter {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let bytes = match reader.value {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            Value::Object(fields) if fields.len() == 1 => {
                fields.get("hex").and_then(Value::as_str).and_then(from_hex)
            }
            _ => None,
        };
        match bytes {
            Some(bytes) => reader.keep(Self(bytes)),
            None => reader.refuse(Self::EXPECTED, None),
        }
    }
}

impl Rule for Delimiter {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0.len() {
            1..=Self::MAX => Ok(()),
            _ => Refusal::new(Self::EXPECTED),
        }
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &HEXLOWER_PERMISSIVE.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl JsonSchema for Delimiter {
    fn schema_name() -> Cow<'static, str> {
        "Delimiter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a reply ends with: a text, or bytes in hexadecimal.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": {
                        "hex": { "type": "string", "pattern": "^([0-9A-Fa-f]{2})+$" },
                    },
                    "required": ["hex"],
                    "additionalProperties": false,
                },
            ],
            "examples": ["\n", { "hex": "0d0a" }],
        })
    }
}

/// A regular expression on bytes, within bounds of what it takes; else what is wrong with it.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, String> {
    /// What one may take of memory when it is compiled.
    const MOST_BYTES: usize = 1 << 20;
    let compiled = RegexBuilder::new(pattern)
        .size_limit(MOST_BYTES)
        .dfa_size_limit(MOST_BYTES)
        .build();
    compiled.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

/// The same for one that a reply ends with.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    let regex = compiled(pattern)?;
    match regex.is_match(b"") {
        true => {
            Err("it matches the empty text, so that every reply would be over at once".to_owned())
        }
        false => Ok(regex),
    }
}

/// A regular expression that a reply ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Pattern(pub(in crate::scenario) String);

impl Pattern {
    const EXPECTED: &'static str = "a regular expression such as \"\\\\r\\\\n$\"";
}

impl Decode for Pattern {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(reader.text(Self::EXPECTED)?.to_owned()))
    }
}

impl Rule for Pattern {
    fn rule(&self) -> Result<(), Refusal> {
        match regex(&self.0) {
            Ok(_) => Ok(()),
            Err(problem) => Refusal::with_help(Self::EXPECTED, Some(problem)),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(Pattern, "Pattern", {
    "description": "A regular expression on bytes, in the syntax of the Rust crate `regex`.",
    "examples": ["\\r\\n"],
});

/// How many bytes a length has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct PrefixBytes(pub(in crate::scenario) u8);

impl PrefixBytes {
    const EXPECTED: &'static str = "1, 2, 4 or 8";
}

impl Decode for PrefixBytes {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value.as_u64().and_then(|it| u8::try_from(it).ok()) {
            Some(bytes) => reader.keep(Self(bytes)),
            None => reader.refuse(Self::EXPECTED, None),
        }
    }
}

impl Rule for PrefixBytes {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0 {
            1 | 2 | 4 | 8 => Ok(()),
            _ => Refusal::new(Self::EXPECTED),
        }
    }
}

impl Serialize for PrefixBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl JsonSchema for PrefixBytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PrefixBytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [1, 2, 4, 8] })
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("" => Some(vec![]); "nothing")]
    #[test_case("0aFf" => Some(vec![10, 255]); "capitals or not")]
    #[test_case("0" => None; "half a byte")]
    #[test_case("0g" => None; "no digit")]
    #[test_case("0a 0b" => None; "a blank")]
    fn reads_hexadecimal(text: &str) -> Option<Vec<u8>> {
        from_hex(text)
    }

    #[test_case("a*" => true; "matches the empty text")]
    #[test_case("(" => true; "does not compile")]
    #[test_case("(a{1000}){1000}" => true; "takes too much")]
    #[test_case("OK\r\n" => false)]
    fn refuses_a_pattern(pattern: &str) -> bool {
        regex(pattern).is_err()
    }
}
