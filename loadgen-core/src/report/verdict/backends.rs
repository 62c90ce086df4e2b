//! Servers that were asked nothing more, as it seems, while others were.
//!
//! Owns when that is worth a word: where it can have been neither chance, nor the load, nor the scenario.

use std::time::Duration;

use super::super::phrase::span;
use super::{Findings, Titled, ratio};
use crate::clock::nanos;
use crate::record::{BackendRecord, LONG_SILENCE, ScenarioRecord, SeriesPoint, Unit};
use crate::units::human::count;

/// A server's silence is worth a word when it lasts so many times the time between two of its answers, and over
/// a second.
const LONG_SILENCE_OF_GAPS: u32 = 10;
/// And when by chance alone so many requests would have been its own: that none was has a probability of
/// about e to the power of minus so many. With fewer of its own, its share is too uncertain to say so.
const MISSED_ANSWERS: u64 = 20;
/// So far from its last request a connection may have been lost to have been lost with it.
const LOST_WITH_IT: Duration = Duration::from_secs(2);
/// What a server's users were is what they were so many seconds before the one of its last request.
const USERS_UNTIL: u64 = 2;
/// So many servers are told of one by one.
const MOST_TOLD: usize = 3;

/// A server that has gone silent.
struct Silent<'a> {
    id: &'a str,
    last: Duration,
    /// When the last request of the others ended ok, or the second was over in which it was due.
    end: Duration,
    /// Of the others' requests since, as many as its share was until then.
    due: u64,
}

/// A server without any more requests while others went on: its share, taken over all of the run, would not show
/// it.
pub(super) fn judge(scenario: &Titled<'_>, findings: &mut Findings) {
    let name = &scenario.title;
    let silent = silent(scenario);
    if silent.len() <= MOST_TOLD {
        findings.warnings.extend(silent.iter().map(|it| {
            format!(
                "`{name}`: the last request of {} ended at {} of {}, and others went on: by its share until \
                 then, some {} of the requests since would have been its own",
                it.id,
                span(nanos(it.last)),
                span(nanos(it.end)),
                count(it.due),
            )
        }));
        return;
    }
    let last = silent.iter().map(|it| it.last);
    let (from, to) = (last.clone().min(), last.max());
    let end = silent.iter().map(|it| it.end).max();
    let [from, to, end] = [from, to, end].map(|it| span(nanos(it.unwrap_or_default())));
    let when = match from == to {
        true => format!("at {to}"),
        false => format!("from {from} to {to}"),
    };
    findings.warnings.push(format!(
        "`{name}`: the last requests of {}, {} and {} more ended {when} of {end}, and others went \
         on: by their shares until then, some {} of the requests since would have been their own",
        silent[0].id,
        silent[1].id,
        count(silent.len() as u64 - 2),
        count(silent.iter().map(|it| it.due).sum()),
    ));
}

/// Those that have gone silent, in the order in which servers are listed.
fn silent(scenario: &ScenarioRecord) -> Vec<Silent<'_>> {
    if may_be_steered(scenario) {
        return Vec::new();
    }
    // Where connections stay with a server, it has no more work when its users have no more.
    let decided = scenario.decided_by();
    let is_pinned = scenario.decisions.connections > 0
        && !matches!(decided, Some(Unit::Request | Unit::Stream));
    let named = scenario.backends.iter().filter(|it| it.is_one());
    let found = named.filter_map(|one| silence_of(one, scenario));
    let mut found: Vec<_> = found
        .filter(|it| !is_pinned || lost_a_connection(scenario, it.last))
        .filter(|it| !users_ran_out(scenario, it.last, it.end))
        .collect();
    found.sort_by(|a, b| BackendRecord::order(a.id, b.id));
    found
}

/// Whether it may be the scenario's own doing who is asked: it has several targets or addresses of one, steps that may be for
/// different servers, or one that is left out at times.
fn may_be_steered(scenario: &ScenarioRecord) -> bool {
    scenario.is_divided()
        || scenario.iterated().count() > 1
        || scenario.iterated().any(|it| it.apart)
}

/// This server's silence, where it was too long for chance. What failed says nothing of who went on.
fn silence_of<'a>(one: &'a BackendRecord, scenario: &ScenarioRecord) -> Option<Silent<'a>> {
    let (first, last) = one.active?;
    if one.completed() < MISSED_ANSWERS {
        return None;
    }
    let (mut before, mut since, mut end) = (0, 0, Duration::ZERO);
    for other in scenario.backends.iter().filter(|it| it.id != one.id) {
        let mut over = Duration::ZERO;
        for point in other.over_time.points() {
            let completed = point.requests.saturating_sub(point.failed);
            match point.t_s <= last.as_secs() {
                true => before += completed,
                false => since += completed,
            }
            if completed > 0 {
                over = Duration::from_secs(point.t_s + point.seconds);
            }
        }
        let last = other.active.map(|(_, last)| last);
        end = end.max(last.unwrap_or_default().min(over));
    }
    let gap = (last.saturating_sub(first)).div_f64(one.requests.saturating_sub(1).max(1) as f64);
    let allowed = Duration::from_nanos(LONG_SILENCE).max(gap * LONG_SILENCE_OF_GAPS);
    let share = ratio(one.completed(), one.completed() + before);
    let due = (share * since as f64).round() as u64;
    let is_long = end.saturating_sub(last) > allowed && due >= MISSED_ANSWERS;
    is_long.then_some(Silent {
        id: &one.id,
        last,
        end,
        due,
    })
}

/// Whether a connection was lost, or could not be made, about when a server had its last request.
fn lost_a_connection(scenario: &ScenarioRecord, last: Duration) -> bool {
    let (from, to) = (last.saturating_sub(LOST_WITH_IT), last + LOST_WITH_IT);
    scenario.series.iter().any(|point| {
        let begins = Duration::from_secs(point.t_s);
        let ends = Duration::from_secs(point.t_s + point.seconds);
        let lost = point.connections.dropped + point.connections.failed;
        lost > 0 && begins <= to && ends > from
    })
}

/// Whether there were fewer users after a server's last request, whose work may have been its own. In an open
/// model it is no sign of anything how many are busy.
fn users_ran_out(scenario: &ScenarioRecord, last: Duration, end: Duration) -> bool {
    if scenario.open {
        return false;
    }
    let (last, end) = (last.as_secs(), end.as_secs());
    let points = scenario.series.iter();
    let just_before =
        |it: &&SeriesPoint| it.t_s <= last && it.t_s + it.seconds + USERS_UNTIL > last;
    let before = points.clone().filter(just_before);
    let since = points.filter(|it| it.t_s > last && it.t_s + it.seconds <= end);
    let most = before.map(|it| it.users).max().unwrap_or_default();
    let fewest = since.map(|it| it.users).min();
    // A tenth is what the number of those busy at once may well differ by.
    fewest.is_some_and(|fewest| fewest.saturating_mul(10) < most.saturating_mul(9))
}
