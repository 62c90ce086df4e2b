//! A field whose value is rendered as JSON each time, and then encoded as a constant one is.
//!
//! Owns what has no shorter way: whole lists, maps and messages that an expression comes to, and messages
//! with a JSON form of their own.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value as Json;

use super::super::encoded::encoded;
use super::super::message::{self, Slot, Walk, takes_null};
use super::{Hole, at};
use crate::driver::mistake::Mistake;
use crate::expression::{ExpressionError, JsonText, Names, Scope};
use crate::text::short;

/// A field, or the whole message where there is no field.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The message that it is, or is in.
    pub(super) descriptor: MessageDescriptor,
    pub(super) slot: Option<Slot>,
    pub(super) json: JsonText,
    pub(super) path: Arc<str>,
}

impl Rendered {
    fn encode(&self, value: &Json) -> Result<Vec<u8>, Vec<Mistake>> {
        let Some(slot) = &self.slot else {
            return message::encode(&self.descriptor, value, &self.path);
        };
        if value.is_null() && self.is_absent_as_null(slot) {
            return Ok(Vec::new());
        }
        let mut walk = Walk::default();
        let mut message = DynamicMessage::new(self.descriptor.clone());
        walk.set(&mut message, slot, value, &self.path);
        walk.end(Some(message), &self.path)
            .map(|message| encoded(&message))
    }

    fn is_absent_as_null(&self, slot: &Slot) -> bool {
        match slot {
            Slot::Field(field) => {
                !takes_null(&field.kind())
                    && !field.is_required()
                    && !self.descriptor.is_map_entry()
            }
            Slot::Extension(..) => true,
            Slot::Element(_) => false,
        }
    }
}

impl Hole for Rendered {
    fn path(&self) -> &str {
        &self.path
    }

    fn names(&self) -> Names {
        let mut all = Names::default();
        self.json.each(|_, names| all.extend(names));
        all
    }

    fn each(&self, tell: &mut dyn FnMut(&str, &Names)) {
        self.json.each(tell);
    }

    fn write(&self, scope: &Scope, into: &mut Vec<u8>) -> Result<(), ExpressionError> {
        // No number of a message's own is filled in.
        let text = self.json.render(scope, 0).map_err(at(&self.path))?;
        let value = serde_json::from_str(&text)
            .map_err(|error| ExpressionError::new(format!("{}: {error}", self.path)))?;
        let encoded = self.encode(&value).map_err(|mistakes| {
            let told: Vec<_> = mistakes.iter().take(3).map(ToString::to_string).collect();
            let (told, text) = (told.join("; "), short(&text));
            ExpressionError::new(format!("{told} (it came to `{text}`)"))
        })?;
        into.extend_from_slice(&encoded);
        Ok(())
    }
}
