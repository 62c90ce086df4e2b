//! Expectations, each with its answer and what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::condition::{Figure, figure, left_by, nobody_left, said, why_untold};
use super::divided::{counts, who};
use super::ejection;
use super::failover::{Failover, Survivors};
use super::interval::Interval;
use super::returning::{grew, returns};
use super::route::{at_most, row};
use super::share::{Answer, Division};
use super::sticky::stayed;
use crate::condition::{FailoverWord, Left};
use crate::expectation::{Bound, Distribution, Expectations, Route, Sticky, word};
use crate::judge::observe::in_unit;
use crate::record::{ScenarioRecord, Unit};
use crate::units::format_duration;
use crate::units::human::{self, counted};

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// What was expected, as conditions are written.
    pub(crate) expression: String,
    /// What was seen, or why nothing could be.
    pub(crate) observed: String,
    pub(crate) answer: Answer,
}

/// What is known of a scenario beside its record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) tags: &'a BTreeMap<String, String>,
    /// The names of the servers that there are; empty where nobody told.
    pub(crate) servers: &'a [String],
}

/// Servers that are named before they become a range.
const MOST_NAMED: usize = 4;
/// Of fewer than these nothing is said but what became of them.
const FEW: u64 = 30;

/// Judges what is expected of a scenario's balancer, in a fixed order.
pub(crate) fn expected(
    expectations: &Expectations,
    record: &ScenarioRecord,
    around: Surroundings<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(distribution) = &expectations.distribution {
        findings.push(Finding::of(
            format!("distribution {distribution}"),
            divided(distribution, expectations, record, around),
        ));
    }
    for route in &expectations.routes {
        findings.push(routed(route, record, around));
    }
    if let Some(sticky) = &expectations.sticky {
        let found = match sticky {
            Sticky::Connection => stuck(record),
            Sticky::User | Sticky::Source | Sticky::Key(_) => stayed(sticky, record),
        };
        findings.push(Finding::of(format!("sticky {sticky}"), found));
    }
    let leaving = [
        (Left::Unannounced, &expectations.failover),
        (Left::Drained, &expectations.drain),
    ];
    for (left, bounds) in leaving {
        let left_by = left_by(record, left);
        for bound in bounds {
            let word = bound.word();
            let figures = left_by.iter().map(|(event, failover)| {
                let why = || why_untold(event, word, failover);
                let beside = match word {
                    FailoverWord::SurvivorsP99 => usually(failover),
                    _ => String::new(),
                };
                let (holds, told) = one_event(bound, &event.said, figure(word, failover), why);
                (holds, told + &beside)
            });
            let figures: Vec<_> = figures.collect();
            let found = match figures.is_empty() {
                true => Err(nobody_left(left).to_owned()),
                false => Ok(all_of(&figures)),
            };
            findings.push(Finding::of(bound.expression(left), found));
        }
    }
    if let Some(over) = expectations.slow_start {
        let expression = format!("slow_start over {}", format_duration(over));
        findings.push(Finding::of(expression, grew_slowly(over, record)));
    }
    if !expectations.ejection.is_empty() {
        let lines = ejection::judged(&expectations.ejection, record).into_iter();
        findings.extend(lines.map(|(expression, found)| Finding::of(expression, found)));
    }
    findings
}

/// Whether the load of each server that came back grew over so long.
fn grew_slowly(over: Duration, record: &ScenarioRecord) -> Result<(String, Answer), String> {
    let returns = returns(record);
    if returns.is_empty() {
        return Err("no server came back".to_owned());
    }
    let mut worst = Answer::Holds;
    let mut told = Vec::new();
    for (event, seconds) in returns {
        let said = &event.said;
        let found = seconds.and_then(|it| grew(over, &it));
        let (observed, answer) = found.map_err(|why| format!("not known after {said}: {why}"))?;
        told.push(format!("{observed}, counted from the return after {said}"));
        worst = match (worst, answer) {
            (Answer::Fails, _) | (_, Answer::Fails) => Answer::Fails,
            (Answer::Holds, other) => other,
            (undecided, _) => undecided,
        };
    }
    Ok((told.join("; "), worst))
}

impl Finding {
    /// What nothing could be measured for does not hold.
    fn of(expression: String, found: Result<(String, Answer), String>) -> Self {
        let (observed, answer) = found.unwrap_or_else(|why| (why, Answer::Fails));
        Self {
            expression,
            observed,
            answer,
        }
    }
}

/// What the p99 of the other servers was before an event.
fn usually(failover: &Failover) -> String {
    let before = failover.survivors.as_ref().map(|it| &it.before);
    let before = before.and_then(Survivors::p99);
    before.map_or_else(String::new, |it| {
        format!(", {} before it", human::duration(it))
    })
}

