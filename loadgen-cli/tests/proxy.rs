//! `loadgen serve proxy`: what it says and refuses, and that a run sees what it does. What it does to connections is
//! tested where it is made.

mod common;

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use common::{Guard, Said, Server, listening, loadgen, say, signal};
use rustix::process::Signal;
use serde_json::Value;
use test_case::test_case;

/// The proxy in front of a server, and where it is managed.
struct Proxy {
    process: Guard,
    address: String,
    management: String,
}

impl Proxy {
    fn start(to: &str, flags: &[&str]) -> Self {
        let own = ["serve", "proxy", "--listen", "127.0.0.1:0", "--to", to];
        let management = ["--management", "127.0.0.1:0"];
        let mut child = loadgen(&[&own[..], &management, flags].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("loadgen starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let process = Guard(child);
        let (line, address) = listening(&mut stdout);
        let port = address.rsplit_once(':').expect("an address").1;
        assert_eq!(
            line,
            format!("proxy listening on {address} id=proxy-{port}\n")
        );
        let (line, management) = listening(&mut stdout);
        assert_eq!(
            line,
            format!("management listening on {management} id=proxy-{port}\n")
        );
        Self {
            process,
            address,
            management,
        }
    }

    /// An answer of the API, head and body.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.management).expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

/// The shortest response time of calls to this address, in microseconds. Whatever else the machine does
/// makes calls longer and none shorter.
fn shortest_us(address: &str) -> f64 {
    let call = ["grpc", address, "loadgen.v1.Greeter/Hello", "-n", "40"];
    let said = say(&[&call[..], &["-c", "1", "--json", "--quiet"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    let shortest: &Value = &document["scenarios"][0]["response_time_us"]["min"];
    shortest
        .as_f64()
        .unwrap_or_else(|| panic!("no shortest: {document}"))
}

#[test]
fn a_run_sees_the_latency_that_is_added() {
    let server = Server::start(&["--id", "blue"]);
    let proxy = Proxy::start(&server.address, &[]);
    let before = shortest_us(&proxy.address);
    let changed = proxy.ask("PATCH", "/faults", r#"{"latency": {"up": "50ms"}}"#);
    assert!(changed.starts_with("HTTP/1.1 200 "), "{changed}");
    let added = shortest_us(&proxy.address) - before;
    assert!((48_000.0..=52_000.0).contains(&added), "{added}");
    let counts = proxy.ask("GET", "/connections", "");
    assert!(counts.contains(r#""accepted": 2"#), "{counts}");
}

#[test]
fn flags_hold_from_the_start_and_a_signal_ends_it() {
    let flags = [
        "--latency",
        "up=1ms,down=2ms",
        "--jitter",
        "1ms",
        "--blackhole=down",
    ];
    let more = [
        "--cut-after",
        "64KiB",
        "--rate",
        "1MiB/s",
        "--reset-new",
        "5%",
        "--seed",
        "7",
    ];
    let mut proxy = Proxy::start("127.0.0.1:1", &[&flags[..], &more].concat());
    let holds = proxy.ask("GET", "/faults", "");
    let (_, body) = holds.split_once("\r\n\r\n").expect("a body");
    let holds: Value = serde_json::from_str(body).expect("JSON");
    let wanted = serde_json::json!({
        "latency": { "up": "1ms", "down": "2ms" }, "jitter": "1ms", "rate": "1MiB/s",
        "blackhole": { "down": true }, "cut_after": "64KiB", "reset_new": 0.05,
    });
    assert_eq!(holds, wanted);
    signal(&proxy.process.0, Signal::TERM);
    let status = proxy.process.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(TcpStream::connect(&proxy.address).is_err());
}

#[test]
fn it_ends_with_whoever_started_it() {
    let own = [
        "serve",
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--to",
        "127.0.0.1:1",
    ];
    let mut child = loadgen(&[&own[..], &["--until-stdin-closes"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    drop(child.stdin.take());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[test_case(&["--latency", "50"], "latency: found \"50\", expected a duration from 0s to 1h"; "latency")]
#[test_case(&["--latency", "left=1ms"], "found `left=1ms`, expected `up=VALUE` or `down=VALUE`"; "way")]
#[test_case(&["--jitter", "1ms"], "jitter: found 1ms on the way up, expected at most the latency of that way, which is 0s"; "jitter")]
#[test_case(&["--rate", "1MiB"], "rate: found \"1MiB\", expected bytes a second"; "rate")]
#[test_case(&["--cut-after", "0B"], "cut_after: found \"0B\", expected a size"; "cut")]
#[test_case(&["--reset-new", "2"], "reset_new: found \"2\", expected a share from 0 to 1"; "share")]
#[test_case(&["--blackhole=left"], "[possible values: both, up, down]"; "blackhole")]
#[test_case(&["--management", "0.0.0.0:0"], "needs a token: give one with `--management-token-file`"; "open to all")]
#[test_case(&["--management-token-env", "X"], "--management"; "a token for nothing")]
#[test_case(&["--management", "127.0.0.1:0", "--management-token-env", "LOADGEN_NO_SUCH"], "the environment variable `LOADGEN_NO_SUCH`"; "no token")]
#[test_case(&["--to", "nowhere"], "expected HOST:PORT with a port from 1 to 65535"; "server")]
fn bad_flags_are_told(flags: &[&str], part: &str) {
    let to: &[&str] = if flags[0] == "--to" {
        &[]
    } else {
        &["--to", "127.0.0.1:1"]
    };
    let own = ["serve", "proxy", "--listen", "127.0.0.1:0"];
    let said: Said = say(&[&own[..], to, flags].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
}

#[test]
fn an_address_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = say(&[
        "serve",
        "proxy",
        "--listen",
        &address,
        "--to",
        "127.0.0.1:1",
    ]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let wanted = format!("error: failed to serve: {address} is already in use");
    assert!(said.stderr.starts_with(&wanted), "{said:?}");
}
