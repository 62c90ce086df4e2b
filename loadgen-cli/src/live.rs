//! What a person sees while a run is under way.
//!
//! Turns the engine's events into lines: redrawn once a second on a terminal, one line a scenario
//! every few seconds elsewhere. Owns no figures; everything shown comes from the snapshot.

use std::time::Duration;

use loadgen_core::engine::{Event, Phase, ScenarioSnapshot, Snapshot};
use loadgen_core::outcome::Outcome;
use loadgen_core::record::{Interval, Ledger, Recent};
use loadgen_core::report::Statistics;
use loadgen_core::scenario::ScenarioPlan;
use loadgen_core::schedule::{Limit, Load};

use crate::human;
use crate::screen::{Line, Screen, Tone};

/// How often a line is printed where nothing can be drawn over again.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// Characters of a full bar.
const BAR: usize = 24;
/// Kinds of failure named in the view.
const KINDS: usize = 4;

/// The view of one run. Dropping it takes away what it drew.
#[derive(Debug)]
pub(crate) struct Live {
    screen: Screen,
    planned: Vec<Planned>,
    next_line: Duration,
}

/// What is known of a scenario before it runs.
#[derive(Debug, Clone, PartialEq)]
struct Planned {
    name: String,
    open: bool,
    extent: Extent,
}

/// What the bar of a scenario measures.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Extent {
    /// Time since the clock started.
    Time(Duration),
    /// Iterations.
    Iterations(u64),
}

impl Planned {
    fn of(plan: &ScenarioPlan) -> Self {
        let extent = match (plan.load.duration(), &plan.load) {
            (Some(duration), _) => Extent::Time(plan.start_after + plan.warm_up + duration),
            (None, Load::Closed(closed)) => Extent::Iterations(match closed.limit {
                Limit::IterationsPerUser(each) => each.saturating_mul(closed.users.into()),
                Limit::Iterations(all) => all,
                Limit::Duration(_) | Limit::Stages(_) => 0,
            }),
            (None, Load::Open(_)) => Extent::Time(Duration::ZERO),
        };
        Self {
            name: plan.name.clone(),
            open: matches!(plan.load, Load::Open(_)),
            extent,
        }
    }
}

impl Planned {
    /// The phase as a person sees it: once the plan's time is over nothing new falls due, and the
    /// arrivals that are still in line are part of what drains.
    fn phase(&self, now: &Moment) -> Phase {
        match self.extent {
            Extent::Time(whole) if now.phase == Phase::Measure && now.elapsed > whole => {
                Phase::Drain
            }
            _ => now.phase,
        }
    }
}

/// One scenario at a moment.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    phase: Phase,
    elapsed: Duration,
    users: u64,
    /// Ended ok, as the summary's throughput.
    rate_per_s: f64,
    ledger: Ledger,
    failures: Vec<(String, u64)>,
    p50: Option<Figure>,
    p99: Option<Figure>,
    start_lag_p99: Option<Figure>,
}

/// A percentile of the last second, or of a longer stretch that had to be taken for it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figure {
    us: f64,
    over: Option<Duration>,
}

impl Figure {
    fn of(
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

    /// As ` · p99 (11 s) 1.23 ms`.
    fn named(self, name: &str) -> String {
        let over = self
            .over
            .map(|over| format!(" ({:.0} s)", over.as_secs_f64()));
        let us = human::micros(self.us);
        format!(" · {name}{} {us}", over.unwrap_or_default())
    }
}

impl Moment {
    /// Planned so far and not yet over.
    fn left(&self) -> u64 {
        let ledger = &self.ledger;
        let over = ledger.completed + ledger.failed + ledger.interrupted + ledger.dropped;
        ledger.planned.saturating_sub(over)
    }

    fn of(elapsed: Duration, snapshot: &ScenarioSnapshot<'_>) -> Self {
        let interval = snapshot.interval;
        let mut failures: Vec<(String, u64)> = snapshot
            .total
            .outcomes
            .iter()
            .filter(|(outcome, count)| *outcome != Outcome::Ok && *count > 0)
            .map(|(outcome, count)| (outcome.to_string(), *count))
            .collect();
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
        }
    }
}

