//! Fault proxies of a suite, and what events have go wrong at them.

mod common;

use std::fs;

use common::{Said, assert_balances, say};
use serde_json::{Value, json};

/// Runs two servers, of which the first stands behind a proxy, and requests to both for 3 s.
fn run(proxy: &Value, events: &Value) -> Said {
    let mut behind = json!({ "serve": "proxy", "to": "b1" });
    if !proxy.is_null() {
        behind["faults"] = proxy.clone();
    }
    let suite = json!({
        "backends": { "serve": "http", "b1": {}, "b2": {}, "p1": behind },
        "scenarios": [{
            "name": "s",
            "load": { "open": { "rate": "200/s", "duration": "3s" } },
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

fn p50_of(document: &Value, backend: &str) -> f64 {
    let backends = document["scenarios"][0]["backends"]
        .as_array()
        .expect("backends");
    let row = backends
        .iter()
        .find(|it| it["id"] == backend)
        .expect("it answered");
    row["response_time_us"]["p50"].as_f64().expect("a median")
}

#[test]
fn what_goes_wrong_at_a_proxy_is_a_failover_of_who_is_behind_it() {
    let events =
        json!([{ "at": "1s", "fault": "p1", "refuse": true, "reset_open": "100%", "for": "1s" }]);
    let said = run(&Value::Null, &events);
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
        &json!([{ "at": "1s", "fault": "p1", "latency": { "down": "100ms" }, "for": "1s" }]),
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    // There and back, for two of three seconds.
    let (slow, fast) = (p50_of(&document, "b1"), p50_of(&document, "b2"));
    assert!(slow >= 40_000.0 && slow < 100_000.0, "{slow}");
    assert!(fast < 20_000.0, "{fast}");
    let backends = document["scenarios"][0]["backends"]
        .as_array()
        .expect("backends");
    let behind = backends
        .iter()
        .find(|it| it["id"] == "b1")
        .expect("it answered");
    let p90 = behind["response_time_us"]["p90"]
        .as_f64()
        .expect("a percentile");
    assert!((100_000.0..140_000.0).contains(&p90), "{behind}");
    assert!(
        document["scenarios"][0]["events"][0]
            .get("failure")
            .is_none(),
        "{document}"
    );
}
