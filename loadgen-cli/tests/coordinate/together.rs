//! What shards do together: begin, set up, stop, and end in one result.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::{assert_balances, signal};
use crate::support::{Counting, Running, Stage};

/// When a shard's load began, by the coordinator's clock, in microseconds.
fn began(document: &Value) -> f64 {
    let at = document["run"]["started_at"].as_str().expect("a time");
    let (day, rest) = at.split_at(17);
    let minutes: Vec<f64> = day
        .rsplit('T')
        .next()
        .expect("a time of day")
        .split_terminator(':')
        .map(|it| it.parse().expect("a number"))
        .collect();
    let seconds: f64 = rest.trim_end_matches('Z').parse().expect("seconds");
    let own = (minutes[0] * 3600.0 + minutes[1] * 60.0 + seconds) * 1e6;
    own + document["run"]["shard"]["clock"]["offset_us"]
        .as_f64()
        .expect("an offset")
}

#[test]
fn shards_begin_at_one_moment_and_end_in_one_result() {
    let stage = Stage::new(4);
    let merged = [
        "--merged-out",
        "json=whole.json",
        "--merged-out",
        "markdown=whole.md",
        "--json",
    ];
    // Shard 0, where they meet, comes last.
    let shards: Vec<Running> = [2, 1, 3, 0]
        .map(|it| Running::start(&mut stage.shard(it, 4, &merged)))
        .into();
    let said: Vec<_> = shards.into_iter().map(Running::end).collect();
    for said in &said {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let whole = stage.document("whole.json");
    assert_eq!(said[3].json(), whole, "shard 0 tells of the whole");
    assert_balances(&whole);
    assert!(stage.has("whole.md"));
    assert_ne!(whole["verdict"]["status"], "fail", "{}", whole["verdict"]);
    let documents: Vec<Value> = (0..4)
        .map(|it| stage.document(&format!("{it}.json")))
        .collect();
    for (document, said) in documents.iter().zip([3, 1, 0, 2].map(|it| &said[it])) {
        assert_eq!(
            document["run"]["shard"]["run_id"],
            whole["run"]["shards"]["run_id"]
        );
        if document["run"]["shard"]["index"] != 0 {
            assert_eq!(said.json(), *document, "the others tell of themselves");
        }
    }
    let completed = |it: &Value| {
        it["total"]["ledger"]["completed"]
            .as_u64()
            .expect("a count")
    };
    assert_eq!(
        completed(&whole),
        documents.iter().map(completed).sum::<u64>()
    );
    // By hand it is the same.
    let by_hand = stage.loadgen(&["merge", "0.json", "1.json", "2.json", "3.json", "--json"]);
    let mut by_hand = by_hand.json();
    by_hand["run"]["id"] = whole["run"]["id"].clone();
    assert_eq!(by_hand, whole);
    let mut began: Vec<f64> = documents.iter().map(began).collect();
    began.sort_by(f64::total_cmp);
    let apart_ms = (began[3] - began[0]) / 1e3;
    eprintln!("the shards began within {apart_ms:.3} ms of each other");
    // 20 ms is what is promised; this machine may be busy with other tests.
    assert!(apart_ms < 250.0, "{apart_ms} ms");
    let shown = &said[3].stderr;
    assert!(shown.contains("the load of 4 shards begins in"), "{shown}");
}

/// `cargo test -p loadgen-cli --test coordinate -- --ignored clocks`, with Debian's `faketime`.
#[test]
#[ignore = "it needs faketime"]
fn clocks_that_are_five_seconds_apart_change_nothing() {
    let stage = Stage::new(3);
    let start = |index: u32, by: Option<&str>| {
        let mut shard = stage.shard(index, 3, &["--merged-out", "json=whole.json"]);
        if let Some(by) = by {
            let arguments: Vec<_> = shard.get_args().map(ToOwned::to_owned).collect();
            let mut faked = Command::new("faketime");
            faked
                .args(["-f", by])
                .arg(shard.get_program())
                .args(arguments);
            faked
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .current_dir(stage.folder.path());
            faked.stdout(Stdio::piped()).stderr(Stdio::piped());
            shard = faked;
        }
        Running::start(&mut shard)
    };
    for shard in [start(0, None), start(1, Some("+5s")), start(2, Some("-5s"))] {
        let said = shard.end();
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let whole = stage.document("whole.json");
    let shards = whole["run"]["shards"]["merged"].as_array().expect("shards");
    let offsets = shards
        .iter()
        .map(|it| it["clock"]["offset_us"].as_f64().expect("an offset"));
    for (offset, expected) in offsets.zip([0.0, -5e6, 5e6]) {
        assert!(
            (offset - expected).abs() < 50_000.0,
            "{offset} µs and not {expected}"
        );
    }
    let began: Vec<f64> = (0..3)
        .map(|it| began(&stage.document(&format!("{it}.json"))))
        .collect();
    let (first, last) = (
        began.iter().copied().fold(f64::MAX, f64::min),
        began.iter().copied().fold(0.0, f64::max),
    );
    println!(
        "with clocks 10 s apart, the shards began within {:.3} ms of each other",
        (last - first) / 1e3
    );
    assert!(last - first < 250_000.0, "{began:?}");
    let warnings = whole["verdict"]["warnings"].to_string();
    // On a machine that stands still for a moment it is said, and true.
    let is_apart = last - first > 20_000.0;
    assert!(is_apart || !warnings.contains(" began "), "{warnings}");
}

#[test]
fn a_coordinator_of_its_own_takes_the_place_of_shard_0() {
    let mut stage = Stage::new(7);
    let coordinator = stage.coordinate(2, &["--merged-out", "json=whole.json", "--run-id", "mine"]);
    let shards = [0, 1]
        .map(|it| Running::start(&mut stage.shard(it, 2, &["--merged-out", "json=not.json"])));
    for shard in shards {
        let said = shard.end();
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.stdout.contains("judged when all are merged"),
            "{said:?}"
        );
    }
    let said = coordinator.end();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("all 2 merged"), "{said:?}");
    assert!(said.stderr.contains("00:05 all 2 shards: "), "{said:?}");
    assert_eq!(
        stage.document("whole.json")["run"]["shards"]["run_id"],
        "mine"
    );
    assert!(!stage.has("not.json"), "it is the coordinator's to merge");
}

