//! Values of flags that may be in a file: `@FILE`, or `@-` for standard input.

use std::io;
use std::path::Path;

use loadgen_core::input;
use serde_json::{Deserializer, Value};

use super::error::AdHocError;

/// The text that a flag has, or names.
///
/// # Errors
/// When the file cannot be read or is no text.
pub(super) fn text(flag: &'static str, given: &str) -> Result<String, AdHocError> {
    if !given.starts_with('@') {
        return Ok(given.to_owned());
    }
    let bytes = read(flag, given)?;
    let bytes = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .map(<[u8]>::to_vec)
        .unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|_| AdHocError::Read {
        flag,
        given: given.to_owned(),
        source: input::invalid("it is not a text in UTF-8"),
    })
}

/// What is in the file that stands behind the `@`.
fn read(flag: &'static str, given: &str) -> Result<Vec<u8>, AdHocError> {
    let read = match given.trim_start_matches('@') {
        "-" => input::read_all(io::stdin().lock()),
        path => input::read(Path::new(path)),
    };
    read.map_err(|source| AdHocError::Read {
        flag,
        given: given.to_owned(),
        source,
    })
}

/// The bytes that a flag has, with what begins with `\` read as in C, or those of the file that it names.
///
/// # Errors
/// When the file cannot be read, or an escape is none.
pub(super) fn bytes(flag: &'static str, given: &str) -> Result<Vec<u8>, AdHocError> {
    match given.starts_with('@') {
        true => read(flag, given),
        false => unescaped(flag, given),
    }
}

/// The bytes that a flag has, with `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH` read as in C.
///
/// # Errors
/// When there is another escape.
pub(super) fn unescaped(flag: &'static str, given: &str) -> Result<Vec<u8>, AdHocError> {
    let wrong = || AdHocError::Escape {
        flag,
        given: given.to_owned(),
    };
    let mut bytes = Vec::with_capacity(given.len());
    let mut rest = given;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (byte, length) = match rest.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'0', ..] => (0, 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', digits @ ..] => {
                let digits = digits
                    .get(..2)
                    .filter(|it| it.iter().all(u8::is_ascii_hexdigit));
                let digits = digits.and_then(|it| std::str::from_utf8(it).ok());
                let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
                (byte.ok_or_else(wrong)?, 3)
            }
            _ => return Err(wrong()),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The one JSON value that a flag has, or names.
///
/// # Errors
/// When it cannot be read, is not JSON, or is not alone.
pub(super) fn one_json(flag: &'static str, given: &str) -> Result<Value, AdHocError> {
    let mut values = json(flag, given)?;
    match values.len() {
        1 => Ok(values.swap_remove(0)),
        count => Err(AdHocError::Several { flag, count }),
    }
}

/// The JSON values that a flag has, or names, one after the other.
///
/// # Errors
/// When they cannot be read, or are not JSON. There is at least one.
pub(super) fn json(flag: &'static str, given: &str) -> Result<Vec<Value>, AdHocError> {
    let text = text(flag, given)?;
    let wrong = |line, column, problem: String| AdHocError::Json {
        flag: match given.starts_with('@') {
            true => format!("{flag} {given}"),
            false => flag.to_owned(),
        },
        line,
        column,
        problem,
    };
    let values = Deserializer::from_str(&text).into_iter::<Value>();
    let values: Vec<Value> = values.collect::<Result<_, _>>().map_err(|error| {
        let said = error.to_string();
        let problem = said.split(" at line ").next().unwrap_or(&said).to_owned();
        wrong(error.line(), error.column(), problem)
    })?;
    if values.is_empty() {
        return Err(wrong(1, 1, "there is nothing".to_owned()));
    }
    Ok(values)
}
