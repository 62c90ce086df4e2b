//! What was expected of a balancer, and what became of the load when a server went away.

use super::super::document::{Failover, Scenario, Survivors};
use super::{Condition, Fact, Item, Tone};
use crate::text::flow::glued;
use crate::units::human;

/// Servers that have a row of their own in a picture.
const ROWS: usize = 8;
/// Ejections that are told of.
const MOST_EJECTIONS: usize = 4;
/// So much before the first event and after all is over is shown.
const MARGIN_S: f64 = 3.0;

/// Requests over time as they went to each server, and when something was done to one.
#[derive(Debug, Default)]
pub(in crate::report) struct Picture {
    /// In seconds: where it begins and where it ends.
    pub(in crate::report) from_s: f64,
    pub(in crate::report) to_s: f64,
    /// What is at a time: `x` where a server went, `^` where it was back.
    pub(in crate::report) marks: Vec<(f64, char)>,
    /// What the marks are.
    pub(in crate::report) legend: String,
    pub(in crate::report) rows: Vec<Bars>,
}

/// Requests over time.
#[derive(Debug)]
pub(in crate::report) struct Bars {
    pub(in crate::report) label: String,
    /// When, and how many.
    pub(in crate::report) counts: Vec<(f64, u64)>,
    /// All of them, in words.
    pub(in crate::report) sum: String,
    pub(in crate::report) tone: Tone,
}

/// The expectations, each with what became of it.
pub(super) fn expectations(scenario: &Scenario) -> Option<Item> {
    let conditions = scenario.expectations.iter();
    let conditions = conditions.map(Condition::of_expectation);
    let conditions: Vec<Condition> = conditions.collect();
    (!conditions.is_empty()).then_some(Item::Conditions("expected", conditions))
}

/// What became of the load when servers went away, in a picture and in words.
pub(super) fn failovers(scenario: &Scenario) -> Vec<Item> {
    let mut items: Vec<Item> = picture(scenario).map(Item::Picture).into_iter().collect();
    for failover in &scenario.failovers {
        let label = if items.is_empty() { "failover" } else { "" };
        items.push(Item::Fact(Fact::new(label, in_words(failover))));
    }
    items
}

/// Servers that got nothing for a time although they were up, those first that were out first.
pub(super) fn ejections(scenario: &Scenario) -> Option<Item> {
    let mut all: Vec<_> = scenario.ejections.iter().collect();
    all.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
    let told = all.iter().take(MOST_EJECTIONS).map(|it| {
        let at = seconds(it.from_s);
        let out = match it.until_s {
            Some(until) => format!("for {}", seconds(until - it.from_s)),
            None => "and not back".to_owned(),
        };
        let why = match (it.healthy, it.bad) {
            (true, _) => "though it was healthy".to_owned(),
            (false, bad) => format!("after {}", human::counted(bad, "bad answer")),
        };
        glued(&format!("{} at {at} {out} {why}", it.backend))
    });
    let mut told: Vec<String> = told.collect();
    let more = all.len().saturating_sub(MOST_EJECTIONS);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    (!told.is_empty()).then(|| Item::Fact(Fact::new("ejected", told.join(", "))))
}

/// The tail of the other servers, or that there is too little of it.
fn survivors(survivors: &Survivors) -> String {
    let Survivors {
        before_us,
        during_us,
    } = survivors;
    match (before_us.p99, during_us.p99) {
        (before, Some(during)) => {
            let before = before.map(|it| format!(" ({} before)", human::micros(it)));
            let during = human::micros(during);
            format!("p99 of the others {during}{}", before.unwrap_or_default())
        }
        (_, None) => {
            let answers = human::counted(during_us.count, "answer");
            format!("{answers} of the others, too few for a p99")
        }
    }
}

fn seconds(s: f64) -> String {
    human::micros(s * 1e6)
}

