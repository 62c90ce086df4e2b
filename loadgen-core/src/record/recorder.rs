//! One worker's recorder of one scenario.

use std::cell::{Cell, RefCell};
use std::fmt;

use super::tick::{MOST_CLASSES, Tick};
use super::{ConnectionCounts, HIGHEST_NS, Names};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::secrets::Secrets;
use crate::text;
use crate::workload::{
    BackendIndex, ConnectionEvent, Counter, Gauge, MessageFault, Observer, SampleKind, Split,
    StepSample, TargetIndex, Timing,
};

/// One worker's recorder of one scenario: fills the current tick, without locks and, once warm,
/// without allocating.
pub struct Recorder {
    tick: RefCell<Box<Tick>>,
    identities: RefCell<Vec<Box<[u8]>>>,
    single_step: bool,
    secrets: Secrets,
    origin: Cell<Nanos>,
    is_measuring: Cell<bool>,
    users_busy: Cell<u64>,
    /// Of these, those that rest on purpose.
    users_resting: Cell<u64>,
    /// The last moment that was heard of.
    now: Cell<Nanos>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// Backends told apart, on one worker and in one run; what comes after them is counted together.
pub(super) const MOST_BACKENDS: usize = 256;
/// The name under which they are counted.
pub(super) const OTHER_BACKENDS: &str = "(others)";

/// An arrival that started. Queue wait and start lag together are its start less its due time.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// When.
    pub at: Nanos,
    /// From due until a user was free: the service's doing.
    pub queue_wait: Nanos,
    /// The rest until it started: the generator's own lateness.
    pub start_lag: Nanos,
    /// Whether that is above the tolerance.
    pub is_late: bool,
    /// Whether it started within the plan's time.
    pub is_in_time: bool,
}

/// An iteration that ended by itself.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When it was due.
    pub due: Nanos,
    /// When it was over for the service.
    pub at: Nanos,
    /// What its time is made of.
    pub split: Split,
    /// How it ended.
    pub outcome: Outcome,
    /// Who answered, where that is known.
    pub backend: Option<BackendIndex>,
    /// Which of the scenario's targets it went to.
    pub target: TargetIndex,
}

/// What the service left without an answer: its age is a lower bound of its response time.
#[derive(Debug, Clone, Copy)]
pub struct Unanswered {
    /// When it was due.
    pub due: Nanos,
    /// What the time is made of that it has waited.
    pub split: Split,
    /// The step of several that it was at, and what that step's time is made of.
    pub step: Option<(usize, Split)>,
    /// Which of the scenario's targets it went to, where it was started.
    pub target: TargetIndex,
}

impl Unanswered {
    /// An arrival that no user came for until then.
    #[must_use]
    pub fn in_line(due: Nanos, until: Nanos) -> Self {
        Self {
            due,
            split: Split {
                queue_wait: until.saturating_sub(due),
                ..Split::default()
            },
            step: None,
            target: 0,
        }
    }
}

