//! What a user of the load does: the [`Workload`] trait and what it is handed.
//!
//! Owns the boundary between the engine, which decides *when* and keeps the time, and a driver or
//! a custom workload, which decides *what*. Imports no engine code, so that a workload can be
//! written, tested and mocked without one.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{Clock, Nanos, nanos};
use crate::outcome::{Failure, Outcome};

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
    /// one when the user is first needed, and then the time counts as part of the response time.
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

    /// Ends a user's session after its last iteration, outside of what is measured.
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
    /// Streams that may be in use on the open connections.
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
pub struct PrepareError {
    /// What was tried and what came back, for a person to read.
    pub message: String,
}

/// What a workload may know of the worker it is built on.
#[derive(Clone)]
pub struct WorkerContext {
    /// This worker's number, from 0.
    pub worker: usize,
    /// How many workers the run has.
    pub workers: usize,
    /// The most users this scenario will have on this worker.
    pub users: usize,
    /// Seed for random choices: the run's, mixed with the scenario and the worker.
    pub seed: u64,
    /// The run's clock.
    pub clock: Clock,
    /// Where connections and bytes are reported, which belong to no single iteration.
    pub observer: Rc<dyn Observer>,
}

impl fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerContext")
            .field("worker", &self.worker)
            .field("workers", &self.workers)
            .field("users", &self.users)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A number given to each distinct backend identity, in the order they were first seen.
pub type BackendIndex = u16;

/// A custom metric's place in its scenario's list of that kind.
pub type MetricIndex = usize;

/// A series of samples that a step may have beside its response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SampleKind {
    /// From a stream's start until its first message came.
    FirstMessage,
    /// Between one message of a stream and the next.
    MessageGap,
    /// From sending a message until the reply to it.
    RoundTrip,
    /// Waiting for a free stream on a connection; part of the response time too.
    StreamWait,
}

impl SampleKind {
    /// Every kind, in the order reports show them.
    pub const ALL: [Self; 4] = [
        Self::FirstMessage,
        Self::MessageGap,
        Self::RoundTrip,
        Self::StreamWait,
    ];
}

/// What was wrong with messages, beside what an outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageFault {
    /// A sequence number was left out and never came.
    Missing,
    /// A sequence number came after a higher one.
    OutOfOrder,
    /// Nothing had asked for it: a second reply, an unknown id, a message out of the blue.
    Unexpected,
    /// The reply came after its iteration had been given up.
    TooLate,
}

impl MessageFault {
    /// Every kind, in the order reports show them.
    pub const ALL: [Self; 4] = [
        Self::Missing,
        Self::OutOfOrder,
        Self::Unexpected,
        Self::TooLate,
    ];
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It opened, handshakes included, in this time.
    Opened {
        /// From the first attempt to resolve the name until ready for requests, in nanoseconds.
        connect_time: Nanos,
        /// Whether it takes the place of one that was dropped.
        reconnected: bool,
    },
    /// An attempt failed.
    Failed,
    /// An open connection ended without our asking.
    Dropped,
}

/// One step's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepSample {
    /// The step's place in the scenario, from 0, pauses not counted.
    pub step: usize,
    /// From due until the end, in nanoseconds.
    pub response_time: Nanos,
    /// From the actual start until the end, in nanoseconds.
    pub service_time: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// Who answered, where that is known.
    pub backend: Option<BackendIndex>,
}

