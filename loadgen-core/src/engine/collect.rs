//! The collector: merges the workers' ticks, a snapshot a second, and tells the listeners.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime};

use super::event::{
    Event, GeneratorSnapshot, Phase, ScenarioSnapshot, ScenarioSoFar, Snapshot, SoFar,
};
use super::files::Files;
use super::lane::Timeline;
use super::marker::Marker;
use super::spec::ScenarioSpec;
use super::stopper::{Stop, Stopper};
use super::umpire;
use crate::cgroup::ThrottleMeter;
use crate::clock::{Clock, Nanos, nanos};
use crate::condition::{Tag, Threshold};
use crate::judge::watches;
use crate::pacer::Pacing;
use crate::process::Meter;
use crate::record::{
    EarlyEnd, GeneratorRecord, Merger, Overrun, Pauses, RunRecord, ScenarioRecord, TagMember,
    TagMerger, TagRecord, Tick, WorkerRecord,
};
use crate::schedule::Shard;
use crate::workload::{FileChange, PrepareError};

const SECOND: Nanos = 1_000_000_000;

/// What workers tell the collector.
pub(super) enum ToCollector {
    /// A worker's lanes have connected, or could not.
    Prepared {
        prepared: Vec<(usize, Result<(), PrepareError>)>,
    },
    /// One lane's figures of one tick.
    Tick {
        worker: usize,
        scenario: usize,
        at: Nanos,
        phase: Phase,
        last_end: Nanos,
        tick: Box<Tick>,
    },
    /// How a worker fared in its last second, and since measuring began.
    Vitals {
        worker: usize,
        vitals: WorkerRecord,
        so_far: WorkerRecord,
    },
    /// A worker is over.
    Done {
        worker: usize,
        record: WorkerRecord,
        panic: Option<String>,
        overrun: Option<Overrun>,
        failure: Option<io::Error>,
    },
}

