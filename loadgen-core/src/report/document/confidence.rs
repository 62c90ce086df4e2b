//! How far a percentile may be off by chance.
//!
//! Another run of the same length would have had other samples, and other percentiles. Of all
//! samples in order, the percentile that holds in the long run lies so many ranks around the one
//! that was found, in 95 of 100 runs. How many depends on how much the number of samples beyond it
//! differs from one second to the next: independent samples differ as a binomial distribution has
//! it. Those of a queue come in bunches and differ more, so each of them tells less.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantile::Quantile;
use super::rounding::micros;
use crate::record::{Histogram, Samples, SeriesPoint, Sparse};

/// Seconds with samples that are needed to tell how much they differ.
const FEWEST_SECONDS: usize = 10;

/// So many standard deviations on either side hold 95 % of a normal distribution.
const Z_95: f64 = 1.96;

/// Intervals that hold the percentiles in 95 of 100 runs: lower and upper end, in microseconds.
///
/// One stands for each percentile that enough samples support.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Confidence {
    /// What they are made from.
    pub method: Method,
    /// That of `p95`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<[f64; 2]>,
    /// That of `p99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<[f64; 2]>,
    /// That of `p999`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<[f64; 2]>,
}

/// What an interval is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Method {
    /// The number of samples: they are independent as far as the seconds tell.
    Ranks,
    /// How much the seconds differ. Approximate: where one second has much to do with the next, too
    /// narrow.
    Seconds,
}

impl Confidence {
    /// The intervals of a scenario's response times; nothing with too few samples, or with fewer
    /// than ten seconds that have any.
    pub(in crate::report) fn of(times: &Histogram, series: &[SeriesPoint]) -> Option<Self> {
        let seconds = series.iter().map(|point| &point.response_time);
        let seconds: Vec<&Sparse> = seconds.filter(|it| !it.is_empty()).collect();
        if seconds.len() < FEWEST_SECONDS {
            return None;
        }
        let spread = |quantile: Quantile| {
            let is_supported = quantile.is_supported_by(times.len());
            is_supported.then(|| Spread::of(times, &seconds, quantile.share()))
        };
        let spreads = [Quantile::P95, Quantile::P99, Quantile::P999].map(spread);
        // Whoever has enough samples for the higher ones has enough for this one.
        spreads[0]?;
        let method = if spreads.iter().flatten().all(Spread::is_of_independent) {
            Method::Ranks
        } else {
            Method::Seconds
        };
        let [p95, p99, p999] = spreads.map(|it| it.map(|it| it.interval(times, method)));
        Some(Self {
            method,
            p95,
            p99,
            p999,
        })
    }
}

/// How much seconds differ in the number of samples beyond a percentile.
#[derive(Debug, Clone, Copy)]
struct Spread {
    /// The percentile, 0 to 1.
    share: f64,
    /// Degrees of freedom: one less than there are seconds.
    freedom: f64,
    /// Variance of the number of all samples beyond it, by how much the seconds differ.
    variance: f64,
    /// Its index of dispersion times the degrees of freedom: distributed as chi-square where
    /// samples are independent.
    chi_square: f64,
}

