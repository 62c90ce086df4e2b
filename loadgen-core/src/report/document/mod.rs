//! The document: its types, and how histograms become the figures in it.
//!
//! Here is the document as a whole, the run, the verdict and the sums; a scenario's part is in
//! `scenario`. Knows no rule of the verdict.

mod address;
mod backend;
mod balance;
mod capacity;
mod confidence;
mod delivery;
mod environment;
mod event;
mod point;
mod quantile;
mod retries;
mod rounding;
mod scenario;
mod schema;
mod shard;
mod standing;
mod statistics;
mod stickiness;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::Address;
pub use backend::{Backend, BackendCount, Streams};
pub use balance::{Answer, Ejection, Expectation, Failover, Farewell, Ramp, Survivors, Switched};
pub use capacity::{
    Breach, BreachCause, Capacity, CapacityEnd, CapacityGoal, Scalability, Trial, TrialCount,
    TrialPurpose, TrialResult,
};
pub use confidence::{Confidence, Method};
pub use delivery::{Delivery, SinkKind};
pub(super) use environment::timestamp;
pub use environment::{Host, new_run_id};
pub use event::{Event, Moment};
pub use point::PointStatistics;
pub(super) use quantile::{Quantile, SAMPLES_BEYOND, percentile};
pub use retries::Retries;
pub(super) use rounding::{micros, round3, round6};
pub use scenario::{
    Change, Check, Connections, Custom, EndedRun, FailureClass, LoadModel, Messages, Point,
    Scenario, Silence, Step, StepPoint, Target, ThresholdResult, ThresholdWindow,
};
pub(super) use schema::of as schema_of;
pub use schema::schema;
pub(crate) use shard::were_stopped;
pub use shard::{ClockOffset, DataDigest, MergedShard, ShardPart, Shards};
pub use standing::{Stands, StandsBy};
pub use statistics::Statistics;
pub use stickiness::{Cause, History, Move, Stay, Stickiness, StickyBy};

use crate::pacer::Pacing;
use crate::record::{ByteCount, Ledger};
use crate::units::human;

/// What one run found.
///
/// Times are in microseconds unless the name says otherwise. A figure that could not be had, or
/// that too few samples support, is left out; apart from the plan, which is given back as it was
/// taken, nothing is ever null. Readers must expect further fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "loadgen result")]
#[non_exhaustive]
pub struct Document {
    /// What this document is, and which version of it.
    pub schema: SchemaVersion,
    /// What was run, when, where and by what.
    pub run: Run,
    /// What to make of it.
    pub verdict: Verdict,
    /// Each scenario, in the order they were given.
    pub scenarios: Vec<Scenario>,
    /// Sums over the scenarios.
    pub total: Total,
    /// The highest rate that the service holds, where it was looked for; left out of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
}

impl Document {
    /// Whether every condition on the service holds, whatever the generator did: each scenario
    /// measured something, every threshold passed, every expectation holds. This is what decides where an invalid run is
    /// not to be refused.
    #[must_use]
    pub fn conditions_hold(&self) -> bool {
        let mut on_tags = self.total.thresholds.iter();
        self.scenarios.iter().all(|scenario| {
            scenario.ledger.error_rate(scenario.unanswered).is_some()
                && scenario.thresholds.iter().all(|threshold| threshold.pass)
                && scenario
                    .expectations
                    .iter()
                    .all(|it| it.verdict == Answer::Holds)
        }) && on_tags.all(|threshold| threshold.pass)
    }

    /// Whether a condition ended the run before its plan did.
    #[must_use]
    pub fn ended_by_condition(&self) -> bool {
        let of_scenarios = self.scenarios.iter().flat_map(|it| &it.thresholds);
        let mut all = of_scenarios.chain(&self.total.thresholds);
        all.any(|it| it.ended_run.is_some())
    }

    /// Whether somebody stopped the run: a condition that ended it is judged like any other.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.run.stopped && !self.ended_by_condition()
    }
}

/// The versions of the document that this library reads.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
#[non_exhaustive]
pub enum SchemaVersion {
    /// The first version. Fields may be added to it; none changes its meaning.
    #[default]
    #[serde(rename = "loadgen.result/1")]
    V1,
}

impl SchemaVersion {
    /// What it is called in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "loadgen.result/1",
        }
    }
}

/// What was run, when, where and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Run {
    /// Names the run among others.
    pub id: String,
    /// When the measured part began: RFC 3339, UTC, to the microsecond.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: String,
    /// Seconds from the beginning of the measured part to its end, drain included.
    pub duration_s: f64,
    /// Version of loadgen.
    pub version: String,
    /// The machine that made the load.
    pub host: Host,
    /// The plan as it was run: defaults, profiles and overrides applied. Secrets are `***`.
    pub plan: serde_json::Value,
    /// How the generator itself fared.
    pub generator: Generator,
    /// Whether the run was stopped before its plan was done.
    pub stopped: bool,
    /// Whether this was made from the journal of a run that was killed, or is still under way: it is of what
    /// was recorded up to the journal's last entry, and so is `duration_s`. Left out of any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    /// Which part of a run this is of, where several processes make the load of one together; left out of a whole
    /// run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardPart>,
    /// Which shards this is of, where it was merged of several; left out of any other. `host` then has what all their
    /// machines have in common, and `started_at` is of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// Where figures went while the run was under way, and what is known of how they got there; left out
    /// where none went anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<Delivery>,
}

