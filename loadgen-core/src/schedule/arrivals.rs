//! Due times of an open model, computed by index so that nothing drifts.

use super::load::exponential;
use super::{RateStage, Spacing};
use crate::clock::{Nanos, nanos};

/// Which part of all arrivals one worker takes: every `of`-th, beginning with `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// Worker `k` of `W` on shard `s` of `S` is `s + S·k`: others may have more workers or fewer.
    pub index: u64,
    /// `S·W`. At least 1.
    pub of: u64,
}

impl Share {
    /// All of it.
    pub const ALL: Self = Self { index: 0, of: 1 };

    /// Every `of`-th, beginning with `index`.
    #[must_use]
    pub const fn new(index: u64, of: u64) -> Self {
        Self { index, of }
    }
}

/// Arrivals a second `at` nanoseconds after the start of the stages; after the last stage there are none.
#[must_use]
pub fn rate_at(stages: &[RateStage], at: Nanos) -> f64 {
    let mut begin = 0;
    for stage in stages {
        let length = nanos(stage.duration);
        if at < begin + length {
            let progress = (at - begin) as f64 / length as f64;
            return stage.from + (stage.to - stage.from) * progress;
        }
        begin += length;
    }
    0.0
}

/// The due times of one share of an open model's arrivals, in nanoseconds from its start.
///
/// Arrival `i` is due when the area under the rate line reaches `i`. Over a stage of length `d`
/// whose rate goes from `a` to `b`, the area at time `t` is `a·t + s·t²/2` with `s = (b − a)/d`;
/// solved for `t` in the form that does not cancel: `t = 2x / (a + √(a² + 2·s·x))`.
///
/// Uniform arrivals are the whole numbers; Poisson arrivals are a unit-rate Poisson process on the
/// same axis, which makes its rate follow the line in time. Each share of a Poisson process is
/// drawn for itself, `of` times as sparse.
///
/// Where the line turns ([`turn`](Self::turn)), the arrivals go on along its area: none is left out, none comes
/// twice, and none is early or made up for.
#[derive(Debug, Clone)]
pub struct Arrivals {
    stages: Vec<Segment>,
    stage: usize,
    total: f64,
    /// The end of all stages.
    end_s: f64,
    position: Position,
}

#[derive(Debug, Clone)]
enum Position {
    Uniform {
        next: u64,
        step: u64,
    },
    Poisson {
        at: f64,
        step: f64,
        random: fastrand::Rng,
    },
}

/// A stage with everything that does not change from arrival to arrival.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start_s: f64,
    length_s: f64,
    area_before: f64,
    area: f64,
    from: f64,
    slope: f64,
}

impl Segment {
    /// When, from the start of the plan, the area inside this segment reaches `area`.
    fn time_at(&self, area: f64) -> f64 {
        let offset = if self.slope == 0.0 {
            area / self.from
        } else {
            let root = (self.from * self.from + 2.0 * self.slope * area)
                .max(0.0)
                .sqrt();
            let denominator = self.from + root;
            if denominator > 0.0 {
                2.0 * area / denominator
            } else {
                0.0
            }
        };
        self.start_s + offset.min(self.length_s)
    }
}

impl Arrivals {
    /// The arrivals of `share` under these stages.
    #[must_use]
    pub fn new(stages: &[RateStage], spacing: Spacing, share: Share, seed: u64) -> Self {
        let mut segments = Vec::with_capacity(stages.len());
        let (mut start_s, mut area_before) = (0.0, 0.0);
        for stage in stages {
            let length_s = stage.duration.as_secs_f64();
            let area = (stage.from + stage.to) / 2.0 * length_s;
            if area > 0.0 {
                segments.push(Segment {
                    start_s,
                    length_s,
                    area_before,
                    area,
                    from: stage.from,
                    slope: (stage.to - stage.from) / length_s,
                });
            }
            start_s += length_s;
            area_before += area;
        }
        let position = match spacing {
            Spacing::Uniform => Position::Uniform {
                next: share.index,
                step: share.of,
            },
            Spacing::Poisson => {
                let mut random = fastrand::Rng::with_seed(seed);
                let step = share.of as f64;
                Position::Poisson {
                    at: step * exponential(&mut random),
                    step,
                    random,
                }
            }
        };
        Self {
            stages: segments,
            stage: 0,
            total: without_rounding(area_before, stages.len()),
            end_s: start_s,
            position,
        }
    }

