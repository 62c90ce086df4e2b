//! One iteration as the workload sees it: its steps and pauses, and the samples it adds.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use super::UserId;
use super::observer::{BackendIndex, MessageFault, MetricIndex, Observer, SampleKind, StepSample};
use crate::clock::{Clock, Nanos, nanos};
use crate::outcome::{Failure, Outcome};

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
