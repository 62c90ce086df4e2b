//! How much one evaluation may make.
//!
//! Owns the count of what was made since the evaluation under way began, on its thread. Whoever makes a text or
//! a list asks before it does.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::io;

use minijinja::{Error, ErrorKind, Value};

/// The most bytes of texts and lists that one evaluation may make, all together: as much as the longest
/// message that is taken unless told.
pub(super) const MOST_BYTES: usize = 64 << 20;
/// What a place in a list takes.
const OF_AN_ITEM: usize = size_of::<Value>();

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(MOST_BYTES) };
}

/// Why an evaluation ended that made too much.
pub(super) fn problem() -> String {
    format!(
        "it makes more than {} MiB of texts and lists",
        MOST_BYTES >> 20
    )
}

/// An evaluation begins.
pub(super) fn begin() {
    LEFT.set(MOST_BYTES);
}

/// Whether the evaluation under way has made too much.
pub(super) fn is_exceeded() -> bool {
    LEFT.get() == 0
}

fn too_much() -> Error {
    Error::new(ErrorKind::InvalidOperation, problem())
}

/// Takes note of so many bytes.
///
/// # Errors
/// There may not be so many more.
pub(super) fn spend(bytes: usize) -> Result<(), Error> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) if left > 0 => {
            LEFT.set(left);
            Ok(())
        }
        _ => {
            LEFT.set(0);
            Err(too_much())
        }
    }
}

/// Takes note of a list of so many items.
///
/// # Errors
/// As [`spend`].
pub(super) fn spend_items(count: usize) -> Result<(), Error> {
    spend(count.saturating_mul(OF_AN_ITEM))
}

/// Takes note of the items that a value has, if it has any.
///
/// # Errors
/// As [`spend`].
pub(super) fn spend_items_of(value: &Value) -> Result<(), Error> {
    match (value.as_str(), value.len()) {
        (None, Some(count)) => spend_items(count),
        _ => Ok(()),
    }
}

/// The text of a value.
///
/// # Errors
/// As [`spend`].
pub(super) fn text_of(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_to(&mut text, value)?;
    Ok(text)
}

/// Writes a value as a text.
///
/// # Errors
/// As [`spend`].
pub(super) fn write_to(into: &mut impl Write, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => {
            spend(text.len())?;
            into.write_str(text).map_err(Error::from)
        }
        None => write!(Counted(into), "{value}").map_err(|_| too_much()),
    }
}

/// Takes note of how long the text of a value is, which somebody else makes.
///
/// # Errors
/// As [`spend`].
pub(super) fn spend_text_of(value: &Value) -> Result<(), Error> {
    write_to(&mut Nowhere, value)
}

/// Lets as much pass as may be made.
struct Counted<'a, W>(&'a mut W);

impl<W: Write> Write for Counted<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        spend(text.len()).map_err(|_| fmt::Error)?;
        self.0.write_str(text)
    }
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// Takes as many bytes as may be made.
#[derive(Default)]
pub(super) struct Bytes(Vec<u8>);

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        spend(bytes.len()).map_err(io::Error::other)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as JSON.
///
/// # Errors
/// It has no form in JSON, or is too long.
pub(super) fn json_of(value: &Value) -> Result<String, serde_json::Error> {
    let mut bytes = Bytes::default();
    serde_json::to_writer(&mut bytes, value)?;
    String::from_utf8(bytes.0).map_err(serde::ser::Error::custom)
}
