//! One value of a templated message that is no message itself.
//!
//! Owns the way from what an expression comes to onto the wire, without JSON between them.

use std::borrow::Cow;
use std::sync::Arc;

use prost::encoding::encode_varint;
use prost_reflect::Kind;

use super::super::number;
use super::super::scalar::{base64, word};
use super::{Hole, at, put_length};
use crate::expression::{ExpressionError, Names, Scope, Text, Value};
use crate::text::short;

/// A number, a word or bytes.
#[derive(Debug)]
pub(super) struct Leaf {
    /// What stands in front of it on the wire.
    pub(super) key: Box<[u8]>,
    pub(super) kind: Kind,
    /// What one of it looks like, for people.
    pub(super) expected: String,
    /// Whether the default is the same as not being there, and left out.
    pub(super) omits_default: bool,
    /// Whether it may come to none, and then is not there.
    pub(super) takes_none: bool,
    pub(super) text: Text,
    pub(super) path: Arc<str>,
}

impl Leaf {
    /// Puts it at the end of `into`; false where it is none.
    fn put(&self, scope: &Scope, into: &mut Vec<u8>) -> Result<bool, ExpressionError> {
        let value = self.text.evaluate(scope).map_err(at(&self.path))?;
        if value.is_none() && self.takes_none {
            return Ok(false);
        }
        let wire = wire(&self.kind, &value).map_err(|problem| {
            let (path, expected) = (&self.path, &self.expected);
            let value = match value.is_none() {
                true => "none".to_owned(),
                false => short(&value.to_string()),
            };
            ExpressionError::new(format!(
                "{path}: it came to `{value}`, which {problem}; expected {expected}"
            ))
        })?;
        if !(self.omits_default && wire.is_default()) {
            into.extend_from_slice(&self.key);
            wire.put(into);
        }
        Ok(true)
    }
}

impl Hole for Leaf {
    fn path(&self) -> &str {
        &self.path
    }

    fn names(&self) -> Names {
        self.text.names()
    }

    fn write(&self, scope: &Scope, into: &mut Vec<u8>) -> Result<(), ExpressionError> {
        self.put(scope, into).map(drop)
    }
}

/// A value in a message of its own, which is not there where the value is none.
#[derive(Debug)]
pub(super) struct Wrapped {
    pub(super) key: Box<[u8]>,
    pub(super) value: Leaf,
}

impl Hole for Wrapped {
    fn path(&self) -> &str {
        self.value.path()
    }

    fn names(&self) -> Names {
        self.value.names()
    }

    fn write(&self, scope: &Scope, into: &mut Vec<u8>) -> Result<(), ExpressionError> {
        let begin = into.len();
        into.extend_from_slice(&self.key);
        let at = into.len();
        if self.value.put(scope, into)? {
            put_length(into, at);
        } else {
            into.truncate(begin);
        }
        Ok(())
    }
}

/// A value as it goes on the wire.
enum Wire<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Bytes(Cow<'a, [u8]>),
}

