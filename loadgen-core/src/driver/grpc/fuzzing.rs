//! Descriptions that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

use super::{described, message, protos, reflection};

/// A `.proto` file: compiled, and messages of it encoded, or refused in a sentence.
pub fn proto_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match protos::compile_source("a.proto", text) {
        Ok(pool) => encode_some(&pool),
        Err(error) => check_sentence(&error.to_string()),
    }
}

/// What a server says over HTTP/2, to our own codec: in whatever pieces, it comes to the same.
pub fn http2_answers(data: &[u8]) {
    crate::driver::http2::fuzzing::read(data);
}

/// A server's answer to a question by reflection, used or refused in a sentence.
pub fn reflection_answer(data: &[u8]) {
    match pool_of(data) {
        Ok(pool) => encode_some(&pool),
        Err(problem) => check_sentence(&problem),
    }
}

/// A message that has every kind of field.
static EVERYTHING: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let text = r#"
        syntax = "proto3";
        package fuzz;
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/empty.proto";
        import "google/protobuf/field_mask.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        enum Colour { NONE = 0; RED = 1; }
        message All {
          double double = 1; float float = 2; int32 int32 = 3; int64 int64 = 4; uint32 uint32 = 5;
          uint64 uint64 = 6; sint32 sint32 = 7; sint64 sint64 = 8; fixed32 fixed32 = 9;
          fixed64 fixed64 = 10; sfixed32 sfixed32 = 11; sfixed64 sfixed64 = 12; bool bool = 13;
          string string = 14; bytes bytes = 15; Colour colour = 16; All all = 17;
          repeated int64 numbers = 18; repeated All several = 19; map<string, All> by_name = 20;
          map<int64, string> by_number = 21; map<bool, Colour> by_truth = 22;
          oneof one { string text = 23; bytes raw = 24; All other = 25; }
          optional uint32 maybe = 26; google.protobuf.Any any = 27;
          google.protobuf.Duration duration = 28; google.protobuf.Empty empty = 29;
          google.protobuf.FieldMask mask = 30; google.protobuf.Struct struct = 31;
          google.protobuf.Value value = 32; google.protobuf.ListValue list = 33;
          google.protobuf.Timestamp timestamp = 34; google.protobuf.Int64Value wrapped = 35;
          google.protobuf.NullValue nothing = 36;
        }"#;
    let pool = protos::compile_source("fuzz.proto", text).expect("it compiles");
    pool.get_message_by_name("fuzz.All").expect("it is there")
});

/// A message in protobuf's JSON form: encoded as bytes that are read as that message, and whose own JSON
/// form is as long when it is encoded; or refused with the places where it is wrong.
pub fn message_json(text: &str) {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let bytes = match message::encode(&EVERYTHING, &value, "m") {
        Ok(bytes) => bytes,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused for a reason");
            return;
        }
    };
    let read = DynamicMessage::decode(EVERYTHING.clone(), bytes.as_slice());
    let read = read.expect("what is encoded can be read");
    if let Ok(printed) = serde_json::to_value(&read) {
        let again = message::encode(&EVERYTHING, &printed, "m");
        let again = again.unwrap_or_else(|_| panic!("refused: {printed}"));
        assert_eq!(again.len(), bytes.len(), "{printed}");
    }
}

fn pool_of(data: &[u8]) -> Result<DescriptorPool, String> {
    let mut files = BTreeMap::new();
    let mut parts_left = described::MOST_PARTS;
    for encoded in reflection::files_in(data)? {
        let file = described::read(&encoded, &mut parts_left, described::MOST_PARTS)?;
        for name in &file.dependency {
            if let Some(file) = protos::built_in(name) {
                files.insert(name.clone(), file);
            }
        }
        files.insert(file.name().to_owned(), file);
    }
    described::pool(files)
}

fn encode_some(pool: &DescriptorPool) {
    for descriptor in pool.all_messages().take(20) {
        let mut every = serde_json::Map::new();
        for (index, field) in descriptor.fields().take(50).enumerate() {
            let values = [
                json!(1),
                json!("1"),
                json!({}),
                json!([1]),
                json!({ "1": {} }),
            ];
            every.insert(
                field.name().to_owned(),
                values[index % values.len()].clone(),
            );
        }
        for value in [Value::Null, json!({ "x": 1 }), Value::Object(every)] {
            if let Err(mistakes) = message::encode(&descriptor, &value, "m") {
                assert!(!mistakes.is_empty(), "refused for a reason");
            }
        }
    }
}

/// Nothing of a file reaches a terminal raw.
fn check_sentence(text: &str) {
    assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
}
