//! Which values of an evaluation are secrets: those that were made of one.
//!
//! Whoever gives an expression a secret says so (`reads`); what the expression comes to is one, then, and is kept
//! until the evaluation is over (`finish`). In a template that is so for each `{{ … }}` by itself. Holds for one
//! evaluation at a time, on its thread.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::secrets::names_a_secret;

thread_local! {
    static READS: Cell<bool> = const { Cell::new(false) };
    static MADE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// More texts of one evaluation are not kept.
const MOST: usize = 64;

/// An evaluation begins.
pub(super) fn begin() {
    READS.set(false);
}

/// The expression under way has read a secret.
pub(super) fn reads() {
    READS.set(true);
}

/// Whether it has.
pub(super) fn is_read() -> bool {
    READS.get()
}

/// A text that is a secret where the expression under way has read one: others can see it by itself.
pub(super) fn made(text: String) -> String {
    if is_read() {
        keep(&text);
    }
    text
}

/// A value is what an expression has come to; the next one begins. Whether it was made of a secret.
pub(super) fn came_to(value: &Value) -> bool {
    let is_secret = READS.replace(false);
    if is_secret && let Some(text) = looked_for(value) {
        keep(&text);
    }
    is_secret
}

/// A value as it would be found in other texts, where it could be.
pub(super) fn looked_for(value: &Value) -> Option<Cow<'_, str>> {
    match value.as_str() {
        Some(text) => Some(text.into()),
        None => value.is_number().then(|| value.to_string().into()),
    }
}

fn keep(text: &str) {
    MADE.with_borrow_mut(|made| {
        if made.len() < MOST && !made.iter().any(|it| it == text) {
            made.push(text.to_owned());
        }
    });
}

/// Tells of the secrets that the evaluation has made.
pub(super) fn finish(mut tell: impl FnMut(&str)) {
    MADE.with_borrow_mut(|made| made.drain(..).for_each(|it| tell(&it)));
}

/// Fields that are secrets, all of them.
pub(crate) fn all_secret(fields: BTreeMap<String, String>) -> Value {
    Value::from_object(SecretFields {
        fields: fields.into_iter().collect(),
        is_secret: |_| true,
    })
}

/// Fields of which some are secrets: what reads one is made of a secret.
pub(crate) struct SecretFields {
    fields: Value,
    is_secret: fn(&str) -> bool,
}

impl SecretFields {
    /// These fields, of which those are secrets that have a secret's name.
    pub(crate) fn by_name(fields: Value) -> Value {
        Value::from_object(Self {
            fields,
            is_secret: names_a_secret,
        })
    }

    /// What this name stands for is read.
    pub(crate) fn read(name: &str) {
        if names_a_secret(name) {
            reads();
        }
    }
}

/// Only names are shown.
impl std::fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.fields.try_iter().into_iter().flatten();
        f.debug_list().entries(names).finish()
    }
}

impl Object for SecretFields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if (self.is_secret)(name) {
            reads();
        }
        let value = self.fields.get_item(key).ok()?;
        (!value.is_undefined()).then_some(value)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.fields.try_iter() {
            Ok(names) => Enumerator::Values(names.collect()),
            Err(_) => Enumerator::Empty,
        }
    }
}
