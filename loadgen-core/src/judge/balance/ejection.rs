//! Servers that got nothing for a time although they were up: what ejected them, and for how long.
//!
//! Read from the timeline, so only of the times around events. What an event took away is a failover and none of
//! these.

use std::ops::Range;
use std::time::Duration;

use super::failover::{LEAST_EXPECTED, SETTLE, failovers};
use super::share::Answer;
use crate::expectation::{Ejected, Limit};
use crate::judge::observe::in_unit;
use crate::record::{ScenarioRecord, Timeline, TimelineCell};
use crate::units::human::{self, counted};

/// What was usual is what was in so long before.
const USUAL: Duration = Duration::from_secs(5);

/// A server that got nothing for at least half a second.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ejection {
    /// What it calls itself.
    pub(crate) backend: String,
    /// When the first of the time begins in which nothing was given to it.
    pub(crate) from: Duration,
    /// When something was again; `None` where nothing was as long as it is known.
    pub(crate) until: Option<Duration>,
    /// How long that was, as far as it is known.
    pub(crate) out: Duration,
    /// Of what was given to it in the 5 s before, what failed or was slow.
    pub(crate) bad: u64,
    /// Whether nothing was bad that was its own, or may have been.
    pub(crate) is_healthy: bool,
}

fn buckets(time: Duration) -> usize {
    (time.as_nanos() / Timeline::BUCKET.as_nanos()) as usize
}

fn begin(bucket: usize) -> Duration {
    Timeline::BUCKET * u32::try_from(bucket).unwrap_or(u32::MAX)
}

/// A stretch of time that was recorded, bucket by bucket.
struct Window {
    first: usize,
    /// All requests with this due time.
    due: Vec<u64>,
    /// Failures, and what never ended, of nobody known.
    nobodys: Vec<u64>,
    /// The one after the last in which something was due.
    end: usize,
}

/// The ejections of a scenario in the order of their servers, `None` where no time was recorded.
pub(crate) fn ejections(record: &ScenarioRecord) -> Option<Vec<Ejection>> {
    let timeline = &record.timeline;
    if timeline.is_empty() || timeline.is_cut() {
        return None;
    }
    let away = away(record);
    let mut found = Vec::new();
    for (from, to) in timeline.windows() {
        let window = Window::of(timeline, *from, *to);
        for name in timeline.backends() {
            window.ejections(timeline, name, &away, &mut found);
        }
    }
    Some(found)
}

/// When events took servers away, until they had their share again.
fn away(record: &ScenarioRecord) -> Vec<(Vec<&str>, Range<Duration>)> {
    let all = failovers(record).into_iter();
    let times = all.filter_map(|(event, failover)| {
        let back = event.ready.zip(failover.rebalanced.after());
        let until = back.map_or(Duration::MAX, |(ready, it)| ready.saturating_add(it));
        Some((event.taken_away(), event.holds_from()?..until))
    });
    times.collect()
}

impl Window {
    fn of(timeline: &Timeline, from: Duration, to: Duration) -> Self {
        let first = buckets(from);
        let length = buckets(to).saturating_sub(first);
        let (mut due, mut nobodys) = (vec![0; length], vec![0; length]);
        for name in timeline.backends().map(Some).chain([None]) {
            for (index, cell) in within(timeline, name, first, length) {
                due[index] += cell.due + cell.interrupted;
                if name.is_none() {
                    nobodys[index] += cell.due_failed + cell.interrupted;
                }
            }
        }
        let end = due.iter().rposition(|it| *it > 0).map_or(0, |it| it + 1);
        Self {
            first,
            due,
            nobodys,
            end,
        }
    }

    fn ejections(
        &self,
        timeline: &Timeline,
        name: &str,
        away: &[(Vec<&str>, Range<Duration>)],
        found: &mut Vec<Ejection>,
    ) {
        let length = self.due.len();
        let (mut given, mut bad) = (vec![0_u64; length], vec![0_u64; length]);
        for (index, cell) in within(timeline, Some(name), self.first, length) {
            given[index] = cell.due + cell.interrupted;
            bad[index] = cell.due_failed + cell.due_slow + cell.interrupted;
        }
        let mut from = given.iter().position(|it| *it > 0).unwrap_or(self.end);
        let mut known = from;
        while from < self.end {
            if given[from] > 0 {
                from += 1;
                continue;
            }
            let rest = given[from..self.end].iter().position(|it| *it > 0);
            let to = rest.map_or(self.end, |it| from + it);
            let before = known.max(from.saturating_sub(buckets(USUAL)))..from;
            let silence = begin(self.first + from)..begin(self.first + to);
            let is_taken = away.iter().any(|(names, time)| {
                names.contains(&name) && time.start < silence.end && silence.start < time.end
            });
            if self.means_something(&given, before.clone(), from..to) && !is_taken {
                let own: u64 = bad[before.clone()].iter().sum();
                let nobodys: u64 = self.nobodys[before].iter().sum();
                found.push(Ejection {
                    backend: name.to_owned(),
                    from: silence.start,
                    until: rest.map(|_| silence.end),
                    out: silence.end - silence.start,
                    bad: own,
                    is_healthy: own + nobodys == 0,
                });
                known = to;
            }
            from = to;
        }
    }

