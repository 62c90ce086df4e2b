//! The first run of a newcomer, at a terminal.

mod common;

use std::fs;
use std::process::{Command, Output, Stdio};

use common::{Said, Server, loadgen, say};
use tempfile::TempDir;

/// `loadgen run` in a terminal of so many columns, with all that it showed as `stdout`.
fn at_terminal(columns: usize, arguments: &str) -> Said {
    let program = env!("CARGO_BIN_EXE_loadgen");
    let command = format!("stty cols {columns} rows 30; '{program}' run {arguments}");
    let mut script = Command::new("script");
    // Without what of the caller's environment would change it.
    for (variable, _) in loadgen(&[]).get_envs() {
        script.env_remove(variable);
    }
    let output: Output = script
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::null())
        .output()
        .expect("there is `script`, of bsdutils");
    output.into()
}

fn next(arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_loadgen");
    format!("Next, a service of yours:\r\n  {program} {arguments}")
}

#[test]
fn ends_with_the_command_for_a_service_of_ones_own() {
    let tcp = r"tcp localhost:6379 --send 'PING\r\n' --until '\r\n' -c 50 -d 10s";
    let http = "http http://localhost:8080/ -c 50 -d 10s";
    for (columns, scenario, arguments) in [
        (60, "hello_light", "grpc localhost:50051 list"),
        // A command that is longer than the line is not broken.
        (60, "tcp_echo_light", tcp),
        (200, "http_hello_light", http),
    ] {
        let said = at_terminal(columns, &format!("-s {scenario} -d 2s"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("measuring"), "the live view: {said:?}");
        assert!(
            said.stdout.trim_end().ends_with(&next(arguments)),
            "{said:?}"
        );
    }
}

#[test]
fn says_nothing_of_that_to_who_asked_for_less() {
    for flags in ["--quiet", "--json", "--repeat 2"] {
        let said = at_terminal(80, &format!("-s hello_light {flags}"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(!said.stdout.contains("Next,"), "{flags}: {said:?}");
    }
    let said = say(&["run", "-s", "hello_light"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stderr.contains("Next,"), "no terminal: {said:?}");
}

#[test]
fn says_nothing_of_that_to_who_has_a_service_or_a_file() {
    let server = Server::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("mine.json");
    let mine = r#"{ "scenarios": [{
        "name": "mine",
        "load": { "closed": { "users": 1, "iterations": 10 } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }]
    }] }"#;
    fs::write(&file, mine).expect("the file is written");
    for arguments in [
        &format!("-s hello_light --grpc-target {}", server.address),
        // One of the two is the embedded backend's.
        &format!(
            "-s hello_light -s echo_light --grpc-target {}",
            server.address
        ),
        &file.display().to_string(),
    ] {
        let said = at_terminal(80, arguments);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(!said.stdout.contains("Next,"), "{arguments}: {said:?}");
    }
}

#[test]
fn says_nothing_of_that_after_a_run_that_failed() {
    let said = at_terminal(80, "-s hello_light --timeout 1us");
    assert_eq!(said.code, Some(99), "{said:?}");
    assert!(!said.stdout.contains("Next,"), "{said:?}");
}
