//! JSON values as YAML that reads back as the same values.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::scenario::reader::is_yaml_text;

/// A value as YAML, lists and objects by indentation: a suite as people write one.
///
/// What [`Suite::parse`](crate::scenario::Suite::parse) reads from it is the same value, numbers as they
/// are written, as long as no more than 127 lists and objects lie in one another.
///
/// ```
/// use loadgen_core::scenario::to_yaml;
/// use serde_json::json;
///
/// let load = json!({"open": {"rate": "200/s", "duration": "10s"}});
/// let suite = json!({"scenarios": [{"name": "greet", "load": load, "targets": ["[::1]:50051"]}]});
/// assert_eq!(
///     to_yaml(&suite),
///     "scenarios:
///   - name: greet
///     load:
///       open:
///         rate: 200/s
///         duration: 10s
///     targets:
///       - \"[::1]:50051\"
/// ",
/// );
/// ```
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match block(value) {
        Some(block) => block.write(&mut text, 0),
        None => text = scalar(value) + "\n",
    }
    text
}

/// A list or an object that is not empty.
enum Block<'a> {
    List(&'a [Value]),
    Object(&'a Map<String, Value>),
}

fn block(value: &Value) -> Option<Block<'_>> {
    match value {
        Value::Array(items) if !items.is_empty() => Some(Block::List(items)),
        Value::Object(fields) if !fields.is_empty() => Some(Block::Object(fields)),
        _ => None,
    }
}

impl Block<'_> {
    /// Writes the lines, indented so far, but for the first: that stands where it is written to.
    fn write(&self, text: &mut String, indent: usize) {
        match self {
            Self::List(items) => items.iter().enumerate().for_each(|(index, item)| {
                begin(text, index, indent);
                text.push_str("- ");
                match block(item) {
                    Some(block) => block.write(text, indent + 2),
                    None => end(text, item),
                }
            }),
            Self::Object(fields) => fields.iter().enumerate().for_each(|(index, field)| {
                begin(text, index, indent);
                write_field(text, field, indent);
            }),
        }
    }
}

fn write_field(text: &mut String, (key, value): (&String, &Value), indent: usize) {
    /// YAML has longer keys in another form only.
    const LONGEST_KEY: usize = 1000;
    let key = quoted_where_needed(key);
    if key.chars().count() > LONGEST_KEY {
        let _ = write!(text, "? {key}\n{:indent$}", "");
    } else {
        text.push_str(&key);
    }
    text.push(':');
    match block(value) {
        Some(block) => {
            let _ = write!(text, "\n{:1$}", "", indent + 2);
            block.write(text, indent + 2);
        }
        None => match value {
            Value::String(lines) if is_literal(lines) => {
                text.push_str(" |\n");
                for line in lines.lines() {
                    let indent = if line.is_empty() { 0 } else { indent + 2 };
                    let _ = writeln!(text, "{:indent$}{line}", "");
                }
            }
            value => {
                text.push(' ');
                end(text, value);
            }
        },
    }
}

/// Whether a text is whole lines, and can stand as they are: each reader takes them for this text.
fn is_literal(text: &str) -> bool {
    let is_fine = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let lines = || text.lines();
    // How far a text is indented is told by its first line.
    let begins_well = !text.starts_with([' ', '\n']);
    let is_blank = |line: &str| !line.is_empty() && line.trim().is_empty();
    begins_well
        && text.ends_with('\n')
        && !text.ends_with("\n\n")
        && !text.contains('\r')
        && lines().all(|line| line.chars().all(is_fine) && !is_blank(line))
}

fn begin(text: &mut String, index: usize, indent: usize) {
    if index > 0 {
        let _ = write!(text, "{:indent$}", "");
    }
}

fn end(text: &mut String, value: &Value) {
    text.push_str(&scalar(value));
    text.push('\n');
}

/// A value that stands on one line.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted_where_needed(text),
        other => other.to_string(),
    }
}

