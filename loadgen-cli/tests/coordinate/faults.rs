//! Shards and coordinators that do not come, or are lost: before, during and after the load.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::signal;
use crate::support::{Counting, Relay, Running, Stage};

const MERGED: [&str; 2] = ["--merged-out", "json=whole.json"];

fn reason(whole: &Value, part: &str) -> bool {
    let reasons = whole["verdict"]["reasons"].as_array().expect("reasons");
    reasons
        .iter()
        .any(|it| it.as_str().is_some_and(|it| it.contains(part)))
}

#[test]
fn one_that_never_comes_keeps_all_from_beginning() {
    let stage = Stage::new(2);
    let wait = ["--wait-for-shards", "10s"];
    let shards = [0, 2].map(|it| Running::start(&mut stage.shard(it, 3, &wait)));
    for shard in shards {
        let said = shard.end();
        assert_eq!(said.code, Some(103), "{said:?}");
        let why = "the run did not begin: shard 1 of 3 did not come within 10 s";
        assert!(said.stderr.contains(why), "{said:?}");
    }
    assert!(!stage.has("0.json"), "nothing was measured");
}

#[test]
fn it_is_left_out_where_that_was_said_and_the_verdict_says_so() {
    let stage = Stage::new(3);
    let flags = [
        "--wait-for-shards",
        "10s",
        "--start-with",
        "2",
        "--merged-out",
        "json=whole.json",
    ];
    let shards = [0, 2].map(|it| Running::start(&mut stage.shard(it, 3, &flags)));
    let [zero, two] = shards.map(Running::end);
    assert_eq!(
        (zero.code, two.code),
        (Some(0), Some(0)),
        "{zero:?} {two:?}"
    );
    assert!(
        zero.stderr.contains("the load of 2 shards begins in"),
        "{zero:?}"
    );
    assert!(zero.stderr.contains("without shard 1 of 3"), "{zero:?}");
    let whole = stage.document("whole.json");
    assert_eq!(whole["verdict"]["status"], "invalid");
    assert!(
        reason(
            &whole,
            "shard 1 of 3 is missing, and with it 33.33% of the planned load"
        ),
        "{}",
        whole["verdict"]
    );
    // Whoever comes when they have begun, and are over, begins nothing.
    let late = Running::start(&mut stage.shard(1, 3, &["--wait-for-shards", "1s"])).end();
    assert_eq!(late.code, Some(103), "{late:?}");
    assert!(late.stderr.contains("no coordinator at"), "{late:?}");
}

