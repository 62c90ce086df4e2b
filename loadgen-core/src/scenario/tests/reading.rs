//! What valid suites mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::schedule::{
    ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, ThinkTime, UserStage, WhenBusy,
};
use crate::units::Rate;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn closed(users: u32, limit: Limit) -> Load {
    Load::closed(users).limit(limit).into()
}

fn stage(length_s: u64, from: f64, to: f64) -> RateStage {
    RateStage::new(seconds(length_s), from, to)
}

fn open(stages: Vec<RateStage>) -> OpenModel {
    Load::open_stages(stages).max_users(1000)
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let mut expected = ScenarioPlan::grpc(
        "s",
        "loadgen.v1.Greeter/Hello",
        json!({}),
        closed(10, Limit::Iterations(1000)),
    );
    assert_eq!(plan_of(&json!({})), expected);
    assert_eq!(expected.timeout, seconds(30));
    assert_eq!(expected.graceful_stop, seconds(30));
    assert_eq!(expected.connect_timeout, seconds(5));
    assert_eq!(expected.late_after, Duration::from_millis(1));
    assert_eq!(expected.thresholds[0].expression(), "error_rate < 1%");
    expected.thresholds.clear();
    assert_eq!(plan_of(&json!({ "thresholds": [] })), expected);
}

#[test_case(&json!({ "closed": { "users": 3, "iterations_per_user": 7 } }), &closed(3, Limit::IterationsPerUser(7)); "per user")]
#[test_case(&json!({ "closed": { "users": 3, "duration": "1m30s" } }), &closed(3, Limit::Duration(seconds(90))); "duration")]
#[test_case(
    &json!({ "closed": { "stages": [{ "for": "10s", "users": 5 }, { "for": "0s", "users": 9 }, { "for": "5s", "users": 0 }] } }),
    &closed(9, Limit::Stages(vec![
        UserStage::new(seconds(10), 5),
        UserStage::new(seconds(0), 9),
        UserStage::new(seconds(5), 0),
    ])); "stages of users"
)]
#[test_case(
    &json!({ "closed": { "users": 2, "iterations": 2, "think_time": "1s", "rate_limit": "30/m" } }),
    &Load::from(
        Load::closed(2)
            .iterations(2)
            .think_time(ThinkTime::Fixed(seconds(1)))
            .rate_limit(Rate::new(0.5).unwrap())
    ); "think time and rate limit"
)]
#[test_case(
    &json!({ "closed": { "users": 2, "iterations_per_user": 3, "max_duration": "90s" } }),
    &Load::from(Load::closed(2).iterations_per_user(3).max_duration(seconds(90))); "iterations or a time, whichever comes first"
)]
#[test_case(
    &json!({ "closed": { "users": 2, "iterations": 2, "think_time": { "between": ["0.5s", "2s"] } } }),
    &Load::from(
        Load::closed(2)
            .iterations(2)
            .think_time(ThinkTime::Between(Duration::from_millis(500), seconds(2)))
    ); "think time from a range"
)]
#[test_case(&json!({ "open": { "rate": "500/s", "duration": "10s" } }), &Load::Open(open(vec![stage(10, 500.0, 500.0)])); "constant rate")]
#[test_case(
    &json!({ "open": { "stages": [{ "for": "10s", "rate": "100/s" }, { "for": "5s", "rate": "100/s" }, { "for": "5s", "rate": "0/s" }] } }),
    &Load::Open(open(vec![stage(10, 0.0, 100.0), stage(5, 100.0, 100.0), stage(5, 100.0, 0.0)])); "stages of rates, from zero"
)]
#[test_case(
    &json!({ "open": { "stages": [{ "for": "0s", "rate": "100/s" }, { "for": "5s", "rate": "100/s" }, { "for": "0s", "rate": "300/s" }, { "for": "5s", "rate": "200/s" }] } }),
    &Load::Open(open(vec![stage(5, 100.0, 100.0), stage(5, 300.0, 200.0)])); "stages that jump"
)]
#[test_case(
    &json!({ "open": { "rate": "1/s", "duration": "1s", "arrivals": "poisson", "when_busy": "drop", "users": { "max": 7 } } }),
    &Load::from(
        open(vec![stage(1, 1.0, 1.0)])
            .max_users(7)
            .spacing(Spacing::Poisson)
            .when_busy(WhenBusy::Drop)
    ); "everything"
)]
fn loads(load: &Value, expected: &Load) {
    assert_eq!(&plan_of(&json!({ "load": load })).load, expected);
}

