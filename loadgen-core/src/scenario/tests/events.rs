//! Servers that a run starts, and what is done while it runs.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;

/// A suite of these servers and one scenario with these fields.
fn suite(backends: &Value, fields: &Value) -> Value {
    let mut whole = suite_of(&json!({
        "load": { "open": { "rate": "10/s", "duration": "30s" } },
    }));
    for (key, value) in fields.as_object().unwrap() {
        whole["scenarios"][0][key] = value.clone();
    }
    whole["backends"] = backends.clone();
    whole
}

fn told(backends: &Value, fields: &Value) -> Vec<String> {
    match parse(&suite(backends, fields)) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn read(backends: &Value, fields: &Value) -> Suite {
    parse(&suite(backends, fields)).unwrap_or_else(|error| panic!("{error}"))
}

fn three() -> Value {
    json!({ "serve": "grpc", "b1": ":28001", "b2": {}, "b3": "127.0.0.2" })
}

/// What is wrong with the only event.
fn of_event(event: &Value) -> String {
    let told = told(&three(), &json!({ "events": [event] }));
    told.join("\n")
}

#[test_case(&json!({ "at": "5s", "kill": "b4" }) => "scenarios[0].events[0].kill: found the unknown server `b4`, expected the name of a server that the run starts; did you mean `b1`?"; "an unknown server")]
#[test_case(&json!({ "at": "5s", "freeze": "gateway" }) => "scenarios[0].events[0].freeze: found the unknown server `gateway`, expected the name of a server that the run starts; they are b1, b2, b3"; "somebody else's")]
#[test_case(&json!({ "at": "30s", "kill": "b1" }) => "scenarios[0].events[0].at: found 30s, when the load is over, expected a time before that; the load lasts 30s"; "after the end")]
#[test_case(&json!({ "at": "25s", "kill": "b1", "for": "5s" }) => "scenarios[0].events[0].for: found a return at 30s, when the load is over, expected a return before that, or no `for`; the load lasts 30s"; "a return after the end")]
#[test_case(&json!({ "at": "5s", "restart": "b1", "for": "1s" }) => "scenarios[0].events[0].for: found it beside `restart`, expected it beside `kill`, `freeze`, `drain` or `fault`; it is back as soon as it can be"; "a return from a restart")]
#[test_case(&json!({ "at": "5s", "mark": "x", "timeout": "1s" }) => "scenarios[0].events[0].timeout: found it beside `mark`, expected it beside `http` or `exec`"; "a limit for a mark")]
#[test_case(&json!({ "at": "5s" }) => "scenarios[0].events[0]: found nothing to do, expected one of `kill`, `restart`, `freeze`, `drain`, `fault`, `http`, `exec`, `mark`"; "nothing")]
#[test_case(&json!({ "at": "5s", "kill": "b1", "drain": "b1" }) => "scenarios[0].events[0]: found `kill`, `drain` together, expected one of `kill`, `restart`, `freeze`, `drain`, `fault`, `http`, `exec`, `mark`"; "two")]
#[test_case(&json!({ "kill": "b1" }) => "scenarios[0].events[0].at: found nothing, expected an event, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"} to have this field"; "no time")]
#[test_case(&json!({ "at": "5s", "kil": "b1" }) => "scenarios[0].events[0].kil: found an unknown field, expected a field of an event, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}; did you mean `kill`?"; "a slip")]
#[test_case(&json!({ "at": "5s", "fault": "b1" }) => "scenarios[0].events[0].fault: found `b1`, which is no fault proxy, expected the name of a fault proxy that the run starts; a proxy stands in front of a server: {\"serve\": \"proxy\", \"to\": \"b1\"} in `backends`; a server itself can be made slow or wrong from its start only"; "a fault of a server")]
#[test_case(&json!({ "at": "5s", "kill": "b1", "latency": "1s" }) => "scenarios[0].events[0].latency: found it beside `kill`, expected it beside `fault`, which names a fault proxy"; "a fault beside something else")]
#[test_case(&json!({ "at": "5s", "exec": [] }) => "scenarios[0].events[0].exec: found no program, expected a program and its arguments, such as [\"nginx\", \"-s\", \"reload\"]"; "no program")]
#[test_case(&json!({ "at": "5s", "exec": "nginx -s reload" }) => "scenarios[0].events[0].exec: found \"nginx -s reload\", expected an array"; "a command line")]
#[test_case(&json!({ "at": "5s", "exec": ["x"], "timeout": "11m" }) => "scenarios[0].events[0].timeout: found \"11m\", expected a duration from 1ms to 10m"; "a long limit")]
#[test_case(&json!({ "at": "5s", "http": { "post": "127.0.0.1:80/x" } }) => "scenarios[0].events[0].http.post: found \"127.0.0.1:80/x\", expected a URL such as \"http://127.0.0.1:8001/drain\", without user name and `#`"; "no URL")]
#[test_case(&json!({ "at": "5s", "http": { "post": "http://me:secret@a/x" } }) => "scenarios[0].events[0].http.post: found \"http://***@a/x\", expected a URL such as \"http://127.0.0.1:8001/drain\", without user name and `#`"; "a password")]
#[test_case(&json!({ "at": "5s", "http": {} }) => "scenarios[0].events[0].http: found no method, expected one of `get`, `post`, `put`, `patch`, `delete`, with a URL"; "no method")]
#[test_case(&json!({ "at": "5s", "http": { "get": "http://a", "put": "http://a" } }) => "scenarios[0].events[0].http: found several methods, expected one of `get`, `post`, `put`, `patch`, `delete`, with a URL"; "two methods")]
#[test_case(&json!({ "at": "5s", "http": { "put": "http://a", "json": 1, "text": "x" } }) => "scenarios[0].events[0].http: found `json` and `text` together, expected one of them"; "two bodies")]
#[test_case(&json!({ "at": "5s", "http": { "put": "http://a", "headers": { "x-a": "{{ uuid() }}" } } }) => "scenarios[0].events[0].http.headers.x-a: found a template, expected a text as it is sent; a value from the environment is {\"env\": \"TOKEN\"}"; "a template")]
#[test_case(&json!({ "at": "5s", "mark": "" }) => "scenarios[0].events[0].mark: found \"\", expected a text of 1 to 200 characters, none of them a control character"; "an empty mark")]
fn an_event_is_told_what_is_wrong(event: &Value) -> String {
    of_event(event)
}

#[test]
fn a_server_is_back_before_the_next_event() {
    let events = json!({ "events": [
        { "at": "7s", "freeze": "b1", "for": "1s" },
        { "at": "5s", "kill": "b1", "for": "3s" },
        { "at": "6s", "kill": "b2", "for": "3s" },
        { "at": "10s", "drain": "b2" },
        { "at": "20s", "restart": "b2" },
    ] });
    assert_eq!(
        told(&three(), &events),
        [
            "scenarios[0].events[0].at: found 7s, when b1 is not back from `kill b1`, expected a time after 8s",
            "scenarios[0].events[4].at: found b2 again, which `drain b2` never brings back, expected a `for` in scenarios[0].events[3]",
        ]
    );
}

#[test_case(&json!([{ "at": "5s", "fault": "p", "latency": "200ms", "for": "3s" }, { "at": "10s", "fault": "p", "reset_open": "50%" }, { "at": "11s", "fault": "p", "refuse": true }, { "at": "12s", "kill": "p" }]) => ""; "one after the other")]
#[test_case(&json!([{ "at": "5s", "fault": "p" }]) => "scenarios[0].events[0]: found no fault, expected what goes wrong: `latency`, `jitter`, `rate`, `blackhole`, `cut_after`, `refuse`, `reset_new`, `reset_open`, `half_open`"; "no fault")]
#[test_case(&json!([{ "at": "5s", "fault": "p", "latncy": "10ms" }]) => "scenarios[0].events[0].latncy: found an unknown field, expected a field of an event, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}; did you mean `latency`?"; "a slip in a fault")]
#[test_case(&json!([{ "at": "5s", "fault": "b2", "refuse": true }]) => "scenarios[0].events[0].fault: found `b2`, which is no fault proxy, expected the name of a fault proxy that the run starts; they are p"; "no proxy")]
#[test_case(&json!([{ "at": "5s", "fault": "q", "refuse": true }]) => "scenarios[0].events[0].fault: found the unknown server `q`, expected the name of a server that the run starts; did you mean `p`?"; "an unknown proxy")]
#[test_case(&json!([{ "at": "5s", "fault": "p", "half_open": { "closed": "client" }, "for": "1s" }]) => "scenarios[0].events[0].for: found it beside what is done once, expected it beside faults that last"; "an end of what is done once")]
#[test_case(&json!([{ "at": "5s", "fault": "p", "latency": "2h" }]) => "scenarios[0].events[0].latency: found \"2h\", expected a duration from 0s to 1h"; "too long")]
#[test_case(&json!([{ "at": "5s", "fault": "p", "rate": { "up": "1MiB" } }]) => "scenarios[0].events[0].rate.up: found \"1MiB\", expected bytes a second from 1B/s to 1024GiB/s, such as \"1MiB/s\""; "a size for a rate")]
#[test_case(&json!([{ "at": "5s", "fault": "p", "latency": "1s", "for": "5s" }, { "at": "8s", "fault": "p", "refuse": true }]) => "scenarios[0].events[1].at: found 8s, when p is not back from `fault p: latency 1s`, expected a time after 10s"; "before the end of the first")]
fn faults_are_done_to_proxies(events: &Value) -> String {
    let backends =
        json!({ "serve": "grpc", "b1": {}, "b2": {}, "p": { "serve": "proxy", "to": "b1" } });
    told(&backends, &json!({ "events": events })).join("\n")
}

#[test]
fn a_shorter_load_finds_events_after_its_end() {
    let suite = read(
        &three(),
        &json!({ "events": [{ "at": "5s", "mark": "x" }] }),
    );
    let overrides = Overrides {
        duration: Some(Duration::from_secs(4)),
        ..Overrides::default()
    };
    let error = suite.scenarios()[0].with_overrides(&overrides).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("events[0].at: found 5s, when the load is over"),
        "{text}"
    );
}