impl Spread {
    fn of(times: &Histogram, seconds: &[&Sparse], share: f64) -> Self {
        let beyond = 1.0 - share;
        // The seconds have their samples to two digits.
        let value = Sparse::coarse_value(times.at(share));
        // Of each second: all samples, those beyond the percentile, and those in its own bucket.
        let counted: Vec<[f64; 3]> = seconds
            .iter()
            .map(|second| {
                let (mut above, mut same) = (0, 0);
                for (at, count) in second.counts() {
                    match Sparse::coarse_value(at).cmp(&value) {
                        Ordering::Less => {}
                        Ordering::Equal => same += count,
                        Ordering::Greater => above += count,
                    }
                }
                [second.len(), above, same].map(|it| it as f64)
            })
            .collect();
        let sum = |nth: usize| counted.iter().map(|it| it[nth]).sum::<f64>();
        let [all, above, same] = [sum(0), sum(1), sum(2)];
        // The percentile lies within its bucket: a part of that is beyond it, in every second alike.
        let part = if same > 0.0 {
            ((beyond * all - above) / same).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let (mut squares, mut chi_square) = (0.0, 0.0);
        for [all, above, same] in &counted {
            let off = above + part * same - beyond * all;
            squares += off * off;
            chi_square += off * off / (all * beyond * share);
        }
        let count = counted.len() as f64;
        Self {
            share,
            freedom: count - 1.0,
            variance: squares * count / (count - 1.0),
            chi_square,
        }
    }

    /// Whether seconds differ no more than chance would have it in 95 of 100 cases, were samples
    /// independent.
    fn is_of_independent(&self) -> bool {
        self.chi_square <= chi_square_95(self.freedom)
    }

    fn interval(&self, times: &Histogram, method: Method) -> [f64; 2] {
        let count = times.len() as f64;
        let half = match method {
            Method::Ranks => Z_95 * (count * self.share * (1.0 - self.share)).sqrt(),
            Method::Seconds => student_95(self.freedom) * self.variance.sqrt(),
        };
        let middle = count * self.share;
        let ranks = [(middle - half).floor(), (middle + half).ceil()];
        // Half a rank down, so that the rank is found whatever the division's last digit.
        ranks.map(|rank| micros(times.at((rank.clamp(1.0, count) - 0.5) / count)))
    }
}

/// What 95 % of a chi-square distribution are below (Wilson and Hilferty 1931).
fn chi_square_95(freedom: f64) -> f64 {
    const ONE_SIDED: f64 = 1.645;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + ONE_SIDED * part.sqrt()).powi(3)
}

