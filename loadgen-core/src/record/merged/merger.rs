//! Merging the workers' ticks into what a run measured: exactly, by adding histograms.

use std::time::Duration;

use super::pauses::Pauses;
use super::series::Series;
use super::silence::Listener;
use super::stays::Stays;
use super::windows::{Seen, Watcher};
use super::{
    BackendRecord, Interval, MOST_STEPS_OVER_TIME, Retries, ScenarioRecord, StepRecord,
    TargetRecord, Timeline, TimelineSpec, address,
};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::record::local::{
    AddressesTick, BackendTick, Happened, MOST_BACKENDS, MOST_CLASSES, OTHER_BACKENDS, StepTick,
    TargetTick, Tick, youngest,
};
use crate::record::{
    Histogram, Names, Parts, StepSpec, Stickiness, StickyBy, Watch, WindowRecord, is_single,
    new_histogram,
};
use crate::workload::{FileChange, Levels, SampleKind};

/// The most changes of files that are kept of a scenario.
pub(super) const MOST_CHANGES: usize = 1000;

/// Merges one scenario's ticks from all workers.
#[derive(Debug)]
pub(crate) struct Merger {
    total: ScenarioRecord,
    interval: Interval,
    series: Series,
    /// The same of each step that is kept over time.
    step_series: Vec<Series>,
    listener: Listener,
    workers: Vec<WorkerState>,
    watchers: Vec<Watcher>,
    steps: Vec<StepSpec>,
    stays: Stays,
}

/// What must be remembered of a worker between ticks.
#[derive(Debug, Clone, Default)]
struct WorkerState {
    /// The merged place of each backend by the worker's own number.
    backends: Vec<usize>,
    /// The same of each address; `None` of one too many.
    addresses: Vec<Option<usize>>,
    /// What each key is called, by the worker's own number.
    keys: Vec<String>,
    users_busy: u64,
    /// The most users that were busy in each of the last seconds, as far as ticks told: those of two may tell of
    /// one second.
    busiest: Vec<(u64, u64)>,
    levels: Levels,
}

impl WorkerState {
    /// How many more users were busy in this second than was known.
    fn more_users(&mut self, second: u64, users: u64) -> u64 {
        /// No tick tells of more than were open at once.
        const REMEMBERED_S: u64 = 60;
        if let Some((_, most)) = self.busiest.iter_mut().find(|(of, _)| *of == second) {
            let more = users.saturating_sub(*most);
            *most += more;
            return more;
        }
        self.busiest.retain(|(of, _)| of + REMEMBERED_S > second);
        self.busiest.push((second, users));
        users
    }
}

impl Merger {
    /// A merger for a scenario on this many workers.
    #[must_use]
    pub(crate) fn new(names: &Names, workers: usize) -> Self {
        let mut total =
            ScenarioRecord::empty(&names.scenario, &names.protocol, names.open, &names.steps);
        total.codec.clone_from(&names.codec);
        total.codec_elsewhere.clone_from(&names.codec_elsewhere);
        total.late_after = names.late_after;
        total.retries = names.retries.then(Retries::default);
        total.targets = names.targets.iter().map(TargetRecord::empty).collect();
        let zero = |name: &String| (name.clone(), 0);
        total.custom.counters = names.counters.iter().map(zero).collect();
        total.custom.timings = names
            .timings
            .iter()
            .map(|name| (name.clone(), new_histogram()))
            .collect();
        Self {
            total,
            interval: Interval::new(names),
            series: Series::new(),
            step_series: match is_single(&names.steps) {
                true => Vec::new(),
                false => {
                    let steps = names.steps.iter().take(MOST_STEPS_OVER_TIME);
                    steps.map(|_| Series::new()).collect()
                }
            },
            listener: Listener::default(),
            workers: vec![WorkerState::default(); workers],
            watchers: Vec::new(),
            steps: names.steps.clone(),
            stays: Stays::default(),
        }
    }

    /// Keeps requests of these stretches of time in fine pieces.
    #[must_use]
    pub(crate) fn following(mut self, timeline: Option<&TimelineSpec>) -> Self {
        let windows = timeline.map(|it| it.windows.clone());
        let ok_within = timeline.and_then(|it| it.ok_within);
        self.total.timeline = Timeline::new(windows.unwrap_or_default()).slow_after(ok_within);
        self
    }

