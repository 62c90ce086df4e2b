//! How much time a worker had to spare, and what helps one that had none.
//!
//! Owns the bounds of saturation and the words for it. Whether a run suffered is for the verdict.

use std::fmt;
use std::time::Duration;

use super::document::round6;
use super::phrase::percent;
use crate::record::WorkerRecord;

/// Busy, or waiting for a processor, for this part of the time: nothing to spare.
const SATURATED: f64 = 0.95;
/// Below this part there was time to spare, so lateness has another cause than too much work.
const SPARE: f64 = 0.8;
/// Waiting for a processor for this part of the time: others use the machine.
const STARVED: f64 = 0.2;
/// The clocks of busy and starved say nothing of a shorter time.
const SHORTEST: Duration = Duration::from_millis(100);

/// What sentences call a worker: `worker 1`, or `worker 1 of shard 2` where shards were merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkerName {
    number: usize,
    shard: Option<u32>,
}

impl WorkerName {
    /// Those of all workers, in their order.
    pub(super) fn all_of(workers: &[WorkerRecord]) -> impl Iterator<Item = Self> {
        workers.iter().enumerate().map(|(place, worker)| {
            let earlier = workers[..place].iter();
            Self {
                number: earlier.filter(|it| it.shard == worker.shard).count(),
                shard: worker.shard,
            }
        })
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.number)?;
        match self.shard {
            Some(shard) => write!(f, " of shard {shard}"),
            None => Ok(()),
        }
    }
}

/// A worker's share of the measured time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WorkerLoad {
    pub(super) name: WorkerName,
    pub(super) busy: f64,
    pub(super) starved: f64,
}

/// The machine and the run that a worker was part of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    pub(super) measured: Duration,
    pub(super) workers: usize,
    /// Where it is known.
    pub(super) cores: Option<u64>,
}

impl WorkerLoad {
    /// Busy and starved come from different clocks, so together they can seem to be more than
    /// all of the time; processor time is the surer of the two.
    pub(super) fn of(name: WorkerName, worker: &WorkerRecord) -> Self {
        let busy = round6(worker.cpu_busy).clamp(0.0, 1.0);
        let starved = round6(worker.cpu_starved).clamp(0.0, round6(1.0 - busy));
        Self {
            name,
            busy,
            starved,
        }
    }

    /// The worker with the least time to spare.
    pub(super) fn busiest(workers: &[WorkerRecord]) -> Option<Self> {
        let loads = WorkerName::all_of(workers)
            .zip(workers)
            .map(|(name, it)| Self::of(name, it));
        loads.max_by(|a, b| a.sum().total_cmp(&b.sum()))
    }

    fn sum(self) -> f64 {
        round6(self.busy + self.starved)
    }

    /// Whether the worker had no time to spare; never after too short a time to tell.
    pub(super) fn is_saturated(self, measured: Duration) -> bool {
        measured >= SHORTEST && self.sum() >= SATURATED
    }

    /// What hindered the worker, as a clause with figures.
    pub(super) fn cause(self) -> String {
        let Self { name, .. } = self;
        let figures = self.figures();
        if self.sum() < SPARE {
            format!(
                "{name} had processor time to spare ({figures}) but was held off it: the \
                 process or its machine was suspended, another process or the host took its turn, or \
                 a workload blocked its thread"
            )
        } else if self.starved >= STARVED {
            format!("{name} had to wait for a processor ({figures})")
        } else if self.sum() >= SATURATED {
            format!("{name} had no time to spare ({figures})")
        } else {
            format!("{name} had little time to spare ({figures})")
        }
    }

    /// What helps, as an imperative; `less` is what else the user could ask for.
    pub(super) fn remedy(self, around: Surroundings, less: &str) -> String {
        let workers = around.workers as u64;
        if self.sum() < SPARE {
            return "run where nothing else does, and never block in a workload".to_owned();
        }
        let crowded = around.cores.filter(|cores| workers > *cores);
        if self.starved >= STARVED {
            return match crowded {
                Some(cores) => format!("use no more workers than cores ({cores})"),
                None => "give the machine's cores to the generator alone".to_owned(),
            };
        }
        match around.cores {
            Some(cores) if workers >= cores => format!("use {less} or a machine with more cores"),
            Some(cores) => format!("use more workers ({workers} for {cores} cores) or {less}"),
            None => format!("use more workers, if there are cores for them, or {less}"),
        }
    }

