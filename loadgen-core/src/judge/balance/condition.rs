//! Figures of a balancer as conditions compare them.

use std::time::Duration;

use super::divided::counts;
use super::failover::{Failover, Moment, failovers};
use crate::condition::{BalanceWord, FailoverWord, Left, Threshold};
use crate::judge::Judged;
use crate::judge::observe::in_unit;
use crate::record::{EventAction, EventRecord, ScenarioRecord, Unit};
use crate::units::human;

/// How evenly requests went to the servers that answered; `None` where fewer than two did.
pub(crate) fn evenness(word: BalanceWord, record: &ScenarioRecord) -> Option<f64> {
    let counts = counts(record, Unit::Request).ok()?;
    let servers = counts.named.len().max(1) as f64;
    let wished = counts.named.iter();
    let wished = wished.map(|(name, _)| (name.clone(), 1.0 / servers));
    let evenness = counts.as_wished(wished.collect()).evenness()?;
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
        _ if is_of_return && event.done.is_some() && event.ready.is_none() => {
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
    match word.is_time() {
        true => human::micros(value / 1e3),
        false => human::count(value as u64),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::{Timeline, TimelineCell};

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