impl Recorder {
    /// A recorder with an empty tick.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        Self {
            tick: RefCell::new(Box::new(Tick::new(names))),
            identities: RefCell::new(Vec::new()),
            single_step: names.steps.len() == 1,
            secrets: Secrets::default(),
            origin: Cell::new(0),
            is_measuring: Cell::new(false),
            users_busy: Cell::new(0),
            users_resting: Cell::new(0),
            now: Cell::new(0),
        }
    }

    /// The same, with these masked in what servers say.
    #[must_use]
    pub fn masking(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// Sets where the series' seconds count from. To be called before the load begins.
    pub fn begin(&self, origin: Nanos) {
        self.origin.set(origin);
        self.forget_warm_up();
    }

    /// Forgets what the tick holds so far that belongs to no iteration, bytes and custom metrics:
    /// it takes somebody who knows the time to tell those of the warm-up apart. What became of
    /// connections stays.
    pub fn forget_warm_up(&self) {
        self.tick.borrow_mut().forget_warm_up();
    }

    /// Measuring has begun: what came before is forgotten. Whoever first knows says so; from then on
    /// nothing is forgotten any more.
    #[inline]
    pub fn begin_measuring(&self) {
        if !self.is_measuring.replace(true) {
            self.forget_warm_up();
        }
    }

    /// The seconds from where they count until `at`.
    #[inline]
    fn second(&self, at: Nanos) -> u64 {
        at.saturating_sub(self.origin.get()) / 1_000_000_000
    }

    /// Says what time it is, for what follows and tells no time of its own.
    #[inline]
    pub fn at(&self, now: Nanos) {
        self.now.set(now);
    }

    /// Takes the tick so far and goes on with `empty`.
    #[must_use]
    pub fn swap(&self, empty: Box<Tick>) -> Box<Tick> {
        let mut full = self.tick.replace(empty);
        full.users_busy = self.users_busy.get();
        full
    }

    /// Says that it is `now`, and that it was `before` when this was last said: users that are busy now
    /// were so in between, as far as anybody knows.
    pub fn beat(&self, before: Nanos, now: Nanos, asks: bool) {
        self.at(now);
        let busy = self.users_busy.get();
        if busy > 0 {
            let origin = self.origin.get();
            let mut tick = self.tick.borrow_mut();
            tick.happened_in(self.second(now)).busy(busy);
            if asks && busy > self.users_resting.get() {
                let (from, to) = (before.saturating_sub(origin), now.saturating_sub(origin));
                tick.activity.under_way(from, to);
            }
        }
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
    pub fn started_closed(&self, at: Nanos) {
        self.begin_measuring();
        let mut tick = self.tick.borrow_mut();
        tick.ledger.planned += 1;
        tick.ledger.started += 1;
        tick.started_in_time += 1;
        self.busy(&mut tick, at);
    }

    /// A planned arrival starts.
    #[inline]
    pub fn started_open(&self, started: &Started) {
        self.begin_measuring();
        let mut tick = self.tick.borrow_mut();
        tick.ledger.started += 1;
        tick.ledger.late += u64::from(started.is_late);
        tick.started_in_time += u64::from(started.is_in_time);
        tick.parts.started(started.queue_wait, started.start_lag);
        self.busy(&mut tick, started.at);
    }

    #[inline]
    fn busy(&self, tick: &mut Tick, at: Nanos) {
        let busy = self.users_busy.get() + 1;
        self.users_busy.set(busy);
        self.now.set(at);
        let happened = tick.happened_in(self.second(at));
        happened.started += 1;
        happened.busy(busy);
    }

    /// An iteration ended by itself.
    #[inline]
    pub fn ended(&self, ended: &Ended) {
        self.users_busy.set(self.users_busy.get() - 1);
        let is_ok = ended.outcome.is_ok();
        let response_time = ended.split.response_time();
        let mut tick = self.tick.borrow_mut();
        let happened = tick.happened_in(self.second(ended.at));
        happened.ended(is_ok);
        if is_ok {
            tick.ledger.completed += 1;
            let since = ended.at.saturating_sub(self.origin.get());
            tick.activity.ok(since);
        } else {
            tick.ledger.failed += 1;
        }
        if let Some(target) = tick.targets.get_mut(ended.target) {
            target.ended(is_ok);
        }
        tick.outcomes.add(ended.outcome, 1);
        tick.response_time_of(self.second(ended.due))
            .saturating_record(response_time);
        tick.service_time
            .saturating_record(ended.split.service_time);
        tick.parts.ended(&ended.split);
        if response_time > HIGHEST_NS {
            tick.saturated_samples += 1;
        }
        if let (true, Some(backend)) = (self.single_step, ended.backend) {
            tick.record_backend(usize::from(backend), is_ok, response_time);
        }
    }

    /// An iteration was cut off by the end of the run; maybe one that an answer was owed to.
    pub fn interrupted(&self, unanswered: Option<&Unanswered>) {
        self.users_busy.set(self.users_busy.get() - 1);
        let mut tick = self.tick.borrow_mut();
        tick.ledger.interrupted += 1;
        if let Some(unanswered) = unanswered {
            let service_time = unanswered.split.service_time;
            tick.service_time.saturating_record(service_time);
            tick.youngest_cut_off = tick.youngest_cut_off.min(service_time);
            if let Some(target) = tick.targets.get_mut(unanswered.target) {
                target.unanswered += 1;
            }
            if let Some((step, split)) = unanswered.step {
                tick.step_unanswered(step, &split);
            }
            self.unanswered(&mut tick, unanswered);
        }
    }

    /// One of the arrivals that were [`dropped`](Self::dropped) was so because the service kept all
    /// users busy.
    pub fn dropped_unanswered(&self, unanswered: &Unanswered) {
        let mut tick = self.tick.borrow_mut();
        tick.dropped_unanswered += 1;
        self.unanswered(&mut tick, unanswered);
    }

    fn unanswered(&self, tick: &mut Tick, unanswered: &Unanswered) {
        let age = unanswered.split.response_time();
        tick.unanswered += 1;
        tick.youngest_unanswered = tick.youngest_unanswered.min(age);
        tick.response_time_of(self.second(unanswered.due))
            .saturating_record(age);
        tick.parts
            .undelayed
            .saturating_record(unanswered.split.undelayed());
    }
}

impl Observer for Recorder {
    fn step(&self, sample: StepSample) {
        let mut tick = self.tick.borrow_mut();
        tick.record_step(&sample);
        if let Some(backend) = sample.backend {
            let ok = sample.outcome.is_ok();
            let response_time = sample.split.response_time();
            tick.record_backend(usize::from(backend), ok, response_time);
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
                    OTHER_BACKENDS.to_owned()
                } else {
                    let identity = String::from_utf8_lossy(identity);
                    text::line(&self.secrets.masked(&identity))
                };
                self.tick.borrow_mut().new_backends.push(name);
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
        let known = |tick: &Tick| {
            let examples = &tick.examples;
            examples.len() >= MOST_CLASSES || examples.iter().any(|(seen, _)| *seen == failure)
        };
        if !known(&self.tick.borrow()) {
            // Not under the borrow: the caller's closure may record something itself.
            // Before anything is cut.
            let mut example = text::line(&self.secrets.masked(&detail()));
            shorten(&mut example);
            self.tick.borrow_mut().examples.push((failure, example));
        }
    }

    fn connection(&self, target: TargetIndex, event: ConnectionEvent) {
        let mut tick = self.tick.borrow_mut();
        let mut counts = ConnectionCounts::default();
        match event {
            ConnectionEvent::Opened {
                connect_time,
                reconnected,
            } => {
                counts.opened = 1;
                counts.reconnected = u64::from(reconnected);
                tick.connect_time.saturating_record(connect_time);
            }
            ConnectionEvent::Failed => counts.failed = 1,
            ConnectionEvent::Dropped => counts.dropped = 1,
        }
        tick.connections += counts;
        tick.happened_in(self.second(self.now.get())).connections += counts;
        if let Some(target) = tick.targets.get_mut(target) {
            target.connections += counts;
        }
    }

    fn backed_off(&self, rest: Nanos) {
        self.tick
            .borrow_mut()
            .back_off
            .get_or_insert_with(super::new_histogram)
            .saturating_record(rest);
    }

    #[inline]
    fn bytes(&self, sent: u64, received: u64) {
        let mut tick = self.tick.borrow_mut();
        tick.bytes.sent += sent;
        tick.bytes.received += received;
    }

    fn rests(&self, begins: bool) {
        let resting = self.users_resting.get();
        self.users_resting.set(if begins {
            resting + 1
        } else {
            resting.saturating_sub(1)
        });
    }

    fn count(&self, counter: Counter, delta: u64) {
        if let Some(sum) = self.tick.borrow_mut().counters.get_mut(counter.place()) {
            *sum += delta;
        }
    }

    fn gauge(&self, gauge: Gauge, value: f64) {
        if let Some(last) = self.tick.borrow_mut().gauges.get_mut(gauge.place()) {
            *last = Some(value);
        }
    }

    fn timing(&self, timing: Timing, value: Nanos) {
        if let Some(histogram) = self.tick.borrow_mut().timings.get_mut(timing.place()) {
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
    fn connection(&self, _: TargetIndex, _: ConnectionEvent) {}
    fn backed_off(&self, _: Nanos) {}
    fn rests(&self, _: bool) {}
    fn bytes(&self, _: u64, _: u64) {}
    fn count(&self, _: Counter, _: u64) {}
    fn gauge(&self, _: Gauge, _: f64) {}
    fn timing(&self, _: Timing, _: Nanos) {}
}
/// The longest example of a failure, in bytes. A server has its say in it.
const MOST_EXAMPLE_BYTES: usize = 4 << 10;

/// Cuts an example that is too long, and says so.
fn shorten(example: &mut String) {
    const MARK: &str = " [cut]";
    if example.len() > MOST_EXAMPLE_BYTES {
        let end = example.floor_char_boundary(MOST_EXAMPLE_BYTES - MARK.len());
        example.truncate(end);
        example.push_str(MARK);
        example.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_cut_between_characters() {
        let mut short = "a".repeat(MOST_EXAMPLE_BYTES);
        shorten(&mut short);
        assert_eq!(short.len(), MOST_EXAMPLE_BYTES);
        let mut long = "\u{20ac}".repeat(MOST_EXAMPLE_BYTES);
        shorten(&mut long);
        assert!(long.len() <= MOST_EXAMPLE_BYTES && long.ends_with("\u{20ac} [cut]"));
    }
}
