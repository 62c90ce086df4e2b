//! One scenario at a moment of its run.

use std::time::Duration;

use loadgen_core::engine::{Phase, ScenarioSnapshot, Standing};
use loadgen_core::outcome::Outcome;
use loadgen_core::record::{Interval, Ledger, Recent, StreamCount};
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
    /// Where iterations are streams that last as long as the load, how these are.
    pub(super) streams: Option<Streams>,
    /// What somebody told it that is otherwise than planned.
    pub(super) told: Vec<String>,
}

/// What somebody told a scenario, by how it stands, and what came of it.
pub(super) fn told(standing: &Standing, ledger: &Ledger) -> Vec<String> {
    if standing.is_over {
        return Vec::new();
    }
    let mut told = Vec::new();
    if standing.paused {
        told.push("paused".to_owned());
    }
    if ledger.withheld > 0 {
        told.push(format!("{} withheld", human::count(ledger.withheld)));
    }
    if let Some(rate) = standing.rate.filter(|_| standing.rate_is_told) {
        told.push(format!("{} as told", human::rate(rate)));
    }
    if let Some(users) = standing.users.filter(|_| standing.users_are_told) {
        let users = human::counted(users.into(), "user");
        told.push(format!("{users} as told"));
    }
    let off = standing.targets.iter().filter(|it| !it.on);
    told.extend(off.map(|it| format!("{} off", it.target)));
    told
}

/// Streams that last as long as the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Streams {
    pub(super) open: u64,
    pub(super) opened: u64,
    pub(super) broken: u64,
    pub(super) messages_per_s: f64,
}

impl Streams {
    fn of(snapshot: &ScenarioSnapshot<'_>) -> Self {
        let ScenarioSnapshot {
            interval, total, ..
        } = snapshot;
        let mut counts = StreamCount::default();
        for backend in total.backends.iter().chain([&total.unknown]) {
            counts += backend.streams;
        }
        let received: u64 = interval.steps.iter().map(|it| it.received).sum();
        Self {
            open: counts.open(),
            opened: counts.opened,
            broken: counts.broken,
            messages_per_s: per_second(received, interval.length),
        }
    }
}

/// So many in this time; none where it was no time.
fn per_second(count: u64, time: Duration) -> f64 {
    match time.is_zero() {
        true => 0.0,
        false => count as f64 / time.as_secs_f64(),
    }
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
        Self::over(interval.length, interval.longer_length(), times, read)
    }

    /// The same of a last stretch that was so long, and with what came before it was so long.
    fn over(
        last: Duration,
        longer: Duration,
        times: &Recent,
        read: fn(&Statistics) -> Option<f64>,
    ) -> Option<Self> {
        let own = read(&Statistics::of(times.second()));
        if let Some(us) = own {
            return Some(Self { us, over: None });
        }
        // Where nothing was heard, what was heard before is not the last that there is.
        let heard = !last.is_zero();
        let us = heard
            .then(|| read(&Statistics::of_recent(times)))
            .flatten()?;
        let over = Some(longer);
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
            rate_per_s: per_second(interval.ledger.completed, interval.length),
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
            streams: snapshot.total.lasting.then(|| Streams::of(snapshot)),
            told: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use loadgen_core::record::{Histogram, new_histogram};

    use super::*;

    fn samples(count: u64) -> Histogram {
        let mut samples = new_histogram();
        samples.saturating_record_n(5_000, count);
        samples
    }

    /// A hundred a second: enough for a p50, and after ten seconds for a p99.
    #[test]
    fn slow_services_have_percentiles_of_a_longer_stretch() {
        let second = Duration::from_secs(1);
        let p50_and_p99 = |last, longer, times: &Recent| {
            let of = |read| Figure::over(last, longer, times, read);
            [of(|it| it.p50), of(|it| it.p99)].map(|it| it.map(|it| it.over))
        };
        for seconds in 1..=10_u32 {
            let times = Recent::of((0..seconds).map(|_| samples(100)));
            let longer = second * seconds;
            let ten = (seconds == 10).then_some(Some(longer));
            let figures = p50_and_p99(second, longer, &times);
            assert_eq!(figures, [Some(None), ten], "second {seconds}");
        }
        let stretches = (0..10).map(|_| samples(100)).chain([new_histogram()]);
        let times = Recent::of(stretches);
        let none = p50_and_p99(Duration::ZERO, second * 10, &times);
        assert_eq!(none, [None, None], "nothing was heard");
    }
}
