//! Values that are texts of a certain form: names, paths, addresses.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::scenario::reader::{Decode, Reader, Refusal, Rule};

/// The most characters of a name.
pub(in crate::scenario) const MAX_NAME: usize = 100;

/// The JSON Schema of a type that is a text of some form.
macro_rules! text_schema {
    ($type:ty, $name:literal, { $($rest:tt)* }) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $($rest)* })
            }
        }
    };
}

/// Makes a type for a text that a function checks.
macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, $schema_name:literal, $expected:expr, $valid:path, $pattern:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(in crate::scenario) struct $name(pub(in crate::scenario) String);

        impl crate::scenario::reader::Decode for $name {
            fn decode(reader: &crate::scenario::reader::Reader<'_>) -> Option<Self> {
                reader.keep(Self(reader.text($expected)?.to_owned()))
            }
        }

        impl crate::scenario::reader::Rule for $name {
            fn rule(&self) -> Result<(), crate::scenario::reader::Refusal> {
                match $valid(&self.0) {
                    true => Ok(()),
                    false => crate::scenario::reader::Refusal::new($expected),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        crate::scenario::value::text_schema!($name, $schema_name, { "description": $expected, "pattern": $pattern });
    };
}

checked_text! {
    /// A scenario's name: it ends up in file names, metrics and on command lines.
    ScenarioName, "ScenarioName",
    "a name of 1 to 100 letters, digits, `_`, `.` and `-` that starts with a letter or digit",
    is_scenario_name, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
}

checked_text! {
    /// A field of a message, or of a message or object within it.
    FieldPath, "FieldPath",
    "the name of a field, or the way to one in nested objects, such as \"meta.id\": 1 to 100 \
     characters, a name on either side of each `.`, and no control character",
    is_field_path, "^(?=.{1,100}$)[^\\x00-\\x1f\\x7f.]+(\\.[^\\x00-\\x1f\\x7f.]+)*$"
}

fn is_field_path(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_ascii_control())
        && text.split('.').all(|name| !name.is_empty())
}

checked_text! {
    /// A step's name: no points, since thresholds write `steps.NAME.response_time`.
    StepName, "StepName",
    "a name of 1 to 100 letters, digits, `_` and `-` that starts with a letter or digit",
    is_step_name, "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
}

checked_text! {
    /// A tag's value.
    TagValue, "TagValue",
    "a text of at most 200 characters, none of them a control character",
    is_tag_value, "^[^\\x00-\\x1f\\x7f]{0,200}$"
}

/// A path, relative to the suite. One that an included file has is relative to that as it is written, and
/// is kept relative to the file that includes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct FilePath(pub(in crate::scenario) String);

impl Decode for FilePath {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let Self(path) = reader.keep(Self(reader.text("a path")?.to_owned()))?;
        let folder = reader.at.problems.origin(&reader.at.path).folder;
        Some(match folder.as_os_str().is_empty() {
            true => Self(path),
            false => Self::of(folder.join(path)),
        })
    }
}

impl Rule for FilePath {
    fn rule(&self) -> Result<(), Refusal> {
        match is_path(&self.0) {
            true => Ok(()),
            false => Refusal::new("a path"),
        }
    }
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(FilePath, "FilePath", { "description": "a path", "pattern": "^[^\\x00]+$" });

impl FilePath {
    pub(in crate::scenario) fn of(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().to_string_lossy().into_owned())
    }
}

checked_text! {
    /// The name that a certificate must carry.
    ServerName, "ServerName", "a host name or an IP address", is_server_name, "^[A-Za-z0-9_.:-]+$"
}

fn is_scenario_name(text: &str) -> bool {
    is_name(text, b"_.-")
}

pub(in crate::scenario) fn is_step_name(text: &str) -> bool {
    is_name(text, b"_-")
}

fn is_name(text: &str, others: &[u8]) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_tag_value(text: &str) -> bool {
    text.chars().count() <= 200 && !text.chars().any(|c| c.is_ascii_control())
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

fn is_server_name(text: &str) -> bool {
    text.len() <= 253
        && !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

checked_text! {
    /// Whom a connection is for.
    Authority, "Authority",
    "a host name or an IP address, with or without a port",
    is_authority, "^[A-Za-z0-9_.:\\[\\]-]+$"
}

fn is_authority(text: &str) -> bool {
    text.len() <= 259
        && !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte))
}

pub(in crate::scenario) use {checked_text, text_schema};

/// An address that connections come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct SourceAddress(pub(in crate::scenario) IpAddr);

impl Decode for SourceAddress {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str =
            "an address of this machine such as \"127.0.0.2\" or \"::1\", without a port";
        let text = reader.text(EXPECTED)?;
        match (text.parse(), text.parse::<SocketAddr>()) {
            (Ok(address), _) => Some(Self(address)),
            (Err(_), Ok(_)) => {
                reader.refuse(EXPECTED, Some("the system chooses the port".to_owned()))
            }
            (Err(_), Err(_)) => reader.refuse(EXPECTED, None),
        }
    }
}

impl Rule for SourceAddress {}

impl Serialize for SourceAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

text_schema!(SourceAddress, "SourceAddress", {
    "description": "An address of this machine, without a port.",
    "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }],
    "examples": ["127.0.0.2"],
});

checked_text! {
    /// A value that a scenario is written for.
    EachValue, "EachValue",
    "a text of 1 to 100 characters, none of them a control character",
    is_each_value, "^[^\\x00-\\x1f\\x7f]{1,100}$"
}

fn is_each_value(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(|c| c.is_ascii_control())
}
