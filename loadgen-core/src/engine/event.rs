//! What whoever listens to a run is told.

use std::time::{Duration, SystemTime};

use crate::process::Vitals;
use crate::record::{
    EarlyEnd, EventRecord, GeneratorRecord, Interval, RunRecord, ScenarioRecord, Series, TagRecord,
    WorkerRecord,
};
use crate::workload::Levels;

/// What a listener hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The connections stand and the clock is about to start.
    Connected,
    /// Once a second while load runs, and once at the very end.
    Snapshot(&'a Snapshot<'a>),
    /// Before each snapshot, what it takes to make a record of the run as far as it has come.
    SoFar(&'a SoFar<'a>),
    /// A condition does not hold that ends the run: nothing new starts, and what is under way has its
    /// graceful stop.
    Ending(&'a EarlyEnd),
    /// The run is over; the last word.
    Finished(&'a RunRecord),
}

/// Where a scenario is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Opening connections and sessions, or waiting for its `start_after`.
    Connect,
    /// Load that is not measured.
    WarmUp,
    /// Load that is measured.
    Measure,
    /// Nothing new starts; what is under way ends.
    Drain,
    /// Over.
    Done,
}

/// The state of the whole run at a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// Since the clock started.
    pub elapsed: Duration,
    /// Each scenario, in the order they were given.
    pub scenarios: Vec<ScenarioSnapshot<'a>>,
    /// How the generator itself fares.
    pub generator: GeneratorSnapshot,
}

/// Everything that was recorded up to a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct SoFar<'a> {
    /// Since the clock started.
    pub at: Duration,
    /// When the load began, by the wall clock.
    pub started_at: SystemTime,
    /// From the beginning of the measured part until all that is in here had happened.
    pub elapsed: Duration,
    /// Each scenario, in the order they were given.
    pub scenarios: Vec<ScenarioSoFar<'a>>,
    /// The tags that scenarios have.
    pub tags: Vec<&'a TagRecord>,
    /// How the generator itself has fared since measuring began.
    pub generator: GeneratorRecord,
    /// Whether the run was asked to stop.
    pub stopped: bool,
}

/// Everything that was recorded of a scenario up to a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScenarioSoFar<'a> {
    /// The record, in which the fields that follow are not up to date.
    pub record: &'a ScenarioRecord,
    /// How much of it was measured.
    pub elapsed: Duration,
    /// What was done to servers, in the order in which it was.
    pub events: Vec<EventRecord>,
    /// The run over time.
    pub series: &'a Series,
    /// The same of each step that is kept over time, in their order.
    pub step_series: &'a [Series],
}

/// How the generator itself fares at a moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GeneratorSnapshot {
    /// Each worker thread over its last second.
    pub workers: Vec<WorkerRecord>,
    /// What the whole process takes.
    pub process: Vitals,
    /// The part of the last second for which a control group that this process is in was stopped,
    /// 0 to 1; `None` where the system does not tell.
    pub throttled_share: Option<f64>,
}

/// The state of one scenario at a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScenarioSnapshot<'a> {
    /// Where it is in its life.
    pub phase: Phase,
    /// Users busy with a measured iteration now.
    pub users: u64,
    /// What stands now, by the workload's own word.
    pub levels: Levels,
    /// What happened since the snapshot before. Its length is zero when nothing was heard.
    pub interval: &'a Interval,
    /// Everything so far; its `series` comes with the final record only.
    pub total: &'a ScenarioRecord,
}
