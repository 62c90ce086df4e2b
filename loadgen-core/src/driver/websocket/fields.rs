//! Fields of JSON messages: the way to one, what stands there, and the mark that makes a message a
//! reply. What is not asked for is skipped unread.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::message::message_value;
use crate::expression::{Expression, Scope, Variables};
use crate::scenario::ReplyMark;

/// The way to a field: the names of the objects on the way, then its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath(Box<[Box<str>]>);

impl FieldPath {
    /// The way that `meta.id` describes.
    pub(super) fn new(path: &str) -> Self {
        Self(path.split('.').map(Box::from).collect())
    }

    pub(super) fn names(&self) -> &[Box<str>] {
        &self.0
    }

    /// What `read` makes of the value at the end of the way. `None` where there is none, or where
    /// the message is no JSON object. Of fields that stand twice the last one counts.
    fn read_in<T>(&self, message: &Message, read: impl Fn(Found<'_>) -> Option<T>) -> Option<T> {
        let bytes: &[u8] = match message {
            Message::Text(text) => text.as_ref(),
            Message::Binary(bytes) => bytes,
            _ => return None,
        };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let object = InObject {
            names: &self.0,
            read: &read,
        };
        let value = object.deserialize(&mut json).ok()?;
        json.end().ok()?;
        value
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The whole number in this field of a message that is a JSON object. A text of its digits is as
/// good: not every server keeps the type of what it repeats.
pub(super) fn number_in(message: &Message, field: &FieldPath) -> Option<u64> {
    field.read_in(message, |found| match found {
        Found::Unsigned(number) => Some(number),
        Found::Text(text) => number_of(text),
        _ => None,
    })
}

/// A number as it would be written: no sign, no zeros in front.
fn number_of(text: &str) -> Option<u64> {
    let is_written_so = match text.as_bytes() {
        [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    is_written_so.then(|| text.parse().ok())?
}

/// What only replies have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// A field with a certain value.
    Field(FieldPath, Wanted),
    /// An expression that holds of them.
    Match(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(Box<str>),
}

impl Mark {
    /// `None` when the value is an array or an object, or the expression is none.
    pub(super) fn new(mark: &ReplyMark) -> Option<Self> {
        let (field, equals) = match mark {
            ReplyMark::Field { field, equals } => (field, equals),
            ReplyMark::Match(text) => return Expression::parse(text).ok().map(Self::Match),
        };
        let equals = match equals {
            Value::Null => Wanted::Null,
            Value::Bool(flag) => Wanted::Bool(*flag),
            Value::String(text) => Wanted::Text(text.as_str().into()),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Wanted::Unsigned(number),
                (None, Some(number)) => Wanted::Negative(number),
                (None, None) => Wanted::Float(number.as_f64()?),
            },
            Value::Array(_) | Value::Object(_) => return None,
        };
        Some(Self::Field(FieldPath::new(field), equals))
    }

    /// Whether a message has it.
    pub(super) fn is_on(&self, message: &Message) -> bool {
        match self {
            Self::Field(field, equals) => {
                let is_it = field.read_in(message, |found| Some(equals.is(found)));
                is_it == Some(true)
            }
            Self::Match(expression) => {
                let scope = Scope::new(Variables::default(), 0);
                scope.change(|it| it.reply = message_value(message));
                // Other messages lack what replies have.
                expression.holds(&scope).unwrap_or(false)
            }
        }
    }
}

impl Wanted {
    fn is(&self, found: Found<'_>) -> bool {
        match (self, found) {
            (Self::Null, Found::Null) => true,
            (Self::Bool(wanted), Found::Bool(found)) => *wanted == found,
            (Self::Text(wanted), Found::Text(found)) => **wanted == *found,
            (Self::Unsigned(wanted), Found::Unsigned(found)) => *wanted == found,
            (Self::Negative(wanted), Found::Negative(found)) => *wanted == found,
            // 1 and 1.0 are the same number.
            (wanted, found) => match (wanted.as_float(), found.as_float()) {
                (Some(wanted), Some(found)) => wanted == found,
                _ => false,
            },
        }
    }

    fn as_float(&self) -> Option<f64> {
        match *self {
            Self::Unsigned(number) => Some(number as f64),
            Self::Negative(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            Self::Null | Self::Bool(_) | Self::Text(_) => None,
        }
    }
}

/// A value without parts, or something else.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(&'a str),
    Other,
}

impl Found<'_> {
    fn as_float(self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(number as f64),
            Self::Negative(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Other => None,
        }
    }
}

/// Reads an object for the rest of the way and skips what does not lie on it.
struct InObject<'a, R> {
    names: &'a [Box<str>],
    read: &'a R,
}

impl<'de, T, R: Fn(Found<'_>) -> Option<T>> DeserializeSeed<'de> for InObject<'_, R> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T, R: Fn(Found<'_>) -> Option<T>> Visitor<'de> for InObject<'_, R> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.names.split_first() else {
            return Ok(None);
        };
        let mut value = None;
        while let Some(is_it) = map.next_key_seed(KeyIs(name))? {
            if !is_it {
                map.next_value::<IgnoredAny>()?;
            } else if rest.is_empty() {
                value = map.next_value_seed(AtTheEnd(self.read))?;
            } else {
                value = map.next_value_seed(InObject {
                    names: rest,
                    read: self.read,
                })?;
            }
        }
        Ok(value)
    }
}

