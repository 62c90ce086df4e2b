//! Messages on their way out, made ready once; what pongs bring back.

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::Message;

use super::deflate::Deflated;
use super::fields::FieldPath;
use crate::driver::steps::At;
use crate::expression::{
    ExpressionError, JsonText, NUMBER, Scope, Text, Value as Seen, text_value,
};
use crate::scenario::{Payload, from_base64};

/// A message that is sent again and again.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Always the same, and what it is when it is compressed.
    Constant(Message, Box<Deflated>),
    /// A JSON object with a number in one field, its own or one of an object within; the text
    /// before and after the number.
    Numbered { before: Box<str>, after: Box<str> },
    /// Filled in each time; and its place in the scenario.
    Template(Box<(Template, String)>),
    /// A ping that carries a number.
    Ping,
}

/// A message that is filled in.
#[derive(Debug)]
pub(super) enum Template {
    Text(Text),
    /// A JSON value, maybe with a number in one field.
    Json(JsonText),
    /// Base64 of what is sent.
    Binary(Text),
}

impl Template {
    fn message(&self, number: u64, scope: &Scope) -> Result<Message, ExpressionError> {
        Ok(match self {
            Self::Text(text) => Message::text(text.render(scope)?.to_string()),
            Self::Json(json) => Message::text(json.render(scope, number)?),
            Self::Binary(text) => {
                let text = text.render(scope)?;
                let bytes = from_base64(&text).ok_or_else(|| {
                    ExpressionError::new(format!("{} is not base64", crate::text::short(&text)))
                })?;
                Message::binary(bytes)
            }
        })
    }
}

impl Outgoing {
    /// A message, with room for a number in `field` where there is one. `None` where it has no such room.
    /// What else is wrong is noted.
    pub(super) fn new(payload: &Payload, field: Option<&FieldPath>, at: &At<'_>) -> Option<Self> {
        let path = format!("{}.websocket.send", at.path);
        let filled_in = |text: &str, path: &str, of: fn(Text) -> Template| {
            let text = at.lexicon.template(text, path)?;
            let names = text.names();
            let template = of(text);
            at.lexicon.try_out(&names, |scope| {
                let tried = template.message(0, scope).map(drop);
                tried.map_err(|error| ExpressionError::new(format!("{path}: {error}")))
            });
            Some(template)
        };
        let template = match payload {
            Payload::Text(text) => filled_in(text, &format!("{path}.text"), Template::Text),
            Payload::BinaryTemplate(text) => {
                filled_in(text, &format!("{path}.binary"), Template::Binary)
            }
            Payload::Json(value) => {
                json_template(value, field, &format!("{path}.json"), at).map(Template::Json)
            }
            Payload::Binary(_) | Payload::Sized { .. } => None,
        };
        match (template, field) {
            (Some(Template::Json(_)), Some(field)) if Self::numbered(payload, field).is_none() => {
                None
            }
            (Some(template @ Template::Json(_)), _) | (Some(template), None) => {
                Some(Self::Template(Box::new((template, path))))
            }
            (None, None) => Some(Self::constant(payload)),
            (_, Some(field)) => Self::numbered(payload, field),
        }
    }

    fn constant(payload: &Payload) -> Self {
        let message = match payload {
            Payload::Text(text) => Message::text(text.as_str()),
            Payload::Json(value) => Message::text(value.to_string()),
            Payload::Binary(bytes) => Message::binary(bytes.clone()),
            Payload::BinaryTemplate(text) => Message::binary(text.clone().into_bytes()),
            Payload::Sized { bytes, text: true } => Message::text("x".repeat(*bytes as usize)),
            Payload::Sized { bytes, text: false } => Message::binary(filler(*bytes as usize)),
        };
        Self::Constant(message, Box::default())
    }

    /// Compresses now what will be sent compressed in a window of so many bits.
    pub(super) fn prepare_deflated(&self, bits: u8) {
        if let Self::Constant(message, deflated) = self {
            let payload: &[u8] = match message {
                Message::Text(text) => text.as_ref(),
                Message::Binary(bytes) => bytes,
                _ => return,
            };
            deflated.prepare(bits, payload);
        }
    }

    /// What it is when it is compressed, where it is always the same.
    pub(super) fn deflated(&self) -> Option<&Deflated> {
        match self {
            Self::Constant(_, deflated) => Some(deflated),
            Self::Numbered { .. } | Self::Template(_) | Self::Ping => None,
        }
    }

    /// A JSON object with room for a number in `field`. Objects on the way to it are there or are
    /// made. `None` when the message is no object, has something else on the way, or has the field
    /// already.
    fn numbered(payload: &Payload, field: &FieldPath) -> Option<Self> {
        let Payload::Json(Value::Object(fields)) = payload else {
            return None;
        };
        let (before, after) = around(fields, field.names())?;
        Some(Self::Numbered {
            before: before.into(),
            after: after.into(),
        })
    }

    /// The message with this number, if it carries one.
    ///
    /// # Errors
    /// Why what is filled in comes to nothing.
    #[inline]
    pub(super) fn message(&self, number: u64, scope: &Scope) -> Result<Message, ExpressionError> {
        Ok(match self {
            Self::Template(template) => {
                let (template, path) = &**template;
                let message = template.message(number, scope);
                message.map_err(|error| ExpressionError::new(format!("{path}: {error}")))?
            }
            // Counts a reference; the bytes are shared.
            Self::Constant(message, _) => message.clone(),
            Self::Numbered { before, after } => {
                Message::text([before, number.to_string().as_str(), after].concat())
            }
            Self::Ping => Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())),
        })
    }
}

