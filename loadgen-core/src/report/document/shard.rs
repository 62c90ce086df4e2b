//! What a document says where several processes made the load of a run together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Generator, Host};
use crate::schedule::Slice;

/// Which part of a run the document is of: one of the shards that made its load together. No condition and no
/// expectation is judged in it; that is for the whole, which `loadgen merge` makes of all shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ShardPart {
    /// Its number, from 0.
    pub index: u64,
    /// How many shards there are.
    #[schemars(range(min = 1))]
    pub count: u64,
    /// The seed of every random choice, the same on all shards.
    pub seed: u64,
    /// How much of each scenario's load is this shard's, in the order of the scenarios.
    pub slices: Vec<Slice>,
    /// Everything that the shard measured, and what it is judged by, for `loadgen merge`: a journal of one entry,
    /// deflated, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// Which shards a merged document is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Shards {
    /// How many shards the run had.
    #[schemars(range(min = 1))]
    pub count: u64,
    /// The seed of every random choice.
    pub seed: u64,
    /// The numbers of those that nothing is known of; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
    /// The part of the planned load that is missing with them, and with what those did not come to that were cut off,
    /// 0 to 1: of arrivals and iterations where the plan fixes their number for every scenario, else of users.
    #[schemars(range(min = 0, max = 1))]
    pub missing_share: f64,
    /// Those that are in the figures, by their numbers.
    pub merged: Vec<MergedShard>,
}

/// A shard that is in the figures of a merged document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct MergedShard {
    /// Its number, from 0.
    pub index: u64,
    /// Names its own run among others.
    pub id: String,
    /// When its measured part began, by its own clock: RFC 3339, UTC, to the microsecond.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: String,
    /// Seconds from the beginning of its measured part to its end, drain included.
    pub duration_s: f64,
    /// Whether it was stopped before its part was done.
    pub stopped: bool,
    /// Whether it is of the journal of a shard that was killed, or is still under way; left out of any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    /// The machine that made its load.
    pub host: Host,
    /// How much of each scenario's load was its, in the order of the scenarios.
    pub slices: Vec<Slice>,
    /// How its generator fared: pauses, processor time.
    pub generator: Generator,
}

impl ShardPart {
    /// The part of this shard, of a plan whose scenarios are divided so. Nothing is measured yet.
    #[must_use]
    pub fn new(shard: crate::schedule::Shard, seed: u64, slices: Vec<Slice>) -> Self {
        Self {
            index: shard.index().into(),
            count: shard.count().into(),
            seed,
            slices,
            record: None,
        }
    }

    /// Whether a scenario, by its place, has nothing that is this shard's: no user, or no iteration.
    pub(in crate::report) fn is_idle_in(&self, scenario: usize) -> bool {
        let slice = self.slices.get(scenario);
        slice.is_some_and(|it| it.users == 0 || it.planned == Some(0))
    }
}
