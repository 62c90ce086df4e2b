//! What one worker measured of one scenario between two swaps.

use std::collections::HashMap;

use super::activity::Activity;
use super::addresses::AddressesTick;
use super::few::FewOrMany;
use super::fine::Fine;
use super::homes::HomesTick;
use super::retries::RetryTick;
use super::tally::Tally;
use crate::clock::Nanos;
use crate::outcome::Failure;
use crate::record::{
    ByteCount, ConnectionCounts, Decisions, FarewellCount, Histogram, Ledger, Names, Parts,
    StandingRecord, StepSpec, StreamCount, new_histogram,
};
use crate::workload::{BackendIndex, Levels, MessageFault, SampleKind, Split, StepSample};

/// One worker's figures of one scenario over one tick, about a second. Used again and again.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(in crate::record) ledger: Ledger,
    pub(in crate::record) started_in_time: u64,
    pub(in crate::record) unanswered: u64,
    pub(in crate::record) dropped_unanswered: u64,
    pub(in crate::record) dropped_kept: u64,
    pub(in crate::record) youngest_unanswered: Nanos,
    pub(in crate::record) youngest_cut_off: Nanos,
    pub(in crate::record) users_busy: u64,
    /// What happened by the second in which it did. Most ticks hold one or two.
    pub(in crate::record) happened: Vec<(u64, Happened)>,
    pub(in crate::record) activity: Activity,
    /// Response times by the second in which the iteration was due. Most ticks hold one or two.
    pub(in crate::record) response_time: Vec<(u64, Histogram)>,
    pub(in crate::record) service_time: Histogram,
    pub(in crate::record) parts: Parts,
    pub(in crate::record) saturated_samples: u64,
    pub(in crate::record) outcomes: Tally,
    pub(in crate::record) examples: Vec<(Failure, String)>,
    pub(in crate::record) bytes: ByteCount,
    pub(in crate::record) connections: ConnectionCounts,
    pub(in crate::record) connect_time: Histogram,
    pub(in crate::record) tls_time: Option<Histogram>,
    pub(in crate::record) back_off: Option<Histogram>,
    pub(in crate::record) targets: Vec<TargetTick>,
    pub(in crate::record) addresses: AddressesTick,
    pub(in crate::record) steps: Vec<StepTick>,
    pub(in crate::record) backends: Vec<BackendTick>,
    /// What no server is known for.
    pub(in crate::record) unknown: BackendTick,
    pub(in crate::record) decisions: Decisions,
    /// Requests around events, where there are any.
    pub(in crate::record) fine: Fine,
    pub(in crate::record) homes: HomesTick,
    pub(in crate::record) retries: RetryTick,
    pub(in crate::record) standings: Vec<StandingRecord>,
    /// What became of streams after good-byes, by when these were said.
    pub(in crate::record) farewells: HashMap<u64, FarewellCount>,
    pub(in crate::record) new_backends: Vec<String>,
    pub(in crate::record) counters: Vec<u64>,
    pub(in crate::record) gauges: Vec<Option<f64>>,
    pub(in crate::record) timings: Vec<Histogram>,
    pub(in crate::record) levels: Levels,
    /// Emptied histograms for seconds and backends to come.
    pool: Vec<Histogram>,
}

/// Counts of what happened in one second.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::record) struct Happened {
    pub(in crate::record) started: u64,
    pub(in crate::record) completed: u64,
    pub(in crate::record) failed: u64,
    /// The most that were busy.
    pub(in crate::record) users: u64,
    pub(in crate::record) connections: ConnectionCounts,
}

impl Happened {
    #[inline]
    pub(in crate::record) fn busy(&mut self, users: u64) {
        self.users = self.users.max(users);
    }

    #[inline]
    pub(in crate::record) fn ended(&mut self, is_ok: bool) {
        self.completed += u64::from(is_ok);
        self.failed += u64::from(!is_ok);
    }
}

/// The most seconds of due times that one tick tells apart.
const MOST_SECONDS: usize = 64;

/// Where the oldest of these seconds stands.
fn oldest(seconds: impl Iterator<Item = u64>) -> usize {
    let oldest = seconds.enumerate().min_by_key(|(_, second)| *second);
    oldest.map_or(0, |(index, _)| index)
}

