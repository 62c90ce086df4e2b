//! Whether what belongs together stayed with one server, and why it did not.
//!
//! Owns which moves count: those from a server that was there. Whoever was with a server that went away had to
//! move, and may move back when it is there again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::failover::departures;
use super::share::Answer;
use crate::expectation::Sticky;
use crate::record::{EventRecord, KeyRecord, Move, ScenarioRecord};
use crate::units::human::{self, counted};

/// Why a key moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cause<'a> {
    /// Nobody knows: the server that it was with was there.
    None,
    /// The server that it was with had gone away.
    Failover(&'a EventRecord),
    /// The server that it had to leave was there again.
    Return,
}

/// What became of keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held {
    /// Keys that were answered twice or more.
    pub(crate) judged: u64,
    /// Of all keys, those that were always with the same server.
    pub(crate) stayed: u64,
    /// Answers, or streams where these alone are looked at.
    pub(crate) answers: u64,
    /// Of these, those by the server that its key had most of.
    pub(crate) to_main: u64,
    /// Moves from a server that was there.
    pub(crate) breaks: u64,
    /// Moves from one that had gone away, and back.
    pub(crate) by_failover: u64,
    /// Moves of which it is not known.
    pub(crate) unknown: u64,
    /// What servers that went away moved.
    pub(crate) disruption: Option<Disruption>,
}

/// How much a change of servers moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Disruption {
    /// The part of all keys that moved since the first server went away, those that only moved back left out.
    pub(crate) moved: f64,
    /// The part of all servers that went away: what had to move where each had as many.
    pub(crate) optimum: f64,
}

/// The moves that are known one by one, each with its cause.
pub(crate) fn causes(record: &ScenarioRecord) -> Vec<(&Move, Cause<'_>)> {
    let departures = departures(record);
    let departed = departures.iter();
    let absences: Vec<Absence<'_>> = departed
        .map(|(event, backend, from)| Absence::of(record, backend, *from, event.ready))
        .collect();
    let may_have_left = |name: &str| {
        let key = record.stickiness.keys.get(name);
        let absences = absences.iter();
        let left = absences.filter(|it| key.is_some_and(|key| it.may_have_moved(name, key)));
        left.map(|it| it.backend).collect()
    };
    // Where keys were that had to move.
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let moves = record.stickiness.moves.iter().map(|it| {
        let last_ok = it.after.map_or(it.at, |after| it.at.saturating_sub(after));
        let had_gone = |(event, backend, done): &(&EventRecord, &str, Duration)| {
            *backend == it.from && *done <= it.at && event.ready.is_none_or(|back| last_ok <= back)
        };
        let is_back = |(event, backend, _): &(&EventRecord, &str, Duration)| {
            *backend == it.to && event.ready.is_some_and(|back| back <= it.at)
        };
        let left = left
            .entry(&it.key)
            .or_insert_with(|| may_have_left(&it.key));
        let had_left = left.remove(&*it.to);
        // The last of several is what it was.
        let cause = if let Some((event, ..)) = departures.iter().rfind(|it| had_gone(it)) {
            left.insert(&it.from);
            Cause::Failover(event)
        } else if had_left && departures.iter().any(is_back) {
            Cause::Return
        } else {
            Cause::None
        };
        (it, cause)
    });
    moves.collect()
}

/// So long after its return a server may be out of use without anything to show for it: nginx leaves one alone for
/// ten seconds, unless told otherwise.
const LONGEST_UNUSED: Duration = Duration::from_secs(10);

/// A time in which a server was away or not in use yet.
struct Absence<'a> {
    backend: &'a str,
    from: Duration,
    /// When it was in use at the latest; `None` where it never came back.
    until: Option<Duration>,
    /// Before that, the keys that it was given once it was back, old ones that moved to it and new ones, and when.
    given: Vec<(Duration, &'a str)>,
}

