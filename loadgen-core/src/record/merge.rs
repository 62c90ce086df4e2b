//! Merging the workers' ticks into what a run measured: exactly, by adding histograms.

use crate::clock::Nanos;
use std::time::Duration;

use super::recorder::{MOST_BACKENDS, OTHER_BACKENDS};
use super::series::Series;
use super::silence::Listener;
use super::tick::{BackendTick, MOST_CLASSES, StepTick, TargetTick, youngest};
use super::{
    BackendRecord, Histogram, Interval, Names, Parts, ScenarioRecord, StepRecord, TargetRecord,
    Tick, new_histogram,
};
use crate::outcome::{Failure, Outcome};
use crate::workload::{Levels, SampleKind};

/// Merges one scenario's ticks from all workers.
#[derive(Debug)]
pub struct Merger {
    total: ScenarioRecord,
    interval: Interval,
    series: Series,
    listener: Listener,
    workers: Vec<WorkerState>,
}

/// What must be remembered of a worker between ticks.
#[derive(Debug, Clone, Default)]
struct WorkerState {
    /// The merged place of each backend by the worker's own number.
    backends: Vec<usize>,
    users_busy: u64,
    levels: Levels,
}

impl Merger {
    /// A merger for a scenario on this many workers.
    #[must_use]
    pub fn new(names: &Names, workers: usize) -> Self {
        let mut total =
            ScenarioRecord::empty(&names.scenario, &names.protocol, names.open, &names.steps);
        total.late_after = names.late_after;
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
            listener: Listener::default(),
            workers: vec![WorkerState::default(); workers],
        }
    }

    /// Adds a worker's tick, and empties it. `gauges` are the names of the custom gauges.
    pub fn add(&mut self, worker: usize, tick: &mut Tick, gauges: &[String]) {
        let total = &mut self.total;
        let interval = &mut self.interval;
        interval.add(tick);
        total.ledger += tick.ledger;
        total.started_in_time += tick.started_in_time;
        total.saturated_samples += tick.saturated_samples;
        total.unanswered += tick.unanswered;
        total.dropped_unanswered += tick.dropped_unanswered;
        for (total, tick) in [
            (&mut total.youngest_unanswered, tick.youngest_unanswered),
            (&mut total.youngest_cut_off, tick.youngest_cut_off),
        ] {
            if tick < Nanos::MAX {
                *total = Some(total.map_or(tick, |youngest| youngest.min(tick)));
            }
        }
        for (due_second, histogram) in &tick.response_time {
            total.response_time.add(histogram);
            self.series.response_time(*due_second, histogram);
        }
        total.service_time.add(&tick.service_time);
        total.parts.add(&tick.parts);
        for (outcome, count) in tick.outcomes.iter() {
            tally(&mut total.outcomes, outcome, count);
        }
        for (failure, example) in tick.examples.drain(..) {
            let known = total.examples.iter().any(|(seen, _)| *seen == failure);
            if !known && total.examples.len() < MOST_CLASSES {
                total.examples.push((failure, example));
            }
        }
        total.bytes.sent += tick.bytes.sent;
        total.bytes.received += tick.bytes.received;
        total.connections.counts += tick.connections;
        total.connections.connect_time.add(&tick.connect_time);
        if let Some(rests) = &tick.back_off {
            total.connections.back_off.add(rests);
        }
        for (target, from) in total.targets.iter_mut().zip(&tick.targets) {
            add_target(target, from);
        }
        add_steps(&mut total.steps, tick);

        let state = &mut self.workers[worker];
        for name in tick.new_backends.drain(..) {
            state.backends.push(place_of(&mut total.backends, name));
        }
        for (place, from) in state.backends.iter().zip(&tick.backends) {
            add_backend(&mut total.backends[*place], from);
            interval.add_backend(*place, from);
        }
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
            self.series.happened(*second, *happened);
        }
        self.listener.add(&tick.activity);
        tick.clear();
    }

    /// Everything so far. Its `series` is filled in by [`finish`](Self::finish) only.
    #[must_use]
    pub fn total(&self) -> &ScenarioRecord {
        &self.total
    }

    /// What came since [`next_interval`](Self::next_interval).
    #[must_use]
    pub fn interval(&self) -> &Interval {
        &self.interval
    }

    /// Users busy, by each worker's last word.
    #[must_use]
    pub fn users_busy(&self) -> u64 {
        self.workers.iter().map(|worker| worker.users_busy).sum()
    }

    /// What stands at the moment, by each worker's last word.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let mut levels = Levels::default();
        for worker in &self.workers {
            levels += worker.levels;
        }
        levels
    }

    /// Says how long the interval was that a snapshot is about to show.
    pub fn end_interval(&mut self, length: Duration) {
        self.interval.length = length;
        self.total.silence = self.listener.silence();
    }

    /// Begins a new interval.
    pub fn next_interval(&mut self) {
        self.interval.clear();
    }

    /// The whole, which took this long.
    #[must_use]
    pub fn finish(mut self, elapsed: Duration) -> ScenarioRecord {
        self.total.elapsed = elapsed;
        self.total.series = self.series.points_until(elapsed);
        self.total.silence = self.listener.silence();
        self.total
    }
}