/// Whoever listens to a run.
pub(super) type Listener = Box<dyn FnMut(&Event<'_>) + Send>;

/// One scenario's state in the collector.
struct Collected {
    merger: Merger,
    gauges: Vec<String>,
    /// Each worker's last word on the phase; `None` where it has no users.
    phases: Vec<Option<Phase>>,
    interval_from: Nanos,
    last_tick: Nanos,
    last_end: Nanos,
    /// When each worker last told of it; `None` where it has no users, or will tell no more.
    heard: Vec<Option<Nanos>>,
    timeline: Timeline,
    conditions: Vec<Threshold>,
}

/// All scenarios with a tag.
struct Tagged {
    merger: TagMerger,
    /// When the first of them begins to be measured.
    measure_from: Nanos,
    conditions: Vec<Threshold>,
}

impl Tagged {
    /// The tags that scenarios have, each with the conditions on it.
    fn all(specs: &[&ScenarioSpec], start: Nanos, conditions: &[Threshold]) -> Vec<Self> {
        let mut tags: Vec<(Tag, Vec<usize>)> = Vec::new();
        for (scenario, spec) in specs.iter().enumerate() {
            for (key, value) in &spec.tags {
                let tag = Tag::new(key, value);
                match tags.iter_mut().find(|(known, _)| *known == tag) {
                    Some((_, members)) => members.push(scenario),
                    None => tags.push((tag, vec![scenario])),
                }
            }
        }
        let from = |scenario: &usize| Timeline::new(specs[*scenario], start).measure_from;
        let tagged = tags.into_iter().map(|(tag, members)| {
            let of_tag = conditions.iter().filter(|it| it.tag() == Some(&tag));
            let conditions: Vec<Threshold> = of_tag.cloned().collect();
            let measure_from = members.iter().map(from).min().unwrap_or(start);
            let members = members.iter().map(|scenario| {
                let later = Duration::from_nanos(from(scenario) - measure_from);
                TagMember::new(*scenario, later)
            });
            let record = TagRecord::new(tag, members.collect());
            Self {
                merger: TagMerger::new(record, watches(&conditions)),
                measure_from,
                conditions,
            }
        });
        tagged.collect()
    }

    /// How much of their load everybody has told of, up to now: all of it where the last has ended.
    fn measured(&self, scenarios: &[Collected], cut: Nanos, now: Nanos) -> Duration {
        let members = &self.merger.record().members;
        let members = members.iter().map(|it| &scenarios[it.scenario]);
        let told = members.clone().filter_map(|it| it.told_until(cut)).min();
        let end = members.map(|it| it.end_of_load(cut)).max();
        let until = told.or(end).map_or(now, |until| until.min(now));
        Duration::from_nanos(until.saturating_sub(self.measure_from))
    }
}

impl Collected {
    /// Until when everybody has told of its load; `None` where they have of all of it.
    fn told_until(&self, cut: Nanos) -> Option<Nanos> {
        let told = self.heard.iter().flatten().min().copied();
        told.filter(|told| *told < self.end_of_load(cut))
    }

    /// How much of its load everybody has told of; nothing new began after `cut`.
    fn measured(&self, cut: Nanos) -> Duration {
        let until = self.told_until(cut);
        let until = until.unwrap_or_else(|| self.end_of_load(cut));
        Duration::from_nanos(until.saturating_sub(self.timeline.measure_from))
    }

    /// When its load ended, or will: what comes after that is the end of what was under way.
    fn end_of_load(&self, cut: Nanos) -> Nanos {
        let timeline = self.timeline;
        let is_done = self.heard.iter().all(Option::is_none);
        let end = match timeline.plan_end.filter(|_| timeline.lasts) {
            Some(planned) => planned,
            None if is_done => self.last_end,
            None => Nanos::MAX,
        };
        end.min(cut)
    }

    /// The second, from the start of measuring, that a tick is of which was handed over at this moment.
    fn second_of(&self, at: Nanos) -> u64 {
        /// A tick is handed over a little after its second is over.
        const LATE: Nanos = 100_000_000;
        at.saturating_sub(self.timeline.measure_from + LATE) / SECOND
    }

    fn phase(&self) -> Phase {
        let known = self.phases.iter().flatten();
        // Where nobody has users of it, others do.
        known.min().copied().unwrap_or(Phase::Done)
    }
}

/// What is known of a run when its clock starts.
pub(super) struct Beginning {
    pub(super) clock: Clock,
    /// When it starts, and when that is by the wall clock.
    pub(super) start: Nanos,
    pub(super) started_at: SystemTime,
    pub(super) pacing: Pacing,
    pub(super) shard: Shard,
    /// Who knows of events.
    pub(super) marker: Marker,
}

/// Merges until every worker is done.
pub(super) struct Collector {
    clock: Clock,
    start: Nanos,
    started_at: SystemTime,
    pacing: Pacing,
    marker: Marker,
    scenarios: Vec<Collected>,
    tags: Vec<Tagged>,
    returns: Vec<Vec<Sender<Box<Tick>>>>,
    /// Who looks at files, where there are any.
    files: Option<Files>,
    workers: Vec<Option<WorkerRecord>>,
    vitals: Vec<WorkerRecord>,
    /// How each worker has fared since measuring began, by its last word.
    so_far: Vec<WorkerRecord>,
    meter: Meter,
    throttling: ThrottleMeter,
    stopper: Stopper,
    /// Until when nobody had asked for the run to stop.
    runs_until: Nanos,
    early_end: Option<EarlyEnd>,
    panic: Option<String>,
    overrun: Option<Overrun>,
    failure: Option<io::Error>,
}

impl Collector {
    /// `returns[worker][scenario]` takes emptied ticks back. `conditions` are those on tags.
    pub(super) fn new(
        beginning: Beginning,
        specs: &[&ScenarioSpec],
        conditions: &[Threshold],
        returns: Vec<Vec<Sender<Box<Tick>>>>,
        stopper: Stopper,
        files: Option<Files>,
    ) -> Self {
        let Beginning {
            clock,
            start,
            started_at,
            pacing,
            shard,
            marker,
        } = beginning;
        let workers = returns.len();
        let mut meter = Meter::new(clock);
        // What the first second's processor time is held against.
        meter.read();
        let mut throttling = ThrottleMeter::of_this_process();
        throttling.since_last(clock.now());
        let scenarios = specs
            .iter()
            .map(|spec| {
                let timeline = Timeline::new(spec, start);
                let has_users = |worker| worker < spec.workers(workers, shard);
                Collected {
                    merger: Merger::new(&spec.names(), workers)
                        .watching(watches(&spec.thresholds))
                        .following(spec.timeline.as_ref())
                        .among(&spec.servers)
                        .held_to(spec.sticky)
                        .lasting(spec.lasting)
                        .measured_from(spec.start_after.saturating_add(spec.warm_up)),
                    gauges: spec.gauges.clone(),
                    phases: (0..workers)
                        .map(|worker| has_users(worker).then_some(Phase::Connect))
                        .collect(),
                    interval_from: timeline.begin,
                    last_tick: timeline.begin,
                    last_end: 0,
                    heard: (0..workers)
                        .map(|worker| has_users(worker).then_some(timeline.begin))
                        .collect(),
                    timeline,
                    conditions: spec.thresholds.clone(),
                }
            })
            .collect();
        Self {
            clock,
            start,
            started_at,
            pacing,
            marker,
            scenarios,
            tags: Tagged::all(specs, start, conditions),
            returns,
            files,
            workers: vec![None; workers],
            vitals: vec![WorkerRecord::default(); workers],
            so_far: vec![WorkerRecord::default(); workers],
            meter,
            throttling,
            stopper,
            runs_until: start,
            early_end: None,
            panic: None,
            overrun: None,
            failure: None,
        }
    }

    /// Receives until every worker is done.
    pub(super) fn collect(&mut self, from: &Receiver<ToCollector>, listeners: &mut [Listener]) {
        /// Workers send their ticks with the second's end; this is time for them to arrive.
        const ARRIVAL: Nanos = 100_000_000;
        let mut next = self.start + SECOND + ARRIVAL;
        let timelines = self.scenarios.iter().map(|it| it.timeline);
        let measure_from = timelines.map(|it| it.measure_from).min().unwrap_or(0);
        let ends = self.scenarios.iter().map(|it| it.timeline);
        let ends: Option<Vec<_>> = ends.map(|it| it.plan_end.filter(|_| it.lasts)).collect();
        let plan_end = ends.and_then(|ends| ends.into_iter().max());
        let plan_end = plan_end.unwrap_or(Nanos::MAX);
        while self.workers.iter().any(Option::is_none) {
            let now = self.clock.now();
            if now >= measure_from && !self.throttling.has_begun() {
                self.throttling.begin(now);
            }
            let drains = |it: &Collected| it.phase() >= Phase::Drain;
            if !self.throttling.has_ended()
                && (now >= plan_end || self.scenarios.iter().all(drains))
            {
                self.throttling.end(now);
            }
            let wake = match (self.throttling.has_begun(), self.throttling.has_ended()) {
                (true, true) => next,
                (true, false) => next.min(plan_end),
                (false, _) => next.min(measure_from),
            };
            let wait = wake.saturating_sub(now);
            match from.recv_timeout(Duration::from_nanos(wait)) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.clock.now();
            if self.stopper.asked() == Stop::No {
                self.runs_until = now;
            }
            if now >= next {
                // What came while a listener was slow belongs to this second too.
                for message in from.try_iter() {
                    self.take(message);
                }
                self.snapshot(listeners);
                self.end_early(listeners);
                // A slow listener misses seconds; it does not get them all at once.
                next += ((now - next) / SECOND + 1) * SECOND;
            }
        }
        self.snapshot(listeners);
    }

    fn take(&mut self, message: ToCollector) {
        match message {
            ToCollector::Prepared { .. } => {}
            ToCollector::Tick {
                worker,
                scenario,
                at,
                phase,
                last_end,
                mut tick,
            } => {
                let collected = &mut self.scenarios[scenario];
                let second = collected.second_of(at);
                let gauges = &collected.gauges;
                let tags = &mut self.tags;
                collected
                    .merger
                    .add_of(worker, second, &mut tick, gauges, |seen| {
                        tags.iter_mut().for_each(|it| it.merger.add(scenario, seen));
                    });
                // The last that it will tell.
                collected.heard[worker] = (phase < Phase::Done).then_some(at);
                collected.phases[worker] = Some(phase);
                collected.last_tick = collected.last_tick.max(at);
                collected.last_end = collected.last_end.max(last_end);
                let _ = self.returns[worker][scenario].send(tick);
            }
            ToCollector::Vitals {
                worker,
                vitals,
                so_far,
            } => (self.vitals[worker], self.so_far[worker]) = (vitals, so_far),
            ToCollector::Done {
                worker,
                record,
                panic,
                overrun,
                failure,
            } => {
                self.vitals[worker] = WorkerRecord::default();
                self.so_far[worker] = record;
                self.workers[worker] = Some(record);
                self.panic = self.panic.take().or(panic);
                self.overrun = self.overrun.take().or(overrun);
                self.failure = self.failure.take().or(failure);
                for scenario in &mut self.scenarios {
                    if let Some(phase) = &mut scenario.phases[worker] {
                        *phase = Phase::Done;
                    }
                    scenario.heard[worker] = None;
                }
            }
        }
    }

    /// When nothing new began any more, if that was before the plan's end.
    fn cut(&self) -> Nanos {
        match self.stopper.asked() {
            Stop::No => Nanos::MAX,
            _ => self.runs_until,
        }
    }

    /// Ends the run where a condition says so that does not hold.
    fn end_early(&mut self, listeners: &mut [Listener]) {
        if self.early_end.is_none()
            && let Some(end) = self.stopper.early_end().cloned()
        {
            self.ending(end, listeners);
        }
        if self.stopper.asked() != Stop::No {
            return;
        }
        let may_end = |all: &[Threshold]| all.iter().any(|it| it.abort_after().is_some());
        let scenarios = self.scenarios.iter();
        let scenarios = scenarios.filter(|it| may_end(&it.conditions));
        let judged = scenarios.map(|scenario| umpire::Judged {
            scenario: Some(&scenario.merger.total().name),
            conditions: &scenario.conditions,
            record: scenario.merger.total(),
            unpaused: scenario.merger.unpaused_windows(),
        });
        let tags = self.tags.iter().filter(|it| may_end(&it.conditions));
        let merged = tags.map(|tag| {
            let total = |scenario: usize| Some(self.scenarios.get(scenario)?.merger.total());
            (tag, tag.merger.record().merged(total))
        });
        let merged: Vec<_> = merged.collect();
        let of_tags = merged.iter().map(|(tag, record)| umpire::Judged {
            scenario: None,
            conditions: &tag.conditions,
            record,
            unpaused: tag.merger.unpaused_windows(),
        });
        let Some(early_end) = umpire::early_end(judged.chain(of_tags)) else {
            return;
        };
        self.stopper.drain();
        self.ending(early_end, listeners);
    }

    fn ending(&mut self, end: EarlyEnd, listeners: &mut [Listener]) {
        for listener in listeners {
            listener(&Event::Ending(&end));
        }
        self.early_end = Some(end);
    }

    fn snapshot(&mut self, listeners: &mut [Listener]) {
        for (scenario, at, change) in self.files.iter().flat_map(Files::take) {
            let collected = &mut self.scenarios[scenario];
            let since = at.saturating_sub(collected.timeline.measure_from);
            let at = Duration::from_nanos(since);
            collected.merger.changed(FileChange { at, ..change });
        }
        let cut = self.cut();
        let marker = &self.marker;
        let pauses = |scenario: usize| Pauses::among(&marker.so_far(scenario));
        for (place, scenario) in self.scenarios.iter_mut().enumerate() {
            let measured = scenario.measured(cut);
            let elapsed = scenario
                .last_tick
                .saturating_sub(scenario.timeline.measure_from);
            let elapsed = Duration::from_nanos(elapsed);
            let seconds = measured.as_secs();
            scenario.merger.look(elapsed, seconds, || pauses(place));
            // What happened in a warm-up is not in the interval; neither is its time.
            let measure_from = scenario.timeline.measure_from;
            if scenario.last_tick > measure_from {
                scenario.interval_from = scenario.interval_from.max(measure_from);
            }
            let length = scenario.last_tick.saturating_sub(scenario.interval_from);
            scenario.merger.end_interval(Duration::from_nanos(length));
            scenario.interval_from = scenario.last_tick;
        }
        let now = self.clock.now();
        for tag in &mut self.tags {
            let measured = tag.measured(&self.scenarios, cut, now);
            tag.merger.look(measured.as_secs(), pauses);
        }
        self.tell_so_far(listeners);
        let snapshot = Snapshot {
            elapsed: Duration::from_nanos(self.clock.now().saturating_sub(self.start)),
            scenarios: self
                .scenarios
                .iter()
                .map(|scenario| ScenarioSnapshot {
                    phase: scenario.phase(),
                    users: scenario.merger.users_busy(),
                    levels: scenario.merger.levels(),
                    interval: scenario.merger.interval(),
                    total: scenario.merger.total(),
                })
                .collect(),
            generator: GeneratorSnapshot {
                workers: self.vitals.clone(),
                process: self.meter.read(),
                throttled_share: self.throttling.since_last(self.clock.now()),
            },
        };
        for listener in listeners {
            listener(&Event::Snapshot(&snapshot));
        }
        for scenario in &mut self.scenarios {
            scenario.merger.next_interval();
        }
    }

    /// Tells what it takes to make a record of the run as far as it has come.
    fn tell_so_far(&self, listeners: &mut [Listener]) {
        if listeners.is_empty() {
            return;
        }
        let now = self.clock.now();
        let elapsed = |scenario: &Collected| {
            let measured = scenario
                .last_tick
                .saturating_sub(scenario.timeline.measure_from);
            match scenario.heard.iter().all(Option::is_none) {
                true => self.took(scenario, self.stopper.asked() != Stop::No, now),
                false => Duration::from_nanos(measured),
            }
        };
        let scenarios = self.scenarios.iter().enumerate();
        let scenarios = scenarios.map(|(place, scenario)| ScenarioSoFar {
            record: scenario.merger.total(),
            elapsed: elapsed(scenario),
            events: self.marker.so_far(place),
            series: scenario.merger.series(),
            step_series: scenario.merger.step_series(),
        });
        let so_far = SoFar {
            at: Duration::from_nanos(now.saturating_sub(self.start)),
            started_at: self.started_at,
            elapsed: self.spanned(elapsed, now),
            scenarios: scenarios.collect(),
            tags: self.tags.iter().map(|it| it.merger.record()).collect(),
            generator: GeneratorRecord {
                workers: self.so_far.clone(),
                pacing: self.pacing,
                throttled_share: self.throttling.since_begin(now),
            },
            stopped: self.stopper.asked() != Stop::No,
        };
        for listener in listeners {
            listener(&Event::SoFar(&so_far));
        }
    }

    /// How long a scenario took that is over, by now.
    fn took(&self, scenario: &Collected, cut_short: bool, now: Nanos) -> Duration {
        let timeline = scenario.timeline;
        let planned = timeline.plan_end.filter(|_| timeline.lasts && !cut_short);
        let end = scenario.last_end.max(planned.unwrap_or(0)).min(now);
        Duration::from_nanos(end.saturating_sub(timeline.measure_from))
    }

    /// From the first scenario's measured part to the end of the last one's, each of which took so long.
    fn spanned(&self, took: impl Fn(&Collected) -> Duration, now: Nanos) -> Duration {
        // A scenario that a stop kept from beginning took no time.
        let begun = self
            .scenarios
            .iter()
            .filter(|it| it.timeline.measure_from <= now);
        let first = begun.clone().map(|it| it.timeline.measure_from).min();
        let last = begun
            .map(|it| it.timeline.measure_from + nanos(took(it)))
            .max();
        Duration::from_nanos(last.unwrap_or(0).saturating_sub(first.unwrap_or(0)))
    }

    /// The whole record.
    ///
    /// # Errors
    /// When the system refused a worker what it needs.
    pub(super) fn finish(mut self, stopped: bool) -> io::Result<RunRecord> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let cut = self.cut();
        // It may have come too late for a second to be told of it.
        self.early_end = self
            .early_end
            .take()
            .or_else(|| self.stopper.early_end().cloned());
        // These stop the workers, too.
        let gave_up = self.panic.is_some() || self.overrun.is_some() || self.early_end.is_some();
        let (cut_short, stopped) = (stopped || gave_up, stopped && !gave_up);
        let now = self.clock.now();
        let took = |scenario: &Collected| self.took(scenario, cut_short, now);
        let times: Vec<Duration> = self.scenarios.iter().map(took).collect();
        let mut record = RunRecord {
            started_at: self.started_at,
            elapsed: self.spanned(took, now),
            scenarios: Vec::new(),
            tags: Vec::new(),
            generator: GeneratorRecord {
                workers: self.workers.into_iter().flatten().collect(),
                pacing: self.pacing,
                throttled_share: self.throttling.since_begin(now),
            },
            stopped,
            panic: self.panic,
            overrun: self.overrun,
            early_end: self.early_end,
            cut_off: false,
        };
        for tag in self.tags {
            let measured = tag.measured(&self.scenarios, cut, now);
            record.tags.push(tag.merger.finish(measured.as_secs()));
        }
        for (scenario, took) in self.scenarios.into_iter().zip(times) {
            let seconds = scenario.measured(cut).as_secs();
            let scenario: ScenarioRecord = scenario.merger.finish(took, seconds);
            record.scenarios.push(scenario);
        }
        Ok(record)
    }
}
