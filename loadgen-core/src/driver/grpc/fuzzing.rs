//! Descriptions that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;
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

/// A server's answer to a question by reflection, used or refused in a sentence.
pub fn reflection_answer(data: &[u8]) {
    match pool_of(data) {
        Ok(pool) => encode_some(&pool),
        Err(problem) => check_sentence(&problem),
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
