//! What a user of the load does: the [`Workload`] trait and what it is handed.
//!
//! Owns the boundary between the engine, which decides *when* and keeps the time, and a driver or
//! a custom workload, which decides *what*. Imports no engine code, so that a workload can be
//! written, tested and mocked without one.

mod iteration;
mod lookout;
mod metric;
mod observer;
mod setup;
mod switches;

use std::fmt;
use std::rc::Rc;

use crate::alarm::Alarms;
use crate::clock::{Clock, StampClock};
use crate::outcome::{Failure, Outcome};
use crate::schedule::Shard;

pub use iteration::{EndingOnDrop, Iteration, IterationSeed, LoadEnd, OpenStream};
pub use lookout::FileChange;
pub(crate) use lookout::{Look, Lookout, Lookouts};
pub use metric::{Counter, Gauge, Timing};
pub use observer::{
    AddressIndex, BackendIndex, ConnectionEvent, ConnectionId, FarewellEvent, KeyIndex,
    MessageFault, Observer, Opened, Receipt, RetryEvent, SampleKind, Split, Standing, StepSample,
    StreamEvent, TargetIndex,
};
pub use setup::{SetUp, SetUpElsewhere};
pub use switches::Switches;

/// Connections, or sessions, that a worker opens at the same time before the load begins: enough to hide
/// round trips. More would only wait for each other, in the server's queue and in ours, and have it
/// counted as connect time.
pub const OPENED_AT_ONCE: usize = 128;

/// One virtual user's number within its scenario, from 0, unique over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u32);

/// Something a user can do again and again.
///
/// One value of the implementing type lives on each worker thread and is shared by that worker's
/// users, so a connection pool or a prepared message belongs in `self` and need not be `Send`.
/// Waiting is always asynchronous: a workload that blocks its thread stops every user on it, and
/// the run is then reported as invalid.
///
/// Failures of the service are [`Outcome`]s. Only [`prepare`](Workload::prepare) can say that the
/// run cannot begin.
#[expect(
    async_fn_in_trait,
    reason = "a workload lives on one thread; its futures need not be Send"
)]
pub trait Workload: 'static {
    /// What one user keeps between its iterations.
    type Session: 'static;

    /// Called once on each worker before the clock starts: open connections here.
    ///
    /// # Errors
    /// [`PrepareError`] when no iteration could succeed. When every worker says so, the run ends
    /// before it starts.
    async fn prepare(&self) -> Result<(), PrepareError> {
        Ok(())
    }

    /// Builds a user's session. In a closed model this happens before the clock starts; in an open
    /// one when the user is first needed, and then the time counts as part of the response time. Where the
    /// user's life begins with steps of its own, it may take as long as
    /// [`ScenarioSpec::open_within`](crate::engine::ScenarioSpec::open_within) lets it, and is the arrival's
    /// queue wait; otherwise it is within the iteration and its timeout.
    ///
    /// # Errors
    /// The [`Failure`] the iteration that needed the session ends with; the next one tries again.
    async fn open(&self, user: UserId) -> Result<Self::Session, Failure>;

    /// Runs one iteration.
    async fn iterate(&self, session: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome;

    /// What stands at the moment on this worker, asked about once a second while load runs.
    fn levels(&self) -> Levels {
        Levels::default()
    }

    /// Ends a user's session after its last iteration, outside of what is measured of iterations, for as
    /// long as [`ScenarioSpec::close_within`](crate::engine::ScenarioSpec::close_within) lets it.
    async fn close(&self, session: Self::Session) {
        drop(session);
    }
}

/// What stands at a moment. `None` is what a workload does not know of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Levels {
    /// Open connections.
    pub connections: Option<u64>,
    /// Requests that were sent and not answered.
    pub in_flight: Option<u64>,
    /// Messages that are owed a reply, where that is how requests are answered.
    pub replies_owed: Option<u64>,
    /// Streams of the open connections that are in use.
    pub streams_in_use: Option<u64>,
    /// Streams that may be in use on the open connections; none where a connection has no limit.
    pub streams_allowed: Option<u64>,
}

impl Levels {
    fn each(&mut self) -> [&mut Option<u64>; 5] {
        [
            &mut self.connections,
            &mut self.in_flight,
            &mut self.replies_owed,
            &mut self.streams_in_use,
            &mut self.streams_allowed,
        ]
    }
}

impl std::ops::AddAssign for Levels {
    fn add_assign(&mut self, mut other: Self) {
        for (sum, more) in self.each().into_iter().zip(other.each()) {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(*more));
            }
        }
    }
}

/// Why a workload cannot begin at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct PrepareError {
    /// What was tried and what came back, for a person to read.
    pub message: String,
    /// Whether somebody was there, and what has to be done before the load failed.
    pub is_setup: bool,
}

impl PrepareError {
    /// One that says this: nobody is there.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_setup: false,
        }
    }

    /// One that says this: what has to be done before the load failed.
    #[must_use]
    pub fn of_setup(message: impl Into<String>) -> Self {
        Self {
            is_setup: true,
            ..Self::new(message)
        }
    }
}

/// What a workload may know of the worker it is built on.
///
/// The engine fills it in; so may the test of a workload.
#[derive(Clone)]
#[non_exhaustive]
pub struct WorkerContext {
    /// This worker's number, from 0: no other of the run has it, on whichever shard.
    pub worker: usize,
    /// How many workers the run has, if all shards have as many as this one.
    pub workers: usize,
    /// Which shard of the run it is on, of those that the scenario is divided among.
    pub shard: Shard,
    /// The most users this scenario will have on this worker.
    pub users: usize,
    /// Seed for random choices: the run's, mixed with the scenario and the worker.
    pub seed: u64,
    /// The same without the worker: what it decides is the same on all of them.
    pub scenario_seed: u64,
    /// The run's clock.
    pub clock: Clock,
    /// Puts the system's stamps of what it received on that clock.
    pub stamps: Rc<StampClock>,
    /// Wakes tasks at moments, more finely than the runtime's timer.
    pub alarms: Alarms,
    /// Where connections and bytes are reported, which belong to no single iteration; and the steps that
    /// begin and end a user's life ([`StepSpec::part`](crate::record::StepSpec::part)), each by an
    /// [`Iteration`] of its own with this observer.
    pub observer: Rc<dyn Observer>,
    /// Which of the scenario's targets are sent to, which somebody may change at any time.
    pub switches: Switches,
    /// Where the scenario is set up, if not here alone.
    pub set_up: SetUp,
}

impl WorkerContext {
    /// The only worker, with one user. Nothing wakes its alarms until
    /// [`Alarms::ring`] runs.
    #[must_use]
    pub fn new(clock: Clock, observer: Rc<dyn Observer>) -> Self {
        Self {
            worker: 0,
            workers: 1,
            shard: Shard::ALL,
            users: 1,
            seed: 0,
            scenario_seed: 0,
            clock,
            stamps: Rc::new(StampClock::new(clock)),
            alarms: Alarms::new(clock),
            observer,
            switches: Switches::default(),
            set_up: SetUp::default(),
        }
    }
}

impl fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerContext")
            .field("worker", &self.worker)
            .field("workers", &self.workers)
            .field("shard", &self.shard)
            .field("users", &self.users)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
