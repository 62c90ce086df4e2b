//! The JSON scenario language: raw types, validation, an immutable plan.
//!
//! A suite is read in three steps. [`Suite::parse`] turns text into raw types with a decoder that
//! notes every problem instead of stopping at the first; validation checks what concerns more than
//! one value and makes a [`ScenarioPlan`] of each scenario; a plan is never changed, only replaced
//! by another ([`ScenarioPlan::with_overrides`]). Owns the language and nothing that runs it; reads
//! no file itself.

mod call;
mod compact;
mod elements;
mod json;
mod load;
mod overrides;
mod plan;
mod print;
mod problem;
mod raw;
mod reader;
mod schema;
mod select;
mod steps;
mod stretch;
mod suite;
mod target;
mod validate;

pub use overrides::{OverrideError, Overrides};
pub use plan::{
    Action, Answer, ConnectionPer, GrpcCall, MessageStream, Payload, Plan, Protocol, ScenarioPlan,
    StepPlan, StreamEnd, Tls, WebsocketExchange, WebsocketMessages,
};
pub use print::to_json;
pub use problem::{Problem, SuiteError};
pub use schema::schema;
pub use select::{SelectError, UnknownName};
pub use suite::{Suite, Unavailable};
pub use target::{Target, TargetError};

/// The suite that comes with the library: `hello_`, `compute_`, `echo_` and `stream_`, each
/// `light`, `medium` and `high`, and `stress_all`. It names no targets.
#[must_use]
pub fn shipped() -> Suite {
    Suite::parse(
        "scenarios/grpc.json",
        include_str!("../../../scenarios/grpc.json"),
        None,
        None,
    )
    .expect("the shipped suite is valid, which a test checks")
}

#[cfg(test)]
mod tests;