/// Servers behind a balancer that has these routes.
fn routed(route: &Value) -> Value {
    json!({ "serve": "grpc", "b1": {}, "b2": {}, "b3": {},
        "lb": { "balance": "http", "backends": ["b1", "b2"], "route": route } })
}

#[test_case(&json!({}) => "backends: found no server, expected 1 to 64 servers by name"; "none")]
#[test_case(&json!({ "b1": {} }) => "backends.b1: found nothing, expected what it does: `serve` or `balance`; a `serve` beside the names is for all that say nothing"; "no kind")]
#[test_case(&json!({ "serve": "gprc", "b1": {} }) => "backends.serve: found \"gprc\", expected one of \"grpc\", \"websocket\", \"http\", \"tcp\", \"all\", \"proxy\"; did you mean `grpc`?"; "another kind")]
#[test_case(&json!({ "serve": "grpc", "1": {} }) => "backends: found the name \"1\", expected names of 1 to 100 letters, digits, `_` and `-`, beginning with a letter"; "a number for a name")]
#[test_case(&json!({ "serve": "grpc", "b1": "localhost:1" }) => "backends.b1: found \"localhost:1\", expected an address to listen on, such as \"127.0.0.1:28001\" or \":28001\"; without a port, or with port 0, any free one; this machine is 127.0.0.1"; "a host name")]
#[test_case(&json!({ "serve": "grpc", "b1": 28001 }) => "backends.b1: found 28001, expected an address to listen on, or an object such as {\"serve\": \"grpc\", \"address\": \":28001\"}"; "a number")]
#[test_case(&json!({ "serve": "grpc", "b1": ":28001", "b2": "0.0.0.0:28001" }) => "backends.b2: found the address 0.0.0.0:28001, where `b1` listens, expected an address of its own for each server; port 0 takes any free one"; "one address")]
#[test_case(&json!({ "b1": { "serve": "grpc", "dealy": "1ms" } }) => "backends.b1.dealy: found an unknown field, expected a field of an address to listen on, or an object such as {\"serve\": \"grpc\", \"address\": \":28001\"}; did you mean `delay`?"; "a slip")]
#[test_case(&json!({ "b1": { "serve": "grpc", "delay": "9ms..1ms" } }) => "backends.b1.delay: found \"9ms..1ms\", expected a time such as \"20ms\", or two to draw from, such as \"10ms..50ms\""; "a delay")]
#[test_case(&json!({ "b1": { "serve": "grpc", "error_code": "UNAVAILABLE" } }) => "backends.b1.error_code: found it without `error_rate`, expected both, or neither"; "a code alone")]
#[test_case(&json!({ "b1": { "serve": "grpc", "service_times": "constant" } }) => "backends.b1.service_times: found it without `capacity`, expected both, or neither"; "service times alone")]
#[test_case(&json!({ "b1": { "serve": "grpc", "capacity": "5/s", "service_times": "normal" } }) => "backends.b1.service_times: found \"normal\", expected one of \"constant\", \"exponential\""; "other service times")]
#[test_case(&json!({ "b1": { "serve": "grpc", "capacity": "0/s" } }) => "backends.b1.capacity: found \"0/s\", expected at least 0.000001/s"; "no capacity")]
#[test_case(&json!({ "b1": { "serve": "grpc", "capacity": 5000 } }) => "backends.b1.capacity: found 5000, expected a rate as a text, such as \"500/s\""; "a capacity without its unit")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"], "capacity": "5/s" } }) => "backends.lb.capacity: found a field of a server that answers, expected a field of a balancer"; "a capacity of a balancer")]
#[test_case(&json!({ "b1": { "serve": "http", "version": "v1" } }) => "backends.b1.version: found a version, expected it where gRPC alone is served"; "a version over HTTP")]
#[test_case(&json!({ "b1": { "serve": "http", "lame_duck": "2h" } }) => "backends.b1.lame_duck: found \"2h\", expected a duration from 1ms to 1h"; "a long farewell")]
#[test_case(&json!({ "b1": { "serve": "grpc", "lines": true } }) => "backends.b1.lines: found a field of TCP, expected it where TCP is served"; "lines of gRPC")]
#[test_case(&json!({ "b1": { "serve": "grpc", "backends": ["b1"] } }) => "backends.b1.backends: found a field of a balancer, expected a field of a server that answers; a balancer has `balance`"; "a balancer's field")]
#[test_case(&json!({ "b1": { "serve": "grpc", "balance": "tcp" } }) => "backends.b1: found `serve` and `balance` together, expected one of them"; "both kinds")]
#[test_case(&json!({ "b1": { "serve": "all", "address": ":1" } }) => "backends.b1.address: found one address, expected an address for each protocol: `grpc_address`, `websocket_address`, `http_address`, `tcp_address`; any free port where there is none"; "one address for all")]
#[test_case(&json!({ "serve": "grpc", "b1": {}, "lb": { "balance": "tcp" } }) => "backends.lb.backends: found nothing, expected the names of the servers that it stands in front of"; "nobody behind")]
#[test_case(&json!({ "serve": "grpc", "b1": {}, "lb": { "balance": "tcp", "backends": ["b2"] } }) => "backends.lb.backends[0]: found `b2`, expected the name of a server of this suite; did you mean `b1`?"; "an unknown one behind")]
#[test_case(&json!({ "lb": { "balance": "tcp", "backends": ["lb"] } }) => "backends.lb.backends[0]: found `lb`, which it is itself, expected another server"; "itself behind")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "http", "backends": ["b1"] } }) => "backends.lb.backends: found servers of tcp, expected servers of `http` or `grpc` without TLS; `\"balance\": \"tcp\"` takes any"; "TCP behind HTTP")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "b2": { "serve": "http" }, "lb": { "balance": "tcp", "backends": ["b1", "b2"] } }) => "backends.lb.backends: found `b2`, which speaks something else, expected servers of one protocol, all with TLS or none"; "two protocols behind")]
#[test_case(&json!({ "serve": "all", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"] } }) => "backends.lb.backends: found `b1`, which serves all protocols, expected a `protocol` beside it, which says what is spoken"; "all behind")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"], "retries": 1 } }) => "backends.lb.retries: found a field of HTTP, expected it where requests are balanced (`\"balance\": \"http\"`)"; "retries of connections")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"], "weights": { "b1": 2 } } }) => "backends.lb.weights: found weights, which `round_robin` does not look at, expected them with `\"algorithm\": \"weighted_round_robin\"`"; "weights that nobody looks at")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"], "algorithm": "weighted_round_robin", "weights": { "b2": 2 } } }) => "backends.lb.weights: found the weight of `b2`, expected weights of its `backends`; did you mean `b1`?"; "a weight of nobody")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"], "route": { "v": { "*": ["b1"] } } } }) => "backends.lb.route: found a field of HTTP, expected it where requests are balanced (`\"balance\": \"http\"`)"; "a route of connections")]
#[test_case(&routed(&json!({})) => "backends.lb.route: found an empty object, expected header fields, such as {\"agent-version\": {\"v1.*\": [\"b1\"]}}"; "no header field")]
#[test_case(&routed(&json!({ "a b": { "*": ["b1"] } })) => "backends.lb.route: found the name \"a b\", expected the name of a header field; 1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name"; "no name of a header field")]
#[test_case(&routed(&json!({ "v": { "*": ["b1"] }, "V": { "*": ["b1"] } })) => "backends.lb.route: found `V` a second time, expected each header field once"; "a header field twice")]
#[test_case(&routed(&json!({ "v": {} })) => "backends.lb.route.v: found an empty object, expected patterns of the field's values, such as {\"v1.*\": [\"b1\"]}"; "no pattern")]
#[test_case(&routed(&json!({ "v": { "v1*": ["b1"], "*": ["b2"] } })) => "backends.lb.route.v: found `v1*` and `*`, which can match the same, expected patterns of which only one matches a value"; "patterns that overlap")]
#[test_case(&routed(&json!({ "v": { "v1": [] } })) => "backends.lb.route.v.v1: found an empty array, expected the names of the servers that answer, of its `backends`"; "nobody answers")]
#[test_case(&routed(&json!({ "v": { "v1": ["b1", "b3"] } })) => "backends.lb.route.v.v1[1]: found `b3`, expected one of its `backends`; did you mean `b1`?"; "one that is not behind it")]
#[test_case(&routed(&json!({ "v": { "v1": ["b1", "b1"] } })) => "backends.lb.route.v.v1[1]: found `b1` a second time, expected each server once"; "one twice")]
#[test_case(&json!({ "a": { "balance": "tcp", "backends": ["b"] }, "b": { "balance": "tcp", "backends": ["a"] } }) => "backends.a.backends: found servers that stand in front of one another in a circle, expected servers that answer at the end of each way\nbackends.b.backends: found servers that stand in front of one another in a circle, expected servers that answer at the end of each way"; "a circle")]
#[test_case(&json!({ "p": { "serve": "proxy" } }) => "backends.p.to: found nothing, expected the name of the server that it stands in front of"; "a proxy of nobody")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "p": { "serve": "proxy", "to": "b2" } }) => "backends.p.to: found `b2`, expected the name of a server of this suite; did you mean `b1`?"; "a proxy of an unknown one")]
#[test_case(&json!({ "serve": "all", "b1": {}, "p": { "serve": "proxy", "to": "b1" } }) => "backends.p.to: found `b1`, which serves all protocols, expected a `protocol` beside it, which says what is spoken"; "a proxy of one that serves all")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "p": { "serve": "proxy", "to": "b1", "threads": 2 } }) => "backends.p.threads: found a field of others, expected a field of a fault proxy: `to`, `address`, `protocol` or `faults`"; "threads of a proxy")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "p": { "serve": "proxy", "to": "b1", "latency": "1s" } }) => "backends.p.latency: found an unknown field, expected a field of an address to listen on, or an object such as {\"serve\": \"grpc\", \"address\": \":28001\"}; what goes wrong at a fault proxy from its start is `faults`"; "faults beside their object")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "p": { "serve": "proxy", "to": "b1", "faults": { "reset_open": "5%" } } }) => "backends.p.faults.reset_open: found what is done once, expected what lasts: no connection is open at its start"; "what is done once at the start")]
#[test_case(&json!({ "serve": "tcp", "b1": {}, "p": { "serve": "proxy", "to": "b1", "faults": { "jitter": "5ms" } } }) => "backends.p.faults.jitter: found 5ms on the way up, expected at most the latency of that way, which is 0s"; "jitter alone")]
#[test_case(&json!({ "serve": "tcp", "b1": { "to": "b2" }, "b2": {} }) => "backends.b1.to: found a field of a fault proxy, expected a field of a server that answers; a fault proxy has `\"serve\": \"proxy\"`"; "a proxy's field")]
#[test_case(&json!({ "p": { "serve": "proxy", "to": "q" }, "q": { "serve": "proxy", "to": "p" } }) => "backends.p.to: found servers that stand in front of one another in a circle, expected servers that answer at the end of each way\nbackends.q.to: found servers that stand in front of one another in a circle, expected servers that answer at the end of each way"; "a circle of proxies")]
fn servers_are_told_what_is_wrong(backends: &Value) -> String {
    told(backends, &json!({})).join("\n")
}

