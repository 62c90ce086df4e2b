//! Servers that a run starts, and what is done to them: as a person sees it, and to the end of all of them.

mod common;

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use common::{Guard, Said, assert_balances, loadgen, say};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A suite of these servers and one scenario, in a file that is gone with the folder.
fn suite(backends: &Value, scenario: &Value) -> (TempDir, PathBuf) {
    let mut whole = json!({
        "name": "s",
        "load": { "open": { "rate": "50/s", "duration": "3s" } },
        "timeout": "500ms",
        "graceful_stop": "1s",
        "steps": [{ "name": "hello", "http": { "path": "/hello" } }],
        "thresholds": [],
    });
    for (field, value) in scenario.as_object().expect("fields") {
        whole[field] = value.clone();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    let text = json!({ "backends": backends, "scenarios": [whole] }).to_string();
    fs::write(&path, text).expect("the file is written");
    (folder, path)
}

fn run(file: &Path, flags: &[&str]) -> Said {
    let file = file.display().to_string();
    say(&[&["run", &file, "--json"], flags].concat())
}

fn two() -> Value {
    json!({ "serve": "http", "b1": {}, "b2": {} })
}

fn event(document: &Value, index: usize) -> &Value {
    &document["scenarios"][0]["events"][index]
}

fn seconds(event: &Value, field: &str) -> f64 {
    event[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field} of {event}"))
}

/// That no event is a reason of the verdict; a busy machine may be.
fn assert_no_event_failed(document: &Value) {
    let reasons = document["verdict"]["reasons"].to_string();
    assert!(!reasons.contains("event"), "{reasons}");
}

/// The processes of the servers that a run says it has started.
fn processes(stderr: &str) -> Vec<u32> {
    let ids = stderr
        .lines()
        .filter_map(|line| line.split("(process ").nth(1));
    ids.map(|rest| rest.trim_end_matches(')').parse().expect("a number"))
        .collect()
}

/// How a process stands: `T` is stopped; `None` and `Z` are gone.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

fn is_gone(process: u32) -> bool {
    matches!(state(process), None | Some('Z'))
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes are waited for, which have no other clock"
)]
fn waits_until(within: Duration, what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < until, "{what} within {within:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

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
    assert!((0.45..0.8).contains(&away(freeze)), "{freeze}");
    assert!(away(of("drain b2")) >= 0.29, "{}", of("drain b2"));
    assert!(processes(&said.stderr).into_iter().all(is_gone), "{said:?}");
}

/// A process that is stopped does not see that its standard input has ended.
#[test]
fn nothing_is_left_of_a_run_that_is_killed_while_a_server_is_frozen() {
    let backends = json!({ "serve": "http", "b1": {}, "b2": {},
        "l4": { "balance": "tcp", "backends": ["b1"] }, "l7": { "balance": "http", "backends": ["b2"] } });
    let scenario = json!({ "load": { "open": { "rate": "20/s", "duration": "60s" } },
        "events": [{ "at": "100ms", "freeze": "b2" }, { "at": "100ms", "freeze": "l4" }] });
    let (_folder, file) = suite(&backends, &scenario);
    let mut command = loadgen(&["run"]);
    command
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = Guard(command.spawn().expect("loadgen starts"));
    let stderr = child.0.stderr.take().expect("a pipe");
    let lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let said: String = lines.take(4).map(|it| it + "\n").collect();
    let processes = processes(&said);
    assert_eq!(processes.len(), 4, "{said}");
    let frozen = || {
        processes
            .iter()
            .filter(|it| state(**it) == Some('T'))
            .count()
    };
    waits_until(Duration::from_secs(10), "two are frozen", || frozen() == 2);
    child.0.kill().expect("it is there");
    let all_gone = || processes.iter().all(|it| is_gone(*it));
    waits_until(Duration::from_secs(2), "all are gone", all_gone);
}

