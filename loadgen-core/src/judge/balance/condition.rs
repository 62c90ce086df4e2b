//! Figures of a balancer as conditions compare them.

use std::time::Duration;

use super::divided::{counts, who};
use super::failover::{Failover, Moment, Survivors, failovers};
use super::share::Division;
use crate::condition::{BalanceWord, FailoverWord, Left, Threshold};
use crate::judge::Judged;
use crate::judge::observe::in_unit;
use crate::record::{EventAction, EventEffect, EventRecord, ScenarioRecord, Unit};
use crate::units::human;

/// Judges a condition on how evenly requests went to all servers that there are; of fewer than two there is
/// nothing to say.
pub(crate) fn judge_evenness(
    condition: &Threshold,
    word: BalanceWord,
    record: &ScenarioRecord,
) -> Judged {
    let found = among_all(record, word).and_then(|division| {
        let Some(observed) = evenness(word, &division) else {
            return Ok(None);
        };
        let holds = condition.holds(observed);
        let mut ends = division.with_names().into_iter();
        let changes =
            |it: Division| evenness(word, &it).is_some_and(|it| condition.holds(it) != holds);
        match ends.any(changes) {
            true => Err(format!(
                "{} without a name may be of anybody",
                human::counted(division.nameless, "answer")
            )),
            false => Ok(Some(observed)),
        }
    });
    Judged {
        holds: matches!(found, Ok(Some(observed)) if condition.holds(observed)),
        observed: found.as_ref().ok().copied().flatten(),
        unjudged: found.err(),
        ..Judged::default()
    }
}

/// What was divided among all servers.
///
/// # Errors
/// Why who they are cannot be told, where this figure takes that.
fn among_all(record: &ScenarioRecord, word: BalanceWord) -> Result<Division, String> {
    let takes_all = matches!(word, BalanceWord::Idle | BalanceWord::Least);
    if takes_all && record.servers.is_empty() {
        return Err(
            "nobody told which servers there are, and one that got nothing is not known".to_owned(),
        );
    }
    let counts = counts(record, Unit::Request)?;
    let told: Vec<&str> = record.servers.iter().map(String::as_str).collect();
    let servers = who(&told, counts.named.iter().map(|(name, _)| name.as_str()))?;
    let share = 1.0 / servers.len().max(1) as f64;
    let wished = servers.iter().map(|it| ((*it).to_owned(), share));
    Ok(counts.as_wished(wished.collect()))
}

fn evenness(word: BalanceWord, division: &Division) -> Option<f64> {
    let evenness = division.evenness()?;
    Some(match word {
        BalanceWord::Imbalance => evenness.imbalance,
        BalanceWord::Least => evenness.least,
        BalanceWord::Variation => evenness.variation,
        BalanceWord::Dispersion => evenness.dispersion,
        BalanceWord::Idle => evenness.idle as f64,
    })
}

/// A figure of one failover.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Figure {
    /// Nanoseconds, or a number of requests.
    Is(f64),
    Never,
    Untold,
}

