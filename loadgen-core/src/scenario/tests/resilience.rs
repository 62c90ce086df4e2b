//! What a scenario may ask for against failures: further attempts, and which target a call goes to.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::outcome::GrpcCode;

fn policy() -> Value {
    json!({
        "max_attempts": 3,
        "initial_backoff": "100ms",
        "max_backoff": "1s",
        "backoff_multiplier": 1.5,
        "retryable_status_codes": ["UNAVAILABLE", "ABORTED"],
    })
}

#[test]
fn what_stands_for_the_rest() {
    let plan = plan_of(&json!({
        "pick": "least_in_flight",
        "health_check": { "every": "2s" },
        "circuit_breaker": { "failures": 5, "open_for": "10s" },
    }));
    let grpc = grpc(&plan);
    assert_eq!(grpc.pick, Some(Pick::LeastInFlight));
    let check = grpc.health_check.as_deref().unwrap();
    assert_eq!(
        (check.every, check.timeout),
        (Duration::from_secs(2), Duration::from_secs(1))
    );
    assert_eq!((check.unhealthy_after, check.healthy_after), (3, 1));
    let breaker = CircuitBreaker::new(5, Duration::from_secs(10));
    assert_eq!(grpc.circuit_breaker, Some(breaker));
}

const TARGETS: [&str; 2] = ["127.0.0.1:50051", "127.0.0.1:50052"];

#[test_case(&json!({ "pick": "least_request" }), "pick: found \"least_request\", expected one of \"round_robin\", \"random\", \"least_in_flight\"; that is `least_in_flight`"; "the least as others call it")]
#[test_case(&json!({ "pick": "round_robbin" }), "pick: found \"round_robbin\", expected one of \"round_robin\", \"random\", \"least_in_flight\"; did you mean `round_robin`?"; "a slip")]
#[test_case(&json!({ "targets": TARGETS, "pick": { "weights": { "127.0.0.1:50051": 3, "127.0.0.1:50053": 1 } } }), "pick.weights: found a weight of `127.0.0.1:50053`, expected weights of this scenario's targets; did you mean `127.0.0.1:50051`?"; "a weight of nobody")]
#[test_case(&json!({ "targets": TARGETS, "pick": { "weights": { "127.0.0.1:50051": 3 } } }), "pick.weights: found no weight of 127.0.0.1:50052, expected a weight for each target, from 1 on"; "no weight")]
#[test_case(&json!({ "targets": TARGETS, "pick": { "weights": { "127.0.0.1:50051": 3, "127.0.0.1:50052": 0 } } }), "pick.weights[\"127.0.0.1:50052\"]: found 0, expected a whole number from 1 to 10000"; "a weight of 0")]
#[test_case(&json!({ "health_check": { "every": "1ms" } }), "health_check.every: found 1ms, expected at least 10ms"; "too often")]
#[test_case(&json!({ "health_check": { "service": "{{ user }}" } }), "health_check.service: found the template `{{ user }}`, expected the name of a service: nobody's iteration asks for it"; "a template")]
#[test_case(&json!({ "health_check": { "interval": "1s" } }), "health_check.interval: found an unknown field, expected a field of a check of health such as {\"every\": \"1s\"}; that is `every`"; "as others call it")]
#[test_case(&json!({ "circuit_breaker": { "failures": 0, "open_for": "1s" } }), "circuit_breaker.failures: found 0, expected a whole number from 1 to 1000000"; "no failures")]
#[test_case(&json!({ "circuit_breaker": { "failures": 5 } }), "circuit_breaker.open_for: found nothing, expected a circuit breaker such as {\"failures\": 5, \"open_for\": \"5s\"} to have this field"; "open for ever")]
#[test_case(&json!({ "connection_per": "user", "pick": "random" }), "pick: found `pick` beside `connection_per`, expected one or the other; a user's own connection goes to one target, and so do all of its calls"; "connections of users' own")]
#[test_case(&json!({ "lb_policy": "round_robin" }), "lb_policy: found an unknown field, expected a field of a scenario; which target a call goes to is `pick`"; "as gRPC calls it")]
fn wrong_choices(fields: &Value, problem: &str) {
    assert_eq!(problems_of(fields), [format!("scenarios[0].{problem}")]);
}