/// Where a workload's observations go. The engine's recorder implements it; a test may too.
pub trait Observer {
    /// A step of a scenario with several steps ended.
    fn step(&self, sample: StepSample);
    /// A sample of one of a step's further series, in nanoseconds.
    fn sample(&self, step: usize, kind: SampleKind, value: Nanos);
    /// Messages that a step sent and received.
    fn messages(&self, step: usize, sent: u64, received: u64);
    /// Messages of a step that had this fault.
    fn message_fault(&self, step: usize, fault: MessageFault, count: u64);
    /// The number of a backend that named itself with these bytes.
    fn backend(&self, identity: &[u8]) -> BackendIndex;
    /// Keeps one example of what a failure class looked like; `detail` runs only when none is kept.
    fn explain(&self, failure: Failure, detail: &mut dyn FnMut() -> String);
    /// Something happened to a connection.
    fn connection(&self, event: ConnectionEvent);
    /// Bytes on the wire, transport encryption included.
    fn bytes(&self, sent: u64, received: u64);
    /// Adds to a custom counter.
    fn count(&self, counter: MetricIndex, delta: u64);
    /// Sets a custom gauge.
    fn gauge(&self, gauge: MetricIndex, value: f64);
    /// Adds a sample to a custom timing, in nanoseconds.
    fn timing(&self, timing: MetricIndex, value: Nanos);
}

/// One pass of one user through the steps, as the workload sees it.
///
/// The engine stamps the time; a workload only marks its steps and pauses and adds samples of its
/// own.
pub struct Iteration<'a> {
    clock: Clock,
    observer: &'a dyn Observer,
    user: UserId,
    number: u64,
    due: Nanos,
    start: Nanos,
    single_step: bool,
    last_end: Cell<Option<Nanos>>,
    current: Cell<Option<Current>>,
    pausing: Cell<bool>,
    paused: Cell<Nanos>,
    backend: Cell<Option<BackendIndex>>,
    concluded: Cell<Option<(Nanos, Outcome)>>,
}

/// The step that is under way.
#[derive(Debug, Clone, Copy)]
struct Current {
    step: usize,
    due: Nanos,
    start: Nanos,
}

impl fmt::Debug for Iteration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iteration")
            .field("user", &self.user)
            .field("number", &self.number)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// What an [`Iteration`] is made from. The engine fills it in; so may the test of a workload.
#[derive(Clone, Copy)]
#[expect(
    missing_debug_implementations,
    reason = "holds a trait object and lives for one call"
)]
pub struct IterationSeed<'a> {
    /// The run's clock.
    pub clock: Clock,
    /// Where observations go.
    pub observer: &'a dyn Observer,
    /// Whose iteration it is.
    pub user: UserId,
    /// The iteration's number among its user's, from 0.
    pub number: u64,
    /// When it was due.
    pub due: Nanos,
    /// When it actually started.
    pub start: Nanos,
    /// Whether the scenario has one step only: then the iteration's figures are the step's.
    pub single_step: bool,
}

impl<'a> Iteration<'a> {
    /// An iteration that starts now.
    #[must_use]
    pub fn new(seed: IterationSeed<'a>) -> Self {
        Self {
            clock: seed.clock,
            observer: seed.observer,
            user: seed.user,
            number: seed.number,
            due: seed.due,
            start: seed.start,
            single_step: seed.single_step,
            last_end: Cell::new(None),
            current: Cell::new(None),
            pausing: Cell::new(false),
            paused: Cell::new(0),
            backend: Cell::new(None),
            concluded: Cell::new(None),
        }
    }

    /// Whose iteration this is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The iteration's number among its user's, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it actually started, in nanoseconds since the run's epoch.
    #[must_use]
    pub fn started(&self) -> Nanos {
        self.start
    }

    /// Runs one step and records it under its own name.
    ///
    /// The first step is due when the iteration is; a later one when the one before it, or a
    /// pause between them, ended.
    pub async fn step(&self, step: usize, action: impl Future<Output = Outcome>) -> Outcome {
        if self.single_step {
            return action.await;
        }
        let (due, start) = match self.last_end.get() {
            Some(end) => (end, end),
            None => (self.due, self.start),
        };
        self.backend.set(None);
        self.current.set(Some(Current { step, due, start }));
        let outcome = action.await;
        let end = self.clock.now();
        self.end_step(end, outcome);
        outcome
    }

