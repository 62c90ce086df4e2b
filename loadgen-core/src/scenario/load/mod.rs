//! How iterations come about, in the language of scenarios.

pub(in crate::scenario) mod overrides;
pub(in crate::scenario) mod print;
mod raw;
pub(in crate::scenario) mod stretch;
pub(in crate::scenario) mod validate;

pub(in crate::scenario) use raw::{RawClosed, RawLoad};
