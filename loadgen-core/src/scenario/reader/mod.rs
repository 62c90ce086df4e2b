//! The collecting decoder: JSON values to raw types, every problem noted and none the end.
//!
//! serde stops at the first error, so raw types are read by this instead. The [`object!`] macro
//! makes a raw type, its decoder, its serializer and its JSON Schema from one list of fields.

pub(in crate::scenario) mod json;
pub(in crate::scenario) mod problem;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::nearest::did_you_mean;
use crate::scenario::reader::json::join;
use crate::scenario::reader::problem::{Problems, describe};
use crate::secrets;

/// A value somewhere in the suite.
#[derive(Debug, Clone)]
pub(in crate::scenario) struct Reader<'a> {
    pub(in crate::scenario) value: &'a Value,
    pub(in crate::scenario) path: String,
    pub(in crate::scenario) problems: &'a Problems,
}

/// Something that can be read from JSON. `None` when it cannot: then a problem has been noted.
pub(in crate::scenario) trait Decode: Sized {
    fn decode(reader: &Reader<'_>) -> Option<Self>;
}

/// A raw type, by the names of its fields.
pub(in crate::scenario) trait Fields {
    /// The names, in the order in which they are listed and printed.
    const FIELDS: &'static [&'static str];

    /// Whether the field is there, readable or not.
    fn has(&self, field: &str) -> bool;
}

impl<'a> Reader<'a> {
    /// Notes that this value is not what it should be; for use with `?`.
    pub(in crate::scenario) fn refuse<T>(
        &self,
        expected: impl Into<String>,
        help: Option<String>,
    ) -> Option<T> {
        self.problems.add(&self.path, self.found(), expected, help);
        None
    }

    /// This value as a message shows it.
    fn found(&self) -> String {
        match self.value {
            Value::String(_) if secrets::is_at(&self.path) => "***".to_owned(),
            Value::Number(_) if secrets::is_at(&self.path) => "a number".to_owned(),
            Value::String(text) => describe(&Value::String(secrets::address(text))),
            other => describe(other),
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
        Self {
            value,
            path: format!("{}{}", self.path, join(&self.path, key)),
            problems: self.problems,
        }
    }

    fn item(&self, index: usize, value: &'a Value) -> Self {
        Self {
            value,
            path: format!("{}[{index}]", self.path),
            problems: self.problems,
        }
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
        for (key, value) in object {
            if known.contains(&key.as_str()) {
                continue;
            }
            let help = hints
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, help)| (*help).to_owned())
                .or_else(|| did_you_mean(key, known.iter().copied()))
                .unwrap_or_else(|| format!("the fields are {}", known.join(", ")));
            let path = self.field(key, value).path;
            self.problems.add(
                path,
                "an unknown field",
                format!("a field of {what}"),
                Some(help),
            );
        }
        for key in required {
            if !object.contains_key(*key) {
                let path = format!("{}{}", self.path, join(&self.path, key));
                self.problems
                    .add(path, "nothing", format!("{what} to have this field"), None);
            }
        }
    }
}

/// A field of a raw type. `Broken` has been complained about, so that nothing else need be.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::scenario) enum Entry<T> {
    #[default]
    Absent,
    Broken,
    Given(T),
}

impl<T> Entry<T> {
    pub(in crate::scenario) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if one was given and could be read.
    pub(in crate::scenario) fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }

    pub(in crate::scenario) fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Given)
    }

    /// As [`Entry::or`], with a default that has to be made.
    pub(in crate::scenario) fn or_else_with<U>(
        &self,
        default: impl FnOnce() -> U,
        convert: impl FnOnce(&T) -> U,
    ) -> Option<U> {
        match self {
            Self::Absent => Some(default()),
            Self::Broken => None,
            Self::Given(value) => Some(convert(value)),
        }
    }

    /// What it means: nothing given is `default`, and `None` is what could not be read.
    pub(in crate::scenario) fn or<U>(
        &self,
        default: U,
        convert: impl FnOnce(&T) -> U,
    ) -> Option<U> {
        match self {
            Self::Absent => Some(default),
            Self::Broken => None,
            Self::Given(value) => Some(convert(value)),
        }
    }
}

impl<T: Decode> Entry<T> {
    pub(in crate::scenario) fn decode(reader: &Reader<'_>) -> Self {
        T::decode(reader).map_or(Self::Broken, Self::Given)
    }
}

impl<T: Serialize> Serialize for Entry<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Absent | Self::Broken => serializer.serialize_unit(),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Entry<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// An array, its broken items kept in place so that the others keep their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct List<T>(pub(in crate::scenario) Vec<Entry<T>>);

