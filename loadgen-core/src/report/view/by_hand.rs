//! What somebody changed and noted while the run was under way.

use std::time::Duration;

use super::super::document::{Document, Event, Scenario};
use super::{Fact, overview};
use crate::record::{EventAction, Pauses};
use crate::text::flow::glued;
use crate::units::human;

/// So many changes and notes are named in a summary.
const NAMED: usize = 12;
/// So many of the scenarios that one is of are.
const SCENARIOS: usize = 3;
/// Scenarios turn by one change so many seconds apart at most: arrivals heed it some 50 ms after users do.
const APART_S: f64 = 0.1;

/// What kind of thing by hand an event is, in a word; nothing where the plan had it done.
pub(super) fn kind(event: &Event) -> Option<&'static str> {
    match event.action {
        action if action.changes_load() => Some("change"),
        EventAction::Stop => Some("stop"),
        // One of the plan has its time, unless that was before measuring, when nobody can set one by hand.
        EventAction::Mark if event.at_s.is_none() && event.done_before_s.is_none() => Some("note"),
        _ => None,
    }
}

/// When it was done.
pub(super) fn when(event: &Event) -> Option<String> {
    let before = event.done_before_s;
    let before = before.map(|s| format!("{} before", seconds(s)));
    event.done_s.map(seconds).or(before)
}

/// One change or note, and the scenarios that it is of.
struct Deed<'a> {
    event: &'a Event,
    /// When the first of them turned by it, in seconds from the start of the run.
    at_s: f64,
    of: Vec<&'a Scenario>,
}

/// All of it in the order in which it was done, each with its time; nothing where there is none.
pub(super) fn list(document: &Document) -> Option<Fact> {
    let scenarios = &document.scenarios;
    let deeds = deeds(scenarios);
    let begin_together = scenarios.iter().all(|it| {
        let apart = it.measured_from_s - scenarios[0].measured_from_s;
        apart.abs() <= APART_S
    });
    let more = deeds.len().saturating_sub(NAMED);
    let mut parts: Vec<String> = deeds
        .iter()
        .take(NAMED)
        .map(|Deed { event, at_s, of }| {
            let what = match event.action {
                EventAction::Mark => format!("note `{}`", event.event),
                _ => event.event.clone(),
            };
            let when = match begin_together {
                true => when(event).unwrap_or_default(),
                false => seconds(*at_s),
            };
            let when = glued(&format!(" at {when}"));
            let of = match of.len() == scenarios.len() {
                true => String::new(),
                false => names(of, scenarios),
            };
            format!("{what}{when}{of}")
        })
        .collect();
    if more > 0 {
        parts.push(glued(&format!("{} more", human::count(more as u64))));
    }
    let from = match begin_together {
        true => "",
        false => "; times count from the start of the run",
    };
    (!parts.is_empty()).then(|| Fact::new("by hand", parts.join(", ") + from))
}

fn deeds(scenarios: &[Scenario]) -> Vec<Deed<'_>> {
    let each = scenarios.iter().flat_map(|scenario| {
        let its = scenario.events.iter().filter(|it| kind(it).is_some());
        its.filter_map(move |event| {
            let since = event.done_s.or(event.done_before_s.map(|s| -s))?;
            Some((scenario.measured_from_s + since, event, scenario))
        })
    });
    let mut each: Vec<_> = each.collect();
    each.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let mut deeds: Vec<Deed<'_>> = Vec::new();
    for (at_s, event, scenario) in each {
        // What concerns several is an event of each.
        let near = deeds.partition_point(|deed| deed.at_s < at_s - APART_S);
        let same = deeds[near..].iter_mut().find(|deed| {
            (deed.event.action, &deed.event.event) == (event.action, &event.event)
                && !deed.of.iter().any(|it| std::ptr::eq(*it, scenario))
        });
        match same {
            Some(deed) => deed.of.push(scenario),
            None => deeds.push(Deed {
                event,
                at_s,
                of: vec![scenario],
            }),
        }
    }
    deeds
}

