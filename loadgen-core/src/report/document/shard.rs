//! What a document says where several processes made the load of a run together.

use std::time::{Duration, SystemTime};

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
    /// Names the run that all shards are of, where a coordinator, a flag or whatever started them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// How the clock of this machine was to the coordinator's, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockOffset>,
    /// How much of each scenario's load is this shard's, in the order of the scenarios.
    pub slices: Vec<Slice>,
    /// What was in the files of test data, by which shards of one run are told from others; left out where there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataDigest>,
    /// Everything that the shard measured, and what it is judged by, for `loadgen merge`: a journal of one entry,
    /// deflated, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// What was in a file of test data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct DataDigest {
    /// The scenario that it is of.
    pub scenario: String,
    /// What the scenario calls it.
    pub source: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl DataDigest {
    /// Of a scenario's source of data.
    #[must_use]
    pub fn new(
        scenario: impl Into<String>,
        source: impl Into<String>,
        sha256: impl Into<String>,
    ) -> Self {
        Self {
            scenario: scenario.into(),
            source: source.into(),
            sha256: sha256.into(),
        }
    }
}

/// How two clocks were to each other, as an exchange of messages told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ClockOffset {
    /// How far the coordinator's clock was ahead of the shard's, in microseconds; below zero where it was behind.
    pub offset_us: f64,
    /// By how much that may be wrong either way, in microseconds: half of what the quickest exchange took on its way.
    #[schemars(range(min = 0))]
    pub within_us: f64,
}

impl ClockOffset {
    /// So far ahead, give or take; both in microseconds.
    #[must_use]
    pub fn new(offset_us: f64, within_us: f64) -> Self {
        Self {
            offset_us,
            within_us,
        }
    }

    /// What the coordinator's clock showed when the shard's showed this.
    pub(crate) fn corrected(self, at: SystemTime) -> SystemTime {
        let by = Duration::try_from_secs_f64(self.offset_us.abs() / 1e6).unwrap_or_default();
        let corrected = match self.offset_us < 0.0 {
            true => at.checked_sub(by),
            false => at.checked_add(by),
        };
        corrected.unwrap_or(at)
    }
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
    /// Names the run, where something did for all shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
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
    /// How that clock was to the coordinator's, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockOffset>,
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

impl MergedShard {
    /// Whether nothing of any scenario's load was its.
    pub(crate) fn has_no_part(&self) -> bool {
        // Where the plan fixes the number of arrivals, fewer of them than shards leave some without any.
        let is_empty = |it: &Slice| it.users == 0 || it.planned == Some(0);
        !self.slices.is_empty() && self.slices.iter().all(is_empty)
    }
}

/// Whether all of a run was stopped: every shard of these but for those that were over by then, by themselves
/// or not, or had no part.
pub(crate) fn were_stopped<'a>(merged: impl Iterator<Item = &'a MergedShard>) -> bool {
    let merged: Vec<&MergedShard> = merged.collect();
    let stopped = merged.iter().filter(|it| it.stopped);
    let Some(last) = stopped.map(|it| it.duration_s).max_by(f64::total_cmp) else {
        return false;
    };
    let was_over = |it: &MergedShard| it.has_no_part() || it.duration_s < last;
    merged.iter().all(|it| it.stopped || was_over(it))
}

impl ShardPart {
    /// The part of this shard, of a plan whose scenarios are divided so. Nothing is measured yet.
    #[must_use]
    pub fn new(shard: crate::schedule::Shard, seed: u64, slices: Vec<Slice>) -> Self {
        Self {
            index: shard.index().into(),
            count: shard.count().into(),
            seed,
            run_id: None,
            clock: None,
            slices,
            data: Vec::new(),
            record: None,
        }
    }

    /// Whether a scenario, by its place, has nothing that is this shard's: no user, or no iteration.
    pub(in crate::report) fn is_idle_in(&self, scenario: usize) -> bool {
        let slice = self.slices.get(scenario);
        slice.is_some_and(|it| it.users == 0 || it.planned == Some(0))
    }
}