#[test]
fn one_that_dies_before_the_start_may_be_started_again() {
    let mut stage = Stage::new(2);
    let coordinator = stage.coordinate(2, &MERGED);
    let mut one = Running::start(&mut stage.shard(1, 2, &["--no-journal"]));
    one.says("waiting until all shards are ready");
    one.kill();
    coordinator.says("shard 1 of 2 was lost before the load began");
    let shards = [1, 0].map(|it| Running::start(&mut stage.shard(it, 2, &[])));
    for said in shards
        .map(Running::end)
        .into_iter()
        .chain([coordinator.end()])
    {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    assert_eq!(
        stage.document("whole.json")["run"]["shards"]["missing_share"],
        0.0
    );
}

#[test]
fn one_that_dies_under_way_is_missing_and_does_not_begin_again() {
    let stage = Stage::new(60);
    let mut shards = [0, 1].map(|it| Running::start(&mut stage.shard(it, 2, &MERGED)));
    shards[1].says("arrive measuring");
    shards[1].kill();
    shards[0].says("shard 1 of 2 was lost: the others go on");
    // The engine starts it again, as it was started; the journal of the first is not harmed by that.
    let again = Running::start(&mut stage.shard(1, 2, &MERGED)).end();
    assert_eq!(again.code, Some(103), "{again:?}");
    let why = "shard 1 of 2 has begun before and was started again: its load is not made twice";
    assert!(again.stderr.contains(why), "{again:?}");
    let [zero, _] = shards;
    signal(zero.process(), Signal::INT);
    let zero = zero.end();
    assert_eq!(zero.code, Some(105), "{zero:?}");
    let whole = stage.document("whole.json");
    assert_eq!(whole["run"]["shards"]["missing"], json!([1]));
    assert!(
        reason(
            &whole,
            "shard 1 of 2 is missing, and with it 50% of the planned load"
        ),
        "{}",
        whole["verdict"]
    );
    // What it had made is in its journal, as ever.
    let by_hand = stage
        .loadgen(&["merge", "0.json", "1.json.journal", "--json"])
        .json();
    assert!(
        reason(&by_hand, "shard 1 was cut off"),
        "{}",
        by_hand["verdict"]
    );
    assert!(
        by_hand["run"]["shards"]["missing_share"]
            .as_f64()
            .expect("a share")
            < 0.5
    );
}

#[test]
fn a_strict_run_fails_where_a_shard_is_lost() {
    let stage = Stage::new(7);
    let flags = ["--strict", "--merged-out", "json=whole.json"];
    let mut shards = [0, 1].map(|it| Running::start(&mut stage.shard(it, 2, &flags)));
    shards[1].says("arrive measuring");
    shards[1].kill();
    let [zero, _] = shards;
    let zero = zero.end();
    assert_eq!(zero.code, Some(100), "{zero:?}");
}

/// Its part is made and told of; what comes after that is nobody's loss.
#[test]
fn one_that_is_gone_after_its_load_is_not_missing() {
    let mut stage = Stage::new(2);
    let coordinator = stage.coordinate(2, &MERGED);
    let zero = Running::start(&mut stage.shard(0, 2, &[]));
    let one = Running::start(&mut stage.shard(1, 2, &[]));
    let (zero, one) = (zero.end(), one.end());
    assert_eq!(
        (zero.code, one.code),
        (Some(0), Some(0)),
        "{zero:?} {one:?}"
    );
    let said = coordinator.end();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        stage.document("whole.json")["run"]["shards"]["missing"],
        Value::Null
    );
    let again = Running::start(&mut stage.shard(1, 2, &["--wait-for-shards", "1s"])).end();
    assert_eq!(again.code, Some(103), "{again:?}");
}

#[test]
fn a_coordinator_that_dies_before_the_start_ends_it() {
    let mut stage = Stage::new(2);
    let mut coordinator = stage.coordinate(2, &[]);
    let shard = Running::start(&mut stage.shard(1, 2, &[]));
    shard.says("waiting until all shards are ready");
    coordinator.kill();
    let said = shard.end();
    assert_eq!(said.code, Some(103), "{said:?}");
    let why = format!(
        "the coordinator at {} was lost before the load began",
        stage.coordinator
    );
    assert!(said.stderr.contains(&why), "{said:?}");
}

