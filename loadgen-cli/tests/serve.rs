//! `loadgen serve`: what it says, refuses and how it ends.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use common::{Server, listening, say, signal};
use rustix::process::Signal;

const ANY: &str = "127.0.0.1:0";

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
fn all_serves_both_until_told_to_stop() {
    for which in [Signal::TERM, Signal::INT] {
        let addresses = ["--grpc-address", ANY, "--websocket-address", ANY];
        let mut server = Server::serve("all", &[&addresses[..], &["--id", "blue"]].concat());
        let (line, websocket) = listening(&mut server.stdout);
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

#[test]
fn all_starts_both_or_none() {
    let listener = TcpListener::bind(ANY).expect("a free port");
    let taken = listener.local_addr().expect("an address").to_string();
    for (grpc, websocket) in [(ANY, taken.as_str()), (taken.as_str(), ANY)] {
        let said = say(&[
            "serve",
            "all",
            "--grpc-address",
            grpc,
            "--websocket-address",
            websocket,
        ]);
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
            &["--tls-cert", "/no/cert", "--tls-key", "/no/key"],
            "/no/cert",
        ),
    ];
    let any = ["--address", ANY];
    let both = ["--grpc-address", ANY, "--websocket-address", ANY];
    for (what, addresses) in [("grpc", &any[..]), ("websocket", &any), ("all", &both)] {
        for (flags, part) in general {
            refused(&[&["serve", what], addresses, flags].concat(), part);
        }
    }
    for (flags, part) in [
        (&["grpc", "--address", "nowhere"][..], "expected HOST:PORT"),
        (&["websocket", "--address", "nowhere"], "expected HOST:PORT"),
        (&["all", "--websocket-address", ":1"], "expected HOST:PORT"),
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
