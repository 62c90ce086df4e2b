//! The end of a run while something is done, and what is left of it.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::common::{Guard, finish, loadgen, signal};
use crate::support::{
    assert_no_event_failed, event, is_gone, processes, run, state, suite, two, waits_until,
};

/// A run under way, and the processes of so many servers that it told of first.
fn begun(file: &Path, flags: &[&str], servers: usize) -> (Child, Vec<u32>) {
    let mut command = loadgen(&["run"]);
    command
        .args(flags)
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("loadgen starts");
    let stderr = child.stderr.take().expect("a pipe");
    let lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let said: String = lines.take(servers).map(|it| it + "\n").collect();
    (child, processes(&said))
}

/// A process that is stopped does not see that its standard input has ended.
#[test]
fn nothing_is_left_of_a_run_that_is_killed_while_a_server_is_frozen() {
    let backends = json!({ "serve": "http", "b1": {}, "b2": {},
        "l4": { "balance": "tcp", "backends": ["b1"] }, "l7": { "balance": "http", "backends": ["b2"] } });
    let scenario = json!({ "load": { "open": { "rate": "20/s", "duration": "60s" } },
        "events": [{ "at": "100ms", "freeze": "b2" }, { "at": "100ms", "freeze": "l4" }] });
    let (_folder, file) = suite(&backends, &scenario);
    let (child, processes) = begun(&file, &[], 4);
    let mut child = Guard(child);
    assert_eq!(processes.len(), 4);
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
    let (child, processes) = begun(&file, &["--json"], 2);
    let frozen = || processes.iter().any(|it| state(*it) == Some('T'));
    waits_until(Duration::from_secs(10), "one is frozen", frozen);
    signal(&child, rustix::process::Signal::INT);
    let said = finish(child, Duration::from_secs(10));
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(processes.into_iter().all(is_gone), "{said:?}");
    // What was never due has not failed.
    assert_no_event_failed(&said.json());
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
    let (child, processes) = begun(&file, &["--json", "--allow-events"], 2);
    let frozen = || processes.iter().any(|it| state(*it) == Some('T'));
    waits_until(Duration::from_secs(10), "one is frozen", frozen);
    // What the frozen one owes keeps the run going past the second command's time.
    signal(&child, rustix::process::Signal::INT);
    let said = finish(child, Duration::from_secs(15));
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(!later.exists(), "it was begun");
    assert_no_event_failed(&said.json());
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
        signal(&child.borrow().0, rustix::process::Signal::INT);
        let ended = child.borrow_mut().0.try_wait();
        ended.expect("it is ours").is_some()
    });
    waits_until(Duration::from_secs(2), "it is gone", || is_gone(process));
}
