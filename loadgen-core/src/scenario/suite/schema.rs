//! The JSON Schema of suites, generated from the raw types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::RawSuite;

/// The JSON Schema that editors complete suites with; `scenarios/scenario.schema.json` is a copy.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawSuite>().to_value();
    tidy(&mut schema);
    schema
}

/// Names without the prefix of the Rust types, no empty lists, descriptions on one line.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, value| {
                key != "required" || value.as_array().is_none_or(|list| !list.is_empty())
            });
            if let Some(Value::String(title)) = object.get_mut("title") {
                *title = plain(title);
            }
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some((path, name)) = target.rsplit_once('/')
            {
                *target = format!("{path}/{}", plain(name));
            }
            if let Some(Value::Object(types)) = object.get_mut("$defs") {
                *types = std::mem::take(types)
                    .into_iter()
                    .map(|(name, schema)| (plain(&name), schema))
                    .collect();
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn plain(name: &str) -> String {
    name.strip_prefix("Raw").unwrap_or(name).to_owned()
}
