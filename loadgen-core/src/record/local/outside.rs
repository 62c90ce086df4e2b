//! What is observed outside of any iteration.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::recorder::Recorder;
use crate::clock::{Clock, Nanos};
use crate::outcome::Failure;
use crate::workload::{
    AddressIndex, BackendIndex, ConnectionEvent, ConnectionId, Counter, FarewellEvent, Gauge,
    MessageFault, Observer, SampleKind, Standing, StepSample, StreamEvent, TargetIndex, Timing,
};

/// The observer of a workload as a whole: passes on to the recorder what happens between
/// iterations. What comes before measuring begins is told apart by the time; an iteration's own
/// observer knows its phase.
///
/// Steps at the beginning and the end of a user's life are told here. As with connections, all of them
/// count, those before the clock and in the warm-up too: there is one beginning for each user, and no
/// other one to measure.
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

impl Outside {
    /// Whether what is told of a step counts.
    fn counts(&self, step: usize) -> bool {
        let is_measured = self.is_measured();
        is_measured || self.recorder.part_of(step).is_some()
    }
}

impl Observer for Outside {
    fn step(&self, sample: StepSample) {
        if !self.recorder.is_interrupting() {
            self.recorder.step(sample);
        }
    }

    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.recorder.sample(step, kind, value);
    }

    fn messages(&self, step: usize, backend: Option<BackendIndex>, sent: u64, received: u64) {
        if self.counts(step) {
            self.recorder.messages(step, backend, sent, received);
        }
    }

    /// Streams of iterations are those of whoever iterates.
    fn stream(&self, _: Option<BackendIndex>, _: StreamEvent) {}

    fn farewell(&self, said_at: Nanos, event: FarewellEvent) {
        if self.is_measured() {
            self.recorder.farewell(said_at, event);
        }
    }
    fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        if self.counts(step) {
            self.recorder.message_fault(step, fault, count);
        }
    }

    fn stands(&self, peer: &str, change: (Standing, Standing), at: Nanos, why: &str) {
        self.recorder.stands(peer, change, at, why);
    }

    fn backend(&self, identity: &[u8], connection: Option<ConnectionId>) -> BackendIndex {
        self.recorder.backend(identity, connection)
    }

    fn explain(&self, step: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.recorder.explain(step, failure, detail);
    }

    fn check(&self, step: usize, check: usize, passed: bool, example: &mut dyn FnMut() -> String) {
        if self.counts(step) {
            self.recorder.check(step, check, passed, example);
        }
    }

    fn connection(&self, target: TargetIndex, event: ConnectionEvent) {
        self.recorder.at(self.clock.now());
        self.recorder.connection(target, event);
    }

    fn connected(&self, target: TargetIndex, address: &str) -> Option<AddressIndex> {
        self.recorder.connected(target, address)
    }

    fn listed(&self, target: TargetIndex, address: &str, is_listed: bool, at: Nanos) {
        self.recorder.listed(target, address, is_listed, at);
    }

    fn backed_off(&self, rest: Nanos) {
        self.recorder.backed_off(rest);
    }

    /// Whoever begins or ends its life is not among the users that iterate, and so not among those of them
    /// that rest.
    fn rests(&self, _: bool) {}

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
