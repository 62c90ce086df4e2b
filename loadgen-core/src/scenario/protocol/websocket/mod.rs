//! WebSocket in the language of scenarios.

pub(in crate::scenario) mod compact;
mod connections;
mod exchange;
pub(super) mod plan;
pub(super) mod print;
pub(super) mod raw;
mod validate;
pub(in crate::scenario) mod value;
