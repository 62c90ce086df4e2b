//! What the reference servers tell StatsD of themselves, alone and embedded in a run.

mod common;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{Said, finish, listening, loadgen, say, signal};
use rustix::process::Signal;
use test_case::test_case;

const ANY: &str = "127.0.0.1:0";
const PATIENCE: Duration = Duration::from_secs(20);

/// Stands for StatsD: the sums of its counters, and its gauges as they were last.
struct Statsd {
    socket: UdpSocket,
    address: String,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
}

impl Statsd {
    fn start() -> Self {
        let socket = UdpSocket::bind(ANY).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self {
            address: socket.local_addr().expect("an address").to_string(),
            socket,
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
        }
    }

    /// Takes in one datagram.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        let Ok(length) = self.socket.recv(&mut buffer) else {
            return false;
        };
        for line in String::from_utf8_lossy(&buffer[..length]).lines() {
            let (name, rest) = line.split_once(':').expect("a name");
            let (value, kind) = rest.split_once('|').expect("a kind");
            let name = name.to_owned();
            if kind == "c" {
                *self.counters.entry(name).or_default() += value.parse::<u64>().expect("a count");
            } else {
                self.gauges.insert(name, value.parse().expect("a number"));
            }
        }
        true
    }

    fn wait_for_gauge(&mut self, name: &str) {
        while !self.gauges.contains_key(name) {
            assert!(
                self.hear(),
                "no {name} within {PATIENCE:?}: {:?}",
                self.gauges
            );
        }
    }

    /// Takes in what is there: all of it, once whoever sent it has ended.
    fn hear_the_rest(&mut self) {
        self.socket.set_nonblocking(true).expect("a socket");
        while self.hear() {}
    }

    fn assert_all_zero(&self) {
        assert!(!self.gauges.is_empty());
        let all_zero = self.gauges.values().all(|it| *it == 0.0);
        assert!(all_zero, "{:?}", self.gauges);
    }
}

/// A server for tests that end it, and where it listens.
fn serve(flags: &[&str]) -> (Child, String) {
    serve_one("grpc", flags)
}

fn serve_one(what: &str, flags: &[&str]) -> (Child, String) {
    let mut child = loadgen(&["serve", what, "--address", ANY])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let (_, address) = listening(&mut BufReader::new(stdout));
    (child, address)
}

fn terminate(child: Child) -> Said {
    signal(&child, Signal::TERM);
    finish(child, PATIENCE)
}

fn ask(address: &str, requests: &str) {
    let said = say(&[
        "run",
        "-s",
        "hello_light",
        "-n",
        requests,
        "--grpc-target",
        address,
    ]);
    assert!(matches!(said.code, Some(0 | 99)), "{said:?}");
}

#[test_case(Some(Signal::TERM); "SIGTERM")]
#[test_case(Some(Signal::INT); "SIGINT")]
#[test_case(None; "stdin closes")]
fn however_it_ends_the_last_counts_are_sent_and_gauges_are_zero(end: Option<Signal>) {
    let mut statsd = Statsd::start();
    let mut flags = vec!["--id", "blue", "--statsd", &*statsd.address];
    flags.extend(["--statsd-prefix", "a.b", "--error-rate", "100%"]);
    if end.is_none() {
        flags.push("--until-stdin-closes");
    }
    let (mut child, address) = serve(&flags);
    ask(&address, "50");
    statsd.wait_for_gauge("a.b.backend.blue.grpc.handling_time_us.p50");
    // These may come after the last full second.
    ask(&address, "30");
    match end {
        Some(end) => signal(&child, end),
        None => drop(child.stdin.take()),
    }
    let said = finish(child, PATIENCE);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        said.stderr.contains("metrics go to"),
        end.is_some(),
        "{said:?}"
    );
    statsd.hear_the_rest();
    assert_eq!(statsd.counters["a.b.backend.blue.grpc.requests"], 80);
    assert_eq!(statsd.counters["a.b.backend.blue.grpc.failed"], 80);
    assert!(statsd.counters["a.b.backend.blue.grpc.connections.opened"] >= 2);
    for gauge in [
        "grpc.connections.open",
        "process.cpu_cores",
        "process.memory_bytes",
        "process.open_files",
        "process.open_files_limit",
    ] {
        let name = format!("a.b.backend.blue.{gauge}");
        assert!(statsd.gauges.contains_key(&name), "{:?}", statsd.gauges);
    }
    statsd.assert_all_zero();
}