/// So many standard deviations on either side hold 95 % of Student's distribution: the normal one's
/// and the first two terms of its expansion (Abramowitz and Stegun 26.7.5), good to 0.01 from
/// nine degrees of freedom on.
fn student_95(freedom: f64) -> f64 {
    let z = Z_95;
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::new_histogram;

    /// Seconds of a run, each with its samples in microseconds.
    fn run(seconds: &[Vec<f64>]) -> (Histogram, Vec<SeriesPoint>) {
        let (mut all, mut times) = (new_histogram(), new_histogram());
        let points = seconds.iter().zip(0..).map(|(second, nth)| {
            times.reset();
            for sample in second {
                let nanos = (sample * 1e3).round() as u64;
                times.saturating_record(nanos);
                all.saturating_record(nanos);
            }
            let mut point = SeriesPoint::empty(nth, 1);
            point.response_time = Sparse::coarse(&times);
            point
        });
        let points = points.collect();
        (all, points)
    }

    fn confidence(seconds: &[Vec<f64>]) -> Option<Confidence> {
        let (times, series) = run(seconds);
        Confidence::of(&times, &series)
    }

    fn exponential(random: &mut fastrand::Rng, mean: f64) -> f64 {
        -mean * (1.0 - random.f64()).ln()
    }

    fn holds(interval: Option<[f64; 2]>, value: f64) -> bool {
        let [low, high] = interval.unwrap();
        assert!(low <= high);
        low <= value && value <= high
    }

    #[test]
    fn independent_samples_are_judged_by_their_number() {
        let mut random = fastrand::Rng::with_seed(9);
        const TRIALS: usize = 200;
        let (mut ranks, mut covered) = (0, [0; 2]);
        for _ in 0..TRIALS {
            let second = |_| (0..200).map(|_| exponential(&mut random, 0.3)).collect();
            let seconds: Vec<Vec<f64>> = (0..12).map(second).collect();
            let found = confidence(&seconds).unwrap();
            assert!(found.p999.is_none(), "2,400 samples are too few");
            ranks += usize::from(found.method == Method::Ranks);
            covered[0] += usize::from(holds(found.p95, 0.3 * 20_f64.ln()));
            covered[1] += usize::from(holds(found.p99, 0.3 * 100_f64.ln()));
        }
        assert!(ranks > TRIALS * 8 / 10, "{ranks}");
        for covered in covered {
            assert!((TRIALS * 90 / 100..TRIALS).contains(&covered), "{covered}");
        }
    }

    #[test]
    fn what_comes_in_bunches_is_judged_by_the_seconds() {
        let mut random = fastrand::Rng::with_seed(9);
        const TRIALS: usize = 60;
        // One server, four fifths of its time busy: the time in the system is exponential, too.
        let mean = 0.1 / (1.0 - 0.8);
        let (mut covered, mut narrow) = (0, 0);
        for _ in 0..TRIALS {
            let mut waits = 0.0;
            let mut next = || {
                let takes = exponential(&mut random, 0.1);
                let stays = waits + takes;
                waits = f64::max(0.0, stays - exponential(&mut random, 0.125));
                stays
            };
            let second = |_| (0..300).map(|_| next()).collect();
            let seconds: Vec<Vec<f64>> = (0..20).map(second).collect();
            let found = confidence(&seconds).unwrap();
            assert_eq!(found.method, Method::Seconds);
            covered += usize::from(holds(found.p95, mean * 20_f64.ln()));
            let (times, _) = run(&seconds);
            let spread = Spread {
                share: 0.95,
                freedom: 19.0,
                variance: 0.0,
                chi_square: 0.0,
            };
            let by_number = spread.interval(&times, Method::Ranks);
            narrow += usize::from(holds(Some(by_number), mean * 20_f64.ln()));
        }
        assert!(covered > TRIALS * 3 / 4, "{covered}");
        assert!(narrow < TRIALS / 2, "{narrow}");
    }

    #[test]
    fn few_seconds_and_few_samples_have_none() {
        let second = |count: usize| (0..count).map(|it| 100.0 + it as f64).collect::<Vec<_>>();
        assert!(confidence(&vec![second(500); 9]).is_none());
        assert!(confidence(&vec![second(19); 10]).is_none(), "190 samples");
        let few = confidence(&vec![second(20); 10]).unwrap();
        assert!(few.p95.is_some() && few.p99.is_none());
        let mut gaps = vec![second(500); 9];
        gaps.extend(vec![Vec::new(); 20]);
        assert!(confidence(&gaps).is_none(), "empty seconds tell nothing");
    }

    #[test]
    fn one_value_has_a_narrow_interval() {
        let found = confidence(&vec![vec![2.0; 100]; 12]).unwrap();
        assert_eq!(found.p95, Some([2.0, 2.0]));
        assert_eq!(found.method, Method::Ranks, "no second differs");
    }

    /// All that is slow came in one second: the p99 might as well be the largest.
    #[test]
    fn one_bad_second_leaves_much_open() {
        let mut seconds = vec![
            (0..1_000)
                .map(|it| 1.0 + it as f64 / 1e3)
                .collect::<Vec<_>>();
            30
        ];
        seconds[17] = (0..1_000).map(|it| it as f64).collect();
        let found = confidence(&seconds).unwrap();
        assert_eq!(found.method, Method::Seconds);
        let [low, high] = found.p99.unwrap();
        assert!(low < 200.0 && high > 990.0, "{low} {high}");
    }

    #[test_case(9.0, 16.919)]
    #[test_case(29.0, 42.557)]
    #[test_case(599.0, 657.094)]
    fn chi_square(freedom: f64, expected: f64) {
        let found = chi_square_95(freedom);
        assert!((found - expected).abs() < 0.1, "{found}");
    }

    #[test_case(9.0, 2.262)]
    #[test_case(29.0, 2.045)]
    #[test_case(599.0, 1.964)]
    fn student(freedom: f64, expected: f64) {
        let found = student_95(freedom);
        assert!((found - expected).abs() < 0.01, "{found}");
    }
}
