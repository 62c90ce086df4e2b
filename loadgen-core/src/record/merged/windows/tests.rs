//! Windows against a model that keeps everything and looks at every window at the end.

use std::time::Duration;

use proptest::prelude::*;
use test_case::test_case;

use super::*;
use crate::record::watch::{Count, Extreme, Reading, Times, TimesOf};
use crate::record::{EventAction, EventRecord, Samples, Sparse, new_histogram};

const READINGS: [Reading; 5] = [
    Reading::Mean,
    Reading::Least,
    Reading::Largest,
    Reading::At(0.5),
    Reading::At(0.99),
];

fn watch(figure: Figure, length_s: u64, worst: Extreme) -> Watch {
    Watch {
        figure,
        length_s,
        worst,
    }
}

fn times(reading: Reading) -> Figure {
    Figure::Times(Times::Scenario(TimesOf::ResponseTime), reading)
}

fn share() -> Figure {
    Figure::Share {
        part: vec![Count::Failed],
        whole: vec![Count::Started],
    }
}

/// What comes when: while this second is the latest, something of a second that is so much older.
#[derive(Debug, Clone)]
struct Came {
    ago: u64,
    time: u64,
    part: u64,
    whole: u64,
}

fn frame(came: &Came) -> Frame {
    let mut times = new_histogram();
    times.saturating_record(came.time);
    Frame {
        times: Sparse::of(&times),
        part: came.part,
        whole: came.whole,
        ..Frame::default()
    }
}

/// All that came by its second, as a series has it.
fn by_second(arrivals: &[Vec<Came>], seconds: u64, figure: &Figure) -> Vec<Frame> {
    let mut frames = vec![Frame::default(); arrivals.len()];
    for (now, came) in arrivals.iter().enumerate() {
        for it in came {
            frames[now - (it.ago as usize).min(now)].add(&frame(it));
        }
    }
    let after = frames.split_off(seconds as usize);
    let is_part = matches!(figure, Figure::Times(..) | Figure::Share { .. });
    if let Some(last) = frames.last_mut().filter(|_| is_part) {
        after.iter().for_each(|it| last.add(it));
    }
    frames
}

fn value(figure: &Figure, window: &[Frame]) -> Option<f64> {
    let all = Sparse::sum(window.iter().map(|it| &it.times));
    let part: u64 = window.iter().map(|it| it.part).sum();
    let whole: u64 = window.iter().map(|it| it.whole).sum();
    match figure {
        Figure::Times(..) if all.is_empty() => None,
        Figure::Times(_, Reading::Mean) => Some(all.mean()),
        Figure::Times(_, Reading::Least) => Some(all.least() as f64),
        Figure::Times(_, Reading::Largest) => Some(all.largest() as f64),
        Figure::Times(_, Reading::At(quantile)) => Some(all.at(*quantile) as f64),
        Figure::Count(_) => Some(part as f64),
        Figure::Rate(_) => Some(part as f64 / window.len() as f64),
        Figure::Share { .. } => (whole > 0).then(|| part as f64 * 100.0 / whole as f64),
    }
}