/// Users ask with what `setup` has saved, which only one shard has done.
fn with_setup(target: &str) -> Value {
    json!({"scenarios": [{
        "name": "shop", "targets": [target],
        "setup": [{"name": "prime", "http": {"path": "/setup"}, "save": {"token": "reply.token"}}],
        "steps": [{"name": "buy", "http": {"path": "/buy/{{ setup.token }}"}}],
        "load": {"closed": {"users": 6, "iterations": 60}},
        "thresholds": ["completed == 60"],
    }]})
}

#[test]
fn setup_is_done_once_for_all() {
    let server = Counting::start();
    let stage = Stage::of(|_| with_setup(&format!("http://{}", server.address)));
    let shards = [1, 2, 0]
        .map(|it| Running::start(&mut stage.shard(it, 3, &["--merged-out", "json=whole.json"])));
    let said = shards.map(Running::end);
    for said in &said {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let asked = server.asked();
    let count = |path: &str| asked.iter().filter(|it| *it == path).count();
    assert_eq!(count("/setup"), 1, "{asked:?}");
    assert_eq!(count("/buy/t0k3n-0"), 60, "{asked:?}");
    // It has a secret's name, and stands nowhere.
    for said in said {
        let told = said.stdout + &said.stderr;
        assert!(!told.contains("t0k3n-0"), "{told}");
    }
    for name in ["0.json", "1.json", "2.json", "whole.json"] {
        let told = stage.document(name).to_string();
        assert!(!told.contains("t0k3n-0"), "{name}: {told}");
    }
}

#[test]
fn a_setup_that_fails_ends_all_with_its_message() {
    let server = Counting::start();
    let stage = Stage::of(|_| {
        let mut suite = with_setup(&format!("http://{}", server.address));
        suite["scenarios"][0]["setup"][0]["check"] = json!(["reply.token == 'other'"]);
        suite
    });
    let shards = [0, 1, 2].map(|it| Running::start(&mut stage.shard(it, 3, &[])));
    for shard in shards {
        let said = shard.end();
        assert_eq!(said.code, Some(102), "{said:?}");
        let why = "setup failed in step `prime` with `check`";
        assert!(said.stderr.contains(why), "{said:?}");
    }
    assert_eq!(server.asked(), ["/setup"]);
}

/// They wait for its `setup`, and are told what became of it.
#[test]
fn without_the_shard_that_sets_up_all_end_as_apart() {
    let server = Counting::start();
    let mut stage = Stage::of(|_| with_setup(&format!("http://{}", server.address)));
    let coordinator = stage.coordinate(3, &["--wait-for-shards", "5s"]);
    let shards = [1, 2].map(|it| Running::start(&mut stage.shard(it, 3, &[])));
    let [one, two] = shards.map(Running::end);
    // It would wait for shard 0 for a while, to tell it.
    signal(coordinator.process(), Signal::TERM);
    for said in [one, two, coordinator.end()] {
        assert_eq!(said.code, Some(103), "{said:?}");
        assert!(
            said.stderr
                .contains("the run did not begin: shard 0 of 3 did not come"),
            "{said:?}"
        );
    }
    assert!(server.asked().is_empty());
}

#[test]
fn one_that_is_stopped_stops_all() {
    let stage = Stage::new(60);
    let shards = [0, 1, 2]
        .map(|it| Running::start(&mut stage.shard(it, 3, &["--merged-out", "json=whole.json"])));
    shards[0].says("arrive measuring");
    signal(shards[1].process(), Signal::INT);
    let [zero, one, two] = shards.map(Running::end);
    assert_eq!(
        [zero.code, one.code, two.code],
        [Some(105); 3],
        "{zero:?} {one:?} {two:?}"
    );
    assert!(
        two.stderr.contains("shard 1 of 3 was told to; stopping:"),
        "{two:?}"
    );
    let whole = stage.document("whole.json");
    assert_eq!(whole["run"]["stopped"], true);
    assert_eq!(whole["run"]["shards"]["missing_share"], 0.0);
    assert_balances(&whole);
}

/// Shard 0 has made its part, and waits for the other's.
#[test]
fn a_signal_while_the_others_are_waited_for_stops_them() {
    let stage = Stage::of(|target| {
        json!({"scenarios": [{
            "name": "shop", "targets": [target], "graceful_stop": "0s",
            "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}},
                {"pause": "80s", "when": "user == 1"}],
            "load": {"closed": {"users": 2, "iterations": 2}},
        }]})
    });
    let shards = [0, 1]
        .map(|it| Running::start(&mut stage.shard(it, 2, &["--merged-out", "json=whole.json"])));
    shards[0].says("waiting until the last shard has come to its end");
    signal(shards[0].process(), Signal::INT);
    let [zero, one] = shards.map(Running::end);
    assert_eq!([zero.code, one.code], [Some(105); 2], "{zero:?} {one:?}");
    let whole = stage.document("whole.json");
    assert_eq!(whole["run"]["stopped"], true);
    assert_ne!(
        whole["verdict"]["status"], "invalid",
        "{}",
        whole["verdict"]
    );
    assert!(stage.has("1.json"), "it tells of what it made");
}