/// What an event's failover has of this.
pub(super) fn figure(word: FailoverWord, failover: &Failover) -> Figure {
    let number = |count: Option<u64>| count.map_or(Figure::Untold, |it| Figure::Is(it as f64));
    let time = |time: Duration| Figure::Is(time.as_nanos() as f64);
    let moment = |moment| match moment {
        Moment::After(after) => time(after),
        Moment::Never => Figure::Never,
        Moment::Untold => Figure::Untold,
    };
    match word {
        FailoverWord::Detected => moment(failover.detected),
        FailoverWord::Lost if failover.was_seen => number(Some(failover.lost)),
        FailoverWord::Slow if failover.was_seen => number(failover.slow),
        FailoverWord::Silence if failover.was_seen => time(failover.silence),
        FailoverWord::Lost | FailoverWord::Slow | FailoverWord::Silence => Figure::Untold,
        FailoverWord::Recovered => moment(failover.recovered),
        FailoverWord::Relapses => match failover.detected {
            Moment::Never => Figure::Never,
            _ => number(failover.relapses),
        },
        FailoverWord::Returned => moment(failover.returned),
        FailoverWord::Rebalanced => moment(failover.rebalanced),
        FailoverWord::Switched => match failover.switched {
            Some(switched) => time(switched.longest),
            None => Figure::Untold,
        },
        FailoverWord::SurvivorsP99 => {
            let during = failover.survivors.as_ref().map(|it| &it.during);
            during.and_then(Survivors::p99).map_or(Figure::Untold, time)
        }
        FailoverWord::Finished => number(failover.farewell.map(|it| it.finished)),
        FailoverWord::Refused => number(failover.farewell.map(|it| it.refused)),
        FailoverWord::SentAgain => number(failover.farewell.map(|it| it.sent_again)),
        FailoverWord::Broken => number(failover.farewell.map(|it| it.broken)),
        FailoverWord::Reconnects => number(failover.reconnects),
    }
}

/// The events of this kind, each with what became of the load.
pub(super) fn left_by(record: &ScenarioRecord, left: Left) -> Vec<(&EventRecord, Failover)> {
    let mut events = failovers(record);
    events.retain(|(event, _)| (event.action == EventAction::Drain) == (left == Left::Drained));
    events
}

/// Why something is not known of an event.
pub(super) fn why_untold(event: &EventRecord, word: FailoverWord, failover: &Failover) -> String {
    let is_of_return = matches!(word, FailoverWord::Returned | FailoverWord::Rebalanced);
    match &failover.untold {
        _ if word == FailoverWord::Switched => {
            "nothing that was with the server was with another afterwards; without `expect.sticky` only users' \
             streams are followed"
                .to_owned()
        }
        _ if matches!(
            word,
            FailoverWord::Finished
                | FailoverWord::Refused
                | FailoverWord::SentAgain
                | FailoverWord::Broken
        ) =>
        {
            "no connection was told good-bye (GOAWAY) from then on".to_owned()
        }
        _ if word == FailoverWord::SurvivorsP99
            && let Some(survivors) = &failover.survivors =>
        {
            let answers = human::counted(survivors.during.len(), "answer");
            let least = human::count(Survivors::LEAST);
            format!("{answers} of other servers while it was away, and a p99 takes {least}")
        }
        _ if word == FailoverWord::Reconnects => "no second after it was measured".to_owned(),
        _ if is_of_return
            && event.done.is_some()
            && event.ready.is_none()
            && event.effect == EventEffect::Lasts =>
        {
            "the server was not brought back".to_owned()
        }
        _ if word == FailoverWord::Slow && failover.was_seen => {
            "without `expect.failover.ok_within` nothing is slow".to_owned()
        }
        Some(why) => why.clone(),
        None => "the next event came before it could be told".to_owned(),
    }
}

/// Where nothing can be said of what nobody did.
pub(super) fn nobody_left(left: Left) -> &'static str {
    match left {
        Left::Unannounced => "no server went away unannounced",
        Left::Drained => "no server was asked to go",
    }
}

/// Judges a condition on what became of the load when servers went away: the worst of all counts.
pub(crate) fn judge_failover(
    condition: &Threshold,
    left: Left,
    word: FailoverWord,
    record: &ScenarioRecord,
) -> Judged {
    let unjudged = |why: String| Judged {
        unjudged: Some(why),
        ..Judged::default()
    };
    let mut values = Vec::new();
    for (event, failover) in &left_by(record, left) {
        let said = &event.said;
        match figure(word, failover) {
            Figure::Is(value) => values.push(value),
            Figure::Never => return unjudged(format!("never after `{said}`")),
            Figure::Untold => {
                let why = why_untold(event, word, failover);
                return unjudged(format!("`{said}`: {why}"));
            }
        }
    }
    let values: Vec<f64> = values
        .into_iter()
        .map(|it| in_unit(it, condition.value_unit()))
        .collect();
    // Of what should equal something, or should not, neither end is the worst.
    let broken = values.iter().copied().find(|it| !condition.holds(*it));
    let end = match condition.bounds_from_above() {
        true => values.iter().copied().reduce(f64::max),
        false => values.iter().copied().reduce(f64::min),
    };
    let end_holds = end.is_some_and(|it| condition.holds(it));
    let Some(observed) = broken.filter(|_| end_holds).or(end) else {
        return unjudged(nobody_left(left).to_owned());
    };
    Judged {
        observed: Some(observed),
        holds: condition.holds(observed),
        ..Judged::default()
    }
}

