//! The JSON Schema of the document, made from its types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::Document;

/// The JSON Schema (draft 2020-12) that every result document meets.
///
/// What is always written is required; what may be left out is not, and is never null.
#[must_use]
pub fn schema() -> Value {
    of::<Document>()
}

/// The JSON Schema of a document of this type, in which what may be left out is never null.
pub(in crate::report) fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// An optional field is left out and never null, which the types alone cannot say.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_nowhere_in_the_schema() {
        let text = schema().to_string();
        assert!(!text.contains("\"null\""), "{text}");
        assert!(!text.contains("anyOf"), "{text}");
    }

    #[test]
    fn everything_is_described() {
        fn undescribed(path: &str, value: &Value, found: &mut Vec<String>) {
            let Value::Object(object) = value else { return };
            if let Some(Value::Object(properties)) = object.get("properties") {
                for (name, property) in properties {
                    if property.get("description").is_none() {
                        found.push(format!("{path}.{name}"));
                    }
                }
            }
            for (name, child) in object {
                undescribed(&format!("{path}.{name}"), child, found);
            }
        }
        let mut found = Vec::new();
        undescribed("$", &schema(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
