//! What workloads tell a recorder while measuring goes on.

use super::Recorder;
use super::example::shorten;
use crate::clock::{Nanos, nanos};
use crate::outcome::Failure;
use crate::record::local::bounds::{MOST_BACKENDS, MOST_CLASSES, MOST_NAME_BYTES, OTHER_BACKENDS};
use crate::record::local::tick::Answer;
use crate::record::local::{Via, Whose};
use crate::record::{
    ConnectionCounts, Decisions, Farewells, LifePart, MOST_STANDINGS, ScenarioRecord,
    StandingRecord, new_histogram,
};
use crate::text;
use crate::workload::{
    AddressIndex, BackendIndex, ConnectionEvent, ConnectionId, Counter, FarewellEvent, Gauge,
    KeyIndex, MessageFault, Observer, Opened, RetryEvent, SampleKind, Standing, StepSample,
    StreamEvent, TargetIndex, Timing,
};

/// Whether a class of failures has no example yet, and there may be one more.
fn has_room(examples: &[(Failure, String)], failure: Failure) -> bool {
    examples.len() < MOST_CLASSES && examples.iter().all(|(seen, _)| *seen != failure)
}

/// A name, with a mark where it is too long for one.
fn cut(mut name: String) -> String {
    const MARK: &str = "\u{2026}";
    if name.len() > MOST_NAME_BYTES {
        name.truncate(name.floor_char_boundary(MOST_NAME_BYTES - MARK.len()));
        name.push_str(MARK);
        name.shrink_to_fit();
    }
    name
}

impl Recorder {
    /// What others said, as it may be kept: masked before anything is cut. Not to be called while the tick
    /// is borrowed, as who tells it may record something itself.
    fn shown(&self, said: &mut dyn FnMut() -> String) -> String {
        let mut example = text::line(&self.secrets.masked(&said()));
        shorten(&mut example);
        example
    }
}

