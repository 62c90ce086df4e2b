//! What a run measured, merged over its workers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::merger::place_of;
use super::{BackendRecord, ScenarioRecord, TagRecord};
use crate::pacer::Pacing;

/// Everything a run measured.
///
/// It can be stored, and read by another process: `serde` writes histograms as HdrHistogram's text and
/// everything that has a name by its name. Records of several processes that carried out the same plan
/// [merge](RunRecord::merge).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// When the load began, by the wall clock; warm-up and `start_after` come after it.
    pub started_at: std::time::SystemTime,
    /// From the beginning of the measured part to its end, drain included.
    pub elapsed: Duration,
    /// The scenarios, in the order they were given.
    pub scenarios: Vec<ScenarioRecord>,
    /// The tags that scenarios have, each once, with those that have it.
    #[serde(default)]
    pub tags: Vec<TagRecord>,
    /// How the generator itself fared.
    pub generator: GeneratorRecord,
    /// Whether a stop was asked for before the plan was done.
    pub stopped: bool,
    /// What a workload said when it panicked; the run ended early because of it.
    pub panic: Option<String>,
    /// That more arrivals stood in line than may; the run ended early because of it.
    pub overrun: Option<Overrun>,
    /// The condition that did not hold and ended the run early.
    #[serde(default)]
    pub early_end: Option<EarlyEnd>,
    /// Whether it is of a run that was killed, or has not come to its end yet, up to some moment.
    #[serde(default)]
    pub cut_off: bool,
}

/// A condition that did not hold, and so ended a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EarlyEnd {
    /// The scenario that it is about; `None` where it is about all scenarios with a tag, which the condition
    /// itself names.
    pub scenario: Option<String>,
    /// The condition, as written.
    pub condition: String,
    /// When, from the beginning of the measured part of the scenario, or of the first with the tag.
    pub at: Duration,
    /// What was observed then, in the condition's unit.
    pub observed: f64,
}

impl EarlyEnd {
    /// A condition on this scenario, or with `None` on a tag, that did not hold by this value.
    #[must_use]
    pub fn new(
        scenario: Option<String>,
        condition: impl Into<String>,
        at: Duration,
        observed: f64,
    ) -> Self {
        Self {
            scenario,
            condition: condition.into(),
            at,
            observed,
        }
    }
}

/// A line of arrivals that grew too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Overrun {
    /// Whose arrivals.
    pub scenario: String,
    /// How many stood in line on one worker.
    pub in_line: u64,
    /// Over how many workers the scenario was spread.
    pub workers: u64,
}

impl Overrun {
    /// A line of this scenario's that was so long on one of so many workers.
    #[must_use]
    pub fn new(scenario: impl Into<String>, in_line: u64, workers: u64) -> Self {
        Self {
            scenario: scenario.into(),
            in_line,
            workers,
        }
    }
}

impl RunRecord {
    /// Each server that named itself over all scenarios, and what none is known for as the last. The times of
    /// its first and last request count from the beginning of different scenarios.
    #[must_use]
    pub fn backends(&self) -> Vec<BackendRecord> {
        let mut all = Vec::new();
        let mut unknown = BackendRecord::empty(ScenarioRecord::UNKNOWN);
        for scenario in &self.scenarios {
            for backend in &scenario.backends {
                let place = place_of(&mut all, backend.id.clone());
                all[place].merge(backend);
            }
            unknown.merge(&scenario.unknown);
        }
        all.push(unknown);
        all
    }

    /// It was a record up to some moment, and will never go on. What was under way then was interrupted, and
    /// what stood in line never started. How long either had waited is not known, so that none is unanswered.
    pub(crate) fn cut_off(&mut self) {
        self.cut_off = true;
        for scenario in &mut self.scenarios {
            let ledger = &mut scenario.ledger;
            ledger.interrupted += ledger.in_flight();
            ledger.dropped = ledger.planned.saturating_sub(ledger.started);
        }
    }

    /// The record of a run that came to its planned end.
    #[must_use]
    pub fn new(
        started_at: std::time::SystemTime,
        elapsed: Duration,
        scenarios: Vec<ScenarioRecord>,
        generator: GeneratorRecord,
    ) -> Self {
        Self {
            started_at,
            elapsed,
            scenarios,
            tags: Vec::new(),
            generator,
            stopped: false,
            panic: None,
            overrun: None,
            early_end: None,
            cut_off: false,
        }
    }
}

/// How the generator itself fared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeneratorRecord {
    /// Each worker thread.
    pub workers: Vec<WorkerRecord>,
    /// How open models waited for what was due.
    #[serde(with = "super::stored::by_word")]
    pub pacing: Pacing,
    /// The part of the measured time for which a control group that this process was in was
    /// stopped, because its quota of processor time was used up: 0 to 1. The system adds up the
    /// time over processors. `None` where it does not tell. Of several processes, the worst.
    pub throttled_share: Option<f64>,
}

/// How one worker thread fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerRecord {
    /// The shard that it is of, where several are merged.
    #[serde(default)]
    pub shard: Option<u32>,
    /// Processor time it used over the measured time, 0 to 1; busy polling left out.
    pub cpu_busy: f64,
    /// Processor time that busy polling took while there was nothing to do, over the measured time,
    /// 0 to 1.
    pub cpu_waiting: f64,
    /// Time it was ready to run and had no processor, over the measured time, 0 to 1.
    pub cpu_starved: f64,
    /// The longest that its heartbeat stood still beyond its period.
    pub longest_stall: Duration,
    /// The grid that it slept to, where it did.
    #[serde(default)]
    pub grid: Option<GridRecord>,
}

/// The grid that a worker thread slept to ([`Pacing::grid`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GridRecord {
    /// How far apart its ticks were where it was coarsest.
    pub ticks_apart: Duration,
    /// The part of the measured time for which there was one, 0 to 1.
    pub share: f64,
    /// Processor time that the worker would have used in addition without it, over the measured time:
    /// reckoned from what arrivals took in the part of the time that was paced exactly to know it.
    /// `None` where that was too few of them to tell.
    pub cpu_saved: Option<f64>,
    /// Whether some of what it received came without stamps of the system's: until the next tick is in its
    /// times then.
    pub unstamped: bool,
}
