//! How a run under way looks, in so many columns.

use super::figures::{counts, failures, latencies, phase, rate, share, silence, so_far, start_lag};
use super::moment::Moment;
use super::planned::{Planned, extent, progress};
use crate::flow::{columns as width, glued, hanging, shortened};
use crate::human;
use crate::screen::{Line, Tone};

/// Characters of a full bar, and how few still are one.
const BAR: usize = 24;
const LEAST_BAR: usize = 6;
/// However narrow the terminal, so much of a name is shown.
const LEAST_NAME: usize = 6;
/// With so much of a name it gives way to a bar.
const FAIR_NAME: usize = 14;
/// Where the figures of a block begin.
const INDENT: usize = 10;

/// All scenarios in this much room: a block each, else a line each, else those that fit.
pub(super) fn fitted(scenarios: &[(&Planned, Moment)], columns: usize, rows: usize) -> Vec<Line> {
    let blocks: Vec<Line> = scenarios
        .iter()
        .flat_map(|(planned, now)| block(planned, now, columns))
        .collect();
    if blocks.len() <= rows {
        return blocks;
    }
    let names = scenarios.iter().map(|(planned, _)| width(&planned.name));
    let longest = names.max().unwrap_or(0).min(columns / 3);
    let mut lines: Vec<Line> = scenarios
        .iter()
        .map(|(planned, now)| tight(planned, now, longest))
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
fn tight(planned: &Planned, now: &Moment, longest: usize) -> Line {
    let name = shortened(&planned.name, longest);
    let blanks = " ".repeat(longest - width(&name));
    let trouble: Vec<String> = failures(now).into_iter().chain(silence(now)).collect();
    let tone = if trouble.is_empty() {
        Tone::Plain
    } else {
        Tone::Bad
    };
    let share = share(planned, now).map(|it| format!("  {it}"));
    let mut parts = vec![format!(
        "{name}{blanks}{}  {}  {}",
        share.unwrap_or_default(),
        phase(now.phase),
        extent(planned, now),
    )];
    parts.extend(now.told.iter().cloned());
    parts.push(rate(now));
    parts.extend(trouble);
    parts.extend(counts(now));
    parts.extend(latencies(now));
    Line {
        text: parts.join(" · "),
        tone,
    }
}

/// A scenario on a terminal.
fn block(planned: &Planned, now: &Moment, columns: usize) -> Vec<Line> {
    let mut lines = vec![Line {
        text: heading(planned, now, columns),
        tone: Tone::Strong,
    }];
    let mut add = |label: &str, parts: &[String], tone: Tone| {
        if parts.is_empty() {
            return;
        }
        let parts: Vec<String> = parts.iter().map(|it| glued(it)).collect();
        let text = parts.join("\u{a0}· ");
        let label = format!(
            "  {label:<0$}",
            if label.is_empty() { 0 } else { INDENT - 2 }
        );
        for line in hanging(&label, width(&label), &text, columns) {
            // What divides two parts is not needed where the line does.
            let text = line.trim_end_matches(" ·").to_owned();
            lines.push(Line { text, tone });
        }
    };
    add("", &now.told, Tone::Strong);
    add("", &counts(now), Tone::Plain);
    let mut second = vec![rate(now)];
    second.extend(latencies(now));
    second.extend(start_lag(planned, now));
    add("now", &second, Tone::Plain);
    add("so far", &so_far(now), Tone::Plain);
    add("", &Vec::from_iter(failures(now)), Tone::Bad);
    add("", &Vec::from_iter(silence(now)), Tone::Bad);
    lines
}

/// The name, what is being done, how far it is, and that as a bar where there is room for one.
fn heading(planned: &Planned, now: &Moment, columns: usize) -> String {
    let share = share(planned, now);
    let done = format!("  {}  {}", phase(now.phase), extent(planned, now));
    let shown = share
        .as_ref()
        .map_or_else(String::new, |it| format!(" {it}"));
    let room = columns.saturating_sub(width(&done) + width(&shown));
    let least_bar = LEAST_BAR + "  []".len();
    let name_room = match room.saturating_sub(least_bar) {
        beside_bar if share.is_some() && beside_bar >= FAIR_NAME => beside_bar,
        _ => room.max(LEAST_NAME),
    };
    let name = shortened(&planned.name, name_room);
    let cells = room.saturating_sub(width(&name) + "  []".len()).min(BAR);
    let bar = if share.is_some() && cells >= LEAST_BAR {
        let filled = (progress(planned, now).2 * cells as f64) as usize;
        format!("  [{}{}]", "█".repeat(filled), "·".repeat(cells - filled))
    } else {
        String::new()
    };
    format!("{name}{done}{bar}{shown}")
}

/// A scenario in one line.
pub(super) fn line(planned: &Planned, now: &Moment) -> String {
    let mut parts = vec![extent(planned, now)];
    parts.extend(now.told.iter().cloned());
    parts.push(rate(now));
    parts.extend(counts(now));
    parts.push(failures(now).unwrap_or_else(|| "0 failed".to_owned()));
    parts.extend(silence(now));
    parts.extend(latencies(now));
    parts.extend(start_lag(planned, now));
    let so_far = so_far(now);
    if !so_far.is_empty() {
        parts.push(format!("so far {}", so_far.join(", ")));
    }
    format!(
        "{} {} {}: {}",
        human::clock(now.elapsed),
        planned.name,
        phase(now.phase),
        parts.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadgen_core::engine::Phase;
    use loadgen_core::record::Ledger;

    use super::super::moment::{Figure, Streams};
    use super::super::planned::Extent;
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
            so_far: [
                ("p90", Some(620.0)),
                ("p95", Some(871.0)),
                ("p99", Some(1_520.0)),
            ],
            silence: Duration::ZERO,
            streams: None,
            told: Vec::new(),
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
        insta::assert_snapshot!(text(&block(&planned, &moment(), 80)), @"
        steady  measuring  00:12 / 00:30  [█████████···············]  40%
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 1.23 ms · start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
        ");
    }

    #[test]
    fn what_it_was_told() {
        let planned = Planned {
            name: "steady".to_owned(),
            open: true,
            extent: Extent::Time(Duration::from_secs(30)),
        };
        let mut now = moment();
        now.told = ["paused", "550/s as told", "127.0.0.1:50051 off"]
            .map(str::to_owned)
            .into();
        insta::assert_snapshot!(text(&block(&planned, &now, 60)), @"
        steady  measuring  00:12 / 00:30  [███████············]  40%
          paused · 550/s as told · 127.0.0.1:50051 off
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 1.23 ms
                  start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
        ");
        insta::assert_snapshot!(tight(&planned, &now, 6).text, @"steady   40%  measuring  00:12 / 00:30 · paused · 550/s as told · 127.0.0.1:50051 off · 48,211/s · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms");
        insta::assert_snapshot!(line(&planned, &now), @"00:12 steady measuring: 00:12 / 00:30, paused, 550/s as told, 127.0.0.1:50051 off, 48,211/s, 100 busy, 4,213 ok, 9 failed (grpc.UNAVAILABLE 7, timeout 2), p50 310 µs, p99 1.23 ms, start lag p99 80.2 µs, so far p90 620 µs, p95 871 µs, p99 1.52 ms");
    }

    #[test]
    fn closed_in_a_line() {
        let planned = Planned {
            name: "hello_high".to_owned(),
            open: false,
            extent: Extent::Iterations(5_000),
        };
        insta::assert_snapshot!(line(&planned, &moment()), @"00:12 hello_high measuring: 4,222 / 5,000, 48,211/s, 100 busy, 4,213 ok, 9 failed (grpc.UNAVAILABLE 7, timeout 2), p50 310 µs, p99 1.23 ms, so far p90 620 µs, p95 871 µs, p99 1.52 ms");
    }

    /// Streams that last as long as the load: none is ok before its end.
    #[test]
    fn streams_that_last() {
        let planned = Planned {
            name: "agents".to_owned(),
            open: false,
            extent: Extent::Time(Duration::from_secs(30)),
        };
        let mut now = moment();
        now.ledger.completed = 0;
        now.rate_per_s = 0.0;
        now.silence = Duration::from_secs(3);
        (now.p50, now.p99, now.so_far) = (None, None, [("p90", None); 3]);
        now.streams = Some(Streams {
            open: 100,
            opened: 109,
            broken: 9,
            messages_per_s: 1_980.2,
        });
        insta::assert_snapshot!(text(&block(&planned, &now, 80)), @"
        agents  measuring  00:12 / 00:30  [█████████···············]  40%
          100 busy · 100 of 109 streams open · 9 broken
          now     messages 1,980/s
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
          no message for 3 s
        ");
        insta::assert_snapshot!(line(&planned, &now), @"00:12 agents measuring: 00:12 / 00:30, messages 1,980/s, 100 busy, 100 of 109 streams open, 9 broken, 9 failed (grpc.UNAVAILABLE 7, timeout 2), no message for 3 s");
        now.ledger.completed = 40;
        insta::assert_snapshot!(line(&planned, &now), @"00:12 agents measuring: 00:12 / 00:30, messages 1,980/s, 100 busy, 100 of 109 streams open, 9 broken, 40 ok, 9 failed (grpc.UNAVAILABLE 7, timeout 2), no message for 3 s");
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
        insta::assert_snapshot!(text(&block(&planned, &now, 80)), @"
        steady  draining  00:12, 20 under way or in line
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 1.23 ms · start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2)
        ");
        assert_eq!(closed("x").phase(&moment()), Phase::Measure);
    }

    #[test]
    fn a_low_terminal_gets_a_line_each_and_then_those_that_fit() {
        let all: Vec<Planned> = ["a", "b", "c"].map(closed).into();
        let scenarios: Vec<(&Planned, Moment)> = all.iter().map(|it| (it, moment())).collect();
        assert_eq!(fitted(&scenarios, 99, 15).len(), 15, "five lines each");
        insta::assert_snapshot!(text(&fitted(&scenarios, 99, 14)), @"
        a   84%  measuring  4,222 / 5,000 · 48,211/s · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms
        b   84%  measuring  4,222 / 5,000 · 48,211/s · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms
        c   84%  measuring  4,222 / 5,000 · 48,211/s · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms
        ");
        insta::assert_snapshot!(text(&fitted(&scenarios, 99, 2)), @"
        a   84%  measuring  4,222 / 5,000 · 48,211/s · 9 failed (grpc.UNAVAILABLE 7, timeout 2) · 100 busy · 4,213 ok · p50 310 µs · p99 1.23 ms
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
            so_far: [("p90", None), ("p95", None), ("p99", None)],
            rate_per_s: 0.0,
            ..moment()
        };
        insta::assert_snapshot!(text(&block(&planned, &now, 80)), @"
        x  measuring  0 / 0  [························]   0%
          100 busy · 0 ok
          now     0/s
        ");
    }

    /// What is drawn at a width, and that nothing of it goes over the edge.
    fn drawn(planned: &Planned, now: &Moment, columns: usize) -> String {
        let lines = block(planned, now, columns);
        for line in &lines {
            assert!(width(&line.text) <= columns, "{columns}: {}", line.text);
        }
        text(&lines)
    }

    /// An open scenario with all that there can be to say.
    fn troubled(name: &str) -> (Planned, Moment) {
        let planned = Planned {
            name: name.to_owned(),
            open: true,
            extent: Extent::Time(Duration::from_secs(3_600)),
        };
        let mut now = moment();
        now.elapsed = Duration::from_secs(1_234);
        now.silence = Duration::from_millis(12_700);
        now.ledger.dropped = 1_204;
        now.p99 = Some(Figure {
            over: Some(Duration::from_secs(11)),
            ..figure(1_234.0)
        });
        (planned, now)
    }

    #[test]
    fn a_narrow_terminal() {
        let (planned, now) = troubled("steady");
        insta::assert_snapshot!(drawn(&planned, &now, 59), @"
        steady  measuring  20:34 / 1:00:00  [█████···········]  34%
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 (11 s) 1.23 ms
                  start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2), 1,204 dropped
          none ended ok for 12 s
        ");
        let (planned, now) = troubled("the_checkout_of_a_basket_with_many_things_in_it");
        insta::assert_snapshot!(drawn(&planned, &now, 59), @"
        the_chec…s_in_it  measuring  20:34 / 1:00:00  [██····]  34%
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 (11 s) 1.23 ms
                  start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2), 1,204 dropped
          none ended ok for 12 s
        ");
    }

    #[test]
    fn a_wide_terminal() {
        let (planned, now) = troubled("the_checkout_of_a_basket_with_many_things_in_it");
        insta::assert_snapshot!(drawn(&planned, &now, 199), @"
        the_checkout_of_a_basket_with_many_things_in_it  measuring  20:34 / 1:00:00  [████████················]  34%
          100 busy · 4,213 ok
          now     48,211/s · p50 310 µs · p99 (11 s) 1.23 ms · start lag p99 80.2 µs
          so far  p90 620 µs · p95 871 µs · p99 1.52 ms
          9 failed (grpc.UNAVAILABLE 7, timeout 2), 1,204 dropped
          none ended ok for 12 s
        ");
    }

    #[test]
    fn every_width_has_the_percentage() {
        for columns in 40..=200 {
            for name in ["x", "the_checkout_of_a_basket_with_many_things_in_it"] {
                let (planned, now) = troubled(name);
                let drawn = drawn(&planned, &now, columns);
                let heading = drawn.lines().next().unwrap();
                assert!(heading.ends_with(" 34%"), "{columns}: {heading}");
            }
        }
    }
}
