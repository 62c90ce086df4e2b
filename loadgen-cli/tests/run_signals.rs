//! Signals: the first drains, the second cuts off, and the report comes either way.

mod common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{Proxy, Said, Server, assert_balances, finish, loadgen, pipe_in, signal};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::SIGHUP;

const SOON: Duration = Duration::from_secs(15);

/// A run of a minute against a server that takes this long for each answer, with requests under
/// way.
fn under_way(delay: &str) -> (Child, Server) {
    under_way_to(delay, Stdio::piped())
}

/// The same with the report going to `stdout`.
fn under_way_to(delay: &str, stdout: Stdio) -> (Child, Server) {
    let server = Server::start(&["--delay", delay]);
    let proxy = Proxy::start(&server.address);
    let child = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-d",
        "60s",
        "--json",
        "--grpc-target",
    ])
    .arg(&proxy.address)
    .stdout(stdout)
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    proxy.wait_for_requests();
    (child, server)
}

fn ledger(document: &Value, key: &str) -> u64 {
    document["scenarios"][0]["ledger"][key].as_u64().expect(key)
}

fn reported(said: &Said) -> Value {
    assert_eq!(said.code, Some(105), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    assert_eq!(document["run"]["stopped"], true, "{document}");
    document
}

fn drains(which: Signal) {
    let (child, _server) = under_way("200ms");
    signal(&child, which);
    let said = finish(child, SOON);
    assert!(
        said.stderr
            .contains("stopping: what is under way may finish"),
        "{said:?}"
    );
    let document = reported(&said);
    assert!(ledger(&document, "completed") > 0, "{document}");
    assert_eq!(ledger(&document, "interrupted"), 0, "{document}");
    assert_eq!(ledger(&document, "failed"), 0, "{document}");
}

#[test]
fn an_interrupt_lets_what_is_under_way_finish() {
    drains(Signal::INT);
}

#[test]
fn a_termination_is_like_an_interrupt() {
    drains(Signal::TERM);
}

#[test]
fn a_hang_up_is_like_a_termination() {
    // Tests that run under `nohup` would hand that down; what is caught here is as usual there.
    signal_hook::flag::register(SIGHUP, Arc::default()).expect("it may be caught");
    drains(Signal::HUP);
}

/// As under `nohup`.
#[test]
fn a_hang_up_that_was_ignored_at_the_start_stays_so() {
    let child = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" run -s hello_light -d 1s --json",
        ])
        .arg(env!("CARGO_BIN_EXE_loadgen"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    wait(300);
    signal(&child, Signal::HUP);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()["run"]["stopped"], false, "{said:?}");
}

/// While a suite comes through a pipe that nobody writes to.
#[test]
fn an_interrupt_while_a_suite_is_waited_for() {
    let mut child = loadgen(&["run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let held = child.stdin.take();
    wait(300);
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    drop(held);
    assert_eq!(said.code, Some(105), "{said:?}");
}

/// While a server is asked by reflection and says nothing. What was begun of a file is gone.
#[test]
fn an_interrupt_while_a_server_is_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let suite = folder.path().join("suite.json");
    let text = serde_json::json!({ "scenarios": [{
        "name": "asks",
        "targets": [address],
        "connect_timeout": "60s",
        "load": { "closed": { "users": 1, "iterations": 1 } },
        "steps": [{ "grpc": { "method": "shop.v1.Shop/Buy" } }],
    }]});
    std::fs::write(&suite, text.to_string()).expect("it is writable");
    let out = format!("json={}", folder.path().join("out.json").display());
    let child = loadgen(&["run", suite.to_str().expect("a path"), "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let connected = silent.accept().expect("loadgen asks");
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    drop(connected);
    assert_eq!(said.code, Some(105), "{said:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// While the pipe that the result goes to has no reader.
#[test]
fn an_interrupt_while_a_reader_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = pipe_in(folder.path());
    let mut child = loadgen(&["run", "-s", "hello_light", "--out"])
        .arg(format!("json={}", pipe.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    let expected = format!(
        "waiting for somebody to read the pipe {}, where the result goes\n",
        pipe.display()
    );
    assert_eq!(line, expected);
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(105), "{said:?}");
}

/// The third ends the process even where nobody reads what it says.
#[test]
fn a_third_interrupt_ends_the_process_whatever_it_waits_for() {
    let (unread, mut full) = std::io::pipe().expect("a pipe");
    // As much as Linux has room for.
    full.write_all(&[b' '; 64 << 10]).expect("there is room");
    let (child, _server) = under_way_to("30s", full.into());
    for _ in 0..3 {
        signal(&child, Signal::INT);
        wait(300);
    }
    let said = finish(child, SOON);
    drop(unread);
    assert_eq!(said.code, Some(105), "{said:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "signals that come close together are one"
)]
fn wait(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn a_second_interrupt_cuts_off_and_still_reports() {
    let (mut child, _server) = under_way("50s");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    signal(&child, Signal::INT);
    let mut line = String::new();
    while !line.contains("stopping:") {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).expect("text"),
            0,
            "it says that it stops"
        );
    }
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    let document = reported(&said);
    assert!(ledger(&document, "interrupted") > 0, "{document}");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("stopping at once"), "{rest}");
}

/// Where nobody reads what it says.
#[test]
fn a_second_interrupt_cuts_off_while_standard_error_is_full() {
    let (unread, stderr) = full_pipe();
    let server = Server::start(&["--delay", "50s"]);
    let proxy = Proxy::start(&server.address);
    // Another worker may not have begun when the signal comes, and would end its connection at once.
    let child = loadgen(&["run", "-s", "hello_light", "-d", "60s", "--json"])
        .args(["--workers", "1", "--grpc-target", &proxy.address])
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("loadgen starts");
    proxy.wait_for_requests();
    signal(&child, Signal::INT);
    assert!(
        !proxy.sees_an_end(Duration::from_secs(1)),
        "the first lets it finish"
    );
    signal(&child, Signal::INT);
    reported(&finish(child, SOON));
    drop(unread);
}

/// Nobody reads what is said, and nothing that was measured is lost by it.
#[test]
fn results_are_written_while_standard_error_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result.json");
    let (unread, stderr) = full_pipe();
    let child = loadgen(&["run", "-s", "hello_light", "--json", "--out"])
        .arg(format!("json={}", result.display()))
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("loadgen starts");
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(0), "{said:?}");
    let written = std::fs::read(result).expect("the file");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written, said.json());
    drop(unread);
}

