use test_case::test_case;

use super::*;
use crate::record::{
    BackendRecord, Decisions, EventAction, EventRecord, Sparse, Timeline, TimelineCell,
    new_coarse_histogram,
};

/// A run that these servers answered so many requests of.
fn record(requests: &[(&str, u64)]) -> ScenarioRecord {
    let mut record = ScenarioRecord::empty("lb", "grpc", true, &[]);
    for (id, requests) in requests {
        record.backends.push(BackendRecord {
            requests: *requests,
            ..BackendRecord::empty(*id)
        });
    }
    record
}

fn found(expectations: &Expectations, record: &ScenarioRecord, servers: &[&str]) -> String {
    let tags = BTreeMap::from([("version".to_owned(), "v2.2".to_owned())]);
    let servers: Vec<String> = servers.iter().map(|it| (*it).to_owned()).collect();
    let around = Surroundings {
        tags: &tags,
        servers: &servers,
    };
    let findings = expected(expectations, record, around);
    let lines = findings.iter().map(|it| {
        let answer = match it.answer {
            Answer::Holds => "holds".to_owned(),
            Answer::Fails => "fails".to_owned(),
            Answer::Undecided { needed: None } => "undecided".to_owned(),
            Answer::Undecided { needed: Some(more) } => format!("undecided, {more} more"),
        };
        format!("{}: {answer}: {}", it.expression, it.observed)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn even(text: &str) -> Expectations {
    Expectations {
        distribution: Some(text.parse().unwrap()),
        ..Expectations::default()
    }
}

fn routed_by(table: &[(&str, &str)]) -> Expectations {
    let table = table.iter();
    let table = table.map(|(values, servers)| (values.parse().unwrap(), servers.parse().unwrap()));
    Expectations {
        routes: vec![Route::new("version", table.collect())],
        ..Expectations::default()
    }
}

const THREE: [(&str, u64); 3] = [("b1", 1_667), ("b2", 1_667), ("b3", 1_666)];
const NOBODY: [&str; 0] = [];

#[test_case("even within 10%", &THREE, &NOBODY => "distribution even within 10%: holds: b1 33.34%, b2 33.34%, b3 33.32% (±1.96%) of 5,000 requests, dispersion 0")]
#[test_case("even within 1%", &THREE, &NOBODY => "distribution even within 1%: undecided, 14690 more: b1 33.34%, b2 33.34%, b3 33.32% (±1.96%) of 5,000 requests, dispersion 0"; "too few")]
#[test_case("even within 10%", &[("b1", 2_500), ("b2", 2_500)], &["b1", "b2", "b3"] => "distribution even within 10%: fails: b1 50%, b2 50%, b3 0% (±2.07%) of 5,000 requests, dispersion 1250"; "one that is idle")]
#[test_case("even within 10%", &[("10.0.0.1", 2_500), ("10.0.0.2", 2_500)], &["b1", "b2", "b3"] => "distribution even within 10%: fails: only 2 of 3 servers named themselves"; "other names")]
#[test_case("even within 10%", &[("b1", 5_000)], &NOBODY => "distribution even within 10%: fails: only `b1` named itself, and nobody told who else there is: `weights` would"; "one server")]
#[test_case("even within 10%", &[], &NOBODY => "distribution even within 10%: fails: no request of a server that named itself"; "no server")]
#[test_case("even within 40%", &THREE, &NOBODY => "distribution even within 40%: fails: among 3 servers that is no limit: one that got nothing would do"; "no limit")]
#[test_case("even within 10% per connection", &THREE, &NOBODY => "distribution even within 10% per connection: fails: no connection of a server that named itself"; "not counted")]
fn divides(text: &str, requests: &[(&str, u64)], servers: &[&str]) -> String {
    found(&even(text), &record(requests), servers)
}

#[test]
fn more_servers_are_a_range() {
    let many: Vec<(String, u64)> = (1..=6)
        .map(|it| (format!("b{it}"), 900 + it * 10))
        .collect();
    let many: Vec<(&str, u64)> = many.iter().map(|(name, it)| (name.as_str(), *it)).collect();
    let found = found(&even("even within 5%"), &record(&many), &[]);
    assert!(
        found.contains(": holds: 6 servers with 16.22% (b1) to 17.11% (b6) ("),
        "{found}"
    );
}

#[test]
fn only_those_that_may_answer_share() {
    let mut expectations = routed_by(&[("v1.*", "v1*"), ("v2.*", "v2*")]);
    expectations.distribution = Some("even within 10%".parse().unwrap());
    let servers = ["v1a", "v1b", "v2a", "v2b"];
    let found = found(
        &expectations,
        &record(&[("v2a", 2_500), ("v2b", 2_500)]),
        &servers,
    );
    let (even, route) = found.split_once('\n').unwrap();
    assert!(even.contains(": holds: v2a 50%, v2b 50% ("), "{even}");
    assert_eq!(
        route,
        "route version v2.2 to v2*: holds: 0 of 5,000 went elsewhere (≤ 0.06% at 95%)"
    );
}

#[test_case(&[("v2a", 4_988), ("v1b", 12)], 0, &[("v2.*", "v2*")] => "route version v2.2 to v2*: fails: 12 of 5,000 went elsewhere: v1b 12"; "a leak")]
#[test_case(&[("v2a", 5_000)], 3, &[("v2.*", "v2*")] => "route version v2.2 to v2*: undecided: 0 of 5,000 went elsewhere (≤ 0.06% at 95%), and 3 answers without a name"; "without a name")]
#[test_case(&[("v2a", 30)], 0, &[("v2.*", "v2*")] => "route version v2.2 to v2*: holds: 0 of 30 went elsewhere (≤ 10% at 95%)"; "just enough")]
#[test_case(&[("v2a", 3)], 0, &[("v2.*", "v2*")] => "route version v2.2 to v2*: holds: 0 of 3 went elsewhere, too few to say of others"; "a few")]
#[test_case(&[], 0, &[("v2.*", "v2*")] => "route version v2.2 to v2*: fails: no answer of a server that named itself"; "no answer")]
#[test_case(&[("v2a", 1)], 0, &[("v1.*", "v1*")] => "route version v2.2: fails: nothing is said of `v2.2`"; "no entry")]
fn routes(requests: &[(&str, u64)], nameless: u64, table: &[(&str, &str)]) -> String {
    let mut record = record(requests);
    record.unknown.requests = nameless;
    found(&routed_by(table), &record, &[])
}

#[test_case(8, 0 => "sticky connection: holds: 0 of 8 connections had several servers")]
#[test_case(8, 1 => "sticky connection: fails: 1 of 8 connections had several servers")]
#[test_case(0, 0 => "sticky connection: fails: no connection had two answers of servers that named themselves"; "nothing")]
fn sticks(connections: u64, several: u64) -> String {
    let mut record = record(&THREE);
    record.decisions = Decisions {
        connections,
        several,
    };
    let expectations = Expectations {
        sticky: Some(Sticky::Connection),
        ..Expectations::default()
    };
    found(&expectations, &record, &[])
}

/// Who came late had less, which is no fault of whoever divides.
/// b2 is away from 4 s to 8 s, and b1 takes longer meanwhile.
#[test]
fn the_tail_of_the_others_stands_beside_what_it_was() {
    let mut record = record(&[("b1", 5_000), ("b2", 400)]);
    let mut timeline = Timeline::new([(Duration::ZERO, Duration::from_secs(60))]);
    for bucket in 0..1_000 {
        let is_away = (400..800).contains(&bucket);
        let cell = |due| TimelineCell {
            due,
            ended_ok: due,
            ..TimelineCell::default()
        };
        timeline.add(Some("b1"), bucket, cell(5));
        timeline.add(Some("b2"), bucket, cell(u64::from(!is_away)));
        let mut times = new_coarse_histogram();
        times.saturating_record_n(if is_away { 7_000_000 } else { 1_000_000 }, 5);
        timeline.add_times("b1", bucket, &Sparse::of(&times));
    }
    let mut event = EventRecord::new(EventAction::Kill, "kill b2");
    event.backend = Some("b2".to_owned());
    event.done = Some(Duration::from_secs(4));
    event.ready = Some(Duration::from_secs(8));
    record.events.push(event);
    record.elapsed = Duration::from_secs(10);
    record.timeline = timeline;
    let expectations = Expectations {
        failover: vec!["survivors_p99 < 5ms".parse().unwrap()],
        ..Expectations::default()
    };
    assert_eq!(
        found(&expectations, &record, &NOBODY),
        "failover.survivors_p99 < 5ms: fails: 7 ms after kill b2, 1 ms before it"
    );
}

#[test]
fn a_list_that_changed_is_why_it_is_not_even() {
    let mut record = record(&[("b1", 4_000), ("b2", 1_000)]);
    let mut late = crate::record::AddressRecord::empty("file:list.txt", "127.0.0.1:2");
    late.since = Some(Duration::ZERO);
    let mut early = crate::record::AddressRecord::empty("file:list.txt", "127.0.0.1:3");
    early.gone = Some(Duration::ZERO);
    record.addresses.extend([late.clone(), early]);
    let fails = "distribution even within 10%: fails: b1 80%, b2 20% (±1.59%) of 5,000 requests, dispersion 1800";
    assert_eq!(found(&even("even within 10%"), &record, &NOBODY), fails);
    late.since = Some(Duration::from_secs(3));
    record.addresses[0] = late;
    let undecided = "distribution even within 10%: undecided: b1 80%, b2 20% (±1.59%) of 5,000 requests, dispersion \
                     1800; 127.0.0.1:2 came to be on the list at 3 s: who was on the list for a part of the time had a \
                     part of that time's requests, and no number of others tells";
    assert_eq!(found(&even("even within 10%"), &record, &NOBODY), undecided);
    let holds = found(&even("even within 40%"), &record, &NOBODY);
    assert!(holds.contains(": holds: "), "{holds}");
}