/// A figure as people read it.
pub(super) fn said(word: FailoverWord, value: f64) -> String {
    let is_moment = matches!(
        word,
        FailoverWord::Detected
            | FailoverWord::Recovered
            | FailoverWord::Returned
            | FailoverWord::Rebalanced
    );
    match word.is_time() {
        // Less than is told apart.
        true if value < 5e6 && is_moment => "at once".to_owned(),
        true => human::micros(value / 1e3),
        false => human::count(value as u64),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::{BackendRecord, Sparse, Timeline, TimelineCell, new_coarse_histogram};

    /// Two servers that go away at 3 s and at 6 s, of which so many requests are lost each time.
    fn record(lost: [u64; 2], ok_within: Option<Duration>) -> ScenarioRecord {
        let windows = [(Duration::ZERO, Duration::from_secs(70))];
        let mut timeline = Timeline::new(windows).slow_after(ok_within);
        for bucket in 0..1_000 {
            for server in ["b1", "b2"] {
                let cell = TimelineCell {
                    due: 1,
                    ended_ok: 1,
                    ..TimelineCell::default()
                };
                timeline.add(Some(server), bucket, cell);
            }
        }
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        for (server, bucket, lost) in [("b1", 300, lost[0]), ("b2", 600, lost[1])] {
            let cell = TimelineCell {
                due: lost,
                due_failed: lost,
                ended_failed: lost,
                ..TimelineCell::default()
            };
            timeline.add(None, bucket, cell);
            let mut event = EventRecord::new(EventAction::Kill, format!("kill {server}"));
            event.backend = Some(server.to_owned());
            event.done = Some(Timeline::BUCKET * bucket as u32);
            event.ready = event.done.map(|it| it + Duration::from_secs(1));
            record.events.push(event);
        }
        record.timeline = timeline;
        record
    }

    fn divided(counts: &[(&str, u64)], nameless: u64, servers: &[&str]) -> ScenarioRecord {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        for (id, requests) in counts {
            record.backends.push(BackendRecord {
                requests: *requests,
                ..BackendRecord::empty(*id)
            });
        }
        record.unknown.requests = nameless;
        record.servers = servers.iter().map(|it| (*it).to_owned()).collect();
        record
    }

    const TWO: [(&str, u64); 2] = [("b1", 500), ("b2", 500)];
    const OTHERS: [(&str, u64); 2] = [("10.0.0.1", 500), ("10.0.0.2", 500)];

    #[test_case("balance.idle == 0", &TWO, 0, &["b1", "b2"] => (true, Some(0.0), None); "all of them")]
    #[test_case("balance.idle == 0", &TWO, 0, &["b1", "b2", "b3"] => (false, Some(1.0), None); "one that is idle")]
    #[test_case("balance.imbalance < 1.2", &TWO, 0, &["b1", "b2", "b3"] => (false, Some(1.5), None); "imbalance beside one that is idle")]
    #[test_case("balance.least > 0.9", &TWO, 0, &["b1", "b2", "b3"] => (false, Some(0.0), None); "least beside one that is idle")]
    #[test_case("balance.idle == 0", &OTHERS, 0, &["b1", "b2", "b3"] => (false, None, Some("only 2 of 3 servers named themselves".to_owned())); "other names")]
    #[test_case("balance.imbalance < 1.2", &OTHERS, 0, &["b1", "b2"] => (true, Some(1.0), None); "as many other names")]
    #[test_case("balance.idle == 0", &TWO, 0, &[] => (false, None, Some("nobody told which servers there are, and one that got nothing is not known".to_owned())); "nobody told")]
    #[test_case("balance.imbalance < 1.2", &TWO, 0, &[] => (true, Some(1.0), None); "imbalance of those that answered")]
    #[test_case("balance.imbalance < 1.2", &TWO, 100, &["b1", "b2"] => (true, Some(1.0), None); "nameless that change nothing")]
    #[test_case("balance.imbalance < 1.2", &TWO, 400, &["b1", "b2"] => (false, None, Some("400 answers without a name may be of anybody".to_owned())); "nameless that may be of one")]
    #[test_case("balance.idle == 0", &TWO, 9, &["b1", "b2", "b3"] => (false, None, Some("9 answers without a name may be of anybody".to_owned())); "nameless of one that is idle")]
    fn evens(
        condition: &str,
        counts: &[(&str, u64)],
        nameless: u64,
        servers: &[&str],
    ) -> (bool, Option<f64>, Option<String>) {
        let judged = judged(condition, &divided(counts, nameless, servers));
        (judged.holds, judged.observed, judged.unjudged)
    }

    fn judged(condition: &str, record: &ScenarioRecord) -> Judged {
        let condition: Threshold = condition.parse().unwrap();
        crate::judge::judge(&condition, record)
    }

    #[test_case("failover.lost == 0", [0, 500], 500.0, false; "the last is not equal")]
    #[test_case("failover.lost == 0", [500, 0], 500.0, false; "the first is not equal")]
    #[test_case("failover.lost == 500", [0, 500], 0.0, false; "the least is not equal")]
    #[test_case("failover.lost != 500", [0, 500], 500.0, false; "one is equal")]
    #[test_case("failover.lost == 0", [0, 0], 0.0, true; "all are equal")]
    #[test_case("failover.lost <= 400", [0, 500], 500.0, false; "at the most")]
    #[test_case("failover.lost >= 1", [0, 500], 0.0, false; "at the least")]
    fn each_event_must_do(condition: &str, lost: [u64; 2], observed: f64, holds: bool) {
        let judged = judged(condition, &record(lost, None));
        assert_eq!((judged.observed, judged.holds), (Some(observed), holds));
    }

    #[test]
    fn few_requests_have_no_tail() {
        let few = judged("failover.survivors_p99 < 9ms", &record([0, 0], None));
        let why = "`kill b1`: 0 answers of other servers while it was away, and a p99 takes 1,000";
        assert_eq!(few.unjudged.as_deref(), Some(why));
        assert!(!few.holds);
        let mut many = record([0, 0], None);
        let mut times = new_coarse_histogram();
        times.saturating_record_n(7_000_000, 20);
        for bucket in 0..1_000 {
            for server in ["b1", "b2"] {
                many.timeline.add_times(server, bucket, &Sparse::of(&times));
            }
        }
        let held = judged("failover.survivors_p99 < 9ms", &many);
        assert!(held.holds, "{held:?}");
        let observed = held.observed.expect("2,000 answers");
        assert!((observed - 7.0).abs() < 0.03, "{observed}");
    }

    #[test]
    fn nothing_is_slow_without_a_limit() {
        let slow = judged("failover.slow <= 9", &record([0, 0], None));
        let why = "`kill b1`: without `expect.failover.ok_within` nothing is slow";
        assert_eq!(slow.unjudged.as_deref(), Some(why));
        assert!(!slow.holds);
        let limit = Some(Duration::from_millis(250));
        let slow = judged("failover.slow <= 9", &record([0, 0], limit));
        assert_eq!((slow.observed, slow.holds), (Some(0.0), true));
    }
}
