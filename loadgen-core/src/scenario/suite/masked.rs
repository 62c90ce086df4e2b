//! Secrets that were printed as their mask: what is read then is no secret, and must not be sent as one.

use serde_json::Value;

use super::super::reader::Reader;
use crate::secrets;

/// Notes every one of them.
pub(super) fn refuse(reader: &Reader<'_>) {
    match reader.value {
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.for_each(|(key, value)| refuse(&reader.field(key, value)));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| refuse(&reader.item(index, value)));
        }
        Value::String(text) if secrets::is_masked_at(&reader.at.path, text) => {
            reader.at.problems.add(
                &reader.at.path,
                "`***`, which stands for a secret where a scenario is printed",
                "the secret",
                Some(format!(
                    "print the scenario with `--show-secrets`, or take the secret from the environment: {}",
                    elsewhere(&reader.at.path)
                )),
            );
        }
        _ => {}
    }
}

/// How a value at this path is taken from the environment.
fn elsewhere(path: &str) -> &'static str {
    let is_sent_beside = |name| matches!(name, "metadata" | "headers");
    match path.split('.').any(is_sent_beside) {
        true => "`{\"env\": \"NAME\"}`",
        false => "`{{ env.NAME }}`",
    }
}
