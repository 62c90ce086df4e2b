//! Where a scenario sends, as it is written: an address, or a server of the suite.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::backend::value::{BackendName, is_backend_name};
use super::reader::{Check, Decode, Place, Reader};
use super::value::TargetText;
use super::value::target::{BACKEND, Target};

/// One of a scenario's targets.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawTarget {
    /// An address.
    At(TargetText),
    /// The name of a server of the suite.
    Backend(String),
}

impl RawTarget {
    /// An address as a plan has it.
    pub(in crate::scenario) fn of(target: &Target) -> Self {
        Self::At(TargetText {
            target: target.clone(),
            scheme: None,
        })
    }

    /// The address, where it is one.
    pub(in crate::scenario) fn address(&self) -> Option<&TargetText> {
        match self {
            Self::At(target) => Some(target),
            Self::Backend(_) => None,
        }
    }

    /// The server's name, where it is one's.
    pub(in crate::scenario) fn backend(&self) -> Option<&str> {
        match self {
            Self::At(_) => None,
            Self::Backend(name) => Some(name),
        }
    }
}

impl Decode for RawTarget {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        if let Value::String(text) = reader.value
            && let Some(name) = text.strip_prefix(BACKEND)
            // What follows may be the port of a host of that name.
            && !name.starts_with(|c: char| c.is_ascii_digit())
        {
            return match is_backend_name(name) {
                true => Some(Self::Backend(name.to_owned())),
                false => reader.refuse("`backend:` and the name of a server of this suite", None),
            };
        }
        TargetText::decode(reader).map(Self::At)
    }
}

impl Check for RawTarget {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::At(target) => target.check(at),
            Self::Backend(name) => BackendName(name.clone()).check(at),
        }
    }
}

impl Serialize for RawTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(target) => target.serialize(serializer),
            Self::Backend(name) => serializer.collect_str(&format_args!("{BACKEND}{name}")),
        }
    }
}

impl JsonSchema for RawTarget {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ScenarioTarget".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<TargetText>(),
                {
                    "type": "string",
                    "description": "A server of the suite, by its name.",
                    "pattern": "^backend:[A-Za-z][A-Za-z0-9_-]{0,99}$",
                },
            ]
        })
    }
}