/// One step's part of a tick, beside what a single step shares with its iteration.
#[derive(Debug, Default)]
pub(in crate::record) struct StepTick {
    pub(in crate::record) times: Option<Box<StepTimes>>,
    pub(in crate::record) outcomes: Tally,
    pub(in crate::record) unanswered: u64,
    pub(in crate::record) youngest_unanswered: Option<Nanos>,
    pub(in crate::record) youngest_cut_off: Option<Nanos>,
    pub(in crate::record) sent: u64,
    pub(in crate::record) received: u64,
    pub(in crate::record) faults: [u64; MessageFault::ALL.len()],
    pub(in crate::record) samples: [Option<Histogram>; SampleKind::ALL.len()],
    pub(in crate::record) checks: Vec<CheckTick>,
    /// Of a step outside of iterations, whose failures are in no other list.
    pub(in crate::record) examples: Vec<(Failure, String)>,
}

/// How often a check held and how often it did not, and what was seen when it did not.
#[derive(Debug, Clone, Default)]
pub(in crate::record) struct CheckTick {
    pub(in crate::record) passed: u64,
    pub(in crate::record) failed: u64,
    pub(in crate::record) example: Option<String>,
}

impl StepTick {
    fn new(step: &StepSpec) -> Self {
        Self {
            checks: vec![CheckTick::default(); step.checks.len()],
            ..Self::default()
        }
    }

    fn clear(&mut self) {
        self.outcomes.clear();
        self.unanswered = 0;
        self.youngest_unanswered = None;
        self.youngest_cut_off = None;
        self.sent = 0;
        self.received = 0;
        self.faults = Default::default();
        if let Some(times) = &mut self.times {
            times.response_time.reset();
            times.service_time.reset();
            times.parts.reset();
        }
        for histogram in self.samples.iter_mut().flatten() {
            histogram.reset();
        }
        self.checks.fill(CheckTick::default());
        self.examples.clear();
    }
}

#[derive(Debug)]
pub(in crate::record) struct StepTimes {
    pub(in crate::record) response_time: Histogram,
    pub(in crate::record) service_time: Histogram,
    pub(in crate::record) parts: Parts,
}

impl StepTimes {
    pub(in crate::record) fn new() -> Self {
        Self {
            response_time: new_histogram(),
            service_time: new_histogram(),
            parts: Parts::of_step(),
        }
    }
}

/// The lesser of two ages, where there is any.
pub(in crate::record) fn youngest(one: Option<Nanos>, other: Option<Nanos>) -> Option<Nanos> {
    one.into_iter().chain(other).min()
}

/// One target's part of a tick.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::record) struct TargetTick {
    pub(in crate::record) completed: u64,
    pub(in crate::record) failed: u64,
    pub(in crate::record) unanswered: u64,
    pub(in crate::record) connections: ConnectionCounts,
}

impl TargetTick {
    #[inline]
    pub(in crate::record) fn ended(&mut self, is_ok: bool) {
        self.completed += u64::from(is_ok);
        self.failed += u64::from(!is_ok);
    }
}

/// One backend's part of a tick, by the worker's own number for it.
#[derive(Debug)]
pub(in crate::record) struct BackendTick {
    pub(in crate::record) requests: u64,
    pub(in crate::record) failed: u64,
    pub(in crate::record) interrupted: u64,
    pub(in crate::record) connections: u64,
    pub(in crate::record) streams: StreamCount,
    pub(in crate::record) messages: u64,
    /// When the first and the last of its requests ended, from where seconds count; the first is after the
    /// last where none did.
    pub(in crate::record) first: Nanos,
    pub(in crate::record) last: Nanos,
    pub(in crate::record) response_time: FewOrMany,
    /// How many requests by the second in which they were due. Most ticks hold one or two.
    pub(in crate::record) by_due: Vec<(u64, Answers)>,
}

/// Requests that were answered.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::record) struct Answers {
    pub(in crate::record) requests: u64,
    pub(in crate::record) failed: u64,
}

/// A request that ended.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Answer {
    /// When it was due, from where seconds count.
    pub(in crate::record) due: Nanos,
    /// When the service got it, from where seconds count.
    pub(in crate::record) began: Nanos,
    /// When it ended, from where seconds count.
    pub(in crate::record) at: Nanos,
    pub(in crate::record) is_ok: bool,
    /// Whether nobody got it.
    pub(in crate::record) is_unsent: bool,
}

