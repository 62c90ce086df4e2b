//! The addresses that requests went to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one address of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Address {
    /// The address: what the target's list has, else the one that connections went to.
    pub address: String,
    /// The target that it is one of, as it is written.
    pub target: String,
    /// Iterations whose last request went to it, as a part of those of which it is known where that went:
    /// from 0 to 1.
    pub share: f64,
    /// Connections to it that opened.
    pub connections: u64,
    /// Iterations whose last request went to it and that completed.
    pub completed: u64,
    /// Iterations whose last request went to it and that failed. One that came to have no connection went
    /// nowhere.
    pub failed: u64,
    /// Iterations whose last request went to it and that were cut off although an answer was owed to them.
    pub unanswered: u64,
    /// When the target's list first had it, in seconds since measuring began; left out where there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_s: Option<f64>,
    /// When the list had it no longer; left out where it still does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_s: Option<f64>,
}