    /// From this moment on, until the end of the stages, there are so many arrivals a second, whatever the stages
    /// say. All shares have to turn alike. Those that were due before are to have been taken and none that is due
    /// later; without effect from the end on.
    pub fn turn(&mut self, at: Nanos, per_second: f64) {
        let at_s = at as f64 / 1e9;
        let length_s = self.end_s - at_s;
        if length_s <= 0.0 {
            return;
        }
        self.stages.retain(|it| it.start_s < at_s);
        let area_before = self.stages.last_mut().map_or(0.0, |last| {
            if last.start_s + last.length_s > at_s {
                last.length_s = at_s - last.start_s;
                last.area = (last.from + last.slope * last.length_s / 2.0) * last.length_s;
            }
            last.area_before + last.area
        });
        let area = per_second * length_s;
        self.stages.push(Segment {
            start_s: at_s,
            length_s,
            area_before,
            area,
            from: per_second,
            slope: 0.0,
        });
        // The next arrival may have been looked for beyond.
        self.stage = self.stage.min(self.stages.len() - 1);
        self.total = without_rounding(area_before + area, self.stages.len());
    }

    /// When the next arrival is due; `None` when there are no more.
    #[inline]
    pub fn due(&mut self) -> Option<Nanos> {
        let area = match &self.position {
            Position::Uniform { next, .. } => *next as f64,
            Position::Poisson { at, .. } => *at,
        };
        if area >= self.total {
            return None;
        }
        while area >= self.stages[self.stage].area_before + self.stages[self.stage].area
            && self.stage + 1 < self.stages.len()
        {
            self.stage += 1;
        }
        let segment = &self.stages[self.stage];
        let due_s = segment.time_at(area - segment.area_before);
        Some((due_s * 1e9) as Nanos)
    }

    /// The next arrival is taken: the one after it is the next.
    #[inline]
    pub fn advance(&mut self) {
        match &mut self.position {
            Position::Uniform { next, step } => *next += *step,
            Position::Poisson { at, step, random } => *at += *step * exponential(random),
        }
    }

    /// How many arrivals all shares have together: exact for uniform spacing, the mean of a
    /// Poisson process.
    fn expected_total(&self) -> u64 {
        self.total.ceil() as u64
    }
}

/// How many arrivals there are under these stages: exact for uniform spacing, the mean of a Poisson process.
pub(crate) fn arrivals_of(stages: &[RateStage]) -> u64 {
    Arrivals::new(stages, Spacing::Uniform, Share::ALL, 0).expected_total()
}

impl Iterator for Arrivals {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let due = self.due()?;
        self.advance();
        Some(due)
    }
}