impl BackendTick {
    pub(in crate::record) fn new() -> Self {
        Self {
            requests: 0,
            failed: 0,
            interrupted: 0,
            connections: 0,
            streams: StreamCount::default(),
            messages: 0,
            first: Nanos::MAX,
            last: 0,
            response_time: FewOrMany::new(),
            by_due: Vec::new(),
        }
    }

    /// Whether it has anything.
    pub(in crate::record) fn has_any(&self) -> bool {
        let Self {
            requests,
            interrupted,
            connections,
            streams,
            messages,
            ..
        } = self;
        requests + interrupted + connections + messages > 0 || *streams != StreamCount::default()
    }

    fn clear(&mut self) {
        if self.has_any() {
            let (mut response_time, mut by_due) = (
                std::mem::replace(&mut self.response_time, FewOrMany::new()),
                std::mem::take(&mut self.by_due),
            );
            response_time.reset();
            by_due.clear();
            *self = Self {
                response_time,
                by_due,
                ..Self::new()
            };
        }
    }

    #[inline]
    pub(in crate::record) fn record(&mut self, answer: Answer, response_time: Nanos) {
        self.count(answer);
        self.response_time.record(response_time);
    }

    #[inline]
    pub(in crate::record) fn count(&mut self, answer: Answer) {
        let failed = u64::from(!answer.is_ok);
        self.requests += 1;
        self.failed += failed;
        self.first = self.first.min(answer.at);
        self.last = self.last.max(answer.at);
        let due_second = answer.due / 1_000_000_000;
        let found = self.by_due.iter().rposition(|(of, _)| *of == due_second);
        let index = found.unwrap_or_else(|| {
            // The series of a server may tell no more of them apart.
            if self.by_due.len() == MOST_SECONDS {
                return oldest(self.by_due.iter().map(|(of, _)| *of));
            }
            self.by_due.push((due_second, Answers::default()));
            self.by_due.len() - 1
        });
        let answers = &mut self.by_due[index].1;
        answers.requests += 1;
        answers.failed += failed;
    }
}

impl Tick {
    /// An empty tick.
    #[must_use]
    pub(crate) fn new(names: &Names) -> Self {
        Self {
            ledger: Ledger::default(),
            started_in_time: 0,
            unanswered: 0,
            dropped_unanswered: 0,
            dropped_kept: 0,
            youngest_unanswered: Nanos::MAX,
            youngest_cut_off: Nanos::MAX,
            users_busy: 0,
            happened: Vec::new(),
            activity: Activity::default(),
            response_time: Vec::new(),
            service_time: new_histogram(),
            parts: Parts::of_scenario(),
            saturated_samples: 0,
            outcomes: Tally::default(),
            examples: Vec::new(),
            bytes: ByteCount::default(),
            connections: ConnectionCounts::default(),
            connect_time: new_histogram(),
            tls_time: None,
            back_off: None,
            targets: vec![TargetTick::default(); names.targets.len()],
            addresses: AddressesTick::default(),
            steps: names.steps.iter().map(StepTick::new).collect(),
            backends: Vec::new(),
            unknown: BackendTick::new(),
            decisions: Decisions::default(),
            fine: Fine::default(),
            homes: HomesTick::default(),
            retries: RetryTick::default(),
            standings: Vec::new(),
            farewells: HashMap::new(),
            new_backends: Vec::new(),
            counters: vec![0; names.counters.len()],
            gauges: vec![None; names.gauges.len()],
            timings: names.timings.iter().map(|_| new_histogram()).collect(),
            levels: Levels::default(),
            pool: Vec::new(),
        }
    }

    /// Says what stands at its end.
    pub(crate) fn set_levels(&mut self, levels: Levels) {
        self.levels = levels;
    }