/// The field of the earlier layer counts, whichever of the two it is; of one layer whose connections they are.
#[test_case(&json!({ "connection_per": "user" }), &json!({ "pick": "random" }), false; "a choice over users' connections")]
#[test_case(&json!({ "connection_per": "user", "connect_rate": "5/s" }), &json!({ "health_check": {} }), false; "health over users' connections")]
#[test_case(&json!({ "pick": "random", "health_check": {} }), &json!({ "connection_per": "user" }), true; "users' connections over a choice")]
#[test_case(&json!({ "pick": "random", "connection_per": "user" }), &json!({}), true; "both in the defaults")]
#[test_case(&json!({ "pick": "random", "connection_per": "user" }), &json!({ "connections": 4 }), false; "connections that are shared")]
fn choices_and_users_connections_of_several_layers(defaults: &Value, own: &Value, has_own: bool) {
    let mut scenario = json!({
        "name": "s",
        "load": { "closed": { "users": 10, "iterations": 1000 } },
        "targets": ["127.0.0.1:50051"],
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
    });
    let fields = own.as_object().unwrap().clone();
    scenario.as_object_mut().unwrap().extend(fields);
    let suite = json!({ "defaults": defaults, "scenarios": [scenario] });
    let read = parse(&suite).unwrap();
    let grpc = grpc(&read.scenarios()[0]);
    let chooses = grpc.pick.is_some() || grpc.health_check.is_some();
    assert_eq!(
        (grpc.connection_per.is_some(), chooses),
        (has_own, !has_own)
    );
    assert!(has_own || grpc.connect_rate.is_none());
}

#[test]
fn weights_of_servers_of_the_suite() {
    let suite = json!({
        "backends": { "serve": "grpc", "b1": {} },
        "scenarios": [{
            "name": "s",
            "load": { "closed": { "users": 10, "iterations": 1000 } },
            "targets": ["backend:b1"],
            "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
            "pick": { "weights": { "backend:b1": 2 } },
        }],
    });
    let read = parse(&suite).map(|suite| grpc(&suite.scenarios()[0]).pick.clone());
    let expected = Pick::Weights(vec![("backend:b1".to_owned(), 2)]);
    assert_eq!(read.unwrap(), Some(expected));
}

/// The policy with this in it, or without what is null.
fn with(field: &str, value: &Value) -> Value {
    let mut policy = policy();
    match value {
        Value::Null => policy.as_object_mut().unwrap().remove(field),
        value => policy
            .as_object_mut()
            .unwrap()
            .insert(field.to_owned(), value.clone()),
    };
    json!({ "retry": policy })
}

#[test]
fn a_retry_policy() {
    let throttling = json!({ "max_tokens": 10, "token_ratio": 0.1 });
    let plan = plan_of(&with("throttling", &throttling));
    let mut expected = Retry::new(3, [GrpcCode::new(14), GrpcCode::new(10)]);
    expected.backoff_multiplier = 1.5;
    expected.throttling = Some(RetryThrottling::new(10, 0.1));
    assert_eq!(grpc(&plan).retry.as_deref(), Some(&expected));
}

