//! The single values of a scenario: each with its bounds, its form and its JSON Schema.

pub(in crate::scenario) mod target;

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::condition::Threshold;
use crate::scenario::reader::{Decode, Reader};
use crate::scenario::value::target::Target;
use crate::units::{
    DURATION_PATTERN, RATE_PATTERN, Rate, SIZE_PATTERN, Size, UnitError, ZeroOrRate,
    format_duration, format_per_second, parse_duration,
};

/// The most users a scenario may have.
pub(in crate::scenario) const MAX_USERS: u64 = 1_000_000;
/// The most connections a scenario may have.
pub(in crate::scenario) const MAX_CONNECTIONS: u64 = 65_535;
/// The most iterations a scenario may have.
pub(in crate::scenario) const MAX_ITERATIONS: u64 = 1_000_000_000_000_000;
pub(in crate::scenario) const MAX_NAME: usize = 100;

/// A whole number within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct Bounded<const MIN: u64, const MAX: u64>(pub(in crate::scenario) u64);

pub(in crate::scenario) type Users = Bounded<1, MAX_USERS>;
pub(in crate::scenario) type UsersOrNone = Bounded<0, MAX_USERS>;
pub(in crate::scenario) type Connections = Bounded<1, MAX_CONNECTIONS>;
pub(in crate::scenario) type Streams = Bounded<1, 1_000_000>;
pub(in crate::scenario) type Iterations = Bounded<1, MAX_ITERATIONS>;
pub(in crate::scenario) type Messages = Bounded<1, 1_000_000_000>;

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// What a plan says.
    pub(in crate::scenario) fn of(value: u32) -> Self {
        Self(u64::from(value))
    }

    /// For fields of 32 bits; their bounds fit, which the compiler checks.
    pub(in crate::scenario) fn small(self) -> u32 {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as u32
    }

    pub(in crate::scenario) fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    pub(in crate::scenario) fn allows(value: u64) -> bool {
        (MIN..=MAX).contains(&value)
    }
}

impl<const MIN: u64, const MAX: u64> Decode for Bounded<MIN, MAX> {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value.as_u64().filter(|value| Self::allows(*value)) {
            Some(value) => Some(Self(value)),
            None => reader.refuse(Self::expected(), None),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Bounded<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A duration, zero included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct Span(pub(in crate::scenario) Duration);

/// A duration above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct PositiveSpan(pub(in crate::scenario) Duration);

pub(in crate::scenario) fn unit<T>(reader: &Reader<'_>, result: Result<T, UnitError>) -> Option<T> {
    result.map_or_else(
        |error| reader.refuse(error.expected(), error.reason()),
        Some,
    )
}

const DURATION_EXPECTED: &str = "a duration as a text, such as \"1.5s\"";

impl Decode for Span {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        unit(reader, parse_duration(reader.text(DURATION_EXPECTED)?)).map(Self)
    }
}

impl Decode for PositiveSpan {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let Span(duration) = Span::decode(reader)?;
        if duration.is_zero() {
            return reader.refuse("a duration above zero", None);
        }
        Some(Self(duration))
    }
}

impl Decode for Rate {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        unit(
            reader,
            reader.text("a rate as a text, such as \"500/s\"")?.parse(),
        )
    }
}

impl Decode for ZeroOrRate {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        unit(
            reader,
            reader.text("a rate as a text, such as \"500/s\"")?.parse(),
        )
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(self.0))
    }
}

impl Serialize for PositiveSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(self.0))
    }
}

impl Serialize for ZeroOrRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_per_second(self.per_second()))
    }
}

/// The JSON Schema of a type that is a text of some form.
macro_rules! text_schema {
    ($type:ty, $name:literal, { $($rest:tt)* }) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $($rest)* })
            }
        }
    };
}