impl Live {
    /// A view of these scenarios; draws that connections are being opened.
    pub(crate) fn new(screen: Screen, plans: &[ScenarioPlan]) -> Self {
        if screen.is_terminal() {
            screen.redraw(&[Line {
                text: "connecting …".to_owned(),
                tone: Tone::Plain,
            }]);
        }
        Self {
            screen,
            planned: plans.iter().map(Planned::of).collect(),
            next_line: LINES_EVERY,
        }
    }

    /// Shows what an event says.
    pub(crate) fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Snapshot(snapshot) => self.show(snapshot),
            Event::Finished(_) => self.clear(),
            _ => {}
        }
    }

    fn show(&mut self, snapshot: &Snapshot<'_>) {
        let due = snapshot.elapsed >= self.next_line;
        if !self.screen.is_terminal() && !due {
            return;
        }
        let scenarios = self.planned.iter().zip(&snapshot.scenarios);
        let scenarios = scenarios.map(|(planned, it)| {
            let mut now = Moment::of(snapshot.elapsed, it);
            now.phase = planned.phase(&now);
            (planned, now)
        });
        if self.screen.is_terminal() {
            let scenarios: Vec<_> = scenarios.collect();
            self.screen.redraw(&fitted(&scenarios, self.screen.rows()));
        } else {
            for (planned, now) in scenarios {
                self.screen.note(&line(planned, &now));
            }
            while self.next_line <= snapshot.elapsed {
                self.next_line += LINES_EVERY;
            }
        }
    }

    fn clear(&self) {
        if self.screen.is_terminal() {
            self.screen.clear();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

/// All scenarios in this many rows: a block each, else a line each, else those that fit.
fn fitted(scenarios: &[(&Planned, Moment)], rows: usize) -> Vec<Line> {
    let blocks: Vec<Line> = scenarios
        .iter()
        .flat_map(|(planned, now)| block(planned, now))
        .collect();
    if blocks.len() <= rows {
        return blocks;
    }
    let mut lines: Vec<Line> = scenarios
        .iter()
        .map(|(planned, now)| tight(planned, now))
        .collect();
    if lines.len() > rows {
        let kept = rows.saturating_sub(1);
        let more = lines.len() - kept;
        lines.truncate(kept);
        lines.push(Line {
            text: format!("… and {more} more"),
            tone: Tone::Plain,
        });
    }
    lines
}

/// A scenario in one line of a terminal; what matters least comes last, where it may be cut.
fn tight(planned: &Planned, now: &Moment) -> Line {
    let failed = failures(now).map_or_else(String::new, |failed| format!(" · {failed}"));
    Line {
        text: format!(
            "{}  {}  {} · {} · {} busy · {} ok{failed}{}",
            planned.name,
            phase(now.phase),
            extent(planned, now),
            human::rate(now.rate_per_s),
            human::count(now.users),
            human::count(now.ledger.completed),
            latencies(now),
        ),
        tone: if failed.is_empty() {
            Tone::Plain
        } else {
            Tone::Bad
        },
    }
}

/// A scenario on a terminal.
fn block(planned: &Planned, now: &Moment) -> Vec<Line> {
    let mut heading = format!(
        "{}  {}  {}",
        planned.name,
        phase(now.phase),
        extent(planned, now)
    );
    if now.phase < Phase::Drain {
        let (_, _, share) = progress(planned, now);
        let filled = (share * BAR as f64) as usize;
        heading.push_str(&format!(
            "  [{}{}] {:>3.0}%",
            "█".repeat(filled),
            "·".repeat(BAR - filled),
            (share * 100.0).floor(),
        ));
    }
    let mut lines = vec![Line {
        text: heading,
        tone: Tone::Strong,
    }];
    lines.push(Line {
        text: format!(
            "  {} · {} busy · {} ok{}{}",
            human::rate(now.rate_per_s),
            human::count(now.users),
            human::count(now.ledger.completed),
            latencies(now),
            start_lag(planned, now),
        ),
        tone: Tone::Plain,
    });
    if let Some(failed) = failures(now) {
        lines.push(Line {
            text: format!("  {failed}"),
            tone: Tone::Bad,
        });
    }
    lines
}

/// A scenario in one line.
fn line(planned: &Planned, now: &Moment) -> String {
    let failed = failures(now).unwrap_or_else(|| "0 failed".to_owned());
    format!(
        "{} {} {}: {}, {}, {} busy, {} ok, {failed}{}{}",
        human::clock(now.elapsed),
        planned.name,
        phase(now.phase),
        extent(planned, now),
        human::rate(now.rate_per_s),
        human::count(now.users),
        human::count(now.ledger.completed),
        latencies(now).replace(" · ", ", "),
        start_lag(planned, now).replace(" · ", ", "),
    )
}

/// How far it is; while it drains there is no goal any more, only what is left to end.
fn extent(planned: &Planned, now: &Moment) -> String {
    let (done, whole, _) = progress(planned, now);
    match now.phase {
        Phase::Connect | Phase::WarmUp | Phase::Measure => format!("{done} / {whole}"),
        Phase::Drain => {
            let words = if planned.open {
                "under way or in line"
            } else {
                "under way"
            };
            let left = human::count(now.left());
            format!("{}, {left} {words}", human::clock(now.elapsed))
        }
        Phase::Done => done,
    }
}

fn progress(planned: &Planned, now: &Moment) -> (String, String, f64) {
    let (done, whole, share) = match planned.extent {
        Extent::Time(whole) => (
            human::clock(now.elapsed),
            human::clock(whole),
            now.elapsed.as_secs_f64() / whole.as_secs_f64(),
        ),
        Extent::Iterations(whole) => {
            let done = now.ledger.completed + now.ledger.failed;
            (
                human::count(done),
                human::count(whole),
                done as f64 / whole as f64,
            )
        }
    };
    let share = if share.is_finite() { share } else { 0.0 };
    (done, whole, share.clamp(0.0, 1.0))
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "connecting",
        Phase::WarmUp => "warming up",
        Phase::Measure => "measuring",
        Phase::Drain => "draining",
        Phase::Done => "done",
    }
}

fn latencies(now: &Moment) -> String {
    let named = [("p50", now.p50), ("p99", now.p99)];
    named
        .into_iter()
        .filter_map(|(name, figure)| figure.map(|it| it.named(name)))
        .collect()
}

fn start_lag(planned: &Planned, now: &Moment) -> String {
    match now.start_lag_p99 {
        Some(figure) if planned.open => figure.named("start lag p99"),
        _ => String::new(),
    }
}

fn failures(now: &Moment) -> Option<String> {
    if now.ledger.failed == 0 && now.ledger.dropped == 0 {
        return None;
    }
    let mut kinds: Vec<String> = now
        .failures
        .iter()
        .take(KINDS)
        .map(|(kind, count)| format!("{kind} {}", human::count(*count)))
        .collect();
    if now.failures.len() > KINDS {
        kinds.push("…".to_owned());
    }
    let mut text = format!("{} failed", human::count(now.ledger.failed));
    if !kinds.is_empty() {
        text.push_str(&format!(" ({})", kinds.join(", ")));
    }
    if now.ledger.dropped > 0 {
        text.push_str(&format!(", {} dropped", human::count(now.ledger.dropped)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use loadgen_core::record::{Merger, Names, Recorder, Tick};
    use loadgen_core::workload::Observer as _;

    use super::*;

    fn moment() -> Moment {
        Moment {
            phase: Phase::Measure,
            elapsed: Duration::from_secs(12),
            users: 100,
            rate_per_s: 48_211.4,
            ledger: Ledger {
                planned: 4_242,
                started: 4_242,
                completed: 4_213,
                failed: 9,
                ..Ledger::default()
            },
            failures: vec![
                ("grpc.UNAVAILABLE".to_owned(), 7),
                ("timeout".to_owned(), 2),
            ],
            p50: Some(figure(310.4)),
            p99: Some(figure(1_234.0)),
            start_lag_p99: Some(figure(80.2)),
        }
    }

    fn figure(us: f64) -> Figure {
        Figure { us, over: None }
    }

    fn text(lines: &[Line]) -> String {
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        texts.join("\n")
    }

    #[test]
    fn open_on_a_terminal() {
        let planned = Planned {
            name: "steady".to_owned(),
            open: true,
            extent: Extent::Time(Duration::from_secs(30)),
        };
        insta::assert_snapshot!(text(&block(&planned, &moment())), @"
        steady  measuring  00:12 / 00:30  [█████████···············]  40%
          48,211/s · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms · start lag p99 80.2 µs
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
        ");
    }

    #[test]
    fn closed_in_a_line() {
        let planned = Planned {
            name: "hello_high".to_owned(),
            open: false,
            extent: Extent::Iterations(5_000),
        };
        insta::assert_snapshot!(line(&planned, &moment()), @"00:12 hello_high measuring: 4,222 / 5,000, 48,211/s, 100 busy, 4,213 ok, 9 failed (grpc.UNAVAILABLE 7, timeout 2), p50 310 µs, p99 1.23 ms");
    }

    fn closed(name: &str) -> Planned {
        Planned {
            name: name.to_owned(),
            open: false,
            extent: Extent::Iterations(5_000),
        }
    }

    #[test]
    fn what_drains_has_no_goal() {
        let planned = Planned {
            name: "steady".to_owned(),
            open: true,
            extent: Extent::Time(Duration::from_secs(10)),
        };
        let mut now = moment();
        now.phase = planned.phase(&now);
        assert_eq!(now.phase, Phase::Drain, "12 of 10 seconds are over");
        insta::assert_snapshot!(text(&block(&planned, &now)), @"
        steady  draining  00:12, 20 under way or in line
          48,211/s · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms · start lag p99 80.2 µs
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
        ");
        assert_eq!(closed("x").phase(&moment()), Phase::Measure);
    }

    #[test]
    fn a_low_terminal_gets_a_line_each_and_then_those_that_fit() {
        let all: Vec<Planned> = ["a", "b", "c"].map(closed).into();
        let scenarios: Vec<(&Planned, Moment)> = all.iter().map(|it| (it, moment())).collect();
        assert_eq!(fitted(&scenarios, 9).len(), 9, "three lines each");
        insta::assert_snapshot!(text(&fitted(&scenarios, 8)), @"
        a  measuring  4,222 / 5,000 · 48,211/s · 100 busy · 4,213 ok · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · p50 310 µs · p99 1.23 ms
        b  measuring  4,222 / 5,000 · 48,211/s · 100 busy · 4,213 ok · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · p50 310 µs · p99 1.23 ms
        c  measuring  4,222 / 5,000 · 48,211/s · 100 busy · 4,213 ok · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · p50 310 µs · p99 1.23 ms
        ");
        insta::assert_snapshot!(text(&fitted(&scenarios, 2)), @"
        a  measuring  4,222 / 5,000 · 48,211/s · 100 busy · 4,213 ok · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · p50 310 µs · p99 1.23 ms
        … and 2 more
        ");
    }

    #[test]
    fn nothing_yet() {
        let planned = Planned {
            name: "x".to_owned(),
            open: false,
            extent: Extent::Iterations(0),
        };
        let now = Moment {
            ledger: Ledger::default(),
            failures: Vec::new(),
            p50: None,
            p99: None,
            rate_per_s: 0.0,
            ..moment()
        };
        insta::assert_snapshot!(text(&block(&planned, &now)), @"
        x  measuring  0 / 0  [························]   0%
          0/s · 100 busy · 0 ok
        ");
    }

    #[test]
    fn a_longer_stretch_is_named() {
        let mut now = moment();
        now.p99 = Some(Figure {
            over: Some(Duration::from_millis(11_004)),
            ..figure(1_234.0)
        });
        insta::assert_snapshot!(latencies(&now), @" · p50 310 µs · p99 (11 s) 1.23 ms");
    }

    /// A hundred a second: enough for a p50, and after ten seconds for a p99.
    #[test]
    fn slow_services_have_percentiles_of_a_longer_stretch() {
        let names = Names {
            timings: vec!["own".to_owned()],
            ..Names::default()
        };
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
                recorder.timing(0, 5_000);
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
