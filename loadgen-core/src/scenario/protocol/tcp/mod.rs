//! TCP in the language of scenarios.

mod exchange;
pub(super) mod plan;
pub(super) mod print;
pub(super) mod raw;
mod validate;
mod value;

pub(crate) use self::value::{MAX_REGEX_BYTES, compiled, from_hex, regex};
