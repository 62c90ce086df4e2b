//! What a server answered, as expressions see it.
//!
//! Owns the names and values of a reply's fields, what is known of them before the run, and the metadata that
//! comes with it. A reply is decoded once, and only where something looks at it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::BASE64;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value as Field,
};

use super::message::Form;
use crate::expression::{Fields, Known, Value, value_of};

/// The field that is the whole reply as a text, where it has none of this name.
const TEXT: &str = "text";

/// A reply as a value.
///
/// # Errors
/// Why the bytes are no such message.
pub(super) fn decode(descriptor: &MessageDescriptor, encoded: Bytes) -> Result<Value, String> {
    let message = DynamicMessage::decode(descriptor.clone(), encoded).map_err(|error| {
        let name = descriptor.full_name();
        format!("the answer is no `{name}`: {error}")
    })?;
    Ok(match Form::of(descriptor) {
        Form::Fields => Value::from_object(Message {
            is_whole: true,
            ..Message::of(message)
        }),
        _ => value_of_message(message),
    })
}

/// What can be said of a method's replies before the run.
pub(super) fn known(descriptor: &MessageDescriptor) -> Known {
    match Form::of(descriptor) {
        Form::Fields => Known::Fields(Rc::new(KnownFields {
            descriptor: descriptor.clone(),
            has_text: true,
        })),
        _ => known_of_message(descriptor),
    }
}

/// A message with its fields. What is not looked at is not made a value of.
#[derive(Debug)]
struct Message {
    message: DynamicMessage,
    /// Values of fields that are more than one value, once they were looked at. By number.
    made: Mutex<Vec<(u32, Value)>>,
    /// Whether it is the whole reply.
    is_whole: bool,
}

impl Message {
    fn of(message: DynamicMessage) -> Self {
        Self {
            message,
            made: Mutex::default(),
            is_whole: false,
        }
    }

    /// The value of a field, its default where it is not there.
    fn value(&self, field: &FieldDescriptor) -> Value {
        if field.supports_presence() && !self.message.has_field(field) {
            return Value::from(());
        }
        let kind = field.kind();
        let made = || value_of_field(&kind, &self.message.get_field(field));
        if !field.is_list() && !matches!(kind, Kind::Message(_)) {
            return made();
        }
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let number = field.number();
        if let Some((_, value)) = all.iter().find(|(made, _)| *made == number) {
            return value.clone();
        }
        let value = made();
        all.push((number, value.clone()));
        value
    }

    /// The value of an extension that is there.
    fn extension(&self, name: &str) -> Option<Value> {
        let mut all = self.message.extensions();
        let (extension, value) = all.find(|(it, _)| it.json_name() == name)?;
        Some(value_of_field(&extension.kind(), value))
    }

    /// The whole reply as JSON.
    fn text(&self) -> Option<Value> {
        let json = self.is_whole.then(|| serde_json::to_string(&self.message));
        json?.ok().map(Value::from)
    }
}

/// The field of this name, which may be the one of protobuf's JSON form.
fn field_named(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_name(name)
        .or_else(|| descriptor.get_field_by_json_name(name))
}

impl Object for Message {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if let Some(field) = field_named(&self.message.descriptor(), name) {
            return Some(self.value(&field));
        }
        let extension = self.extension(name);
        extension.or_else(|| (name == TEXT).then(|| self.text()).flatten())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let descriptor = self.message.descriptor();
        let fields = descriptor.fields().map(|it| Value::from(it.name()));
        let extensions = self.message.extensions();
        let extensions = extensions.map(|(it, _)| Value::from(it.json_name()));
        Enumerator::Values(fields.chain(extensions).collect())
    }
}

/// A map. Its keys are found by what they are and by their texts.
#[derive(Debug)]
struct Entries(BTreeMap<String, Value>);