fn quoted_where_needed(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Whether every reader of YAML, older ones too, takes the text without quotes for this text.
fn is_plain(text: &str) -> bool {
    /// What YAML 1.1 has for true and false.
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let is_fine = |c: char| c.is_ascii_alphanumeric() || " _-./+%<>=(),;@$*".contains(c);
    let begins_well = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '$' | '_');
    // Dates and times of the day are something else to some.
    let is_like_a_date =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['-', '_']);
    text.starts_with(begins_well)
        && !text.ends_with(' ')
        && text.chars().all(is_fine)
        && !is_like_a_date
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && is_yaml_text(text)
}

/// The text in double quotes, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Control characters, and what some readers break lines at or drop.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::scenario::reader::problem::Problems;
    use crate::scenario::reader::text;

    fn read(yaml: &str) -> Value {
        let problems = Problems::default();
        let read = text::parse("a.yaml", yaml, &problems);
        assert!(problems.into_vec().is_empty(), "{yaml}");
        read.unwrap_or_else(|error| panic!("{error}\n{yaml}"))
    }

    #[test_case(&json!("error_rate < 1%") => "error_rate < 1%\n")]
    #[test_case(&json!("localhost:50051") => "\"localhost:50051\"\n")]
    #[test_case(&json!("{{ user }}") => "\"{{ user }}\"\n")]
    #[test_case(&json!("no") => "\"no\"\n")]
    #[test_case(&json!("5") => "\"5\"\n")]
    #[test_case(&json!("2024-01-31") => "\"2024-01-31\"\n")]
    #[test_case(&json!("1.5s") => "1.5s\n")]
    #[test_case(&json!("a # b") => "\"a # b\"\n")]
    #[test_case(&json!("") => "\"\"\n")]
    #[test_case(&json!("é\n") => "\"é\\n\"\n")]
    #[test_case(&json!({"a": {"b": "x: 1\n\n  y\n"}, "c": 1}) => "a:\n  b: |\n    x: 1\n\n      y\nc: 1\n"; "lines")]
    #[test_case(&json!({"a": "x\ny"}) => "a: \"x\\ny\"\n"; "no whole lines")]
    #[test_case(&json!({"a": " x\n"}) => "a: \" x\\n\"\n"; "indented lines")]
    #[test_case(&json!([]) => "[]\n")]
    #[test_case(&json!({"a": {}, "b": null, "true": 1.50}) => "a: {}\nb: null\n\"true\": 1.5\n")]
    #[test_case(&json!([[1, [2]], {"a": [{"b": 1, "c": 2}]}]) => "- - 1\n  - - 2\n- a:\n    - b: 1\n      c: 2\n")]
    fn is_written(value: &Value) -> String {
        let text = to_yaml(value);
        assert_eq!(read(&text), *value);
        text
    }

    #[test]
    fn long_keys_and_the_deepest_value_read_back() {
        let deep = (0..126).fold(json!("x"), |value, index| match index % 2 {
            0 => json!([value]),
            _ => json!({ "k": value }),
        });
        let value = json!({ "é\"".repeat(600): { "b": 1 }, "a".repeat(5000): "c", "deep": deep });
        assert_eq!(read(&to_yaml(&value)), value);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[a-z0-9 :#,.<>=%*&!|'\"{}\\[\\]@`?~\n\t\r\u{85}\u{2028}\u{feff}-]{0,8}",
            "([a-c #:\t-]{0,4}\n){1,3}",
            "(true|no|null|~|<<|---|0x1|[.]inf|1e5|00|- a|\\? a)",
        ];
        let number = "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,5})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| serde_json::from_str(&text).unwrap());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number,
            text.clone().prop_map(Value::String),
        ];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back_as_the_same(value in any_value()) {
            prop_assert_eq!(read(&to_yaml(&value)), value);
        }
    }
}
