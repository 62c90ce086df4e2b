//! One worker's recorder of one scenario.

use std::cell::{Cell, RefCell};
use std::fmt;

use super::tick::Tick;
use super::{HIGHEST_NS, Names};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::workload::{
    BackendIndex, ConnectionEvent, MessageFault, MetricIndex, Observer, SampleKind, StepSample,
};

/// One worker's recorder of one scenario: fills the current tick, without locks and, once warm,
/// without allocating.
pub struct Recorder {
    tick: RefCell<Box<Tick>>,
    identities: RefCell<Vec<Box<[u8]>>>,
    single_step: bool,
    origin: Cell<Nanos>,
    users_busy: Cell<u64>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// Backends told apart on one worker; what comes after them is counted together.
const MOST_BACKENDS: usize = 256;
/// The name under which they are counted.
const OTHER_BACKENDS: &str = "(others)";

/// What came before an arrival started. Both together are its start less its due time.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// From due until a user was free: the service's doing.
    pub queue_wait: Nanos,
    /// The rest until it started: the generator's own lateness.
    pub start_lag: Nanos,
}

impl Recorder {
    /// A recorder with an empty tick.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        Self {
            tick: RefCell::new(Box::new(Tick::new(names))),
            identities: RefCell::new(Vec::new()),
            single_step: names.steps.len() == 1,
            origin: Cell::new(0),
            users_busy: Cell::new(0),
        }
    }

    /// Sets where the series' seconds count from. To be called before the load begins.
    pub fn begin(&self, origin: Nanos) {
        self.origin.set(origin);
    }

    /// Forgets what the tick holds so far that belongs to no iteration, bytes and custom metrics:
    /// it takes somebody who knows the time to tell those of the warm-up apart. What became of
    /// connections stays.
    pub fn forget_warm_up(&self) {
        self.tick.borrow_mut().forget_warm_up();
    }

    /// Takes the tick so far and goes on with `empty`.
    #[must_use]
    pub fn swap(&self, empty: Box<Tick>) -> Box<Tick> {
        let mut full = self.tick.replace(empty);
        full.users_busy = self.users_busy.get();
        self.tick.borrow_mut().most_users_busy = self.users_busy.get();
        full
    }

    /// Arrivals fell due, or iterations were handed out.
    #[inline]
    pub fn planned(&self, count: u64) {
        self.tick.borrow_mut().ledger.planned += count;
    }

    /// Arrivals will never start.
    pub fn dropped(&self, count: u64) {
        self.tick.borrow_mut().ledger.dropped += count;
    }

    /// An iteration of a closed model starts: handed out and begun at once.
    #[inline]
    pub fn started_closed(&self) {
        let mut tick = self.tick.borrow_mut();
        tick.ledger.planned += 1;
        tick.ledger.started += 1;
        tick.started_in_time += 1;
        self.busy(&mut tick);
    }

    /// A planned arrival starts.
    #[inline]
    pub fn started_open(&self, started: &Started, late: bool, in_time: bool) {
        let mut tick = self.tick.borrow_mut();
        tick.ledger.started += 1;
        tick.ledger.late += u64::from(late);
        tick.started_in_time += u64::from(in_time);
        tick.start_lag.saturating_record(started.start_lag);
        tick.queue_wait.saturating_record(started.queue_wait);
        self.busy(&mut tick);
    }

    #[inline]
    fn busy(&self, tick: &mut Tick) {
        let busy = self.users_busy.get() + 1;
        self.users_busy.set(busy);
        tick.most_users_busy = tick.most_users_busy.max(busy);
    }

    /// An iteration ended by itself.
    #[inline]
    pub fn ended(
        &self,
        due: Nanos,
        response_time: Nanos,
        service_time: Nanos,
        outcome: Outcome,
        backend: Option<BackendIndex>,
    ) {
        self.users_busy.set(self.users_busy.get() - 1);
        let mut tick = self.tick.borrow_mut();
        if outcome.is_ok() {
            tick.ledger.completed += 1;
        } else {
            tick.ledger.failed += 1;
        }
        tick.outcomes.add(outcome, 1);
        let second = due.saturating_sub(self.origin.get()) / 1_000_000_000;
        tick.response_time_of(second)
            .saturating_record(response_time);
        tick.service_time.saturating_record(service_time);
        if response_time > HIGHEST_NS {
            tick.saturated_samples += 1;
        }
        if let (true, Some(backend)) = (self.single_step, backend) {
            tick.record_backend(usize::from(backend), outcome.is_ok(), response_time);
        }
    }

    /// An iteration was cut off by the end of the run.
    pub fn interrupted(&self) {
        self.users_busy.set(self.users_busy.get() - 1);
        self.tick.borrow_mut().ledger.interrupted += 1;
    }
}