    /// Whether a silence is no chance, and the load went on meanwhile.
    fn means_something(&self, given: &[u64], before: Range<usize>, silence: Range<usize>) -> bool {
        let settle = buckets(SETTLE);
        if silence.len() < settle || before.len() < settle {
            return false;
        }
        let usual = |of: &[u64]| {
            let sum: u64 = of[before.clone()].iter().sum();
            sum as f64 / before.len() as f64 * settle as f64
        };
        let meanwhile: u64 = self.due[silence.start..silence.start + settle].iter().sum();
        usual(given) >= LEAST_EXPECTED && meanwhile as f64 >= usual(&self.due) / 2.0
    }
}

fn within<'a>(
    timeline: &'a Timeline,
    name: Option<&str>,
    first: usize,
    length: usize,
) -> impl Iterator<Item = (usize, TimelineCell)> + 'a {
    let cells = timeline.of(name);
    cells.filter_map(move |(at, cell)| {
        let index = buckets(at).checked_sub(first).filter(|it| *it < length)?;
        Some((index, cell))
    })
}

/// What was seen of one limit, and whether that will do, or why that cannot be told.
pub(super) type Found = Result<(String, Answer), String>;

/// What is expected of ejections, each with what became of it.
pub(super) fn judged(expected: &Ejected, record: &ScenarioRecord) -> Vec<(String, Found)> {
    let all = ejections(record);
    let all = all.as_deref().ok_or_else(|| {
        "only the times around events are recorded finely enough, and there were none; a `mark` is one".to_owned()
    });
    let line = |name: &str, limit: &Option<Limit>, found: fn(&Limit, &[Ejection]) -> Found| {
        let limit = limit.as_ref()?;
        let found = all.clone().and_then(|it| found(limit, it));
        Some((format!("ejection.{name} {limit}"), found))
    };
    let lines = [
        line("bad", &expected.bad, bad),
        line("out", &expected.out, out),
        line("healthy", &expected.healthy, healthy),
    ];
    lines.into_iter().flatten().collect()
}

/// Whether a limit holds of a count, or of nanoseconds.
fn holds(limit: &Limit, value: f64) -> bool {
    let threshold = limit.threshold();
    threshold.holds(in_unit(value, threshold.value_unit()))
}

fn answer(holds: bool) -> Answer {
    match holds {
        true => Answer::Holds,
        false => Answer::Fails,
    }
}

/// How many bad answers it took.
fn bad(limit: &Limit, all: &[Ejection]) -> Found {
    let ill = all.iter().filter(|it| !it.is_healthy);
    let broken = ill.clone().find(|it| !holds(limit, it.bad as f64));
    let Some(worst) = broken.or_else(|| ill.max_by_key(|it| it.bad)) else {
        return Err("no server was ejected that had answered badly".to_owned());
    };
    let Ejection { backend, bad, .. } = worst;
    let observed = format!("{} before {backend} was out", counted(*bad, "bad answer"));
    Ok((observed, answer(broken.is_none())))
}

/// For how long a server was out.
fn out(limit: &Limit, all: &[Ejection]) -> Found {
    let is_over = |it: &&Ejection| it.until.is_some();
    let is_within = |it: &Ejection| holds(limit, it.out.as_nanos() as f64);
    // Of one that is still out, it can only get longer.
    let broken = all
        .iter()
        .find(|it| !is_within(it) && (is_over(it) || limit.threshold().bounds_from_above()));
    let open = all.iter().find(|it| !is_over(it));
    let longest = all.iter().filter(is_over).max_by_key(|it| it.out);
    let Some(told) = broken.or(open).or(longest) else {
        return Err("no server was ejected".to_owned());
    };
    let time = human::duration(told.out);
    let observed = match told.until {
        Some(_) => format!("{} was out for {time}", told.backend),
        None => format!("{} was out for {time}, as far as it is known", told.backend),
    };
    let answer = match (broken, open) {
        (Some(_), _) => Answer::Fails,
        (None, Some(_)) => Answer::Undecided { needed: None },
        (None, None) => Answer::Holds,
    };
    Ok((observed, answer))
}

