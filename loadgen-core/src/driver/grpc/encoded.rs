//! A message as it goes on the wire.
//!
//! Owns what the library that knows the types leaves out: a zero with a minus, where a field is sent only if
//! it is not zero. It equals the other zero, and is another number.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

/// A message that was made here, so that there is nothing unknown in it.
pub(super) fn encoded(message: &DynamicMessage) -> Vec<u8> {
    if !loses(message) {
        return message.encode_to_vec();
    }
    let mut into = Vec::new();
    put(message, &mut into);
    into
}

/// Whether the library would leave something out.
fn loses(message: &DynamicMessage) -> bool {
    message.descriptor().fields().any(|field| {
        if is_plain_fraction(&field) {
            is_lost(&field, &message.get_field(&field))
        } else {
            message.has_field(&field) && loses_within(&field, &message.get_field(&field))
        }
    })
}

fn is_plain_fraction(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Float | Kind::Double) && !field.is_list()
}

fn is_lost(field: &FieldDescriptor, value: &Value) -> bool {
    !field.supports_presence()
        && match value {
            Value::F32(value) => *value == 0.0 && value.is_sign_negative(),
            Value::F64(value) => *value == 0.0 && value.is_sign_negative(),
            _ => false,
        }
}

/// The same of what is in a field.
fn loses_within(field: &FieldDescriptor, value: &Value) -> bool {
    match value {
        Value::Message(inner) => loses(inner),
        Value::List(items) => items.iter().any(|item| loses_within(field, item)),
        Value::Map(entries) => match field.kind() {
            Kind::Message(entry) => {
                let of_value = entry.map_entry_value_field();
                let mut values = entries.values();
                values.any(|value| is_lost(&of_value, value) || loses_within(&of_value, value))
            }
            _ => false,
        },
        _ => false,
    }
}

fn put(message: &DynamicMessage, into: &mut Vec<u8>) {
    for field in message.descriptor().fields() {
        let value = message.get_field(&field);
        if message.has_field(&field) || is_lost(&field, &value) {
            put_field(message, &field, &value, into);
        }
    }
    for (extension, value) in message.extensions() {
        let mut single = DynamicMessage::new(message.descriptor());
        single.set_extension(&extension, value.clone());
        into.extend(single.encode_to_vec());
    }
}

/// Adds a field of this message, whatever it has there itself.
fn put_field(message: &DynamicMessage, field: &FieldDescriptor, value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::F32(value) => {
            encode_key(field.number(), WireType::ThirtyTwoBit, into);
            into.extend(value.to_le_bytes());
        }
        Value::F64(value) => {
            encode_key(field.number(), WireType::SixtyFourBit, into);
            into.extend(value.to_le_bytes());
        }
        Value::Message(inner) => {
            let mut content = Vec::new();
            put(inner, &mut content);
            put_message(field, &content, into);
        }
        Value::List(items) if loses_within(field, value) => {
            for item in items {
                put_field(message, field, item, into);
            }
        }
        Value::Map(entries) if let Kind::Message(entry) = field.kind() => {
            let (of_key, of_value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            for (key, value) in entries {
                let mut single = DynamicMessage::new(entry.clone());
                single.set_field(&of_key, key.clone().into());
                let mut content = single.encode_to_vec();
                put_field(&single, &of_value, value, &mut content);
                put_message(field, &content, into);
            }
        }
        value => {
            let mut single = DynamicMessage::new(message.descriptor());
            single.set_field(field, value.clone());
            into.extend(single.encode_to_vec());
        }
    }
}

fn put_message(field: &FieldDescriptor, content: &[u8], into: &mut Vec<u8>) {
    if field.is_group() {
        encode_key(field.number(), WireType::StartGroup, into);
        into.extend(content);
        encode_key(field.number(), WireType::EndGroup, into);
    } else {
        encode_key(field.number(), WireType::LengthDelimited, into);
        encode_varint(content.len() as u64, into);
        into.extend(content);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::super::{message, protos};

    const PROTO: &str = "syntax = \"proto3\"; package t; import \"google/protobuf/wrappers.proto\"; \
        import \"google/protobuf/any.proto\"; \
        message M { float f = 1; double d = 2; optional float o = 3; repeated double r = 4; M m = 5; \
        repeated M ms = 6; map<string, double> by = 7; map<int32, M> of = 8; \
        google.protobuf.DoubleValue w = 9; google.protobuf.Any a = 10; oneof c { float x = 11; } \
        int32 i = 12; }";
    const ZERO: &[u8] = &[0x11, 0, 0, 0, 0, 0, 0, 0, 0x80];

    fn sent(text: &str) -> Vec<u8> {
        let pool = protos::compile_source("t.proto", PROTO).expect("valid");
        let descriptor = pool.get_message_by_name("t.M").expect("in it");
        let value = serde_json::from_str(text).expect("JSON");
        message::encode(&descriptor, &value, "m").expect("fits")
    }

    #[test_case(r#"{"f": 0, "d": 0.0}"# => Vec::<u8>::new(); "zero")]
    #[test_case(r#"{"f": -0.0}"# => vec![0x0d, 0, 0, 0, 0x80]; "float")]
    #[test_case(r#"{"d": "-0"}"# => ZERO; "double, as a text")]
    #[test_case(r#"{"m": {"d": -0.0}, "i": 7}"# => [&[0x2a, 9], ZERO, &[0x60, 7]].concat(); "within")]
    #[test_case(r#"{"ms": [{}, {"d": -0.0}]}"# => [&[0x32, 0, 0x32, 9], ZERO].concat(); "in a list")]
    #[test_case(r#"{"by": {"k": -0.0}}"# => [&[0x3a, 12, 0x0a, 1, b'k'], ZERO].concat(); "in a map")]
    #[test_case(r#"{"of": {"1": {"d": -0.0}}}"# => [&[0x42, 13, 8, 1, 0x12, 9], ZERO].concat(); "below a map")]
    #[test_case(r#"{"w": -0.0}"# => [&[0x4a, 9, 0x09], &ZERO[1..]].concat(); "in a wrapper")]
    #[test_case(r#"{"o": -0.0, "x": -0.0}"# => vec![0x1d, 0, 0, 0, 0x80, 0x5d, 0, 0, 0, 0x80]; "with presence")]
    #[test_case(r#"{"r": [-0.0]}"# => [&[0x22, 8], &ZERO[1..]].concat(); "packed")]
    fn zeros_with_a_minus(text: &str) -> Vec<u8> {
        sent(text)
    }

    #[test]
    fn of_any_and_of_what_stands_beside() {
        let any = json!({"a": {"@type": "/t.M", "d": -0.0}}).to_string();
        assert!(sent(&any).ends_with(ZERO));
        let text =
            r#"{"d": -0.0, "o": 1.5, "r": [1, 2], "ms": [{"i": 1}], "by": {"a": 1}, "i": -1}"#;
        let without = text.replace("\"d\": -0.0, ", "");
        let (with, without) = (sent(text), sent(&without));
        assert_eq!(with.len(), without.len() + ZERO.len());
        assert_eq!([&with[..0], &with[ZERO.len()..]].concat(), without);
    }
}