#[test_case("max_attempts", &json!(6), "retry.max_attempts: found 6, expected a whole number from 2 to 5"; "too many attempts")]
#[test_case("max_attempts", &json!(1), "retry.max_attempts: found 1, expected a whole number from 2 to 5"; "one attempt")]
#[test_case("max_attempts", &Value::Null, "retry.max_attempts: found nothing, expected a retry policy such as {\"max_attempts\": 3, \"initial_backoff\": \"100ms\", \"max_backoff\": \"1s\", \"backoff_multiplier\": 2, \"retryable_status_codes\": [\"UNAVAILABLE\"]} to have this field"; "no attempts")]
#[test_case("initial_backoff", &json!("0s"), "retry.initial_backoff: found \"0s\", expected a duration above zero"; "no rest")]
#[test_case("max_backoff", &json!("50ms"), "retry.max_backoff: found 50ms, expected no less than the `initial_backoff` of 100ms"; "a longest rest below the first")]
#[test_case("backoff_multiplier", &json!(0), "retry.backoff_multiplier: found 0, expected a number above 0, up to 1000"; "nothing to multiply with")]
#[test_case("backoff_multiplier", &json!("2"), "retry.backoff_multiplier: found \"2\", expected a number above 0, up to 1000"; "a factor as a text")]
#[test_case("retryable_status_codes", &json!([]), "retry.retryable_status_codes: found an empty array, expected at least one status"; "no status")]
#[test_case("retryable_status_codes", &json!(["timeout"]), "retry.retryable_status_codes[0]: found \"timeout\", expected the name of a status such as \"UNAVAILABLE\"; a call that the scenario's `timeout` ends is over and is not made again; the status of a server whose own time was up is \"DEADLINE_EXCEEDED\""; "a timeout")]
#[test_case("retryable_status_codes", &json!(["UNAVAILBLE"]), "retry.retryable_status_codes[0]: found \"UNAVAILBLE\", expected the name of a status such as \"UNAVAILABLE\"; did you mean `UNAVAILABLE`?"; "a slip")]
#[test_case("retryable_status_codes", &json!(["OK"]), "retry.retryable_status_codes[0]: found \"OK\", expected a status that is no success; a call that ends with it is over"; "success")]
#[test_case("throttling", &json!({"max_tokens": 0, "token_ratio": 0.1}), "retry.throttling.max_tokens: found 0, expected a whole number from 1 to 1000"; "no tokens")]
#[test_case("throttling", &json!({"max_tokens": 10}), "retry.throttling.token_ratio: found nothing, expected throttling such as {\"max_tokens\": 10, \"token_ratio\": 0.1} to have this field"; "nothing given back")]
#[test_case("maxAttempts", &json!(3), "retry.maxAttempts: found an unknown field, expected a field of a retry policy such as {\"max_attempts\": 3, \"initial_backoff\": \"100ms\", \"max_backoff\": \"1s\", \"backoff_multiplier\": 2, \"retryable_status_codes\": [\"UNAVAILABLE\"]}; did you mean `max_attempts`?"; "as in a service config")]
fn wrong_retry_policies(field: &str, value: &Value, problem: &str) {
    let problems = problems_of(&with(field, value));
    assert_eq!(problems, [format!("scenarios[0].{problem}")]);
}

#[test]
fn hedging_is_refused_with_a_reason() {
    for fields in [
        json!({ "hedging": { "max_attempts": 3 } }),
        with("hedging", &json!({})),
    ] {
        let problems = problems_of(&fields);
        let [problem] = &*problems else {
            panic!("{problems:?}");
        };
        assert!(problem.contains("calls are not hedged"), "{problem}");
    }
}

#[test]
fn calls_of_others_are_not_made_again() {
    let websocket = json!({
        "retry": policy(),
        "steps": [{ "websocket": { "path": "/echo", "send": { "text": "a" } } }],
    });
    let problem = "scenarios[0].retry: found a field of gRPC in a WebSocket scenario, expected fields of WebSocket only";
    assert_eq!(problems_of(&websocket), [problem]);
    // What is missing in it is no problem of its own.
    let partial = json!({ "retry": { "max_attempts": 3 }, "steps": websocket["steps"] });
    assert_eq!(problems_of(&partial), [problem]);
}

#[test]
fn conditions_on_retries_take_a_policy() {
    let thresholds = json!(["retries.attempts < 10"]);
    let problem = "scenarios[0].thresholds[0]: found `retries.attempts < 10`, and no call is made again, expected `retry` beside it; calls are made again where the scenario has `retry`";
    let fields = json!({ "thresholds": thresholds });
    assert_eq!(problems_of(&fields), [problem]);
    let fields = json!({ "thresholds": thresholds, "retry": policy() });
    assert_eq!(problems_of(&fields), Vec::<String>::new());
}
