use test_case::test_case;

use super::*;
use crate::record::{EventAction, EventEffect, EventRecord};

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
        nobodys: 0,
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
    // And so does that there was none.
    let why = "no server that named itself was given enough: under 12 requests in 500ms, a silence of that means \
               nothing";
    assert_eq!(healthy(&record), Err(why.to_owned()));
    record.timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
    let cell = TimelineCell::of_due(true, false);
    (0..1_000).for_each(|bucket| record.timeline.add(None, bucket, cell));
    assert_eq!(healthy(&record), Err(why.to_owned()));
}

fn healthy(record: &ScenarioRecord) -> Found {
    let limits = Ejected {
        healthy: Some(Limit::count("== 0").unwrap()),
        ..Ejected::default()
    };
    let found = judged(&limits, record);
    found.into_iter().next().expect("one is expected").1
}

/// What is true of some says nothing of the others, unless one of those is too many.
#[test]
fn healthy_is_of_all_that_there_are() {
    let servers = ["b1", "b2", "b3", "b4"].map(str::to_owned).to_vec();
    let mut well = record(0, 0);
    well.servers.clone_from(&servers);
    let observed =
        "0 ejections of healthy servers; only 3 of 4 servers had enough requests to tell";
    let undecided = Answer::Undecided { needed: None };
    assert_eq!(healthy(&well), Ok((observed.to_owned(), undecided)));
    let mut ejected = record(3_000, 0);
    ejected.servers = servers;
    assert_eq!(healthy(&ejected).unwrap().1, Answer::Fails);
}

/// 3 servers get 100 requests a second each, but for one or two at these times in seconds.
fn without(silences: &[(&str, Range<u64>)]) -> ScenarioRecord {
    let mut record = record(0, 0);
    let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(70))]);
    for name in ["b1", "b2", "b3"] {
        for (at, cell) in record.timeline.of(Some(name)) {
            let mut own = silences.iter().filter(|(of, _)| *of == name);
            if !own.any(|(_, it)| it.contains(&at.as_secs())) {
                // What is given is answered.
                let answered = TimelineCell {
                    ended_ok: 1,
                    ..cell
                };
                timeline.add(Some(name), buckets(at) as u64, answered);
            }
        }
    }
    record.timeline = timeline;
    record
}

fn kill(server: &str, done: u64, ready: u64) -> EventRecord {
    let mut event = EventRecord::new(EventAction::Kill, format!("kill {server}"));
    event.backend = Some(server.to_owned());
    event.done = Some(Duration::from_secs(done));
    event.ready = Some(Duration::from_secs(ready));
    event
}

/// The next event came before its share could be seen, and it answered: what comes later is none of its failover.
#[test]
fn a_server_that_answered_again_can_be_ejected() {
    let mut record = without(&[("b1", 2..4), ("b2", 4..7), ("b1", 14..17)]);
    record.events = vec![kill("b1", 2, 4), kill("b2", 4, 7)];
    // Within a second of the return.
    record.events[1].done = Some(ms(4_500));
    let found = ejections(&record).unwrap();
    let told: Vec<_> = found.iter().map(|it| (&*it.backend, it.from)).collect();
    assert!(told.contains(&("b1", Duration::from_secs(14))), "{told:?}");
    assert!(!told.contains(&("b1", Duration::from_secs(2))), "{told:?}");
}

/// Nobody knows whether it is still missed or was put out again.
#[test]
fn a_server_that_is_back_and_gets_nothing_leaves_it_open() {
    let mut record = without(&[("b2", 8..30)]);
    record.events = vec![kill("b2", 8, 10)];
    let observed =
        "0 ejections of healthy servers; b2 was back and was given nothing, which may be one";
    let undecided = Answer::Undecided { needed: None };
    assert_eq!(healthy(&record), Ok((observed.to_owned(), undecided)));
    // One that is not brought back is away.
    record.events[0].ready = None;
    assert_eq!(healthy(&record).unwrap().1, Answer::Holds);
    let mut back = without(&[("b2", 8..10)]);
    back.events = vec![kill("b2", 8, 10)];
    assert_eq!(healthy(&back).unwrap().1, Answer::Holds);
}

/// A server stays one that can be ejected where a fault was over at once.
#[test]
fn what_is_done_once_takes_nobody_away() {
    let mut record = record(3_000, 0);
    let mut event = kill("b2", 5, 5);
    event.action = EventAction::Fault;
    event.ready = None;
    record.events = vec![event];
    assert_eq!(ejections(&record).unwrap(), []);
    record.events[0].effect = EventEffect::Momentary;
    assert_eq!(ejections(&record).unwrap().len(), 1);
}

/// Bad answers that nobody named may have been the server's.
#[test_case(5, 10 => Answer::Holds; "few in all")]
#[test_case(5, 300 => Answer::Undecided { needed: None }; "many of nobody")]
#[test_case(0, 300 => Answer::Undecided { needed: None }; "all of nobody")]
#[test_case(30, 300 => Answer::Fails; "too many of its own")]
fn bad_of_nobody_may_be_its_own(own: u64, nobodys: u64) -> Answer {
    let mut record = record(3_000, own);
    let mut cell = TimelineCell::of_due(false, false);
    cell.due = nobodys;
    cell.due_failed = nobodys;
    record.timeline.add(None, 700, cell);
    let limits = limits("<= 20", "< 5s", "== 0");
    let (observed, answer) = judged(&limits, &record).remove(0).1.unwrap();
    if matches!(answer, Answer::Undecided { .. }) {
        let said = format!("{own} bad answers before b2 was out, and 300 that nobody named");
        assert_eq!(observed, said);
    }
    answer
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

/// A circuit of our own that opened is not what a balancer did.
#[test]
fn what_loadgen_chooses_itself_is_no_ejection() {
    let mut record = record(3_000, 0);
    for target in ["127.0.0.1:1", "127.0.0.1:2"] {
        record
            .targets
            .push(crate::record::TargetRecord::empty(target));
    }
    assert_eq!(ejections(&record), None);
    for (_, found) in judged(&limits("<= 5", "< 9s", "== 0"), &record) {
        let why = found.unwrap_err();
        assert!(
            why.starts_with("loadgen itself chooses among several"),
            "{why}"
        );
    }
}