fn names(of: &[&Scenario], all: &[Scenario]) -> String {
    let named = of.iter().take(SCENARIOS);
    let named: Vec<String> = named.map(|it| overview::spoken(it, all)).collect();
    let more = match of.len().saturating_sub(SCENARIOS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(" in {}{more}", named.join(" and "))
}

/// That figures of all the time have pauses in them; of one scenario with how long these were.
pub(super) fn pauses(scenarios: &[Scenario]) -> Option<String> {
    let paused: f64 = scenarios.iter().map(paused_s).sum();
    (paused > 0.0).then(|| match scenarios {
        [_] => format!("{} of pauses included", seconds(paused)),
        _ => "pauses included".to_owned(),
    })
}

/// The same of a table in which each scenario has its rate.
pub(super) fn pauses_of_each(scenarios: &[Scenario]) -> Option<Fact> {
    let paused: Vec<String> = scenarios
        .iter()
        .map(|it| (paused_s(it), it))
        .filter(|(s, _)| *s > 0.0)
        .map(|(s, it)| glued(&format!("{} in ", seconds(s))) + &overview::spoken(it, scenarios))
        .collect();
    let all = paused.len();
    let mut parts: Vec<String> = paused.into_iter().take(NAMED).collect();
    if all > NAMED {
        let more = (all - NAMED) as u64;
        parts.push(glued(&format!("{} more", human::count(more))));
    }
    let which = "; rates are of all the time, these included";
    (all > 0).then(|| Fact::new("pauses", parts.join(", ") + which))
}

/// For how long of its measured time a scenario was paused.
fn paused_s(scenario: &Scenario) -> f64 {
    let told = scenario.events.iter().filter_map(|it| {
        let at = it.done_s.or(it.done_before_s.map(|_| 0.0))?;
        Some((it.action, Duration::try_from_secs_f64(at).ok()?))
    });
    let length = Duration::try_from_secs_f64(scenario.duration_s).unwrap_or_default();
    Pauses::told(told).within(length).as_secs_f64()
}

fn seconds(s: f64) -> String {
    human::micros(s * 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use test_case::test_case;

    use super::*;
    use crate::report::sample;

    fn document(events: &[&[Value]]) -> Document {
        sample::document(|json| {
            let scenario = json["scenarios"][0].clone();
            let scenarios = events.iter().enumerate().map(|(place, events)| {
                let mut scenario = scenario.clone();
                scenario["name"] = format!("s{place}").into();
                scenario["duration_s"] = 60.into();
                scenario["events"] = events.to_vec().into();
                scenario
            });
            json["scenarios"] = scenarios.collect::<Vec<_>>().into();
        })
    }

    fn event(action: &str, event: &str, done_s: f64) -> Value {
        json!({"action": action, "event": event, "done_s": done_s})
    }

    fn before(action: &str, s: f64) -> Value {
        json!({"action": action, "event": action, "done_before_s": s})
    }

    fn told(document: &Document) -> Option<String> {
        list(document).map(|it| crate::text::flow::unglued(&it.text))
    }

    #[test]
    fn changes_and_notes_have_their_times() {
        let planned = json!({"action": "mark", "event": "of the plan", "at_s": 2.0, "done_s": 2.0});
        let early = json!({"action": "mark", "event": "of the plan", "done_before_s": 2.0});
        let warm = json!({"action": "users", "event": "users 3", "done_before_s": 1.5});
        let of_one = [
            early,
            warm,
            planned,
            event("pause", "pause", 3.25),
            event("mark", "deployed 1.4.2", 4.0),
            event("stop", "stop", 50.0),
        ];
        let expected =
            "users 3 at 1.5 s before, pause at 3.25 s, note `deployed 1.4.2` at 4 s, stop at 50 s";
        assert_eq!(told(&document(&[&of_one])).as_deref(), Some(expected));
        assert_eq!(told(&document(&[&[]])), None);
    }

    #[test]
    fn what_several_were_told_is_told_once() {
        let (pause, note) = (event("pause", "pause", 3.0), event("mark", "why", 1.0));
        let both = document(&[&[note, pause.clone()], &[pause]]);
        let expected = "note `why` at 1 s in s0, pause at 3 s";
        assert_eq!(told(&both).as_deref(), Some(expected));
        let many: Vec<Value> = (0..15)
            .map(|it| event("mark", "again", f64::from(it)))
            .collect();
        let told = told(&document(&[&many])).unwrap();
        assert!(told.ends_with("note `again` at 11 s, 3 more"), "{told}");
    }

    #[test]
    fn arrivals_turn_a_moment_after_users_by_one_change() {
        let told_twice = [
            event("pause", "pause", 3.0),
            event("resume", "resume", 3.04),
        ];
        let open = [
            event("pause", "pause", 3.05),
            event("resume", "resume", 3.09),
            event("pause", "pause", 3.5),
        ];
        let told = told(&document(&[&open, &told_twice]));
        let expected = "pause at 3 s, resume at 3.04 s, pause at 3.5 s in s0";
        assert_eq!(told.as_deref(), Some(expected));
    }

    /// The second begins to be measured after the first, and was told in its warm-up.
    #[test]
    fn scenarios_that_begin_apart_are_on_one_clock() {
        let first = [
            event("pause", "pause", 13.0),
            event("resume", "resume", 14.0),
            event("mark", "why", 15.0),
        ];
        let second = [
            before("pause", 2.0),
            before("resume", 1.0),
            event("mark", "so", 1.0),
        ];
        let mut both = document(&[&first, &second]);
        both.scenarios[0].measured_from_s = 5.0;
        both.scenarios[1].measured_from_s = 20.05;
        let expected = "pause at 18 s, resume at 19 s, note `why` at 20 s in s0, note `so` at 21.1 s in s1; \
                        times count from the start of the run";
        assert_eq!(told(&both).as_deref(), Some(expected));
    }

    #[test]
    fn of_one_name_the_protocol_tells() {
        let mut both = document(&[&[event("pause", "pause", 3.0)], &[]]);
        both.scenarios[1].name = "s0".to_owned();
        both.scenarios[1].protocol = "websocket".to_owned();
        let told = list(&both).map(|it| it.text);
        assert_eq!(
            told.as_deref(),
            Some("pause\u{a0}at\u{a0}3\u{a0}s in s0 grpc")
        );
    }

    #[test_case(&[("pause", 10.0), ("resume", 15.0)] => Some("5 s of pauses included".to_owned()))]
    #[test_case(&[("pause", 10.0), ("resume", 15.0), ("pause", 55.0)] => Some("10 s of pauses included".to_owned()); "to the end")]
    #[test_case(&[("pause", 10.0), ("pause", 11.0), ("resume", 15.0), ("resume", 17.0)] => Some("7 s of pauses included".to_owned()); "of two processes")]
    #[test_case(&[("pause", 61.0)] => None; "after the end")]
    #[test_case(&[("rate", 10.0)] => None; "no pause")]
    fn pauses_are_told_of(events: &[(&str, f64)]) -> Option<String> {
        let events = events.iter().map(|(it, at)| event(it, it, *at));
        let events: Vec<Value> = events.collect();
        let document = document(&[&events]);
        pauses(&document.scenarios)
    }

    #[test]
    fn a_table_has_a_note_of_the_pauses_of_each() {
        let pause = [
            event("pause", "pause", 10.0),
            event("resume", "resume", 30.0),
        ];
        let to_the_end = [event("pause", "pause", 55.0)];
        let note = |document: &Document| {
            let note = pauses_of_each(&document.scenarios);
            note.map(|it| crate::text::flow::unglued(&it.text))
        };
        let expected = "20 s in s0, 5 s in s2; rates are of all the time, these included";
        let document = document(&[&pause, &[], &to_the_end]);
        assert_eq!(note(&document).as_deref(), Some(expected));
        assert_eq!(note(&self::document(&[&[], &[], &[]])), None);
    }

    #[test]
    fn a_pause_that_warming_up_ended_is_none() {
        let over = document(&[&[before("pause", 2.0), before("resume", 1.0)]]);
        assert_eq!(pauses(&over.scenarios), None);
        let lasting = document(&[&[before("pause", 2.0), event("resume", "resume", 4.0)]]);
        let expected = "4 s of pauses included";
        assert_eq!(pauses(&lasting.scenarios).as_deref(), Some(expected));
    }
}