fn tally(into: &mut Vec<(Outcome, u64)>, outcome: Outcome, count: u64) {
    let others = Failure::Others.into();
    if let Some((_, sum)) = into.iter_mut().find(|(seen, _)| *seen == outcome) {
        *sum += count;
        return;
    }
    let classes = into.iter().filter(|it| !it.0.is_ok()).count();
    if outcome.is_ok() || outcome == others || classes < MOST_CLASSES {
        into.push((outcome, count));
    } else {
        tally(into, others, count);
    }
}

/// The place of the backend of this name. Those beyond the bound share one: the workers' own bounds
/// would add up.
fn place_of(backends: &mut Vec<BackendRecord>, name: String) -> usize {
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
    if let [only] = steps {
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

fn add_backend(into: &mut BackendRecord, from: &BackendTick) {
    if from.requests == 0 {
        return;
    }
    into.requests += from.requests;
    into.failed += from.failed;
    into.response_time.add(&from.response_time.pack());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::GrpcCode;
    use crate::record::{Ended, Recorder, Started};
    use crate::secrets::Secrets;
    use crate::workload::{Observer, Split};

    fn names() -> Names {
        Names {
            scenario: "s".to_owned(),
            protocol: "test".to_owned(),
            open: true,
            steps: vec!["only".to_owned()],
            ..Names::default()
        }
    }

    /// Before they are cut, or what is left of a secret could not be told.
    #[test]
    fn what_servers_say_is_kept_without_secrets() {
        let secrets =
            Secrets::of(&serde_json::json!({"metadata": {"authorization": "Bearer s3cr3t-1"}}));
        let names = names();
        let recorder = Recorder::new(&names).masking(secrets);
        let example = |failure, said: String| recorder.explain(failure, &mut || said.clone());
        example(Failure::Connect, "no such token: s3cr3t-1".to_owned());
        example(Failure::Protocol, "x".repeat(4090) + " s3cr3t-1");
        record(&recorder, 0, 0, 1, true, "host of s3cr3t-1");
        let mut merger = Merger::new(&names, 1);
        merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        let merged = merger.finish(Duration::from_secs(1));
        assert_eq!(merged.examples[0].1, "no such token: ***");
        let cut = &merged.examples[1].1;
        assert!(cut.ends_with("x ***"), "{cut}");
        assert_eq!(merged.backends[0].id, "host of ***");
    }

    /// Runs one iteration through a recorder.
    fn record(recorder: &Recorder, due: u64, lag: u64, took: u64, ok: bool, backend: &str) {
        recorder.planned(1);
        recorder.started_open(&Started {
            at: due + lag,
            queue_wait: 0,
            start_lag: lag,
            is_late: lag > 1_000_000,
            is_in_time: true,
        });
        let outcome = if ok {
            Outcome::Ok
        } else {
            Failure::Timeout.into()
        };
        let backend = recorder.backend(backend.as_bytes());
        recorder.ended(&Ended {
            due,
            at: due + lag + took,
            split: Split {
                start_lag: lag,
                service_time: took,
                ..Split::default()
            },
            outcome,
            backend: Some(backend),
            target: 0,
        });
    }

    #[test]
    fn backends_beyond_the_bound_are_counted_together() {
        let names = names();
        let recorder = Recorder::new(&names);
        for number in 0..400 {
            record(&recorder, 0, 0, 1, true, &format!("backend-{number}"));
        }
        let mut merger = Merger::new(&names, 1);
        merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        let merged = merger.finish(Duration::from_secs(1));
        assert_eq!(merged.backends.len(), 256);
        assert!(merged.backends[..255].iter().all(|it| it.requests == 1));
        let others = &merged.backends[255];
        assert_eq!((others.id.as_str(), others.requests), ("(others)", 145));
    }

    /// Each worker has as many as a run may have.
    #[test]
    fn backends_are_bounded_over_all_workers() {
        let names = names();
        let mut merger = Merger::new(&names, 8);
        for worker in 0..8 {
            let recorder = Recorder::new(&names);
            for number in 0..300 {
                let name = format!("backend-{worker}-{number}");
                record(&recorder, 0, 0, 1, true, &name);
            }
            merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        }
        let merged = merger.finish(Duration::from_secs(1));
        assert_eq!(merged.backends.len(), 256);
        let requests = merged.backends.iter().map(|it| it.requests);
        assert_eq!(requests.sum::<u64>(), 8 * 300);
        let samples = merged.backends.iter().map(|it| it.response_time.len());
        assert_eq!(samples.sum::<u64>(), 8 * 300);
    }

    /// A server can make up four billion status codes, and a workload names without end.
    #[test]
    fn classes_of_failures_beyond_the_bound_are_counted_together() {
        let names = names();
        let mut merger = Merger::new(&names, 2);
        for worker in 0..2 {
            let recorder = Recorder::new(&names);
            for number in 0..200 {
                let failure = Failure::Grpc(GrpcCode::new(1_000 * (worker + 1) + number));
                recorder.explain(failure, &mut || "ä".repeat(5_000));
                recorder.started_closed(0);
                recorder.ended(&Ended {
                    due: 0,
                    at: 1,
                    split: Split::default(),
                    outcome: failure.into(),
                    backend: None,
                    target: 0,
                });
            }
            let worker = worker as usize;
            merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        }
        let merged = merger.finish(Duration::from_secs(1));
        for outcomes in [&merged.outcomes, &merged.steps[0].outcomes] {
            assert_eq!(outcomes.len(), 129);
            assert_eq!(outcomes.iter().map(|it| it.1).sum::<u64>(), 400);
            let others = Outcome::Failed(Failure::Others);
            let others = outcomes.iter().find(|it| it.0 == others);
            assert_eq!(others.map(|it| it.1), Some(400 - 128));
        }
        assert_eq!(merged.examples.len(), 128);
        let longest = merged.examples.iter().map(|it| it.1.len()).max();
        assert_eq!(longest, Some(4_096));
    }

    #[test]
    fn what_no_server_put_its_name_to_is_known() {
        let names = names();
        let recorder = Recorder::new(&names);
        let end = |ok: bool, backend: Option<&str>| {
            recorder.started_closed(0);
            recorder.ended(&Ended {
                due: 0,
                at: 1,
                split: Split::default(),
                outcome: if ok {
                    Outcome::Ok
                } else {
                    Failure::Timeout.into()
                },
                backend: backend.map(|it| recorder.backend(it.as_bytes())),
                target: 0,
            });
        };
        let merged = |recorder: &Recorder| {
            let mut merger = Merger::new(&names, 1);
            merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
            merger.finish(Duration::from_secs(1))
        };
        end(true, None);
        assert_eq!(merged(&recorder).unnamed(), None, "nobody named itself");
        end(true, Some("a"));
        end(false, Some("a"));
        end(true, None);
        end(false, None);
        end(false, None);
        assert_eq!(merged(&recorder).unnamed(), Some((3, 2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// However iterations are spread over workers and ticks, the merged record is the one a
        /// single recorder would have made.
        #[test]
        fn merging_equals_one_recorder(
            iterations in prop::collection::vec(
                (0_u64..90_000_000_000, 0_u64..3_000_000, 1_u64..5_000_000_000, any::<bool>(), 0_u8..3, 0_usize..3, any::<bool>()),
                1..60,
            )
        ) {
            let names = names();
            let mut whole = Merger::new(&names, 1);
            let mut parts = Merger::new(&names, 3);
            let one = Recorder::new(&names);
            let many: Vec<_> = (0..3).map(|_| Recorder::new(&names)).collect();
            for (due, lag, took, ok, backend, worker, swap) in iterations {
                let backend = format!("backend-{backend}");
                record(&one, due, lag, took, ok, &backend);
                record(&many[worker], due, lag, took, ok, &backend);
                if swap {
                    let mut tick = many[worker].swap(Box::new(Tick::new(&names)));
                    parts.add(worker, &mut tick, &[]);
                }
            }
            whole.add(0, &mut one.swap(Box::new(Tick::new(&names))), &[]);
            for (worker, recorder) in many.iter().enumerate() {
                parts.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
            }
            let whole = whole.finish(Duration::from_secs(91));
            let mut parts = parts.finish(Duration::from_secs(91));
            prop_assert!(whole.ledger.balances());
            prop_assert_eq!(whole.ledger, parts.ledger);
            prop_assert_eq!(&whole.response_time, &parts.response_time);
            prop_assert_eq!(&whole.service_time, &parts.service_time);
            prop_assert_eq!(&whole.parts.start_lag, &parts.parts.start_lag);
            prop_assert_eq!(&whole.parts.queue_wait, &parts.parts.queue_wait);
            prop_assert_eq!(&whole.steps[0].response_time, &whole.response_time);
            let sum: u64 = parts.outcomes.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum, parts.ledger.completed + parts.ledger.failed);
            for backend in whole.backends {
                let place = parts.backends.iter().position(|b| b.id == backend.id);
                let same = parts.backends.swap_remove(place.expect("seen by both"));
                prop_assert_eq!(backend.requests, same.requests);
                prop_assert_eq!(backend.failed, same.failed);
                prop_assert_eq!(backend.response_time, same.response_time);
            }
            prop_assert!(parts.backends.is_empty());
        }
    }
}
