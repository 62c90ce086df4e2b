//! What came of calls that were made again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of calls that were made again because they failed. How iterations ended, and which server they
/// were with, is told by a call's last attempt; of those before it this tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Retries {
    /// Attempts after each call's first.
    pub attempts: u64,
    /// Calls that ended ok after more than one attempt.
    pub ok: u64,
    /// Calls that failed after more than one attempt, those included whose time was up.
    pub failed: u64,
    /// Calls that failed and were not made again because too many did (`throttling`).
    pub throttled: u64,
    /// How the attempts ended that were followed by another, by key; adds up to `attempts`.
    pub outcomes: BTreeMap<String, u64>,
    /// Which servers those were with, `(unknown)` where that is not known; adds up to `attempts`.
    pub backends: BTreeMap<String, u64>,
}
