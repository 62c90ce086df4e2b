//! A message that came, as expressions see it.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

use super::json::value_of;

/// A text: its fields where it is a JSON object, and all of it as `text`. What is other JSON is that.
pub(crate) fn text_value(text: &str) -> Value {
    let json = serde_json::from_str::<serde_json::Value>(text).map(|json| value_of(&json));
    let fields = match json {
        Ok(json) if json.kind() == ValueKind::Map => json,
        Ok(json) if json.kind() == ValueKind::Seq => return json,
        _ => Value::UNDEFINED,
    };
    Value::from_object(Message {
        fields,
        text: text.into(),
    })
}

/// Bytes: as [`text_value`] has them where they are UTF-8, and however they are, as `hex` and `base64`, and
/// how many there are as `bytes`.
pub(crate) fn bytes_value(bytes: &[u8]) -> Value {
    let text = std::str::from_utf8(bytes).ok().map(text_value);
    if text.as_ref().is_some_and(|it| it.kind() == ValueKind::Seq) {
        return text.unwrap_or_default();
    }
    Value::from_object(Raw {
        text: text.unwrap_or_default(),
        bytes: bytes.into(),
    })
}

#[derive(Debug)]
struct Raw {
    /// Undefined where it is none.
    text: Value,
    bytes: Box<[u8]>,
}

impl Object for Raw {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    /// A field of such a name counts more than the whole.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let of_text = self.text.get_item(key).ok();
        of_text.filter(|it| !it.is_undefined()).or_else(|| {
            Some(match key.as_str()? {
                "hex" => data_encoding::HEXLOWER.encode(&self.bytes).into(),
                "base64" => data_encoding::BASE64.encode(&self.bytes).into(),
                "bytes" => self.bytes.len().into(),
                _ => return None,
            })
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.text.try_iter() {
            Ok(names) => Enumerator::Values(names.collect()),
            Err(_) => Enumerator::Values(vec!["hex".into()]),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.is_undefined() {
            true => f.write_str(&data_encoding::HEXLOWER.encode(&self.bytes)),
            false => write!(f, "{}", self.text),
        }
    }
}

/// The name of the whole.
const TEXT: &str = "text";

struct Message {
    fields: Value,
    text: Arc<str>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Object for Message {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    /// A field of that name counts more than the whole.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let field = self.fields.get_item(key).ok();
        field
            .filter(|it| !it.is_undefined())
            .or_else(|| (key.as_str() == Some(TEXT)).then(|| Value::from(Arc::clone(&self.text))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.fields.try_iter() {
            Ok(names) => Enumerator::Values(names.collect()),
            Err(_) => Enumerator::Values(vec![TEXT.into()]),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::{Expression, Scope, Variables};
    use super::*;

    #[test_case(r#"{"type": "echo", "id": 7}"#, "reply.type ~ reply.id" => "echo7")]
    #[test_case(r#"{"type": "echo"}"#, "reply.text" => r#"{"type": "echo"}"#; "all of an object")]
    #[test_case(r#"{"text": "x"}"#, "reply.text" => "x"; "a field of that name")]
    #[test_case("plain", "reply.text" => "plain")]
    #[test_case("[1, 2]", "reply[1]" => "2")]
    #[test_case(r#"{"a": 1}"#, "json(reply)" => r#"{"a":1}"#; "as JSON")]
    #[test_case("plain", "reply" => "plain"; "as it is")]
    fn sees(text: &str, expression: &str) -> String {
        let scope = Scope::new(Variables::default(), 0);
        scope.change(|it| it.reply = text_value(text));
        let expression = Expression::parse(expression).unwrap();
        expression.evaluate(&scope).unwrap().to_string()
    }

    #[test_case(b"{\"type\": \"echo\"}", "reply.type ~ reply.bytes" => "echo16"; "a field")]
    #[test_case(b"OK", "reply.text" => "OK"; "a text")]
    #[test_case(b"OK", "reply.hex ~ ' ' ~ reply.base64" => "4f4b T0s="; "encoded")]
    #[test_case(b"\xff\x00", "reply.hex" => "ff00"; "no text")]
    #[test_case(b"[1, 2]", "reply[1]" => "2"; "a list")]
    fn sees_bytes(bytes: &[u8], expression: &str) -> String {
        let scope = Scope::new(Variables::default(), 0);
        scope.change(|it| it.reply = bytes_value(bytes));
        let expression = Expression::parse(expression).unwrap();
        expression.evaluate(&scope).unwrap().to_string()
    }
}
