//! Which values of an evaluation are secrets: those that are read, and what is made of them.
//!
//! Whoever gives an expression a secret says so (`reads`). Then what is read is kept, and so is what the
//! expression comes to; an expression is a secret as a whole, or not at all. What an evaluation has kept is told
//! when it is over (`finish`). In a template each `{{ … }}` is an expression by itself, and what its statements
//! carry from one to the other goes along with the value (`flow`): a name that was set to a secret gives one, and
//! so do the items of a list that is one.
//!
//! A condition chooses between texts that stand in the file, and is none: what `{% if row.password %}` lets pass
//! is as secret as it is by itself. So are `true`, `false` and `null`, whatever they were made of.
//!
//! Values are minijinja's own, without a mark of their own: filters and comparisons would not know them. So the
//! mark is a flag, for one evaluation at a time on its thread, and an object only while a value lies in a name.

mod fields;
mod flow;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::secrets::SHORTEST_WORD;

pub(crate) use self::fields::{SecretFields, all_secret};
pub(super) use self::flow::{Flow, add_to, emits, is_followed, opened};

thread_local! {
    static READS: Cell<bool> = const { Cell::new(false) };
    static MADE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// More texts of one evaluation are not kept.
const MOST: usize = 4_096;
/// So many of the latest are not kept twice.
const COMPARED: usize = 32;
/// How deep a value is looked into.
const DEEPEST: usize = 32;

/// An evaluation begins.
pub(super) fn begin() {
    READS.set(false);
    flow::begin();
}

/// The expression under way has read this secret.
pub(super) fn reads(value: &Value) {
    READS.set(true);
    if let Some(text) = looked_for(value) {
        keep(&text);
    }
}

/// Whether it has read one.
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

/// A value is what an expression has come to; the next one begins. Whether it was made of a secret, and is more
/// than a word.
pub(super) fn came_to(value: &Value) -> bool {
    let is_secret = READS.replace(false);
    match (value.kind(), looked_for(value)) {
        (_, Some(text)) if is_secret => keep(&text),
        (_, Some(_)) => {}
        (ValueKind::Bool | ValueKind::None | ValueKind::Undefined, None) => return false,
        // Fields that are secrets by themselves are read when they are sent, and that is later.
        (_, None) => {
            read_all(value, is_secret);
            READS.set(false);
        }
    }
    is_secret
}

/// Reads all that is in a list or an object.
fn read_all(value: &Value, is_secret: bool) {
    each_in(value, &mut |text| {
        if is_secret {
            keep(text);
        }
    });
}

/// Tells of all texts and numbers in a value.
pub(super) fn each_in(value: &Value, tell: &mut dyn FnMut(&str)) {
    each_below(value, tell, 0);
}

fn each_below(value: &Value, tell: &mut dyn FnMut(&str), depth: usize) {
    let is_map = match value.kind() {
        _ if depth > DEEPEST => return,
        ValueKind::Map => true,
        ValueKind::Seq => false,
        _ => {
            if let Some(text) = looked_for(value) {
                tell(&text);
            }
            return;
        }
    };
    for item in value.try_iter().into_iter().flatten() {
        let item = match is_map {
            true => value.get_item(&item).unwrap_or_default(),
            false => item,
        };
        each_below(&item, tell, depth + 1);
    }
}

/// A value as it would be found in other texts, where it could be.
pub(super) fn looked_for(value: &Value) -> Option<Cow<'_, str>> {
    match value.as_str() {
        Some(text) => Some(text.into()),
        None => value.is_number().then(|| value.to_string().into()),
    }
}

fn keep(text: &str) {
    if text.len() < SHORTEST_WORD {
        return;
    }
    MADE.with_borrow_mut(|made| {
        if made.len() < MOST && !made.iter().rev().take(COMPARED).any(|it| it == text) {
            made.push(text.to_owned());
        }
    });
}

/// Tells of the secrets that the evaluation has read and made.
pub(super) fn finish(mut tell: impl FnMut(&str)) {
    MADE.with_borrow_mut(|made| made.drain(..).for_each(|it| tell(&it)));
}

#[cfg(test)]
mod tests;
