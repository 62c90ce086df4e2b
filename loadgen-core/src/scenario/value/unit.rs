//! Values with units: durations, rates, sizes.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::text_schema;
use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
use crate::units::{
    DURATION_PATTERN, RATE_PATTERN, Rate, SIZE_PATTERN, Size, UnitError, ZeroOrRate,
    check_duration, format_duration, format_per_second, parse_duration,
};

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

fn refusal(error: &UnitError) -> Refusal {
    Refusal {
        expected: error.expected(),
        help: error.reason(),
    }
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
        reader.keep(Self(duration))
    }
}

impl Rule for Span {
    fn rule(&self) -> Result<(), Refusal> {
        check_duration(self.0).map_err(|error| refusal(&error))
    }
}

impl Rule for PositiveSpan {
    fn rule(&self) -> Result<(), Refusal> {
        if self.0.is_zero() {
            return Refusal::new("a duration above zero");
        }
        Span(self.0).rule()
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

impl Rule for Rate {}

impl Rule for ZeroOrRate {
    fn rule(&self) -> Result<(), Refusal> {
        self.check().map_err(|error| refusal(&error))
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

/// The longest message taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct MaxMessage(pub(in crate::scenario) u32);

/// 1 GiB.
const MOST_MAX_MESSAGE: u32 = 1 << 30;

impl Decode for MaxMessage {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text("a size as a text, such as \"4MiB\"")?;
        let size: Size = unit(reader, text.parse())?;
        // What has no room is above what may be.
        reader.keep(Self(u32::try_from(size.bytes()).unwrap_or(u32::MAX)))
    }
}

impl Rule for MaxMessage {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0 {
            1..=MOST_MAX_MESSAGE => Ok(()),
            _ => Refusal::new("a size from 1B to 1GiB"),
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
