//! What the document says of the run as a whole: how the generator fared, and the sums.

use std::borrow::Cow;
use std::time::Duration;

use super::super::document::{
    Backend, Generator, Grid, Statistics, ThresholdResult, Total, Worker, micros, round6,
};
use super::super::worker_load::{WorkerLoad, WorkerName};
use super::per_second;
use super::scenario::{backends, connections, outcomes, with_samples};
use crate::clock::{Nanos, nanos};
use crate::record::{
    ByteCount, ConnectionRecord, GeneratorRecord, Histogram, Ledger, RunRecord, ScenarioRecord,
    new_histogram,
};

/// How the generator itself fared.
pub(in crate::report) fn generator(record: &GeneratorRecord, measured: Duration) -> Generator {
    let workers = &record.workers;
    let per_worker: Vec<Worker> = WorkerName::all_of(workers)
        .zip(workers)
        .map(|(name, worker)| {
            let load = WorkerLoad::of(name, worker);
            Worker {
                shard: worker.shard,
                cpu_busy: load.busy,
                cpu_waiting: Some(round6(worker.cpu_waiting)).filter(|it| *it > 0.0),
                cpu_starved: load.starved,
                longest_stall_us: micros(nanos(worker.longest_stall)),
                grid: worker.grid.map(|grid| Grid {
                    ticks_us: micros(nanos(grid.ticks_apart)),
                    share: round6(grid.share),
                    cpu_saved: grid.cpu_saved.map(round6),
                    unstamped: grid.unstamped,
                }),
            }
        })
        .collect();
    Generator {
        workers: per_worker.len() as u64,
        cpu_busy: per_worker
            .iter()
            .map(|worker| worker.cpu_busy)
            .fold(0.0, f64::max),
        pacing: record.pacing.to_string(),
        throttled_share: record.throttled_share.map(round6),
        saturated: WorkerLoad::busiest(workers).is_some_and(|it| it.is_saturated(measured)),
        per_worker,
    }
}

/// Sums over the scenarios, and what became of the conditions on tags.
pub(super) fn total(record: &RunRecord, thresholds: Vec<ThresholdResult>, is_kept: bool) -> Total {
    let mut ledger = Ledger::default();
    let mut bytes = ByteCount::default();
    let mut outcomes_by_key = outcomes(&[]);
    let mut all_connections = ConnectionRecord::empty();
    for scenario in &record.scenarios {
        ledger += scenario.ledger;
        bytes.sent += scenario.bytes.sent;
        bytes.received += scenario.bytes.received;
        for (key, count) in outcomes(&scenario.outcomes) {
            *outcomes_by_key.entry(key).or_default() += count;
        }
        all_connections.merge(&scenario.connections);
    }
    let merged = |of: fn(&ScenarioRecord) -> &Histogram| match &*record.scenarios {
        [only] => Cow::Borrowed(of(only)),
        several => {
            let mut all = new_histogram();
            for scenario in several {
                all.add(of(scenario));
            }
            Cow::Owned(all)
        }
    };
    let youngest = |of: fn(&ScenarioRecord) -> Option<Nanos>| {
        let scenarios = record.scenarios.iter();
        scenarios.filter_map(of).min()
    };
    let response_time = merged(|scenario| &scenario.response_time);
    let service_time = merged(|scenario| &scenario.service_time);
    Total {
        ledger,
        unanswered: record.scenarios.iter().map(|it| it.unanswered).sum(),
        throughput_per_s: per_second(ledger.completed, record.elapsed),
        response_time_us: with_samples(
            Statistics::of(&*response_time)
                .with_lower_bounds(&response_time, youngest(|it| it.youngest_unanswered)),
            &response_time,
            is_kept,
        ),
        service_time_us: with_samples(
            Statistics::of(&*service_time)
                .with_lower_bounds(&service_time, youngest(|it| it.youngest_cut_off)),
            &service_time,
            is_kept,
        ),
        outcomes: outcomes_by_key,
        bytes,
        connections: connections(&all_connections),
        backends: all_backends(record),
        thresholds,
    }
}

/// Each server over all scenarios, and how much of each it answered. Their times are counted from different
/// beginnings, and are left out.
fn all_backends(record: &RunRecord) -> Vec<Backend> {
    let mut rows = backends(record.backends().iter());
    for row in &mut rows {
        (row.first_s, row.last_s) = (None, None);
        for scenario in &record.scenarios {
            let its = scenario.all_backends().filter(|it| it.id == row.id);
            let requests: u64 = its.map(|it| it.requests).sum();
            if requests > 0 {
                *row.scenarios.entry(scenario.name.clone()).or_default() += requests;
            }
        }
    }
    rows
}