/// A pipe that has no room, and its other end.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (unread, full) = std::io::pipe().expect("a pipe");
    let mut rest = full.try_clone().expect("a descriptor");
    // More than there is room for; it waits for as long as the test does.
    thread::spawn(move || rest.write_all(&[b' '; 1 << 20]));
    let mut holds = 0;
    // How much there is room for depends on the system.
    while holds == 0 || holds != rustix::io::ioctl_fionread(&unread).expect("a pipe") {
        holds = rustix::io::ioctl_fionread(&unread).expect("a pipe");
        wait(200);
    }
    (unread, full)
}

#[test]
fn a_server_ends_well_when_told_to() {
    for which in [Signal::INT, Signal::TERM] {
        let mut server = Server::start(&[]);
        signal(&server.process.0, which);
        let status = server.process.0.wait().expect("the server ends");
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn a_server_that_was_told_to_ends_with_its_standard_input() {
    let mut child = loadgen(&["serve", "grpc", "--address", "127.0.0.1:0"])
        .arg("--until-stdin-closes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    drop(child.stdin.take());
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.starts_with("grpc listening on 127.0.0.1:"),
        "{said:?}"
    );
}

#[test]
fn an_interrupt_before_the_load_begins() {
    // Takes connections into its backlog and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let child = loadgen(&["run", "-s", "hello_light", "--grpc-target", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    // Once it connects it listens for signals, too.
    let connected = silent.accept().expect("loadgen connects");
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    drop(connected);
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(said.stderr.contains("nothing was measured"), "{said:?}");
    let expected = "stopping: connecting is under way";
    assert!(said.stderr.contains(expected), "{said:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time that the generator stands still is what is tested"
)]
fn freeze() {
    thread::sleep(Duration::from_millis(400));
}

#[test]
fn a_generator_that_was_frozen_is_invalid_and_strict_says_so() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server.address);
    let child = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-r",
        "500/s",
        "-d",
        "2s",
        "--strict",
    ])
    .args(["--json", "--grpc-target", &proxy.address])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    proxy.wait_for_requests();
    signal(&child, Signal::STOP);
    freeze();
    signal(&child, Signal::CONT);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(100), "{said:?}");
    assert_eq!(said.json()["verdict"]["status"], "invalid", "{said:?}");
    assert!(
        said.stderr.contains("WARNING: the run is invalid"),
        "{said:?}"
    );
}

#[test]
fn an_embedded_backend_that_is_killed_is_the_last_word() {
    let mut child = loadgen(&["run", "-s", "hello_light", "-r", "50/s", "-d", "2s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    let backend = line
        .trim_end()
        .trim_end_matches(')')
        .rsplit(' ')
        .next()
        .and_then(|id| id.parse().ok())
        .and_then(Pid::from_raw)
        .unwrap_or_else(|| panic!("no process in `{line}`"));
    kill_process(backend, Signal::KILL).expect("it is there");
    let said = finish(child, SOON);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert_eq!(said.code, Some(1), "{said:?} {rest}");
    let last = rest.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: the embedded backend ended before the load did"),
        "{rest}"
    );
}

#[test]
fn the_embedded_backend_does_not_outlive_a_run_that_was_killed() {
    let mut child = loadgen(&["run", "-s", "hello_light", "-d", "60s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    let address = line
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"));
    let mut backend = TcpStream::connect(address.expect("an address")).expect("it answers");
    backend.set_read_timeout(Some(SOON)).expect("a timeout");
    child.kill().expect("it is there");
    child.wait().expect("it ends");
    // Ends with the backend; an error other than a timeout is an end, too.
    let mut said = Vec::new();
    if let Err(error) = backend.read_to_end(&mut said) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
