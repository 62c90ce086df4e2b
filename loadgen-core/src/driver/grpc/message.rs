//! From a message in protobuf's JSON form to its bytes, or to all the places where it is wrong.
//!
//! Owns the walk through a message: the library that knows the types stops at the first mistake,
//! does not say where it is, and rounds numbers that are too big.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost_reflect::prost_types::Any;
use prost_reflect::{
    Cardinality, DeserializeOptions, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind,
    MessageDescriptor, ReflectMessage, Value as Field,
};
use serde_json::Value;

use super::encoded::encoded;
use super::scalar::{expected, kind_of, map_key, one_of, scalar, word};
use super::template::Part;
use crate::driver::mistake::Mistake;
use crate::nearest::nearest;
use crate::scenario::join;

/// Told of one message; a list of thousands that are all wrong is told by its beginning.
const MOST_MISTAKES: usize = 50;

/// Encodes a message. `path` is its place in the scenario.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn encode(
    descriptor: &MessageDescriptor,
    value: &Value,
    path: &str,
) -> Result<Vec<u8>, Vec<Mistake>> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    let mut walk = Walk::default();
    let message = walk.message(descriptor, value, path);
    walk.end(message, path).map(|message| encoded(&message))
}

/// A way through a message, and what was wrong on it. What is wrong comes out as `None`, and the
/// walk goes on beside it.
#[derive(Default)]
pub(super) struct Walk {
    mistakes: Vec<Mistake>,
    left_out: usize,
    /// What is templated in the message at hand, where templates are taken.
    pub(super) parts: Option<Vec<Part>>,
}

