//! What is sent as it is written: no templates yet. Sending one as it stands would measure something
//! that nobody asked for.

use serde_json::Value;

use crate::scenario::reader::{Place, Refusal};

/// Whether there is no template anywhere in a value; notes those that there are.
pub(in crate::scenario) fn constant(value: &Value, at: &Place<'_>) -> bool {
    match value {
        Value::String(text) if is_template(text) => {
            let expected = "a constant".to_owned();
            let help =
                "templates come with a later version; this one sends messages as they are written";
            let help = Some(help.to_owned());
            at.refuse(value, Refusal { expected, help })
        }
        Value::Array(items) => items.iter().enumerate().fold(true, |all, (index, item)| {
            constant(item, &at.item(index)) && all
        }),
        Value::Object(fields) => fields.iter().fold(true, |all, (key, value)| {
            constant(value, &at.field(key)) && all
        }),
        _ => true,
    }
}

/// Whether a later version would put something else in its place.
pub(in crate::scenario) fn is_template(text: &str) -> bool {
    let shell = text
        .split_once("${")
        .is_some_and(|(_, rest)| rest.contains('}'));
    shell || text.contains("{{") || text.contains("{%")
}

/// Whether a text may be the value of a header field: printable ASCII, no space at either end, and a
/// constant.
pub(in crate::scenario) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim() == text
        && !is_template(text)
}
