//! Messages with a number of ours in a field, by which replies are told apart.
//!
//! Owns finding the field in a message's description, putting a number into an encoded message and
//! finding it in one, without decoding either. Source of the wire format:
//! <https://protobuf.dev/programming-guides/encoding/>.

use bytes::Bytes;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use crate::nearest::nearest;

/// A field, by the numbers of those on the way to it and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdField {
    way: Box<[u32]>,
    kind: IdKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdKind {
    Varint,
    Zigzag,
    Fixed32,
    Fixed64,
    Text,
}

impl IdKind {
    fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => Self::Varint,
            Kind::Sint32 | Kind::Sint64 => Self::Zigzag,
            Kind::Fixed32 | Kind::Sfixed32 => Self::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 => Self::Fixed64,
            Kind::String => Self::Text,
            _ => return None,
        })
    }
}

impl IdField {
    /// The field that a path such as `meta.id` leads to, or what is wrong with the path.
    pub(super) fn find(descriptor: &MessageDescriptor, path: &str) -> Result<Self, String> {
        let mut way = Vec::new();
        let mut message = descriptor.clone();
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let field = field_of(&message, name)?;
            way.push(field.number());
            let kind = field.kind();
            let of = |what: &str| format!("`{}` is {what}", field.full_name());
            if field.is_list() || field.is_map() {
                return Err(of("repeated, and an id is one number or text"));
            }
            match (names.peek(), kind.as_message()) {
                (Some(_), Some(_)) if field.is_group() => {
                    return Err(of("a group, and ids are looked for in messages"));
                }
                (Some(_), Some(inner)) => message = inner.clone(),
                (Some(_), None) => return Err(of("no message, and has no fields")),
                (None, _) => {
                    let kind = IdKind::of(&kind).ok_or_else(|| {
                        of("neither a whole number nor a string, as an id has to be")
                    })?;
                    let way = way.into();
                    return Ok(Self { way, kind });
                }
            }
        }
        Err("it names no field".to_owned())
    }

    /// The number in this field of an encoded message, where it is there.
    pub(super) fn read(&self, message: &[u8]) -> Option<u64> {
        let (last, way) = self.way.split_last()?;
        let mut inner = message;
        for number in way {
            inner = last_of(inner, *number, WireType::LengthDelimited)?;
        }
        match self.kind {
            IdKind::Varint => decode_varint(&mut last_of(inner, *last, WireType::Varint)?).ok(),
            IdKind::Zigzag => {
                let value = decode_varint(&mut last_of(inner, *last, WireType::Varint)?).ok()?;
                // An odd one is negative.
                (value & 1 == 0).then_some(value >> 1)
            }
            IdKind::Fixed32 => {
                let value = last_of(inner, *last, WireType::ThirtyTwoBit)?;
                Some(u32::from_le_bytes(value.try_into().ok()?).into())
            }
            IdKind::Fixed64 => {
                let value = last_of(inner, *last, WireType::SixtyFourBit)?;
                Some(u64::from_le_bytes(value.try_into().ok()?))
            }
            IdKind::Text => {
                let text = last_of(inner, *last, WireType::LengthDelimited)?;
                let is_written_so =
                    !matches!(text, [b'0', _, ..]) && text.iter().all(u8::is_ascii_digit);
                is_written_so.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
            }
        }
    }

    /// The field with this number in it, as it is encoded.
    fn write(&self, id: u64, out: &mut Vec<u8>) {
        let number = self.way.last().copied().unwrap_or_default();
        match self.kind {
            IdKind::Varint => {
                encode_key(number, WireType::Varint, out);
                encode_varint(id, out);
            }
            IdKind::Zigzag => {
                encode_key(number, WireType::Varint, out);
                encode_varint(id << 1, out);
            }
            IdKind::Fixed32 => {
                encode_key(number, WireType::ThirtyTwoBit, out);
                // Numbers are those of a stream's messages, which are fewer.
                out.extend_from_slice(&u32::try_from(id).unwrap_or(u32::MAX).to_le_bytes());
            }
            IdKind::Fixed64 => {
                encode_key(number, WireType::SixtyFourBit, out);
                out.extend_from_slice(&id.to_le_bytes());
            }
            IdKind::Text => {
                encode_key(number, WireType::LengthDelimited, out);
                let text = id.to_string();
                encode_varint(text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

fn field_of(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, String> {
    let found = message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name));
    found.ok_or_else(|| {
        let names: Vec<String> = message.fields().map(|it| it.name().to_owned()).collect();
        let near = nearest(name, names.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!("`{}` has no field `{name}`{near}", message.full_name())
    })
}

/// A message in JSON form with something in the field that a path leads to, so that it is complete.
/// What is wrong with it where the field is there already.
pub(super) fn with_placeholder(
    descriptor: &MessageDescriptor,
    message: &Value,
    path: &str,
) -> Result<Value, String> {
    let mut whole = match message {
        Value::Null => Value::Object(Map::new()),
        other => other.clone(),
    };
    let mut at = &mut whole;
    let mut descriptor = descriptor.clone();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let field = field_of(&descriptor, name)?;
        let Some(fields) = at.as_object_mut() else {
            return Err(format!(
                "the way of `match_id`, `{path}`, leads through something that is no object"
            ));
        };
        let given = [name, field.name(), field.json_name()]
            .into_iter()
            .find(|name| fields.contains_key(*name))
            .map(str::to_owned);
        if names.peek().is_none() {
            if given.is_some() {
                return Err(format!(
                    "`{path}` is the field that `match_id` names; leave it out: it is filled in \
                     with a number for each message"
                ));
            }
            let placeholder = match field.kind() {
                Kind::String => Value::from("1"),
                _ => Value::from(1),
            };
            fields.insert(field.name().to_owned(), placeholder);
            return Ok(whole);
        }
        if let Some(inner) = field.kind().as_message() {
            descriptor = inner.clone();
        }
        let key = given.unwrap_or_else(|| field.name().to_owned());
        at = fields
            .entry(key)
            .or_insert_with(|| Value::Object(Map::new()));
    }
    Ok(whole)
}

/// An encoded message that each number goes into.
#[derive(Debug, Clone)]
pub(super) struct Numbered {
    field: IdField,
    /// What is beside the field, and beside the messages on the way to it, from without to within.
    beside: Box<[Bytes]>,
}

impl Numbered {
    /// Of a message that has something in the field.
    pub(super) fn new(field: &IdField, message: &[u8]) -> Self {
        let mut beside = Vec::with_capacity(field.way.len());
        let mut inner = message.to_vec();
        for number in &field.way {
            let mut rest = Vec::new();
            let mut within = Vec::new();
            records(&inner, |found, record, value| {
                if found == *number {
                    within = value.to_vec();
                } else {
                    rest.extend_from_slice(record);
                }
            });
            beside.push(rest.into());
            inner = within;
        }
        Self {
            field: field.clone(),
            beside: beside.into(),
        }
    }

    /// The message with this number.
    pub(super) fn with(&self, id: u64) -> Vec<u8> {
        let mut record = Vec::new();
        self.field.write(id, &mut record);
        let mut levels = self.beside.iter().zip(&self.field.way).enumerate().rev();
        let mut message = Vec::new();
        for (depth, (beside, _)) in &mut levels {
            message = [&beside[..], &record[..]].concat();
            if let Some(around) = depth.checked_sub(1) {
                record.clear();
                encode_key(
                    self.field.way[around],
                    WireType::LengthDelimited,
                    &mut record,
                );
                encode_varint(message.len() as u64, &mut record);
                record.extend_from_slice(&message);
            }
        }
        message
    }
}

/// The value of the last field of this number and form.
fn last_of(message: &[u8], number: u32, form: WireType) -> Option<&[u8]> {
    let mut last = None;
    let is_whole = typed_records(message, |found, wire, _, value| {
        if found == number && wire == form {
            last = Some(value);
        }
    });
    last.filter(|_| is_whole)
}

fn records<'a>(message: &'a [u8], mut each: impl FnMut(u32, &'a [u8], &'a [u8])) {
    typed_records(message, |number, _, record, value| {
        each(number, record, value);
    });
}

/// Goes through the fields of an encoded message: number, form, the whole of it, and what is in it,
/// without the length in front. Whether it could be followed to its end.
fn typed_records<'a>(
    mut message: &'a [u8],
    mut each: impl FnMut(u32, WireType, &'a [u8], &'a [u8]),
) -> bool {
    while !message.is_empty() {
        let record = message;
        let Ok((number, form)) = decode_key(&mut message) else {
            return false;
        };
        let mut value = message;
        if skip_field(form, number, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
        value = &value[..value.len() - message.len()];
        if form == WireType::LengthDelimited && decode_varint(&mut value).is_err() {
            return false;
        }
        each(number, form, &record[..record.len() - message.len()], value);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::{DescriptorPool, DynamicMessage};
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::driver::grpc::{message, protos};

    const PROTO: &str = "syntax = \"proto3\"; package t; \
        message M { int32 i = 1; uint64 u = 2; sint32 s = 3; fixed32 f = 4; sfixed64 g = 5; \
        string t = 6; N meta = 7; repeated int32 r = 8; bytes b = 9; string note = 10; \
        map<string, int32> m = 11; } message N { string request_id = 1; int64 at = 2; N next = 3; }";

    fn pool() -> DescriptorPool {
        protos::compile_source("t.proto", PROTO).expect("valid")
    }

    fn described() -> MessageDescriptor {
        pool().get_message_by_name("t.M").expect("in it")
    }

    fn numbered(path: &str, value: &Value) -> (IdField, Numbered) {
        let descriptor = described();
        let field = IdField::find(&descriptor, path).expect("there");
        let whole = with_placeholder(&descriptor, value, path).expect("left out");
        let encoded = message::encode(&descriptor, &whole, "m").expect("fits");
        let numbered = Numbered::new(&field, &encoded);
        (field, numbered)
    }

    #[test_case("i", &json!({ "note": "a" }); "a number")]
    #[test_case("u", &json!({}); "alone")]
    #[test_case("s", &json!({ "note": "a" }); "zigzag")]
    #[test_case("f", &json!({ "note": "a" }); "32 bits")]
    #[test_case("g", &json!({ "note": "a" }); "64 bits")]
    #[test_case("t", &json!({ "note": "a", "i": -1 }); "a text")]
    #[test_case("meta.request_id", &json!({ "note": "a" }); "in a message that is made")]
    #[test_case("meta.requestId", &json!({ "meta": { "at": "5" }, "note": "a" }); "in one that is there")]
    #[test_case("meta.next.next.at", &json!({ "meta": { "at": "5", "next": {} }, "r": [1, 2] }); "far down")]
    fn what_goes_in_comes_out(path: &str, value: &Value) {
        let (field, numbered) = numbered(path, value);
        for id in [1, 127, 128, 1_000_000_000] {
            let sent = numbered.with(id);
            assert_eq!(field.read(&sent), Some(id));
            // Another reader finds the same, and everything else as it was given.
            let message = DynamicMessage::decode(described(), &sent[..]).expect("a message");
            let mut told = serde_json::to_value(&message).expect("JSON");
            let mut at = &mut told;
            let mut names: Vec<_> = path.split('.').collect();
            let last = names.pop().expect("one");
            for name in names {
                at = at.get_mut(name).expect("made");
            }
            let last = if last == "request_id" {
                "requestId"
            } else {
                last
            };
            let found = at
                .as_object_mut()
                .expect("one")
                .remove(last)
                .expect("filled in");
            assert_eq!(found.to_string().trim_matches('"'), id.to_string());
        }
    }

    #[test_case("quantity" => "`t.M` has no field `quantity`"; "none")]
    #[test_case("notes" => "`t.M` has no field `notes`; did you mean `note`?"; "a slip")]
    #[test_case("r" => "`t.M.r` is repeated, and an id is one number or text"; "repeated")]
    #[test_case("m.a" => "`t.M.m` is repeated, and an id is one number or text"; "a map")]
    #[test_case("b" => "`t.M.b` is neither a whole number nor a string, as an id has to be"; "bytes")]
    #[test_case("meta" => "`t.M.meta` is neither a whole number nor a string, as an id has to be"; "a message")]
    #[test_case("i.x" => "`t.M.i` is no message, and has no fields"; "through a number")]
    #[test_case("meta.att" => "`t.N` has no field `att`; did you mean `at`?"; "a slip further down")]
    fn fields_that_will_not_do(path: &str) -> String {
        IdField::find(&described(), path).expect_err("wrong")
    }

    #[test_case("i", &json!({ "i": 0 }) => "`i` is the field that `match_id` names; leave it out: it is filled in with a number for each message"; "there")]
    #[test_case("meta.request_id", &json!({ "meta": { "requestId": "" } }) => "`meta.request_id` is the field that `match_id` names; leave it out: it is filled in with a number for each message"; "there by its other name")]
    #[test_case("meta.at", &json!({ "meta": 5 }) => "the way of `match_id`, `meta.at`, leads through something that is no object"; "no object")]
    fn what_is_given_already(path: &str, value: &Value) -> String {
        with_placeholder(&described(), value, path).expect_err("wrong")
    }

    #[test_case("t", b"\x32\x0207" => None; "a zero in front")]
    #[test_case("t", b"\x32\x02-7" => None; "a sign")]
    #[test_case("t", b"\x32\x00" => None; "an empty text")]
    #[test_case("t", b"\x32\x017\x32\x018" => Some(8); "the last of two")]
    #[test_case("i", b"\x0d\x01\x00\x00\x00" => None; "of another form")]
    #[test_case("i", b"\x08\x07\x32\x09a" => None; "cut short")]
    #[test_case("s", b"\x18\x01" => None; "negative")]
    #[test_case("i", b"" => None; "nothing")]
    fn reads(path: &str, message: &[u8]) -> Option<u64> {
        IdField::find(&described(), path)
            .expect("there")
            .read(message)
    }

    proptest! {
        #[test]
        fn whatever_comes_is_looked_through(message in prop::collection::vec(any::<u8>(), 0..60)) {
            for path in ["i", "s", "f", "g", "t", "meta.request_id", "meta.next.at"] {
                let field = IdField::find(&described(), path).expect("there");
                let _ = field.read(&message);
                let _ = Numbered::new(&field, &message).with(7);
            }
        }
    }
}
