//! One scenario at a moment of its run.

use std::time::Duration;

use loadgen_core::engine::{Phase, ScenarioSnapshot};
use loadgen_core::outcome::Outcome;
use loadgen_core::record::{Interval, Ledger, Recent};
use loadgen_core::report::Statistics;

use crate::human;

/// One scenario at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    pub(super) phase: Phase,
    pub(super) elapsed: Duration,
    pub(super) users: u64,
    /// Ended ok, as the summary's throughput.
    pub(super) rate_per_s: f64,
    pub(super) ledger: Ledger,
    pub(super) failures: Vec<(String, u64)>,
    pub(super) p50: Option<Figure>,
    pub(super) p99: Option<Figure>,
    pub(super) start_lag_p99: Option<Figure>,
    /// The p90, p95 and p99 of response times so far, in microseconds.
    pub(super) so_far: [(&'static str, Option<f64>); 3],
    /// For how long now iterations have been under way and none has ended ok.
    pub(super) silence: Duration,
}

/// A percentile of the last second, or of a longer stretch that had to be taken for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) us: f64,
    pub(super) over: Option<Duration>,
}

impl Figure {
    pub(super) fn of(
        interval: &Interval,
        times: &Recent,
        read: fn(&Statistics) -> Option<f64>,
    ) -> Option<Self> {
        let own = read(&Statistics::of(times.second()));
        if let Some(us) = own {
            return Some(Self { us, over: None });
        }
        // Where nothing was heard, what was heard before is not the last that there is.
        let heard = !interval.length.is_zero();
        let us = heard
            .then(|| read(&Statistics::of_recent(times)))
            .flatten()?;
        let over = Some(interval.longer_length());
        Some(Self { us, over })
    }

    /// As `p99 (11 s) 1.23 ms`.
    pub(super) fn named(self, name: &str) -> String {
        let over = self
            .over
            .map(|over| format!(" ({:.0} s)", over.as_secs_f64()));
        let us = human::micros(self.us);
        format!("{name}{} {us}", over.unwrap_or_default())
    }
}

impl Moment {
    /// Planned so far and not yet over.
    pub(super) fn left(&self) -> u64 {
        let ledger = &self.ledger;
        let over = ledger.completed + ledger.failed + ledger.interrupted + ledger.dropped;
        ledger.planned.saturating_sub(over)
    }

    pub(super) fn of(elapsed: Duration, snapshot: &ScenarioSnapshot<'_>) -> Self {
        let interval = snapshot.interval;
        let mut failures: Vec<(String, u64)> = snapshot
            .total
            .outcomes
            .iter()
            .filter(|(outcome, count)| *outcome != Outcome::Ok && *count > 0)
            .map(|(outcome, count)| (outcome.to_string(), *count))
            .collect();
        let so_far = Statistics::of(&snapshot.total.response_time);
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            phase: snapshot.phase,
            elapsed,
            users: snapshot.users,
            rate_per_s: if interval.length.is_zero() {
                0.0
            } else {
                interval.ledger.completed as f64 / interval.length.as_secs_f64()
            },
            ledger: snapshot.total.ledger,
            failures,
            p50: Figure::of(interval, &interval.response_time, |it| it.p50),
            p99: Figure::of(interval, &interval.response_time, |it| it.p99),
            start_lag_p99: Figure::of(interval, &interval.start_lag, |it| it.p99),
            so_far: [
                ("p90", so_far.p90),
                ("p95", so_far.p95),
                ("p99", so_far.p99),
            ],
            silence: snapshot.total.silence.last.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use loadgen_core::engine::ScenarioSpec;
    use loadgen_core::record::{Merger, Names, Recorder, Tick};
    use loadgen_core::schedule::Load;
    use loadgen_core::workload::Observer as _;

    use super::*;

    /// A hundred a second: enough for a p50, and after ten seconds for a p99.
    #[test]
    fn slow_services_have_percentiles_of_a_longer_stretch() {
        let names = Names {
            timings: vec!["own".to_owned()],
            ..Names::default()
        };
        let own = ScenarioSpec::new("s", Load::closed(1)).timing("own");
        let mut merger = Merger::new(&names, 1);
        let recorder = Recorder::new(&names);
        let p50_and_p99 = |merger: &Merger| {
            let interval = merger.interval();
            let of = |read| Figure::of(interval, &interval.timings[0], read);
            [of(|it| it.p50), of(|it| it.p99)].map(|it| it.map(|it| it.over))
        };
        for second in 1..=10 {
            merger.next_interval();
            for _ in 0..100 {
                recorder.timing(own, 5_000);
            }
            let mut tick = recorder.swap(Box::new(Tick::new(&names)));
            merger.add(0, &mut tick, &[]);
            merger.end_interval(Duration::from_secs(1));
            let ten = (second == 10).then_some(Some(Duration::from_secs(10)));
            assert_eq!(p50_and_p99(&merger), [Some(None), ten], "second {second}");
        }
        merger.next_interval();
        merger.end_interval(Duration::ZERO);
        assert_eq!(p50_and_p99(&merger), [None, None], "nothing was heard");
    }
}