/// What comes in each second: mostly of that second, some of it late by up to a minute.
fn arrivals() -> impl Strategy<Value = Vec<Vec<Came>>> {
    let ago = prop_oneof![4 => Just(0_u64), 2 => 1_u64..4, 1 => 0_u64..59];
    let came = (ago, 1_u64..5_000_000_000, 0_u64..3, 0_u64..5);
    let came = came.prop_map(|(ago, time, part, more)| Came {
        ago,
        time,
        part,
        whole: part + more,
    });
    prop::collection::vec(prop::collection::vec(came, 0..4), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_worst_window_is_the_worst_of_all(
        arrivals in arrivals(),
        length in prop_oneof![1_u64..12, 12_u64..90],
        after in 0_usize..3,
        reading in prop::sample::select(&READINGS[..]),
        figure in 0..4,
        highest: bool,
        looks_each in 1_u64..5,
    ) {
        let figure = match figure {
            0 => times(reading),
            1 => share(),
            2 => Figure::Count(Count::Failed),
            _ => Figure::Rate(Count::Failed),
        };
        let extreme = if highest { Extreme::Highest } else { Extreme::Lowest };
        let seconds = arrivals.len().saturating_sub(after) as u64;
        let mut watcher = Watcher::new(watch(figure.clone(), length, extreme));
        for (now, came) in (0..).zip(&arrivals) {
            for it in came {
                watcher.kept.put(now - it.ago.min(now), &frame(it));
            }
            if now % looks_each == 0 {
                watcher.look(now.min(seconds), Pauses::default());
            }
            prop_assert!(watcher.kept.frames.len() as u64 <= length + OPEN_SECONDS + looks_each);
            prop_assert!(watcher.open.len() as u64 <= OPEN_SECONDS + looks_each);
        }
        let found = watcher.finish(seconds);
        let frames = by_second(&arrivals, seconds, &figure);
        let windows = frames.windows(length as usize);
        let values: Vec<Option<f64>> = windows.map(|it| value(&figure, it)).collect();
        let worst = values.iter().flatten().copied().reduce(|worst, it| {
            if extreme.is_worse(it, worst) { it } else { worst }
        });
        prop_assert_eq!(found.worst.map(|it| it.value.to_bits()), worst.map(f64::to_bits));
        if let Some(worst) = found.worst {
            let there = values[worst.from_s as usize].map(f64::to_bits);
            prop_assert_eq!(there, Some(worst.value.to_bits()), "where it says");
        }
    }
}

#[test_case(3, 5 => Some((1, 6.0)); "within the load")]
#[test_case(5, 5 => Some((0, 7.0)); "as long as the load")]
#[test_case(6, 5 => None; "longer than the load")]
fn counts_of_windows(length: u64, seconds: u64) -> Option<(u64, f64)> {
    let figure = Figure::Count(Count::Failed);
    let mut watcher = Watcher::new(watch(figure, length, Extreme::Highest));
    for (second, part) in [(0, 1), (1, 3), (3, 3), (5, 9)] {
        let part = Frame {
            part,
            ..Frame::default()
        };
        watcher.kept.put(second, &part);
    }
    let found = watcher.finish(seconds);
    assert_eq!(found.seconds, 5);
    found.worst.map(|it| (it.from_s, it.value))
}

/// Seconds in which nothing happened count: a rate that drops to nothing is the lowest.
#[test]
fn nothing_at_all_is_a_rate() {
    let figure = Figure::Rate(Count::Completed);
    let mut watcher = Watcher::new(watch(figure, 2, Extreme::Lowest));
    let ten = Frame {
        part: 10,
        ..Frame::default()
    };
    watcher.kept.put(0, &ten);
    watcher.look(4, Pauses::default());
    let worst = |found: WindowRecord| found.worst.map(|it| (it.from_s, it.value));
    assert_eq!(worst(watcher.found()), Some((1, 0.0)));
    watcher.kept.put(1, &ten);
    assert_eq!(worst(watcher.finish(3)), Some((1, 5.0)));
}

/// What was planned in one second and withheld in the next is taken from both together.
#[test]
fn what_was_withheld_may_have_been_planned_before() {
    let missed = Figure::Share {
        part: vec![Count::Dropped],
        whole: vec![Count::Wanted],
    };
    let mut watcher = Watcher::new(watch(missed, 2, Extreme::Highest));
    for (second, planned, dropped, withheld) in [(0, 20, 1, 0), (1, 0, 15, 15)] {
        let mut tick = crate::record::local::Tick::new(&crate::record::Names::default());
        (tick.ledger.planned, tick.ledger.dropped) = (planned, dropped);
        tick.ledger.withheld = withheld;
        let seen = Seen {
            tick: &tick,
            second,
            steps: &[],
            backends: &[],
        };
        watcher.add(&seen, 0);
    }
    watcher.look(2, Pauses::default());
    assert_eq!(watcher.found().worst.map(|it| it.value), Some(20.0));
}

/// The worst of all has a pause in it and decides nothing; the next worst may, whether or not something may still
/// come into it.
#[test_case(6; "while they are open")]
#[test_case(200; "when they are closed")]
fn a_pause_hides_no_other_window(seconds: u64) {
    let mut watcher = Watcher::new(watch(Figure::Rate(Count::Completed), 2, Extreme::Lowest));
    for (second, part) in (0..seconds).zip([9, 9, 0, 9, 3].into_iter().chain(std::iter::repeat(9)))
    {
        let frame = Frame {
            part,
            ..Frame::default()
        };
        watcher.kept.put(second, &frame);
        let event = |action, ms| EventRecord {
            done: Some(Duration::from_millis(ms)),
            ..EventRecord::new(action, "told")
        };
        let told = [
            event(EventAction::Pause, 2_100),
            event(EventAction::Resume, 2_900),
        ];
        watcher.look(second + 1, Pauses::among(&told));
    }
    let worst = |found: WindowRecord| found.worst.map(|it| (it.from_s, it.value));
    assert_eq!(worst(watcher.found()), Some((1, 4.5)));
    assert_eq!(worst(watcher.found_unpaused()), Some((3, 6.0)));
    let paused = EventRecord {
        done: Some(Duration::ZERO),
        ..EventRecord::new(EventAction::Pause, "pause")
    };
    let mut all = Watcher::new(watch(Figure::Rate(Count::Completed), 2, Extreme::Lowest));
    all.look(seconds, Pauses::among(&[paused]));
    assert_eq!(worst(all.found()), Some((0, 0.0)));
    assert_eq!(worst(all.found_unpaused()), None);
}