    /// Looks at what this has, where answers are held to stay with one server.
    #[must_use]
    pub(crate) fn held_to(mut self, sticky: Option<StickyBy>) -> Self {
        self.total.stickiness = Stickiness::of(sticky.unwrap_or_default());
        self
    }

    /// Says whether each iteration lasts for as long as the load.
    #[must_use]
    pub(crate) fn lasting(mut self, lasting: bool) -> Self {
        self.total.lasting = lasting;
        self
    }

    /// Says how long after the load's beginning its measuring begins.
    #[must_use]
    pub(crate) fn measured_from(mut self, after: Duration) -> Self {
        self.total.measured_from = after;
        self
    }

    /// What is known of who may answer.
    #[must_use]
    pub(crate) fn among(mut self, servers: &[String]) -> Self {
        self.total.servers = servers.to_vec();
        self
    }

    /// Follows these over windows of time.
    #[must_use]
    pub(crate) fn watching(mut self, watches: impl IntoIterator<Item = Watch>) -> Self {
        self.watchers.extend(watches.into_iter().map(Watcher::new));
        self
    }

    /// Adds a worker's tick, and empties it. `gauges` are the names of the custom gauges.
    #[cfg(test)]
    pub(crate) fn add(&mut self, worker: usize, tick: &mut Tick, gauges: &[String]) {
        self.add_of(worker, 0, tick, gauges, |_| {});
    }