/// How the generator itself fared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Generator {
    /// Worker threads.
    pub workers: u64,
    /// How busy the busiest worker was: processor time over measured time, 0 to 1; busy polling
    /// left out.
    #[schemars(range(min = 0, max = 1))]
    pub cpu_busy: f64,
    /// Whether a worker had no time to spare: busy, or waiting for a processor, for 95 % of the
    /// measured time or more. Never after less than 100 ms, which is too short to tell.
    pub saturated: bool,
    /// How open models waited for what was due: `exact`, asleep; `busy=TIME`, with the last stretch of
    /// each wait spent awake, such as `busy=50us`; `grid=TIME`, asleep until the next of ticks so far
    /// apart; or `auto`, where each worker chose between a grid and `exact`: what it chose is its `grid`.
    pub pacing: String,
    /// The part of the measured time for which a control group that loadgen was in was stopped,
    /// because its quota of processor time was used up, 0 to 1; added up over processors, and 1
    /// where that is more than all of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub throttled_share: Option<f64>,
    /// Each worker.
    pub per_worker: Vec<Worker>,
}

/// How one worker thread fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Worker {
    /// The shard that it is of, in a document that was merged of several; its number there is its place among the
    /// workers of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Processor time it used over the measured time, 0 to 1; busy polling left out.
    #[schemars(range(min = 0, max = 1))]
    pub cpu_busy: f64,
    /// Processor time that busy polling took while there was nothing to do, over the measured time,
    /// 0 to 1; where there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub cpu_waiting: Option<f64>,
    /// Time it was ready to run and had no processor, over the measured time, 0 to 1; with
    /// `cpu_busy` never more than 1.
    #[schemars(range(min = 0, max = 1))]
    pub cpu_starved: f64,
    /// The longest that it stood still beyond its period, in microseconds.
    pub longest_stall_us: f64,
    /// The grid that it slept to, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
}

/// The grid that a worker thread slept to: at its ticks it started what had fallen due and read what had
/// come since the tick before. Up to a tick is in start lag and read lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Grid {
    /// How far apart its ticks were where it was coarsest in the measured time, in microseconds.
    #[schemars(range(min = 25, max = 1000))]
    pub ticks_us: f64,
    /// The part of the measured time for which there was one, 0 to 1. It is not there for a five-hundredth of the
    /// time, so that what it saves is known.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// Processor time that it saved over the measured time, as a part of a core: by what arrivals took in
    /// that part. Below 0 where it saved none. Left out where those were too few to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_saved: Option<f64>,
    /// Whether some of what the worker received had no stamp of the system's, as on UNIX sockets: up to a
    /// tick is in those times of the service then. Left out where that is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unstamped: bool,
}

impl Grid {
    /// From this share of the time on there was one nearly all of it: the rest is what the first wake-ups and probes
    /// take.
    pub(in crate::report) const NEARLY_ALL: f64 = 0.9;

    /// What it saved of a core, in whole percents: what is compared are milliseconds out of each second.
    pub(in crate::report) fn saved(&self) -> Option<String> {
        let saved = self.cpu_saved?;
        // What is added makes a zero of one that is negative.
        Some(human::percent((saved * 100.0).round() / 100.0 + 0.0))
    }
}

impl Generator {
    /// What its workers slept to taken together, where one did: the coarsest, over the mean of their shares, with what
    /// all saved where each of them can tell.
    pub(in crate::report) fn grid(&self) -> Option<Grid> {
        let grids: Vec<Grid> = self.per_worker.iter().filter_map(|it| it.grid).collect();
        let ticks_us = grids.iter().map(|it| it.ticks_us).reduce(f64::max)?;
        Some(Grid {
            ticks_us,
            share: grids.iter().map(|it| it.share).sum::<f64>() / self.per_worker.len() as f64,
            cpu_saved: grids.iter().map(|it| it.cpu_saved).sum(),
            unstamped: grids.iter().any(|it| it.unstamped),
        })
    }

    /// How it waited for what was due, in words: what was chosen counts, whoever chose it.
    pub(in crate::report) fn paced(&self) -> String {
        match (self.grid(), self.pacing.as_str()) {
            (Some(grid), _) => format!("a grid of {}", human::micros(grid.ticks_us)),
            (None, "auto") => Pacing::EXACT.to_string(),
            (None, said) => said.to_owned(),
        }
    }
}

/// What to make of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Verdict {
    /// The verdict in a word.
    pub status: Status,
    /// Why it is not `pass`: a sentence each, with figures. What the service did wrong comes before what
    /// makes the figures doubtful (`invalid`), and that before what either may have caused. Empty when
    /// it is.
    pub reasons: Vec<String>,
    /// What a reader of the figures should know, a sentence each.
    pub warnings: Vec<String>,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Status {
    /// Every condition holds. Of a shard, of which none is judged: nothing speaks against its generator.
    Pass,
    /// A threshold or expectation failed, or nothing was measured that could be judged.
    Fail,
    /// The generator could not do what was asked, so the figures do not describe the service.
    Invalid,
}

impl Status {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }
}

/// Sums over the scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Total {
    /// Every planned iteration.
    pub ledger: Ledger,
    /// What services left without an answer.
    #[serde(default)]
    pub unanswered: u64,
    /// Iterations completed per second of the whole run, drain included.
    pub throughput_per_s: f64,
    /// From due until the end, over all scenarios' samples.
    pub response_time_us: Statistics,
    /// From the actual start until the end, over all scenarios' samples.
    pub service_time_us: Statistics,
    /// How iterations ended, by key; adds up to completed + failed.
    pub outcomes: BTreeMap<String, u64>,
    /// Bytes on the wire.
    pub bytes: ByteCount,
    /// What became of connections.
    pub connections: Connections,
    /// Each server that named itself, over all scenarios, and which of them it answered; `(unknown)` as the
    /// last.
    #[serde(default)]
    pub backends: Vec<Backend>,
    /// Each condition on all scenarios with a tag and what became of it; left out where there is none. Times
    /// are counted from when the first of these scenarios began to be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdResult>,
}
