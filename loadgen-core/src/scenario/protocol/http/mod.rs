//! HTTP in the language of scenarios.

pub(super) mod plan;
pub(super) mod print;
pub(super) mod raw;
mod request;
mod validate;
pub(in crate::scenario) mod value;
