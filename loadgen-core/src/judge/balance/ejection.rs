//! Servers that got nothing for a time although they were up: what ejected them, and for how long.
//!
//! Read from the timeline, so only of the times around events. What an event took away is a failover and none of
//! these.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::failover::{LEAST_EXPECTED, Moment, SETTLE, failovers};
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
    /// What failed meanwhile, or never ended, of nobody known: it may have been the server's.
    nobodys: u64,
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

/// What can be told of ejections.
#[derive(Debug, Default)]
struct Watched<'a> {
    /// In the order of their servers.
    ejections: Vec<Ejection>,
    /// The servers whose silence would mean something, at some time.
    servers: BTreeSet<&'a str>,
    /// How many servers there are.
    known: usize,
    /// One that was there again and was given nothing more: nobody knows what keeps it out.
    kept_out: Option<&'a str>,
}

/// A server that an event took away.
struct Away<'a> {
    names: Vec<&'a str>,
    /// Until all was as before, as far as that is known.
    time: Range<Duration>,
    /// When it was ready again, where it was not seen to be given anything since.
    unseen_from: Option<Duration>,
}

/// The ejections of a scenario in the order of their servers, `None` where no time was recorded, or where the
/// generator itself chooses among several.
pub(crate) fn ejections(record: &ScenarioRecord) -> Option<Vec<Ejection>> {
    watched(record).map(|it| it.ejections)
}

fn watched(record: &ScenarioRecord) -> Option<Watched<'_>> {
    let timeline = &record.timeline;
    if timeline.is_empty() || timeline.is_cut() || record.is_divided() {
        return None;
    }
    let away = away(record);
    let mut found = Watched {
        known: timeline.backends().count().max(record.servers.len()),
        ..Watched::default()
    };
    for (from, to) in timeline.windows() {
        let window = Window::of(timeline, *from, *to);
        for name in timeline.backends() {
            window.ejections(timeline, name, &away, &mut found);
        }
    }
    Some(found)
}