#[test]
fn the_coordinator_stops_all_before_they_begin_too() {
    let mut stage = Stage::new(60);
    let coordinator = stage.coordinate(2, &[]);
    let shard = Running::start(&mut stage.shard(1, 2, &[]));
    shard.says("waiting until all shards are ready");
    signal(coordinator.process(), Signal::TERM);
    coordinator.says("all shards stop");
    // One did not know of it yet, and is not waited for.
    signal(coordinator.process(), Signal::TERM);
    let (said, coordinator) = (shard.end(), coordinator.end());
    assert_eq!(
        (said.code, coordinator.code),
        (Some(105), Some(105)),
        "{said:?} {coordinator:?}"
    );
    assert!(
        said.stderr.contains("the coordinator was told to"),
        "{said:?}"
    );
}

/// What user 1 does fails, and it is of shard 1 alone.
#[test]
fn a_condition_that_ends_one_ends_all_and_fails_the_whole() {
    let stage = Stage::of(|target| {
        json!({"scenarios": [{
            "name": "shop", "targets": [target],
            "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}},
                "check": ["user == 0"]}, {"pause": "10ms"}],
            "load": {"closed": {"users": 2, "duration": "60s"}},
            "thresholds": [{"expression": "error_rate < 60%", "abort": true, "after": "1s"}],
        }]})
    });
    let shards = [0, 1]
        .map(|it| Running::start(&mut stage.shard(it, 2, &["--merged-out", "json=whole.json"])));
    let [zero, one] = shards.map(Running::end);
    // It made its part as far as that was wanted.
    assert_eq!(one.code, Some(0), "{one:?}");
    assert_eq!(zero.code, Some(99), "{zero:?}");
    assert!(
        zero.stderr
            .contains("`error_rate < 60%` does not hold on shard 1 of 2"),
        "{zero:?}"
    );
    let whole = stage.document("whole.json");
    let threshold = &whole["scenarios"][0]["thresholds"][0];
    assert_eq!(threshold["pass"], false, "{threshold}");
    assert!(
        threshold["ended_run"]["observed"]
            .as_f64()
            .expect("a share")
            > 60.0,
        "{threshold}"
    );
    assert_ne!(whole["verdict"]["status"], "pass");
    let shards = whole["run"]["shards"].clone();
    assert_eq!(
        (&shards["missing_share"], &shards["missing"]),
        (&json!(0.0), &Value::Null)
    );
    let by_hand = stage.loadgen(&["merge", "0.json", "1.json"]);
    assert_eq!(by_hand.code, Some(99), "{by_hand:?}");
}
