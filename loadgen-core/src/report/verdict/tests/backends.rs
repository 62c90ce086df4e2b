//! Servers that were asked nothing more, in words.

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::record::{BackendRecord, SeriesPoint, TargetRecord, Unit};

/// A server with so many requests due in each of these seconds, the last of which ended just before they were
/// over; so many of the last ones failed.
fn server(id: &str, each_second: &[u64], failed: u64) -> BackendRecord {
    let mut left = failed;
    let mut points: Vec<_> = each_second
        .iter()
        .rev()
        .map(|requests| {
            let failed = left.min(*requests);
            left -= failed;
            (*requests, failed)
        })
        .collect();
    points.reverse();
    let over_time = json!({ "seconds_each": 1, "points": points });
    let last = Duration::from_millis(each_second.len() as u64 * 1_000 - 20);
    BackendRecord {
        requests: each_second.iter().sum(),
        failed,
        active: Some((Duration::from_millis(5), last)),
        over_time: serde_json::from_value(over_time).unwrap(),
        ..BackendRecord::empty(id)
    }
}

/// These servers, with each connection going to several of them.
fn served(servers: impl IntoIterator<Item = BackendRecord>) -> RunRecord {
    run(false, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.backends = servers.into_iter().collect();
        scenario.decisions.connections = 10;
        scenario.decisions.several = 10;
        scenario.series = (0..10).map(|t_s| SeriesPoint::empty(t_s, 1)).collect();
        scenario.series.iter_mut().for_each(|it| it.users = 10);
    })
}

/// One that ends after 4 s of 10.
fn one_that_stopped() -> RunRecord {
    served([server("b1", &[100; 10], 0), server("b2", &[50; 4], 0)])
}

fn warned(record: &RunRecord) -> String {
    verdict(record, &[], &[]).warnings.join("\n")
}

#[test]
fn a_server_that_stopped_while_others_went_on_is_told() {
    insta::assert_snapshot!(warned(&one_that_stopped()), @"`greet`: the last request of b2 ended at 3.98 s of 9.98 s, and others went on: by its share until then, some 200 of the requests since would have been its own");
}

/// Its share is of all, and not of what the others had: a third of the 900 that the other had since.
#[test]
fn a_server_whose_load_moved_to_another_misses_what_it_had_before() {
    let before_and_since = [100, 100, 100, 100, 150, 150, 150, 150, 150, 150];
    let record = served([
        server("b1", &before_and_since, 0),
        server("b2", &[50; 4], 0),
    ]);
    let warned = warned(&record);
    assert!(
        warned.contains("some 300 of the requests since"),
        "{warned}"
    );
}

#[test_case(&[("b1", 100, 10), ("b2", 50, 9)] => ""; "for a second")]
#[test_case(&[("b1", 100, 10), ("b2", 1, 4)] => ""; "whose turn it may not have been")]
#[test_case(&[("b1", 2, 10), ("b2", 2, 4)] => ""; "in a sparse run")]
#[test_case(&[("b1", 100, 4), ("b2", 50, 4)] => ""; "with all others")]
#[test_case(&[("b2", 50, 4)] => ""; "alone")]
#[test_case(&[("b1", 1000, 10), ("b2", 19, 1)] => ""; "and had too few to know its share")]
#[test_case(&[("b1", 100, 10), ("(others)", 50, 4)] => ""; "and is several")]
fn a_server_that_is_silent(servers: &[(&str, u64, usize)]) -> String {
    let servers = servers
        .iter()
        .map(|&(id, each, seconds)| server(id, &vec![each; seconds], 0));
    warned(&served(servers))
}

/// After the only server has crashed, its users fail somewhere that nobody knows.
#[test]
fn failures_of_nobody_are_not_others_that_went_on() {
    let mut record = served([server("b1", &[100; 4], 0)]);
    record.scenarios[0].unknown = server(ScenarioRecord::UNKNOWN, &[100; 10], 1_000);
    assert_eq!(warned(&record), "");
    // Nor are those of a server that is known.
    let record = served([server("b1", &[100; 10], 600), server("b2", &[50; 4], 0)]);
    assert_eq!(warned(&record), "");
}

