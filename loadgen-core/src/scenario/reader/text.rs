//! A file's text to a JSON value, in whichever language it is written.

use std::path::Path;

use serde_json::Value;

use super::problem::{Problems, SuiteError};
use super::{json, yaml};

/// What a suite may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Json,
    Yaml,
}

/// Reads the text; fields that stand twice become problems, and the first one counts.
///
/// A name that ends in `.json`, `.yaml` or `.yml` says which language it is. Where it has another end, as
/// for a pipe, the text itself does.
///
/// # Errors
/// [`SuiteError::Syntax`] for a text that is not in that language.
pub(in crate::scenario) fn parse(
    source_name: &str,
    text: &str,
    problems: &Problems,
) -> Result<Value, SuiteError> {
    // Some editors put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match language(source_name, text) {
        Language::Json => json::parse(source_name, text, problems),
        // JSON is YAML, but for some of its escapes.
        Language::Yaml if is_json(text) => json::parse(source_name, text, problems),
        Language::Yaml => yaml::parse(text, problems).map_err(|fault| {
            let before = &text[..fault.at];
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            SuiteError::Syntax {
                source_name: source_name.to_owned(),
                line: 1 + before.matches('\n').count(),
                column: 1 + fault.at - line_start,
                message: fault.message,
                text: text.to_owned(),
            }
        }),
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{') && json::parse("", text, &Problems::default()).is_ok()
}

fn language(source_name: &str, text: &str) -> Language {
    let end = Path::new(source_name).extension();
    match end
        .and_then(|end| end.to_str())
        .map(str::to_ascii_lowercase)
    {
        Some(end) if end == "json" => Language::Json,
        Some(end) if end == "yaml" || end == "yml" => Language::Yaml,
        _ if looks_like_yaml(text) => Language::Yaml,
        _ => Language::Json,
    }
}

/// Whether a text begins as YAML does and JSON cannot, comments left out.
pub(super) fn looks_like_yaml(text: &str) -> bool {
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let first = text.lines().map(str::trim).find(is_said);
    first.is_some_and(|line| {
        line.starts_with("---") || line.starts_with("%YAML") || key_before(line, ':')
    })
}

/// Whether a line begins with a bare name and this sign.
pub(super) fn key_before(line: &str, sign: char) -> bool {
    let name = line
        .split_once(sign)
        .map_or("", |(name, _)| name.trim_end());
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    !name.is_empty() && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    fn read(source_name: &str, text: &str) -> Result<Value, String> {
        parse(source_name, text, &Problems::default()).map_err(|error| error.to_string())
    }

    #[test_case("a.yaml", "a: 1"; "YAML by its name")]
    #[test_case("A.YML", "a: 1"; "in capitals")]
    #[test_case("a.yaml", "{\"a\": 1}"; "JSON that is called YAML")]
    #[test_case("a.json", "\u{feff}{\r\n\"a\": 1}\r\n"; "JSON from Windows")]
    #[test_case("a.yaml", "\u{feff}# of mine\r\na: 1\r\n"; "YAML from Windows")]
    #[test_case("standard input", "{\"a\": 1}"; "JSON from somewhere")]
    #[test_case("standard input", "# of mine\n\na: 1"; "YAML from somewhere")]
    #[test_case("/dev/fd/63", "---\na: 1"; "YAML from a pipe")]
    #[test_case("a.conf", "\u{feff}a: 1"; "YAML by another name")]
    fn either_is_read(source_name: &str, text: &str) {
        assert_eq!(read(source_name, text), Ok(json!({"a": 1})));
    }

    #[test]
    fn json_that_is_called_yaml_keeps_its_escapes() {
        let read = read("a.yaml", r#"{"a": "\ud83d\ude00"}"#);
        assert_eq!(read, Ok(json!({"a": "😀"})));
    }

    #[test_case("a.json", "a: 1" => "a.json: line 1, column 1: it is YAML; such a file's name ends in `.yaml`"; "YAML that is called JSON")]
    #[test_case("a.yaml", "é: 1\r\né: é: x" => "a.yaml: line 2, column 7: a `:` where none can be; a text with `: ` in it stands in quotes, and a key under the one it belongs to"; "places are told in bytes, as of JSON")]
    #[test_case("a.yaml", "\u{feff}a: 'b" => "a.yaml: line 1, column 4: a quote that is never closed"; "behind a mark")]
    #[test_case("a.yml", "a:\n\tb: c" => "a.yml: line 2, column 2: a tab; YAML is indented with blanks"; "a tab")]
    #[test_case("a.yaml", "" => "a.yaml: line 1, column 1: it is empty; a suite is JSON or YAML"; "nothing")]
    #[test_case("a.yaml", "a = 1" => "{}"; "TOML that is called YAML is a text")]
    fn a_place_is_told(source_name: &str, text: &str) -> String {
        match read(source_name, text) {
            Err(error) => error,
            Ok(Value::String(_)) => "{}".to_owned(),
            Ok(other) => panic!("{other}"),
        }
    }
}
