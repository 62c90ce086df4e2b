//! Metrics to Prometheus and OTLP and marks to Graphite from the command line: what ends a run
//! before it starts, and what is said when something does not get there.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

use common::{Guard, Said, loadgen, say, signal};
use rustix::process::Signal;
use test_case::test_case;

const SHORT: [&str; 5] = ["run", "-s", "hello_light", "-n", "50"];

/// A port where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

fn run(flags: &[&str]) -> Said {
    say(&[&SHORT[..], flags].concat())
}

fn run_with(variable: &str, value: &str) -> Said {
    let output = loadgen(&SHORT).env(variable, value).output();
    output.expect("loadgen starts").into()
}

#[test]
fn a_port_in_use_ends_it_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = run(&[&format!("--prometheus={address}")]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let error = format!("failed to show metrics to Prometheus at {address}: ");
    assert!(said.stderr.contains(&error), "{said:?}");
    let hint = "name a free one with `--prometheus=HOST:PORT`";
    assert!(said.stderr.contains(hint), "{said:?}");
    assert!(!said.stderr.contains("embedded"), "{said:?}");
}

#[test_case("--prometheus", "no.such.host.invalid:1", "failed to show metrics to Prometheus at no.such.host.invalid:1: "; "prometheus")]
#[test_case("--otlp", "http://no.such.host.invalid:1", "failed to send metrics to http://no.such.host.invalid:1/v1/metrics: "; "otlp")]
#[test_case("--graphite", "https://no.such.host.invalid", "failed to send marks to https://no.such.host.invalid: "; "graphite")]
fn an_unknown_host_ends_it_before_anything_starts(flag: &str, value: &str, error: &str) {
    let said = run(&[&format!("{flag}={value}")]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains(error), "{said:?}");
    assert!(!said.stderr.contains("embedded"), "{said:?}");
}

#[test_case("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "localhost:4318"; "otlp")]
#[test_case("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "grpc://x", "grpc://x"; "otlp metrics")]
#[test_case("GRAPHITE_URL", "localhost", "localhost"; "graphite")]
fn nonsense_in_the_environment_is_refused(variable: &str, value: &str, shown: &str) {
    let said = run_with(variable, value);
    assert_eq!(said.code, Some(2), "{said:?}");
    let error = format!("environment variable {variable} is `{shown}`: expected a URL like ");
    assert!(said.stderr.contains(&error), "{said:?}");
}

#[test]
fn nobody_there_is_said_and_fails_nothing() {
    let (otlp, graphite) = (nobody(), nobody());
    let otlp = format!("http://{otlp}/v1/metrics");
    let graphite = format!("http://{graphite}");
    let said = run(&["--otlp", &otlp, "--graphite", &graphite]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for warning in [
        format!("WARNING: OTLP at {otlp}: the last figures did not get there; "),
        format!("WARNING: Graphite at {graphite}: 2 marks did not get there ("),
    ] {
        assert_eq!(said.stderr.matches(&warning).count(), 1, "{said:?}");
    }
    let said = run(&["--quiet", "--otlp", &otlp, "--graphite", &graphite]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
}

#[test]
fn the_document_tells_where_figures_went() {
    let nobody = nobody();
    let (otlp, graphite) = (
        format!("http://{nobody}/v1/metrics"),
        format!("http://{nobody}"),
    );
    let flags = [
        "--otlp",
        &otlp,
        "--graphite",
        &graphite,
        "--prometheus=0",
        "--statsd",
        &nobody,
    ];
    let said = run(&[&flags[..], &["--json"]].concat());
    let document = said.json();
    let sinks = document["run"]["sinks"].as_array().expect("an array");
    let kinds: Vec<&str> = sinks.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, ["statsd", "otlp", "graphite", "prometheus"]);
    let places = [&sinks[0]["to"], &sinks[1]["to"], &sinks[2]["to"]];
    // The path of a URL may be somebody's secret.
    let origin = format!("http://{nobody}");
    assert_eq!(places, [nobody.as_str(), &origin, &origin]);
    assert!(sinks[1]["failed"].is_u64(), "{said:?}");
    assert_eq!(sinks[1]["rejected"], 0, "{said:?}");
    assert!(sinks[2].get("failed").is_none(), "{said:?}");
}

#[test]
fn a_scrape_that_does_not_come_is_said() {
    let said = run(&["--prometheus=0", "--prometheus-wait", "1ms"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let warning = "WARNING: Prometheus has not scraped the last figures";
    assert!(said.stderr.contains(warning), "{said:?}");
    let said = run(&["--prometheus=0"]);
    assert!(!said.stderr.contains("WARNING"), "{said:?}");
}

/// A run that waits an hour for its last scrape, its summary told; and where it can be scraped.
fn waiting() -> (Guard, impl BufRead, String) {
    let mut child = loadgen(&[&SHORT[..], &["--prometheus=0", "--prometheus-wait", "1h"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let guard = Guard(child);
    let mut said = String::new();
    let address = loop {
        assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
        if let Some((_, rest)) = said.split_once("metrics for Prometheus at http://") {
            let (address, _) = rest.split_once("/metrics").expect("a path");
            break address.to_owned();
        }
    };
    let mut summary = String::new();
    while !summary.contains("\ngenerator ") {
        assert_ne!(
            stdout.read_line(&mut summary).expect("text"),
            0,
            "{summary}"
        );
    }
    (guard, stderr, address)
}

#[test]
fn the_last_scrape_ends_the_wait() {
    let (mut guard, mut stderr, address) = waiting();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("it answers and closes");
    let completed = "loadgen_completed_total{scenario=\"hello_light\",protocol=\"grpc\"} 50\n";
    assert!(answer.contains(completed), "{answer}");
    assert_eq!(guard.0.wait().expect("it ends").code(), Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("WARNING"), "{rest}");
}

#[test]
fn a_signal_ends_the_wait_and_changes_no_verdict() {
    let (mut guard, mut stderr, _) = waiting();
    signal(&guard.0, Signal::INT);
    assert_eq!(guard.0.wait().expect("it ends").code(), Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    let warning = "WARNING: Prometheus has not scraped the last figures";
    assert!(rest.contains(warning), "{rest}");
    assert!(!rest.contains("stopping"), "{rest}");
}

#[test]
fn tags_go_to_statsd_where_they_are_asked_for() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    let address = socket.local_addr().expect("an address").to_string();
    let received = || {
        let mut buffer = [0; 65_536];
        let mut all = String::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            all.push_str(&String::from_utf8_lossy(&buffer[..length]));
            all.push('\n');
        }
        all
    };
    let said = run(&["--statsd", &address, "--statsd-tags=env=ci,team=load"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = received();
    let line = "loadgen.hello_light.completed:50|c|#env:ci,team:load\n";
    assert!(lines.contains(line), "{lines}");
    let said = run(&["--statsd", &address]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = received();
    assert!(!lines.contains("|#"), "{lines}");
}
