//! A message with expressions in its texts, encoded again and again around what is constant in it.
//!
//! Owns the parts of such a message and how they go together on the wire. What is constant is encoded once;
//! what is told of before the run is told by the same walk as for a constant message (`message`).

mod building;
mod leaf;
mod rendered;

use std::fmt;

use bytes::Bytes;
use prost::encoding::{encode_varint, encoded_len_varint};
use prost_reflect::MessageDescriptor;
use serde_json::Value as Json;

use super::message::{self, Form, Walk};
use crate::driver::mistake::Mistake;
use crate::expression::{ExpressionError, Names, Scope, Text};

/// A message, ready to be sent.
#[derive(Debug)]
pub(super) enum MessageTemplate {
    /// It is always the same.
    Constant(Bytes),
    /// Some of it is evaluated each time.
    Parts(Vec<Part>),
}

/// A part of what goes on the wire.
#[derive(Debug)]
pub(super) enum Part {
    /// It is always the same.
    Constant(Bytes),
    /// It is evaluated each time.
    Hole(Box<dyn Hole>),
    /// A message, a map's entry or a packed list, with its length in front.
    Delimited { key: Box<[u8]>, inner: Vec<Part> },
}

/// What is evaluated each time, by itself.
pub(super) trait Hole: fmt::Debug + Send + Sync {
    /// Its place in the scenario.
    fn path(&self) -> &str;

    /// The names that it uses.
    fn names(&self) -> Names;

    /// Tells of each text in it its place, and the names that it uses.
    fn each(&self, tell: &mut dyn FnMut(&str, &Names)) {
        tell(self.path(), &self.names());
    }

    /// Puts what it comes to at the end of `into`.
    ///
    /// # Errors
    /// Its place, what it came to and what was expected; or why it came to nothing.
    fn write(&self, scope: &Scope, into: &mut Vec<u8>) -> Result<(), ExpressionError>;
}

/// Makes a message ready. `path` is its place in the scenario.
///
/// # Errors
/// Everything that is wrong with what is constant in it, and all expressions that are wrong.
pub(super) fn prepare(
    descriptor: &MessageDescriptor,
    value: &Json,
    path: &str,
) -> Result<MessageTemplate, Vec<Mistake>> {
    if !is_in(value) {
        let encoded = message::encode(descriptor, value, path)?;
        return Ok(MessageTemplate::Constant(encoded.into()));
    }
    let mut walk = Walk::with_templates();
    let parts = match (Form::of(descriptor), value) {
        (Form::Fields, value) if !value.is_string() => {
            Some(walk.content(descriptor, value, &[], path))
        }
        _ => walk
            .whole(descriptor, value, path)
            .map(|whole| vec![Part::Hole(Box::new(whole))]),
    };
    walk.end(parts, path).map(MessageTemplate::Parts)
}

/// Whether any text in it is a template.
pub(super) fn is_in(value: &Json) -> bool {
    match value {
        Json::String(text) => Text::is_template(text),
        Json::Array(items) => items.iter().any(is_in),
        Json::Object(fields) => fields
            .iter()
            .any(|(name, value)| Text::is_template(name) || is_in(value)),
        _ => false,
    }
}

impl MessageTemplate {
    /// The message, where it is always the same.
    pub(super) fn constant(&self) -> Option<&Bytes> {
        match self {
            Self::Constant(encoded) => Some(encoded),
            Self::Parts(_) => None,
        }
    }

    /// Puts the message at the end of `into`.
    ///
    /// # Errors
    /// The place of what cannot be sent, what it came to and what was expected.
    pub(super) fn encode_into(
        &self,
        scope: &Scope,
        into: &mut Vec<u8>,
    ) -> Result<(), ExpressionError> {
        match self {
            Self::Constant(encoded) => {
                into.extend_from_slice(encoded);
                Ok(())
            }
            Self::Parts(parts) => write(parts, scope, into),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// As [`encode_into`](Self::encode_into).
    pub(super) fn encode(&self, scope: &Scope) -> Result<Bytes, ExpressionError> {
        if let Self::Constant(encoded) = self {
            return Ok(encoded.clone());
        }
        let mut encoded = Vec::with_capacity(self.usual_len());
        self.encode_into(scope, &mut encoded)?;
        Ok(encoded.into())
    }

    /// About how long it is. Only room is made by it.
    pub(super) fn usual_len(&self) -> usize {
        match self {
            Self::Constant(encoded) => encoded.len(),
            Self::Parts(parts) => usual_len(parts),
        }
    }

    /// What is evaluated in it.
    pub(super) fn holes(&self) -> Vec<&dyn Hole> {
        let mut holes = Vec::new();
        if let Self::Parts(parts) = self {
            holes_of(parts, &mut holes);
        }
        holes
    }
}

fn write(parts: &[Part], scope: &Scope, into: &mut Vec<u8>) -> Result<(), ExpressionError> {
    for part in parts {
        match part {
            Part::Constant(encoded) => into.extend_from_slice(encoded),
            Part::Hole(hole) => hole.write(scope, into)?,
            Part::Delimited { key, inner } => {
                into.extend_from_slice(key);
                let at = into.len();
                write(inner, scope, into)?;
                put_length(into, at);
            }
        }
    }
    Ok(())
}

/// Puts the length of what stands from `at` to the end in front of it.
fn put_length(into: &mut Vec<u8>, at: usize) {
    let len = (into.len() - at) as u64;
    let end = into.len();
    encode_varint(len, into);
    into[at..].rotate_right(encoded_len_varint(len));
    debug_assert!(into.len() > end);
}

fn usual_len(parts: &[Part]) -> usize {
    /// A value and its key: most are names and numbers.
    const HOLE_LEN: usize = 32;
    let len = |part: &Part| match part {
        Part::Constant(encoded) => encoded.len(),
        Part::Hole(_) => HOLE_LEN,
        Part::Delimited { key, inner } => key.len() + 1 + usual_len(inner),
    };
    parts.iter().map(len).sum()
}

fn holes_of<'a>(parts: &'a [Part], holes: &mut Vec<&'a dyn Hole>) {
    for part in parts {
        match part {
            Part::Constant(_) => {}
            Part::Hole(hole) => holes.push(hole.as_ref()),
            Part::Delimited { inner, .. } => holes_of(inner, holes),
        }
    }
}

/// An error with the place of the text that it is of.
fn at(path: &str) -> impl Fn(ExpressionError) -> ExpressionError {
    move |error| ExpressionError::new(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests;