impl<'a> Absence<'a> {
    fn of(
        record: &'a ScenarioRecord,
        backend: &'a str,
        from: Duration,
        ready: Option<Duration>,
    ) -> Self {
        let until = ready.map(|it| it.saturating_add(LONGEST_UNUSED));
        let moved = record.stickiness.moves.iter().filter(|it| it.to == backend);
        let moved = moved.map(|it| (it.at, &*it.key));
        let new = record.stickiness.keys.iter();
        let new = new.filter(|(_, key)| is_first(backend, key));
        let new = new.map(|(name, key)| (key.since, &**name));
        let is_then = |at: &Duration| ready.is_some_and(|it| it <= *at) && Some(*at) <= until;
        let mut given: Vec<_> = moved.chain(new).filter(|(at, _)| is_then(at)).collect();
        given.sort_unstable();
        Self {
            backend,
            from,
            until,
            given,
        }
    }

    /// Whether a key may belong to the server although it was first seen with another: in this time, of which what
    /// became of the key itself is no sign.
    fn may_have_moved(&self, name: &str, key: &KeyRecord) -> bool {
        let others = self.given.iter().find(|(_, given)| *given != name);
        let until = others.map(|(at, _)| *at).or(self.until);
        let is_then = self.from <= key.since && until.is_none_or(|it| key.since <= it);
        is_then && !is_first(self.backend, key)
    }
}

/// Whether a key was with this server when it was first seen.
fn is_first(backend: &str, key: &KeyRecord) -> bool {
    let first = key.answers.first();
    first.is_some_and(|(name, _)| name == backend)
}

/// How long those took to be with another server whose own had gone away, by event.
pub(super) fn switches(record: &ScenarioRecord) -> Vec<(&EventRecord, Vec<Duration>)> {
    let mut switches: Vec<(&EventRecord, Vec<Duration>)> = Vec::new();
    for (it, cause) in causes(record) {
        if let (Cause::Failover(event), Some(after)) = (cause, it.after) {
            match switches
                .iter_mut()
                .find(|(known, _)| std::ptr::eq(*known, event))
            {
                Some((_, times)) => times.push(after),
                None => switches.push((event, vec![after])),
            }
        }
    }
    switches
}

/// What became of keys.
pub(crate) fn held(record: &ScenarioRecord) -> Held {
    let stickiness = &record.stickiness;
    let mut held = Held::default();
    for key in stickiness.keys.values() {
        let (all, main) = key.all_and_main();
        held.judged += u64::from(all > 1);
        held.stayed += u64::from(key.moves == 0);
        held.answers += all;
        held.to_main += main;
    }
    let causes = causes(record);
    for (_, cause) in &causes {
        match cause {
            Cause::None => held.breaks += 1,
            Cause::Failover(_) | Cause::Return => held.by_failover += 1,
        }
    }
    held.unknown = stickiness.move_count.saturating_sub(causes.len() as u64);
    held.disruption = disruption(record, &causes).filter(|_| held.unknown == 0);
    held
}