    /// [`cause`](Self::cause) and [`remedy`](Self::remedy) of a generator that did not keep up.
    pub(super) fn explain(self, around: Surroundings, less: &str) -> String {
        if around.measured < SHORTEST {
            return "the generator did not keep up, and the run was too short to tell why; run \
                    for longer"
                .to_owned();
        }
        format!("{}; {}", self.cause(), self.remedy(around, less))
    }

    fn figures(self) -> String {
        let busy = percent(self.busy);
        if self.starved < 0.01 {
            format!("busy {busy} of the time")
        } else {
            let starved = percent(self.starved);
            format!("busy {busy} of the time and without a processor for {starved}")
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn load(cpu_busy: f64, cpu_starved: f64) -> WorkerLoad {
        let worker = WorkerRecord {
            cpu_busy,
            cpu_starved,
            ..WorkerRecord::default()
        };
        let name = WorkerName {
            number: 1,
            shard: None,
        };
        WorkerLoad::of(name, &worker)
    }

    #[test_case(0.3, 0.1 => (0.3, 0.1))]
    #[test_case(0.96, 0.74 => (0.96, 0.04); "more than all of the time")]
    #[test_case(1.7, 0.5 => (1.0, 0.0); "busier than can be")]
    #[test_case(f64::NAN, -1.0 => (0.0, 0.0); "no figures")]
    fn never_more_than_all_of_the_time(busy: f64, starved: f64) -> (f64, f64) {
        let load = load(busy, starved);
        (load.busy, load.starved)
    }

    #[test_case(100, 0.60, 0.35 => true; "both together")]
    #[test_case(100, 0.60, 0.34 => false; "time to spare")]
    #[test_case(99, 1.0, 0.0 => false; "too short to tell")]
    fn saturated(millis: u64, busy: f64, starved: f64) -> bool {
        load(busy, starved).is_saturated(Duration::from_millis(millis))
    }

    #[test_case(0.03, 0.0, 2, Some(2) => "worker 1 had processor time to spare (busy 3% of the time) but was held off it: the process or its machine was suspended, another process or the host took its turn, or a workload blocked its thread; run where nothing else does, and never block in a workload"; "idle")]
    #[test_case(0.5, 0.3, 2, Some(2) => "worker 1 had to wait for a processor (busy 50% of the time and without a processor for 30%); give the machine's cores to the generator alone"; "starved")]
    #[test_case(0.5, 0.5, 4, Some(2) => "worker 1 had to wait for a processor (busy 50% of the time and without a processor for 50%); use no more workers than cores (2)"; "starved by its like")]
    #[test_case(0.85, 0.0, 2, Some(8) => "worker 1 had little time to spare (busy 85% of the time); use more workers (2 for 8 cores) or a lower rate"; "cores to spare")]
    #[test_case(0.97, 0.0, 2, Some(2) => "worker 1 had no time to spare (busy 97% of the time); use a lower rate or a machine with more cores"; "no cores to spare")]
    #[test_case(0.97, 0.0, 2, None => "worker 1 had no time to spare (busy 97% of the time); use more workers, if there are cores for them, or a lower rate"; "cores unknown")]
    fn remedies(busy: f64, starved: f64, workers: usize, cores: Option<u64>) -> String {
        let around = Surroundings {
            measured: Duration::from_secs(10),
            workers,
            cores,
        };
        load(busy, starved).explain(around, "a lower rate")
    }

    #[test]
    fn workers_of_shards_are_numbered_within_them() {
        let worker = |shard| WorkerRecord {
            shard,
            ..WorkerRecord::default()
        };
        let names = |workers: &[WorkerRecord]| {
            let names = WorkerName::all_of(workers);
            names.map(|it| it.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[worker(None); 2]), ["worker 0", "worker 1"]);
        assert_eq!(
            names(&[Some(0), Some(0), Some(3)].map(worker)),
            [
                "worker 0 of shard 0",
                "worker 1 of shard 0",
                "worker 0 of shard 3"
            ]
        );
    }

    #[test]
    fn a_short_run_tells_no_cause() {
        let around = Surroundings {
            measured: Duration::from_millis(3),
            workers: 1,
            cores: Some(2),
        };
        assert_eq!(
            load(0.96, 0.74).explain(around, "a lower rate"),
            "the generator did not keep up, and the run was too short to tell why; run for longer"
        );
    }
}
