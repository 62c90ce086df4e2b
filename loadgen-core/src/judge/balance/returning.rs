//! How the load of a server that came back grew: at once, or over a time.
//!
//! Read from the timeline, in whole seconds from its return.

use std::time::Duration;

use super::failover::is_one;
use super::share::Answer;
use crate::record::{EventEffect, EventRecord, ScenarioRecord, Timeline};
use crate::units::human;

const SECOND: Duration = Duration::from_secs(1);
/// What was usual is what was in so long before.
const USUAL: Duration = Duration::from_secs(5);
/// Seconds after a return that are looked at.
const MOST: u32 = 60;
/// So far off what it should be a server's part of an established one's may be.
const OFF: f64 = 0.2;
/// Fewer requests than so many in a second to an established server tell nothing.
const LEAST: f64 = 24.0;
/// What chance may do, in deviations.
const DEVIATIONS: f64 = 3.0;

/// A second after a server's return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grown {
    /// When it begins, from when the server was ready again.
    pub(crate) at: Duration,
    /// Requests given to the server over those given to an established one, as a part of what that was before it
    /// went away.
    pub(crate) part: f64,
    /// Requests that an established one was given.
    established: f64,
}

impl Grown {
    /// What chance may add to this part, or take off it.
    fn chance(&self, part: f64) -> f64 {
        DEVIATIONS * (part.max(0.0) / self.established).sqrt()
    }
}

/// The events whose servers came back, each with the seconds after that, or why nothing can be told of them.
pub(crate) fn returns(record: &ScenarioRecord) -> Vec<(&EventRecord, Result<Vec<Grown>, String>)> {
    let events = record.events.iter().filter(|it| is_one(it));
    let mut events: Vec<&EventRecord> = events.collect();
    events.sort_by_key(|it| it.holds_from());
    let next = |index: usize| events.get(index + 1).and_then(|it| it.holds_from());
    let all = events.iter().enumerate();
    let back = all.filter_map(|(index, event)| {
        let ready = event.ready.filter(|_| event.effect == EventEffect::Lasts)?;
        let seconds = match record.lasting {
            true => Err("iterations are streams that last as long as the load".to_owned()),
            false => of(&record.timeline, event, ready, next(index)),
        };
        Some((*event, seconds))
    });
    back.collect()
}

fn of(
    timeline: &Timeline,
    event: &EventRecord,
    ready: Duration,
    next: Option<Duration>,
) -> Result<Vec<Grown>, String> {
    let away = event.taken_away();
    let Some(done) = event.done else {
        return Err("it was done before measuring began".to_owned());
    };
    if timeline.is_cut() {
        return Err("more happened around it than is kept".to_owned());
    }
    let windows = timeline.windows().iter();
    let Some((from, to)) = windows.copied().find(|it| (it.0..it.1).contains(&ready)) else {
        return Err("the time around it was not recorded".to_owned());
    };
    let before = done.saturating_sub(USUAL).max(from);
    let before = before..had_until(timeline, &away, before, done);
    let given = |name: &str, range: &std::ops::Range<Duration>| -> u64 {
        let cells = timeline.of(Some(name)).filter(|(at, _)| range.contains(at));
        cells.map(|(_, it)| it.due + it.interrupted).sum()
    };
    let had = |names: &[&str], range: &std::ops::Range<Duration>| -> f64 {
        let sum: u64 = names.iter().map(|it| given(it, range)).sum();
        sum as f64 / names.len().max(1) as f64
    };
    let others = timeline.backends().filter(|it| !away.contains(it));
    let others: Vec<&str> = others.filter(|it| given(it, &before) > 0).collect();
    let (own, established) = (had(&away, &before), had(&others, &before));
    if others.is_empty() {
        return Err("no other server answered before it, to compare with".to_owned());
    }
    if own == 0.0 {
        return Err("it answered nothing in the time before it".to_owned());
    }
    let usual = own / established;
    let last = timeline.backends().map(Some).chain([None]);
    let last = last.filter_map(|it| timeline.of(it).filter(|(_, cell)| cell.due > 0).last());
    let last = last
        .map(|(at, _)| at + Timeline::BUCKET)
        .max()
        .unwrap_or_default();
    let end = [Some(to), next, Some(last)]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or_default();
    let seconds = (0..MOST).map(|nth| ready + SECOND * nth);
    let seconds = seconds.take_while(|at| *at + SECOND <= end).map(|at| {
        let range = at..at + SECOND;
        let established = had(&others, &range);
        let part = match established > 0.0 {
            true => had(&away, &range) / established / usual,
            false => 0.0,
        };
        Grown {
            at: at - ready,
            part,
            established,
        }
    });
    Ok(seconds.collect())
}

