//! Text to JSON value. Owns what the JSON parser alone would let pass, a field that stands twice, and
//! what it would lose: how a number is written.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::text::{key_before, looks_like_yaml};
use crate::scenario::reader::problem::{Problems, SuiteError};

/// Reads the text; fields that stand twice become problems, and the first one counts.
pub(in crate::scenario) fn parse(
    source_name: &str,
    text: &str,
    problems: &Problems,
) -> Result<Value, SuiteError> {
    let path = RefCell::new(String::new());
    let numbers = RefCell::new(Numbers { rest: text });
    let node = Node {
        path: &path,
        numbers: &numbers,
        problems,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = node.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            let message = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = message.strip_suffix(&place).unwrap_or(&message);
            let at = crate::scenario::reader::problem::byte_offset(
                text,
                error.line(),
                error.column().max(1),
            );
            SuiteError::Syntax {
                source_name: source_name.to_owned(),
                line: error.line(),
                // 0 when the text ended; a column that an editor can go to starts at 1.
                column: error.column().max(1),
                message: not_json(text, at).map_or_else(|| message.to_owned(), str::to_owned),
                text: text.to_owned(),
            }
        })
}

/// What a text is that the parser gave up on at byte `at`, where it looks like something else.
fn not_json(text: &str, at: usize) -> Option<&'static str> {
    let is_comment = |rest: &str| ["//", "/*", "#"].iter().any(|it| rest.starts_with(it));
    let begin = text.trim_start();
    if begin.is_empty() {
        return Some("it is empty; a suite is JSON or YAML");
    }
    let first_line = begin.lines().next().unwrap_or_default();
    let word = first_line.split(|c: char| !c.is_alphanumeric()).next();
    match begin.as_bytes()[0] {
        b'{' | b'[' | b'"' => {}
        b'<' => return Some("it is HTML or XML; a suite is JSON or YAML"),
        _ if looks_like_yaml(begin) => {
            return Some("it is YAML; such a file's name ends in `.yaml`");
        }
        _ if is_comment(begin) => {}
        _ if matches!(
            word,
            Some("import" | "export" | "const" | "let" | "var" | "module")
        ) =>
        {
            return Some("it is JavaScript; a suite is JSON or YAML");
        }
        _ if key_before(first_line, '=') => return Some("it is TOML; a suite is JSON or YAML"),
        _ => return None,
    }
    // The parser may stand behind the first character of a comment.
    let near = [at, at.saturating_sub(1)];
    let has_comment = near
        .iter()
        .any(|&at| text.get(at..).is_some_and(is_comment));
    has_comment.then_some("JSON has no comments")
}

/// One value under way, with the path to it.
#[derive(Clone, Copy)]
struct Node<'a> {
    path: &'a RefCell<String>,
    numbers: &'a RefCell<Numbers<'a>>,
    problems: &'a Problems,
}

/// The numbers of a JSON text, as they are written, in the order in which a parser meets them. A
/// number in the text's wrong part is never asked for.
struct Numbers<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Numbers<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        loop {
            match bytes.get(at)? {
                b'"' => {
                    at += 1;
                    while !matches!(bytes.get(at), None | Some(b'"')) {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                }
                b'-' | b'0'..=b'9' => break,
                _ => at += 1,
            }
        }
        let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        let number = &self.rest[at..at + length];
        self.rest = &self.rest[at + length..];
        Some(number)
    }
}

/// The field by which the parser hands over a number that no machine word holds as it is written.
const NUMBER: &str = "$serde_json::private::Number";

/// What is said of a field that was written by that name.
const NOT_A_FIELD: &str = "no field can have the name `$serde_json::private::Number`";

impl Node<'_> {
    /// The number that the parser is at. The parser has another way to write an exponent, so what it
    /// read is asked for only where it is not at a number of the text.
    fn number(self, read: impl FnOnce() -> Number) -> Value {
        let written = self.numbers.borrow_mut().next();
        Value::Number(match written {
            Some(written) if written.contains(['e', 'E']) => {
                Number::from_string_unchecked(written.to_owned())
            }
            _ => read(),
        })
    }

    /// Runs `read` one level down and comes back up.
    fn below<T>(self, part: &str, read: impl FnOnce(Self) -> T) -> T {
        let length = self.path.borrow().len();
        self.path.borrow_mut().push_str(part);
        let result = read(self);
        self.path.borrow_mut().truncate(length);
        result
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(self.number(|| number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(self.number(|| number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = self.below(&format!("[{}]", array.len()), |node| {
            items.next_element_seed(node)
        })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.is_empty() && key == NUMBER {
                match fields.next_value_seed(OfNumber)? {
                    Some(text) => {
                        let number = text.parse::<Number>();
                        return number
                            .map(|number| self.number(|| number))
                            .map_err(A::Error::custom);
                    }
                    None => return Err(A::Error::custom(NOT_A_FIELD)),
                }
            }
            let part = join(&self.path.borrow(), &key);
            let value = self.below(&part, |node| fields.next_value_seed(node))?;
            if object.contains_key(&key) {
                let path = format!("{}{part}", self.path.borrow());
                self.problems.add_repeated(path);
            } else {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

/// What the parser has under [`NUMBER`]. It hands over a text of its own, and lends those that stand in
/// what it reads: where it lends one, a field of that name was written.
struct OfNumber;

impl<'de> DeserializeSeed<'de> for OfNumber {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfNumber {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number as it is written")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }
}

/// What a field adds to a path: `.name`, or `["odd name"]` where a plain name would mislead.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!(".{key}"),
        (false, _) => {
            let short: String = key.chars().take(60).collect();
            format!("[\"{}\"]", short.escape_debug())
        }
    }
}
