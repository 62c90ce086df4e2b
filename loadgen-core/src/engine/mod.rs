//! Workers, users, lifecycle, cancellation and the event stream.

use std::time::Duration;

use crate::outcome::Outcome;
use crate::record::{Histogram, Ledger, RunRecord, ScenarioRecord};
use crate::schedule::Load;
use crate::workload::{WorkerContext, Workload};

/// How a run is carried out, apart from what its scenarios ask for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Worker threads; `None` is the smaller of cores and users.
    pub workers: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
}

/// One scenario as the engine sees it: when, how long, and the names of what is recorded.
#[derive(Debug, Clone)]
pub struct ScenarioSpec {
    /// Its name.
    pub name: String,
    /// What it speaks, for reports.
    pub protocol: String,
    /// How iterations come about.
    pub load: Load,
    /// Wait before anything of it happens.
    pub start_after: Duration,
    /// Load before measuring.
    pub warm_up: Duration,
    /// How long iterations under way may take after the end.
    pub graceful_stop: Duration,
    /// The longest an iteration may take, pauses left out.
    pub timeout: Duration,
    /// Start lag above this counts as late.
    pub late_after: Duration,
    /// Names of the steps, pauses left out. At least one.
    pub steps: Vec<String>,
    /// Names of custom counters.
    pub counters: Vec<String>,
    /// Names of custom gauges.
    pub gauges: Vec<String>,
    /// Names of custom timings.
    pub timings: Vec<String>,
}

impl ScenarioSpec {
    /// A spec with the documented defaults: one step named like the scenario, no warm-up,
    /// 30 s timeout and graceful stop, late after 1 ms.
    #[must_use]
    pub fn new(name: impl Into<String>, load: Load) -> Self {
        let _ = (name.into(), load);
        unimplemented!()
    }
}

/// A run being put together.
#[derive(Debug)]
pub struct Run {}

impl Run {
    /// An empty run.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let _ = options;
        unimplemented!()
    }

    /// Adds a scenario; `make` builds its workload once on each worker.
    #[must_use]
    pub fn scenario<W: Workload>(
        self,
        spec: ScenarioSpec,
        make: impl Fn(&WorkerContext) -> W + Send + Sync + 'static,
    ) -> Self {
        let _ = (spec, make);
        self
    }

    /// Adds a listener, called on the collector's own thread: it may be slow, the load does not
    /// wait for it.
    #[must_use]
    pub fn listen(self, listener: impl FnMut(&Event<'_>) + Send + 'static) -> Self {
        let _ = listener;
        self
    }

    /// A handle that stops the run from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        unimplemented!()
    }

    /// How many workers the run will have.
    #[must_use]
    pub fn workers(&self) -> usize {
        unimplemented!()
    }

    /// Runs to the end; blocks.
    ///
    /// # Errors
    /// [`RunError`] when the run could not begin. Whatever happens later is in the record.
    pub fn execute(self) -> Result<RunRecord, RunError> {
        unimplemented!()
    }
}

/// Stops a run from another thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stopper {}

impl Stopper {
    /// Starts nothing new and lets what is under way finish within the graceful stop.
    pub fn drain(&self) {}
    /// Cuts off what is under way. The record still comes.
    pub fn abort(&self) {}
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No worker could prepare a scenario: no target could be reached.
    #[error("scenario `{scenario}`: {message}")]
    Unreachable {
        /// The scenario.
        scenario: String,
        /// What was tried and what came back.
        message: String,
    },
    /// The system refused a thread, a timer or the like.
    #[error("failed to start a worker: {0}")]
    Worker(#[from] std::io::Error),
    /// A stop was asked for before anything was measured.
    #[error("stopped before the load began")]
    StoppedEarly,
}

/// Where a scenario is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Opening connections and sessions.
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

/// What a listener hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The connections stand and the clock is about to start.
    Connected,
    /// Once a second while load runs, and once at the very end.
    Snapshot(&'a Snapshot<'a>),
    /// The run is over; the last word.
    Finished(&'a RunRecord),
}

/// The state of the whole run at a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// Since the clock started.
    pub elapsed: Duration,
    /// Each scenario, in the order they were given.
    pub scenarios: Vec<ScenarioSnapshot<'a>>,
}

/// The state of one scenario at a moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScenarioSnapshot<'a> {
    /// Where it is in its life.
    pub phase: Phase,
    /// Users busy with an iteration now.
    pub users: u64,
    /// What happened since the snapshot before.
    pub interval: &'a Interval,
    /// Everything so far; histograms and ledger are merged up to this moment.
    pub total: &'a ScenarioRecord,
}

/// What happened between two snapshots.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Interval {
    /// How long it was.
    pub length: Duration,
    /// Changes of the ledger.
    pub ledger: Ledger,
    /// Response times of iterations that ended in it.
    pub response_time: Histogram,
    /// Service times of iterations that ended in it.
    pub service_time: Histogram,
    /// Start lag of iterations that ended in it.
    pub start_lag: Histogram,
    /// How the iterations that ended in it ended.
    pub outcomes: Vec<(Outcome, u64)>,
}