/// Until when servers had what is usual before they went away: requests that were due before and sent so late that
/// the server was gone had no choice, and say nothing of it.
fn had_until(timeline: &Timeline, away: &[&str], from: Duration, done: Duration) -> Duration {
    let own = away.iter().flat_map(|it| timeline.of(Some(it)));
    let own = own.filter(|(at, cell)| (from..done).contains(at) && cell.due > 0);
    let (mut given, mut until) = (0_u64, from);
    for (at, cell) in own {
        given += cell.due;
        until = until.max((at + Timeline::BUCKET).min(done));
    }
    let apart = (until - from).as_secs_f64() / given.max(1) as f64;
    match (done - until).as_secs_f64() > DEVIATIONS * apart {
        true if given > 0 => until,
        // It may as well have been about to get the next one.
        _ => done,
    }
}

/// Whether the load of a server that came back grew over so long: in no second more than it should be by the end of
/// that second, and as an established one's once the time was over. `Err` says why that cannot be told.
pub(super) fn grew(over: Duration, seconds: &[Grown]) -> Result<(String, Answer), String> {
    let end = over.as_secs_f64().ceil();
    let Some(last) = seconds.iter().find(|it| it.at.as_secs_f64() >= end) else {
        let known = human::duration(SECOND * u32::try_from(seconds.len()).unwrap_or(u32::MAX));
        return Err(match seconds {
            [] => "less than a second of load after its return is known".to_owned(),
            _ => format!("only {known} after its return are known"),
        });
    };
    let looked_at = || seconds.iter().take_while(|it| it.at <= last.at);
    if let Some(few) = looked_at().find(|it| it.established < LEAST) {
        let rate = human::significant(few.established);
        return Err(format!(
            "an established server got {rate} requests in a second, too few to compare with"
        ));
    }
    let should = |it: &Grown| ((it.at + SECOND).as_secs_f64() / over.as_secs_f64()).min(1.0);
    let mut answer = Answer::Holds;
    let mut worst = seconds.first().unwrap_or(last);
    for second in looked_at().filter(|it| it.at < last.at) {
        let above = |it: &Grown| it.part - should(it);
        // The first says most of one that is as it should be.
        if above(second) > above(worst).max(OFF) {
            worst = second;
        }
        answer = worse(answer, above(second) - OFF, second.chance(second.part));
    }
    answer = worse(answer, 1.0 - OFF - last.part, last.chance(1.0));
    let said = |it: &Grown, limit: String| {
        let (part, nth) = (human::percent(it.part), it.at.as_secs() + 1);
        format!("{part} in second {nth} ({limit})")
    };
    let mut told = Vec::new();
    if worst.at != last.at {
        let most = human::percent(should(worst) + OFF);
        told.push(said(worst, format!("at most {most}")));
    }
    let least = human::percent(1.0 - OFF);
    told.push(said(last, format!("at least {least}")));
    Ok((told.join(", "), answer))
}

