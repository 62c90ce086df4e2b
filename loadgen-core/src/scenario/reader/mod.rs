//! The collecting decoder: JSON values to raw types, every problem noted and none the end.
//!
//! serde stops at the first error, so raw types are read by this instead. The [`object!`] macro
//! makes a raw type, its decoder, its checks, its serializer and its JSON Schema from one list of
//! fields. What a value may be is said by its [`Rule`], which is the same for one that is read and for
//! one that a plan made in code has.

mod entry;
pub(in crate::scenario) mod json;
mod object;
pub(in crate::scenario) mod origin;
pub(in crate::scenario) mod problem;
pub(in crate::scenario) mod text;
mod yaml;

use serde::Serialize;
use serde_json::{Map, Value};

use self::json::join;
use self::problem::{Problems, describe};
use crate::nearest::nearest;
use crate::secrets;

pub(in crate::scenario) use self::yaml::is_text as is_yaml_text;

pub(in crate::scenario) use self::entry::{Entries, Entry, List};
pub(in crate::scenario) use self::object::{choice, object};

/// A place in a suite.
#[derive(Debug, Clone)]
pub(in crate::scenario) struct Place<'a> {
    pub(in crate::scenario) path: String,
    pub(in crate::scenario) problems: &'a Problems,
}

/// A value somewhere in the suite.
#[derive(Debug, Clone)]
pub(in crate::scenario) struct Reader<'a> {
    pub(in crate::scenario) value: &'a Value,
    pub(in crate::scenario) at: Place<'a>,
}

/// What should stand in a place, and what helps to get there.
#[derive(Debug)]
pub(in crate::scenario) struct Refusal {
    pub(in crate::scenario) expected: String,
    pub(in crate::scenario) help: Option<String>,
}

/// Something that can be read from JSON. `None` when it cannot: then a problem has been noted.
pub(in crate::scenario) trait Decode: Sized {
    fn decode(reader: &Reader<'_>) -> Option<Self>;
}

/// Something whose values are checked where they were not read. A field that breaks a rule is
/// [`Entry::Broken`] afterwards, as if it had been read. False when the whole is.
pub(in crate::scenario) trait Check {
    fn check(&mut self, at: &Place<'_>) -> bool;
}

/// A single value, which is within its bounds or is not.
pub(in crate::scenario) trait Rule: Serialize {
    /// # Errors
    /// [`Refusal`] for one that may not be.
    fn rule(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl<T: Rule> Check for T {
    fn check(&mut self, at: &Place<'_>) -> bool {
        let refusal = self.rule().err();
        refusal.is_none_or(|refusal| at.refuse(&as_written(self), refusal))
    }
}

/// A value as a file would have it. Only one that cannot be written at all is nothing.
pub(in crate::scenario) fn as_written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A raw type, by the names of its fields.
pub(in crate::scenario) trait Fields {
    /// The names, in the order in which they are listed and printed.
    const FIELDS: &'static [&'static str];

    /// Whether the field is there, readable or not.
    fn has(&self, field: &str) -> bool;
}

impl Refusal {
    pub(in crate::scenario) fn new<T>(expected: impl Into<String>) -> Result<T, Self> {
        Self::with_help(expected, None)
    }

    pub(in crate::scenario) fn with_help<T>(
        expected: impl Into<String>,
        help: Option<String>,
    ) -> Result<T, Self> {
        Err(Self {
            expected: expected.into(),
            help,
        })
    }
}

impl<'a> Place<'a> {
    /// A field of what is here.
    pub(in crate::scenario) fn field(&self, key: &str) -> Self {
        Self {
            path: format!("{}{}", self.path, join(&self.path, key)),
            problems: self.problems,
        }
    }

    /// An item of the list that is here.
    pub(in crate::scenario) fn item(&self, index: usize) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            problems: self.problems,
        }
    }

    /// Notes that this value is not what it should be. Always false, as what was refused is no good.
    pub(in crate::scenario) fn refuse(&self, value: &Value, refusal: Refusal) -> bool {
        let Refusal { expected, help } = refusal;
        self.problems
            .add(&self.path, self.shown(value), expected, help);
        false
    }

    /// A value that is here as a message shows it.
    fn shown(&self, value: &Value) -> String {
        match value {
            Value::String(_) if secrets::is_at(&self.path) => "***".to_owned(),
            Value::Number(_) if secrets::is_at(&self.path) => "a number".to_owned(),
            Value::String(text) => describe(&Value::String(secrets::address(text))),
            other => describe(other),
        }
    }
}

impl<'a> Reader<'a> {
    /// Notes that this value is not what it should be; for use with `?`.
    pub(in crate::scenario) fn refuse<T>(
        &self,
        expected: impl Into<String>,
        help: Option<String>,
    ) -> Option<T> {
        let expected = expected.into();
        self.at.refuse(self.value, Refusal { expected, help });
        None
    }

    /// What was read, if it is within its bounds.
    pub(in crate::scenario) fn keep<T: Rule>(&self, read: T) -> Option<T> {
        match read.rule() {
            Ok(()) => Some(read),
            Err(Refusal { expected, help }) => self.refuse(expected, help),
        }
    }

    pub(in crate::scenario) fn text(&self, expected: &str) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.refuse(expected, None),
        }
    }

    pub(in crate::scenario) fn object(&self, expected: &str) -> Option<&'a Map<String, Value>> {
        match self.value {
            Value::Object(object) => Some(object),
            _ => self.refuse(expected, None),
        }
    }

    pub(in crate::scenario) fn field(&self, key: &str, value: &'a Value) -> Self {
        let at = self.at.field(key);
        Self { value, at }
    }

    pub(in crate::scenario) fn item(&self, index: usize, value: &'a Value) -> Self {
        let at = self.at.item(index);
        Self { value, at }
    }

    /// Notes every field that is not in `known`, and every one of `required` that is not there.
    pub(in crate::scenario) fn check_fields(
        &self,
        object: &'a Map<String, Value>,
        what: &str,
        known: &[&str],
        required: &[&str],
        hints: &[(&str, &str)],
    ) {
        let problems = self.at.problems;
        for key in object.keys() {
            if known.contains(&key.as_str()) {
                continue;
            }
            let hint = hints.iter().find(|(name, _)| name == key);
            let help = match (hint, nearest(key, known.iter().copied())) {
                (Some((_, help)), _) => (*help).to_owned(),
                (None, Some(near)) => {
                    problems.note_meant(self.at.field(near).path);
                    format!("did you mean `{near}`?")
                }
                (None, None) => format!("the fields are {}", known.join(", ")),
            };
            let expected = format!("a field of {what}");
            problems.add(
                self.at.field(key).path,
                "an unknown field",
                expected,
                Some(help),
            );
        }
        for key in required {
            if !object.contains_key(*key) {
                let expected = format!("{what} to have this field");
                problems.add(self.at.field(key).path, "nothing", expected, None);
            }
        }
    }
}

impl Decode for String {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.text("a text").map(str::to_owned)
    }
}

impl Decode for bool {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::Bool(flag) => Some(*flag),
            _ => reader.refuse("true or false", None),
        }
    }
}

impl Rule for String {}

impl Rule for bool {}