/// When events took servers away, until they had their share again, or where that was never seen, until they
/// answered again. A silence that began before a server was ready belongs to the event until something is given to it.
fn away(record: &ScenarioRecord) -> Vec<Away<'_>> {
    let all = failovers(record).into_iter();
    let times = all.filter_map(|(event, failover)| {
        let moments = [failover.rebalanced, failover.returned];
        let back = moments.into_iter().find_map(Moment::after);
        let until = event.ready.map_or(Duration::MAX, |ready| {
            ready.saturating_add(back.unwrap_or_default())
        });
        Some(Away {
            names: event.taken_away(),
            time: event.holds_from()?..until,
            unseen_from: event.ready.filter(|_| back.is_none()),
        })
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
                    nobodys[index] +=
                        (cell.due_failed + cell.interrupted).saturating_sub(cell.due_unsent);
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

    fn ejections<'a>(
        &self,
        timeline: &Timeline,
        name: &'a str,
        away: &[Away<'_>],
        found: &mut Watched<'a>,
    ) {
        let length = self.due.len();
        let (mut given, mut bad) = (vec![0_u64; length], vec![0_u64; length]);
        for (index, cell) in within(timeline, Some(name), self.first, length) {
            given[index] = cell.due + cell.interrupted;
            bad[index] = cell.due_failed + cell.due_slow + cell.interrupted;
        }
        if self.has_enough(&given) {
            found.servers.insert(name);
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
            let mut taken = away.iter().filter(|it| {
                it.names.contains(&name)
                    && it.time.start < silence.end
                    && silence.start < it.time.end
            });
            if let Some(first) = taken.next() {
                let is_kept_out = |it: &Away<'_>| {
                    let ready = it.unseen_from.map(|ready| ready.max(silence.start));
                    ready.is_some_and(|ready| ready + SETTLE <= silence.end)
                };
                if is_kept_out(first) || taken.any(is_kept_out) {
                    found.kept_out = Some(name);
                }
            } else if self.means_something(&given, before.clone(), from..to) {
                let own: u64 = bad[before.clone()].iter().sum();
                let nobodys: u64 = self.nobodys[before].iter().sum();
                found.ejections.push(Ejection {
                    backend: name.to_owned(),
                    from: silence.start,
                    until: rest.map(|_| silence.end),
                    out: silence.end - silence.start,
                    bad: own,
                    nobodys,
                    is_healthy: own + nobodys == 0,
                });
                known = to;
            }
            from = to;
        }
    }

    /// Whether a server had so much at some time that a silence would have meant something.
    fn has_enough(&self, given: &[u64]) -> bool {
        let settle = buckets(SETTLE);
        let length = buckets(USUAL).min(self.end);
        let stretches = given[..self.end].windows(length.max(settle));
        let sums = stretches
            .step_by(settle)
            .map(|it| it.iter().sum::<u64>() as f64 / it.len() as f64);
        sums.into_iter()
            .any(|rate| rate * settle as f64 >= LEAST_EXPECTED)
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
    let all = watched(record);
    let all = all.as_ref().ok_or_else(|| match record.is_divided() {
        true => "loadgen itself chooses among several targets or addresses: what one of them does not get is no \
                 balancer's doing"
            .to_owned(),
        false => "only the times around planned events are recorded finely enough, and there were none; an event `mark` of \
         the scenario is one"
            .to_owned(),
    });
    let line = |name: &str, limit: &Option<Limit>, found: fn(&Limit, &Watched<'_>) -> Found| {
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

/// How many bad answers it took. Those of nobody known may have been the server's, each of them or none.
fn bad(limit: &Limit, all: &Watched<'_>) -> Found {
    let ill = all.ejections.iter().filter(|it| !it.is_healthy);
    let each = |it: &Ejection| it.bad..=it.bad.saturating_add(it.nobodys);
    let may_hold = |it: &&Ejection| each(it).any(|count| holds(limit, count as f64));
    let broken = ill.clone().find(|it| !may_hold(it));
    let may_break = |it: &&Ejection| each(it).any(|count| !holds(limit, count as f64));
    let open = ill.clone().find(may_break);
    let Some(told) = broken.or(open).or_else(|| ill.max_by_key(|it| it.bad)) else {
        return Err("no server was ejected that had answered badly".to_owned());
    };
    let mut observed = format!(
        "{} before {} was out",
        counted(told.bad, "bad answer"),
        told.backend
    );
    let answer = match (broken, open) {
        (Some(_), _) => Answer::Fails,
        (None, Some(open)) => {
            let nobodys = human::count(open.nobodys);
            observed.push_str(&format!(", and {nobodys} that nobody named"));
            Answer::Undecided { needed: None }
        }
        (None, None) => Answer::Holds,
    };
    Ok((observed, answer))
}

/// For how long a server was out.
fn out(limit: &Limit, all: &Watched<'_>) -> Found {
    let all = &all.ejections;
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
fn healthy(limit: &Limit, all: &Watched<'_>) -> Found {
    let watched = all.servers.len();
    if watched == 0 {
        return Err(format!(
            "no server that named itself was given enough: under {LEAST_EXPECTED} requests in {SETTLE:?}, a silence of \
             that means nothing"
        ));
    }
    let well: Vec<&Ejection> = all.ejections.iter().filter(|it| it.is_healthy).collect();
    let first = well.first().map(|it| {
        let at = human::duration(it.from);
        format!(", {} at {at} first", it.backend)
    });
    let count = counted(well.len() as u64, "ejection");
    let mut observed = format!("{count} of healthy servers{}", first.unwrap_or_default());
    if !limit.threshold().may_hold_from(well.len() as f64) {
        return Ok((observed, Answer::Fails));
    }
    if watched < all.known {
        let servers = counted(all.known as u64, "server");
        observed.push_str(&format!(
            "; only {watched} of {servers} had enough requests to tell"
        ));
    } else if let Some(name) = all.kept_out {
        observed.push_str(&format!(
            "; {name} was back and was given nothing, which may be one"
        ));
    } else {
        return Ok((observed, answer(holds(limit, well.len() as f64))));
    }
    Ok((observed, Answer::Undecided { needed: None }))
}

#[cfg(test)]
mod tests;