impl Walk {
    /// One that takes templates in the place of values.
    pub(super) fn with_templates() -> Self {
        Self {
            parts: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// What came of it, or everything that was wrong. `path` is where it began.
    pub(super) fn end<T>(mut self, outcome: Option<T>, path: &str) -> Result<T, Vec<Mistake>> {
        if self.left_out > 0 {
            let problem = format!("{} more mistakes like these", self.left_out);
            self.mistakes.push(Mistake::new(path, problem));
        }
        outcome
            .filter(|_| self.mistakes.is_empty())
            .ok_or(self.mistakes)
    }

    pub(super) fn wrong<T>(&mut self, path: &str, problem: impl Into<String>) -> Option<T> {
        if self.mistakes.len() < MOST_MISTAKES {
            self.mistakes.push(Mistake::new(path, problem.into()));
        } else {
            self.left_out += 1;
        }
        None
    }

    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Value,
        path: &str,
    ) -> Option<DynamicMessage> {
        match Form::of(descriptor) {
            Form::Fields => self.fields(descriptor, value, &[], path),
            Form::Wrapper(field) => {
                let inner = self.one(&field, &field.kind(), value, path)?;
                let mut message = DynamicMessage::new(descriptor.clone());
                message.try_set_field(&field, inner).ok()?;
                Some(message)
            }
            Form::Any => self.any(descriptor, value, path),
            Form::Own => self.own_form(descriptor, value, path),
        }
    }

    /// A message with a JSON form that the library knows, such as a time.
    fn own_form(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Value,
        path: &str,
    ) -> Option<DynamicMessage> {
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let Some(value) = with_doubles(value) else {
            return self.wrong(path, "it has a number that a double cannot hold");
        };
        DynamicMessage::deserialize_with_options(descriptor.clone(), &value, &options)
            .map_err(|error| {
                let expected = format!("expected {}", own_form_of(descriptor));
                self.wrong::<()>(path, format!("{error}; {expected}"));
            })
            .ok()
    }

    /// `{"@type": "type.googleapis.com/package.Message", ...}`, its other fields the message's.
    fn any(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Value,
        path: &str,
    ) -> Option<DynamicMessage> {
        let name = value.as_object().and_then(|fields| fields.get("@type"));
        let Some(url) = name.and_then(Value::as_str) else {
            let expected = "expected an object with the field `@type`, such as \
                            \"type.googleapis.com/package.Message\"";
            return self.wrong(path, format!("found {}; {expected}", kind_of(value)));
        };
        let name = url.rsplit('/').next().unwrap_or(url);
        let Some(inner) = descriptor.parent_pool().get_message_by_name(name) else {
            let problem = format!(
                "nothing describes the message `{}`",
                crate::text::short(name)
            );
            return self.wrong(&format!("{path}{}", join(path, "@type")), problem);
        };
        let message = match Form::of(&inner) {
            Form::Fields => self.fields(&inner, value, &["@type"], path)?,
            _ => {
                let nothing = match inner.full_name() {
                    // Protobuf's own writers leave out what can be nothing else.
                    "google.protobuf.Empty" => Value::Object(serde_json::Map::new()),
                    _ => Value::Null,
                };
                let value = value.get("value").unwrap_or(&nothing);
                self.message(&inner, value, &format!("{path}.value"))?
            }
        };
        let any = Any {
            type_url: url.to_owned(),
            value: encoded(&message),
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        message.transcode_from(&any).ok()?;
        Some(message)
    }

    /// A message with one JSON field for each of its own. Fields named in `besides` are not its. What is
    /// templated in it is left out and added to the parts.
    pub(super) fn fields(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Value,
        besides: &[&str],
        path: &str,
    ) -> Option<DynamicMessage> {
        let Value::Object(fields) = value else {
            let problem = format!(
                "a `{}` is a JSON object, not {}",
                descriptor.full_name(),
                kind_of(value)
            );
            return self.wrong(path, problem);
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        // By number, and by oneof: which name it was given under.
        let mut given = BTreeMap::new();
        let mut tried = BTreeSet::new();
        let mut chosen: HashMap<String, &str> = HashMap::new();
        for (name, value) in fields {
            if besides.contains(&name.as_str()) {
                continue;
            }
            let path = format!("{path}{}", join(path, name));
            if let Some(extension) = descriptor.get_extension_by_json_name(name) {
                let slot = Slot::Extension(extension, name.clone());
                if self.is_templated(value) {
                    self.rendered(descriptor, slot, value, &path);
                } else {
                    self.set(&mut message, &slot, value, &path);
                }
                continue;
            }
            let Some(field) = descriptor
                .get_field_by_json_name(name)
                .or_else(|| descriptor.get_field_by_name(name))
            else {
                self.wrong::<()>(&path, no_such_field(descriptor, name));
                continue;
            };
            if let Some(other) = given.insert(field.number(), name.as_str()) {
                self.wrong::<()>(&path, format!("it is given as `{other}` too"));
                continue;
            }
            if value.is_null() && !takes_null(&field.kind()) {
                // Protobuf's JSON form for a field that is not there.
                continue;
            }
            tried.insert(field.number());
            if let Some(oneof) = field.containing_oneof()
                && let Some(other) = chosen.insert(oneof.name().to_owned(), name)
            {
                let problem = format!(
                    "`{other}` is given too, and of the oneof `{}` only one field can be",
                    oneof.name()
                );
                self.wrong::<()>(&path, problem);
                continue;
            }
            if self.is_templated(value) {
                self.templated(descriptor, field, value, &path);
            } else {
                self.set(&mut message, &Slot::Field(field), value, &path);
            }
        }
        for field in descriptor.fields() {
            // One that is there and wrong has been told of.
            if field.cardinality() == Cardinality::Required && !tried.contains(&field.number()) {
                let path = format!("{path}{}", join(path, field.name()));
                let problem = format!(
                    "`{}` requires this field; expected {}",
                    descriptor.full_name(),
                    expected(&field)
                );
                self.wrong::<()>(&path, problem);
            }
        }
        Some(message)
    }

    /// Sets a field of a message to a value.
    pub(super) fn set(
        &mut self,
        message: &mut DynamicMessage,
        slot: &Slot,
        value: &Value,
        path: &str,
    ) {
        let (field, value) = match slot {
            Slot::Field(field) => (field, self.field(field, value, path)),
            Slot::Element(field) => {
                let one = self.one(field, &field.kind(), value, path);
                (field, one.map(|one| Field::List(vec![one])))
            }
            Slot::Extension(extension, name) => {
                // The library knows its way to the end here, and what is wrong but not where.
                let single = Value::Object([(name.clone(), value.clone())].into_iter().collect());
                let options = DeserializeOptions::new().deny_unknown_fields(true);
                let descriptor = message.descriptor();
                match DynamicMessage::deserialize_with_options(descriptor, &single, &options) {
                    Ok(mut read) => {
                        if let Some(value) = read.take_extension(extension) {
                            message.set_extension(extension, value);
                        }
                    }
                    Err(error) => {
                        self.wrong::<()>(path, error.to_string());
                    }
                }
                return;
            }
        };
        if let Some(value) = value
            && let Err(error) = message.try_set_field(field, value)
        {
            self.wrong::<()>(path, error.to_string());
        }
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value, path: &str) -> Option<Field> {
        if field.is_map() {
            return self.map(field, value, path);
        }
        let kind = field.kind();
        if !field.is_list() {
            return self.one(field, &kind, value, path);
        }
        let Value::Array(items) = value else {
            return self.unexpected(field, value, path);
        };
        let items: Vec<Option<Field>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.one(field, &kind, item, &format!("{path}[{index}]")))
            .collect();
        items
            .into_iter()
            .collect::<Option<Vec<Field>>>()
            .map(Field::List)
    }

    fn map(&mut self, field: &FieldDescriptor, value: &Value, path: &str) -> Option<Field> {
        let (Kind::Message(entry), Value::Object(entries)) = (field.kind(), value) else {
            return self.unexpected(field, value, path);
        };
        let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let mut map = HashMap::with_capacity(entries.len());
        let mut given = HashMap::with_capacity(entries.len());
        for (key, value) in entries {
            let path = format!("{path}{}", join(path, key));
            let read = self.one(&value_field, &value_field.kind(), value, &path);
            match map_key(&key_field.kind(), key) {
                // A number can be written in more than one way.
                Ok(read_key) => match given.insert(read_key.clone(), key.as_str()) {
                    Some(other) => {
                        self.wrong::<()>(&path, format!("the key is given as `{other}` too"));
                    }
                    None => map.extend(read.map(|value| (read_key, value))),
                },
                Err(problem) => {
                    let expected = word(&key_field.kind());
                    self.wrong::<()>(&path, format!("the key {problem}; expected {expected}"));
                }
            }
        }
        Some(Field::Map(map))
    }

    /// A single value of a field's type.
    pub(super) fn one(
        &mut self,
        field: &FieldDescriptor,
        kind: &Kind,
        value: &Value,
        path: &str,
    ) -> Option<Field> {
        if let Kind::Message(inner) = kind {
            return self.message(inner, value, path).map(Field::Message);
        }
        match scalar(kind, value) {
            Ok(value) => Some(value),
            Err(problem) => {
                let expected = one_of(field);
                self.wrong(path, format!("{problem}; expected {expected}"))
            }
        }
    }

    pub(super) fn unexpected(
        &mut self,
        field: &FieldDescriptor,
        value: &Value,
        path: &str,
    ) -> Option<Field> {
        let problem = format!("found {}; expected {}", kind_of(value), expected(field));
        self.wrong(path, problem)
    }
}

/// Where in a message a value goes.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// All of a field.
    Field(FieldDescriptor),
    /// One more element of a list.
    Element(FieldDescriptor),
    /// An extension, with its name in JSON.
    Extension(ExtensionDescriptor, String),
}

/// How a message is written in JSON.
pub(super) enum Form {
    /// As an object with its fields.
    Fields,
    /// As the value of its only field.
    Wrapper(FieldDescriptor),
    /// As an object that says what it is.
    Any,
    /// In a way of its own.
    Own,
}

impl Form {
    pub(super) fn of(descriptor: &MessageDescriptor) -> Self {
        let Some(name) = descriptor.full_name().strip_prefix("google.protobuf.") else {
            return Self::Fields;
        };
        match name {
            "Any" => Self::Any,
            "Timestamp" | "Duration" | "FieldMask" | "Struct" | "ListValue" | "Value" | "Empty" => {
                Self::Own
            }
            "FloatValue" | "DoubleValue" | "Int32Value" | "Int64Value" | "UInt32Value"
            | "UInt64Value" | "BoolValue" | "StringValue" | "BytesValue" => descriptor
                .get_field_by_name("value")
                .map_or(Self::Fields, Self::Wrapper),
            _ => Self::Fields,
        }
    }
}

fn own_form_of(descriptor: &MessageDescriptor) -> &'static str {
    match descriptor.name() {
        "Timestamp" => "a time as a text, such as \"2024-01-31T12:00:00Z\"",
        "Duration" => "a duration as a text, such as \"1.5s\"",
        "FieldMask" => "names of fields as a text, such as \"name,inner.size\"",
        "Struct" => "an object",
        "ListValue" => "an array",
        "Empty" => "an empty object",
        _ => "any JSON value",
    }
}

