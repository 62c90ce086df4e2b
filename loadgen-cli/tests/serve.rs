//! `loadgen serve`: what it says, refuses and how it ends.

#![expect(
    clippy::disallowed_methods,
    reason = "how long a server serves on is what is tested"
)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::{Said, Server, listening, say, signal};
use rustix::process::Signal;

const ANY: &str = "127.0.0.1:0";

const EVERYWHERE: [&str; 8] = [
    "--grpc-address",
    ANY,
    "--websocket-address",
    ANY,
    "--http-address",
    ANY,
    "--tcp-address",
    ANY,
];

/// What comes back over TCP until the server closes, when this is all that is sent.
fn echoed(address: &str, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(sent).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("it answers");
    back
}

/// All of an answer over HTTP.
fn got(address: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    String::from_utf8(echoed(address, request.as_bytes())).expect("an answer is text")
}

/// The response to a WebSocket handshake on this path, and the open connection.
fn open(address: &str, path: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        response.push(byte[0]);
    }
    (
        stream,
        String::from_utf8(response).expect("a response is text"),
    )
}

#[test]
fn websocket_says_where_it_listens_and_answers_there() {
    let server = Server::serve("websocket", &["--address", ANY, "--id", "blue"]);
    let expected = format!("websocket listening on {} id=blue\n", server.address);
    assert_eq!(server.line, expected);
    let (_, response) = open(&server.address, "/echo");
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(
        response.contains("x-loadgen-backend: blue\r\n"),
        "{response}"
    );
}

#[test]
fn tcp_says_who_it_is_and_answers_lines() {
    let flags = [
        "--address",
        ANY,
        "--id",
        "blue",
        "--lines",
        "--identity-on-connect",
    ];
    let server = Server::serve("tcp", &flags);
    let expected = format!("tcp listening on {} id=blue\n", server.address);
    assert_eq!(server.line, expected);
    let back = echoed(&server.address, b"one\nidentity\nclose\nlost\n");
    assert_eq!(back, b"blue\none\nblue\n");
}

#[test]
fn http_says_where_it_listens_and_fails_on_purpose() {
    let flags = ["--address", ANY, "--id", "blue", "--error-rate", "1"];
    let server = Server::serve(
        "http",
        &[&flags[..], &["--error-code", "INTERNAL"]].concat(),
    );
    let expected = format!("http listening on {} id=blue\n", server.address);
    assert_eq!(server.line, expected);
    let hello = got(&server.address, "/hello");
    assert!(hello.starts_with("HTTP/1.1 500 "), "{hello}");
    assert!(hello.contains("x-loadgen-backend: blue\r\n"), "{hello}");
    let health = got(&server.address, "/health");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
}

#[test]
fn all_serves_each_until_told_to_stop() {
    for which in [Signal::TERM, Signal::INT] {
        let mut server = Server::serve("all", &[&EVERYWHERE[..], &["--id", "blue"]].concat());
        let (line, websocket) = listening(&mut server.stdout);
        let (http_line, http) = listening(&mut server.stdout);
        let (tcp_line, tcp) = listening(&mut server.stdout);
        assert_eq!(http_line, format!("http listening on {http} id=blue\n"));
        assert_eq!(tcp_line, format!("tcp listening on {tcp} id=blue\n"));
        assert_eq!(echoed(&tcp, b"whatever"), b"whatever");
        let hello = got(&http, "/hello");
        assert!(
            hello.ends_with("{\"message\":\"Hello, world!\"}"),
            "{hello}"
        );
        let grpc = &server.address;
        assert_eq!(server.line, format!("grpc listening on {grpc} id=blue\n"));
        assert_eq!(
            line,
            format!("websocket listening on {websocket} id=blue\n")
        );
        let said = say(&["run", "-s", "hello_light", "--grpc-target", grpc]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let (mut stream, response) = open(&websocket, "/ping");
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        signal(&server.process.0, which);
        // A close frame with code 1001; it waits for ours, so the connection ends with us.
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).expect("a close frame");
        assert_eq!((frame[0], &frame[2..]), (0x88, &1001_u16.to_be_bytes()[..]));
        drop(stream);
        let status = server.process.0.wait().expect("the server ends");
        assert_eq!(status.code(), Some(0));
    }
}

/// What gRPC's health check says, as a whole answer; an answer there is.
fn health(address: &str, status: &str) -> Said {
    let check = format!("reply.status == '{status}'");
    let call = ["grpc", address, "grpc.health.v1.Health/Check", "-n", "1"];
    say(&[&call[..], &["-c", "1", "--quiet", "--check", &check]].concat())
}