impl Observer for Recorder {
    fn step(&self, sample: StepSample) {
        let mut tick = self.tick.borrow_mut();
        tick.record_step(&sample);
        if let Some(backend) = sample.backend {
            let ok = sample.outcome.is_ok();
            tick.record_backend(usize::from(backend), ok, sample.response_time);
        }
    }

    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        let mut tick = self.tick.borrow_mut();
        if let Some(step) = tick.steps.get_mut(step) {
            step.samples[kind as usize]
                .get_or_insert_with(super::new_histogram)
                .saturating_record(value);
        }
    }

    fn messages(&self, step: usize, sent: u64, received: u64) {
        let mut tick = self.tick.borrow_mut();
        if let Some(step) = tick.steps.get_mut(step) {
            step.sent += sent;
            step.received += received;
        }
    }

    fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        let mut tick = self.tick.borrow_mut();
        if let Some(step) = tick.steps.get_mut(step) {
            let sum = &mut step.faults[fault as usize];
            *sum = sum.saturating_add(count);
        }
    }

    #[inline]
    fn backend(&self, identity: &[u8]) -> BackendIndex {
        let mut identities = self.identities.borrow_mut();
        let index = match identities.iter().position(|seen| **seen == *identity) {
            Some(index) => index,
            None if identities.len() < MOST_BACKENDS => {
                // A service that names each request anew must not fill our memory.
                let last = identities.len() + 1 == MOST_BACKENDS;
                let name = if last {
                    OTHER_BACKENDS.into()
                } else {
                    String::from_utf8_lossy(identity)
                };
                self.tick.borrow_mut().new_backends.push(name.into_owned());
                identities.push(if last {
                    Box::default()
                } else {
                    identity.into()
                });
                identities.len() - 1
            }
            None => MOST_BACKENDS - 1,
        };
        BackendIndex::try_from(index).expect("bounded above")
    }

    fn explain(&self, failure: Failure, detail: &mut dyn FnMut() -> String) {
        let known = |tick: &Tick| tick.examples.iter().any(|(seen, _)| *seen == failure);
        if !known(&self.tick.borrow()) {
            // Not under the borrow: the caller's closure may record something itself.
            let example = detail();
            self.tick.borrow_mut().examples.push((failure, example));
        }
    }

    fn connection(&self, event: ConnectionEvent) {
        let mut tick = self.tick.borrow_mut();
        match event {
            ConnectionEvent::Opened {
                connect_time,
                reconnected,
            } => {
                tick.connections.opened += 1;
                tick.connections.reconnected += u64::from(reconnected);
                tick.connect_time.saturating_record(connect_time);
            }
            ConnectionEvent::Failed => tick.connections.failed += 1,
            ConnectionEvent::Dropped => tick.connections.dropped += 1,
        }
    }

    #[inline]
    fn bytes(&self, sent: u64, received: u64) {
        let mut tick = self.tick.borrow_mut();
        tick.bytes.sent += sent;
        tick.bytes.received += received;
    }

    fn count(&self, counter: MetricIndex, delta: u64) {
        if let Some(sum) = self.tick.borrow_mut().counters.get_mut(counter) {
            *sum += delta;
        }
    }

    fn gauge(&self, gauge: MetricIndex, value: f64) {
        if let Some(last) = self.tick.borrow_mut().gauges.get_mut(gauge) {
            *last = Some(value);
        }
    }

    fn timing(&self, timing: MetricIndex, value: Nanos) {
        if let Some(histogram) = self.tick.borrow_mut().timings.get_mut(timing) {
            histogram.saturating_record(value);
        }
    }
}

/// An observer for the warm-up: passes on what must be told apart, records nothing.
#[derive(Debug)]
pub struct Muted;

impl Observer for Muted {
    fn step(&self, _: StepSample) {}
    fn sample(&self, _: usize, _: SampleKind, _: Nanos) {}
    fn messages(&self, _: usize, _: u64, _: u64) {}
    fn message_fault(&self, _: usize, _: MessageFault, _: u64) {}
    fn backend(&self, _: &[u8]) -> BackendIndex {
        0
    }
    fn explain(&self, _: Failure, _: &mut dyn FnMut() -> String) {}
    fn connection(&self, _: ConnectionEvent) {}
    fn bytes(&self, _: u64, _: u64) {}
    fn count(&self, _: MetricIndex, _: u64) {}
    fn gauge(&self, _: MetricIndex, _: f64) {}
    fn timing(&self, _: MetricIndex, _: Nanos) {}
}