/// The worse of an answer and of what a figure is beyond its limit, of which chance may have made so much.
fn worse(answer: Answer, beyond: f64, chance: f64) -> Answer {
    match answer {
        Answer::Fails => Answer::Fails,
        _ if beyond > chance => Answer::Fails,
        _ if beyond > 0.0 => Answer::Undecided { needed: None },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::{EventAction, TimelineCell};

    const READY: Duration = Duration::from_secs(10);

    /// Two established servers with 100 requests a second, and one that was killed at 8 s, back at 10 s with such
    /// parts of that in each second.
    fn record(parts: impl Fn(u64) -> f64, until_s: u64) -> ScenarioRecord {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
        for bucket in 0..until_s * 100 {
            let second = bucket / 100;
            let mut give = |name: &str, due: u64| {
                let cell = TimelineCell {
                    due,
                    ended_ok: due,
                    ..TimelineCell::default()
                };
                timeline.add(Some(name), bucket, cell);
            };
            give("b1", 1);
            give("b3", 1);
            let own = match second {
                0..8 => 1.0,
                8..10 => 0.0,
                _ => parts(second - 10),
            };
            // Evenly over the second, as far as that goes.
            let nth = |it: u64| (it as f64 * own).floor() as u64;
            give("b2", nth(bucket % 100 + 1) - nth(bucket % 100));
        }
        let mut event = EventRecord::new(EventAction::Kill, "kill b2");
        event.backend = Some("b2".to_owned());
        event.done = Some(Duration::from_secs(8));
        event.ready = Some(READY);
        record.events.push(event);
        record.timeline = timeline;
        record
    }

    fn judged(over_s: u64, record: &ScenarioRecord) -> Result<(String, Answer), String> {
        let [(_, seconds)] = returns(record).try_into().expect("one came back");
        grew(Duration::from_secs(over_s), &seconds?)
    }

    fn linear(second: u64) -> f64 {
        ((second as f64 + 0.5) / 10.0).min(1.0)
    }

    /// A second's requests were late, and went to the others when it was gone.
    #[test]
    fn what_was_late_takes_nothing_off_what_was_usual() {
        let mut late = record(|_| 1.0, 30);
        late.events[0].done = Some(Duration::from_secs(9));
        let [(_, seconds)] = returns(&late).try_into().expect("one came back");
        let parts: Vec<f64> = seconds.unwrap().iter().map(|it| it.part).collect();
        assert!(parts.iter().all(|it| (it - 1.0).abs() < 0.02), "{parts:?}");
    }

    /// What stood in front of it was, and others lead to it.
    #[test]
    fn who_was_there_all_the_time_has_not_come_back() {
        let mut record = record(linear, 30);
        record.events[0].effect = EventEffect::Momentary;
        assert_eq!(returns(&record), []);
    }

    #[test]
    fn the_seconds_after_a_return() {
        let record = record(linear, 30);
        let [(event, seconds)] = returns(&record).try_into().expect("one came back");
        assert_eq!(event.said, "kill b2");
        let seconds = seconds.unwrap();
        assert_eq!(seconds.len(), 20);
        let parts: Vec<f64> = seconds.iter().take(11).map(|it| it.part).collect();
        for (part, expected) in parts.iter().zip((0..).map(linear)) {
            assert!((part - expected).abs() < 0.02, "{parts:?}");
        }
    }

    #[test_case(&linear, 10 => ("5% in second 1 (at most 30%), 100% in second 11 (at least 80%)".to_owned(), Answer::Holds); "as fast as it should")]
    #[test_case(&|_| 1.0, 10 => ("100% in second 1 (at most 30%), 100% in second 11 (at least 80%)".to_owned(), Answer::Fails); "at once")]
    #[test_case(&linear, 3 => ("5% in second 1 (at most 53.33%), 35% in second 4 (at least 80%)".to_owned(), Answer::Fails); "too slow")]
    #[test_case(&linear, 5 => ("5% in second 1 (at most 40%), 55% in second 6 (at least 80%)".to_owned(), Answer::Undecided { needed: None }); "too slow, or by chance")]
    #[test_case(&|it| if it < 10 { 0.4 } else { 1.0 }, 10 => ("40% in second 1 (at most 30%), 100% in second 11 (at least 80%)".to_owned(), Answer::Undecided { needed: None }); "what chance may do")]
    #[test_case(&|it| if it < 10 { 0.0 } else { 1.0 }, 10 => ("0% in second 1 (at most 30%), 100% in second 11 (at least 80%)".to_owned(), Answer::Holds); "nothing until the end")]
    fn grows(parts: &dyn Fn(u64) -> f64, over_s: u64) -> (String, Answer) {
        judged(over_s, &record(parts, 30)).unwrap()
    }

    #[test_case(15, 10 => "only 5 s after its return are known"; "a short load")]
    #[test_case(10, 10 => "less than a second of load after its return is known"; "none at all")]
    #[test_case(30, 25 => "only 20 s after its return are known"; "a long time")]
    fn nothing_is_told_of_what_is_not_known(until_s: u64, over_s: u64) -> String {
        judged(over_s, &record(linear, until_s)).unwrap_err()
    }

    #[test]
    fn without_others_nothing_can_be_compared() {
        let mut record = record(linear, 30);
        record.events[0].behind = ["b1", "b2", "b3"].map(str::to_owned).to_vec();
        let why = judged(10, &record).unwrap_err();
        assert_eq!(why, "no other server answered before it, to compare with");
        record.events[0].behind = vec!["b9".to_owned()];
        let why = judged(10, &record).unwrap_err();
        assert_eq!(why, "it answered nothing in the time before it");
        record.events[0].ready = None;
        assert!(returns(&record).is_empty());
    }

    #[test]
    fn few_requests_tell_nothing() {
        let mut few = ScenarioRecord::empty("lb", "grpc", true, &[]);
        let whole = record(linear, 30);
        few.events.clone_from(&whole.events);
        let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
        for name in ["b1", "b2"] {
            for bucket in (0..3_000).step_by(10) {
                let cell = TimelineCell {
                    due: 1,
                    ..TimelineCell::default()
                };
                timeline.add(Some(name), bucket, cell);
            }
        }
        few.timeline = timeline;
        let why = judged(10, &few).unwrap_err();
        let expected = "an established server got 10 requests in a second, too few to compare with";
        assert_eq!(why, expected);
    }
}