text_schema!(Span, "Duration", {
    "description": "A duration, at most 30 days.",
    "pattern": DURATION_PATTERN,
    "examples": ["1.5s", "100ms", "1m30s"],
});
text_schema!(PositiveSpan, "PositiveDuration", {
    "description": "A duration above zero, at most 30 days.",
    "pattern": DURATION_PATTERN,
    "examples": ["1.5s", "100ms", "1m30s"],
});
text_schema!(ZeroOrRate, "RateOrZero", {
    "description": "So many per second, minute or hour; may be zero.",
    "pattern": RATE_PATTERN,
    "examples": ["0/s", "500/s"],
});

/// Makes a type for a text that a function checks.
macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, $schema_name:literal, $expected:expr, $valid:path, $pattern:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(in crate::scenario) struct $name(pub(in crate::scenario) String);

        impl Decode for $name {
            fn decode(reader: &Reader<'_>) -> Option<Self> {
                let text = reader.text($expected)?;
                if $valid(text) {
                    Some(Self(text.to_owned()))
                } else {
                    reader.refuse($expected, None)
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        text_schema!($name, $schema_name, { "description": $expected, "pattern": $pattern });
    };
}

checked_text! {
    /// A scenario's name: it ends up in file names, metrics and on command lines.
    ScenarioName, "ScenarioName",
    "a name of 1 to 100 letters, digits, `_`, `.` and `-` that starts with a letter or digit",
    is_scenario_name, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
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

checked_text! {
    /// A path, relative to the suite.
    FilePath, "FilePath", "a path", is_path, "^[^\\x00]+$"
}

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

/// The longest message taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct MaxMessage(pub(in crate::scenario) u32);

/// 1 GiB.
const MOST_MAX_MESSAGE: u32 = 1 << 30;

impl Decode for MaxMessage {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text("a size as a text, such as \"4MiB\"")?;
        let size: Size = unit(reader, text.parse())?;
        match u32::try_from(size.bytes()) {
            Ok(bytes @ 1..=MOST_MAX_MESSAGE) => Some(Self(bytes)),
            _ => reader.refuse("a size from 1B to 1GiB", None),
        }
    }
}

impl Serialize for MaxMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A number of 32 bits is below the largest size there is.
        match Size::new(u64::from(self.0)) {
            Ok(size) => size.serialize(serializer),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

text_schema!(MaxMessage, "MaxMessage", {
    "description": "A number of bytes, from 1B to 1GiB.",
    "pattern": SIZE_PATTERN,
    "examples": ["4MiB", "64MiB"],
});

/// A target, and the scheme that it was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct TargetText {
    pub(in crate::scenario) target: Target,
    pub(in crate::scenario) scheme: Option<String>,
}

impl Decode for TargetText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\"";
        let text = reader.text(EXPECTED)?;
        match text.parse::<Target>() {
            Ok(target) => Some(Self {
                target,
                scheme: text.split_once("://").map(|(scheme, _)| scheme.to_owned()),
            }),
            Err(error) => reader.refuse(EXPECTED, Some(error.problem().to_owned())),
        }
    }
}

impl Serialize for TargetText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.target)
    }
}

text_schema!(TargetText, "Target", {
    "description": "Where to send: host:port, http:// or ws:// before it for plain text, https:// or wss:// for TLS; or unix: and the path of a UNIX socket.",
    "examples": ["127.0.0.1:50051", "[::1]:50051", "https://example.com:443", "wss://example.com", "unix:/run/service.sock"],
});

impl Decode for Threshold {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "a condition such as \"response_time.p95 < 5ms\"";
        match reader.text(EXPECTED)?.parse::<Threshold>() {
            Ok(threshold) => Some(threshold),
            Err(error) => reader.refuse(
                format!("{} at column {}", error.expected(), error.column()),
                error.reason(),
            ),
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expression())
    }
}

text_schema!(Threshold, "Threshold", {
    "description": "A condition on the results; the scenario reference has the grammar.",
    "examples": ["error_rate < 1%", "response_time.p95 < 5ms", "outcomes.grpc.UNAVAILABLE == 0"],
});

pub(in crate::scenario) use {checked_text, text_schema};