#[test_case(&json!({ "targets": ["backend:lb2"] }) => "scenarios[0].targets[0]: found the unknown server `lb2`, expected the name of a server that the run starts; did you mean `lb`?"; "an unknown target")]
#[test_case(&json!({ "targets": ["backend:h"] }) => "scenarios[0].targets[0]: found `h`, which speaks http, expected a server that speaks grpc"; "a target of another protocol")]
#[test_case(&json!({ "targets": ["backend:lb", "127.0.0.1:1"] }) => "scenarios[0].targets: found addresses and servers of the suite together, expected one or the other"; "both kinds of targets")]
#[test_case(&json!({ "targets": ["backend:"] }) => "scenarios[0].targets[0]: found \"backend:\", expected `backend:` and the name of a server of this suite"; "no name")]
#[test_case(&json!({ "backends": ["b1", "lbb"] }) => "scenarios[0].backends[1]: found the unknown server `lbb`, expected the name of a server that the run starts; did you mean `lb`?"; "run with an unknown one")]
#[test_case(&json!({ "backends": ["b1"], "targets": ["backend:lb"] }) => "scenarios[0].targets[0]: found the unknown server `lb`, expected the name of a server that the run starts; they are b1"; "a target that it is not run with")]
fn a_scenario_is_told_what_is_wrong(fields: &Value) -> String {
    let backends = json!({ "serve": "grpc", "b1": {}, "lb": { "balance": "tcp", "backends": ["b1"] }, "h": { "serve": "http" } });
    told(&backends, fields).join("\n")
}

