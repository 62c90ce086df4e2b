//! One value of a message that is no message itself, from its JSON form.
//!
//! Owns numbers, words, bytes and the keys of maps, and says what is expected in their place.

use data_encoding::{Encoding, Specification};
use prost_reflect::{FieldDescriptor, Kind, MapKey, Value as Field};
use serde_json::Value;

use super::number::{self, NumberError};

/// A number, a word or bytes. Numbers may be written as texts, as protobuf's JSON form has it.
pub(super) fn scalar(kind: &Kind, value: &Value) -> Result<Field, String> {
    let found = || format!("found {}", kind_of(value));
    let written = match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let number = || written.as_deref().ok_or_else(found);
    let told = |error: NumberError| match written.as_deref() {
        Some(written) => format!("{} {error}", crate::text::short(written)),
        None => error.to_string(),
    };
    let text = || value.as_str().ok_or_else(found);
    Ok(match kind {
        Kind::Double => Field::F64(number::double(number()?).map_err(told)?),
        Kind::Float => Field::F32(number::float(number()?).map_err(told)?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Field::I32(number::integer(number()?).map_err(told)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Field::I64(number::integer(number()?).map_err(told)?)
        }
        Kind::Uint32 | Kind::Fixed32 => Field::U32(number::integer(number()?).map_err(told)?),
        Kind::Uint64 | Kind::Fixed64 => Field::U64(number::integer(number()?).map_err(told)?),
        Kind::Bool => Field::Bool(value.as_bool().ok_or_else(found)?),
        Kind::String => Field::String(text()?.to_owned()),
        Kind::Bytes => Field::Bytes(base64(text()?)?.into()),
        Kind::Enum(values) => Field::EnumNumber(match value {
            Value::Null if values.full_name() == "google.protobuf.NullValue" => 0,
            Value::String(name) => values
                .get_value_by_name(name)
                .ok_or_else(|| format!("`{}` is none of its values", crate::text::short(name)))?
                .number(),
            Value::Number(_) => number::integer(number()?).map_err(told)?,
            _ => return Err(found()),
        }),
        Kind::Message(_) => return Err(found()),
    })
}

/// With either alphabet, padded or not, as protobuf's JSON form has it.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, String> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let problem = |error: &dyn std::fmt::Display| format!("it is not base64: {error}");
    let decoder = lenient_base64().map_err(|error| problem(&error))?;
    decoder
        .decode(plain.as_bytes())
        .map_err(|error| problem(&error))
}

fn lenient_base64() -> Result<Encoding, data_encoding::SpecificationError> {
    let mut rules = Specification::new();
    rules
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    rules.check_trailing_bits = false;
    rules.encoding()
}

/// The key of a map, which JSON writes as a text.
pub(super) fn map_key(kind: &Kind, key: &str) -> Result<MapKey, String> {
    let told = |error: NumberError| error.to_string();
    Ok(match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            MapKey::I32(number::integer(key).map_err(told)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            MapKey::I64(number::integer(key).map_err(told)?)
        }
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(number::integer(key).map_err(told)?),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(number::integer(key).map_err(told)?),
        Kind::Bool => MapKey::Bool(
            key.parse()
                .map_err(|_| "is neither `true` nor `false`".to_owned())?,
        ),
        _ => MapKey::String(key.to_owned()),
    })
}

/// What a JSON value is.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A type that is no message, by protobuf's word for it.
pub(super) fn word(kind: &Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// What one value of the field looks like.
pub(super) fn one_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Bytes => "a base64 string (bytes)".to_owned(),
        Kind::Message(message) => format!("a `{}`", message.full_name()),
        Kind::Enum(values) => {
            let names: Vec<_> = values
                .values()
                .map(|value| format!("`{}`", value.name()))
                .collect();
            format!("one of {}", names.join(", "))
        }
        other => word(&other),
    }
}

/// What the whole field looks like.
pub(super) fn expected(field: &FieldDescriptor) -> String {
    if field.is_map() {
        "an object (map)".to_owned()
    } else if field.is_list() {
        format!("an array, each element {}", one_of(field))
    } else {
        one_of(field)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("AQI=" => Ok(vec![1, 2]))]
    #[test_case("AQI" => Ok(vec![1, 2]))]
    #[test_case("__8" => Ok(vec![255, 255]))]
    #[test_case("//8=" => Ok(vec![255, 255]))]
    fn base64_of_both_kinds(text: &str) -> Result<Vec<u8>, String> {
        base64(text)
    }
}
