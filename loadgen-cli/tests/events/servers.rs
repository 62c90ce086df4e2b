//! What is done to servers that a run starts.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};
use test_case::test_case;

use crate::common::assert_balances;
use crate::support::{assert_no_event_failed, event, is_gone, processes, run, seconds, suite, two};

#[test]
fn a_server_is_killed_and_comes_back_where_it_was() {
    // Slow enough for several users, whose connections go to both.
    let slow = json!({ "serve": "http", "b1": { "delay": "50ms" }, "b2": { "delay": "50ms" } });
    let events = json!({ "events": [{ "at": "1s", "kill": "b2", "for": "500ms" }, { "at": "2.5s", "mark": "so far" }] });
    let (_folder, file) = suite(&slow, &events);
    let said = run(&file, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    let kill = event(&document, 0);
    assert_eq!(
        (&kill["event"], &kill["backend"]),
        (&json!("kill b2"), &json!("b2"))
    );
    let (done, ready) = (seconds(kill, "done_s"), seconds(kill, "ready_s"));
    assert!((1.0..1.3).contains(&done), "{kill}");
    assert!(ready > 1.5 && ready < 2.5, "{kill}");
    assert!(kill.get("failure").is_none(), "{kill}");
    assert_eq!(event(&document, 1)["event"], "so far");
    assert_no_event_failed(&document);
    // Both have answered, and what the dead one was owed failed.
    let backends = document["scenarios"][0]["backends"].as_array().unwrap();
    let answered = |name: &str| {
        backends
            .iter()
            .any(|it| it["id"] == name && it["completed"] != 0)
    };
    assert!(answered("b1") && answered("b2"), "{backends:?}");
    assert!(
        said.stderr.contains("b1: http server on 127.0.0.1:"),
        "{said:?}"
    );
    let processes = processes(&said.stderr);
    assert_eq!(processes.len(), 2, "{said:?}");
    assert!(processes.into_iter().all(is_gone), "{said:?}");
    // The plan that is kept can be run again.
    assert_eq!(
        document["run"]["plan"]["scenarios"][0]["targets"],
        json!(["backend:b1", "backend:b2"])
    );
}

#[test]
fn a_frozen_server_goes_on_and_others_end_as_they_like() {
    let events = json!({ "load": { "open": { "rate": "50/s", "duration": "8s" } }, "events": [
        { "at": "500ms", "freeze": "b1", "for": "500ms" },
        { "at": "500ms", "restart": "b2" },
        { "at": "4s", "drain": "b2", "for": "300ms" },
    ] });
    let (_folder, file) = suite(&two(), &events);
    let said = run(&file, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    for index in 0..3 {
        let event = event(&document, index);
        assert!(event.get("failure").is_none(), "{event}");
        let (done, ready) = (seconds(event, "done_s"), seconds(event, "ready_s"));
        let planned = seconds(event, "at_s");
        assert!(
            done >= planned && done < planned + 0.3 && ready > done,
            "{event}"
        );
    }
    let of = |said: &str| {
        let events = document["scenarios"][0]["events"].as_array().unwrap();
        let found = events.iter().find(|it| it["event"] == said);
        found.unwrap_or_else(|| panic!("{said} of {events:?}"))
    };
    let away = |event: &Value| seconds(event, "ready_s") - seconds(event, "done_s");
    let freeze = of("freeze b1");
    // However late it began, it ends when it was to.
    let until = seconds(freeze, "ready_s") - seconds(freeze, "at_s");
    assert!((0.5..0.8).contains(&until), "{freeze}");
    assert!(away(of("drain b2")) >= 0.29, "{}", of("drain b2"));
    assert!(processes(&said.stderr).into_iter().all(is_gone), "{said:?}");
}

/// It says goodbye for longer than it would take to end.
#[test]
fn a_server_that_is_drained_serves_on_as_long_as_it_is_to() {
    let backends = json!({ "serve": "http", "b1": {}, "b2": { "lame_duck": "1.5s" } });
    let scenario = json!({ "load": { "open": { "rate": "50/s", "duration": "4s" } },
        "events": [{ "at": "500ms", "restart": "b2" }] });
    let (_folder, file) = suite(&backends, &scenario);
    let said = run(&file, &[]);
    let document = said.json();
    let event = event(&document, 0);
    let away = seconds(event, "ready_s") - seconds(event, "done_s");
    assert!((1.5..3.0).contains(&away), "{event}");
}

#[test]
fn an_address_that_is_taken_is_told_before_the_load() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let backends = json!({ "serve": "http", "b1": {}, "b2": address });
    let (_folder, file) = suite(&backends, &json!({}));
    let said = run(&file, &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = format!(
        "error: failed to start the suite's server `b2`: failed to serve: {address} is already in use"
    );
    assert!(said.stderr.starts_with(&told), "{said:?}");
}

/// The shipped demonstration, shorter.
#[test]
fn the_demonstration_survives_a_server() {
    let (_folder, file) = {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("suite.json");
        let shipped = include_str!("../../../scenarios/balance.json");
        let shorter = shipped
            .replace("\"duration\": \"12s\"", "\"duration\": \"6s\"")
            .replace(
                "\"at\": \"4s\", \"kill\": \"demo2\", \"for\": \"4s\"",
                "\"at\": \"1s\", \"kill\": \"demo2\", \"for\": \"1.5s\"",
            );
        assert_ne!(shorter, shipped);
        fs::write(&path, shorter).expect("the file is written");
        (folder, path)
    };
    let said = run(&file, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    for scenario in document["scenarios"].as_array().unwrap() {
        // The server was gone for both.
        assert_eq!(scenario["events"][0]["event"], "kill demo2", "{scenario}");
        let backends = scenario["backends"].as_array().unwrap();
        let names: Vec<_> = backends
            .iter()
            .map(|it| it["id"].as_str().unwrap())
            .collect();
        for name in ["demo1", "demo2", "demo3"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
    assert!(processes(&said.stderr).into_iter().all(is_gone), "{said:?}");
}

/// What was done before a scenario's measuring began has no time in it.
#[test]
fn an_event_from_before_is_dated_as_that() {
    let (_folder, file) = suite(
        &two(),
        &json!({ "events": [{ "at": "500ms", "kill": "b2", "for": "1s" }] }),
    );
    let text = fs::read_to_string(&file).expect("it is there");
    let mut whole: Value = serde_json::from_str(&text).expect("JSON");
    let mut later = whole["scenarios"][0].clone();
    later["name"] = json!("later");
    later["events"] = json!([]);
    later["start_after"] = json!("1s");
    whole["scenarios"]
        .as_array_mut()
        .expect("scenarios")
        .push(later);
    fs::write(&file, whole.to_string()).expect("the file is written");
    let said = run(&file, &[]);
    let document = said.json();
    let of = |scenario: usize| document["scenarios"][scenario]["events"][0].clone();
    let (own, other) = (of(0), of(1));
    assert!((0.5..0.8).contains(&seconds(&own, "done_s")), "{own}");
    assert!(own.get("done_before_s").is_none(), "{own}");
    assert!(
        other.get("done_s").is_none() && other.get("at_s").is_none(),
        "{other}"
    );
    assert!(
        (0.2..=0.5).contains(&seconds(&other, "done_before_s")),
        "{other}"
    );
    let back = seconds(&own, "ready_s") - seconds(&other, "ready_s");
    assert!((back - 1.0).abs() < 0.01, "{own} {other}");
    let failover = &document["scenarios"][1]["failovers"][0];
    let why = failover["untold"].as_str().expect("it cannot be told");
    assert!(why.ends_with(" before measuring began"), "{failover}");
}

/// It answers nothing itself: those behind it are who is away, and nobody where another balancer leads to them.
#[test_case("drain", &["backend:lb"], None; "the only way is drained")]
#[test_case("kill", &["backend:lb"], None; "the only way is killed")]
#[test_case("drain", &["backend:lb", "backend:lb2"], Some("`b1`, `b2` was there all the time"); "one of two ways is drained")]
fn a_balancer_that_is_a_target_goes_away(deed: &str, targets: &[&str], untold: Option<&str>) {
    let backends = json!({
        "serve": "grpc", "b1": {}, "b2": {},
        "lb": { "balance": "http", "backends": ["b1", "b2"] },
        "lb2": { "balance": "http", "backends": ["b1", "b2"] },
    });
    let (_folder, file) = suite(
        &backends,
        &json!({
            "targets": targets,
            "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
            "load": { "open": { "rate": "100/s", "duration": "7s" } },
            "events": [{ "at": "1500ms", deed: "lb", "for": "1s" }],
            "expect": match deed {
                "drain" => json!({ "drain": { "broken": "== 0" } }),
                _ => json!({ "failover": { "lost": ">= 0" } }),
            },
        }),
    );
    let document = run(&file, &[]).json();
    let scenario = &document["scenarios"][0];
    let [failover] = scenario["failovers"].as_array().expect("one").as_slice() else {
        panic!("{scenario}");
    };
    assert_eq!(
        (&failover["backend"], &failover["behind"]),
        (&json!("lb"), &json!(["b1", "b2"]))
    );
    assert_eq!(failover["untold"].as_str(), untold, "{failover}");
    assert!(failover["lost"].is_u64(), "{failover}");
    let expected = &scenario["expectations"][0];
    assert_eq!(expected["verdict"], "holds", "{expected}");
    assert!(scenario.get("ejections").is_none(), "{scenario}");
}
