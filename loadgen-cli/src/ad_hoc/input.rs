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
    let Some(file) = given.strip_prefix('@') else {
        return Ok(given.to_owned());
    };
    let read = match file {
        "-" => input::read_all(io::stdin().lock()),
        path => input::read(Path::new(path)),
    };
    let text = read.and_then(|bytes| {
        let bytes = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .map(<[u8]>::to_vec)
            .unwrap_or(bytes);
        String::from_utf8(bytes).map_err(|_| input::invalid("it is not a text in UTF-8"))
    });
    text.map_err(|source| AdHocError::Read {
        flag,
        given: given.to_owned(),
        source,
    })
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
