//! The JSON scenario language: raw types, validation, an immutable plan.

mod plan;

pub use plan::{Action, GrpcCall, Plan, Protocol, ScenarioPlan, StepPlan, Target, Tls};