/// A user that is through asks nothing more of its server.
#[test]
fn a_server_whose_users_are_through_is_not_told() {
    let mut record = one_that_stopped();
    record.scenarios[0].decisions.several = 0;
    assert_eq!(warned(&record), "");
    // Where connections were lost with it, it is another matter.
    let lost_at = |record: &RunRecord, second: usize| {
        let mut record = record.clone();
        record.scenarios[0].series[second].connections.dropped = 1;
        warned(&record)
    };
    assert_eq!(lost_at(&record, 0), "");
    assert!(lost_at(&record, 4).contains("the last request of b2 ended at 3.98 s"));
    assert_eq!(lost_at(&record, 8), "");
}

#[test]
fn fewer_users_ask_fewer_servers() {
    let mut record = one_that_stopped();
    for point in &mut record.scenarios[0].series[6..] {
        point.users = 5;
    }
    assert_eq!(warned(&record), "");
    // Their end is the load's.
    let mut record = one_that_stopped();
    record.scenarios[0].series[9].users = 5;
    assert!(warned(&record).contains("b2"));
}

/// Once a run with fewer users from its middle on was told of no server that crashed after that.
#[test]
fn users_that_left_long_before_a_server_stopped_are_not_why() {
    let mut record = one_that_stopped();
    record.scenarios[0].series[0].users = 100;
    assert!(warned(&record).contains("b2"));
    // Those that left with it are.
    record.scenarios[0].series[1].users = 100;
    assert_eq!(warned(&record), "");
}

/// What the scenario itself may send elsewhere.
#[test_case(|scenario| scenario.targets = ["a:1", "b:1"].map(TargetRecord::empty).into(); "targets")]
#[test_case(|scenario| scenario.steps = ScenarioRecord::empty("s", "grpc", false, &["a".into(), "b".into()]).steps; "steps")]
#[test_case(|scenario| scenario.steps[0].apart = true; "a step that is left out at times")]
fn what_is_steered_is_not_told(steer: fn(&mut ScenarioRecord)) {
    let mut record = one_that_stopped();
    assert_eq!(record.scenarios[0].decided_by(), Some(Unit::Request));
    assert!(warned(&record).contains("b2"));
    steer(&mut record.scenarios[0]);
    assert_eq!(warned(&record), "");
}

#[test]
fn many_servers_that_stopped_are_one_sentence() {
    let servers = (1..=9).map(|nth| server(&format!("b{nth}"), &[50; 4], 0));
    let record = served(servers.chain([server("b10", &[450; 10], 0)]));
    insta::assert_snapshot!(warned(&record), @"`greet`: the last requests of b1, b2 and 7 more ended at 3.98 s of 9.98 s, and others went on: by their shares until then, some 1,350 of the requests since would have been their own");
}

/// One server that answered everything over so many connections, of so many that there are.
fn alone(connections: u64, answers: u64, servers: usize) -> RunRecord {
    run(false, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.servers = (0..servers).map(|it| format!("b{it}")).collect();
        scenario.backends = vec![BackendRecord {
            connections,
            ..server("b1", &[answers], 0)
        }];
    })
}

#[test]
fn one_connection_to_one_of_several_servers_is_told() {
    insta::assert_snapshot!(warned(&alone(1, 100, 3)), @"`greet`: 100 answers came over one connection, all of b1; a balancer that gives whole connections away has had one to give: with more of them (`connections`, `connection_per`) it is seen how it divides");
}

#[test_case(2, 100, 3; "two connections")]
#[test_case(1, 19, 3; "few answers")]
#[test_case(1, 100, 1; "no other server")]
#[test_case(1, 100, 0; "nobody knows of another")]
fn nothing_is_said_of(connections: u64, answers: u64, servers: usize) {
    assert_eq!(warned(&alone(connections, answers, servers)), "");
}

/// Nobody knows of other servers, and it matters how they share.
#[test]
fn one_connection_is_told_where_shares_are_judged() {
    let condition = ThresholdResult::new("balance.imbalance < 1.2", "", Some(1.0), true);
    let conditions = [vec![condition]];
    let said = verdict(&alone(1, 100, 0), &conditions, &[]).warnings;
    assert_eq!(said.len(), 1, "{said:?}");
}
