//! What is let in and what is turned away.

use loadgen_backends::{Faults, IDENTITY_METADATA, RunningServer};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{ID, connect, open, serve};

/// The whole response to a request, which must end the connection.
async fn response(server: &RunningServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

const UPGRADE: &str = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let server = serve(Faults::default());
    let response = response(&server, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{response}"
    );
    for header in [
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
        "sec-websocket-version: 13\r\n",
        &format!("{IDENTITY_METADATA}: {ID}\r\n"),
    ] {
        assert!(response.contains(header), "{response}");
    }
}

#[test_case("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"; "plain")]
#[test_case(&format!("GET /nothing HTTP/1.1\r\n{UPGRADE}\r\n"); "websocket")]
#[tokio::test]
async fn another_path_is_told_what_there_is(request: &str) {
    let server = serve(Faults::default());
    let response = response(&server, request).await;
    assert!(
        response.starts_with("HTTP/1.1 404 Not Found\r\n"),
        "{response}"
    );
    let body = "there is no /nothing here; there are /echo, /compute, /stream and /ping\n";
    assert!(response.ends_with(&format!("\r\n\r\n{body}")), "{response}");
    assert!(
        response.contains(&format!("content-length: {}\r\n", body.len())),
        "{response}"
    );
    assert!(
        response.contains(&format!("{IDENTITY_METADATA}: {ID}\r\n")),
        "{response}"
    );
}

#[test_case("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" => "405"; "another method")]
#[test_case(&format!("GET /echo HTTP/1.1\r\n{UPGRADE}\r\n").replace("13", "8") => "426"; "another version")]
#[test_case(&format!("GET /echo HTTP/1.1\r\n{UPGRADE}\r\n").replace("dGhl", "xyz") => "400"; "a bad key")]
#[test_case(&format!("GET /echo?greet=-1 HTTP/1.1\r\n{UPGRADE}\r\n") => "400"; "a greeting of no number")]
#[test_case(&format!("GET /echo?push=1001 HTTP/1.1\r\n{UPGRADE}\r\n") => "400"; "too many pushes")]
#[test_case("hello there\r\n\r\n" => "400"; "no HTTP")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" => "400"; "HTTP/2")]
#[test_case(&format!("GET /echo HTTP/1.1\r\nA: {}", "x".repeat(20_000)) => "431"; "too large")]
#[tokio::test]
async fn what_is_no_handshake_is_turned_away(request: &str) -> String {
    let server = serve(Faults::default());
    let response = response(&server, request).await;
    response.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_handshake_may_come_in_pieces_and_with_its_first_message() {
    let server = serve(Faults::default());
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!("GET /echo HTTP/1.1\r\n{UPGRADE}\r\n");
    let (first, second) = head.split_at(70);
    stream.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    // "hi", masked with zeros.
    let rest = [second.as_bytes(), &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']].concat();
    stream.write_all(&rest).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\x81\x02hi") {
        assert_ne!(stream.read_buf(&mut response).await.unwrap(), 0);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
}

#[test_case("chat" => Some("chat".to_owned()))]
#[test_case("chat.v2, chat.v1" => Some("chat.v2".to_owned()); "the first of several")]
#[tokio::test]
async fn a_subprotocol_is_accepted(offered: &str) -> Option<String> {
    let server = serve(Faults::default());
    let mut request = format!("ws://{}/echo", server.local_addr())
        .into_client_request()
        .unwrap();
    let offered = HeaderValue::from_str(offered).unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", offered);
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    // The client checks that it is one of those that it offered.
    let (_, response) = client_async(request, stream).await.unwrap();
    let accepted = response.headers().get("sec-websocket-protocol")?;
    Some(accepted.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn without_an_offer_no_subprotocol_or_extension_is_named() {
    let server = serve(Faults::default());
    let (_, response) = open(server.local_addr(), "/echo").await;
    assert_eq!(response.headers().get("sec-websocket-protocol"), None);
    assert_eq!(response.headers().get("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn a_stranger_harms_nobody_else() {
    let server = serve(Faults::default());
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(server.local_addr()).await.unwrap());
    }
    connect(&server, "/echo").await;
}
