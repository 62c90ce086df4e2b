//! Expressions and templates that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::collections::BTreeMap;

use super::{
    Expression, JsonText, Known, Saved, Scope, SecretFields, Text, Variables, all_secret, bounds,
    text_value, value_of,
};
use crate::secrets::Secrets;

thread_local! {
    static SCOPE: Scope = scope();
}

/// Any text is an expression or none, and so it is a template: what is compiled comes to something or to a
/// sentence, within bounds, and what it uses is known or is told of.
///
/// # Panics
/// When the language does, or when a bound does not hold.
pub fn expression_text(text: &str) {
    SCOPE.with(|scope| {
        match Expression::parse(text) {
            Ok(expression) => {
                for unknown in expression.names().unknown(&known()) {
                    assert!(!unknown.problem.is_empty());
                }
                for problem in expression.names().incomparable(&known()) {
                    assert!(!problem.is_empty());
                }
                for path in expression.names().paths() {
                    let said = path.to_string();
                    // A word of the language may stand where a name does: `1 - not`.
                    if let Ok(again) = Expression::parse(&said) {
                        assert!(again.names().paths().any(|it| it == path), "{said}");
                    }
                }
                if let Err(error) = expression.evaluate(scope) {
                    assert!(!error.to_string().is_empty());
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match Text::parse(text) {
            Ok(template) => {
                for unknown in template.names().unknown(&known()) {
                    assert!(!unknown.problem.is_empty());
                }
                match template.render(scope) {
                    Ok(rendered) => assert!(rendered.len() <= bounds::MOST_BYTES + text.len()),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
                let json = serde_json::json!({ "a": [text] });
                let json = JsonText::parse(&json, "json").expect("it has been compiled");
                if let Ok(rendered) = json.render(scope, 0) {
                    let read = serde_json::from_str::<serde_json::Value>(&rendered);
                    assert!(read.is_ok() || rendered.contains("[[[["), "{rendered}");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

fn scope() -> Scope {
    let saved = Saved::default();
    saved.save(&"token".into(), "abcdefgh".into(), true);
    let row = serde_json::json!({"name": "ann", "age": "30", "n": 7, "tags": ["a", {"b": null}], "password": "x1y2z3"});
    let reply = text_value(
        "{\"total\": 3.5, \"items\": [{\"id\": \"x\"}], \"big\": 123456789012345678901234567890}",
    );
    let env = [("KEY".to_owned(), "s3cr3t-1".to_owned())];
    let variables = Variables {
        user: 7,
        iteration: 3,
        worker: 1,
        scenario: "greet".into(),
        row: SecretFields::by_name(value_of(&row)),
        saved: saved.value(),
        env: all_secret(env.into()),
        reply,
        status: "OK".into(),
        ..Variables::default()
    };
    Scope::telling(variables, 1, Secrets::default())
}

fn known() -> BTreeMap<String, Known> {
    let row = [
        ("name", Known::Text),
        ("age", Known::Text),
        ("n", Known::Number),
        ("tags", Known::List),
    ];
    let row = row.map(|(name, known)| (name.to_owned(), known));
    [
        ("user".to_owned(), Known::Number),
        ("row".to_owned(), Known::fields(row)),
        ("reply".to_owned(), Known::Anything),
    ]
    .into()
}