#[test_case("http", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 1; "http")]
#[test_case("tcp", b"whatever", 0; "tcp")]
fn what_was_asked_over_a_bare_connection_is_told(what: &str, asked: &[u8], failed: u64) {
    let mut statsd = Statsd::start();
    let (child, address) = serve_one(what, &["--id", "blue", "--statsd", &statsd.address]);
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(asked).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    assert!(!answer.is_empty());
    assert_eq!(terminate(child).code, Some(0));
    statsd.hear_the_rest();
    let counted = |name: &str| {
        let name = format!("loadgen.backend.blue.{what}.{name}");
        statsd.counters.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(counted("requests"), 1, "{:?}", statsd.counters);
    assert_eq!(counted("failed"), failed);
    assert_eq!(counted("connections.opened"), 1);
}

#[test]
fn the_embedded_backend_tells_what_the_ledger_says() {
    let mut statsd = Statsd::start();
    let mut command = loadgen(&["run", "-s", "echo_light", "--json", "-d", "1500ms"]);
    command.args(["--statsd", &statsd.address, "--statsd-prefix", "a.b"]);
    // The flag goes before the environment, for the backend too.
    command
        .env("STATSD_HOST", "no.such.host.invalid")
        .env("STATSD_PORT", "1");
    let said = Said::from(command.output().expect("loadgen starts"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let notice = format!("metrics go to StatsD at {} as a.b.*\n", statsd.address);
    assert!(said.stderr.contains(&notice), "{said:?}");
    assert_eq!(said.stderr.matches("StatsD").count(), 1, "{said:?}");
    statsd.hear_the_rest();
    let document = said.json();
    let scenarios = document["scenarios"].as_array().expect("scenarios");
    assert_eq!(scenarios.len(), 2);
    for scenario in scenarios {
        let protocol = scenario["protocol"].as_str().expect("a protocol");
        let of = |metric: &str| {
            let name = format!("a.b.backend.embedded.{protocol}.{metric}");
            statsd.counters.get(&name).copied()
        };
        assert_eq!(
            of("requests"),
            scenario["ledger"]["started"].as_u64(),
            "{protocol}"
        );
        assert_eq!(of("failed"), None, "{protocol}");
        assert_eq!(
            of("connections.opened"),
            scenario["connections"]["opened"].as_u64(),
            "{protocol}"
        );
    }
    statsd.assert_all_zero();
}

#[test]
fn it_says_where_metrics_go() {
    let statsd = Statsd::start();
    let (child, _) = serve(&["--id", "blue.1", "--statsd", &statsd.address]);
    let said = terminate(child);
    let notice = format!(
        "metrics go to StatsD at {} as loadgen.backend.blue_1.*\n",
        statsd.address
    );
    assert_eq!(said.stderr, notice);
    let (child, _) = serve(&["--statsd", &statsd.address]);
    let said = terminate(child);
    let hint = ".*; --id gives them a name that stays the same from start to start\n";
    assert!(said.stderr.ends_with(hint), "{said:?}");
}

#[test]
fn the_environment_says_where_metrics_go() {
    let mut statsd = Statsd::start();
    let port = statsd.socket.local_addr().expect("an address").port();
    let mut command = loadgen(&["serve", "websocket", "--address", ANY, "--id", "blue"]);
    let mut child = command
        .env("STATSD_PORT", port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let stdout = child.stdout.take().expect("stdout is a pipe");
    listening(&mut BufReader::new(stdout));
    statsd.wait_for_gauge("loadgen.backend.blue.websocket.connections.open");
    assert_eq!(terminate(child).code, Some(0));
}

#[test]
fn a_prefix_alone_changes_nothing_and_is_told_so() {
    let (child, _) = serve(&["--statsd-prefix", "a.b"]);
    let said = terminate(child);
    assert!(
        said.stderr.starts_with("--statsd-prefix changes nothing"),
        "{said:?}"
    );
}

#[test]
fn nobody_listening_is_said_at_the_end_and_disturbs_nothing() {
    let Statsd {
        socket, address, ..
    } = Statsd::start();
    drop(socket);
    let (child, server) = serve(&["--id", "blue", "--statsd", &address]);
    ask(&server, "50");
    let said = terminate(child);
    assert_eq!(said.code, Some(0), "{said:?}");
    let warning = format!("WARNING: StatsD at {address}: ");
    assert!(said.stderr.contains(&warning), "{said:?}");
    let said = say(&["run", "-s", "hello_light", "-n", "50", "--statsd", &address]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr.contains(" (the embedded backend's)\n"),
        "{said:?}"
    );
    let said = say(&[
        "run",
        "-s",
        "hello_light",
        "-n",
        "50",
        "--quiet",
        "--statsd",
        &address,
    ]);
    assert_eq!(said.stderr, "");
}

#[test]
fn an_unknown_host_ends_it_before_it_listens() {
    let said = say(&[
        "serve",
        "grpc",
        "--address",
        ANY,
        "--statsd",
        "no.such.host.invalid:8125",
    ]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.stdout, "");
    let error = "error: failed to send metrics to StatsD at no.such.host.invalid:8125: ";
    assert!(said.stderr.starts_with(error), "{said:?}");
}
