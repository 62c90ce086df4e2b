//! gRPC in the language of scenarios.

pub(in crate::scenario) mod circuit_breaker;
pub(in crate::scenario) mod compact;
pub(in crate::scenario) mod health_check;
pub(in crate::scenario) mod pick;
pub(super) mod plan;
pub(super) mod print;
pub(super) mod raw;
pub(in crate::scenario) mod retry;
mod validate;
pub(in crate::scenario) mod value;