#[test_case(&json!({ "serve": "grpc", "b1": {}, "b2": {} }), &json!({}) => ["b1", "b2"].map(str::to_owned).to_vec(); "all of its protocol")]
#[test_case(&json!({ "serve": "grpc", "b1": {}, "h": { "serve": "http" } }), &json!({}) => ["b1"].map(str::to_owned).to_vec(); "none of another")]
#[test_case(&json!({ "serve": "grpc", "lb": { "balance": "tcp", "backends": ["b1"] }, "b1": {}, "b2": {} }), &json!({}) => ["b2", "lb"].map(str::to_owned).to_vec(); "the outermost")]
#[test_case(&json!({ "serve": "grpc", "b1": {}, "b2": {} }), &json!({ "backends": ["b2"] }) => ["b2"].map(str::to_owned).to_vec(); "those that it is run with")]
#[test_case(&json!({ "serve": "grpc", "b1": {} }), &json!({ "backends": [] }) => Vec::<String>::new(); "none")]
#[test_case(&json!({ "serve": "http", "b1": {} }), &json!({}) => Vec::<String>::new(); "nobody who speaks it")]
#[test_case(&json!({ "serve": "grpc", "b1": {} }), &json!({ "targets": ["backend:8080"] }) => Vec::<String>::new(); "a host of that name")]
fn a_scenario_without_targets_sends_to_its_servers(
    backends: &Value,
    fields: &Value,
) -> Vec<String> {
    let suite = read(backends, fields);
    suite.scenarios()[0].target_backends.clone()
}