impl<T> List<T> {
    pub(in crate::scenario) fn of(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().map(Entry::Given).collect())
    }

    /// These items, or nothing where there are none.
    pub(in crate::scenario) fn unless_empty(
        items: impl ExactSizeIterator<Item = T>,
    ) -> Entry<Self> {
        match items.len() {
            0 => Entry::Absent,
            _ => Entry::Given(Self::of(items)),
        }
    }

    /// The readable items with their numbers.
    pub(in crate::scenario) fn given(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| Some((index, entry.given()?)))
    }

    /// All items, or `None` when one could not be read.
    pub(in crate::scenario) fn all<U>(&self, convert: impl Fn(&T) -> U) -> Option<Vec<U>> {
        self.0
            .iter()
            .map(|entry| entry.given().map(&convert))
            .collect()
    }
}

impl<T: Decode> Decode for List<T> {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let Value::Array(items) = reader.value else {
            return reader.refuse("an array", None);
        };
        let entries = items
            .iter()
            .enumerate()
            .map(|(index, item)| Entry::decode(&reader.item(index, item)));
        Some(Self(entries.collect()))
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

/// An object whose field names are the user's own.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct Entries<T>(pub(in crate::scenario) Vec<(String, Entry<T>)>);

impl<T> Entries<T> {
    /// These names and values, or nothing where there are none.
    pub(in crate::scenario) fn of<'a>(
        pairs: impl IntoIterator<Item = &'a (String, String)>,
        value_of: impl Fn(String) -> T,
    ) -> Entry<Self> {
        let entries: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| (name.clone(), Entry::Given(value_of(value.clone()))))
            .collect();
        match entries.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Self(entries)),
        }
    }
}

impl<T: Decode> Decode for Entries<T> {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let object = reader.object("an object")?;
        let entries = object
            .iter()
            .map(|(key, value)| (key.clone(), Entry::decode(&reader.field(key, value))));
        Some(Self(entries.collect()))
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("EntriesOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
        })
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

/// Makes a raw type from a list of its fields: `"json name" field: Type,`, with `[required]`
/// after the name of one that must be there. `hints` answer fields that people try and that do
/// not exist.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $name:ident is $what:literal {
            $( $(#[$field_meta:meta])* $json:literal $([$required:ident])? $field:ident: $type:ty, )+
        }
        $( hints { $( $hint:literal => $help:literal, )+ } )?
    ) => {
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, schemars::JsonSchema)]
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        #[schemars(extend("required" = Self::REQUIRED))]
        pub(in crate::scenario) struct $name {
            $(
                $(#[$field_meta])*
                #[serde(rename = $json, default, skip_serializing_if = "Entry::is_absent")]
                pub(in crate::scenario) $field: Entry<$type>,
            )+
        }

        impl $name {
            const REQUIRED: &'static [&'static str] =
                &[$($({ stringify!($required); $json },)?)+];
            const HINTS: &'static [(&'static str, &'static str)] =
                &[$($(($hint, $help),)+)?];
        }

        impl crate::scenario::reader::Fields for $name {
            const FIELDS: &'static [&'static str] = &[$($json,)+];

            fn has(&self, field: &str) -> bool {
                match field {
                    $($json => !self.$field.is_absent(),)+
                    _ => false,
                }
            }
        }

        impl Decode for $name {
            fn decode(reader: &Reader<'_>) -> Option<Self> {
                use crate::scenario::reader::Fields;

                let object = reader.object($what)?;
                reader.check_fields(object, $what, Self::FIELDS, Self::REQUIRED, Self::HINTS);
                let entry = |key: &str| object.get(key).map(|value| reader.field(key, value));
                Some(Self {
                    $($field: match entry($json) {
                        Some(reader) => Entry::decode(&reader),
                        None if Self::REQUIRED.contains(&$json) => Entry::Broken,
                        None => Entry::Absent,
                    },)+
                })
            }
        }
    };
}

/// Makes an enum of words.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
        $(#[$meta])*
        pub(in crate::scenario) enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )+
        }

        impl Decode for $name {
            fn decode(reader: &Reader<'_>) -> Option<Self> {
                const WORDS: &[&str] = &[$($word,)+];
                let expected = match WORDS {
                    [only] => format!("\"{only}\""),
                    several => format!("one of \"{}\"", several.join("\", \"")),
                };
                match reader.text(&expected)? {
                    $($word => Some(Self::$variant),)+
                    other => reader.refuse(
                        expected,
                        crate::nearest::did_you_mean(other, WORDS.iter().copied()),
                    ),
                }
            }
        }
    };
}

pub(in crate::scenario) use {choice, object};
