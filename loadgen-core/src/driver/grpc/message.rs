//! From a message in protobuf's JSON form to its bytes, or to the exact place where it is wrong.
//!
//! Owns locating the error: the library that encodes says what is wrong, not where.

use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::error::DriverError;
use crate::nearest::nearest;

/// Encodes a message. `path` is its place in the scenario.
pub(super) fn encode(
    descriptor: &MessageDescriptor,
    value: &Value,
    path: &str,
) -> Result<Vec<u8>, DriverError> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    decode_json(descriptor, value)
        .map(|message| message.encode_to_vec())
        .map_err(|problem| {
            let (path, problem) =
                locate(descriptor, value, path).unwrap_or((path.to_owned(), problem));
            DriverError::Message { path, problem }
        })
}

fn decode_json(descriptor: &MessageDescriptor, value: &Value) -> Result<DynamicMessage, String> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor.clone(), value, &options)
        .map_err(|error| error.to_string())
}

/// Where and what the first error is, by trying the fields one by one. `None` when each is right
/// by itself and only the whole is not.
fn locate(descriptor: &MessageDescriptor, value: &Value, path: &str) -> Option<(String, String)> {
    // Well-known types have JSON forms of their own.
    if descriptor.package_name() == "google.protobuf" {
        return None;
    }
    let Value::Object(fields) = value else {
        let problem = format!(
            "a `{}` is a JSON object, not {}",
            descriptor.full_name(),
            kind_of(value)
        );
        return Some((path.to_owned(), problem));
    };
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        let Some(field) = descriptor
            .get_field_by_json_name(name)
            .or_else(|| descriptor.get_field_by_name(name))
        else {
            let fields: Vec<_> = descriptor.fields().collect();
            let hint = match nearest(name, fields.iter().map(FieldDescriptor::name)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => known_fields(descriptor),
            };
            let problem = format!("`{}` has no field `{name}`{hint}", descriptor.full_name());
            return Some((path, problem));
        };
        let single = Value::Object([(name.clone(), value.clone())].into_iter().collect());
        let Err(problem) = decode_json(descriptor, &single) else {
            continue;
        };
        let inner = match (field.kind(), value) {
            (Kind::Message(inner), _) if !field.is_list() && !field.is_map() => {
                locate(&inner, value, &path)
            }
            (Kind::Message(inner), Value::Array(items)) if field.is_list() => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| locate(&inner, item, &format!("{path}[{index}]"))),
            _ => None,
        };
        return Some(inner.unwrap_or_else(|| {
            let expected = expected(&field);
            (path, format!("{problem}; expected {expected}"))
        }));
    }
    None
}

fn known_fields(descriptor: &MessageDescriptor) -> String {
    let names: Vec<_> = descriptor
        .fields()
        .map(|field| format!("`{}`", field.name()))
        .collect();
    if names.is_empty() {
        "; it has no fields".to_owned()
    } else {
        format!("; it has {}", names.join(", "))
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn expected(field: &prost_reflect::FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Bytes => "a base64 string (bytes)".to_owned(),
        Kind::Message(message) => format!("a `{}`", message.full_name()),
        Kind::Enum(values) => {
            let names: Vec<_> = values
                .values()
                .map(|value| format!("`{}`", value.name()))
                .collect();
            format!("one of {}", names.join(", "))
        }
        other => format!("{other:?}").to_lowercase(),
    };
    if field.is_map() {
        "an object (map)".to_owned()
    } else if field.is_list() {
        format!("an array, each element {one}")
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::driver::grpc::descriptor;

    fn hello() -> MessageDescriptor {
        test_type(
            "syntax = \"proto3\"; package t; enum Mood { CALM = 0; CROSS = 1; } \
             message Inner { uint32 rounds = 1; } \
             message M { string name = 1; bytes payload = 2; Mood mood = 3; Inner inner = 4; \
             repeated Inner more = 5; uint32 rounds = 6; }",
        )
    }

    fn test_type(source: &str) -> MessageDescriptor {
        descriptor::compile_source("t.proto", source)
            .expect("valid")
            .get_message_by_name("t.M")
            .expect("in it")
    }

    #[test_case(&json!({}) => Ok(0); "empty")]
    #[test_case(&Value::Null => Ok(0); "absent")]
    #[test_case(&json!({ "name": "world" }) => Ok(7))]
    #[test_case(&json!({ "inner": { "rounds": 1 }, "mood": "CROSS" }) => Ok(6))]
    #[test_case(&json!({ "nmae": "x" })
        => Err("m.nmae: `t.M` has no field `nmae`; did you mean `name`?".to_owned()))]
    #[test_case(&json!({ "inner": { "zzz": 1 } })
        => Err("m.inner.zzz: `t.Inner` has no field `zzz`; it has `rounds`".to_owned()))]
    #[test_case(&json!({ "more": [{}, { "round": 1 }] })
        => Err("m.more[1].round: `t.Inner` has no field `round`; did you mean `rounds`?".to_owned()))]
    #[test_case(&json!([1]) => Err("m: a `t.M` is a JSON object, not an array".to_owned()))]
    fn messages(value: &Value) -> Result<usize, String> {
        encode(&hello(), value, "m")
            .map(|bytes| bytes.len())
            .map_err(|error| error.to_string())
    }

    #[test_case(&json!({ "name": 5 }), "m.name: ", "expected string")]
    #[test_case(&json!({ "rounds": -1 }), "m.rounds: ", "expected uint32")]
    #[test_case(&json!({ "mood": "GLAD" }), "m.mood: ", "expected one of `CALM`, `CROSS`")]
    #[test_case(&json!({ "payload": "%%" }), "m.payload: ", "expected a base64 string (bytes)")]
    fn mistyped(value: &Value, start: &str, end: &str) {
        let text = encode(&hello(), value, "m")
            .expect_err("mistyped")
            .to_string();
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    }
}