/// Whether `null` is a value of this type, and not the lack of one.
pub(super) fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(values) => values.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

/// The same value, its numbers as the doubles that they become. `None` when one is too big.
fn with_doubles(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Number(number) => {
            let double: f64 = number.to_string().parse().ok()?;
            Value::Number(serde_json::Number::from_f64(double)?)
        }
        Value::Array(items) => Value::Array(items.iter().map(with_doubles).collect::<Option<_>>()?),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| Some((name.clone(), with_doubles(value)?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

fn no_such_field(descriptor: &MessageDescriptor, name: &str) -> String {
    let fields: Vec<_> = descriptor.fields().collect();
    let hint = match nearest(name, fields.iter().map(FieldDescriptor::name)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => known_fields(descriptor),
    };
    let name = crate::text::short(name);
    format!("`{}` has no field `{name}`{hint}", descriptor.full_name())
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::driver::grpc::protos;

    fn hello() -> MessageDescriptor {
        test_type(
            "syntax = \"proto3\"; package t; enum Mood { CALM = 0; CROSS = 1; } \
             message Inner { uint32 rounds = 1; } \
             message M { string name = 1; bytes payload = 2; Mood mood = 3; Inner inner = 4; \
             repeated Inner more = 5; uint32 rounds = 6; }",
        )
    }

    fn test_type(source: &str) -> MessageDescriptor {
        protos::compile_source("t.proto", source)
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
            .map_err(|mistakes| told(&mistakes))
    }

    fn told(mistakes: &[Mistake]) -> String {
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        told.join(" | ")
    }

    #[test_case(&json!({ "name": 5 }), "m.name: ", "expected string")]
    #[test_case(&json!({ "rounds": -1 }), "m.rounds: ", "expected uint32")]
    #[test_case(&json!({ "mood": "GLAD" }), "m.mood: ", "expected one of `CALM`, `CROSS`")]
    #[test_case(&json!({ "payload": "%%" }), "m.payload: ", "expected a base64 string (bytes)")]
    fn mistyped(value: &Value, start: &str, end: &str) {
        let text = told(&encode(&hello(), value, "m").expect_err("mistyped"));
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    }

    fn numbers() -> MessageDescriptor {
        test_type(
            "syntax = \"proto3\"; package t; import \"google/protobuf/wrappers.proto\"; \
             import \"google/protobuf/struct.proto\"; import \"google/protobuf/any.proto\"; \
             message N { uint64 u = 1; int64 l = 2; int32 i = 3; fixed32 x = 4; double d = 5; \
             float f = 6; google.protobuf.UInt64Value w = 7; google.protobuf.Value v = 8; \
             google.protobuf.Any any = 9; repeated sint64 more = 10; map<uint32, int64> by = 11; } \
             message M { N n = 1; map<string, N> named = 2; oneof one { int32 a = 3; N b = 4; } }",
        )
    }

    /// What a receiver reads.
    fn sent(value: &Value) -> Result<String, String> {
        let encoded = encode(&numbers(), value, "m").map_err(|mistakes| told(&mistakes))?;
        let message = DynamicMessage::decode(numbers(), encoded.as_slice()).expect("whole");
        Ok(message.to_string())
    }

    #[test_case("18446744073709551615" => Ok("n{u:18446744073709551615}".to_owned()))]
    #[test_case("\"18446744073709551615\"" => Ok("n{u:18446744073709551615}".to_owned()))]
    #[test_case("1e19" => Ok("n{u:10000000000000000000}".to_owned()))]
    #[test_case("18446744073709551616"
        => Err("m.n.u: 18446744073709551616 is out of range; expected uint64".to_owned()))]
    #[test_case("-1" => Err("m.n.u: -1 is out of range; expected uint64".to_owned()))]
    #[test_case("1.5" => Err("m.n.u: 1.5 is not an integer; expected uint64".to_owned()))]
    fn unsigned_numbers_as_written(number: &str) -> Result<String, String> {
        let text = format!("{{\"n\":{{\"u\":{number}}}}}");
        sent(&serde_json::from_str(&text).expect("JSON"))
    }

    #[test_case("l", "-9223372036854775808" => Ok("n{l:-9223372036854775808}".to_owned()))]
    #[test_case("l", "-9223372036854775809"
        => Err("m.n.l: -9223372036854775809 is out of range; expected int64".to_owned()))]
    #[test_case("i", "2147483648"
        => Err("m.n.i: 2147483648 is out of range; expected int32".to_owned()))]
    #[test_case("x", "-1" => Err("m.n.x: -1 is out of range; expected fixed32".to_owned()))]
    #[test_case("d", "1e400" => Err("m.n.d: 1e+400 is out of range; expected double".to_owned()))]
    #[test_case("f", "1e39" => Err("m.n.f: 1e+39 is out of range; expected float".to_owned()))]
    #[test_case("d", "0.1" => Ok("n{d:0.1}".to_owned()))]
    #[test_case("d", "\"-Infinity\"" => Ok("n{d:-inf}".to_owned()))]
    #[test_case("w", "18446744073709551616"
        => Err("m.n.w: 18446744073709551616 is out of range; expected uint64".to_owned()); "wrapped")]
    #[test_case("v", "1.10" => Ok("n{v{number_value:1.1}}".to_owned()))]
    #[test_case("more", "[1, 9223372036854775808]"
        => Err("m.n.more[1]: 9223372036854775808 is out of range; expected sint64".to_owned()))]
    #[test_case("by", "{\"4294967296\": 1}"
        => Err("m.n.by.4294967296: the key is out of range; expected uint32".to_owned()))]
    #[test_case("by", "{\"1\": 1, \"01\": 2}"
        => Err("m.n.by.01: the key is given as `1` too".to_owned()))]
    #[test_case("by", "{\"1\": 1, \"1.0\": 2}"
        => Err("m.n.by[\"1.0\"]: the key is given as `1` too".to_owned()))]
    #[test_case("any", "{\"@type\": \"x/t.N\", \"u\": 18446744073709551616}"
        => Err("m.n.any.u: 18446744073709551616 is out of range; expected uint64".to_owned()))]
    fn numbers_as_written(field: &str, number: &str) -> Result<String, String> {
        let text = format!("{{\"n\":{{\"{field}\":{number}}}}}");
        sent(&serde_json::from_str(&text).expect("JSON"))
    }

    #[test_case("" => Ok(26); "as protobuf writes it")]
    #[test_case(", \"value\": {}" => Ok(26); "spelled out")]
    #[test_case(", \"value\": {\"a\": 1}"
        => Err("m.a.value: unexpected value in map; expected an empty object".to_owned()))]
    fn nothing_inside_of_any(value: &str) -> Result<usize, String> {
        let descriptor = test_type(
            "syntax = \"proto3\"; package t; import \"google/protobuf/any.proto\"; \
             import \"google/protobuf/empty.proto\"; \
             message M { google.protobuf.Any a = 1; google.protobuf.Empty e = 2; }",
        );
        let text = format!("{{\"a\":{{\"@type\":\"/google.protobuf.Empty\"{value}}}}}");
        encode(
            &descriptor,
            &serde_json::from_str(&text).expect("JSON"),
            "m",
        )
        .map(|bytes| bytes.len())
        .map_err(|mistakes| told(&mistakes))
    }

    #[test]
    fn a_mistake_inside_a_map_is_told_with_its_whole_path() {
        let error = sent(&json!({ "named": { "first one": { "v": null, "more": ["x"] } } }));
        assert_eq!(
            error,
            Err("m.named[\"first one\"].more[0]: x is not a number; expected sint64".to_owned())
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let error = sent(&json!({ "n": { "u": true, "zz": 1, "i": "a" }, "a": 1, "b": {} }));
        let expected = [
            "m.n.u: found a boolean; expected uint64",
            "m.n.zz: `t.N` has no field `zz`; it has `u`, `l`, `i`, `x`, `d`, `f`, `w`, `v`, \
             `any`, `more`, `by`",
            "m.n.i: a is not a number; expected int32",
            "m.b: `a` is given too, and of the oneof `one` only one field can be",
        ];
        assert_eq!(error, Err(expected.join(" | ")));
    }

    #[test]
    fn thousands_of_mistakes_are_told_by_their_beginning() {
        let error = encode(
            &numbers(),
            &json!({ "n": { "more": vec![true; 1000] } }),
            "m",
        );
        let mistakes = error.expect_err("all wrong");
        assert_eq!(mistakes.len(), MOST_MISTAKES + 1);
        assert_eq!(
            mistakes[MOST_MISTAKES].to_string(),
            "m: 950 more mistakes like these"
        );
    }

    #[test_case(&json!({ "id": 1, "inner": { "at": 2 } }) => Ok(6))]
    #[test_case(&json!({}) => Err("m.id: `t.M` requires this field; expected int32 | \
        m.inner: `t.M` requires this field; expected a `t.I`".to_owned()); "none")]
    #[test_case(&json!({ "id": 1, "inner": {} })
        => Err("m.inner.at: `t.I` requires this field; expected int32".to_owned()))]
    #[test_case(&json!({ "id": null, "inner": { "at": 1 } })
        => Err("m.id: `t.M` requires this field; expected int32".to_owned()); "null")]
    fn required_fields(value: &Value) -> Result<usize, String> {
        let descriptor = test_type(
            "syntax = \"proto2\"; package t; message I { required int32 at = 1; } \
             message M { required int32 id = 1; required I inner = 2; optional I other = 3; }",
        );
        encode(&descriptor, value, "m")
            .map(|bytes| bytes.len())
            .map_err(|mistakes| told(&mistakes))
    }
}