#[test]
fn a_coordinator_that_dies_under_way_takes_no_figure_along() {
    let mut stage = Stage::new(7);
    let mut coordinator = stage.coordinate(2, &MERGED);
    let shards = [0, 1].map(|it| Running::start(&mut stage.shard(it, 2, &[])));
    shards[0].says("arrive measuring");
    coordinator.kill();
    for shard in shards {
        let said = shard.end();
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.stderr
                .contains("this shard makes its part of the load to its end"),
            "{said:?}"
        );
    }
    let said = stage.loadgen(&["merge", "0.json", "1.json", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let whole = said.json();
    assert_eq!(whole["run"]["shards"]["missing_share"], 0.0);
    assert_eq!(whole["total"]["ledger"]["planned"], 700);
}

/// So it is where shard 0 offers it, and dies.
#[test]
fn shard_0_that_dies_is_missing_by_hand_alone() {
    let stage = Stage::new(7);
    let mut shards = [0, 1].map(|it| Running::start(&mut stage.shard(it, 2, &MERGED)));
    shards[0].says("arrive measuring");
    signal(shards[0].process(), Signal::KILL);
    shards[0].kill();
    let [_, one] = shards;
    let one = one.end();
    assert_eq!(one.code, Some(0), "{one:?}");
    let by_hand = stage
        .loadgen(&["merge", "0.json.journal", "1.json", "--json"])
        .json();
    assert!(
        reason(&by_hand, "shard 0 was cut off"),
        "{}",
        by_hand["verdict"]
    );
}

#[test]
fn a_network_that_is_cut_costs_the_merged_result_and_no_figure() {
    let mut stage = Stage::new(8);
    let coordinator = stage.coordinate(2, &MERGED);
    let relay = Relay::to(&stage.coordinator);
    let zero = Running::start(&mut stage.shard(0, 2, &[]));
    let one = Running::start(&mut stage.shard_at(&relay.address, 1, 2, &[]));
    one.says("arrive measuring");
    relay.cut();
    coordinator.says("shard 1 of 2 was lost");
    let (zero, one, coordinator) = (zero.end(), one.end(), coordinator.end());
    assert_eq!(
        (zero.code, one.code, coordinator.code),
        (Some(0), Some(0), Some(0)),
        "{one:?} {coordinator:?}"
    );
    assert!(one.stderr.contains("was lost ("), "{one:?}");
    let whole = stage.document("whole.json");
    assert_eq!(
        (
            &whole["verdict"]["status"],
            &whole["run"]["shards"]["missing"]
        ),
        (&json!("invalid"), &json!([1]))
    );
    let by_hand = stage
        .loadgen(&["merge", "0.json", "1.json", "--json"])
        .json();
    assert_eq!(by_hand["total"]["ledger"]["planned"], 800);
    assert_eq!(by_hand["run"]["shards"]["missing_share"], 0.0);
}

/// What listens there may be anything, and no shard is held by it for longer than it waits.
#[test]
fn whoever_says_nothing_is_no_coordinator() {
    let stage = Stage::new(1);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let wait = ["--wait-for-shards", "2s"];
    let said = Running::start(&mut stage.shard_at(&address, 1, 2, &wait)).end();
    assert_eq!(said.code, Some(103), "{said:?}");
    let why = format!(
        "no coordinator at {address} within 2 s: what listens there has not said a word for "
    );
    assert!(said.stderr.contains(&why), "{said:?}");
}

/// Shard 0, which would offer the coordinator there, says who keeps it from that.
#[test]
fn shard_0_says_who_has_its_port() {
    let stage = Stage::new(1);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let wait = ["--wait-for-shards", "2s"];
    let said = Running::start(&mut stage.shard_at(&address, 0, 2, &wait)).end();
    assert_eq!(said.code, Some(103), "{said:?}");
    let who = format!("process {} (`", std::process::id());
    let what = format!("listens at {address} on this machine already, so this shard offers no");
    assert!(
        said.stderr.contains(&who) && said.stderr.contains(&what),
        "{said:?}"
    );
    let taken = stage.loadgen(&["coordinate", "--listen", &address, "--shards", "2"]);
    assert_eq!(taken.code, Some(2), "{taken:?}");
    assert!(
        taken.stderr.contains("failed to listen on") && taken.stderr.contains(&who),
        "{taken:?}"
    );
}

/// Any service may have the port of the address that was given.
#[test]
fn another_service_is_no_coordinator_and_its_transport_is_not_named() {
    let stage = Stage::new(1);
    let http = Counting::start();
    let wait = ["--wait-for-shards", "1s"];
    let said = Running::start(&mut stage.shard_at(&http.address, 1, 2, &wait)).end();
    assert_eq!(said.code, Some(103), "{said:?}");
    let why = "what listens there is another service, or a coordinator that expects";
    assert!(said.stderr.contains(why), "{said:?}");
    let nobody = Running::start(&mut stage.shard(1, 2, &wait)).end();
    assert!(
        nobody
            .stderr
            .contains("nothing listens there; it is offered there by shard 0"),
        "{nobody:?}"
    );
    for said in [said, nobody] {
        assert!(!said.stderr.contains("transport error"), "{said:?}");
        assert!(!said.stderr.contains("status:"), "{said:?}");
    }
}

#[test]
fn ctrl_c_while_the_coordinator_is_looked_for_says_what_it_stops() {
    let stage = Stage::new(1);
    let shard = Running::start(&mut stage.shard(1, 2, &[]));
    shard.says("joining the coordinator at");
    signal(shard.process(), Signal::INT);
    let said = shard.end();
    assert_eq!(said.code, Some(105), "{said:?}");
    let what = format!(
        "stopping: the coordinator at {} is looked for, and no load has begun",
        stage.coordinator
    );
    assert!(said.stderr.contains(&what), "{said:?}");
}

/// Two processes of one shard: the second learns it at once, whatever else becomes of the run.
#[test]
fn a_second_process_of_a_shard_is_told_at_once() {
    let mut stage = Stage::new(1);
    let mut coordinator = stage.coordinate(2, &[]);
    let first = Running::start(&mut stage.shard(1, 2, &["--no-journal"]));
    first.says("waiting until all shards are ready");
    let second = Running::start(&mut stage.shard(1, 2, &[]));
    let why = format!("another process (process {} on", first.process().id());
    let line = second.says("is shard 1 of 2 of this run; end one of the two");
    assert!(line.contains(&why), "{line}");
    // It knows why, though the run is over before its time is.
    coordinator.kill();
    let second = second.end();
    assert_eq!(second.code, Some(103), "{second:?}");
    let last = second.stderr.lines().last().expect("it says why");
    assert!(last.starts_with("error: another process ("), "{second:?}");
}

/// While the load is under way there is nothing to wait for.
#[test]
fn a_second_process_of_a_shard_under_way_is_refused_at_once() {
    let stage = Stage::new(60);
    let shards = [0, 1].map(|it| Running::start(&mut stage.shard(it, 2, &["--no-journal"])));
    shards[1].says("arrive measuring");
    let second = Running::start(&mut stage.shard(1, 2, &["--no-journal"])).end();
    assert_eq!(second.code, Some(103), "{second:?}");
    let last = second.stderr.lines().last().expect("it says why");
    assert!(last.starts_with("error: another process ("), "{second:?}");
    signal(shards[0].process(), Signal::INT);
    for shard in shards {
        assert_eq!(shard.end().code, Some(105));
    }
}

/// The place of one whose machine stands still is free once that is noticed, and whoever is started in its stead waits
/// for it.
#[test]
fn one_that_takes_the_place_of_a_silent_one_waits_for_it() {
    let mut stage = Stage::new(1);
    let coordinator = stage.coordinate(2, &[]);
    let silent = Running::start(&mut stage.shard(1, 2, &["--no-journal"]));
    silent.says("waiting until all shards are ready");
    let taken = Running::start(&mut stage.shard(1, 2, &["--wait-for-shards", "5s"])).end();
    assert_eq!(taken.code, Some(103), "{taken:?}");
    let why = "is shard 1 of 2 of this run; end one of the two";
    assert!(taken.stderr.contains(why), "{taken:?}");
    signal(silent.process(), Signal::STOP);
    let one = Running::start(&mut stage.shard(1, 2, &[]));
    coordinator.says("shard 1 of 2 was lost before the load began");
    let zero = Running::start(&mut stage.shard(0, 2, &[]));
    for said in [one, zero, coordinator].map(Running::end) {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    // It learns of it when it goes on.
    signal(silent.process(), Signal::CONT);
    assert_eq!(silent.end().code, Some(103));
}
