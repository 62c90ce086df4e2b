//! A template that comes to a value is the value.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;

const FIELDS: [&str; 30] = [
    "str",
    "i32",
    "i64",
    "u32",
    "u64",
    "s32",
    "s64",
    "x32",
    "x64",
    "y32",
    "y64",
    "d",
    "f",
    "yes",
    "data",
    "mood",
    "inner",
    "opt",
    "choice_a",
    "choice_b",
    "choice_c",
    "i32s",
    "strs",
    "inners",
    "ds",
    "moods",
    "loose",
    "by",
    "by_number",
    "by_flag",
];

/// Small and large numbers.
fn number(rng: &mut fastrand::Rng) -> u64 {
    rng.u64(..) >> rng.u32(0..64)
}

fn text(rng: &mut fastrand::Rng) -> String {
    // Nothing that a template begins with.
    let letters = ['a', 'z', ' ', '"', '\\', 'é', '7', '\n'];
    let len = rng.usize(..12);
    std::iter::repeat_with(|| letters[rng.usize(..letters.len())])
        .take(len)
        .collect()
}

fn several(rng: &mut fastrand::Rng, of: &str) -> Json {
    (0..rng.usize(..5)).map(|_| value(of, rng)).collect()
}

fn by(rng: &mut fastrand::Rng, key: impl Fn(&mut fastrand::Rng) -> String, of: &str) -> Json {
    let entries = (0..rng.usize(..4)).map(|_| (key(rng), value(of, rng)));
    Json::Object(entries.collect())
}

/// A value for a field.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "any number will do"
)]
fn value(field: &str, rng: &mut fastrand::Rng) -> Json {
    match field {
        "str" | "choice_b" => text(rng).into(),
        "i32" | "s32" | "y32" | "opt" | "choice_a" => (number(rng) as i32).into(),
        "u32" | "x32" => (number(rng) as u32).into(),
        "i64" | "s64" | "y64" => (number(rng) as i64).into(),
        "u64" | "x64" => number(rng).into(),
        "d" => (rng.f64() * 1e12 - 5e11).into(),
        "f" => (rng.f64() - 0.5).into(),
        "yes" => rng.bool().into(),
        "data" => ["", "AQI=", "_w"][rng.usize(..3)].into(),
        "mood" => [json!("CALM"), json!("CROSS"), json!(1), json!(7)][rng.usize(..4)].clone(),
        "inner" | "choice_c" if rng.bool() => json!({"n": value("i32", rng)}),
        "inner" | "choice_c" => json!({"label": text(rng), "next": value("inner", rng)}),
        "i32s" => several(rng, "i32"),
        "strs" => several(rng, "str"),
        "inners" => several(rng, "inner"),
        "ds" => several(rng, "d"),
        "moods" => several(rng, "mood"),
        "loose" => several(rng, "i64"),
        "by" => by(rng, text, "i64"),
        "by_number" => by(rng, |rng| (number(rng) as i32).to_string(), "inner"),
        _ => by(rng, |rng| rng.bool().to_string(), "data"),
    }
}

/// A message in which about half of the fields are set.
fn any_message(rng: &mut fastrand::Rng) -> Json {
    let choice = ["choice_a", "choice_b", "choice_c"][rng.usize(..3)];
    let mut fields = Map::new();
    for name in FIELDS {
        if rng.bool() && (!name.starts_with("choice") || name == choice) {
            fields.insert(name.to_owned(), value(name, rng));
        }
    }
    Json::Object(fields)
}

/// Puts templates in the place of some values, and the values into the row.
fn templated(value: &Json, rng: &mut fastrand::Rng, row: &mut Vec<Json>) -> Json {
    let mut hole = |value: &Json| {
        row.push(value.clone());
        Json::String(format!("{{{{ row[{}] }}}}", row.len() - 1))
    };
    match value {
        Json::Array(_) | Json::Object(_) if rng.u8(..) < 30 => hole(value),
        Json::Array(items) => items.iter().map(|item| templated(item, rng, row)).collect(),
        Json::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), templated(value, rng, row)));
            Json::Object(fields.collect())
        }
        leaf if rng.bool() => hole(leaf),
        leaf => leaf.clone(),
    }
}

/// Puts templates in the place of some keys of maps.
fn with_keys(mut message: Json, rng: &mut fastrand::Rng, row: &mut Vec<Json>) -> Json {
    for map in ["by", "by_number", "by_flag"] {
        if let Some(Json::Object(entries)) = message.get_mut(map) {
            let renamed = std::mem::take(entries).into_iter().map(|(key, value)| {
                if !rng.bool() {
                    return (key, value);
                }
                row.push(Json::String(key));
                (format!("{{{{ row[{}] }}}}", row.len() - 1), value)
            });
            *entries = renamed.collect();
        }
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_template_comes_to_the_message_that_its_values_make(seed: u64) {
        let (mut rng, mut row) = (fastrand::Rng::with_seed(seed), Vec::new());
        let descriptor = descriptor();
        let message = any_message(&mut rng);
        let constant = message::encode(&descriptor, &message, "m").expect("right");
        let fields = message.as_object().expect("an object").iter();
        let fields = fields.map(|(name, value)| (name.clone(), templated(value, &mut rng, &mut row)));
        let templated = with_keys(Json::Object(fields.collect()), &mut rng, &mut row);
        let template = prepare(&descriptor, &templated, "m").expect("right");
        let encoded = template.encode(&scope(&Json::Array(row))).expect("right");
        prop_assert_eq!(
            DynamicMessage::decode(descriptor.clone(), encoded.as_ref()).expect("whole"),
            DynamicMessage::decode(descriptor, constant.as_slice()).expect("whole"),
            "{}",
            templated
        );
    }
}
