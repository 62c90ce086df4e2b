//! `--trace`: exchanges in full, of every protocol.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Said, Server, assert_balances, finish, loadgen, say};
use serde_json::Value;

const HELLO: &str = "loadgen.v1.Greeter/Hello";

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// What a run of this suite says, which has this address in place of `ADDRESS`.
fn traced(suite: &str, address: &str, flags: &[&str]) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("suite.yaml");
    fs::write(&file, suite.replace("ADDRESS", address)).expect("a file");
    let file = file.to_str().expect("a path");
    let child = loadgen(&[&["run", file], flags].concat())
        .env("PLANTED_TENANT", "t3nant-planted")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    finish(child, Duration::from_secs(30))
}

/// In the request and in the reply, which says it again.
#[test]
fn a_trace_shows_nothing_of_the_environment() {
    let server = Server::start(&[]);
    let data = r#"{"name": "me {{ env.PLANTED_NAME }}"}"#;
    let line = ["grpc", &server.address, HELLO, "--data", data];
    let flags = ["-n", "1", "-c", "1", "--trace", "1"];
    let child = loadgen(&[&line[..], &flags].concat())
        .env("PLANTED_NAME", "s3cr3t-planted")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let said = finish(child, Duration::from_secs(30));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr.contains(r#"-> message {"name":"me ***"}"#),
        "{said:?}"
    );
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(!all.contains("s3cr3t-planted"), "{all}");
}

/// Failures first, secrets masked.
#[test]
fn a_trace_shows_calls_in_full() {
    let server = Server::start(&["--error-rate", "50%"]);
    let line = [
        "grpc",
        &server.address,
        HELLO,
        "--data",
        r#"{"name": "seen"}"#,
        "-n",
        "40",
        "-c",
        "1",
    ];
    let flags = [
        "--trace",
        "2",
        "-H",
        "x-api-key: PLANTED-2",
        "--threshold",
        "error_rate <= 100%",
    ];
    let said = say(&[&line[..], &flags].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in [
        "trace 1 of 2: loadgen.v1.Greeter/Hello at http://",
        "grpc.UNAVAILABLE",
        r#"-> message {"name":"seen"}"#,
        r#""x-api-key":"***""#,
        " = ",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    assert!(!said.stderr.contains("PLANTED-2"), "{said:?}");
    assert!(!said.stderr.contains("trace 3"), "{said:?}");
    assert!(said.stdout.contains("40 planned"), "{said:?}");

    let server = Server::start(&[]);
    let stream = [
        "grpc",
        &server.address,
        "loadgen.v1.Greeter/Stream",
        "--data",
        r#"{"count": 3}"#,
    ];
    let said = say(&[&stream[..], &["-n", "1", "--trace", "5", "--json"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr.matches("<- message ").count(), 3, "{said:?}");
    assert_balances(&json(&said));
}

#[test]
fn websocket_messages_are_traced_in_one_line() {
    let server = Server::serve("websocket", &["--address", "127.0.0.1:0"]);
    let url = format!("ws://{}/echo?token=PLANTED-1&room=7", server.address);
    let line = [
        "websocket",
        &url,
        "--send",
        r#"{"a": 1, "password": "PLANTED-3"}"#,
    ];
    let flags = [
        "-H",
        "x-api-key: PLANTED-2",
        "-n",
        "3",
        "-c",
        "1",
        "--trace",
        "1",
        "--json",
    ];
    let said = say(&[&line[..], &flags].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in [
        &format!(
            "trace 1 of 1: /echo?token=***&room=7 at ws://{}, user 0, iteration 0: ok",
            server.address
        ),
        r#"-> headers {"x-api-key":"***"}"#,
        "<- status 101 Switching Protocols",
        r#""a":1"#,
        r#""password":"***""#,
        " = ",
    ] {
        let words = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "{part}: {said:?}");
    }
    assert!(said.stderr.contains("-> message"), "{said:?}");
    assert!(said.stderr.contains("<- message"), "{said:?}");
    assert!(!said.stderr.contains("PLANTED"), "{said:?}");
    assert!(!said.stdout.contains("trace 1"), "{said:?}");
    assert_balances(&json(&said));
}

/// The outcome is the one that is in the result, with the check that failed and what it saw. It comes
/// late, and is shown before what went well.
#[test]
fn a_check_that_fails_late_comes_first_in_a_trace() {
    let server = Server::serve("websocket", &["--address", "127.0.0.1:0"]);
    let suite = r#"
scenarios:
  - name: late
    targets: ["ADDRESS"]
    headers: { x-tenant: { env: PLANTED_TENANT } }
    load: { closed: { users: 1, iterations: 30 } }
    steps:
      - name: echo
        websocket: { path: /echo, send: { json: { n: "{{ iteration }}" } } }
        check: ["reply.n != 25"]
    thresholds: ["error_rate < 50%"]
"#;
    let said = traced(suite, &server.address, &["--trace", "2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let words = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "iteration 25: check",
        "steps[0]: `reply.n != 25`: reply.n is 25",
        r#"-> headers {"x-tenant":"***"}"#,
        "trace 2 of 2: /echo at ",
        "iteration 0: ok",
    ] {
        assert!(words.contains(part), "{part}: {said:?}");
    }
    let failed = said.stderr.find("iteration 25").expect("it is there");
    let good = said.stderr.find("trace 2 of 2").expect("it is there");
    assert!(failed < good, "{said:?}");
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(!all.contains("t3nant-planted"), "{all}");
}

#[test]
fn bytes_and_long_texts_are_traced_with_their_length() {
    let server = Server::serve("websocket", &["--address", "127.0.0.1:0"]);
    let suite = r#"
scenarios:
  - name: sizes
    targets: ["ADDRESS"]
    load: { closed: { users: 1, iterations: 1 } }
    steps:
      - name: bytes
        websocket: { path: /echo, send: { binary: "AP8H" } }
      - name: long
        websocket: { path: /echo, send: { size: 5000B, as: text } }
"#;
    let said = traced(suite, &server.address, &["--trace", "2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr.contains("-> message 3 bytes 00ff07"),
        "{said:?}"
    );
    assert!(
        said.stderr.contains("<- message 3 bytes 00ff07"),
        "{said:?}"
    );
    let words = said.stderr.split_whitespace().collect::<String>();
    assert!(words.contains("(5000characters)"), "{said:?}");
    assert!(said.stderr.len() < 6_000, "{said:?}");
}

/// A call of HTTP reads as it went: the request with its body, and then what answered.
#[test]
fn an_http_exchange_is_traced_in_order() {
    let server = Server::serve("http", &["--address", "127.0.0.1:0"]);
    let suite = r#"
scenarios:
  - name: order
    targets: ["ADDRESS"]
    load: { closed: { users: 1, iterations: 1 } }
    steps:
      - name: echo
        http: { path: /echo, method: POST, headers: { x-tenant: blue }, body: { text: "seen" } }
"#;
    let said = traced(suite, &server.address, &["--trace", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let places = [
        r#"-> headers {"#,
        r#"-> body "seen""#,
        "<- status 200 OK",
        "<- headers {",
        r#"<- body "seen""#,
    ]
    .map(|part| {
        let at = said.stderr.find(part);
        at.unwrap_or_else(|| panic!("{part}: {said:?}"))
    });
    assert!(places.is_sorted(), "{said:?}");
}
