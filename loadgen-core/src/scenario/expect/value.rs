//! The single values of expectations.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::expectation::{Distribution, Glob, percent, percentage};
use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
use crate::scenario::value::template::{is_template, template};
use crate::scenario::value::text_schema;

/// `even within 10%`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct EvenText(pub(super) Distribution);

const EVEN: &str =
    "a distribution such as \"even within 10%\" or \"even within 10% per connection\"";

impl Decode for EvenText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.text(EVEN)?.parse() {
            Ok(distribution) => Some(Self(distribution)),
            Err(_) => reader.refuse(EVEN, None),
        }
    }
}

impl Rule for EvenText {}

impl Serialize for EvenText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

text_schema!(EvenText, "EvenDistribution", {
    "description": "That all servers get the same, and how far from that a share of all may be.",
    "pattern": r"^\s*even\s+within\s+[0-9]+(\.[0-9]+)?%(\s+per\s+(request|stream|connection))?\s*$",
    "examples": ["even within 10%", "even within 5% per connection"],
});

/// What a key is made of.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct KeyTemplate(pub(super) String);

const KEY: &str = "a template such as \"{{ row.session }}\" or \"{{ user % 100 }}\"";

impl Decode for KeyTemplate {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(reader.text(KEY)?.to_owned()))
    }
}

impl Rule for KeyTemplate {
    fn rule(&self) -> Result<(), Refusal> {
        template(&self.0)?;
        if !is_template(&self.0) {
            return Refusal::new(KEY);
        }
        // What chance makes of it is another than what it makes of what is sent.
        let calls = |name: &&&str| {
            let mut places = self.0.match_indices(**name);
            places.any(|(at, _)| self.0[at + name.len()..].trim_start().starts_with('('))
        };
        match ["uuid", "random", "choice", "now"].iter().find(calls) {
            None => Ok(()),
            Some(name) => Refusal::with_help(
                KEY,
                Some(format!(
                    "`{name}` comes to something else each time; what is sent may be saved first"
                )),
            ),
        }
    }
}

impl Serialize for KeyTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(KeyTemplate, "KeyTemplate", {
    "description": "A template; what it comes to is the key.",
    "pattern": r"\{\{",
    "examples": ["{{ row.session }}", "{{ user % 100 }}"],
});

/// A part of all, in percent, above nothing and below all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::scenario) struct Share(pub(in crate::scenario) f64);

const SHARE: &str = "a percentage such as \"2%\", above 0% and below 100%";

impl Decode for Share {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match percent(reader.text(SHARE)?) {
            Some(share) => reader.keep(Self(share)),
            None => reader.refuse(SHARE, None),
        }
    }
}

impl Rule for Share {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0 > 0.0 && self.0 < 1.0 {
            true => Ok(()),
            false => Refusal::new(SHARE),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&percentage(self.0))
    }
}

text_schema!(Share, "ShareOfAll", {
    "description": SHARE,
    "pattern": r"^[0-9]+(\.[0-9]+)?%$",
    "examples": ["2%"],
});

/// What a server gets in proportion to others: a number, or a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::scenario) enum ShareWeight {
    Parts(f64),
    Percent(f64),
}

const WEIGHT: &str = "a number from 0 to 1000000, or a percentage such as \"70%\"";

impl Decode for ShareWeight {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::Number(number) => match number.as_f64() {
                Some(number) => reader.keep(Self::Parts(number)),
                None => reader.refuse(WEIGHT, None),
            },
            Value::String(text) => match percent(text) {
                Some(share) => Some(Self::Percent(share * 100.0)),
                None => reader.refuse(WEIGHT, None),
            },
            _ => reader.refuse(WEIGHT, None),
        }
    }
}

impl Rule for ShareWeight {
    fn rule(&self) -> Result<(), Refusal> {
        let (Self::Parts(weight) | Self::Percent(weight)) = *self;
        match (0.0..=1e6).contains(&weight) {
            true => Ok(()),
            false => Refusal::new(WEIGHT),
        }
    }
}

impl Serialize for ShareWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            // As it is mostly written.
            Self::Parts(weight) if weight.fract() == 0.0 && (0.0..1e9).contains(&weight) => {
                serializer.serialize_u64(weight as u64)
            }
            Self::Parts(weight) => serializer.serialize_f64(weight),
            Self::Percent(percent) => serializer.serialize_str(&format!("{percent}%")),
        }
    }
}

impl JsonSchema for ShareWeight {
    fn schema_name() -> Cow<'static, str> {
        "ShareWeight".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": WEIGHT,
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1_000_000 },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$" },
            ],
        })
    }
}

/// A pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Pattern(pub(super) Glob);

const PATTERN: &str = "a pattern of 1 to 200 characters such as \"v1*\"";

impl Decode for Pattern {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.text(PATTERN)?.parse() {
            Ok(glob) => Some(Self(glob)),
            Err(_) => reader.refuse(PATTERN, None),
        }
    }
}

impl Rule for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

text_schema!(Pattern, "Pattern", {
    "description": "A pattern of names: `*` stands for any number of characters, `?` for one.",
    "minLength": 1,
    "maxLength": 200,
    "examples": ["v1*", "b?"],
});

/// What a figure is compared with: `< 1s`. Which figure it is says what it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct LimitText(pub(super) String);

impl Decode for LimitText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text("a limit such as \"< 1s\" or \"<= 200\"")?;
        Some(Self(text.to_owned()))
    }
}

impl Rule for LimitText {}

impl Serialize for LimitText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(LimitText, "Limit", {
    "description": "A comparison, and a time or a number.",
    "pattern": r"^\s*(<|<=|>|>=|==|!=)\s*[0-9]",
    "examples": ["< 1s", "<= 200", "== 0"],
});
