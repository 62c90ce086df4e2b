//! The parts that raw types are made of: a field, a list, and an object of names that are one's own.

use std::borrow::Cow;
use std::collections::HashSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Check, Decode, Place, Reader};

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

impl<T: Check> Check for Entry<T> {
    fn check(&mut self, at: &Place<'_>) -> bool {
        if let Self::Given(value) = self
            && !value.check(at)
        {
            *self = Self::Broken;
        }
        true
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

impl<T: Check> Check for List<T> {
    fn check(&mut self, at: &Place<'_>) -> bool {
        for (index, entry) in self.0.iter_mut().enumerate() {
            entry.check(&at.item(index));
        }
        true
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
    pub(in crate::scenario) fn of<'a, V: Clone + 'a>(
        pairs: impl IntoIterator<Item = &'a (String, V)>,
        value_of: impl Fn(V) -> T,
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

impl<T: Check> Check for Entries<T> {
    /// What stands twice counts once, as in a file: the first of them.
    fn check(&mut self, at: &Place<'_>) -> bool {
        let mut seen = HashSet::new();
        self.0.retain(|(key, _)| seen.insert(key.clone()));
        for (key, entry) in &mut self.0 {
            entry.check(&at.field(key));
        }
        true
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