/// All that can be said, there and back.
#[test]
fn what_is_printed_reads_back_as_the_same() {
    let backends = json!({
        "serve": "http",
        "front": { "balance": "http", "backends": ["middle"], "address": ":28100", "retries": 0,
            "response_timeout": "2s", "route": { "x-v": { "1.*": ["middle"], "2": ["middle"] }, "y": { "?": ["middle"] } } },
        "middle": { "balance": "tcp", "backends": ["b1", "b2"], "protocol": "http",
            "algorithm": "weighted_round_robin", "weights": { "b2": 3 }, "health_interval": "250ms",
            "health_timeout": "100ms", "health_rise": 1, "health_fall": 5, "connect_timeout": "50ms" },
        "b1": { "address": ":28001", "threads": 2, "delay": "10ms..50ms", "stall": "1s", "stall_rate": "2%",
            "error_rate": "0.05", "error_code": "INTERNAL", "refuse_rate": "1%", "cut_after": 100,
            "throttle": 1000, "capacity": "1500/s", "service_times": "exponential", "lame_duck": "2s" },
        "b2": { "serve": "all", "http_address": "127.0.0.2:28002" },
        "p": { "serve": "proxy", "to": "middle", "address": ":28200",
            "faults": { "latency": "5ms", "jitter": { "down": "1ms" }, "cut_after": "1MiB", "reset_new": "1%" } },
        "t": { "serve": "tcp", "lines": true, "identity_on_connect": true },
        "s": { "serve": "grpc", "version": "v1.2", "log_streams": true, "tls_cert": "cert.pem", "tls_key": "key.pem", "address": "[::1]" },
    });
    let events = json!({ "targets": ["backend:s"], "events": [
        { "at": "5s", "kill": "b1", "for": "3s" },
        { "at": "6s", "freeze": "b2", "for": "1.5s" },
        { "at": "9s", "drain": "b1" },
        { "at": "9s", "restart": "b2" },
        { "at": "10s", "http": { "post": "http://127.0.0.1:1/x?y", "json": { "a": [1.10] },
            "headers": { "x-a": "b", "authorization": { "env": "TOKEN", "prefix": "Bearer " } } } },
        { "at": "11s", "http": { "delete": "https://host/x", "text": "t" }, "timeout": "1m" },
        { "at": "12s", "exec": ["nginx", "-s", "", "reload"], "timeout": "500ms" },
        { "at": "13s", "mark": "something" },
        { "at": "14s", "fault": "p", "latency": { "up": "1s" }, "rate": "1KiB/s", "blackhole": { "down": true },
            "refuse": true, "half_open": { "closed": "server", "share": "50%" }, "for": "2s" },
    ] });
    let suite = read(&backends, &events);
    assert_eq!(suite.scenarios()[0].events.len(), 9);
    let printed = suite.to_json();
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again, suite);
    assert_eq!(again.to_json(), printed);
    // Each stands after those behind it.
    let order: Vec<&str> = suite.backends().iter().map(|it| it.name.as_str()).collect();
    let place = |name| order.iter().position(|it| *it == name).unwrap();
    assert!(
        place("b1") < place("middle") && place("middle") < place("front"),
        "{order:?}"
    );
    assert_eq!(printed["backends"]["b1"]["address"], "127.0.0.1:28001");
    assert_eq!(printed["scenarios"][0]["targets"], json!(["backend:s"]));
    assert_eq!(printed["scenarios"][0]["events"][6]["exec"][2], "");
    assert_eq!(printed["scenarios"][0]["events"][4]["timeout"], "10s");
}