/// What became of the load, what never came included.
pub(super) fn in_words(failover: &Failover) -> String {
    let never = |name: &str| failover.never.iter().any(|it| it == name);
    let timed = |name: &str, before: &str, time: Option<f64>| match time {
        // Less than is told apart.
        Some(time) if time < 0.005 => Some(format!("{before} at once")),
        Some(time) => Some(format!("{before} after {}", seconds(time))),
        None if never(name) => Some(format!("never {before}")),
        None => None,
    };
    let under_way = failover.lost_in_flight.filter(|it| *it > 0);
    let under_way = under_way.map(|it| format!(" ({} of them under way)", human::count(it)));
    let recorded = failover.recorded_s;
    let recorded = recorded.map(|it| format!(" in the {} after it", seconds(it)));
    let lost = failover.lost.map(|it| {
        let under_way = under_way.unwrap_or_default();
        let recorded = recorded.unwrap_or_default();
        format!("{} lost{under_way}{recorded}", human::count(it))
    });
    let slow = failover.slow.filter(|it| *it > 0);
    let relapses = failover.relapses.filter(|it| *it > 0);
    let farewell = failover.farewell.as_ref();
    let first = [
        timed("detected", "detected", failover.detected_s),
        relapses.map(|it| human::counted(it, "relapse")),
        lost,
        slow.map(|it| format!("{} slow", human::count(it))),
        failover
            .last_error_s
            .map(|it| format!("errors until {}", seconds(it))),
        timed("recovered", "recovered", failover.recovered_s),
        failover
            .silence_s
            .map(|it| format!("longest silence {}", seconds(it))),
        failover.switched.as_ref().map(|it| {
            let (count, longest) = (human::count(it.count), seconds(it.max_s));
            format!(
                "{count} switched within {longest} (p50 {})",
                seconds(it.p50_s)
            )
        }),
        failover.survivors.as_ref().map(survivors),
        farewell.map(|it| {
            let connections = human::counted(it.connections, "connection");
            let finished = human::counted(it.finished, "stream");
            format!("good-bye on {connections}: {finished} finished")
        }),
        farewell.map(|it| {
            let [refused, again] = [it.refused, it.sent_again].map(human::count);
            format!("{refused} refused ({again} sent again)")
        }),
        farewell.map(|it| format!("{} broken", human::count(it.broken))),
    ];
    let then = [
        timed("returned", "first answer", failover.returned_s),
        timed("rebalanced", "its share as before", failover.rebalanced_s),
    ];
    let parts = |parts: &[Option<String>]| {
        let parts: Vec<String> = parts.iter().flatten().map(|it| glued(it)).collect();
        parts.join(", ")
    };
    let at = failover.at_s.map(|it| format!(" at {}", seconds(it)));
    let mut text = format!("{}{}", failover.event, at.unwrap_or_default());
    let first = parts(&first);
    if !first.is_empty() {
        text.push_str(&format!(": {first}"));
    }
    let then = parts(&then);
    if !then.is_empty() {
        text.push_str(&format!("; back, {then}"));
    }
    if let Some(why) = &failover.untold {
        text.push_str(&format!("; not all can be told: {why}"));
    }
    text
}

/// Requests by server around the events.
fn picture(scenario: &Scenario) -> Option<Picture> {
    let mut picture = Picture {
        from_s: f64::INFINITY,
        ..Picture::default()
    };
    let mut legend = Vec::new();
    for failover in &scenario.failovers {
        let Some(at) = failover.at_s else { continue };
        picture.marks.push((at, 'x'));
        let mut words = format!("x {} {}", seconds(at), failover.event);
        let mut over = at + failover.recovered_s.unwrap_or_default();
        if let Some(back) = failover.back_s {
            picture.marks.push((back, '^'));
            words.push_str(&format!(", ^ {} back", seconds(back)));
            over = over.max(back + failover.rebalanced_s.unwrap_or_default());
        }
        legend.push(glued(&words));
        picture.from_s = picture.from_s.min(at - MARGIN_S);
        picture.to_s = picture.to_s.max(over + MARGIN_S);
    }
    picture.legend = legend.join("   ");
    let moments: Vec<_> = scenario
        .timeline
        .iter()
        .filter(|it| (picture.from_s..picture.to_s).contains(&it.t_s))
        .collect();
    let (first, last) = (moments.first()?, moments.last()?);
    picture.from_s = first.t_s;
    picture.to_s = last.t_s + 0.1;
    let row = |label: &str, word: &str, of: &dyn Fn(&super::super::document::Moment) -> u64| {
        let counts: Vec<(f64, u64)> = moments.iter().map(|it| (it.t_s, of(it))).collect();
        let sum = counts.iter().map(|(_, count)| count).sum();
        Bars {
            label: label.to_owned(),
            counts,
            sum: format!("{}{word}", human::count(sum)),
            tone: Tone::Plain,
        }
    };
    for backend in scenario.backends.iter().take(ROWS) {
        let of = |it: &super::super::document::Moment| {
            it.backends.get(&backend.id).map_or(0, |it| it.completed)
        };
        let bars = row(&backend.id, " ok", &of);
        if bars.counts.iter().any(|(_, count)| *count > 0) {
            picture.rows.push(bars);
        }
    }
    let failed = row("failed", "", &|it| {
        it.backends.values().map(|it| it.failed).sum()
    });
    picture.rows.push(Bars {
        tone: Tone::Bad,
        ..failed
    });
    Some(picture)
}