/// How often a server was out that had done nothing.
fn healthy(limit: &Limit, all: &[Ejection]) -> Found {
    let well: Vec<&Ejection> = all.iter().filter(|it| it.is_healthy).collect();
    let first = well.first().map(|it| {
        let at = human::duration(it.from);
        format!(", {} at {at} first", it.backend)
    });
    let count = counted(well.len() as u64, "ejection");
    let observed = format!("{count} of healthy servers{}", first.unwrap_or_default());
    Ok((observed, answer(holds(limit, well.len() as f64))))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::{EventAction, EventRecord};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 20 s in which three servers get 100 requests a second each; `b2` none from 8 s for so long, after so many bad
    /// ones.
    fn record(out_ms: u64, bad: u64) -> ScenarioRecord {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
        for bucket in 0..2_000 {
            for name in ["b1", "b2", "b3"] {
                let is_out = name == "b2" && (800..800 + out_ms / 10).contains(&bucket);
                let is_bad = name == "b2" && (800 - bad..800).contains(&bucket);
                let cell = TimelineCell {
                    due: 1,
                    due_failed: u64::from(is_bad),
                    ..TimelineCell::default()
                };
                if !is_out {
                    timeline.add(Some(name), bucket, cell);
                }
            }
        }
        record.timeline = timeline;
        record
    }

    fn limits(bad: &str, out: &str, healthy: &str) -> Ejected {
        Ejected {
            bad: Some(Limit::count(bad).unwrap()),
            out: Some(Limit::time(out).unwrap()),
            healthy: Some(Limit::count(healthy).unwrap()),
        }
    }

    #[test]
    fn a_silence_of_one_that_is_up_is_an_ejection() {
        let found = ejections(&record(3_000, 5)).unwrap();
        let expected = Ejection {
            backend: "b2".to_owned(),
            from: ms(8_000),
            until: Some(ms(11_000)),
            out: ms(3_000),
            bad: 5,
            is_healthy: false,
        };
        assert_eq!(found, [expected]);
        assert_eq!(ejections(&record(490, 5)).unwrap(), []);
        assert!(ejections(&record(3_000, 0)).unwrap()[0].is_healthy);
        assert_eq!(ejections(&record(60_000, 0)).unwrap()[0].until, None);
        assert_eq!(
            ejections(&ScenarioRecord::empty("lb", "grpc", true, &[])),
            None
        );
    }

    /// What an event took away is a failover.
    #[test]
    fn what_was_taken_away_was_not_ejected() {
        let mut killed = record(3_000, 0);
        let mut event = EventRecord::new(EventAction::Kill, "kill b2");
        event.backend = Some("b2".to_owned());
        event.done = Some(ms(7_995));
        event.ready = Some(ms(11_000));
        killed.events.push(event);
        assert_eq!(ejections(&killed).unwrap(), []);
        killed.events[0].backend = Some("b1".to_owned());
        assert_eq!(ejections(&killed).unwrap().len(), 1);
    }

    /// Where nobody asks anybody, or few do, it means nothing.
    #[test]
    fn silence_without_load_is_none() {
        let whole = record(0, 0);
        let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
        let mut few = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
        for name in ["b1", "b2", "b3"] {
            for (at, cell) in whole.timeline.of(Some(name)) {
                let bucket = buckets(at) as u64;
                if !(800..1_200).contains(&bucket) {
                    timeline.add(Some(name), bucket, cell);
                }
                if bucket.is_multiple_of(10) && !(name == "b2" && (800..1_200).contains(&bucket)) {
                    few.add(Some(name), bucket, cell);
                }
            }
        }
        let mut record = whole;
        record.timeline = timeline;
        assert_eq!(ejections(&record).unwrap(), []);
        record.timeline = few;
        assert_eq!(ejections(&record).unwrap(), []);
    }

    #[test_case(3_000, 5, [Answer::Holds, Answer::Holds, Answer::Holds]; "as expected")]
    #[test_case(3_000, 30, [Answer::Fails, Answer::Holds, Answer::Holds]; "late")]
    #[test_case(6_000, 5, [Answer::Holds, Answer::Fails, Answer::Holds]; "long")]
    #[test_case(60_000, 5, [Answer::Holds, Answer::Fails, Answer::Holds]; "to the end")]
    fn is_judged(out_ms: u64, bad: u64, expected: [Answer; 3]) {
        let found = judged(&limits("<= 20", "< 5s", "== 0"), &record(out_ms, bad));
        let answers: Vec<Answer> = found.into_iter().map(|(_, it)| it.unwrap().1).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn each_is_told_in_words() {
        let told = |record: &ScenarioRecord, limits: &Ejected| -> Vec<String> {
            let found = judged(limits, record).into_iter();
            let told = found.map(|(expression, found)| match found {
                Ok((observed, _)) => format!("{expression}: {observed}"),
                Err(why) => format!("{expression}: not known: {why}"),
            });
            told.collect()
        };
        let limits = limits("<= 20", "< 5s", "== 0");
        assert_eq!(
            told(&record(3_000, 5), &limits),
            [
                "ejection.bad <= 20: 5 bad answers before b2 was out",
                "ejection.out < 5s: b2 was out for 3 s",
                "ejection.healthy == 0: 0 ejections of healthy servers",
            ]
        );
        assert_eq!(
            told(&record(3_000, 0), &limits)[2],
            "ejection.healthy == 0: 1 ejection of healthy servers, b2 at 8 s first"
        );
        assert_eq!(
            told(&record(0, 0), &limits)[..2],
            [
                "ejection.bad <= 20: not known: no server was ejected that had answered badly",
                "ejection.out < 5s: not known: no server was ejected",
            ]
        );
    }
}