/// A figure of one event, whether it will do, and how bad it is.
fn one_event(
    bound: &Bound,
    event: &str,
    value: Figure,
    why: impl FnOnce() -> String,
) -> (bool, String) {
    match value {
        Figure::Is(value) => {
            let threshold = bound.threshold();
            let holds = threshold.holds(in_unit(value, threshold.value_unit()));
            (
                holds,
                format!("{} after {event}", said(bound.word(), value)),
            )
        }
        Figure::Never => (false, format!("never after {event}")),
        Figure::Untold => (false, format!("not known after {event}: {}", why())),
    }
}

/// Those that will not do first.
fn all_of(figures: &[(bool, String)]) -> (String, Answer) {
    let all_hold = figures.iter().all(|(holds, _)| *holds);
    let mut sorted: Vec<&(bool, String)> = figures.iter().collect();
    sorted.sort_by_key(|(holds, _)| *holds);
    let mut told: Vec<&str> = sorted.iter().map(|(_, told)| told.as_str()).collect();
    let more = told.len().saturating_sub(MOST_NAMED);
    told.truncate(MOST_NAMED);
    let more = match more {
        0 => String::new(),
        more => format!(", {more} more"),
    };
    let answer = match all_hold {
        true => Answer::Holds,
        false => Answer::Fails,
    };
    (format!("{}{more}", told.join(", ")), answer)
}

fn divided(
    distribution: &Distribution,
    expectations: &Expectations,
    record: &ScenarioRecord,
    around: Surroundings<'_>,
) -> Result<(String, Answer), String> {
    let unit = distribution.per.or_else(|| record.decided_by());
    let unit = unit.unwrap_or(Unit::Request);
    let counts = counts(record, unit)?;
    let answered: u64 = counts.named.iter().map(|(_, count)| count).sum();
    let what = word(unit);
    if answered == 0 {
        let when = if counts.is_part {
            " while all were there"
        } else {
            ""
        };
        return Err(format!("no {what} of a server that named itself{when}"));
    }
    let wished = match distribution.weights.is_empty() {
        true => even_among(expectations, record, around)?,
        false => weighted(distribution, &counts.named),
    };
    let all_even = distribution.weights.is_empty();
    if all_even && distribution.within >= 1.0 / wished.len() as f64 {
        return Err(format!(
            "among {} that is no limit: one that got nothing would do",
            counted(wished.len() as u64, "server")
        ));
    }
    let is_part = counts.is_part;
    let division = counts.as_wished(wished);
    let answer = division.answer(distribution.within);
    let change = list_change(record).filter(|_| answer != Answer::Holds);
    let when = if is_part { " while all were there" } else { "" };
    let all = counted(division.sum(), what);
    let mut observed = format!("{} of {all}{when}", shares(&division));
    if let Some(evenness) = division.evenness() {
        let dispersion = human::significant(evenness.dispersion);
        observed.push_str(&format!(", dispersion {dispersion}"));
    }
    if division.nameless > 0 {
        observed.push_str(&format!(
            ", and {} without a name",
            counted(division.nameless, "answer")
        ));
    }
    let Some(change) = change else {
        return Ok((observed, answer));
    };
    observed.push_str(&format!(
        "; {change}: who was on the list for a part of the time had a part of that time's requests, and no number of \
         others tells"
    ));
    Ok((observed, Answer::Undecided { needed: None }))
}

/// The first change of a list of addresses while the load went on.
fn list_change(record: &ScenarioRecord) -> Option<String> {
    let changes = record.addresses.iter().flat_map(|it| {
        let came = it.listed.or(it.since);
        let came = came.map(|at| (at, &it.address, "came to be on"));
        let gone = it.gone_at().map(|at| (at, &it.address, "left"));
        came.into_iter().chain(gone)
    });
    // What came or went before measuring began did so at zero.
    let changes = changes.filter(|(at, ..)| !at.is_zero());
    let (at, address, what) = changes.min_by_key(|(at, ..)| *at)?;
    let at = human::duration(at);
    Some(format!("{address} {what} the list at {at}"))
}

/// The servers that should have the same: those that there are, and may answer, or those that did.
fn even_among(
    expectations: &Expectations,
    record: &ScenarioRecord,
    around: Surroundings<'_>,
) -> Result<Vec<(String, f64)>, String> {
    let may_answer = |name: &&str| expectations.allow(around.tags, name);
    let told = around.servers.iter().map(String::as_str);
    let told: Vec<&str> = told.filter(may_answer).collect();
    let answered = record.backends.iter().map(|it| it.id.as_str());
    let servers = who(&told, answered.filter(may_answer))?;
    match servers.as_slice() {
        [] => Err("no server named itself that may answer".to_owned()),
        [only] => Err(format!(
            "only `{only}` named itself, and nobody told who else there is: `weights` would"
        )),
        several => {
            let share = 1.0 / several.len() as f64;
            Ok(several.iter().map(|it| ((*it).to_owned(), share)).collect())
        }
    }
}

