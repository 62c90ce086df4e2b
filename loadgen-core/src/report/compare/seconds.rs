//! What the seconds within runs say of a difference, where there are too few runs.
//!
//! Seconds are drawn again and again from those that were measured, with the ones next to them, as what is slow
//! comes in bunches; how much the figures of such draws differ is how far chance may have moved them
//! (a moving-block bootstrap: Künsch 1989). What one run differs by from the next is in it only as far as there are
//! several: intervals are approximate and too narrow.

use super::super::document::{Point, Quantile, Scenario};
use crate::clock::Nanos;
use crate::condition::{Metric, STATISTICS, Series, Statistic};
use crate::record::Sparse;

/// How often seconds are drawn.
const DRAWS: usize = 1_000;
/// Seconds of a group, all runs together, that are needed to tell how much they differ.
const FEWEST_SECONDS: usize = 10;
/// What is left out at either end of what was drawn.
const BEYOND: f64 = 0.025;

/// The seconds of a group of runs.
#[derive(Debug)]
pub(super) struct Seconds {
    /// Those of each run.
    runs: Vec<Vec<Second>>,
    /// The values of their times in nanoseconds, rising, each once.
    values: Vec<Nanos>,
}

/// A stretch of a run: a second, or a few where neighbours were merged.
#[derive(Debug)]
struct Second {
    seconds: f64,
    completed: u64,
    failed: u64,
    /// Response times: which of the values, and how often.
    times: Vec<(usize, u64)>,
}

/// What a draw of seconds comes to.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    throughput: f64,
    error_rate: Option<f64>,
    /// In microseconds; where the seconds have histograms, and enough samples.
    times: [Option<f64>; STATISTICS.len()],
}

impl Seconds {
    /// The whole seconds of these runs; nothing where they are too few.
    pub(super) fn of(runs: &[&Scenario]) -> Option<Self> {
        let points = runs.iter().map(|run| {
            let points = run.series.iter();
            let whole = points.filter(|it| (it.t_s + it.seconds) as f64 <= run.duration_s);
            whole.collect::<Vec<&Point>>()
        });
        let points: Vec<Vec<&Point>> = points.filter(|it| !it.is_empty()).collect();
        if points.iter().map(Vec::len).sum::<usize>() < FEWEST_SECONDS {
            return None;
        }
        let counted = points.iter().flatten().flat_map(|it| counts(it));
        let mut values: Vec<Nanos> = counted.map(|(value, _)| value).collect();
        values.sort_unstable();
        values.dedup();
        let second = |point: &&Point| Second {
            seconds: point.seconds as f64,
            completed: point.completed,
            failed: point.failed,
            times: counts(point)
                .filter_map(|(value, count)| Some((values.binary_search(&value).ok()?, count)))
                .collect(),
        };
        let runs = points.iter().map(|run| run.iter().map(second).collect());
        Some(Self {
            runs: runs.collect(),
            values,
        })
    }

    /// Draws as many seconds as there are: of as many runs, and of each in blocks.
    fn draw(&self, random: &mut fastrand::Rng) -> Drawn {
        let mut drawn: Vec<&Second> = Vec::new();
        for _ in &self.runs {
            let run = &self.runs[random.usize(..self.runs.len())];
            // The block that suits so many seconds (Hall, Horowitz and Jing 1995).
            let block = (run.len() as f64).cbrt().ceil() as usize;
            let blocks = run.len().div_ceil(block);
            let starts = (0..blocks).map(|_| random.usize(..run.len()));
            let seconds = starts.flat_map(|start| start..start + block);
            drawn.extend(seconds.take(run.len()).map(|at| &run[at % run.len()]));
        }
        self.sum(&drawn)
    }