    /// Adds a worker's tick that is of this second, and empties it, once `tell` was told of it. `gauges` are
    /// the names of the custom gauges.
    pub(crate) fn add_of(
        &mut self,
        worker: usize,
        second: u64,
        tick: &mut Tick,
        gauges: &[String],
        tell: impl FnOnce(&Seen<'_>),
    ) {
        let total = &mut self.total;
        let interval = &mut self.interval;
        interval.add(tick);
        total.ledger += tick.ledger;
        total.started_in_time += tick.started_in_time;
        total.saturated_samples += tick.saturated_samples;
        total.unanswered += tick.unanswered;
        total.dropped_unanswered += tick.dropped_unanswered;
        total.dropped_kept += tick.dropped_kept;
        for (total, tick) in [
            (&mut total.youngest_unanswered, tick.youngest_unanswered),
            (&mut total.youngest_cut_off, tick.youngest_cut_off),
        ] {
            *total = youngest(*total, (tick < Nanos::MAX).then_some(tick));
        }
        for (due_second, histogram) in &tick.response_time {
            total.response_time.add(histogram);
            self.series.response_time(*due_second, histogram);
        }
        total.service_time.add(&tick.service_time);
        total.parts.add(&tick.parts);
        for (outcome, count) in tick.outcomes.iter() {
            let counted = tally(&mut total.outcomes, outcome, count);
            if let Outcome::Failed(failure) = counted {
                add_seconds(&mut total.failed_in, failure, [second; 2]);
            }
        }
        add_examples(&mut total.examples, &tick.examples);
        total.bytes.sent += tick.bytes.sent;
        total.bytes.received += tick.bytes.received;
        total.connections.counts += tick.connections;
        total.connections.connect_time.add(&tick.connect_time);
        if let Some(tls_time) = &tick.tls_time {
            total.connections.tls_time.add(tls_time);
        }
        if let Some(rests) = &tick.back_off {
            total.connections.back_off.add(rests);
        }
        for (target, from) in total.targets.iter_mut().zip(&tick.targets) {
            add_target(target, from);
        }
        add_steps(&mut total.steps, tick);
        for (series, from) in self.step_series.iter_mut().zip(&tick.steps) {
            add_second(series, second, from);
        }
        total.stand(tick.standings.drain(..));

        let state = &mut self.workers[worker];
        for name in tick.new_backends.drain(..) {
            state.backends.push(place_of(&mut total.backends, name));
        }
        add_addresses(total, &mut state.addresses, &mut tick.addresses);
        for (place, from) in state.backends.iter().zip(&tick.backends) {
            add_backend(&mut total.backends[*place], from);
            interval.add_backend(*place, from);
        }
        add_backend(&mut total.unknown, &tick.unknown);
        total.decisions += tick.decisions;
        for (backend, bucket, cell) in tick.fine.cells() {
            let place = backend.and_then(|it| state.backends.get(usize::from(it)));
            let name = place.map(|it| &*total.backends[*it].id);
            total.timeline.add(name, bucket, cell);
        }
        for (backend, bucket, times) in tick.fine.times() {
            if let Some(place) = state.backends.get(usize::from(backend)) {
                let name = &total.backends[*place].id;
                total.timeline.add_times(name, bucket, &times);
            }
        }
        let places = state.backends.iter();
        let backends: Vec<&str> = places.map(|it| &*total.backends[*it].id).collect();
        for (moment, count) in tick.farewells.drain() {
            total.farewells.add(moment, count);
        }
        if !tick.homes.is_empty() {
            state.keys.append(&mut tick.homes.new_keys);
            let of_worker = (worker, state.keys.as_slice(), backends.as_slice());
            self.stays
                .add(&mut total.stickiness, &tick.homes, of_worker);
        }
        if tick.retries.has_any() {
            let retries = total.retries.get_or_insert_default();
            retries.add(&tick.retries, &backends);
        }
        let seen = Seen {
            tick,
            second,
            steps: &self.steps,
            backends: &backends,
        };
        self.watchers.iter_mut().for_each(|it| it.add(&seen, 0));
        tell(&seen);
        for ((_, sum), delta) in total.custom.counters.iter_mut().zip(&tick.counters) {
            *sum += delta;
        }
        for ((_, sum), delta) in total.custom.timings.iter_mut().zip(&tick.timings) {
            sum.add(delta);
        }
        for (name, value) in gauges.iter().zip(&tick.gauges) {
            if let Some(value) = value {
                let gauges = &mut total.custom.gauges;
                match gauges.iter_mut().find(|(seen, _)| seen == name) {
                    Some((_, last)) => *last = *value,
                    None => gauges.push((name.clone(), *value)),
                }
            }
        }
        state.users_busy = tick.users_busy;
        state.levels = tick.levels;
        for (second, happened) in &tick.happened {
            let users = state.more_users(*second, happened.users);
            self.series
                .happened(*second, Happened { users, ..*happened });
        }
        self.listener.add(&tick.activity);
        tick.clear();
    }

    /// Adds a file's change. Those above [`MOST_CHANGES`] are not kept.
    pub(crate) fn changed(&mut self, change: FileChange) {
        let changes = &mut self.total.changes;
        if changes.len() < MOST_CHANGES {
            changes.push(change);
        }
    }

    /// Everything so far. Its `series` is filled in by [`finish`](Self::finish) only.
    #[must_use]
    pub(crate) fn total(&self) -> &ScenarioRecord {
        &self.total
    }

    /// What came since [`next_interval`](Self::next_interval).
    #[must_use]
    pub(crate) fn interval(&self) -> &Interval {
        &self.interval
    }

    /// Users busy, by each worker's last word.
    #[must_use]
    pub(crate) fn users_busy(&self) -> u64 {
        self.workers.iter().map(|worker| worker.users_busy).sum()
    }

    /// What stands at the moment, by each worker's last word.
    #[must_use]
    pub(crate) fn levels(&self) -> Levels {
        let mut levels = Levels::default();
        for worker in &self.workers {
            levels += worker.levels;
        }
        levels
    }

    /// Says how long the interval was that a snapshot is about to show.
    pub(crate) fn end_interval(&mut self, length: Duration) {
        self.interval.length = length;
        self.total.silence = self.listener.silence();
    }

    /// Says how much has been measured, and looks at the windows that lie within so many whole seconds of
    /// the load, in which there were these pauses.
    pub(crate) fn look(
        &mut self,
        elapsed: Duration,
        seconds: u64,
        pauses: impl FnOnce() -> Pauses,
    ) {
        self.total.elapsed = elapsed;
        if self.watchers.is_empty() {
            return;
        }
        let pauses = pauses();
        let looked = self.watchers.iter_mut().map(|watcher| {
            watcher.look(seconds, pauses.clone());
            watcher.found()
        });
        self.total.windows = looked.collect();
    }

    /// What was found over windows that have nothing of a pause in them.
    pub(crate) fn unpaused_windows(&self) -> Vec<WindowRecord> {
        self.watchers.iter().map(Watcher::found_unpaused).collect()
    }

    /// Begins a new interval.
    pub(crate) fn next_interval(&mut self) {
        self.interval.clear();
        self.series.next_moment();
        self.step_series.iter_mut().for_each(Series::next_moment);
    }

    /// The run over time so far.
    pub(crate) fn series(&self) -> &Series {
        &self.series
    }

    /// The same of each step that is kept over time, in their order.
    pub(crate) fn step_series(&self) -> &[Series] {
        &self.step_series
    }

    /// The whole, which took this long; of these, so many whole seconds are the load's.
    #[must_use]
    pub(crate) fn finish(mut self, elapsed: Duration, seconds: u64) -> ScenarioRecord {
        self.total.elapsed = elapsed;
        let watchers = self.watchers.into_iter();
        self.total.windows = watchers.map(|it| it.finish(seconds)).collect();
        self.total.series = self.series.points_until(elapsed);
        for (step, series) in self.total.steps.iter_mut().zip(&self.step_series) {
            step.series = series.points_until(elapsed);
        }
        (self.total.silence, self.total.signs) = self.listener.finish();
        self.total
    }
}

/// Adds to the count of an outcome, or of the others where it is one too many, and says which.
pub(super) fn tally(into: &mut Vec<(Outcome, u64)>, outcome: Outcome, count: u64) -> Outcome {
    let others = Failure::Others.into();
    if let Some((_, sum)) = into.iter_mut().find(|(seen, _)| *seen == outcome) {
        *sum += count;
        return outcome;
    }
    let classes = into.iter().filter(|it| !it.0.is_ok()).count();
    if outcome.is_ok() || outcome == others || classes < MOST_CLASSES {
        into.push((outcome, count));
        outcome
    } else {
        tally(into, others, count)
    }
}

/// Adds the seconds in which the first and the last failure of a class came to those that are known.
pub(super) fn add_seconds(into: &mut Vec<(Failure, [u64; 2])>, failure: Failure, of: [u64; 2]) {
    match into.iter_mut().find(|(seen, _)| *seen == failure) {
        Some((_, [first, last])) => {
            *first = of[0].min(*first);
            *last = of[1].max(*last);
        }
        None => into.push((failure, of)),
    }
}

/// The place of the backend of this name. Those beyond the bound share one: the workers' own bounds
/// would add up.
pub(super) fn place_of(backends: &mut Vec<BackendRecord>, name: String) -> usize {
    let place = |backends: &[BackendRecord], name: &str| {
        let mut ids = backends.iter().map(|seen| seen.id.as_str());
        ids.position(|id| id == name)
    };
    if let Some(place) = place(backends, &name) {
        return place;
    }
    let name = if backends.len() + 1 < MOST_BACKENDS {
        name
    } else {
        OTHER_BACKENDS.to_owned()
    };
    place(backends, &name).unwrap_or_else(|| {
        backends.push(BackendRecord::empty(name));
        backends.len() - 1
    })
}

/// Where there is one step only, its figures are the iteration's and were recorded there.
fn add_steps(steps: &mut [StepRecord], tick: &Tick) {
    if let [only] = steps
        && !only.apart
    {
        for (_, histogram) in &tick.response_time {
            only.response_time.add(histogram);
        }
        only.service_time.add(&tick.service_time);
        let parts = only
            .parts
            .get_or_insert_with(|| Box::new(Parts::of_scenario()));
        parts.add(&tick.parts);
        for (outcome, count) in tick.outcomes.iter() {
            tally(&mut only.outcomes, outcome, count);
        }
        only.unanswered += tick.unanswered;
        let known = |age: Nanos| (age < Nanos::MAX).then_some(age);
        only.youngest_unanswered =
            youngest(only.youngest_unanswered, known(tick.youngest_unanswered));
        only.youngest_cut_off = youngest(only.youngest_cut_off, known(tick.youngest_cut_off));
    }
    for (step, from) in steps.iter_mut().zip(&tick.steps) {
        add_step(step, from);
    }
}

fn add_step(step: &mut StepRecord, from: &StepTick) {
    if let Some(times) = &from.times {
        step.response_time.add(&times.response_time);
        step.service_time.add(&times.service_time);
        let parts = step.parts.get_or_insert_with(|| Box::new(Parts::of_step()));
        parts.add(&times.parts);
    }
    for (outcome, count) in from.outcomes.iter() {
        tally(&mut step.outcomes, outcome, count);
    }
    step.unanswered += from.unanswered;
    step.youngest_unanswered = youngest(step.youngest_unanswered, from.youngest_unanswered);
    step.youngest_cut_off = youngest(step.youngest_cut_off, from.youngest_cut_off);
    step.messages_sent += from.sent;
    step.messages_received += from.received;
    for (sum, count) in step.message_faults.iter_mut().zip(from.faults) {
        *sum = sum.saturating_add(count);
    }
    add_samples(&mut step.samples, from);
    add_examples(&mut step.examples, &from.examples);
    for (into, from) in step.checks.iter_mut().zip(&from.checks) {
        into.passed += from.passed;
        into.failed += from.failed;
        into.example = into.example.take().or_else(|| from.example.clone());
    }
}

/// Adds what became of a step in a second.
fn add_second(series: &mut Series, second: u64, from: &StepTick) {
    let mut happened = Happened::default();
    for (outcome, count) in from.outcomes.iter() {
        let into = match outcome.is_ok() {
            true => &mut happened.completed,
            false => &mut happened.failed,
        };
        *into = into.saturating_add(count);
    }
    if happened.completed + happened.failed > 0 {
        series.happened(second, happened);
    }
    let times = from.times.as_ref().map(|it| &it.response_time);
    if let Some(times) = times.filter(|it| !it.is_empty()) {
        series.response_time(second, times);
    }
}

/// Keeps the first example of each class.
pub(super) fn add_examples(into: &mut Vec<(Failure, String)>, from: &[(Failure, String)]) {
    for (failure, example) in from {
        let is_known = into.iter().any(|(seen, _)| seen == failure);
        if !is_known && into.len() < MOST_CLASSES {
            into.push((*failure, example.clone()));
        }
    }
}

fn add_samples(into: &mut Vec<(SampleKind, Histogram)>, from: &StepTick) {
    for (kind, histogram) in SampleKind::ALL.into_iter().zip(&from.samples) {
        let Some(histogram) = histogram.as_ref().filter(|h| !h.is_empty()) else {
            continue;
        };
        match into.iter_mut().find(|(seen, _)| *seen == kind) {
            Some((_, sum)) => sum.add(histogram),
            None => into.push((kind, histogram.clone())),
        }
    }
}

fn add_target(into: &mut TargetRecord, from: &TargetTick) {
    into.completed += from.completed;
    into.failed += from.failed;
    into.unanswered += from.unanswered;
    into.connections += from.connections;
}

/// Adds what a worker's tick has of addresses. `known` are their merged places by the worker's own numbers.
fn add_addresses(
    total: &mut ScenarioRecord,
    known: &mut Vec<Option<usize>>,
    tick: &mut AddressesTick,
) {
    for (target, address) in tick.new.drain(..) {
        let target = total.targets.get(target).map(|it| it.target.clone());
        let target = target.unwrap_or_default();
        known.push(address::place_of(&mut total.addresses, &target, &address));
    }
    let place = |nth: usize| known.get(nth).copied().flatten();
    for (nth, from) in tick.each.iter().enumerate() {
        if let Some(place) = place(nth) {
            total.addresses[place].add(from);
        }
    }
    for (nth, is_listed, at) in &tick.listings {
        if let Some(place) = place(usize::from(*nth)) {
            total.addresses[place].changed(*is_listed, Duration::from_nanos(*at));
        }
    }
}

fn add_backend(into: &mut BackendRecord, from: &BackendTick) {
    if !from.has_any() {
        return;
    }
    into.requests += from.requests;
    into.failed += from.failed;
    into.interrupted += from.interrupted;
    into.connections += from.connections;
    into.streams += from.streams;
    into.messages += from.messages;
    if from.first <= from.last {
        let [first, last] = [from.first, from.last].map(Duration::from_nanos);
        into.was_active(Some((first, last)));
    }
    into.response_time.add(&from.response_time.pack());
    for (second, answers) in &from.by_due {
        into.over_time
            .add(*second, answers.requests, answers.failed);
    }
}