/// Those that have a weight, and those that answered without.
fn weighted(distribution: &Distribution, counts: &[(String, u64)]) -> Vec<(String, f64)> {
    let named = distribution.weights.iter().map(|(name, _)| name);
    let mut names: Vec<&String> = named.collect();
    for (name, count) in counts {
        if *count > 0 && !names.contains(&name) {
            names.push(name);
        }
    }
    let wished = |name: &String| distribution.wished(name).unwrap_or_default();
    names
        .into_iter()
        .map(|it| (it.clone(), wished(it)))
        .collect()
}

/// `b1 33.4%, b2 33.3%, b3 33.3% (± 2%)`.
fn shares(division: &Division) -> String {
    let all = division.sum().max(1) as f64;
    let share = |count: u64| human::percent(count as f64 / all);
    let widths = division.parts.iter().map(|part| {
        let Interval { low, high } = division.interval(part);
        (high - low) / 2.0
    });
    let chance = human::percent(widths.fold(0.0, f64::max));
    if division.parts.len() <= MOST_NAMED {
        let parts = division.parts.iter();
        let parts = parts.map(|it| format!("{} {}", it.name, share(it.count)));
        let parts: Vec<String> = parts.collect();
        return format!("{} (±{chance})", parts.join(", "));
    }
    let least = division.parts.iter().min_by_key(|it| it.count);
    let most = division.parts.iter().max_by_key(|it| it.count);
    let ends = least.zip(most).map(|(least, most)| {
        format!(
            "{} ({}) to {} ({})",
            share(least.count),
            least.name,
            share(most.count),
            most.name
        )
    });
    let servers = counted(division.parts.len() as u64, "server");
    format!("{servers} with {} (±{chance})", ends.unwrap_or_default())
}

fn routed(route: &Route, record: &ScenarioRecord, around: Surroundings<'_>) -> Finding {
    let tag = &route.tag;
    let Some(value) = around.tags.get(tag) else {
        let found = Err(format!("the scenario has no tag `{tag}`"));
        return Finding::of(format!("route {tag}"), found);
    };
    let Some(servers) = route.servers(value) else {
        let found = Err(format!("nothing is said of `{value}`"));
        return Finding::of(format!("route {tag} {value}"), found);
    };
    let row = row(record, servers);
    let all = human::count(row.requests);
    let nameless = match row.nameless {
        0 => String::new(),
        some => format!(", and {} without a name", counted(some, "answer")),
    };
    let found = if !row.leaks.is_empty() {
        let sum: u64 = row.leaks.iter().map(|(_, had)| had).sum();
        let named = row.leaks.iter().take(MOST_NAMED);
        let named = named.map(|(name, had)| format!("{name} {}", human::count(*had)));
        let named: Vec<String> = named.collect();
        let observed = format!(
            "{} of {all} went elsewhere: {}{nameless}",
            human::count(sum),
            named.join(", ")
        );
        Ok((observed, Answer::Fails))
    } else if row.requests == 0 {
        Err("no answer of a server that named itself".to_owned())
    } else {
        let most = match row.requests {
            // Three in so few would be nearly all.
            ..FEW => ", too few to say of others".to_owned(),
            enough => format!(" (≤ {} at 95%)", human::percent(at_most(enough))),
        };
        let observed = format!("0 of {all} went elsewhere{most}{nameless}");
        let answer = match row.nameless {
            0 => Answer::Holds,
            // They may be leaks, and no number of others tells.
            _ => Answer::Undecided { needed: None },
        };
        Ok((observed, answer))
    };
    Finding::of(format!("route {tag} {value} to {servers}"), found)
}

/// Whether each connection has one server.
fn stuck(record: &ScenarioRecord) -> Result<(String, Answer), String> {
    let decisions = record.decisions;
    if decisions.connections == 0 {
        return Err("no connection had two answers of servers that named themselves".to_owned());
    }
    let all = counted(decisions.connections, "connection");
    let observed = format!(
        "{} of {all} had several servers",
        human::count(decisions.several)
    );
    let away = super::failover::outages(record);
    match (decisions.several, away.first()) {
        (0, _) => Ok((observed, Answer::Holds)),
        (_, None) => Ok((observed, Answer::Fails)),
        // They may have had to move.
        (_, Some(outage)) => {
            let observed = format!("{observed}, and `{}` may have moved them", outage.said);
            Ok((observed, Answer::Undecided { needed: None }))
        }
    }
}

#[cfg(test)]
mod tests;
