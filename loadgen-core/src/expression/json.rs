//! JSON values as the language has them.

use minijinja::Value;

/// The same value. A number is the integer that it is, else the nearest double.
pub(crate) fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::Number(number) => number_of(number),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(value_of).collect(),
        serde_json::Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.as_str(), value_of(field)))
            .collect(),
    }
}

fn number_of(number: &serde_json::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return Value::from(whole);
    }
    if let Some(whole) = number.as_i128() {
        return Value::from(whole);
    }
    // A text that is a number for JSON is one for a double, which may be infinite.
    Value::from(number.as_str().parse::<f64>().unwrap_or(f64::NAN))
}