impl Wire<'_> {
    fn is_default(&self) -> bool {
        match self {
            Self::Varint(number) => *number == 0,
            Self::Fixed32(bytes) => *bytes == [0; 4],
            Self::Fixed64(bytes) => *bytes == [0; 8],
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    fn put(&self, into: &mut Vec<u8>) {
        match self {
            Self::Varint(number) => encode_varint(*number, into),
            Self::Fixed32(bytes) => into.extend_from_slice(bytes),
            Self::Fixed64(bytes) => into.extend_from_slice(bytes),
            Self::Bytes(bytes) => {
                encode_varint(bytes.len() as u64, into);
                into.extend_from_slice(bytes);
            }
        }
    }
}

/// A value as the wire has it, or what is wrong with it: it "is not a number".
fn wire<'a>(kind: &Kind, value: &'a Value) -> Result<Wire<'a>, String> {
    Ok(match kind {
        Kind::String => Wire::Bytes(text(value)?),
        Kind::Bytes => Wire::Bytes(bytes(value)?),
        Kind::Bool => Wire::Varint(boolean(value)?.into()),
        Kind::Int32 => Wire::Varint(i64::from(integer::<i32>(value)?).cast_unsigned()),
        Kind::Int64 => Wire::Varint(integer::<i64>(value)?.cast_unsigned()),
        Kind::Uint32 => Wire::Varint(integer::<u32>(value)?.into()),
        Kind::Uint64 => Wire::Varint(integer(value)?),
        Kind::Sint32 => Wire::Varint(zigzag(integer::<i32>(value)?.into())),
        Kind::Sint64 => Wire::Varint(zigzag(integer(value)?)),
        Kind::Fixed32 => Wire::Fixed32(integer::<u32>(value)?.to_le_bytes()),
        Kind::Fixed64 => Wire::Fixed64(integer::<u64>(value)?.to_le_bytes()),
        Kind::Sfixed32 => Wire::Fixed32(integer::<i32>(value)?.to_le_bytes()),
        Kind::Sfixed64 => Wire::Fixed64(integer::<i64>(value)?.to_le_bytes()),
        Kind::Double => Wire::Fixed64(double(value)?.to_le_bytes()),
        Kind::Float => Wire::Fixed32(float(value)?.to_le_bytes()),
        Kind::Enum(values) => {
            let named = value
                .as_str()
                .and_then(|name| values.get_value_by_name(name));
            let number = match named {
                Some(named) => named.number(),
                None if value.is_none() && values.full_name() == "google.protobuf.NullValue" => 0,
                None => integer::<i32>(value).map_err(|problem| match value.as_str() {
                    Some(_) => "is none of its values".to_owned(),
                    None => problem,
                })?,
            };
            Wire::Varint(i64::from(number).cast_unsigned())
        }
        Kind::Message(_) => return Err(format!("is not a {}", word(kind))),
    })
}

/// Small numbers of either sign in few bytes.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// A text, or a number's.
fn text(value: &Value) -> Result<Cow<'_, [u8]>, String> {
    match value.as_str() {
        Some(text) => Ok(Cow::Borrowed(text.as_bytes())),
        None if value.is_number() => Ok(Cow::Owned(value.to_string().into_bytes())),
        None => Err(is(value)),
    }
}

fn bytes(value: &Value) -> Result<Cow<'_, [u8]>, String> {
    if let Some(text) = value.as_str() {
        let decoded = base64(text).map_err(|problem| problem.replacen("it is", "is", 1));
        return decoded.map(Cow::Owned);
    }
    value.as_bytes().map(Cow::Borrowed).ok_or_else(|| is(value))
}

/// A boolean, or its word: a template with statements in it comes to nothing else.
fn boolean(value: &Value) -> Result<bool, String> {
    let word = value.as_str().and_then(|word| word.parse().ok());
    word.or_else(|| bool::try_from(value.clone()).ok())
        .ok_or_else(|| match value.as_str() {
            Some(_) => "is neither `true` nor `false`".to_owned(),
            None => is(value),
        })
}

fn integer<T: TryFrom<i128>>(value: &Value) -> Result<T, String> {
    let told = |error: number::NumberError| error.to_string();
    if let Some(text) = value.as_str() {
        return number::integer(text).map_err(told);
    }
    if !value.is_number() {
        return Err(is(value));
    }
    if let Some(number) = value
        .as_i64()
        .and_then(|number| T::try_from(number.into()).ok())
    {
        return Ok(number);
    }
    number::integer(&value.to_string()).map_err(told)
}

fn double(value: &Value) -> Result<f64, String> {
    let told = |error: number::NumberError| error.to_string();
    if let Some(text) = value.as_str() {
        return number::double(text).map_err(told);
    }
    value
        .is_number()
        .then(|| f64::try_from(value.clone()).ok())
        .flatten()
        .ok_or_else(|| is(value))
}

fn float(value: &Value) -> Result<f32, String> {
    if let Some(text) = value.as_str() {
        return number::float(text).map_err(|error| error.to_string());
    }
    let double = double(value)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float's own precision is what is wanted"
    )]
    let float = double as f32;
    match float.is_infinite() && double.is_finite() {
        true => Err(number::NumberError::OutOfRange.to_string()),
        false => Ok(float),
    }
}

/// What a value is that it should not be.
fn is(value: &Value) -> String {
    use minijinja::value::ValueKind;
    let what = match value.kind() {
        ValueKind::None | ValueKind::Undefined => "nothing",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        _ => "an object",
    };
    format!("is {what}")
}