/// Compares a key without keeping it.
struct KeyIs<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// The field by which the parser hands over a number that is no integer of 64 bits.
const WRITTEN_NUMBER: &str = "$serde_json::private::Number";

/// The number behind that name, and `None` where a server has sent an object with such a field. The
/// parser hands over as a `String` what it has written itself, and what stands in a message as a `str`.
struct Written;

impl<'de> DeserializeSeed<'de> for Written {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Written {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_string<E>(self, number: String) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// The value at the end of the way.
struct AtTheEnd<'a, R>(&'a R);

impl<'de, T, R: Fn(Found<'_>) -> Option<T>> DeserializeSeed<'de> for AtTheEnd<'_, R> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, R: Fn(Found<'_>) -> Option<T>> Visitor<'de> for AtTheEnd<'_, R> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((self.0)(Found::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok((self.0)(Found::Bool(flag)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok((self.0)(Found::Unsigned(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok((self.0)(Found::Negative(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((self.0)(Found::Text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok((self.0)(Found::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut is_first = true;
        while let Some(is_number) = map.next_key_seed(KeyIs(WRITTEN_NUMBER))? {
            if is_first && is_number {
                if let Some(written) = map.next_value_seed(Written)? {
                    let float = written.parse().map(Found::Float);
                    return Ok((self.0)(float.unwrap_or(Found::Other)));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            is_first = false;
        }
        Ok((self.0)(Found::Other))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    #[test_case("id", r#"{"id":7}"# => Some(7))]
    #[test_case("id", r#"{"a":{"id":1},"id":18446744073709551615,"b":[]}"# => Some(u64::MAX))]
    #[test_case("id", r#"{"\u0069d":7}"# => Some(7); "an escaped key")]
    #[test_case("id", r#"{"id":"7"}"# => Some(7); "a text of digits")]
    #[test_case("id", r#"{"id":"\u0037"}"# => Some(7); "an escaped digit")]
    #[test_case("id", r#"{"id":"07"}"# => None; "a zero in front")]
    #[test_case("id", r#"{"id":"0"}"# => Some(0); "a text of zero")]
    #[test_case("id", r#"{"id":"+7"}"# => None; "a sign")]
    #[test_case("id", r#"{"id":""}"# => None; "an empty text")]
    #[test_case("id", r#"{"id":"18446744073709551616"}"# => None; "more digits than fit")]
    #[test_case("id", r#"{"id":-7}"# => None; "negative")]
    #[test_case("id", r#"{"id":7.0}"# => None; "a fraction")]
    #[test_case("id", r#"{"id":{"a":7}}"# => None; "an object")]
    #[test_case("id", r#"{"id":[7],"id":8}"# => Some(8); "twice")]
    #[test_case("id", r#"{"id":7"# => None; "cut off")]
    #[test_case("id", r#"{"id":7} x"# => None; "more behind it")]
    #[test_case("id", "[7]" => None; "no object")]
    #[test_case("id", "" => None; "empty")]
    #[test_case("meta.id", r#"{"id":1,"meta":{"at":5,"id":7,"x":{"id":2}},"z":[{}]}"# => Some(7); "further down")]
    #[test_case("a.b.c", r#"{"a":{"b":{"c":"7"}}}"# => Some(7); "three down")]
    #[test_case("meta.id", r#"{"meta":7}"# => None; "no object on the way")]
    #[test_case("meta.id", r#"{"meta":[{"id":7}]}"# => None; "an array on the way")]
    #[test_case("meta.id", r#"{"meta.id":7}"# => None; "a name with a point")]
    fn finds_a_number(path: &str, text: &str) -> Option<u64> {
        number_in(&Message::text(text), &FieldPath::new(path))
    }

    #[test]
    fn reads_what_is_sent_as_binary_too() {
        let message = Message::binary(br#"{"id":7}"#.to_vec());
        assert_eq!(number_in(&message, &FieldPath::new("id")), Some(7));
        assert_eq!(
            number_in(&Message::Ping("7".into()), &FieldPath::new("id")),
            None
        );
    }

    #[test_case(&json!("echo"), r#"{"type":"echo","type2":1}"# => true)]
    #[test_case(&json!("echo"), r#"{"type":"Echo"}"# => false; "another case")]
    #[test_case(&json!("echo"), r#"{"type":["echo"]}"# => false; "within an array")]
    #[test_case(&json!("echo"), r#"{"kind":"echo"}"# => false; "another field")]
    #[test_case(&json!("echo"), r#"{"type":"event","type":"echo"}"# => true; "the last of two")]
    #[test_case(&json!("echo"), "echo" => false; "no JSON")]
    #[test_case(&json!(1), r#"{"type":1}"# => true; "a number")]
    #[test_case(&json!(1), r#"{"type":1.0}"# => true; "the same number")]
    #[test_case(&json!(1.5), r#"{"type":15e-1}"# => true; "a fraction")]
    #[test_case(&json!(1.5), r#"{"type":{"$serde_json::private::Number":"1.5"}}"# => false; "an object that looks like a fraction")]
    #[test_case(&json!(1.5), r#"{"type":{"\u0024serde_json::private::Number":"1\u002e5"}}"# => false; "the same in other words")]
    #[test_case(&json!(1), r#"{"type":{"$serde_json::private::Number":1},"type":1}"# => true; "a number in an object, then one")]
    #[test_case(&json!(1), r#"{"type":{"$serde_json::private::Number":1.5},"type":1}"# => true; "a fraction in an object, then one")]
    #[test_case(&json!(1), r#"{"type":{"$serde_json::private::Number":"1","a":[]},"type":1}"# => true; "more in the object, then one")]
    #[test_case(&json!(1), r#"{"type":{"$serde_json::private::Number":[{}]},"type":1}"# => true; "an array in an object, then one")]
    #[test_case(&json!(1), r#"{"type":{"$serde_json::private::Number":null},"type":1}"# => true; "null in an object, then one")]
    #[test_case(&json!(-1), r#"{"type":-1}"# => true; "a negative one")]
    #[test_case(&json!(1), r#"{"type":"1"}"# => false; "a text is no number")]
    #[test_case(&json!(18_446_744_073_709_551_615_u64), r#"{"type":18446744073709551614}"# => false; "large and not the same")]
    #[test_case(&json!(true), r#"{"type":true}"# => true; "true")]
    #[test_case(&json!(false), r#"{"type":null}"# => false; "null is not false")]
    #[test_case(&json!(null), r#"{"type":null}"# => true; "null")]
    #[test_case(&json!(null), "{}" => false; "nothing is not null")]
    fn knows_a_mark(equals: &Value, text: &str) -> bool {
        let mark = Mark::new(&ReplyMark::new("type", equals.clone()));
        mark.expect("a value without parts")
            .is_on(&Message::text(text))
    }

    #[test_case("reply.type == 'echo' and reply.n > 3", r#"{"type":"echo","n":4}"# => true)]
    #[test_case("reply.type == 'echo' and reply.n > 3", r#"{"type":"echo","n":3}"# => false; "it does not hold")]
    #[test_case("reply.n > 3", r#"{"type":"push"}"# => false; "it lacks a field")]
    #[test_case("reply.text == 'pong'", "pong" => true; "a text")]
    fn matches(expression: &str, text: &str) -> bool {
        let mark = Mark::new(&ReplyMark::matching(expression));
        mark.expect("an expression").is_on(&Message::text(text))
    }

    #[test]
    fn a_mark_is_a_value_without_parts() {
        for equals in [json!([1]), json!({})] {
            assert_eq!(Mark::new(&ReplyMark::new("type", equals)), None);
        }
    }
}
