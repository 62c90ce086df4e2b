//! Steps that go elsewhere: what they mean, and what invalid ones are told.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;

/// Fields of a gRPC scenario whose users log in over HTTP, with this said of where that is.
fn logs_in(elsewhere: &Value) -> Value {
    let mut fields = json!({ "begin": [{ "name": "login", "http": { "path": "/login" } }] });
    if !elsewhere.is_null() {
        fields["elsewhere"] = elsewhere.clone();
    }
    fields
}

fn read_again(plan: &ScenarioPlan) {
    let printed = parse(&to_json(std::slice::from_ref(plan))).unwrap();
    assert_eq!(printed.scenarios(), std::slice::from_ref(plan));
    assert_eq!(plan.clone().checked().as_ref(), Ok(plan));
}

#[test]
fn what_speaks_another_protocol_goes_elsewhere() {
    let plan = plan_of(&logs_in(&Value::Null));
    let Spoken::Http(request) = grpc(&plan).begin[0].spoken_elsewhere().unwrap() else {
        panic!("not HTTP: {plan:?}");
    };
    assert_eq!(request.path, "/login");
    let servers = plan.elsewhere(Protocol::Http).unwrap();
    assert_eq!(*servers, Elsewhere::new(HttpPlan::default()));
    assert!(plan.step_names().eq(["login", "hello"]));
    read_again(&plan);
}

#[test]
fn servers_elsewhere_have_what_a_scenario_of_their_protocol_has() {
    let plan = plan_of(&logs_in(&json!({ "http": {
        "targets": ["https://auth.example"],
        "connection_per": "iteration",
        "connect_timeout": "1s",
        "max_message": "64KiB",
        "authority": "login.example",
        "tls": { "ca_file": "ca.pem" },
        "headers": { "x-app": "shop", "x-key": { "env": "KEY" } },
        "cookies": true,
        "redirects": 3,
    } })));
    let [guest] = &plan.guests()[..] else {
        panic!("one guest");
    };
    assert_eq!(guest.targets, ["https://auth.example".parse().unwrap()]);
    assert_eq!(
        (guest.connect_timeout, guest.max_message),
        (Duration::from_secs(1), 65_536)
    );
    assert_eq!(guest.authority.as_deref(), Some("login.example"));
    assert_eq!(
        guest.tls.as_ref().unwrap().ca_file.as_deref(),
        Some(Path::new("ca.pem"))
    );
    let ProtocolPlan::Http(http) = &guest.protocol else {
        panic!("not HTTP: {guest:?}");
    };
    assert_eq!(http.connection_per, ConnectionPer::Iteration);
    assert_eq!(
        (http.cookies, http.redirects, http.headers.len()),
        (true, 3, 2)
    );
    assert_eq!((http.begin.len(), http.steps.len()), (1, 0));
    read_again(&plan);
}

#[test]
fn http_2_may_be_spoken_elsewhere() {
    let plan = plan_of(&logs_in(
        &json!({ "http": { "http_version": "2", "connections": 4 } }),
    ));
    let servers = plan.elsewhere(Protocol::Http).unwrap();
    let ProtocolPlan::Http(http) = &servers.protocol else {
        panic!("not HTTP: {servers:?}");
    };
    assert_eq!(
        (http.version, http.connections),
        (HttpVersion::Http2, Some(4))
    );
    read_again(&plan);
}

