//! Fault proxies of a suite, and what events have go wrong at them.

mod common;

use std::fs;

use common::{Said, assert_balances, say};
use serde_json::{Value, json};

/// Runs two servers that take 50 ms, of which the first stands behind a proxy, and requests to both for 4 s at this
/// rate: of several users, who are given to both in turns.
fn run(proxy: &Value, events: &Value, rate: &str) -> Said {
    let mut behind = json!({ "serve": "proxy", "to": "b1" });
    if !proxy.is_null() {
        behind["faults"] = proxy.clone();
    }
    let suite = json!({
        "backends": { "serve": "http", "b1": { "delay": "50ms" }, "b2": { "delay": "50ms" }, "p1": behind },
        "scenarios": [{
            "name": "s",
            "load": { "open": { "rate": rate, "duration": "4s" } },
            "timeout": "1s",
            "graceful_stop": "1s",
            "connection_per": "iteration",
            "steps": [{ "name": "hello", "http": { "path": "/hello" } }],
            "events": events,
            "thresholds": [],
        }],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    fs::write(&path, suite.to_string()).expect("the file is written");
    say(&["run", &path.display().to_string(), "--json"])
}

/// A percentile of the answers of each of the two.
fn both(document: &Value, percentile: &str) -> [f64; 2] {
    let backends = document["scenarios"][0]["backends"].as_array();
    ["b1", "b2"].map(|id| {
        let mut backends = backends.expect("backends").iter();
        let row = backends.find(|it| it["id"] == id).expect("it answered");
        row["response_time_us"][percentile]
            .as_f64()
            .unwrap_or_else(|| {
                panic!(
                    "too few answers: {row}, {}",
                    document["scenarios"][0]["ledger"]
                )
            })
    })
}

#[test]
fn what_goes_wrong_at_a_proxy_is_a_failover_of_who_is_behind_it() {
    let events =
        json!([{ "at": "1s", "fault": "p1", "refuse": true, "reset_open": "100%", "for": "1s" }]);
    let said = run(&Value::Null, &events, "200/s");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr
            .contains("p1: fault proxy in front of b1 on 127.0.0.1:"),
        "{said:?}"
    );
    let document = said.json();
    assert_balances(&document);
    let scenario = &document["scenarios"][0];
    let event = &scenario["events"][0];
    assert_eq!(event["event"], "fault p1: refuse, reset_open 100%");
    assert_eq!(
        (&event["action"], &event["backend"]),
        (&json!("fault"), &json!("p1"))
    );
    let seconds = |field: &str| event[field].as_f64().expect(field);
    assert!((1.0..1.3).contains(&seconds("done_s")), "{event}");
    assert!((2.0..2.4).contains(&seconds("ready_s")), "{event}");
    let failover = &scenario["failovers"][0];
    assert_eq!(
        (&failover["backend"], &failover["behind"]),
        (&json!("p1"), &json!(["b1"]))
    );
    // Half of 200 a second went that way at first; users rest for up to a second where they are refused.
    let lost = failover["lost"].as_u64().expect("it was seen");
    assert!((10..=110).contains(&lost), "{failover}");
    let returned = failover["returned_s"].as_f64().expect("it came back");
    assert!(returned < 1.0, "{failover}");
    // A direct way is none of its.
    let failed = |id: &str| {
        let mut backends = scenario["backends"].as_array().expect("backends").iter();
        backends.find(|it| it["id"] == id).expect("a row")["failed"].clone()
    };
    assert_eq!(failed("b2"), 0, "{scenario}");
}

#[test]
fn a_proxy_is_bad_from_its_start_and_again_after_an_event() {
    let start = json!({ "latency": "20ms" });
    let said = run(
        &start,
        &json!([{ "at": "1s", "fault": "p1", "latency": { "down": "100ms" }, "for": "600ms" }]),
        "200/s",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    // There and back, for most of four seconds. A machine that others use adds to either way as much as it likes: the
    // shortest trips say how much the proxy does, of which one that is under way at the event's end has one way only.
    let [slow, fast] = both(&document, "p50");
    assert!(slow >= 90_000.0 && fast >= 50_000.0, "{slow} {fast}");
    let [slow, fast] = both(&document, "min");
    assert!(
        (15_000.0..80_000.0).contains(&(slow - fast)),
        "{slow} {fast}"
    );
    let [slow, _] = both(&document, "p90");
    assert!(slow >= 150_000.0, "{slow}");
    assert!(
        document["scenarios"][0]["events"][0]
            .get("failure")
            .is_none(),
        "{document}"
    );
}

/// Our balancers give a server that is back its whole share at once, and take none out that answers.
#[test]
fn a_return_at_once_is_no_slow_start() {
    let suite = json!({
        "backends": {
            "serve": "http", "b1": {}, "b2": {}, "b3": {},
            "lb": {
                "balance": "http", "backends": ["b1", "b2", "b3"], "health_interval": "100ms", "health_timeout": "100ms",
                "health_rise": 1, "health_fall": 5,
            },
        },
        "scenarios": [{
            "name": "s",
            "load": { "open": { "rate": "1000/s", "duration": "7s" } },
            "steps": [{ "http": { "path": "/hello" } }],
            "events": [{ "at": "1500ms", "kill": "b2", "for": "1s" }],
            "expect": { "slow_start": { "over": "2s" }, "ejection": { "out": "< 5s", "healthy": "== 0" } },
            "thresholds": [],
        }],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    fs::write(&path, suite.to_string()).expect("the file is written");
    let said = say(&["run", &path.display().to_string(), "--json"]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    let scenario = &document["scenarios"][0];
    let expectations = scenario["expectations"].as_array().expect("expectations");
    let verdicts: Vec<_> = expectations
        .iter()
        .map(|it| (&it["expression"], &it["verdict"]))
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("slow_start over 2s"), &json!("fails")),
            (&json!("ejection.out < 5s"), &json!("fails")),
            (&json!("ejection.healthy == 0"), &json!("holds")),
        ],
        "{expectations:?}"
    );
    let observed = |index: usize| expectations[index]["observed"].as_str().expect("a text");
    assert!(observed(0).ends_with(" after kill b2"), "{expectations:?}");
    assert_eq!(observed(1), "no server was ejected");
    let ramp = scenario["failovers"][0]["ramp"]
        .as_array()
        .expect("it was back");
    let parts = ramp.iter().map(|it| it["part"].as_f64().expect("a part"));
    let parts: Vec<f64> = parts.collect();
    let [_, second, .., last] = parts.as_slice() else {
        panic!("{ramp:?}");
    };
    // All that it ever has again, and no less than it had.
    assert!((0.9..=1.1).contains(&(second / last)), "{ramp:?}");
    assert!(*last >= 0.9, "{ramp:?}");
    assert!(scenario.get("ejections").is_none(), "{scenario}");
}
