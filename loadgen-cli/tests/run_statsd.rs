//! Metrics to StatsD from the command line: what arrives, and what is said when it cannot.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;

use common::{loadgen, say};

/// Stands for StatsD: the sums of its counters.
fn counters(socket: &UdpSocket) -> BTreeMap<String, u64> {
    socket.set_nonblocking(true).expect("a socket");
    let mut sums = BTreeMap::new();
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        for line in String::from_utf8_lossy(&buffer[..length]).lines() {
            if let Some((name, value)) = line.trim_end_matches("|c").split_once(':')
                && let Ok(value) = value.parse::<u64>()
            {
                *sums.entry(name.to_owned()).or_default() += value;
            }
        }
    }
    sums
}

fn listening() -> (UdpSocket, String, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    (socket, address.to_string(), address.port().to_string())
}

#[test]
fn a_flag_says_where_metrics_go() {
    let (socket, address, _) = listening();
    let said = say(&["run", "-s", "hello_light", "--json", "--statsd", &address]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    let completed = &document["scenarios"][0]["ledger"]["completed"];
    let delivery = serde_json::json!([
        {"kind": "statsd", "to": address, "failed": 0, "short": 0},
    ]);
    assert_eq!(document["run"]["sinks"], delivery);
    let sums = counters(&socket);
    assert_eq!(
        Some(sums["loadgen.hello_light.completed"]),
        completed.as_u64()
    );
}

#[test]
fn the_environment_says_where_metrics_go() {
    let (socket, _, port) = listening();
    let mut command = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-n",
        "50",
        "--statsd-prefix",
        "a.b",
    ]);
    let output = command
        .env("STATSD_PORT", port)
        .output()
        .expect("loadgen starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(counters(&socket)["a.b.hello_light.completed"], 50);
}

#[test]
fn nobody_listening_is_said_and_fails_nothing() {
    let (socket, address, _) = listening();
    drop(socket);
    let flags = ["run", "-s", "hello_light", "-n", "50", "--json"];
    let said = say(&[&flags[..], &["--statsd", &address]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    let delivery = &said.json()["run"]["sinks"][0];
    assert!(delivery["failed"].as_u64() > Some(0), "{said:?}");
    assert!(delivery["short"].as_u64() > Some(9), "{said:?}");
    let warning = format!("WARNING: StatsD at {address}: nobody listened, and nothing got there\n");
    assert!(said.stderr.contains(&warning), "{said:?}");
}

#[test]
fn an_unknown_host_ends_it_before_anything_starts() {
    let said = say(&[
        "run",
        "-s",
        "hello_light",
        "--statsd",
        "no.such.host.invalid:8125",
    ]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let error = "failed to send metrics to StatsD at no.such.host.invalid:8125: ";
    assert!(said.stderr.contains(error), "{said:?}");
    assert!(!said.stderr.contains("embedded"), "{said:?}");
}

#[test]
fn nonsense_in_the_environment_is_refused() {
    for (variable, value) in [("STATSD_HOST", "udp://x"), ("STATSD_PORT", "banana")] {
        let mut command = loadgen(&["run", "-s", "hello_light"]);
        let output = command
            .env(variable, value)
            .output()
            .expect("loadgen starts");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = format!("environment variable {variable} is `{value}`: expected ");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&error), "{stderr}");
    }
}

#[test]
fn names_that_would_be_one_are_the_scenarios_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    let scenario = |name: &str| {
        serde_json::json!({
            "name": name,
            "load": { "closed": { "users": 1, "iterations": 1 } },
            "steps": [{ "websocket": { "path": "/echo", "send": { "text": "x" } } }],
        })
    };
    let suite =
        serde_json::json!({ "scenarios": [scenario("a.b"), scenario("a-b"), scenario("a_b")] });
    fs::write(&path, suite.to_string()).expect("the file is written");
    let path = path.display().to_string();
    let said = say(&["run", "--config", &path, "--statsd", "127.0.0.1:9"]);
    assert_eq!(said.code, Some(104), "{said:?}");
    let error = "scenarios `a.b` and `a_b` would both be `a_b` in StatsD; rename one";
    assert!(said.stderr.contains(error), "{said:?}");
    assert!(!said.stderr.contains("embedded"), "{said:?}");
}
