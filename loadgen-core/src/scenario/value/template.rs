//! What may hold expressions: texts that are sent, as templates, and expressions themselves. Both have to
//! compile; what their names stand for is for the driver to check, which knows data and descriptions.

use serde_json::Value;

use crate::expression::{Expression, Text};
use crate::scenario::reader::{Place, Refusal};

/// Whether all texts anywhere in a value are constants or templates; notes those that are neither.
pub(in crate::scenario) fn templates(value: &Value, at: &Place<'_>) -> bool {
    match value {
        Value::String(text) => match template(text) {
            Ok(()) => true,
            Err(refusal) => at.refuse(value, refusal),
        },
        Value::Array(items) => items.iter().enumerate().fold(true, |all, (index, item)| {
            templates(item, &at.item(index)) && all
        }),
        Value::Object(fields) => fields.iter().fold(true, |all, (key, value)| {
            let at = at.field(key);
            let named = match template(key) {
                Ok(()) => true,
                Err(refusal) => at.refuse(&Value::String(key.clone()), refusal),
            };
            templates(value, &at) && named && all
        }),
        _ => true,
    }
}

/// Whether a text is a constant, or a template that compiles.
///
/// # Errors
/// What is wrong with it. A variable as shells have it is none of ours: sending it as it stands would
/// measure something that nobody asked for.
pub(in crate::scenario) fn template(text: &str) -> Result<(), Refusal> {
    let shell = text
        .split_once("${")
        .and_then(|(_, rest)| rest.split_once('}'));
    if let (Some((name, _)), false) = (shell, Text::is_template(text)) {
        let help = format!("a variable of the environment is `{{{{ env.{name} }}}}`");
        return Refusal::with_help("a constant or a template", Some(help));
    }
    match Text::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Refusal::with_help("a template", Some(error.to_string())),
    }
}

/// Whether a text is a template: something else is sent in its place.
pub(in crate::scenario) fn is_template(text: &str) -> bool {
    Text::is_template(text)
}

/// Whether a text may be the value of a header field: printable ASCII without space at either end, or a
/// template.
pub(in crate::scenario) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim() == text
        && template(text).is_ok()
}

/// Whether expressions can use it as a name.
pub(in crate::scenario) fn is_variable_name(text: &str) -> bool {
    (1..=super::MAX_NAME).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An expression: `reply.total == 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct ExpressionText(pub(in crate::scenario) String);

mod expression_text {
    use serde::{Serialize, Serializer};

    use super::{Expression, ExpressionText};
    use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
    use crate::scenario::value::text_schema;

    const EXPECTED: &str = "an expression such as \"reply.total == 3\"";

    impl Decode for ExpressionText {
        fn decode(reader: &Reader<'_>) -> Option<Self> {
            reader.keep(Self(reader.text(EXPECTED)?.to_owned()))
        }
    }

    impl Rule for ExpressionText {
        fn rule(&self) -> Result<(), Refusal> {
            match Expression::parse(&self.0) {
                Ok(_) => Ok(()),
                Err(error) => Refusal::with_help(EXPECTED, Some(error.to_string())),
            }
        }
    }

    impl Serialize for ExpressionText {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&self.0)
        }
    }

    text_schema!(ExpressionText, "Expression", {
        "description": "An expression in minijinja's language; the scenario reference lists the names it may use.",
        "minLength": 1,
        "examples": ["reply.total == 3", "status == 'OK'", "reply.token"],
    });
}