    /// Ends the step that is under way, if there is one.
    fn end_step(&self, end: Nanos, outcome: Outcome) {
        if let Some(current) = self.current.take() {
            self.last_end.set(Some(end));
            self.observer.step(StepSample {
                step: current.step,
                response_time: end.saturating_sub(current.due),
                service_time: end.saturating_sub(current.start),
                outcome,
                backend: self.backend.get(),
            });
        }
    }

    /// Ends an iteration whose future was dropped, so that the step it was in is recorded too.
    pub(crate) fn cut_off(&self, end: Nanos, outcome: Outcome) {
        self.end_step(end, outcome);
    }

    /// Waits on purpose. The time is in neither response nor service time.
    pub async fn pause(&self, duration: Duration) {
        let from = self.clock.now();
        self.pausing.set(true);
        tokio::time::sleep(duration).await;
        let end = self.clock.now();
        self.pausing.set(false);
        self.paused.set(self.paused.get() + (end - from));
        self.last_end.set(Some(end));
    }

    /// What was asked for is done, and this is how it ended. Whatever the workload does from here
    /// until it returns, such as saying good-bye, is not measured: no timeout cuts it off, and if
    /// the run's end does, the outcome stands. Whoever calls this bounds what follows.
    pub fn conclude(&self, outcome: Outcome) {
        self.concluded.set(Some((self.clock.now(), outcome)));
    }

    /// When and how the iteration ended, where that was said before it returned.
    pub(crate) fn concluded(&self) -> Option<(Nanos, Outcome)> {
        self.concluded.get()
    }

    /// Says who answered, by the server's own word. The last call in a step counts.
    pub fn answered_by(&self, identity: &[u8]) {
        self.backend.set(Some(self.observer.backend(identity)));
    }

    /// Adds a sample to one of a step's further series.
    pub fn sample(&self, step: usize, kind: SampleKind, value: Duration) {
        self.observer.sample(step, kind, nanos(value));
    }

    /// Adds a sample, measured with the run's clock, to one of a step's further series.
    pub fn sample_nanos(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.observer.sample(step, kind, value);
    }

    /// Counts messages that a step sent and received.
    pub fn messages(&self, step: usize, sent: u64, received: u64) {
        self.observer.messages(step, sent, received);
    }

    /// Counts messages of a step that had this fault.
    pub fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        self.observer.message_fault(step, fault, count);
    }

    /// Keeps one example of what a failure class looked like, for the report.
    pub fn explain(&self, failure: Failure, mut detail: impl FnMut() -> String) {
        self.observer.explain(failure, &mut detail);
    }

    /// Adds to a custom counter, by its place in the list that the scenario's spec has; where there is
    /// none, nothing happens.
    pub fn count(&self, counter: MetricIndex, delta: u64) {
        self.observer.count(counter, delta);
    }

    /// Sets a custom gauge, by its place like [`count`](Self::count). What the last worker to report
    /// has set is shown.
    pub fn gauge(&self, gauge: MetricIndex, value: f64) {
        self.observer.gauge(gauge, value);
    }

    /// Adds a sample to a custom timing, by its place like [`count`](Self::count).
    pub fn timing(&self, timing: MetricIndex, value: Duration) {
        self.observer.timing(timing, nanos(value));
    }

    /// Where the observations go that the methods here make.
    #[must_use]
    pub fn observer(&self) -> &dyn Observer {
        self.observer
    }

    /// Nanoseconds since the run's epoch.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// How long the iteration has paused on purpose so far, in nanoseconds.
    #[must_use]
    pub fn paused(&self) -> Nanos {
        self.paused.get()
    }

    /// Whether the iteration is pausing on purpose right now.
    #[must_use]
    pub fn pausing(&self) -> bool {
        self.pausing.get()
    }

    /// Who answered last, where that is known.
    #[must_use]
    pub fn backend(&self) -> Option<BackendIndex> {
        self.backend.get()
    }
}
