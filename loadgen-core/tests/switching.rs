//! Whole runs in which somebody switches targets off and on, against real servers, over each kind of connection.
#![cfg(all(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and whoever changes a run is on a thread of their own"
)]

use std::thread;
use std::time::Duration;

use loadgen_backends::{
    Delay, RunningServer, ServeError, ServerConfig, TcpOptions, start_grpc, start_http, start_tcp,
    start_websocket,
};
use loadgen_core::assemble;
use loadgen_core::engine::{Change, Control, Options};
use loadgen_core::record::{EventAction, EventEffect, ScenarioRecord};
use loadgen_core::report::{Context, build};
use loadgen_core::scenario::{Plan, Suite};
use serde_json::{Value, json};
use test_case::test_case;

type Serve = fn(ServerConfig) -> Result<RunningServer, ServeError>;

fn start(serve: Serve) -> RunningServer {
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    config.measure = true;
    serve(config).unwrap()
}

fn tcp(config: ServerConfig) -> Result<RunningServer, ServeError> {
    start_tcp(config, TcpOptions::default())
}

fn requests(server: &RunningServer) -> u64 {
    server.activity().unwrap().requests
}

fn rest(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn switch(control: &Control, server: &RunningServer, on: bool) -> Result<String, String> {
    let target = server.local_addr().to_string();
    let change = Change::Target {
        scenario: None,
        target,
        on,
    };
    control.change(&change).map_err(|it| it.to_string())
}

fn plan(servers: &[RunningServer], fields: Value) -> Plan {
    let targets: Vec<_> = servers
        .iter()
        .map(|it| it.local_addr().to_string())
        .collect();
    let mut scenario = json!({
        "name": "spread",
        "targets": targets,
        "load": { "closed": { "users": 6, "duration": "2s", "think_time": "2ms" } },
    });
    let Value::Object(fields) = fields else {
        panic!("fields of a scenario: {fields}");
    };
    scenario.as_object_mut().unwrap().extend(fields);
    let suite = json!({ "scenarios": [scenario] }).to_string();
    let suite = Suite::parse("suite.json", &suite, None, None).unwrap();
    suite.select::<&str>(&[], None).unwrap()
}

/// Carries it out with somebody beside it, and hands over what became of it.
fn changed(plan: &Plan, script: impl FnOnce(&Control) + Send) -> ScenarioRecord {
    let run = assemble(plan, Options::default().workers(2).seed(1)).unwrap();
    let (control, marker) = (run.control(), run.marker());
    let record = thread::scope(|scope| {
        scope.spawn(move || {
            assert!(marker.begun(Duration::from_secs(30)));
            rest(300);
            script(&control);
        });
        run.execute().expect("the run begins")
    });
    let document = build(&record, Context::of(plan));
    let warnings = document.verdict.warnings.join("\n");
    assert!(
        warnings.contains("changed by hand while it was measured: `spread`"),
        "{warnings}"
    );
    let [scenario] = <[_; 1]>::try_from(record.scenarios).unwrap();
    assert!(scenario.ledger.balances(), "{:?}", scenario.ledger);
    assert_eq!(scenario.ledger.failed, 0, "{:?}", scenario.outcomes);
    scenario
}

fn hello() -> Value {
    json!([{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": {} } }])
}

#[test_case(start_grpc, json!({ "steps": hello() }); "connections that users share")]
#[test_case(start_grpc, json!({ "steps": hello(), "connections": 2 }); "a worker whose only connection is to one that is off")]
#[test_case(start_grpc, json!({ "steps": hello(), "pick": "round_robin" }); "a choice among servers")]
#[test_case(start_grpc, json!({ "steps": hello(), "connection_per": "user" }); "a connection of each user")]
#[test_case(start_grpc, json!({ "steps": hello(), "connection_per": "iteration" }); "a connection of each iteration")]
#[test_case(start_http, json!({ "steps": [{ "http": { "path": "/hello" } }] }); "http over a connection of each user")]
#[test_case(start_http, json!({ "steps": [{ "http": { "path": "/hello" } }], "http_version": "2" }); "http over shared ones")]
#[test_case(start_websocket, json!({ "steps": [{ "websocket": { "path": "/echo", "send": { "text": "x" } } }] }); "websocket")]
#[test_case(start_websocket, json!({ "steps": [{ "websocket": { "path": "/echo", "send": { "text": "x" } } }], "connection_per": "iteration" }); "websocket for an iteration")]
#[test_case(tcp, json!({ "steps": [{ "tcp": { "send": { "text": "x" }, "receive": { "bytes": 1 } } }] }); "tcp")]
fn a_target_that_is_off_gets_nothing_new_until_it_is_on(serve: Serve, fields: Value) {
    let servers = [start(serve), start(serve)];
    let record = changed(&plan(&servers, fields), |control| {
        let of = |nth: usize| requests(&servers[nth]);
        assert!(
            of(0) > 0 && of(1) > 0,
            "both are asked: {} {}",
            of(0),
            of(1)
        );
        switch(control, &servers[0], false).unwrap();
        let why = switch(control, &servers[1], false).unwrap_err();
        assert!(why.contains("sends to no other target than"), "{why}");
        // What is under way ends first.
        rest(200);
        let before = [of(0), of(1)];
        rest(300);
        assert_eq!(of(0), before[0], "nothing new is sent to it");
        assert!(
            of(1) > before[1] + 30,
            "all goes to the other: {}",
            of(1) - before[1]
        );
        switch(control, &servers[0], true).unwrap();
        rest(200);
        let before = [of(0), of(1)];
        rest(300);
        assert!(
            of(0) > before[0] + 10 && of(1) > before[1] + 10,
            "both again"
        );
    });
    let events = record.events.iter();
    let switches: Vec<_> = events
        .filter(|it| it.action == EventAction::Target)
        .map(|it| it.effect)
        .collect();
    assert_eq!(switches, [EventEffect::Lasts, EventEffect::Ends]);
    assert_eq!(record.connections.counts.dropped, 0);
}

/// Waits for what a quick machine does in a fraction of a second.
fn until(holds: impl Fn() -> bool, what: &str) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        rest(50);
    }
    panic!("{what}");
}

/// Who is between two requests says good-bye to a target that is off; who waits for an answer gets it first.
#[test]
fn kept_connections_to_a_target_that_is_off_are_closed_and_no_request_is_cut() {
    let slow = |mut config: ServerConfig| {
        config.faults.delay = Some(Delay::fixed(Duration::from_millis(150)));
        start_http(config)
    };
    let servers = [start(slow), start(slow)];
    let users = 12;
    let fields = json!({
        "steps": [{ "http": { "path": "/hello" } }],
        "load": { "closed": { "users": users, "duration": "60s", "think_time": "100ms" } },
    });
    let record = changed(&plan(&servers, fields), |control| {
        let open = || {
            let activities = servers.iter().map(|it| it.activity().unwrap());
            activities.map(|it| it.connections_open).collect::<Vec<_>>()
        };
        let opened = || -> u64 {
            let activities = servers.iter().map(|it| it.activity().unwrap());
            activities.map(|it| it.connections_opened).sum()
        };
        assert_eq!(open(), [users / 2, users / 2], "each user has its own");
        switch(control, &servers[0], false).unwrap();
        until(|| open() == [0, users], "all are with the other");
        assert_eq!(opened(), users + users / 2, "and were opened once");
        switch(control, &servers[0], true).unwrap();
        until(|| open() == [users / 2, users / 2], "each is back");
        let _ = control.change(&Change::Stop { at_once: false });
    });
    let answered: u64 = servers.iter().map(requests).sum();
    let ledger = &record.ledger;
    assert!(ledger.completed >= users, "{ledger:?}");
    // The server counts what it was there to the end of: what was cut would be on one side only.
    assert_eq!(
        (ledger.started, answered),
        (ledger.completed + ledger.interrupted, ledger.completed)
    );
    assert_eq!(record.connections.counts.opened, 2 * users);
    assert_eq!(record.connections.counts.dropped, 0);
}