#[test]
fn a_lame_duck_says_so_and_serves_for_its_time() {
    let flags = [&EVERYWHERE[..], &["--lame-duck", "3s"]].concat();
    let mut server = Server::serve("all", &flags);
    let (_, websocket) = listening(&mut server.stdout);
    let (_, http) = listening(&mut server.stdout);
    let (_, tcp) = listening(&mut server.stdout);
    let grpc = server.address.clone();
    assert_eq!(health(&grpc, "SERVING").code, Some(0));
    let begun = Instant::now();
    signal(&server.process.0, Signal::TERM);
    while got(&http, "/health").starts_with("HTTP/1.1 200 ") {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    let unwell = health(&grpc, "NOT_SERVING");
    assert_eq!(unwell.code, Some(0), "{unwell:?}");
    let call = ["grpc", &grpc, "loadgen.v1.Greeter/Hello", "-n", "10"];
    let called = say(&[&call[..], &["-c", "2", "--quiet"]].concat());
    assert_eq!(called.code, Some(0), "{called:?}");
    let hello = got(&http, "/hello");
    assert!(hello.starts_with("HTTP/1.1 200 "), "{hello}");
    assert_eq!(echoed(&tcp, b"whatever"), b"whatever");
    let (_, response) = open(&websocket, "/echo");
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "this took too long"
    );
    let status = server.process.0.wait().expect("the server ends");
    assert_eq!(status.code(), Some(0));
    let lasted = begun.elapsed();
    let expected = Duration::from_secs(3)..Duration::from_secs(6);
    assert!(expected.contains(&lasted), "{lasted:?}");
    assert!(TcpStream::connect(&http).is_err());
}

#[test]
fn a_second_signal_ends_a_lame_duck_at_once() {
    let flags = ["--address", ANY, "--lame-duck", "1h"];
    let mut server = Server::serve("grpc", &flags);
    signal(&server.process.0, Signal::TERM);
    while health(&server.address, "NOT_SERVING").code != Some(0) {}
    let begun = Instant::now();
    signal(&server.process.0, Signal::INT);
    let status = server.process.0.wait().expect("the server ends");
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn all_starts_every_one_or_none() {
    let listener = TcpListener::bind(ANY).expect("a free port");
    let taken = listener.local_addr().expect("an address").to_string();
    for place in 0..4 {
        let mut addresses = EVERYWHERE;
        addresses[2 * place + 1] = &taken;
        let said = say(&[&["serve", "all"], &addresses[..]].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert_eq!(said.stdout, "", "none is announced");
        let expected = format!("error: failed to serve: {taken} is already in use");
        assert!(said.stderr.starts_with(&expected), "{said:?}");
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    let general = [
        (&["--tls-cert", "x"][..], "--tls-key"),
        (&["--id", "two words"], "without blanks"),
        (&["--error-rate", "2"], "--error-rate"),
        (&["--delay", "5ms..1ms"], "--delay"),
        (&["--throttle", "0"], "--throttle"),
        (
            &["--throttle", "5000/s"],
            "`--capacity 5000/s` has calls wait in line in place of refusing them",
        ),
        (
            &["--capacity", "0/s"],
            "for '--capacity <RATE>': `0/s` is too small; expected at least 0.000001/s",
        ),
        (
            &["--capacity", "-5/s"],
            "`-5/s` is negative; expected a number per second, minute or hour",
        ),
        (&["--capacity", "abc"], "`abc` is not a rate; expected"),
        (
            &["--capacity", "1000000001/s"],
            "`1000000001/s` is too large; expected at most 100000000/s",
        ),
        (
            &["--capacity", "5/s", "--service-times", "normal"],
            "[possible values: constant, exponential]",
        ),
        (&["--service-times", "exponential"], "--capacity <RATE>"),
        (&["--lame-duck", "2h"], "expected a duration from 0s to 1h"),
        (
            &["--tls-cert", "/no/cert", "--tls-key", "/no/key"],
            "/no/cert",
        ),
    ];
    let any = ["--address", ANY];
    for (what, addresses) in [
        ("grpc", &any[..]),
        ("websocket", &any),
        ("http", &any),
        ("tcp", &any),
        ("all", &EVERYWHERE),
    ] {
        for (flags, part) in general {
            refused(&[&["serve", what], addresses, flags].concat(), part);
        }
    }
    for (flags, part) in [
        (&["grpc", "--address", "nowhere"][..], "expected HOST:PORT"),
        (&["websocket", "--address", "nowhere"], "expected HOST:PORT"),
        (&["all", "--websocket-address", ":1"], "expected HOST:PORT"),
        (&["all", "--http-address", "8081"], "expected HOST:PORT"),
        (&["tcp", "--address", "9001"], "expected HOST:PORT"),
        (&["http", "--lines"], "unexpected argument '--lines'"),
        (
            &["tcp", "--error-rate", "1", "--error-code", "INTERNAL"],
            "unexpected argument '--error-code'",
        ),
        (&["all", "--address", ANY], "unexpected argument"),
        (
            &["grpc", "--error-rate", "0.5", "--error-code", "OK"],
            "gRPC status",
        ),
        (&["all", "--error-code", "INTERNAL"], "--error-rate"),
        (
            &["websocket", "--error-rate", "1", "--error-code", "INTERNAL"],
            "unexpected argument '--error-code'",
        ),
    ] {
        refused(&[&["serve"], flags].concat(), part);
    }
}

fn refused(args: &[&str], part: &str) {
    let said = say(args);
    assert_eq!(said.code, Some(2), "{args:?} {said:?}");
    assert_eq!(said.stdout, "", "{args:?}");
    assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
}