    /// Empties it for the next use and keeps its memory.
    pub(in crate::record) fn clear(&mut self) {
        self.ledger = Ledger::default();
        self.started_in_time = 0;
        self.unanswered = 0;
        self.dropped_unanswered = 0;
        self.dropped_kept = 0;
        self.youngest_unanswered = Nanos::MAX;
        self.youngest_cut_off = Nanos::MAX;
        self.users_busy = 0;
        self.happened.clear();
        self.activity.clear();
        for (_, mut histogram) in self.response_time.drain(..) {
            histogram.reset();
            self.pool.push(histogram);
        }
        // A stall makes a histogram for each of its seconds once; do not keep them for ever.
        self.pool.truncate(8);
        self.parts.reset();
        for histogram in [&mut self.service_time, &mut self.connect_time]
            .into_iter()
            .chain(&mut self.tls_time)
            .chain(&mut self.back_off)
            .chain(&mut self.timings)
        {
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
        self.saturated_samples = 0;
        self.outcomes.clear();
        self.examples.clear();
        self.bytes = ByteCount::default();
        self.connections = ConnectionCounts::default();
        self.targets.fill(TargetTick::default());
        self.addresses.clear();
        self.steps.iter_mut().for_each(StepTick::clear);
        self.backends.iter_mut().for_each(BackendTick::clear);
        self.unknown.clear();
        self.decisions = Decisions::default();
        self.fine.clear();
        self.homes.clear();
        self.retries.clear();
        self.standings.clear();
        self.farewells.clear();
        self.new_backends.clear();
        self.counters.fill(0);
        self.gauges.fill(None);
        self.levels = Levels::default();
    }

    /// The response times of iterations due in this second.
    #[inline]
    pub(in crate::record) fn response_time_of(&mut self, second: u64) -> &mut Histogram {
        let found = self
            .response_time
            .iter()
            .rposition(|(due, _)| *due == second);
        let index = found.unwrap_or_else(|| {
            // The series keeps as many seconds open; older samples go to its oldest one anyway.
            if self.response_time.len() == MOST_SECONDS {
                return oldest(self.response_time.iter().map(|(of, _)| *of));
            }
            let histogram = self.pool.pop().unwrap_or_else(new_histogram);
            self.response_time.push((second, histogram));
            self.response_time.len() - 1
        });
        &mut self.response_time[index].1
    }

    /// What happened in this second.
    #[inline]
    pub(in crate::record) fn happened_in(&mut self, second: u64) -> &mut Happened {
        let found = self.happened.iter().rposition(|(of, _)| *of == second);
        let index = found.unwrap_or_else(|| {
            self.happened.push((second, Happened::default()));
            self.happened.len() - 1
        });
        &mut self.happened[index].1
    }

    pub(in crate::record) fn record_step(&mut self, sample: &StepSample) {
        if let Some(step) = self.steps.get_mut(sample.step) {
            let times = step.times.get_or_insert_with(|| Box::new(StepTimes::new()));
            let split = &sample.split;
            times.response_time.saturating_record(split.response_time());
            times.service_time.saturating_record(split.service_time);
            times.parts.started(split.queue_wait, split.start_lag);
            times.parts.ended(split);
            step.outcomes.add(sample.outcome, 1);
        }
    }

    /// A step's check, by the places of both.
    pub(in crate::record) fn check_of(
        &mut self,
        step: usize,
        check: usize,
    ) -> Option<&mut CheckTick> {
        self.steps.get_mut(step)?.checks.get_mut(check)
    }

    /// A step of several was given up that an answer was owed to.
    pub(in crate::record) fn step_unanswered(&mut self, step: usize, split: &Split) {
        if let Some(step) = self.steps.get_mut(step) {
            let times = step.times.get_or_insert_with(|| Box::new(StepTimes::new()));
            let (age, service_time) = (split.response_time(), split.service_time);
            times.response_time.saturating_record(age);
            times.service_time.saturating_record(service_time);
            times.parts.undelayed.saturating_record(split.undelayed());
            step.unanswered += 1;
            step.youngest_unanswered = youngest(step.youngest_unanswered, Some(age));
            step.youngest_cut_off = youngest(step.youngest_cut_off, Some(service_time));
        }
    }

    /// The part of a backend, by the worker's own number for it; without one, what no server is known for.
    #[inline]
    pub(in crate::record) fn backend(&mut self, index: Option<BackendIndex>) -> &mut BackendTick {
        let Some(index) = index.map(usize::from) else {
            return &mut self.unknown;
        };
        if self.backends.len() <= index {
            self.backends.resize_with(index + 1, BackendTick::new);
        }
        &mut self.backends[index]
    }

    pub(in crate::record) fn forget_warm_up(&mut self) {
        self.bytes = ByteCount::default();
        self.counters.fill(0);
        self.gauges.fill(None);
        for timing in &mut self.timings {
            timing.reset();
        }
    }
}