    fn sum(&self, drawn: &[&Second]) -> Drawn {
        let mut counts = vec![0_u64; self.values.len()];
        let (mut seconds, mut completed, mut failed) = (0.0, 0, 0);
        for second in drawn {
            seconds += second.seconds;
            completed += second.completed;
            failed += second.failed;
            for (at, count) in &second.times {
                counts[*at] += count;
            }
        }
        let ended = completed + failed;
        Drawn {
            throughput: completed as f64 / seconds,
            error_rate: (ended > 0).then(|| failed as f64 / ended as f64),
            times: self.statistics(&counts),
        }
    }

    /// What is asked of times that come so often.
    fn statistics(&self, counts: &[u64]) -> [Option<f64>; STATISTICS.len()] {
        let all: u64 = counts.iter().sum();
        let counted = || self.values.iter().zip(counts);
        STATISTICS.map(|statistic| {
            let Some(quantile) = quantile(statistic) else {
                let sum: f64 = counted()
                    .map(|(value, it)| *value as f64 * *it as f64)
                    .sum();
                return (all > 0).then(|| sum / all as f64 / 1e3);
            };
            if !quantile.is_supported_by(all) {
                return None;
            }
            let rank = (all as f64 * quantile.share()).ceil() as u64;
            let mut below = 0;
            let found = counted().find(|(_, count)| {
                below += **count;
                below >= rank
            });
            found.map(|(value, _)| *value as f64 / 1e3)
        })
    }
}

/// The response times of a point: each value, and how often it came; none without its histogram.
fn counts(point: &Point) -> impl Iterator<Item = (Nanos, u64)> {
    let times = point.response_time_us.as_ref();
    let histogram = times.and_then(|it| it.histogram.as_ref());
    histogram.into_iter().flat_map(Sparse::counts)
}

/// The quantile that is asked for; none for a mean.
fn quantile(statistic: Statistic) -> Option<Quantile> {
    match statistic {
        Statistic::P50 => Some(Quantile::P50),
        Statistic::P90 => Some(Quantile::P90),
        Statistic::P95 => Some(Quantile::P95),
        Statistic::P99 => Some(Quantile::P99),
        Statistic::P999 => Some(Quantile::P999),
        Statistic::P9999 => Some(Quantile::P9999),
        Statistic::Mean | Statistic::Min | Statistic::Max => None,
    }
}

/// What two groups of runs differ by, as drawn many times.
#[derive(Debug)]
pub(super) struct Draws(Vec<[Drawn; 2]>);

impl Draws {
    /// Of two groups; nothing where one has too few seconds. The same whenever it is asked for.
    pub(super) fn of(base: &[&Scenario], new: &[&Scenario]) -> Option<Self> {
        let (base, new) = (Seconds::of(base)?, Seconds::of(new)?);
        let mut random = fastrand::Rng::with_seed(0);
        let each = (0..DRAWS).map(|_| [base.draw(&mut random), new.draw(&mut random)]);
        Some(Self(each.collect()))
    }

    /// Where the difference in a metric lies in 95 of 100 draws; nothing where seconds do not tell.
    pub(super) fn interval(
        &self,
        metric: &Metric,
        differ: impl Fn(f64, f64) -> f64,
    ) -> Option<[f64; 2]> {
        let of = |drawn: &Drawn| match metric {
            Metric::Throughput => Some(drawn.throughput),
            Metric::ErrorRate => drawn.error_rate,
            Metric::Series(Series::ResponseTime, asked) => {
                let at = STATISTICS.iter().position(|it| it == asked)?;
                drawn.times[at]
            }
            _ => None,
        };
        let differences = self
            .0
            .iter()
            .map(|[base, new]| Some(differ(of(base)?, of(new)?)));
        let mut differences: Vec<f64> = differences.collect::<Option<_>>()?;
        differences.sort_by(f64::total_cmp);
        let at = |share: f64| (differences.len() as f64 * share) as usize;
        let last = differences.len() - 1;
        Some([
            differences[at(BEYOND)],
            differences[at(1.0 - BEYOND).min(last)],
        ])
    }
}