fn disruption(record: &ScenarioRecord, causes: &[(&Move, Cause<'_>)]) -> Option<Disruption> {
    let servers = record.servers.len().max(record.backends.len());
    let mut departures = departures(record);
    // What one of before moved was not seen, and of one that took all, nobody had anywhere to move to.
    departures.retain(|(event, ..)| event.before.is_none() && event.taken_away().len() < servers);
    let first = departures.iter().map(|(.., done)| *done).min()?;
    let gone: BTreeSet<&str> = departures.iter().map(|(_, backend, _)| *backend).collect();
    let keys = record.stickiness.keys.len();
    let moved = causes
        .iter()
        .filter(|(it, cause)| it.at >= first && *cause != Cause::Return);
    let moved: BTreeSet<&str> = moved.map(|(it, _)| &*it.key).collect();
    (keys > 0).then(|| Disruption {
        moved: moved.len() as f64 / keys as f64,
        optimum: gone.len() as f64 / servers as f64,
    })
}

/// Whether all keys stayed, in words too.
///
/// # Errors
/// Why nothing can be said.
pub(super) fn stayed(sticky: &Sticky, record: &ScenarioRecord) -> Result<(String, Answer), String> {
    let (one, several) = match sticky {
        Sticky::Connection => ("connection", "connections"),
        Sticky::User => ("user", "users"),
        Sticky::Source => ("address", "addresses"),
        Sticky::Key(_) => ("key", "keys"),
    };
    let held = held(record);
    let keys = record.stickiness.keys.len() as u64;
    let opened: u64 = record.backends.iter().map(|it| it.streams.opened).sum();
    let broke = record.all_backends().any(|it| it.streams.broken > 0);
    // One stream that lasts is with its server all the time.
    let is_one_stream = record.lasting && held.judged == 0 && keys > 0 && opened >= keys && !broke;
    if held.judged == 0 && !is_one_stream {
        return Err(format!(
            "no {one} had two answers of servers that named themselves"
        ));
    }
    let all = match keys {
        1 => format!("1 {one}"),
        keys => format!("{} {several}", human::count(keys)),
    };
    let part = held.to_main as f64 / held.answers.max(1) as f64;
    let mut observed = format!(
        "{} of {all} had one server, {} of {} came from their main one",
        human::count(held.stayed),
        human::percent(part),
        counted(
            held.answers,
            if is_one_stream { "stream" } else { "answer" }
        )
    );
    let causes = causes(record);
    if let Some((first, _)) = causes.iter().find(|(_, cause)| *cause == Cause::None) {
        observed.push_str(&format!(
            "; {} from one that was there, the first at {:.1} s: {one} {} from {} to {}",
            counted(held.breaks, "move"),
            first.at.as_secs_f64(),
            first.key,
            first.from,
            first.to
        ));
    }
    if held.by_failover > 0 {
        let moves = counted(held.by_failover, "move");
        observed.push_str(&format!("; {moves} because one had gone away or was back"));
    }
    if let Some(disruption) = held.disruption {
        let [moved, optimum] = [disruption.moved, disruption.optimum].map(human::percent);
        observed.push_str(&format!("; {moved} of all moved, {optimum} had to"));
    }
    let nameless = record.unknown.completed();
    for (count, what) in [
        (nameless, "answers without a name"),
        (
            record.stickiness.unfollowed,
            "answers of more keys than are followed",
        ),
        (held.unknown, "moves of which the cause is not known"),
    ] {
        if count > 0 {
            observed.push_str(&format!(", and {} {what}", human::count(count)));
        }
    }
    let is_unsure = nameless > 0 || record.stickiness.unfollowed > 0 || held.unknown > 0;
    let answer = match (held.breaks, is_unsure) {
        (0, false) => Answer::Holds,
        (0, true) => Answer::Undecided { needed: None },
        _ => Answer::Fails,
    };
    Ok((observed, answer))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::{BackendRecord, EventAction, Stickiness, StickyBy};

    /// When, who, from where, to where, and how long since the last that was ok there, in ms.
    type Moved = (u64, &'static str, &'static str, &'static str, u64);

    fn moved(at: u64, key: &str, from: &str, to: &str, after: u64) -> Move {
        Move {
            at: Duration::from_millis(at),
            key: key.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            after: Some(Duration::from_millis(after)),
        }
    }

    /// Ten users with ten answers each, of three servers, of which b1 is away from 3 s to 6 s.
    fn record(moves: &[Moved]) -> ScenarioRecord {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        for id in ["b1", "b2", "b3"] {
            record.backends.push(BackendRecord::empty(id));
        }
        let mut stickiness = Stickiness::of(StickyBy::User);
        for user in 0..10 {
            let user = user.to_string();
            let key = stickiness.key(&user, Duration::ZERO);
            let first = moves.iter().find(|(_, key, ..)| *key == user);
            let first = first.map_or("b1", |(_, _, from, ..)| from);
            key.expect("few").answered(first, 9);
        }
        for (at, key, from, to, after) in moves {
            let known = stickiness.key(key, Duration::ZERO).expect("known");
            known.answered(to, 1);
            stickiness.moved_on(moved(*at, key, from, to, *after));
        }
        record.stickiness = stickiness;
        let mut event = EventRecord::new(EventAction::Kill, "kill b1".to_owned());
        event.backend = Some("b1".to_owned());
        (event.done, event.ready) = (Some(Duration::from_secs(3)), Some(Duration::from_secs(6)));
        record.events.push(event);
        record
    }

    #[test_case(&[(1_000, "1", "b1", "b2", 10)] => vec!["none"]; "from one that is there")]
    #[test_case(&[(3_100, "1", "b1", "b2", 200)] => vec!["failover"]; "from one that went away")]
    #[test_case(&[(3_100, "1", "b1", "b2", 200), (6_500, "1", "b2", "b1", 10)] => vec!["failover", "return"]; "and back")]
    #[test_case(&[(3_100, "1", "b1", "b2", 200), (5_000, "1", "b2", "b1", 10)] => vec!["failover", "none"]; "back before it is there")]
    #[test_case(&[(3_100, "1", "b2", "b3", 200)] => vec!["none"]; "from another one than went away")]
    #[test_case(&[(7_000, "1", "b1", "b2", 4_500)] => vec!["failover"]; "late from one that went away")]
    #[test_case(&[(7_000, "1", "b1", "b2", 500)] => vec!["none"]; "from one that was back")]
    #[test_case(&[(6_500, "1", "b2", "b1", 10)] => vec!["none"]; "to one that is back and was not left")]
    fn told(moves: &[Moved]) -> Vec<&'static str> {
        told_of(&record(moves))
    }

    /// The proxy before b1 was cut off, and b1 with it.
    #[test]
    fn who_is_behind_what_went_has_gone() {
        let mut record = record(&[
            (3_100, "1", "b1", "b2", 200),
            (3_100, "2", "b2", "b3", 200),
            (6_500, "1", "b2", "b1", 10),
        ]);
        let event = &mut record.events[0];
        event.action = EventAction::Fault;
        event.backend = Some("p".to_owned());
        event.behind = vec!["b1".to_owned()];
        assert_eq!(told_of(&record), ["failover", "none", "return"]);
        assert_eq!(switches(&record)[0].1, [Duration::from_millis(200)]);
        let disruption = held(&record).disruption.expect("one went");
        assert_eq!((disruption.moved, disruption.optimum), (0.2, 1.0 / 3.0));
        // Whoever stands before all.
        record.events[0].behind = ["b1", "b2", "b3"].map(str::to_owned).to_vec();
        assert_eq!(held(&record).disruption, None);
    }

    /// What left before measuring began may go back, once.
    #[test]
    fn who_had_gone_before_may_be_gone_back_to() {
        let mut record = record(&[
            (1_000, "1", "b2", "b1", 10),
            (6_500, "2", "b2", "b1", 10),
            (6_600, "3", "b2", "b3", 10),
            (6_700, "2", "b1", "b2", 10),
            (6_800, "2", "b2", "b1", 10),
        ]);
        let event = &mut record.events[0];
        (event.done, event.before) = (None, Some(Duration::from_secs(1)));
        assert_eq!(told_of(&record), ["none", "return", "none", "none", "none"]);
        assert_eq!(held(&record).disruption, None);
    }

    /// A key that is first seen while b1 is away may have belonged there; one that is first seen when b1 is in use
    /// again, or was there, has not.
    #[test_case(4_000, &[(6_500, "k", "b2", "b1", 10)] => vec!["return"]; "seen while it was away")]
    #[test_case(6_200, &[(6_500, "k", "b2", "b1", 10)] => vec!["return"]; "seen before anything went back")]
    #[test_case(6_200, &[(6_100, "1", "b2", "b1", 10), (6_500, "k", "b2", "b1", 10)] => vec!["none", "none"]; "seen after something went back")]
    #[test_case(12_000, &[(40_000, "k", "b2", "b1", 10)] => vec!["return"]; "seen when it may have been out of use")]
    #[test_case(35_000, &[(40_000, "k", "b2", "b1", 10)] => vec!["none"]; "seen long after it was back")]
    #[test_case(21_000, &[(24_000, "k", "b2", "b1", 10)] => vec!["return"]; "seen when it was away again")]
    #[test_case(2_000, &[(6_500, "k", "b2", "b1", 10)] => vec!["none"]; "seen before it went")]
    #[test_case(4_000, &[(4_500, "k", "b2", "b1", 10)] => vec!["none"]; "moved while it was away")]
    #[test_case(4_000, &[(6_500, "k", "b2", "b3", 10)] => vec!["none"]; "moved to another")]
    fn who_was_first_seen(since: u64, moves: &[Moved]) -> Vec<&'static str> {
        let mut record = record(&[]);
        let mut again = record.events[0].clone();
        (again.done, again.ready) = (Some(Duration::from_secs(20)), Some(Duration::from_secs(23)));
        record.events.push(again);
        let since = Duration::from_millis(since);
        let known = record.stickiness.key("k", since).expect("few");
        known.answered("b2", 5);
        for (at, key, from, to, after) in moves {
            record
                .stickiness
                .moved_on(moved(*at, key, from, to, *after));
        }
        told_of(&record)
    }

    /// One that is new with it is as good a sign as one that moved to it; where it never came back there is none.
    #[test_case(Some(6_100), true => vec!["none"]; "seen after it was given another")]
    #[test_case(Some(6_300), true => vec!["return"]; "seen before it was given another")]
    #[test_case(None, false => vec!["none"]; "it never came back")]
    fn who_was_first_seen_beside_a_new_one(new: Option<u64>, is_back: bool) -> Vec<&'static str> {
        let mut record = record(&[]);
        record.events[0].ready = record.events[0].ready.filter(|_| is_back);
        for (name, server, since) in [("new", "b1", new), ("k", "b2", Some(6_200))] {
            let since = since.map(Duration::from_millis);
            let key = since.and_then(|it| record.stickiness.key(name, it));
            if let Some(key) = key {
                key.answered(server, 5);
            }
        }
        let back = moved(6_500, "k", "b2", "b1", 10);
        record.stickiness.moved_on(back);
        told_of(&record)
    }

    /// It was seen with the server before it was with any other.
    #[test]
    fn who_was_with_it_first_has_not_had_to_leave_it() {
        let mut record = record(&[]);
        let since = Duration::from_millis(6_100);
        let key = record.stickiness.key("k", since).expect("few");
        key.answered("b1", 5);
        for (at, from, to) in [(7_000, "b1", "b2"), (8_000, "b2", "b1")] {
            record.stickiness.moved_on(moved(at, "k", from, to, 10));
        }
        assert_eq!(told_of(&record), ["none", "none"]);
    }

    /// A rolling restart: b1, then b2, which is back first.
    #[test]
    fn who_had_to_leave_two_may_go_back_to_either() {
        let mut record = record(&[
            (3_100, "1", "b1", "b2", 200),
            (4_100, "1", "b2", "b3", 200),
            (5_500, "1", "b3", "b2", 10),
            (6_500, "1", "b2", "b1", 10),
            (6_600, "1", "b1", "b2", 10),
        ]);
        let mut second = record.events[0].clone();
        second.backend = Some("b2".to_owned());
        (second.done, second.ready) = (Some(Duration::from_secs(4)), Some(Duration::from_secs(5)));
        record.events.push(second);
        assert_eq!(
            told_of(&record),
            ["failover", "failover", "return", "return", "none"]
        );
    }

    fn told_of(record: &ScenarioRecord) -> Vec<&'static str> {
        let causes = causes(record).into_iter();
        let word = |cause| match cause {
            Cause::None => "none",
            Cause::Failover(_) => "failover",
            Cause::Return => "return",
        };
        causes.map(|(_, cause)| word(cause)).collect()
    }

    /// Of those that had to leave a server, from the last that was ok there; what is moved by nobody is none.
    #[test]
    fn switches_are_those_of_a_failover() {
        let mut moves = vec![(1_000, "0", "b1", "b2", 10), (3_500, "0", "b2", "b3", 10)];
        moves.extend((1..9).map(|nth| {
            let users = ["1", "2", "3", "4", "5", "6", "7", "8"];
            (
                3_000 + nth * 100,
                users[nth as usize - 1],
                "b1",
                "b2",
                nth * 100,
            )
        }));
        let record = record(&moves);
        let failovers = crate::judge::balance::failovers(&record);
        let [(_, failover)] = failovers.as_slice() else {
            panic!("one event");
        };
        let ms = Duration::from_millis;
        let switched = failover.switched.expect("eight did");
        assert_eq!((switched.count, switched.longest), (8, ms(800)));
        assert_eq!(
            (switched.p50, switched.p90, switched.p99),
            (ms(400), ms(800), ms(800))
        );
    }

    #[test_case(&[], 0 => "Holds: 10 of 10 users had one server, 100% of 90 answers came from their main one; 0% of all moved, 33.33% had to")]
    #[test_case(&[], 2 => "Undecided { needed: None }: 10 of 10 users had one server, 100% of 90 answers came from their main one; 0% of all moved, 33.33% had to, and 2 answers without a name")]
    #[test_case(&[(3_100, "1", "b1", "b2", 200)], 0 => "Holds: 9 of 10 users had one server, 98.9% of 91 answers came from their main one; 1 move because one had gone away or was back; 10% of all moved, 33.33% had to")]
    #[test_case(&[(1_000, "1", "b1", "b2", 10)], 0 => "Fails: 9 of 10 users had one server, 98.9% of 91 answers came from their main one; 1 move from one that was there, the first at 1.0 s: user 1 from b1 to b2; 0% of all moved, 33.33% had to")]
    fn said(moves: &[Moved], nameless: u64) -> String {
        let mut record = record(moves);
        record.unknown.requests = nameless;
        let (observed, answer) = stayed(&Sticky::User, &record).expect("something was measured");
        format!("{answer:?}: {observed}")
    }

    #[test]
    fn one_answer_each_says_nothing() {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        let why = "no address had two answers of servers that named themselves";
        assert_eq!(stayed(&Sticky::Source, &record), Err(why.to_owned()));
        let key = record.stickiness.key("127.0.0.1", Duration::ZERO);
        key.expect("few").answered("b1", 1);
        assert_eq!(stayed(&Sticky::Source, &record), Err(why.to_owned()));
    }

    /// One that broke and was not opened again may have been given another, had it been.
    #[test]
    fn a_stream_that_broke_has_not_stayed() {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        record.lasting = true;
        let key = record.stickiness.key("0", Duration::ZERO);
        key.expect("few").answered("b1", 1);
        let mut backend = BackendRecord::empty("b1");
        backend.streams.opened = 1;
        record.backends.push(backend);
        assert!(stayed(&Sticky::User, &record).is_ok());
        let broke = |record: &mut ScenarioRecord, named: u64, nameless: u64| {
            record.backends[0].streams.broken = named;
            record.unknown.streams.broken = nameless;
            stayed(&Sticky::User, record).is_err()
        };
        assert!(broke(&mut record, 1, 0) && broke(&mut record, 0, 1));
    }

    /// It was there all the time, and nothing had to be opened again.
    #[test_case(0 => Answer::Holds)]
    #[test_case(1 => Answer::Undecided { needed: None }; "beside one without a name")]
    fn one_stream_each_that_lasts_has_stayed(nameless: u64) -> Answer {
        let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
        record.lasting = true;
        let why = "no user had two answers of servers that named themselves";
        assert_eq!(stayed(&Sticky::User, &record), Err(why.to_owned()));
        for user in ["0", "1"] {
            let key = record.stickiness.key(user, Duration::ZERO);
            key.expect("few").answered("b1", 1);
        }
        assert_eq!(
            stayed(&Sticky::User, &record),
            Err(why.to_owned()),
            "no stream"
        );
        let mut backend = BackendRecord::empty("b1");
        backend.streams.opened = 2;
        record.backends.push(backend);
        record.unknown.requests = nameless;
        let (observed, answer) = stayed(&Sticky::User, &record).expect("they were there");
        let begins = "2 of 2 users had one server, 100% of 2 streams came from their main one";
        assert!(observed.starts_with(begins), "{observed}");
        answer
    }

    /// More moves than are kept: those may have been breaks.
    #[test]
    fn what_is_not_kept_is_not_known() {
        let mut record = record(&[]);
        record.stickiness.moved_more("1", 3);
        let (observed, answer) = stayed(&Sticky::User, &record).expect("measured");
        assert_eq!(answer, Answer::Undecided { needed: None });
        assert!(
            observed.ends_with("and 3 moves of which the cause is not known"),
            "{observed}"
        );
    }
}