#[test]
fn a_plan_has_the_servers_of_its_scenarios_and_those_behind_them() {
    let mut whole = suite(
        &json!({ "serve": "grpc", "b1": {}, "b2": {}, "b3": {}, "lb": { "balance": "tcp", "backends": ["b2", "b1"] } }),
        &json!({ "backends": ["lb"] }),
    );
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    other["backends"] = json!(["b3"]);
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let suite = parse(&whole).unwrap();
    let names = |plan: &Plan| {
        let names = plan.backends.iter().map(|it| it.name.clone());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&suite.select(&["s"], None).unwrap()), "b1 b2 lb");
    assert_eq!(names(&suite.select(&["other"], None).unwrap()), "b3");
    let all = suite.select::<&str>(&[], None).unwrap();
    assert_eq!(names(&all), "b1 b2 b3 lb");
    let again = parse(&all.to_json()).unwrap();
    assert_eq!(again.scenarios(), suite.scenarios());
}

#[test]
fn the_shipped_demo_has_servers_that_the_others_know_nothing_of() {
    let shipped = shipped();
    let demo = shipped.select(&["balance_demo"], None).unwrap();
    assert_eq!(demo.scenarios.len(), 2);
    assert_eq!(demo.backends.len(), 5);
    let other = shipped.select(&["http_hello_light"], None).unwrap();
    assert!(other.backends.is_empty());
    assert!(other.scenarios[0].target_backends.is_empty());
    let again = parse(&shipped.to_json()).unwrap();
    assert_eq!(again.scenarios(), shipped.scenarios());
}

/// Those behind a balancer of ours, which routes as is expected.
#[test]
fn the_shipped_routing_has_servers_of_its_own() {
    let plan = shipped().select(&["version_routing"], None).unwrap();
    let names: Vec<&str> = plan.backends.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["v1a", "v1b", "v2a", "v2b", "by-version"]);
    let BackendRole::Balance(options) = &plan.backends[4].role else {
        panic!("{:?}", plan.backends[4]);
    };
    for scenario in &plan.scenarios {
        assert_eq!(scenario.target_backends, ["by-version"]);
        let version = &scenario.tags["version"];
        let [route] = options.routes.as_slice() else {
            panic!("{:?}", options.routes);
        };
        let mut table = route.table.iter();
        let (_, servers) = table.find(|(values, _)| values.matches(version)).unwrap();
        assert_eq!(servers.len(), 2);
        let expected = scenario.expect.routes[0].servers(version).unwrap();
        assert!(servers.iter().all(|it| expected.matches(it)), "{version}");
    }
}

#[test]
fn the_shipped_demo_can_be_set() {
    let set = |texts: &[&str]| {
        let set: Vec<Assignment> = texts.iter().map(|it| it.parse().unwrap()).collect();
        shipped_with(&set).map_err(|error| error.to_string())
    };
    let suite = set(&["backends.demo1.delay=5ms", "defaults.max_message=2MiB"]).unwrap();
    let BackendRole::Serve(options) = &suite.backends()[0].role else {
        panic!("{:?}", suite.backends()[0]);
    };
    assert_eq!(options.delay.as_deref(), Some("5ms"));
    assert!(suite.scenarios().iter().all(|it| it.max_message == 2 << 20));
    let suite = set(&["backends.v2b.delay=5ms"]).unwrap();
    let v2b = suite.backends().iter().find(|it| it.name == "v2b").unwrap();
    assert!(matches!(&v2b.role, BackendRole::Serve(it) if it.delay.as_deref() == Some("5ms")));
    let wrong = set(&["backends.demo1.dely=5ms"]).unwrap_err();
    assert!(
        wrong.contains("--set: backends.demo1.dely: found an unknown field"),
        "{wrong}"
    );
}

#[test]
fn servers_of_a_fallback_come_along_unless_their_names_are_taken() {
    let own =
        |name: &str| read(&json!({ "serve": "grpc", name: ":28001" }), &json!({})).or(shipped());
    let both = own("b1");
    assert_eq!(both.backends().len(), 11);
    assert!(both.select(&["balance_demo"], None).is_ok());
    let taken = own("demo1");
    assert!(taken.select(&["balance_demo"], None).is_err());
}

#[test]
fn servers_of_included_files_join_and_profiles_have_events() {
    let shared = r#"{ "backends": { "serve": "grpc", "b1": ":28001", "b2": ":28002" },
        "profiles": { "chaos": { "events": [{ "at": "5s", "kill": "b2" }] } } }"#;
    let own = r#"{ "include": ["shared.json"], "backends": { "b2": ":0", "b3": ":0" }, "scenarios": [{ "name": "s",
        "load": { "open": { "rate": "10/s", "duration": "30s" } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }] }] }"#;
    let files = |path: &std::path::Path| {
        assert_eq!(path, std::path::Path::new("shared.json"));
        Ok(shared.to_owned())
    };
    let read = |set: &[&str]| {
        let set: Vec<Assignment> = set.iter().map(|it| it.parse().unwrap()).collect();
        let source = SuiteSource::new("own.json", own).files(&files);
        Suite::read(&source.profile(Some("chaos")).set(&set)).map_err(|error| error.to_string())
    };
    let suite = read(&[]).unwrap();
    let ports = |suite: &Suite| {
        let ports = suite
            .backends()
            .iter()
            .map(|it| (it.name.clone(), it.addresses[0].1.port()));
        ports.collect::<Vec<_>>()
    };
    let expected =
        [("b1", 28001), ("b2", 0), ("b3", 0)].map(|(name, port)| (name.to_owned(), port));
    assert_eq!(ports(&suite), expected);
    assert_eq!(suite.scenarios()[0].events.len(), 1);
    let suite = read(&["backends.b3=:28003", "scenarios.s.events[0].at=6s"]).unwrap();
    assert_eq!(ports(&suite)[2].1, 28003);
    assert_eq!(suite.scenarios()[0].events[0].at, Duration::from_secs(6));
    let wrong = read(&["backends.b3=:0", "backends.b1=:99999"]).unwrap_err();
    assert!(
        wrong.contains("--set: backends.b1: found \":99999\""),
        "{wrong}"
    );
    let wrong = read(&["profiles.chaos.events[0].kill=b4"]).unwrap_err();
    assert!(wrong.contains("the unknown server `b4`"), "{wrong}");
}

