//! What is observed outside of any iteration.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::recorder::Recorder;
use crate::clock::{Clock, Nanos};
use crate::outcome::Failure;
use crate::workload::{
    BackendIndex, ConnectionEvent, Counter, Gauge, MessageFault, Observer, SampleKind, StepSample,
    TargetIndex, Timing,
};

/// The observer of a workload as a whole: passes on to the recorder what happens between
/// iterations. What comes before measuring begins is told apart by the time; an iteration's own
/// observer knows its phase.
pub(crate) struct Outside {
    recorder: Rc<Recorder>,
    clock: Clock,
    measure_from: Cell<Nanos>,
    is_measuring: Cell<bool>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

impl Outside {
    /// An observer that measures nothing yet.
    #[must_use]
    pub(crate) fn new(recorder: Rc<Recorder>, clock: Clock) -> Self {
        Self {
            recorder,
            clock,
            measure_from: Cell::new(Nanos::MAX),
            is_measuring: Cell::new(false),
        }
    }

    /// Says when measuring begins.
    pub(crate) fn begin(&self, measure_from: Nanos) {
        self.measure_from.set(measure_from);
    }

    /// Whether measuring has begun. The first to see that has the recorder forget what came before.
    #[inline]
    fn is_measured(&self) -> bool {
        if !self.is_measuring.get() && self.clock.now() >= self.measure_from.get() {
            self.is_measuring.set(true);
            self.recorder.begin_measuring();
        }
        self.is_measuring.get()
    }
}

impl Observer for Outside {
    fn step(&self, sample: StepSample) {
        self.recorder.step(sample);
    }

    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.recorder.sample(step, kind, value);
    }

    fn messages(&self, step: usize, sent: u64, received: u64) {
        if self.is_measured() {
            self.recorder.messages(step, sent, received);
        }
    }

    fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        if self.is_measured() {
            self.recorder.message_fault(step, fault, count);
        }
    }

    fn backend(&self, identity: &[u8]) -> BackendIndex {
        self.recorder.backend(identity)
    }

    fn explain(&self, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.recorder.explain(failure, detail);
    }

    fn connection(&self, target: TargetIndex, event: ConnectionEvent) {
        self.recorder.at(self.clock.now());
        self.recorder.connection(target, event);
    }

    fn backed_off(&self, rest: Nanos) {
        self.recorder.backed_off(rest);
    }

    fn rests(&self, begins: bool) {
        self.recorder.rests(begins);
    }

    fn bytes(&self, sent: u64, received: u64) {
        self.is_measured();
        self.recorder.bytes(sent, received);
    }

    fn count(&self, counter: Counter, delta: u64) {
        self.is_measured();
        self.recorder.count(counter, delta);
    }

    fn gauge(&self, gauge: Gauge, value: f64) {
        self.is_measured();
        self.recorder.gauge(gauge, value);
    }

    fn timing(&self, timing: Timing, value: Nanos) {
        self.is_measured();
        self.recorder.timing(timing, value);
    }
}
