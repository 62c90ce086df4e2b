//! What flags change.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::schedule::{Limit, Load};
use crate::units::Rate;

fn rate(per_second: f64) -> Option<Rate> {
    Some(Rate::new(per_second).unwrap())
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// The load in the full form, and the notices.
fn change(load: &Value, overrides: &Overrides) -> (Value, Vec<String>) {
    let plan = plan_of(&json!({ "load": load }));
    let (changed, notices) = plan.with_overrides(overrides).unwrap();
    (to_json(&[changed])["scenarios"][0]["load"].clone(), notices)
}

fn refusal(load: &Value, overrides: &Overrides) -> String {
    let plan = plan_of(&json!({ "load": load }));
    plan.with_overrides(overrides).unwrap_err().to_string()
}

fn counted() -> Value {
    json!({ "closed": { "users": 10, "iterations": 1000 } })
}

fn bounded() -> Value {
    json!({ "closed": { "users": 10, "iterations": 1000, "max_duration": "1m" } })
}

fn open() -> Value {
    json!({ "open": { "rate": "100/s", "duration": "10s", "arrivals": "uniform", "users": { "max": 50 }, "when_busy": "queue" } })
}

fn user_stages() -> Value {
    json!({ "closed": { "stages": [{ "for": "10s", "users": 5 }, { "for": "30s", "users": 20 }] } })
}

fn rate_stages() -> Value {
    json!({ "open": { "stages": [{ "for": "10s", "rate": "100/s" }, { "for": "30s", "rate": "100/s" }] } })
}

#[test]
fn nothing_changes_nothing() {
    for load in [counted(), open()] {
        assert_eq!(change(&load, &Overrides::default()), (load, Vec::new()));
    }
}

#[test_case(&counted(), &Overrides { requests: Some(50), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "iterations": 50 } }), &[]; "requests")]
#[test_case(&counted(), &Overrides { requests: Some(5), ..Overrides::default() },
    &json!({ "closed": { "users": 5, "iterations": 5 } }),
    &["s: --requests 5 leaves work for 5 of the 10 users, so there are 5"]; "fewer requests than users")]
#[test_case(&counted(), &Overrides { concurrency: Some(20), ..Overrides::default() },
    &json!({ "closed": { "users": 20, "iterations": 1000 } }), &[]; "concurrency")]
#[test_case(&counted(), &Overrides { duration: seconds(30), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "duration": "30s" } }),
    &["s: --duration 30s replaces 1000 iterations"]; "duration for iterations")]
#[test_case(&json!({ "closed": { "users": 10, "duration": "5s" } }), &Overrides { duration: seconds(30), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "duration": "30s" } }), &[]; "duration for duration")]
#[test_case(&json!({ "closed": { "users": 10, "duration": "5s", "think_time": "1s" } }), &Overrides { requests: Some(100), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "iterations": 100, "think_time": "1s" } }),
    &["s: --requests 100 replaces a duration of 5s"]; "requests for duration")]
#[test_case(&json!({ "closed": { "users": 10, "iterations_per_user": 5 } }), &Overrides { requests: Some(100), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "iterations": 100 } }),
    &["s: --requests 100 replaces 5 iterations for each user"]; "requests for iterations of each user")]
#[test_case(&user_stages(), &Overrides { concurrency: Some(7), ..Overrides::default() },
    &json!({ "closed": { "users": 7, "duration": "40s" } }),
    &["s: --concurrency 7 replaces the stages with 7 users for 40s"]; "concurrency for stages")]
#[test_case(&user_stages(), &Overrides { duration: seconds(20), ..Overrides::default() },
    &json!({ "closed": { "stages": [{ "for": "5s", "users": 5 }, { "for": "15s", "users": 20 }] } }),
    &["s: --duration 20s stretches the stages to 20s in all"]; "duration of stages of users")]
#[test_case(&counted(), &Overrides { rate: rate(100.0), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "10s", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &["s: --rate 100/s turns the closed load (10 users, 1000 iterations) into an open one of 100/s for 10s with at most 10 users"]; "rate for iterations")]
#[test_case(&json!({ "closed": { "users": 10, "iterations_per_user": 100, "think_time": "1s", "rate_limit": "5/s" } }),
    &Overrides { rate: rate(100.0), concurrency: Some(70), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "10s", "arrivals": "uniform", "users": { "max": 70 }, "when_busy": "queue" } }),
    &[
        "s: --rate 100/s turns the closed load (10 users, 100 iterations for each user) into an open one of 100/s for 10s with at most 70 users",
        "s: --rate 100/s takes the place of `think_time`, which an open load does not have",
        "s: --rate 100/s takes the place of `rate_limit`, which an open load does not have",
    ]; "rate for think time and rate limit")]