/// Each iteration must: one that may is not enough.
#[test_case(&json!(["STREAM"]), true; "a stream")]
#[test_case(&json!(["CALL", "STREAM"]), true; "after something else")]
#[test_case(&json!(["STREAM OF SOME", "CALL"]), false; "of some users")]
#[test_case(&json!([{ "repeat": { "times": 2, "steps": ["STREAM"] } }]), true; "again and again")]
#[test_case(&json!([{ "mix": [{ "steps": ["STREAM"] }, { "steps": ["CALL"] }] }]), false; "one of two")]
#[test_case(&json!([{ "mix": [{ "steps": ["STREAM"] }, { "steps": ["OTHER STREAM"] }] }]), true; "each of two")]
#[test_case(&json!(["CALL"]), false; "a call")]
fn what_lasts_as_long_as_the_load(steps: &Value, lasts: bool) {
    let mut text = steps.to_string();
    let stream = |name: &str| {
        json!({ "name": name, "grpc": {
            "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "load" } } })
    };
    let mut of_some = stream("some");
    of_some["when"] = json!("user % 10 == 0");
    for (word, step) in [
        (
            "CALL",
            json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }),
        ),
        ("STREAM", stream("one")),
        ("OTHER STREAM", stream("other")),
        ("STREAM OF SOME", of_some),
    ] {
        text = text.replace(&format!("\"{word}\""), &step.to_string());
    }
    let may_last = text.contains("load\"}");
    let steps: Value = serde_json::from_str(&text).unwrap();
    let load = json!({ "closed": { "users": 5, "duration": "1m" } });
    let plan = plan_of(&json!({ "load": load, "steps": steps }));
    assert_eq!(plan.protocol.lasts_as_load(), lasts);
    assert_eq!(plan.protocol.may_last_as_load(), may_last);
}

#[test]
fn steps_with_everything() {
    let plan = plan_of(&json!({
        "protos": ["chat.proto"],
        "metadata": { "x-team": "blue" },
        "steps": [
            { "grpc": { "method": "shop.v1.Cart/Add", "message": { "item": 1.5 } } },
            { "pause": "100ms" },
            { "name": "talk-back", "grpc": {
                "method": "shop.v1.Cart/Talk", "repeat": 20, "every": "5ms", "in_flight": 4, "match_id": "meta.id",
                "metadata": { "trace-bin": "AAEC" }, "compression": "gzip",
            } },
            { "pause": "1s" },
            { "grpc": { "health": "shop.v1.Cart", "compression": "zstd" } },
        ],
        "wait_for_ready": true,
        "thresholds": ["steps.talk-back.round_trip.p95 < 5ms", "outcomes.health.NOT_SERVING == 0"],
    }));
    assert!(grpc(&plan).wait_for_ready);
    let mut health = GrpcCall::health("shop.v1.Cart");
    health.compression = Some(Compression::Zstd);
    let mut talk = GrpcCall::new("shop.v1.Cart/Talk", json!({}));
    talk.repeat = 20;
    talk.every = Some(Duration::from_millis(5));
    talk.in_flight = 4;
    talk.match_id = Some("meta.id".to_owned());
    talk.metadata = vec![("trace-bin".to_owned(), "AAEC".into())];
    talk.compression = Some(Compression::Gzip);
    assert_eq!(
        grpc(&plan).steps,
        [
            Step::new(
                "add",
                GrpcCall::new("shop.v1.Cart/Add", json!({ "item": 1.5 }))
            ),
            Step::pause(Duration::from_millis(100)),
            Step::new("talk-back", talk),
            Step::pause(Duration::from_secs(1)),
            Step::new("health", health),
        ]
    );
    assert_eq!(
        plan.step_names().collect::<Vec<_>>(),
        ["add", "talk-back", "health"]
    );
    assert_eq!(grpc(&plan).metadata, [("x-team".to_owned(), "blue".into())]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = suite_of(&json!({
        "protos": ["api/shop.proto", "/etc/other.proto"],
        "tls": { "ca_file": "ca.pem", "server_name": "shop.example" },
        "targets": ["https://localhost:1"],
    }))
    .to_string();
    let suite = Suite::parse("x", &text, Some(Path::new("suites")), None).unwrap();
    let plan = &suite.scenarios()[0];
    assert_eq!(
        grpc(plan).protos,
        [
            PathBuf::from("suites/api/shop.proto"),
            PathBuf::from("/etc/other.proto")
        ]
    );
    assert_eq!(
        plan.tls,
        Some(Tls {
            ca_file: Some(PathBuf::from("suites/ca.pem")),
            server_name: Some("shop.example".to_owned()),
            ..Tls::default()
        })
    );
}

#[test]
fn profile_before_scenario_before_defaults() {
    let text = json!({
        "defaults": {
            "timeout": "1s",
            "warm_up": "1s",
            "connections": 1,
            "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
        },
        "profiles": { "staging": { "timeout": "3s", "targets": ["staging:1"] } },
        "scenarios": [{
            "name": "s",
            "load": { "closed": { "users": 1, "iterations": 1 } },
            "timeout": "2s",
            "warm_up": "2s",
        }],
    })
    .to_string();
    let read = |profile| {
        let suite = Suite::parse("x", &text, None, profile).unwrap();
        let plan = suite.scenarios()[0].clone();
        (
            plan.timeout,
            plan.warm_up,
            grpc(&plan).connections,
            plan.targets.len(),
        )
    };
    assert_eq!(read(None), (seconds(2), seconds(2), Some(1), 0));
    assert_eq!(read(Some("staging")), (seconds(3), seconds(2), Some(1), 1));
}

#[test]
fn the_original_configuration_works_unchanged() {
    let text = r#"{
        "grpc_scenarios": [
            { "name": "hello_high", "total_requests": 5000, "concurrency": 100, "test_type": "hello" },
            { "name": "compute", "total_requests": 10, "concurrency": 2, "test_type": "compute" },
            { "name": "echo", "total_requests": 10, "concurrency": 100, "test_type": "echo" },
            { "name": "stream", "total_requests": 10, "concurrency": 10, "test_type": "stream" }
        ],
        "websocket_scenarios": [
            { "name": "echo_stress", "total_connections": 500, "messages_per_conn": 50, "test_type": "echo" }
        ]
    }"#;
    let suite = Suite::parse("test-config.json", text, None, None).unwrap();
    let mut expected = ScenarioPlan::grpc(
        "hello_high",
        "loadgen.v1.Greeter/Hello",
        json!({ "name": "world" }),
        closed(100, Limit::Iterations(5000)),
    );
    assert_eq!(suite.scenarios()[0], expected);
    expected.name = "echo".to_owned();
    expected.load = closed(10, Limit::Iterations(10));
    let echo = &suite.scenarios()[2];
    assert_eq!(echo.load, expected.load, "no more users than requests");
    let methods: Vec<_> = suite.scenarios()[..4]
        .iter()
        .map(|plan| grpc(plan).steps[0].spoken().unwrap().method.as_str())
        .collect();
    assert_eq!(
        methods,
        ["Hello", "Compute", "Echo", "Stream"].map(|name| format!("loadgen.v1.Greeter/{name}"))
    );
    let message = Payload::Sized {
        bytes: 64,
        text: true,
    };
    let expected = ScenarioPlan::websocket(
        "echo_stress",
        WebsocketExchange::send("/echo", message),
        closed(500, Limit::IterationsPerUser(50)),
    );
    assert_eq!(suite.scenarios()[4..], [expected]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let text = format!("\u{feff}{}", suite_of(&json!({})));
    assert!(Suite::parse("x", &text, None, None).is_ok());
}

#[test]
fn numbers_in_messages_are_kept_as_written() {
    let written = r#"{"a":0.1234567890123456789,"b":[18446744073709551615,-1,-0,1.10],"c":1E5,"d":123456789012345678901234567890,"e":"1E5","f\"7":1e+05,"g":7e999}"#;
    let text = suite_of(&json!({})).to_string().replace(
        r#""loadgen.v1.Greeter/Hello""#,
        &format!(r#""loadgen.v1.Greeter/Hello", "message": {written}"#),
    );
    let suite = Suite::parse("x", &text, None, None).unwrap();
    let call = grpc(&suite.scenarios()[0]).steps[0].spoken().unwrap();
    assert_eq!(call.message.to_string(), written);
    // And they are printed so, and read again.
    let printed = to_json(suite.scenarios()).to_string();
    assert!(printed.contains(written), "{printed}");
    let again = Suite::parse("x", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), suite.scenarios());
}

/// A field with the name under which the parser hands over numbers is not taken for one, which would
/// shift those that come after it.
#[test]
fn a_field_with_the_parsers_own_name_for_numbers_is_refused() {
    for name in [
        "$serde_json::private::Number",
        r"\u0024serde_json::private::Number",
    ] {
        for value in [r#""7""#, r#""\u0037""#] {
            let written = format!(r#"{{"a":{{"{name}":{value}}},"b":7,"c":1E5}}"#);
            let text = suite_of(&json!({})).to_string().replace(
                r#""loadgen.v1.Greeter/Hello""#,
                &format!(r#""loadgen.v1.Greeter/Hello", "message": {written}"#),
            );
            let error = Suite::parse("x", &text, None, None).unwrap_err();
            let SuiteError::Syntax { message, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(
                message,
                "no field can have the name `$serde_json::private::Number`"
            );
        }
    }
}

fn of(suite: &Suite, protocol: Protocol) -> Vec<ScenarioPlan> {
    let spoken = suite.scenarios().iter();
    spoken
        .filter(|plan| plan.protocol() == protocol)
        .cloned()
        .collect()
}

#[test]
fn the_shipped_suite_of_grpc() {
    let mut plans = of(&shipped(), Protocol::Grpc);
    plans.retain(|plan| plan.for_each.is_empty());
    let sized: Vec<_> = plans
        .iter()
        .map(|plan| match &plan.load {
            Load::Closed(ClosedModel {
                users,
                limit: Limit::Iterations(iterations),
                ..
            }) => (
                plan.name.as_str(),
                *iterations,
                *users,
                plan.step_names().count(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let mut expected = Vec::new();
    for kind in ["hello", "compute", "echo", "stream"] {
        for (size, iterations, users) in [
            ("light", 500, 25),
            ("medium", 2500, 75),
            ("high", 5000, 100),
        ] {
            expected.push((format!("{kind}_{size}"), iterations, users, 1));
        }
    }
    expected.push(("stress_all".to_owned(), 5000, 200, 4));
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, iterations, users, steps)| (name.as_str(), *iterations, *users, *steps))
        .collect();
    assert_eq!(sized, expected);
}

#[test]
fn the_shipped_suite_of_what_is_routed() {
    let plan = shipped().select(&["version_routing"], None).unwrap();
    let names: Vec<&str> = plan.scenarios.iter().map(|it| it.name.as_str()).collect();
    let versions = ["v1.1", "v1.2", "v2.1", "v2.2"];
    assert_eq!(names, versions.map(|it| format!("version_routing-{it}")));
    for (plan, version) in plan.scenarios.iter().zip(versions) {
        assert_eq!(plan.tags["version"], version);
        let servers = plan.expect.routes[0].servers(version).map(|it| it.as_str());
        assert_eq!(servers, Some(if version < "v2" { "v1*" } else { "v2*" }));
        assert_eq!(plan.load.max_users(), 3);
        assert_eq!(grpc(plan).connection_per, Some(ConnectionPer::User));
    }
}

#[test]
fn the_shipped_suite_of_websocket() {
    let plans = of(&shipped(), Protocol::Websocket);
    let sized: Vec<_> = plans
        .iter()
        .filter_map(|plan| match &plan.load {
            Load::Closed(ClosedModel {
                users,
                limit: Limit::IterationsPerUser(each),
                ..
            }) => Some((plan.name.clone(), *users, *each)),
            _ => None,
        })
        .collect();
    let mut expected = Vec::new();
    for kind in ["echo", "compute", "stream", "ping"] {
        for (size, users, each) in [("light", 50, 20), ("medium", 200, 50), ("high", 1000, 50)] {
            expected.push((format!("{kind}_{size}"), users, each));
        }
        if kind == "echo" {
            expected.push(("echo_stress".to_owned(), 500, 50));
        }
    }
    assert_eq!(sized, expected);
    let [endurance, stress, demo] = &plans[sized.len()..] else {
        panic!("three more");
    };
    assert!(demo.target_backends.iter().eq(["demo-tcp"]));
    assert_eq!(endurance.name, "connection_endurance");
    assert_eq!(endurance.step_names().collect::<Vec<_>>(), ["echo", "ping"]);
    let mut steps = websocket(endurance).steps.iter();
    assert!(steps.all(|step| step.spoken().unwrap().path == "/echo"));
    assert_eq!(stress.name, "stress_all");
    assert_eq!(
        stress.step_names().collect::<Vec<_>>(),
        ["echo", "compute", "stream", "ping"]
    );
    assert_eq!(stress.load, closed(200, Limit::Iterations(5000)));
}

#[test]
fn the_shipped_suite_of_http() {
    let mut told = told(&shipped(), Protocol::Http);
    let mut expected = Vec::new();
    for kind in ["hello", "compute", "echo", "stream"] {
        for (size, iterations, users) in [
            ("light", 500, 25),
            ("medium", 2500, 75),
            ("high", 5000, 100),
        ] {
            let load = closed(users, Limit::Iterations(iterations));
            expected.push((format!("http_{kind}_{size}"), load, kind.to_owned()));
        }
    }
    let load = closed(200, Limit::Iterations(5000));
    let all = "hello compute echo stream".to_owned();
    expected.push(("http_stress_all".to_owned(), load, all));
    assert_eq!(told.pop().unwrap().0, "balance_demo");
    assert_eq!(told, expected);
}

#[test]
fn the_shipped_suite_of_tcp() {
    let shipped = shipped();
    let mut expected = Vec::new();
    for (kind, step) in [
        ("echo", "echo"),
        ("pipeline", "pipeline"),
        ("connect", "echo"),
    ] {
        for (size, users, each) in [("light", 50, 20), ("medium", 200, 50), ("high", 1000, 50)] {
            let load = closed(users, Limit::IterationsPerUser(each));
            expected.push((format!("tcp_{kind}_{size}"), load, step.to_owned()));
        }
    }
    let load = closed(200, Limit::Iterations(5000));
    expected.push((
        "tcp_stress_all".to_owned(),
        load,
        "echo pipeline".to_owned(),
    ));
    assert_eq!(told(&shipped, Protocol::Tcp), expected);
    for plan in of(&shipped, Protocol::Tcp) {
        let ProtocolPlan::Tcp(tcp) = &plan.protocol else {
            panic!("it speaks TCP");
        };
        let per_iteration = tcp.connection_per == ConnectionPer::Iteration;
        assert_eq!(per_iteration, plan.name.starts_with("tcp_connect_"));
    }
}

/// Names, loads, and the steps' names.
fn told(suite: &Suite, protocol: Protocol) -> Vec<(String, Load, String)> {
    let plans = of(suite, protocol).into_iter().map(|plan| {
        let steps: Vec<_> = plan.step_names().map(str::to_owned).collect();
        (plan.name, plan.load, steps.join(" "))
    });
    plans.collect()
}

#[test]
fn shipped_scenarios_name_no_targets_and_one_threshold() {
    for plan in shipped().scenarios() {
        assert!(plan.targets.is_empty());
        assert!(plan.description.is_some());
        let thresholds: Vec<_> = plan.thresholds.iter().map(|t| t.expression()).collect();
        assert_eq!(thresholds, ["error_rate < 1%"]);
    }
}

#[test]
fn the_shipped_and_the_compact_form_send_the_same() {
    let compact = parse(&json!({ "grpc_scenarios": [
        { "name": "hello_high", "total_requests": 5000, "concurrency": 100, "test_type": "hello" },
        { "name": "compute_high", "total_requests": 5000, "concurrency": 100, "test_type": "compute" },
        { "name": "echo_high", "total_requests": 5000, "concurrency": 100, "test_type": "echo" },
        { "name": "stream_high", "total_requests": 5000, "concurrency": 100, "test_type": "stream" },
    ], "websocket_scenarios": [
        { "name": "echo_stress", "total_connections": 500, "messages_per_conn": 50, "test_type": "echo" },
        { "name": "compute_high", "total_connections": 1000, "messages_per_conn": 50, "test_type": "compute" },
        { "name": "stream_high", "total_connections": 1000, "messages_per_conn": 50, "test_type": "stream" },
        { "name": "ping_high", "total_connections": 1000, "messages_per_conn": 50, "test_type": "ping" },
    ] }))
    .unwrap();
    let shipped = shipped();
    for plan in compact.scenarios() {
        let same = shipped
            .scenarios()
            .iter()
            .find(|other| other.name == plan.name && other.protocol() == plan.protocol())
            .unwrap();
        assert_eq!((&plan.load, &plan.protocol), (&same.load, &same.protocol));
    }
}

#[test_case("Hello" => "hello")]
#[test_case("PlaceOrder" => "place_order")]
#[test_case("GetHTTPInfoV2" => "get_http_info_v2")]
#[test_case("already_so" => "already_so")]
#[test_case("_Wait_" => "wait")]
#[test_case("Grüße" => "call"; "what is no name of a step")]
#[test_case(&"H".repeat(101) => "call"; "too long for one")]
fn a_step_is_called_after_its_method(method: &str) -> String {
    GrpcCall::new(format!("a.B/{method}"), json!({})).short_name()
}