#[test]
fn an_event_concerns_whoever_is_run_with_its_server() {
    let mut whole = suite(
        &three(),
        &json!({ "backends": ["b1"], "warm_up": "2s", "events": [
            { "at": "5s", "kill": "b1", "for": "3s" }, { "at": "6s", "mark": "x" }] }),
    );
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    other["events"] = json!([{ "at": "20s", "kill": "b2" }]);
    other["backends"] = json!(["b1", "b2"]);
    other["start_after"] = json!("1s");
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let plan = parse(&whole).unwrap().select::<&str>(&[], None).unwrap();
    let seconds = |index| {
        let events = plan.events_on(index);
        let seconds = events.map(|(at, over)| (at.as_secs(), over.as_secs()));
        seconds.collect::<Vec<_>>()
    };
    assert_eq!(seconds(0), [(5, 8), (6, 6)]);
    assert_eq!(seconds(1), [(4, 7), (20, 20)]);
    assert!(seconds(2).is_empty());
}

/// Servers and what stands in front of them: `lb` before all, `side` before b1 alone, `p` before b2 and on no way.
fn with_balancers() -> Value {
    json!({ "serve": "grpc", "b1": {}, "b2": {}, "c": {},
        "lb": { "balance": "http", "backends": ["b1", "b2"] },
        "side": { "balance": "tcp", "backends": ["b1"] },
        "p": { "serve": "proxy", "to": "b2" } })
}

/// A target itself, what stands behind it, and what a route lets answer; with targets of others' all may.
#[test_case(&json!({ "targets": ["backend:lb"] }), &["b1", "b2", "lb"]; "a balancer that is the target")]
#[test_case(&json!({ "targets": ["backend:b1", "backend:c"] }), &["b1", "c"]; "targets that answer themselves")]
#[test_case(&json!({ "targets": ["backend:lb"], "tags": { "v": "1" }, "expect": { "route": { "v": { "1": "b1" } } } }), &["b1", "lb"]; "behind a route")]
#[test_case(&json!({ "targets": ["127.0.0.1:28009"] }), &["b1", "b2", "c", "lb", "p", "side"]; "somebody else's balancer")]
fn who_is_asked(fields: &Value, expected: &[&str]) {
    let plan = read(&with_balancers(), fields).select::<&str>(&[], None);
    let plan = plan.unwrap();
    let names = ["b1", "b2", "c", "lb", "p", "side"];
    let asked: Vec<&str> = names.into_iter().filter(|it| plan.asks(0, it)).collect();
    assert_eq!(asked, expected);
}

#[test_case(&json!(["backend:lb"]), "lb", &["b1", "b2"]; "the only way")]
#[test_case(&json!(["backend:lb", "backend:side"]), "lb", &["b2"]; "another leads to one of them")]
#[test_case(&json!(["backend:lb", "backend:side"]), "side", &[]; "another leads to all")]
#[test_case(&json!(["127.0.0.1:28009"]), "p", &["b2"]; "behind somebody else's")]
fn who_is_gone_with_what_stands_in_front(targets: &Value, name: &str, expected: &[&str]) {
    let plan = read(&with_balancers(), &json!({ "targets": targets })).select::<&str>(&[], None);
    assert_eq!(plan.unwrap().only_behind(0, name), expected);
}

/// Its own are told all the same, and those of others are not where it does not ask the server.
#[test]
fn an_event_elsewhere_is_its_own_only() {
    let fields = json!({ "targets": ["backend:lb"], "events": [
        { "at": "1s", "kill": "lb", "for": "1s" }, { "at": "5s", "kill": "c", "for": "1s" }] });
    let mut whole = suite(&with_balancers(), &fields);
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    other["events"] = json!([]);
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let plan = parse(&whole).unwrap().select::<&str>(&[], None).unwrap();
    assert_eq!(
        [plan.events_on(0).count(), plan.events_on(1).count()],
        [2, 1]
    );
}

