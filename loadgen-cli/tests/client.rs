//! `loadgen client`, and the flags and variables of `loadgen serve grpc` that go with it.

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use common::{Server, finish, listening, loadgen, say, signal};
use rustix::process::Signal;
use test_case::test_case;

/// An address at which nobody listens.
const NOBODY: &str = "127.0.0.1:1";

fn port(address: &str) -> &str {
    address.rsplit_once(':').expect("an address").1
}

/// Lines without the times at their ends.
fn lines(stdout: &str) -> Vec<String> {
    let each = stdout.lines();
    each.map(|line| match line.rsplit_once(" (") {
        Some((line, _)) => line.to_owned(),
        None => line.to_owned(),
    })
    .collect()
}

#[test]
fn each_target_is_visited_in_its_turn() {
    let (blue, green) = (
        Server::start(&["--id", "blue"]),
        Server::start(&["--id", "green"]),
    );
    let targets = format!("127.0.0.1, {}", green.address);
    let said = say(&[
        "client",
        "--targets",
        &targets,
        "--port",
        port(&blue.address),
        "--repeat",
        "2",
        "--delay",
        "0",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
    let lines = lines(&said.stdout);
    assert_eq!(lines.len(), 4, "{said:?}");
    for (line, (round, (address, id))) in lines.iter().zip([
        (1, (&blue.address, "blue")),
        (1, (&green.address, "green")),
        (2, (&blue.address, "blue")),
        (2, (&green.address, "green")),
    ]) {
        assert!(
            line.starts_with(&format!("[{round}/2] {address} answered by {id} on ")),
            "{line}"
        );
        assert!(line.ends_with(": \"Hello, loadgen!\""), "{line}");
    }
}

#[test]
fn five_messages_come_back_on_a_stream() {
    let server = Server::start(&["--id", "blue"]);
    let said = say(&[
        "client",
        "--targets",
        &server.address,
        "--type",
        "bidirectional",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = lines(&said.stdout);
    assert!(lines[0].ends_with(": 5 messages"), "{said:?}");
    let echoes: Vec<_> = (1..=5)
        .map(|number| format!("    \"message {number}\""))
        .collect();
    assert_eq!(lines[1..], echoes);
}

#[test]
fn who_does_not_answer_is_a_line_and_the_visits_go_on() {
    let server = Server::start(&["--id", "blue"]);
    let targets = format!("{NOBODY},{}", server.address);
    let said = say(&["client", "--targets", &targets, "--delay", "0"]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{said:?}");
    let wanted = "127.0.0.1:1 no answer: could not connect to 127.0.0.1:1: ";
    assert!(lines[0].starts_with(wanted), "{said:?}");
    assert!(lines[0].contains("refused"), "{said:?}");
    assert!(lines[1].contains(" answered by blue on "), "{said:?}");
    assert_eq!(said.stderr, "answered: 1 of 2\n");
}

#[test]
fn nobody_at_all_has_an_exit_code_of_its_own() {
    let said = say(&["client", "--targets", NOBODY]);
    assert_eq!(said.code, Some(101), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
}

#[test]
fn a_server_that_fails_says_how() {
    let server = Server::start(&["--error-rate", "1", "--error-code", "INTERNAL"]);
    let said = say(&["client", "--targets", &server.address]);
    assert_eq!(said.code, Some(101), "{said:?}");
    let wanted = format!("{} no answer: grpc.INTERNAL: ", server.address);
    assert!(said.stdout.starts_with(&wanted), "{said:?}");
    assert!(said.stdout.contains("failed on purpose"), "{said:?}");
}

#[test]
fn without_an_end_a_signal_is_the_end() {
    let server = Server::start(&["--id", "blue"]);
    let mut child = loadgen(&[
        "client",
        "--targets",
        &server.address,
        "--repeat",
        "0",
        "--delay",
        "3600",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a visit");
    assert!(line.starts_with("[1] "), "{line}");
    signal(&child, Signal::INT);
    assert_eq!(finish(child, Duration::from_secs(10)).code, Some(0));
}

#[test]
fn cut_short_has_an_exit_code_of_its_own() {
    let server = Server::start(&[]);
    let mut child = loadgen(&[
        "client",
        "--targets",
        &server.address,
        "--repeat",
        "2",
        "--delay",
        "3600",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    stdout.read_line(&mut String::new()).expect("a visit");
    signal(&child, Signal::TERM);
    assert_eq!(finish(child, Duration::from_secs(10)).code, Some(105));
}

#[test_case(&["--targets", "a,,b"], "found ``, expected a name or an address"; "a gap")]
#[test_case(&["--targets", "https://a"], "whether it is over TLS says `--secure`"; "a scheme")]
#[test_case(&["--targets", "a", "--port", "0"], "expected a whole number from 1 to 65535"; "port")]
#[test_case(&["--targets", "a", "--type", "stream"], "[possible values: unary, bidirectional]"; "kind")]
#[test_case(&["--targets", "a", "--delay", "-1"], "expected seconds from 0 to 3600"; "delay")]
#[test_case(&["--targets", "a", "--random-min", "1"], "`--random-min` goes with `--delay-mode random`, and the mode is fixed"; "mode")]
#[test_case(&["--targets", "a", "--delay-mode", "random", "--delay", "1"], "`--delay` goes with `--delay-mode fixed`, and the mode is random"; "other mode")]
#[test_case(&["--targets", "a", "--delay-mode", "random", "--random-min", "3"], "`--random-max` (2 s) is below `--random-min` (3 s)"; "range")]
#[test_case(&["--targets", "a", "--tls-ca", "x"], "--secure"; "tls without secure")]
#[test_case(&["--targets", "a", "--secure", "--tls-ca", "/no/ca"], "/no/ca"; "no authority")]
#[test_case(&[], "--targets"; "nobody")]
fn bad_flags_are_told(flags: &[&str], part: &str) {
    let said = say(&[&["client"], flags].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
}

#[test]
fn a_server_takes_the_variables_of_the_original_and_serves_tls_when_it_is_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (
        folder.path().join("server.crt"),
        folder.path().join("server.key"),
    );
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    for secure in [false, true] {
        let mut command = loadgen(&["serve", "grpc", "--port", "0", "--type", "bidirectional"]);
        command
            .args(secure.then_some("--secure"))
            .env("GRPC_SERVER_IP", "127.0.0.2")
            .env("GRPC_SERVICE_TYPE", "unary")
            .env("GRPC_CERT_PATH", &cert)
            .env("GRPC_KEY_PATH", &key)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("loadgen starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let _process = common::Guard(child);
        let (line, address) = listening(&mut stdout);
        assert!(address.starts_with("127.0.0.2:"), "{line}");
        let ca = cert.display().to_string();
        let flags = [
            "--secure",
            "--tls-ca",
            &ca,
            "--tls-server-name",
            "localhost",
        ];
        let flags: &[&str] = if secure { &flags } else { &[] };
        let said = say(&[&["client", "--targets", &address], flags].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[test_case(&[], ("GRPC_SERVER_PORT", "tcp://10.0.0.1:50051"), "environment variable GRPC_SERVER_PORT is `tcp://10.0.0.1:50051`: expected a port"; "port")]
#[test_case(&[], ("GRPC_SERVICE_TYPE", "both"), "environment variable GRPC_SERVICE_TYPE is `both`: expected `unary` or `bidirectional`"; "kind")]
#[test_case(&["--port", "0", "--secure"], ("GRPC_CERT_PATH", "/no/cert"), "/no/cert"; "certificate")]
#[test_case(&["--port", "0", "--secure"], ("X", "y"), "./certs/server.crt"; "the usual certificate")]
#[test_case(&["--address", "127.0.0.1:0", "--port", "0"], ("X", "y"), "cannot be used with"; "twice")]
#[test_case(&["--ip", "127.0.0.1:0"], ("X", "y"), "the port goes into `--port`"; "a port in the address")]
fn a_server_refuses_nonsense(flags: &[&str], variable: (&str, &str), part: &str) {
    let mut command = loadgen(&["serve", "grpc"]);
    let output = command.args(flags).env(variable.0, variable.1).output();
    let said = common::Said::from(output.expect("loadgen starts"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
}