/// A JSON value that is filled in, with a number in this field where there is one; `None` for a constant.
fn json_template(
    value: &Value,
    field: Option<&FieldPath>,
    path: &str,
    at: &At<'_>,
) -> Option<JsonText> {
    let mut value = value.clone();
    let is_constant = JsonText::parse(&value, path).is_ok_and(|it| it.constant().is_some());
    if let Some(field) = field {
        put_number(&mut value, field.names());
    }
    match JsonText::parse(&value, path) {
        Ok(_) if is_constant => None,
        Ok(json) => {
            json.each(|path, names| at.lexicon.check(names, path));
            json.each_trial(|names, trial| at.lexicon.try_out(names, trial));
            Some(json)
        }
        Err(wrong) => {
            for (path, error) in wrong {
                at.lexicon.wrong(&path, error.to_string());
            }
            None
        }
    }
}

/// Puts the place of a number into a value, and the objects on the way to it.
fn put_number(value: &mut Value, names: &[Box<str>]) {
    let (Some((name, rest)), Value::Object(fields)) = (names.split_first(), value) else {
        return;
    };
    let empty = || Value::Object(Map::new());
    match rest {
        [] => drop(fields.insert(name.to_string(), Value::from(NUMBER))),
        rest => put_number(fields.entry(&**name).or_insert_with(empty), rest),
    }
}

/// The text of an object before and after a number that is to stand at this place in it.
fn around(fields: &Map<String, Value>, names: &[Box<str>]) -> Option<(String, String)> {
    let (name, rest) = names.split_first()?;
    let (before, after) = match (fields.get(&**name), rest) {
        (None, []) => (String::new(), String::new()),
        (None, rest) => around(&Map::new(), rest)?,
        (Some(Value::Object(within)), [_, ..]) => around(within, rest)?,
        (Some(_), _) => return None,
    };
    let mut others = fields.clone();
    others.remove(&**name);
    let comma = if others.is_empty() { "" } else { "," };
    let others = serde_json::to_string(&others).ok()?;
    let others = others.strip_prefix('{')?;
    let name = Value::from(&**name);
    Some((
        format!("{{{name}:{before}"),
        format!("{after}{comma}{others}"),
    ))
}

/// Bytes that look like nothing in particular: what compresses on the way would measure little.
fn filler(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(0);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

/// The number that a pong brings back.
pub(super) fn number_of_pong(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}

/// A message as expressions see it.
pub(super) fn message_value(message: &Message) -> Seen {
    match message {
        Message::Text(text) => text_value(text),
        other => Seen::from_bytes(other.clone().into_data().to_vec()),
    }
}

/// The bytes of a message, as they came.
pub(super) fn bytes_of(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
        Message::Close(_) | Message::Frame(_) => &[],
    }
}

/// The beginning of a message, for people.
pub(super) fn excerpt(message: &Message) -> String {
    const MOST: usize = 80;
    match message {
        Message::Text(text) => {
            let start: String = text.chars().take(MOST).collect();
            let dots = if start.len() < text.len() { "…" } else { "" };
            format!("{start:?}{dots}")
        }
        other => format!("{} bytes of binary", other.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::expression::Variables;

    fn nothing() -> Scope {
        Scope::new(Variables::default(), 0)
    }

    #[test_case("id", json!({}) => r#"{"id":7}"#; "nothing else")]
    #[test_case("id", json!({"op": "add", "x": [1, 2]}) => r#"{"id":7,"op":"add","x":[1,2]}"#)]
    #[test_case("meta.id", json!({"op": "add"}) => r#"{"meta":{"id":7},"op":"add"}"#; "an object that is made")]
    #[test_case("meta.id", json!({"meta": {}}) => r#"{"meta":{"id":7}}"#; "an object that is there")]
    #[test_case("meta.id", json!({"a": 1, "meta": {"id2": 1, "z": {}}}) => r#"{"meta":{"id":7,"id2":1,"z":{}},"a":1}"#; "an object that has fields")]
    #[test_case("a.b.c", json!({"a": {"x": "}"}}) => r#"{"a":{"b":{"c":7},"x":"}"}}"#; "two on the way")]
    #[test_case("a\"b", json!({}) => r#"{"a\"b":7}"#; "a quote in the name")]
    fn numbers_a_message(field: &str, message: Value) -> String {
        let payload = Payload::Json(message);
        let outgoing = Outgoing::numbered(&payload, &FieldPath::new(field)).expect("fits");
        let Ok(Message::Text(text)) = outgoing.message(7, &nothing()) else {
            panic!("a text")
        };
        text.to_string()
    }

    #[test_case("id", json!({"id": 1}); "taken")]
    #[test_case("id", json!([1]); "no object")]
    #[test_case("meta.id", json!({"meta": {"id": null}}); "taken further down")]
    #[test_case("meta.id", json!({"meta": [1]}); "no object on the way")]
    fn has_no_room(field: &str, message: Value) {
        let payload = Payload::Json(message);
        assert!(Outgoing::numbered(&payload, &FieldPath::new(field)).is_none());
    }

    #[test]
    fn a_pong_brings_the_number_back() {
        let Ok(Message::Ping(payload)) = Outgoing::Ping.message(77, &nothing()) else {
            panic!("a ping")
        };
        assert_eq!(number_of_pong(&payload), Some(77));
        assert_eq!(number_of_pong(b"keep-alive"), None);
    }

    #[test]
    fn sizes_are_kept() {
        for (bytes, text) in [(1, true), (1024, false)] {
            let outgoing = Outgoing::constant(&Payload::Sized { bytes, text });
            let message = outgoing.message(0, &nothing()).expect("a constant");
            assert_eq!((message.len(), message.is_text()), (bytes as usize, text));
        }
    }
}