/// A sum of areas, less what errors of rounding may have added: they must not make an arrival at the very end.
fn without_rounding(area: f64, stages: usize) -> f64 {
    area - area * f64::EPSILON * 2.0 * stages as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn stage(seconds: f64, from: f64, to: f64) -> RateStage {
        RateStage {
            duration: Duration::from_secs_f64(seconds),
            from,
            to,
        }
    }

    fn stages() -> impl Strategy<Value = Vec<RateStage>> {
        prop::collection::vec(
            (0.0_f64..5.0, 0.0_f64..500.0, 0.0_f64..500.0)
                .prop_map(|(seconds, from, to)| stage(seconds, from, to)),
            1..5,
        )
    }

    fn area(stages: &[RateStage]) -> f64 {
        stages
            .iter()
            .map(|stage| (stage.from + stage.to) / 2.0 * stage.duration.as_secs_f64())
            .sum()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_from_zero() {
        let due: Vec<_> =
            Arrivals::new(&[stage(1.0, 4.0, 4.0)], Spacing::Uniform, Share::ALL, 0).collect();
        assert_eq!(due, [0, 250_000_000, 500_000_000, 750_000_000]);
    }

    #[test]
    fn a_long_constant_rate_does_not_drift() {
        let mut arrivals = Arrivals::new(
            &[stage(86_400.0, 1000.0, 1000.0)],
            Spacing::Uniform,
            Share {
                index: 86_399_999,
                of: 86_400_000,
            },
            0,
        );
        assert_eq!(arrivals.next(), Some(86_399_999_000_000));
        assert_eq!(arrivals.next(), None);
    }

    #[test]
    fn a_ramp_follows_the_square_root() {
        let due: Vec<_> =
            Arrivals::new(&[stage(2.0, 0.0, 2.0)], Spacing::Uniform, Share::ALL, 0).collect();
        // The area is t²/2: 0 at 0 s, 1 at √2 s, 2 at 2 s, which is the end.
        assert_eq!(due.len(), 2);
        assert_eq!(due[0], 0);
        assert!(due[1].abs_diff(1_414_213_562) <= 1, "{due:?}");
    }

    #[test]
    fn a_stage_at_rate_zero_is_silent() {
        let due: Vec<_> = Arrivals::new(
            &[
                stage(1.0, 2.0, 2.0),
                stage(10.0, 0.0, 0.0),
                stage(1.0, 2.0, 2.0),
            ],
            Spacing::Uniform,
            Share::ALL,
            0,
        )
        .collect();
        assert_eq!(due, [0, 500_000_000, 11_000_000_000, 11_500_000_000]);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let due: Vec<_> = Arrivals::new(
            &[stage(100.0, 1000.0, 1000.0)],
            Spacing::Poisson,
            Share::ALL,
            7,
        )
        .collect();
        let gaps: Vec<f64> = due.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
        assert!(
            (variance.sqrt() - 1.0).abs() < 0.03,
            "deviation {}",
            variance.sqrt()
        );
    }

    /// What is due while somebody turns the rate at these moments, as a worker takes it: up to each of them first.
    fn turned(mut arrivals: Arrivals, turns: &[(Nanos, f64)]) -> Vec<Nanos> {
        let mut due = Vec::new();
        for (at, rate) in turns {
            while let Some(next) = arrivals.due().filter(|next| next < at) {
                due.push(next);
                arrivals.advance();
            }
            arrivals.turn(*at, *rate);
        }
        due.extend(arrivals);
        due
    }

    fn turns() -> impl Strategy<Value = Vec<(Nanos, f64)>> {
        let turn = (0_u64..12_000_000_000, 0.1_f64..800.0);
        prop::collection::vec(turn, 0..6).prop_map(|mut turns| {
            turns.sort_by_key(|it| it.0);
            turns.dedup_by_key(|it| it.0);
            turns
        })
    }

    /// The area under a line that turns.
    fn area_of_turned(stages: &[RateStage], turns: &[(Nanos, f64)]) -> f64 {
        let ends: f64 = stages.iter().map(|it| it.duration.as_secs_f64()).sum();
        let moments: Vec<f64> = turns.iter().map(|it| it.0 as f64 / 1e9).collect();
        let first = moments.first().copied().unwrap_or(ends).min(ends);
        let (mut area, mut begin) = (0.0, 0.0);
        for stage in stages {
            let length = stage.duration.as_secs_f64();
            let part = (first - begin).clamp(0.0, length);
            if part > 0.0 {
                let slope = (stage.to - stage.from) / length;
                area += (stage.from + slope * part / 2.0) * part;
            }
            begin += length;
        }
        for (nth, (_, rate)) in turns.iter().enumerate() {
            let until = moments.get(nth + 1).copied().unwrap_or(ends).min(ends);
            area += rate * (until - moments[nth]).max(0.0);
        }
        area
    }

    #[test]
    fn a_rate_that_turns_goes_on_where_the_line_was() {
        let arrivals = Arrivals::new(&[stage(2.0, 2.0, 2.0)], Spacing::Uniform, Share::ALL, 0);
        // Half an arrival is behind at 0.75 s; at 4/s the other half takes an eighth of a second.
        let due = turned(arrivals, &[(750_000_000, 4.0)]);
        let ms: Vec<_> = due.iter().map(|it| it / 1_000_000).collect();
        assert_eq!(ms, [0, 500, 875, 1125, 1375, 1625, 1875]);
    }

    #[test]
    fn a_rate_that_turns_ends_a_silence_and_not_later_than_the_plan() {
        let silent = [stage(1.0, 0.0, 0.0), stage(1.0, 1.0, 1.0)];
        let arrivals = Arrivals::new(&silent, Spacing::Uniform, Share::ALL, 0);
        let due = turned(arrivals.clone(), &[(500_000_000, 2.0)]);
        assert_eq!(due, [500_000_000, 1_000_000_000, 1_500_000_000]);
        let due = turned(arrivals, &[(2_000_000_000, 100.0)]);
        assert_eq!(due, [1_000_000_000]);
    }

    proptest! {
        #[test]
        fn shares_turn_as_one(
            stages in stages(),
            turns in turns(),
            of in 1_u64..9,
        ) {
            let arrivals = |share| {
                turned(Arrivals::new(&stages, Spacing::Uniform, share, 0), &turns)
            };
            let whole = arrivals(Share::ALL);
            let mut parts: Vec<_> = (0..of).flat_map(|index| arrivals(Share { index, of })).collect();
            parts.sort_unstable();
            prop_assert_eq!(&whole, &parts);
            let area = area_of_turned(&stages, &turns);
            let count = whole.len() as f64;
            prop_assert!(count >= area - 1e-5 && count < area + 1.0 + 1e-5, "{} for {}", count, area);
            prop_assert!(whole.is_sorted());
        }

        #[test]
        fn a_poisson_process_follows_a_rate_that_turns(seed: u64) {
            let stages = [stage(200.0, 10.0, 10.0)];
            let arrivals = Arrivals::new(&stages, Spacing::Poisson, Share::ALL, seed);
            let due = turned(arrivals, &[(100_000_000_000, 40.0)]);
            let before = due.partition_point(|it| *it < 100_000_000_000);
            let after = due.len() - before;
            // Six standard deviations.
            prop_assert!((before as f64 - 1_000.0).abs() < 6.0 * 1_000_f64.sqrt(), "{}", before);
            prop_assert!((after as f64 - 4_000.0).abs() < 6.0 * 4_000_f64.sqrt(), "{}", after);
            let gap = (due[due.len() - 1] - due[before]) as f64 / (after - 1) as f64;
            prop_assert!((gap / 25e6 - 1.0).abs() < 0.12, "{}", gap);
        }

        #[test]
        fn the_count_is_the_area(stages in stages()) {
            let arrivals = Arrivals::new(&stages, Spacing::Uniform, Share::ALL, 0);
            let expected = arrivals.expected_total();
            let count = arrivals.count() as u64;
            prop_assert_eq!(count, expected);
            let area = area(&stages);
            prop_assert!(count as f64 >= area - 1e-6 && (count as f64) < area + 1.0);
        }

        #[test]
        fn due_times_rise_and_stay_inside(stages in stages(), poisson: bool, seed: u64) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
            let end: f64 = stages.iter().map(|stage| stage.duration.as_secs_f64()).sum();
            let mut last = 0;
            for due in Arrivals::new(&stages, spacing, Share::ALL, seed) {
                prop_assert!(due >= last);
                prop_assert!(due as f64 <= end * 1e9 + 1.0);
                last = due;
            }
        }

        #[test]
        fn shares_partition_exactly(stages in stages(), of in 1_u64..9) {
            let whole: Vec<_> = Arrivals::new(&stages, Spacing::Uniform, Share::ALL, 0).collect();
            let mut parts: Vec<_> = (0..of)
                .flat_map(|index| Arrivals::new(&stages, Spacing::Uniform, Share { index, of }, 0))
                .collect();
            parts.sort_unstable();
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn the_rate_line_is_followed(from in 1.0_f64..200.0, to in 1.0_f64..200.0) {
            // Up to any moment, as many arrivals were due as there is area, rounded up.
            let stages = [stage(4.0, from, to)];
            let due: Vec<_> = Arrivals::new(&stages, Spacing::Uniform, Share::ALL, 0).collect();
            for quarter in 1..4 {
                let t = f64::from(quarter);
                let area = from * t + (to - from) / 4.0 * t * t / 2.0;
                let count = due.iter().filter(|due| (**due as f64) < t * 1e9).count() as f64;
                prop_assert!((count - area).abs() <= 1.0, "at {t} s: {count} for {area}");
            }
        }
    }
}
