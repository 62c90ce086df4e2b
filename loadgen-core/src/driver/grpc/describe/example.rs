//! A message as an example, in protobuf's JSON form.
//!
//! Owns what stands for a value of each type, and where an example ends: what nests in itself, or too
//! deeply, or is too much, is left out, unless it is required.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// Messages in one another.
const MOST_LEVELS: usize = 8;
/// Fields in all.
const MOST_FIELDS: usize = 1_000;

/// An example of this message, which can be encoded.
pub(super) fn of(message: &MessageDescriptor) -> Value {
    let mut making = Making {
        within: Vec::new(),
        fields_left: MOST_FIELDS,
    };
    making.message(message).unwrap_or_else(|| json!({}))
}

/// An example under way.
struct Making {
    /// The messages that the one at hand is within.
    within: Vec<String>,
    fields_left: usize,
}

impl Making {
    /// `None` where it is left out.
    fn message(&mut self, message: &MessageDescriptor) -> Option<Value> {
        if let Some(value) = well_known(message) {
            return Some(value);
        }
        let name = message.full_name();
        if self.within.len() >= MOST_LEVELS || self.within.iter().any(|it| it == name) {
            return None;
        }
        self.within.push(name.to_owned());
        let mut fields = Map::new();
        for field in message.fields() {
            if is_first_choice(&field)
                && let Some(value) = self.field(&field)
            {
                fields.insert(field.json_name().to_owned(), value);
            }
        }
        self.within.pop();
        Some(fields.into())
    }

    fn field(&mut self, field: &FieldDescriptor) -> Option<Value> {
        let is_required = field.cardinality() == Cardinality::Required;
        if self.fields_left == 0 && !is_required {
            return None;
        }
        self.fields_left = self.fields_left.saturating_sub(1);
        let kind = field.kind();
        if field.is_map()
            && let Kind::Message(entry) = &kind
        {
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => "key",
                Kind::Bool => "true",
                _ => "0",
            };
            let value = self.one(&entry.map_entry_value_field().kind())?;
            return Some(json!({ key: value }));
        }
        let value = self.one(&kind)?;
        Some(if field.is_list() {
            json!([value])
        } else {
            value
        })
    }

    fn one(&mut self, kind: &Kind) -> Option<Value> {
        Some(match kind {
            Kind::Message(message) => return self.message(message),
            Kind::Enum(values) if values.full_name() == "google.protobuf.NullValue" => Value::Null,
            // The first often says that nothing is chosen.
            Kind::Enum(values) => {
                let mut all = values.values();
                let chosen = all.find(|it| it.number() != 0);
                json!(chosen.or(values.values().next())?.name())
            }
            Kind::Double | Kind::Float => json!(0.0),
            Kind::Bool => json!(false),
            Kind::String | Kind::Bytes => json!(""),
            _ => json!(0),
        })
    }
}

/// Of a oneof one field can be given.
fn is_first_choice(field: &FieldDescriptor) -> bool {
    let Some(oneof) = field.containing_oneof() else {
        return true;
    };
    oneof
        .fields()
        .next()
        .is_some_and(|it| it.number() == field.number())
}

/// A message with a JSON form of its own.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    Some(match name {
        "Timestamp" => json!("2024-01-31T12:00:00Z"),
        "Duration" => json!("1.5s"),
        "FieldMask" => json!(""),
        "Struct" => json!({ "key": "value" }),
        "ListValue" => json!(["value"]),
        "Value" => json!("value"),
        "Empty" => json!({}),
        "FloatValue" | "DoubleValue" => json!(0.0),
        "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" => json!(0),
        "BoolValue" => json!(false),
        "StringValue" | "BytesValue" => json!(""),
        "Any" => any(message),
        _ => return None,
    })
}

/// Of a message that is described beside it: what any is to hold, nobody says.
fn any(message: &MessageDescriptor) -> Value {
    let mut all = message.parent_pool().all_messages();
    let held = all.find(|it| {
        let is_plain = !it.full_name().starts_with("google.protobuf.") && !it.is_map_entry();
        let mut fields = it.fields();
        is_plain && !fields.any(|field| field.cardinality() == Cardinality::Required)
    });
    match held {
        Some(held) => json!({ "@type": format!("type.googleapis.com/{}", held.full_name()) }),
        None => json!({ "@type": "type.googleapis.com/google.protobuf.Any", "value": {} }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::encode;
    use super::super::super::protos::compile_source;
    use super::*;

    const PROTO: &str = r#"
        syntax = "proto3";
        package a;
        import "google/protobuf/any.proto";
        import "google/protobuf/field_mask.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        enum Color { COLOR_UNSPECIFIED = 0; RED = 1; }
        message Item { string name = 1; Item inner = 2; repeated Order orders = 3; }
        message Order {
            string item_name = 1;
            repeated Item items = 2;
            map<int32, Item> by_number = 3;
            map<string, bool> flags = 4;
            Color color = 5;
            oneof how { string card = 6; bool cash = 7; }
            optional double price = 8;
            google.protobuf.Timestamp at = 9;
            google.protobuf.Any any = 10;
            google.protobuf.Struct more = 11;
            google.protobuf.Int64Value count = 12;
            google.protobuf.FieldMask mask = 13;
            google.protobuf.NullValue nothing = 14;
            bytes raw = 15;
        }"#;

    fn example(proto: &str, name: &str) -> Value {
        let pool = compile_source("a.proto", proto).expect("compiles");
        let message = pool.get_message_by_name(name).expect("is there");
        let example = of(&message);
        encode(&message, &example, "message").expect("an example can be sent");
        example
    }

    #[test]
    fn every_field_has_a_value_that_can_be_sent() {
        assert_eq!(
            example(PROTO, "a.Order"),
            json!({
                "itemName": "",
                "items": [{"name": ""}],
                "byNumber": {"0": {"name": ""}},
                "flags": {"key": false},
                "color": "RED",
                "card": "",
                "price": 0.0,
                "at": "2024-01-31T12:00:00Z",
                "any": {"@type": "type.googleapis.com/a.Item"},
                "more": {"key": "value"},
                "count": 0,
                "mask": "",
                "nothing": null,
                "raw": "",
            })
        );
    }

    #[test]
    fn what_is_required_is_there() {
        let proto = r#"syntax = "proto2"; package b;
            message In { required int32 n = 1; optional In again = 2; }
            message Out { required In in = 1; repeated In more = 2; required group Own = 3 { required string s = 1; } }"#;
        assert_eq!(
            example(proto, "b.Out"),
            json!({"in": {"n": 0}, "more": [{"n": 0}], "own": {"s": ""}})
        );
    }

    /// Ten in ten in ten.
    #[test]
    fn an_example_is_no_longer_than_can_be_read() {
        let message = |level: usize| {
            let fields = (1..=10).map(|it| format!("M{} f{it} = {it};", level + 1));
            format!("message M{level} {{ {} }}", fields.collect::<String>())
        };
        let all: String = (0..12).map(message).collect();
        let proto = format!("syntax = \"proto3\"; {all} message M12 {{ string s = 1; }}");
        let text = example(&proto, "M0").to_string();
        assert!(text.len() < 50_000, "{}", text.len());
    }
}