/// With nothing said of its own protocol, a step goes where the scenario goes.
#[test]
fn the_same_protocol_goes_elsewhere_where_that_is_said() {
    let fields = |elsewhere: Value| {
        json!({
            "begin": [{ "name": "login", "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
            "elsewhere": elsewhere,
        })
    };
    let plan = plan_of(&fields(json!({})));
    assert!(grpc(&plan).begin[0].spoken().is_some());
    assert_eq!(plan.elsewhere, []);
    let plan = plan_of(&fields(json!({ "grpc": { "targets": ["auth:1"] } })));
    assert!(grpc(&plan).begin[0].spoken_elsewhere().is_some());
    assert_eq!(plan.elsewhere.len(), 1);
    read_again(&plan);
}

#[test]
fn they_may_be_grouped() {
    let plan = plan_of(&json!({ "end": [{ "repeat": { "times": 2, "steps": [
        { "mix": [{ "steps": [{ "name": "bye", "tcp": { "send": { "text": "QUIT" } }, "when": "user > 1" }] }] },
    ] } }] }));
    let [guest] = &plan.guests()[..] else {
        panic!("one guest");
    };
    let ProtocolPlan::Tcp(tcp) = &guest.protocol else {
        panic!("not TCP: {guest:?}");
    };
    assert_eq!(tcp.end.len(), 1);
    assert_eq!(tcp.end[0].when, None, "that is the host's to look at");
    read_again(&plan);
}

/// Those that defaults have are for whatever scenario they fit.
#[test]
fn defaults_may_say_where() {
    let mut suite = suite_of(&logs_in(&Value::Null));
    suite["defaults"] = json!({ "elsewhere": {
        "http": { "targets": ["auth:1"] },
        "tcp": { "targets": ["line:1"] },
    } });
    let suite = parse(&suite).unwrap();
    let [plan] = suite.scenarios() else {
        panic!("one scenario");
    };
    let [servers] = &plan.elsewhere[..] else {
        panic!("{:?}", plan.elsewhere);
    };
    assert_eq!(servers.targets[0].host, "auth");
}

#[test_case(&json!({ "ftp": {} }), "elsewhere.ftp: found an unknown field, expected a field of servers by protocol"; "no protocol")]
#[test_case(&json!({ "targets": ["a:1"] }), "targets belong to a protocol: `\"elsewhere\": { \"http\": { \"targets\": [...] } }`"; "targets of no protocol")]
#[test_case(&json!({ "http": { "target": "a:1" } }), "targets are a list: `targets`"; "a target")]
#[test_case(&json!({ "http": { "targets": [] } }), "elsewhere.http.targets: found an empty array, expected at least one target"; "no targets")]
#[test_case(&json!({ "http": { "targets": ["ws://a:1"] } }), "elsewhere.http.targets[0]: found a ws:// target in a HTTP scenario"; "a scheme of another")]
#[test_case(&json!({ "http": { "targets": ["http://a:1"], "tls": {} } }), "elsewhere.http.targets[0]: found an http:// target beside a `tls` block"; "a contradiction")]
#[test_case(&json!({ "http": { "protos": ["a.proto"] } }), "elsewhere.http.protos: found a field of gRPC in what is said of HTTP, expected fields of HTTP only"; "a field of another")]
#[test_case(&json!({ "http": { "timeout": "1s" } }), "what is done before and after iterations takes at most the scenario's `timeout`"; "a timeout")]
#[test_case(&json!({ "http": { "tls": { "cert_file": "a" } } }), "elsewhere.http.tls.key_file: found nothing"; "half a certificate")]
#[test_case(&json!({ "tcp": { "targets": ["a:1"] } }), "elsewhere.tcp: found where `tcp` goes, which no step there speaks, expected a protocol that a step of `setup`, `begin` or `end` speaks"; "an unspoken one")]
fn says(elsewhere: &Value, message: &str) {
    let told = problems_of(&logs_in(elsewhere));
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(told.contains(message), "{told}");
}

#[test]
fn its_own_protocol_needs_targets_to_go_elsewhere() {
    let told = problems_of(&json!({
        "begin": [{ "name": "login", "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
        "elsewhere": { "grpc": {} },
    }));
    assert_eq!(
        told,
        [
            "scenarios[0].elsewhere.grpc.targets: found nothing, expected targets: without any, these steps go \
          where the scenario's own go; leave it out for that"
        ]
    );
}

#[test]
fn iterations_speak_one_protocol() {
    let hello = json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } });
    let told = problems_of(&json!({ "steps": [hello, { "name": "look", "http": {} }] }));
    assert_eq!(
        told,
        [
            "scenarios[0].steps: found `grpc` in `steps[0]` and `http` in `steps[1]`, expected one protocol in \
          a scenario; scenarios of one file can run together, and steps of `setup`, `begin` and `end` may \
          speak any"
        ]
    );
}

#[test]
fn names_are_apart_wherever_steps_go() {
    let told = problems_of(&json!({ "begin": [{ "http": { "path": "/hello" } }] }));
    assert_eq!(
        told,
        [
            "scenarios[0].steps[0].name: found the name `hello`, which `scenarios[0].begin[0]` has too, expected \
          a name of its own for each step; without a `name` a step is called after its method"
        ]
    );
}