#[test_case(&counted(), &Overrides { rate: rate(100.0), duration: seconds(3), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "3s", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &["s: --rate 100/s turns the closed load (10 users, 1000 iterations) into an open one of 100/s for 3s with at most 10 users"]; "rate and duration for iterations")]
#[test_case(&user_stages(), &Overrides { rate: rate(100.0), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "40s", "arrivals": "uniform", "users": { "max": 20 }, "when_busy": "queue" } }),
    &["s: --rate 100/s turns the closed load (its stages of users, the stages) into an open one of 100/s for 40s with at most 20 users"]; "rate for stages of users")]
#[test_case(&open(), &Overrides { rate: rate(200.0), concurrency: Some(60), ..Overrides::default() },
    &json!({ "open": { "rate": "200/s", "duration": "10s", "arrivals": "uniform", "users": { "max": 60 }, "when_busy": "queue" } }), &[]; "rate for rate")]
#[test_case(&open(), &Overrides { requests: Some(500), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "5s", "arrivals": "uniform", "users": { "max": 50 }, "when_busy": "queue" } }), &[]; "requests at a rate")]
#[test_case(&open(), &Overrides { rate: rate(1000.0), requests: Some(500), ..Overrides::default() },
    &json!({ "open": { "rate": "1000/s", "duration": "500ms", "arrivals": "uniform", "users": { "max": 50 }, "when_busy": "queue" } }), &[]; "rate and requests")]
#[test_case(&rate_stages(), &Overrides { duration: seconds(4), ..Overrides::default() },
    &json!({ "open": { "stages": [{ "for": "1s", "rate": "100/s" }, { "for": "3s", "rate": "100/s" }], "arrivals": "uniform", "users": { "max": 1000 }, "when_busy": "queue" } }),
    &["s: --duration 4s stretches the stages to 4s in all"]; "duration of stages of rates")]
#[test_case(&rate_stages(), &Overrides { requests: Some(7000), ..Overrides::default() },
    &json!({ "open": { "stages": [{ "for": "20s", "rate": "100/s" }, { "for": "1m", "rate": "100/s" }], "arrivals": "uniform", "users": { "max": 1000 }, "when_busy": "queue" } }),
    &["s: --requests 7000 stretches the stages to 1m20s in all"]; "requests of stages of rates")]
#[test_case(&rate_stages(), &Overrides { rate: rate(5.0), ..Overrides::default() },
    &json!({ "open": { "rate": "5/s", "duration": "40s", "arrivals": "uniform", "users": { "max": 1000 }, "when_busy": "queue" } }),
    &["s: --rate 5/s replaces the stages with 5/s for 40s"]; "rate for stages of rates")]
#[test_case(&counted(), &Overrides { requests: Some(10_000), concurrency: Some(200), duration: seconds(300), ..Overrides::default() },
    &json!({ "closed": { "users": 200, "iterations": 10_000, "max_duration": "5m" } }),
    &["s: --requests 10000 and --duration 5m replace 1000 iterations: whichever comes first ends the load"]; "requests and duration")]
#[test_case(&user_stages(), &Overrides { requests: Some(100), duration: seconds(5), ..Overrides::default() },
    &json!({ "closed": { "users": 20, "iterations": 100, "max_duration": "5s" } }),
    &["s: --requests 100 and --duration 5s replace the stages: whichever comes first ends the load"]; "requests and duration for stages of users")]
#[test_case(&bounded(), &Overrides { requests: Some(500), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "iterations": 500, "max_duration": "1m" } }), &[]; "requests leave the end in time")]
#[test_case(&bounded(), &Overrides { duration: seconds(5), ..Overrides::default() },
    &json!({ "closed": { "users": 10, "duration": "5s" } }),
    &["s: --duration 5s replaces 1000 iterations within 1m"]; "duration for iterations and an end in time")]
