//! What happened in one scenario between two snapshots.
//!
//! Owns the figures of about a second, for those who watch. The run's own are `merge`'s.

use std::time::Duration;

use super::merge::{add_samples, merge};
use super::tick::BackendTick;
use super::{Histogram, Ledger, Names, Parts, Tick, new_histogram};
use crate::workload::SampleKind;

/// What happened in one scenario between two snapshots.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Interval {
    /// How long it was.
    pub length: Duration,
    /// Changes of the ledger.
    pub ledger: Ledger,
    /// Response times of iterations that ended in it.
    pub response_time: Histogram,
    /// Service times of iterations that ended in it.
    pub service_time: Histogram,
    /// The other parts of these times; start lag and queue wait of iterations that started in it.
    pub parts: Parts,
    /// Connect times of connections that opened in it.
    pub connect_time: Histogram,
    /// Each step.
    pub steps: Vec<StepInterval>,
    /// Response times of each backend's requests, in the order of the scenario record's.
    pub backends: Vec<Histogram>,
    /// Each custom timing.
    pub timings: Vec<Histogram>,
}

/// What happened in one step between two snapshots.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StepInterval {
    /// Times of a step among several. A single step's are its iteration's.
    times: Option<StepTimes>,
    /// Requests that ended well.
    pub ok: u64,
    /// Its further series, those that have had samples.
    pub samples: Vec<(SampleKind, Histogram)>,
}

#[derive(Debug, Clone)]
struct StepTimes {
    response_time: Histogram,
    service_time: Histogram,
}

impl Interval {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            length: Duration::ZERO,
            ledger: Ledger::default(),
            response_time: new_histogram(),
            service_time: new_histogram(),
            parts: Parts::of_scenario(),
            connect_time: new_histogram(),
            steps: vec![StepInterval::default(); names.steps.len()],
            backends: Vec::new(),
            timings: names.timings.iter().map(|_| new_histogram()).collect(),
        }
    }

    /// Response and service times of a step's requests that ended in it. `None` where none ever
    /// did.
    #[must_use]
    pub fn step_times(&self, step: usize) -> Option<(&Histogram, &Histogram)> {
        if self.steps.len() == 1 {
            return Some((&self.response_time, &self.service_time));
        }
        let times = self.steps.get(step)?.times.as_ref()?;
        Some((&times.response_time, &times.service_time))
    }

    pub(super) fn add(&mut self, tick: &Tick) {
        self.ledger += tick.ledger;
        for (_, histogram) in &tick.response_time {
            merge(&mut self.response_time, histogram);
        }
        merge(&mut self.service_time, &tick.service_time);
        self.parts.add(&tick.parts);
        merge(&mut self.connect_time, &tick.connect_time);
        if let [only] = &mut *self.steps {
            only.ok += tick.ledger.completed;
        }
        for (step, from) in self.steps.iter_mut().zip(&tick.steps) {
            if let Some(times) = &from.times {
                let into = step.times.get_or_insert_with(|| StepTimes {
                    response_time: new_histogram(),
                    service_time: new_histogram(),
                });
                merge(&mut into.response_time, &times.response_time);
                merge(&mut into.service_time, &times.service_time);
            }
            let ok = from.outcomes.iter().filter(|(outcome, _)| outcome.is_ok());
            step.ok += ok.map(|(_, count)| count).sum::<u64>();
            add_samples(&mut step.samples, from);
        }
        for (into, from) in self.timings.iter_mut().zip(&tick.timings) {
            merge(into, from);
        }
    }

    pub(super) fn add_backend(&mut self, place: usize, from: &BackendTick) {
        if from.requests == 0 {
            return;
        }
        while self.backends.len() <= place {
            self.backends.push(new_histogram());
        }
        merge(&mut self.backends[place], &from.response_time);
    }

    /// Empties it for the next one and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.ledger = Ledger::default();
        self.parts.reset();
        let times = self.steps.iter_mut().flat_map(|step| {
            step.ok = 0;
            let times = step.times.iter_mut();
            let times = times.flat_map(|it| [&mut it.response_time, &mut it.service_time]);
            times.chain(step.samples.iter_mut().map(|(_, histogram)| histogram))
        });
        for histogram in [
            &mut self.response_time,
            &mut self.service_time,
            &mut self.connect_time,
        ]
        .into_iter()
        .chain(times)
        .chain(&mut self.backends)
        .chain(&mut self.timings)
        {
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
    }
}
