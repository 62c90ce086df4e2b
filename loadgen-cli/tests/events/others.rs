//! What is done to those that a run did not start.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::json;

use crate::common::{Said, loadgen, say};
use crate::support::{event, run, seconds, suite, two};

#[test]
fn others_are_left_alone_without_leave() {
    let events = json!({ "events": [
        { "at": "1s", "http": { "post": "http://127.0.0.1:1/drain?token=abc" } },
        { "at": "1.5s", "exec": ["nginx", "-s", "reload"] },
        { "at": "2s", "kill": "b1" },
    ] });
    let (_folder, file) = suite(&two(), &events);
    let said = run(&file, &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(
        said.stderr,
        "error: the scenarios would do things to what this run does not start:\n  \
         POST http://127.0.0.1:1/drain?token=*** at 1s\n  run `nginx -s reload` at 1.5s\n\
         `--allow-events` lets them\n"
    );
    let told = say(&["validate", &file.display().to_string()]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let lines: Vec<&str> = told.stdout.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "  starts b1: http server on any free port of 127.0.0.1",
            "  starts b2: http server on any free port of 127.0.0.1",
            "  s at 1 s: POST http://127.0.0.1:1/drain?token=*** (only with --allow-events)",
            "  s at 1.5 s: run `nginx -s reload` (only with --allow-events)",
            "  s at 2 s: kill b1, for good",
        ]
    );
    let listed = say(&["list", &file.display().to_string()]);
    assert!(
        listed.stdout.contains(
            "\nServers that a run starts:\n  b1: http server on any free port of 127.0.0.1, for s\n"
        ),
        "{listed:?}"
    );
}

/// Each of these cannot be done, for another reason.
#[test]
fn an_event_that_fails_makes_the_run_invalid() {
    let events = json!({ "events": [
        { "at": "100ms", "exec": ["sh", "-c", "echo not today >&2; exit 3"] },
        { "at": "200ms", "exec": ["there-is-no-such-program"] },
        { "at": "300ms", "exec": ["sleep", "60"], "timeout": "200ms" },
        { "at": "400ms", "http": { "get": "http://127.0.0.1:1/" } },
    ], "load": { "open": { "rate": "50/s", "duration": "1s" } } });
    let (_folder, file) = suite(&two(), &events);
    let said = run(&file, &["--allow-events", "--strict"]);
    assert_eq!(said.code, Some(100), "{said:?}");
    let document = said.json();
    assert_eq!(document["verdict"]["status"], "invalid");
    let failures: Vec<&str> = (0..4)
        .map(|index| {
            event(&document, index)["failure"]
                .as_str()
                .expect("a failure")
        })
        .collect();
    let events = document["scenarios"][0]["events"].as_array().unwrap();
    let of = |begins: &str| failures.iter().any(|it| it.starts_with(begins));
    assert!(of("it ended with exit status: 3: not today"), "{events:?}");
    assert!(of("cannot run `there-is-no-such-program`"), "{events:?}");
    assert!(
        of("it had not ended after 200ms, and was killed"),
        "{events:?}"
    );
    assert!(
        failures.iter().any(|it| it.contains("refused")),
        "{events:?}"
    );
    let reasons = document["verdict"]["reasons"].to_string();
    assert!(reasons.contains("4 events failed"), "{reasons}");
}

#[test]
fn a_request_is_sent_as_it_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let hears = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut heard = [0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&heard[..length]).ends_with("{\"a\":1.10}") {
            length += stream.read(&mut heard[length..]).expect("a request");
        }
        let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).expect("it is read");
        String::from_utf8_lossy(&heard[..length]).to_lowercase()
    });
    let deed = json!({ "post": format!("http://{address}/drain_listeners?graceful"), "json": { "a": "RAW" },
        "headers": { "authorization": { "env": "LOADGEN_TEST_TOKEN", "prefix": "Bearer " } } });
    let scenario = json!({ "events": [{ "at": "100ms", "http": deed }],
        "load": { "open": { "rate": "50/s", "duration": "1s" } } });
    let (_folder, file) = suite(&two(), &scenario);
    // Numbers are sent as they are written.
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("\"RAW\"", "1.10");
    fs::write(&file, text).unwrap();
    let mut command = loadgen(&["run", "--json", "--allow-events"]);
    let output = command
        .arg(&file)
        .env("LOADGEN_TEST_TOKEN", "s3cr3t-1")
        .output();
    let said = Said::from(output.expect("loadgen runs"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let heard = hears.join().expect("it heard");
    assert!(
        heard.starts_with("post /drain_listeners?graceful http/1.1\r\n"),
        "{heard}"
    );
    assert!(
        heard.contains("\r\nauthorization: bearer s3cr3t-1\r\n"),
        "{heard}"
    );
    assert!(
        heard.contains("\r\ncontent-type: application/json\r\n"),
        "{heard}"
    );
    let document = said.json();
    assert!(seconds(event(&document, 0), "done_s") >= 0.1, "{document}");
    assert!(!said.stdout.contains("s3cr3t-1"), "{said:?}");
}

#[test]
fn what_a_request_needs_is_there_before_the_load() {
    let deed = json!({ "get": "http://127.0.0.1:1", "headers": { "x-a": { "env": "LOADGEN_TEST_NOT_SET" } } });
    let (_folder, file) = suite(&two(), &json!({ "events": [{ "at": "1s", "http": deed }] }));
    let said = run(&file, &["--allow-events"]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(
        said.stderr.contains("error: s: the event `GET http://127.0.0.1:1`: the environment variable `LOADGEN_TEST_NOT_SET` is not set"),
        "{said:?}"
    );
}
