//! How those stood that calls went to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workload::Standing;

/// One that calls go to stood in another way than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Stands {
    /// When, in seconds since the scenario was first measured; 0 for what was before.
    pub t_s: f64,
    /// Who: a target, or an address of one.
    pub peer: String,
    /// By what.
    pub by: StandsBy,
    /// How it stood before.
    pub from: Standing,
    /// How it stood from then on.
    pub to: Standing,
    /// Why.
    pub reason: String,
}

/// By what it is told how one stands that calls go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum StandsBy {
    /// It was asked for its health.
    HealthCheck,
    /// It failed call after call.
    CircuitBreaker,
}