impl Object for Entries {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(key) = key.as_str() {
            return self.0.get(key).cloned();
        }
        let text = match bool::try_from(key.clone()) {
            Ok(flag) => flag.to_string(),
            Err(_) => key.to_string(),
        };
        self.0.get(&text).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

fn value_of_field(kind: &Kind, value: &Field) -> Value {
    match value {
        Field::Bool(it) => Value::from(*it),
        Field::I32(it) => Value::from(*it),
        Field::I64(it) => Value::from(*it),
        Field::U32(it) => Value::from(*it),
        Field::U64(it) => Value::from(*it),
        Field::F32(it) => Value::from(as_written(*it)),
        Field::F64(it) => Value::from(*it),
        Field::String(it) => Value::from(it.as_str()),
        Field::Bytes(it) => Value::from(BASE64.encode(it)),
        Field::EnumNumber(number) => match kind {
            Kind::Enum(values) => values
                .get_value(*number)
                .map_or_else(|| Value::from(*number), |named| Value::from(named.name())),
            _ => Value::from(*number),
        },
        Field::Message(message) => value_of_message(message.clone()),
        Field::List(items) => items
            .iter()
            .map(|item| value_of_field(kind, item))
            .collect(),
        Field::Map(entries) => {
            let kind = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            let entries = entries
                .iter()
                .map(|(key, value)| (text_of(key), value_of_field(&kind, value)));
            Value::from_object(Entries(entries.collect()))
        }
    }
}

/// A float as the double that is written alike: 0.1 is 0.1.
fn as_written(float: f32) -> f64 {
    float.to_string().parse().unwrap_or_else(|_| float.into())
}

fn text_of(key: &MapKey) -> String {
    match key {
        MapKey::Bool(it) => it.to_string(),
        MapKey::I32(it) => it.to_string(),
        MapKey::I64(it) => it.to_string(),
        MapKey::U32(it) => it.to_string(),
        MapKey::U64(it) => it.to_string(),
        MapKey::String(it) => it.clone(),
    }
}

fn value_of_message(message: DynamicMessage) -> Value {
    match Form::of(&message.descriptor()) {
        Form::Fields => Value::from_object(Message::of(message)),
        Form::Wrapper(field) => value_of_field(&field.kind(), &message.get_field(&field)),
        // What nobody can write as JSON, such as a time of the year 100000, is seen with its fields.
        Form::Any | Form::Own => serde_json::to_value(&message).map_or_else(
            |_| Value::from_object(Message::of(message)),
            |json| value_of(&json),
        ),
    }
}

/// What is known of a message's fields before the run.
#[derive(Debug)]
struct KnownFields {
    descriptor: MessageDescriptor,
    /// Whether there is a field that is all of it as a text.
    has_text: bool,
}

impl Fields for KnownFields {
    fn field(&self, name: &str) -> Option<Known> {
        match field_named(&self.descriptor, name) {
            Some(field) => Some(known_of_field(&field)),
            None if name.starts_with('[') => {
                let mut extensions = self.descriptor.extensions();
                let known = extensions.any(|it| it.json_name() == name);
                known.then_some(Known::Anything)
            }
            None => (self.has_text && name == TEXT).then_some(Known::Text),
        }
    }

    fn names(&self) -> Vec<String> {
        let fields: Vec<_> = self.descriptor.fields().collect();
        fields.iter().map(|field| field.name().to_owned()).collect()
    }
}

fn known_of_field(field: &FieldDescriptor) -> Known {
    match field.kind() {
        _ if field.is_list() => Known::List,
        _ if field.is_map() => Known::Anything,
        Kind::Message(message) => known_of_message(&message),
        Kind::Bool => Known::Scalar,
        Kind::String | Kind::Bytes | Kind::Enum(_) => Known::Text,
        _ => Known::Number,
    }
}

fn known_of_message(descriptor: &MessageDescriptor) -> Known {
    match Form::of(descriptor) {
        Form::Fields => Known::Fields(Rc::new(KnownFields {
            descriptor: descriptor.clone(),
            has_text: false,
        })),
        Form::Wrapper(_) => Known::Scalar,
        Form::Any => Known::Anything,
        Form::Own => match descriptor.name() {
            "Timestamp" | "Duration" | "FieldMask" => Known::Scalar,
            "ListValue" => Known::List,
            _ => Known::Anything,
        },
    }
}

#[cfg(test)]
mod tests;