// Whatever can be heard is recorded.
#[deny(clippy::missing_trait_methods)]
impl Observer for Recorder {
    fn step(&self, sample: StepSample) {
        let mut tick = self.tick.borrow_mut();
        tick.record_step(&sample);
        // What servers are told by is what iterations ask them.
        if self.part_of(sample.step).is_none() {
            let response_time = sample.split.response_time();
            let answer = Answer {
                due: self.since_origin(sample.due),
                began: self.since_origin(sample.ended.saturating_sub(sample.split.service_time)),
                at: self.since_origin(sample.ended),
                is_ok: sample.outcome.is_ok(),
                is_unsent: sample.is_unsent,
            };
            let via = Via {
                backend: sample.backend,
                connection: sample.connection,
                whose: (!sample.has_stream).then_some(Whose {
                    user: sample.user,
                    key: sample.key,
                }),
                is_unsent: sample.is_unsent,
            };
            self.answered(&mut tick, &via, answer, response_time);
        }
    }

    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        let mut tick = self.tick.borrow_mut();
        if let Some(step) = tick.steps.get_mut(step) {
            step.samples[kind as usize]
                .get_or_insert_with(new_histogram)
                .saturating_record(value);
        }
    }

    fn messages(&self, step: usize, backend: Option<BackendIndex>, sent: u64, received: u64) {
        let mut tick = self.tick.borrow_mut();
        if let Some(of) = tick.steps.get_mut(step) {
            of.sent += sent;
            of.received += received;
        }
        if received > 0 && self.part_of(step).is_none() {
            tick.backend(backend).messages += received;
        }
    }

    fn stream(&self, backend: Option<BackendIndex>, event: StreamEvent) {
        let mut tick = self.tick.borrow_mut();
        let streams = &mut tick.backend(backend).streams;
        match event {
            StreamEvent::Opened => streams.opened += 1,
            StreamEvent::Ended => streams.ended += 1,
            // The end of the run breaks nothing: they are open then.
            StreamEvent::Broke => streams.broken += u64::from(!self.is_interrupting()),
        }
    }

    fn serves(&self, opened: Opened) {
        self.served(opened, Some(opened.at));
    }

    fn heard(&self, opened: Opened, last: Nanos) {
        self.last_heard(opened, last);
    }

    fn lives(&self, at: Nanos) {
        let at = self.since_origin(at);
        self.tick.borrow_mut().activity.ok(at);
    }

    fn farewell(&self, said_at: Nanos, event: FarewellEvent) {
        // The end of the run breaks nothing.
        if event == FarewellEvent::Broken && self.is_interrupting() {
            return;
        }
        let moment = self.since_origin(said_at) / nanos(Farewells::MOMENT);
        let mut tick = self.tick.borrow_mut();
        tick.farewells.entry(moment).or_default().add(event);
    }

    fn key(&self, key: &str) -> Option<KeyIndex> {
        self.key_of(key)
    }

    fn retry(
        &self,
        event: RetryEvent,
        backend: Option<BackendIndex>,
        connection: Option<ConnectionId>,
    ) {
        let backend = self.presumed(&Via {
            backend,
            connection,
            ..Via::default()
        });
        self.tick.borrow_mut().retries.count(event, backend);
    }

    fn stands(&self, peer: &str, change: (Standing, Standing), at: Nanos, why: &str) {
        let why = self.shown(&mut || why.to_owned());
        let at = self.since_origin(at);
        let mut tick = self.tick.borrow_mut();
        if tick.standings.len() < MOST_STANDINGS {
            let peer = peer.to_owned();
            tick.standings
                .push(StandingRecord::new(at, peer, change, why));
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
    fn backend(&self, identity: &[u8], connection: Option<ConnectionId>) -> BackendIndex {
        let mut identities = self.identities.borrow_mut();
        let known_by = identity.get(..MOST_NAME_BYTES).unwrap_or(identity);
        let index = match identities.iter().position(|seen| **seen == *known_by) {
            Some(index) => index,
            None if identities.len() < MOST_BACKENDS => {
                // A service that names each request anew must not fill our memory.
                let last = identities.len() + 1 == MOST_BACKENDS;
                let name = if last {
                    OTHER_BACKENDS.to_owned()
                } else {
                    let identity = String::from_utf8_lossy(identity);
                    match text::line(&self.secrets.masked(&identity)) {
                        // What is known is not to be taken for what is not.
                        name if name == ScenarioRecord::UNKNOWN => format!("\"{name}\""),
                        name => cut(name),
                    }
                };
                self.tick.borrow_mut().new_backends.push(name);
                identities.push(if last {
                    Box::default()
                } else {
                    known_by.into()
                });
                identities.len() - 1
            }
            None => MOST_BACKENDS - 1,
        };
        let index = BackendIndex::try_from(index).expect("bounded above");
        if let Some(connection) = connection {
            let (is_new, decisions) = self.named.borrow_mut().answered(connection, index);
            if is_new || decisions != Decisions::default() {
                let mut tick = self.tick.borrow_mut();
                tick.backend(Some(index)).connections += u64::from(is_new);
                tick.decisions += decisions;
            }
        }
        index
    }

    fn explain(&self, step: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        let step = step.filter(|it| self.part_of(*it).is_some());
        // The iteration that needed a session ends as its beginning did; how a session ends is nobody
        // else's outcome.
        let is_of_iterations = step.is_none_or(|it| self.part_of(it) == Some(LifePart::Begin));
        let (for_scenario, for_step) = {
            let tick = self.tick.borrow();
            let of_step = step.and_then(|it| tick.steps.get(it));
            (
                is_of_iterations && has_room(&tick.examples, failure),
                of_step.is_some_and(|it| has_room(&it.examples, failure)),
            )
        };
        if for_scenario || for_step {
            let example = self.shown(detail);
            let tick = &mut *self.tick.borrow_mut();
            if let (true, Some(step)) = (for_step, step) {
                tick.steps[step].examples.push((failure, example.clone()));
            }
            if for_scenario {
                tick.examples.push((failure, example));
            }
        }
    }

    #[inline]
    fn check(&self, step: usize, check: usize, passed: bool, example: &mut dyn FnMut() -> String) {
        let wants_example = {
            let mut tick = self.tick.borrow_mut();
            let Some(of) = tick.check_of(step, check) else {
                return;
            };
            of.passed += u64::from(passed);
            of.failed += u64::from(!passed);
            !passed && of.example.is_none()
        };
        if wants_example {
            let example = self.shown(example);
            if let Some(of) = self.tick.borrow_mut().check_of(step, check) {
                of.example.get_or_insert(example);
            }
        }
    }

    fn connection(&self, target: TargetIndex, event: ConnectionEvent) {
        let mut tick = self.tick.borrow_mut();
        let mut counts = ConnectionCounts::default();
        match event {
            ConnectionEvent::Opened {
                connect_time,
                tls_time,
                reconnected,
            } => {
                counts.opened = 1;
                counts.reconnected = u64::from(reconnected);
                tick.connect_time.saturating_record(connect_time);
                if let Some(tls_time) = tls_time {
                    let times = tick.tls_time.get_or_insert_with(new_histogram);
                    times.saturating_record(tls_time);
                }
            }
            ConnectionEvent::Redirected => counts.redirects = 1,
            ConnectionEvent::Failed => counts.failed = 1,
            ConnectionEvent::Dropped => counts.dropped = 1,
        }
        tick.connections += counts;
        tick.happened_in(self.second(self.now.get())).connections += counts;
        if let Some(target) = tick.targets.get_mut(target) {
            target.connections += counts;
        }
    }

    fn connected(&self, target: TargetIndex, address: &str) -> Option<AddressIndex> {
        let (number, is_new) = self.addresses.number(target, address)?;
        let addresses = &mut self.tick.borrow_mut().addresses;
        if is_new {
            addresses.new.push((target, address.to_owned()));
        }
        addresses.of(number).connections += 1;
        Some(number)
    }

    fn listed(&self, target: TargetIndex, address: &str, is_listed: bool, at: Nanos) {
        let Some((number, is_new)) = self.addresses.number(target, address) else {
            return;
        };
        let at = self.until(at);
        let addresses = &mut self.tick.borrow_mut().addresses;
        if is_new {
            addresses.new.push((target, address.to_owned()));
        }
        addresses.listings.push((number, is_listed, at));
    }

    fn backed_off(&self, rest: Nanos) {
        self.tick
            .borrow_mut()
            .back_off
            .get_or_insert_with(new_histogram)
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
