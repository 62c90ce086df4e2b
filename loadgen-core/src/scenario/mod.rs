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
mod exchange;
mod json;
mod load;
mod overrides;
mod plan;
mod print;
mod problem;
mod protocol;
mod raw;
mod raw_websocket;
mod reader;
mod replies;
mod schema;
mod select;
mod steps;
mod stretch;
mod suite;
mod target;
mod validate;
mod websocket;

pub(crate) use json::join;
pub use overrides::{OverrideError, Overrides};
pub use plan::{
    Action, Answer, ConnectionPer, GrpcCall, MessageStream, Payload, Plan, Protocol, ReplyMark,
    ScenarioPlan, StepPlan, StreamEnd, Tls, WebsocketExchange, WebsocketMessages,
};
pub use print::to_json;
pub use problem::{Problem, SuiteError};
pub use schema::schema;
pub use select::{SelectError, UnknownName};
pub use suite::Suite;
pub use target::{Target, TargetError};

/// The suite that comes with the library, one file for each protocol. It names no targets.
#[must_use]
pub fn shipped() -> Suite {
    let read = |name, text| {
        Suite::parse(name, text, None, None)
            .expect("the shipped suites are valid, which a test checks")
    };
    read(
        "scenarios/grpc.json",
        include_str!("../../../scenarios/grpc.json"),
    )
    .or(read(
        "scenarios/websocket.json",
        include_str!("../../../scenarios/websocket.json"),
    ))
}

#[cfg(test)]
mod tests;