#[test]
fn nothing_is_left_of_a_run_that_is_stopped_while_a_server_is_frozen() {
    let scenario = json!({ "load": { "open": { "rate": "20/s", "duration": "60s" } }, "graceful_stop": "100ms",
        "events": [{ "at": "100ms", "freeze": "b2" }, { "at": "50s", "kill": "b1" }] });
    let (_folder, file) = suite(&two(), &scenario);
    let mut command = loadgen(&["run", "--json"]);
    command
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("loadgen starts");
    let stderr = child.stderr.take().expect("a pipe");
    let lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let said: String = lines.take(2).map(|it| it + "\n").collect();
    let processes = processes(&said);
    let frozen = || processes.iter().any(|it| state(*it) == Some('T'));
    waits_until(Duration::from_secs(10), "one is frozen", frozen);
    common::signal(&child, rustix::process::Signal::INT);
    let said = common::finish(child, Duration::from_secs(10));
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(processes.into_iter().all(is_gone), "{said:?}");
    // What was never due has not failed.
    assert_no_event_failed(&said.json());
}

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
fn a_load_that_is_over_before_an_event_makes_the_run_invalid() {
    let scenario = json!({ "load": { "closed": { "users": 1, "iterations": 5 } },
        "events": [{ "at": "20s", "kill": "b1" }] });
    let (_folder, file) = suite(&two(), &scenario);
    let said = run(&file, &[]);
    let document = said.json();
    assert_eq!(document["verdict"]["status"], "invalid", "{said:?}");
    assert_eq!(
        event(&document, 0)["failure"],
        "the load was over before its time"
    );
}

/// A server that takes requests and answers none.
#[test]
fn a_request_that_is_under_way_when_the_load_is_over_makes_the_run_invalid() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address");
    let scenario = json!({ "load": { "open": { "rate": "50/s", "duration": "1s" } }, "events": [
        { "at": "500ms", "http": { "get": format!("http://{address}/") }, "timeout": "30s" }] });
    let (_folder, file) = suite(&two(), &scenario);
    let said = run(&file, &["--allow-events"]);
    let document = said.json();
    assert_eq!(document["verdict"]["status"], "invalid", "{said:?}");
    let event = event(&document, 0);
    assert_eq!(
        event["failure"],
        "it had not been answered when the load was over"
    );
    assert!(event.get("done_s").is_none(), "{event}");
}

/// The command that is under way is cut off, and what comes later is not begun.
#[test]
fn a_run_that_is_stopped_begins_no_event_and_is_not_invalid_for_that() {
    let scenario = json!({ "load": { "open": { "rate": "20/s", "duration": "60s" } }, "graceful_stop": "3s",
        "steps": [{ "name": "slow", "http": { "path": "/hello" } }], "timeout": "30s",
        "events": [{ "at": "100ms", "exec": ["sleep", "60"], "timeout": "5m" },
            { "at": "100ms", "freeze": "b2", "for": "55s" },
            { "at": "2.5s", "exec": ["touch", "LATER"] }] });
    let (folder, file) = suite(&two(), &scenario);
    let later = folder.path().join("later");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("LATER", &later.display().to_string())).unwrap();
    let mut command = loadgen(&["run", "--json", "--allow-events"]);
    command
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("loadgen starts");
    let stderr = child.stderr.take().expect("a pipe");
    let lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let said: String = lines.take(2).map(|it| it + "\n").collect();
    let processes = processes(&said);
    let frozen = || processes.iter().any(|it| state(*it) == Some('T'));
    waits_until(Duration::from_secs(10), "one is frozen", frozen);
    // What the frozen one owes keeps the run going past the second command's time.
    common::signal(&child, rustix::process::Signal::INT);
    let said = common::finish(child, Duration::from_secs(15));
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(!later.exists(), "it was begun");
    assert_no_event_failed(&said.json());
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
fn a_command_that_is_under_way_ends_with_the_third_signal() {
    let scenario = json!({ "load": { "open": { "rate": "20/s", "duration": "60s" } }, "timeout": "30s",
        "steps": [{ "name": "slow", "http": { "path": "/hello" } }], "graceful_stop": "30s",
        "events": [{ "at": "100ms", "exec": ["sh", "-c", "echo $$ > PID; sleep 60"], "timeout": "5m" }] });
    let slow = json!({ "serve": "http", "b1": { "delay": "20s" } });
    let (folder, file) = suite(&slow, &scenario);
    let pid = folder.path().join("pid");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("PID", &pid.display().to_string())).unwrap();
    let mut command = loadgen(&["run", "--allow-events"]);
    command
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = Guard(command.spawn().expect("loadgen starts"));
    let process = || fs::read_to_string(&pid).ok()?.trim().parse::<u32>().ok();
    waits_until(Duration::from_secs(10), "it runs", || process().is_some());
    let process = process().expect("a number");
    let child = RefCell::new(child);
    waits_until(Duration::from_secs(10), "it ends", || {
        common::signal(&child.borrow().0, rustix::process::Signal::INT);
        let ended = child.borrow_mut().0.try_wait();
        ended.expect("it is ours").is_some()
    });
    waits_until(Duration::from_secs(2), "it is gone", || is_gone(process));
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
        let shipped = include_str!("../../scenarios/balance.json");
        let shorter = shipped
            .replace("\"duration\": \"12s\"", "\"duration\": \"5s\"")
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