/// Two scenarios, of which the other begins to measure 10 s after the first.
fn with_a_later_one(first: &Value, later: &Value) -> Suite {
    let mut whole = suite(&three(), &json!({ "events": first }));
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("later");
    other["events"] = later.clone();
    other["start_after"] = json!("8s");
    other["warm_up"] = json!("2s");
    whole["scenarios"].as_array_mut().unwrap().push(other);
    parse(&whole).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_event_outside_of_a_scenarios_own_load_does_not_concern_it() {
    let first = json!([
        { "at": "5s", "kill": "b1", "for": "5s" },
        { "at": "9s", "kill": "b2", "for": "1001ms" },
        { "at": "10s", "restart": "b3" },
    ]);
    let later = json!([{ "at": "20s", "kill": "b1" }, { "at": "19s", "kill": "b2" }]);
    let suite = with_a_later_one(&first, &later);
    let plan = suite.select::<&str>(&[], None).unwrap();
    let whole = |scenario| {
        let events = plan.events_on(scenario);
        let times = events.map(|(at, over)| (at.as_millis(), over.as_millis()));
        times.collect::<Vec<_>>()
    };
    let of_first = [
        (5_000, 10_000),
        (9_000, 10_001),
        (10_000, 10_000),
        (29_000, 29_000),
    ];
    assert_eq!(whole(0), of_first);
    assert_eq!(
        whole(1),
        [(0, 1), (0, 0), (20_000, 20_000), (19_000, 19_000)]
    );
}

/// A server that is gone for good is gone for whoever measures later, and a fault is until the proxy is told otherwise.
#[test]
fn what_nobody_takes_back_concerns_a_later_scenario() {
    let backends = json!({ "serve": "grpc", "b1": {}, "b2": {}, "b3": {},
        "p": { "serve": "proxy", "to": "b2" }, "q": { "serve": "proxy", "to": "b3" } });
    let fields = json!({ "backends": ["b1", "b2", "b3", "p", "q"], "events": [
        { "at": "2s", "kill": "b1" },
        { "at": "3s", "fault": "p", "refuse": true },
        { "at": "4s", "fault": "q", "refuse": true },
        { "at": "5s", "fault": "p", "latency": "0s" },
        { "at": "6s", "fault": "p", "reset_open": "10%" },
    ] });
    let mut whole = suite(&backends, &fields);
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("later");
    other["events"] = json!([]);
    other["start_after"] = json!("10s");
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let suite = parse(&whole).unwrap_or_else(|error| panic!("{error}"));
    let plan = suite.select::<&str>(&[], None).unwrap();
    let concerning = plan.scenarios[0].events.iter().map(|event| {
        let concerns = plan.concerns(event, 0, 1);
        (event.at.as_secs(), concerns)
    });
    let concerning: Vec<_> = concerning.collect();
    assert_eq!(
        concerning,
        [(2, true), (3, false), (4, true), (5, false), (6, false)]
    );
}

#[test]
fn events_of_several_scenarios_on_a_server_do_not_overlap() {
    let first = json!([{ "at": "12s", "freeze": "b1", "for": "3s" }]);
    let selected = |at: &str| {
        let later = json!([{ "at": at, "kill": "b1", "for": "1s" }]);
        let suite = with_a_later_one(&first, &later);
        suite.select::<&str>(&[], None).map_err(|it| it.to_string())
    };
    assert_eq!(
        selected("5s").unwrap_err(),
        "the scenarios cannot run together: `kill b1` of `later` comes 15s after the run begins, when the \
         server is not back from `freeze b1` of `s`"
    );
    assert!(selected("6s").is_ok());
    let suite = with_a_later_one(&first, &json!([{ "at": "5s", "kill": "b1" }]));
    assert!(suite.select(&["later"], None).is_ok());
}

#[test]
fn an_event_of_a_scenario_for_several_is_done_once() {
    let events = json!({ "for_each": { "version": ["v1", "v2", "v3"] },
        "events": [{ "at": "5s", "kill": "b1", "for": "3s" }, { "at": "6s", "mark": "x" }] });
    let suite = read(&three(), &events);
    let counts = |plan: &Plan| {
        let counts = plan.scenarios.iter().map(|it| it.events.len());
        counts.collect::<Vec<_>>()
    };
    let all = suite.select::<&str>(&[], None).unwrap();
    assert_eq!(counts(&all), [2, 0, 0]);
    assert_eq!(all.events_on(1).count(), 1);
    // Alone, each of them has it; what is printed of several is read as it was.
    assert_eq!(counts(&suite.select(&["s-v3"], None).unwrap()), [2]);
    let again = parse(&all.to_json()).unwrap();
    assert_eq!(again.select::<&str>(&[], None).unwrap(), all);
}

#[test]
fn events_that_several_scenarios_share_are_refused() {
    let mut whole = suite(&three(), &json!({}));
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    whole["scenarios"].as_array_mut().unwrap().push(other);
    whole["defaults"] = json!({ "events": [{ "at": "5s", "kill": "b1" }] });
    let suite = parse(&whole).unwrap();
    let error = suite.select::<&str>(&[], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the scenarios cannot run together: 2 of them would do the events in `defaults.events`; events belong to \
         the scenario that does them, and those on a server are of all that are run with it"
    );
    // One alone does them.
    let alone = suite.select(&["other"], None).unwrap();
    assert_eq!(alone.scenarios[0].events.len(), 1);
    whole["scenarios"][1]["events"] = json!([]);
    let suite = parse(&whole).unwrap();
    assert!(suite.select::<&str>(&[], None).is_ok());
}

#[test]
fn servers_behind_a_balancer_are_of_those_that_a_scenario_is_run_with() {
    let backends = json!({ "serve": "grpc", "b1": {}, "b2": {}, "b3": {},
        "lb": { "balance": "tcp", "backends": ["b1", "b2"] } });
    let fields =
        json!({ "backends": ["lb"], "events": [{ "at": "5s", "kill": "b2", "for": "1s" }] });
    let mut whole = suite(&backends, &fields);
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    other["events"] = json!([]);
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let suite = parse(&whole).unwrap_or_else(|error| panic!("{error}"));
    let plan = suite.select::<&str>(&[], None).unwrap();
    assert_eq!(plan.scenarios[1].backends, ["lb", "b1", "b2"]);
    assert_eq!(plan.scenarios[1].target_backends, ["lb"]);
    assert_eq!(plan.events_on(1).count(), 1);
    let wrong = told(
        &backends,
        &json!({ "backends": ["lb"], "events": [{ "at": "5s", "kill": "b3" }] }),
    );
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test_case(&json!({ "expect": { "distribution": { "weights": { "b1": 1, "b7": 2 }, "within": "2%" } } }) => "scenarios[0].expect.distribution.weights: found the unknown server `b7`, expected the name of a server that the run starts; did you mean `b1`?"; "one that nobody has")]
#[test_case(&json!({ "expect": { "distribution": { "weights": { "b1": 1, "b2": 2 }, "within": "2%" } } }) => ""; "some")]
#[test_case(&json!({ "expect": { "distribution": { "weights": { "10.0.0.7:80": 1 }, "within": "2%" } }, "identify": { "header": "x-upstream" } }) => ""; "names of others")]
fn weights_are_of_servers_that_there_are(fields: &Value) -> String {
    told(&three(), fields).join("\n")
}