#[test_case(&bounded(), &Overrides { rate: rate(10.0), ..Overrides::default() },
    &json!({ "open": { "rate": "10/s", "duration": "1m", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &["s: --rate 10/s turns the closed load (10 users, 1000 iterations within 1m) into an open one of 10/s for 1m with at most 10 users"]; "a rate that the end in time is too short for")]
#[test_case(&bounded(), &Overrides { rate: rate(0.000_001), ..Overrides::default() },
    &json!({ "open": { "rate": "0.000001/s", "duration": "1m", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &["s: --rate 0.000001/s turns the closed load (10 users, 1000 iterations within 1m) into an open one of 0.000001/s for 1m with at most 10 users"]; "a rate that would take years")]
#[test_case(&bounded(), &Overrides { rate: rate(1000.0), ..Overrides::default() },
    &json!({ "open": { "rate": "1000/s", "duration": "1s", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &["s: --rate 1000/s turns the closed load (10 users, 1000 iterations within 1m) into an open one of 1000/s for 1s with at most 10 users"]; "a rate that the end in time is long enough for")]
#[test_case(&counted(), &Overrides { requests: Some(500), duration: seconds(30), rate: rate(100.0), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "5s", "arrivals": "uniform", "users": { "max": 10 }, "when_busy": "queue" } }),
    &[
        "s: --requests 500 ends the load before --duration 30s does",
        "s: --rate 100/s turns the closed load (10 users, 1000 iterations) into an open one of 100/s for 5s with at most 10 users",
    ]; "rate, requests and duration, requests first")]
#[test_case(&open(), &Overrides { requests: Some(5000), duration: seconds(30), ..Overrides::default() },
    &json!({ "open": { "rate": "100/s", "duration": "30s", "arrivals": "uniform", "users": { "max": 50 }, "when_busy": "queue" } }),
    &["s: --duration 30s ends the load before --requests 5000 does"]; "requests and duration at a rate, duration first")]
#[test_case(&open(), &Overrides { requests: Some(1_000_000_000), duration: seconds(30), rate: rate(1.0), ..Overrides::default() },
    &json!({ "open": { "rate": "1/s", "duration": "30s", "arrivals": "uniform", "users": { "max": 50 }, "when_busy": "queue" } }),
    &["s: --duration 30s ends the load before --requests 1000000000 does"]; "requests that would take years")]
#[test_case(&rate_stages(), &Overrides { requests: Some(7000), duration: seconds(4), ..Overrides::default() },
    &json!({ "open": { "stages": [{ "for": "1s", "rate": "100/s" }, { "for": "3s", "rate": "100/s" }], "arrivals": "uniform", "users": { "max": 1000 }, "when_busy": "queue" } }),
    &[
        "s: --duration 4s ends the load before --requests 7000 does",
        "s: --duration 4s stretches the stages to 4s in all",
    ]; "requests and duration of stages of rates")]
fn replaces(load: &Value, overrides: &Overrides, expected: &Value, notices: &[&str]) {
    let (changed, told) = change(load, overrides);
    assert_eq!(&changed, expected);
    assert_eq!(told, notices);
}

#[test_case(&counted(), &Overrides { requests: Some(5), concurrency: Some(6), ..Overrides::default() }
    => "--requests and --concurrency contradict one another: 5 iterations are too few for 6 users"; "more users than requests")]
#[test_case(&counted(), &Overrides { concurrency: Some(2000), ..Overrides::default() }
    => "--concurrency is 2000; expected at most the scenario's 1000 iterations, or more --requests"; "more users than iterations")]
#[test_case(&counted(), &Overrides { requests: Some(0), ..Overrides::default() }
    => "--requests is 0; expected a whole number from 1 to 1000000000000000"; "no requests")]
#[test_case(&counted(), &Overrides { concurrency: Some(0), ..Overrides::default() }
    => "--concurrency is 0; expected a whole number from 1 to 1000000"; "no users")]
#[test_case(&counted(), &Overrides { connections: Some(70_000), ..Overrides::default() }
    => "--connections is 70000; expected a whole number from 1 to 65535"; "too many connections")]
#[test_case(&counted(), &Overrides { duration: seconds(0), ..Overrides::default() }
    => "--duration is 0s; expected a duration above zero, at most 30 days"; "no time")]
#[test_case(&counted(), &Overrides { timeout: seconds(2_592_001), ..Overrides::default() }
    => "--timeout is 720h1s; expected a duration above zero, at most 30 days"; "a long timeout")]
#[test_case(&counted(), &Overrides { rate: rate(0.000_001), ..Overrides::default() }
    => "1000 iterations at 0.000001/s take more than 30 days"; "slower than a month")]
