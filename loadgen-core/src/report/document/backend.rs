//! Who answered: the servers behind the targets, by their own word.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::statistics::Statistics;

/// One server's share of a scenario's requests.
///
/// A request is of the server that put its name to the answer. Without an answer, or a name, it is of the
/// only one that has put its name to answers on the same connection; where there is none, or several, it is
/// of `(unknown)`. Completed, failed and interrupted requests add up over all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Backend {
    /// What it calls itself. `(unknown)` is the last, and there without a request, too; `(others)` stands for
    /// those beyond the 255 that are told apart.
    pub id: String,
    /// Its requests that ended: completed and failed.
    pub requests: u64,
    /// Its part of all requests that ended, 0 to 1, to six decimals.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// Its requests that ended ok.
    #[serde(default)]
    pub completed: u64,
    /// Its requests that failed.
    pub failed: u64,
    /// Its requests that were cut off by the end of the run.
    #[serde(default)]
    pub interrupted: u64,
    /// Connections on which it put its name to answers. One that has led to several is counted for each.
    #[serde(default)]
    pub connections: u64,
    /// Its streams, counted from when they open; where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Streams>,
    /// Messages of streams and exchanges that came from it.
    #[serde(default)]
    pub messages: u64,
    /// When the first of its requests ended, in seconds since the scenario began to be measured; where any did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_s: Option<f64>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_s: Option<f64>,
    /// Response times of its requests; where it has any. `(unknown)` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_us: Option<Statistics>,
    /// In `total` only: its requests that ended, by scenario.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scenarios: BTreeMap<String, u64>,
}

/// Streams of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Streams {
    /// Those that opened: it has answered with a head.
    pub opened: u64,
    /// Of these, those that were open at the end.
    pub open: u64,
    /// Of these, those that ended in any other way than they should.
    pub broken: u64,
}

/// What ended of one server in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct BackendCount {
    /// Requests that ended ok.
    pub completed: u64,
    /// Requests that failed.
    pub failed: u64,
}