fn refuses(load: &Value, overrides: &Overrides) -> String {
    refusal(load, overrides)
}

#[test]
fn what_is_not_the_load() {
    let plan = plan_of(&json!({ "targets": ["a:1"], "timeout": "1s" }));
    let overrides = Overrides {
        connections: Some(3),
        timeout: seconds(9),
        targets: vec!["b:2".parse().unwrap()],
        ..Overrides::default()
    };
    let (changed, notices) = plan.with_overrides(&overrides).unwrap();
    assert_eq!(grpc(&changed).connections, Some(3));
    assert_eq!(changed.timeout, Duration::from_secs(9));
    assert_eq!(changed.targets, overrides.targets);
    assert_eq!(notices, [""; 0]);
}

#[test]
fn an_open_load_lasts_exactly_for_its_requests() {
    for (requests, per_second) in [
        (1, 3.0),
        (1000, 300.0),
        (5000, 500.0),
        (7, 0.3),
        (999_983, 12_345.678),
    ] {
        let overrides = Overrides {
            requests: Some(requests),
            rate: rate(per_second),
            ..Overrides::default()
        };
        let plan = plan_of(&json!({ "load": { "closed": { "users": 1, "iterations": 1000 } } }));
        let (changed, _) = plan.with_overrides(&overrides).unwrap();
        let Load::Open(model) = changed.load else {
            panic!("--rate makes it open")
        };
        // Arrival i is due at i / rate: the first is at 0, the last before the end.
        let end = model.stages[0].duration.as_secs_f64();
        assert!((requests - 1) as f64 / per_second < end);
        assert!(requests as f64 / per_second >= end - 1e-9);
    }
}

#[test]
fn users_of_a_changed_plan_fit_its_limit() {
    let plan = plan_of(&json!({ "load": counted() }));
    let overrides = Overrides {
        requests: Some(3),
        ..Overrides::default()
    };
    let (changed, _) = plan.with_overrides(&overrides).unwrap();
    match changed.load {
        Load::Closed(model) => assert_eq!((model.users, model.limit), (3, Limit::Iterations(3))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_built_in_code_is_checked_like_a_file() {
    let mut plan = plan_of(&json!({}));
    plan.name = "no good".to_owned();
    plan.thresholds = vec!["steps.bye.error_rate < 1%".parse().unwrap()];
    let error = plan.checked().unwrap_err();
    let paths: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(paths, ["scenarios[0].name", "scenarios[0].thresholds[0]"]);
}

#[test]
fn a_websocket_scenario_is_overridden_alike() {
    let plan = plan_of(&json!({ "steps": [{ "websocket": { "ping": true } }] }));
    let overrides = Overrides {
        requests: Some(50),
        timeout: seconds(3),
        connections: Some(4),
        ..Overrides::default()
    };
    let (changed, notices) = plan.with_overrides(&overrides).unwrap();
    assert_eq!(changed.protocol, plan.protocol);
    assert_eq!(changed.timeout, Duration::from_secs(3));
    assert!(matches!(&changed.load, Load::Closed(model) if model.limit == Limit::Iterations(50)));
    assert_eq!(
        notices,
        ["s: --connections 4 is for gRPC; a WebSocket user has a connection of its own"]
    );
}

#[test]
fn a_timeout_too_short_to_listen_is_refused() {
    let plan = plan_of(&json!({ "steps": [{ "websocket": { "stream": { "for": "5s" } } }] }));
    let overrides = Overrides {
        timeout: seconds(3),
        ..Overrides::default()
    };
    let error = plan.with_overrides(&overrides).unwrap_err().to_string();
    assert!(error.contains("less than the `timeout` of 3s"), "{error}");
}

/// It says which flag it was, and not what the file has of streams.
#[test_case(None => "--requests 10 gives its load no end in time, and its streams last as long as that; expected --duration, beside it or in its place")]
#[test_case(seconds(3) => ""; "beside a duration")]
fn iterations_that_last_as_the_load_do_not_end_it(duration: Option<Duration>) -> String {
    let plan = plan_of(&json!({
        "load": { "closed": { "users": 3, "duration": "20s" } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "load" } } }],
    }));
    let overrides = Overrides {
        requests: Some(10),
        duration,
        ..Overrides::default()
    };
    let changed = plan.with_overrides(&overrides);
    changed.err().map_or_else(String::new, |it| it.to_string())
}
