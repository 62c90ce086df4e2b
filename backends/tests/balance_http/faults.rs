//! Backends that break, hang or go, and clients that do.

use std::time::Duration;

use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::common::*;

/// What a client gets until the end of its connection, and whether that came in good order.
async fn to_the_end(address: std::net::SocketAddr, request: &str) -> (String, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let ended = within(stream.read_to_end(&mut text)).await;
    (String::from_utf8_lossy(&text).into_owned(), ended.is_ok())
}

#[test_case(&[Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")]; "with a length, ended")]
#[test_case(&[Act::SayAndReset("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")]; "with a length, reset")]
#[test_case(&[Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")]; "in chunks, ended")]
#[test_case(&[Act::SayAndReset("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")]; "in chunks, reset")]
#[test_case(&[Act::SayAndReset("HTTP/1.1 200 OK\r\n\r\nhalf")]; "to the end of the connection, reset")]
#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole(script: &'static [Act]) {
    let bad = Scripted::start(script).await;
    let balancer = balance([bad.address], |_| {});
    for version in ["1.1", "1.0"] {
        let request = format!("GET /a/b HTTP/{version}\r\nHost: there\r\n\r\n");
        let (text, in_good_order) = to_the_end(balancer.local_addr(), &request).await;
        assert!(!in_good_order, "{version}: {text:?}");
        assert!(!text.contains("\r\n0\r\n"), "{text:?}");
    }
    assert_eq!(status(&balancer)["requests"]["broken"], 2);
    assert_eq!(status(&balancer)["requests"]["abandoned"], 0);
    assert_eq!(status(&balancer)["pool"]["backends"][0]["open"], 0);
}

/// Chunks count where there is a length beside them (RFC 9112, 6.3).
#[tokio::test]
async fn an_answer_with_a_length_and_chunks_is_not_cut() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
    let scripted: &'static [Act] = Box::leak(Box::new([Act::Say(both)]));
    let backend = Scripted::start(scripted).await;
    let balancer = balance([backend.address], |_| {});
    let reply = get(&balancer, "/a/b").await;
    let whole = "5\r\nwhole\r\n0\r\n\r\n";
    assert_eq!((reply.status, reply.body.as_str()), (200, whole));
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_given_up() {
    let bad = Scripted::start(&[Act::Hang]).await;
    let balancer = balance([bad.address], |it| {
        it.response_timeout = Duration::from_millis(100);
    });
    let reply = get(&balancer, "/a/b").await;
    assert_eq!((reply.status, reply.kind()), (504, "timeout".to_owned()));
    assert!(reply.body.contains("within 100ms"), "{}", reply.body);
    // Nobody asks a second time: the backend may be at it.
    assert_eq!(bad.heads().len(), 1);
}

#[tokio::test]
async fn an_answer_before_the_bodys_end_passes() {
    let early = "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno";
    let scripted: &'static [Act] = Box::leak(Box::new([Act::SayAndStay(early)]));
    let backend = Scripted::start(scripted).await;
    let balancer = balance([backend.address], |_| {});
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let head = "POST /a/b HTTP/1.1\r\nHost: there\r\nContent-Length: 1000\r\n\r\nsome";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = within(stream.read(&mut answer)).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 409"));
}

#[tokio::test]
async fn a_client_that_goes_takes_its_request_with_it() {
    let hangs = Scripted::start(&[Act::Hang]).await;
    let balancer = balance([hangs.address], |_| {});
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let request = b"GET /a/b HTTP/1.1\r\nHost: there\r\n\r\n";
    stream.write_all(request).await.unwrap();
    until(|| !hangs.heads().is_empty()).await;
    let open = || status(&balancer)["pool"]["backends"][0]["open"].clone();
    let abandoned = || status(&balancer)["requests"]["abandoned"].clone();
    assert_eq!((open(), abandoned()), (1.into(), 0.into()));
    drop(stream);
    until(|| open() == 0).await;
    until(|| abandoned() == 1).await;
}

#[tokio::test]
async fn a_stop_lets_requests_end() {
    let one = backend("one");
    let balancer = std::sync::Arc::new(balance([one.local_addr()], |_| {}));
    let address = balancer.local_addr();
    let path = "/a/stream?count=4&interval_us=100000";
    let asked = tokio::spawn(async move { ask(address, "GET", path).await });
    until(|| status(&balancer)["requests"]["open"] == 1).await;
    let idle = TcpStream::connect(address).await.unwrap();
    let stopping = std::sync::Arc::clone(&balancer);
    let stopped = tokio::task::spawn_blocking(move || stopping.shutdown());
    let reply = within(asked).await.unwrap();
    assert!(reply.body.contains("\"sequence\":3"), "{}", reply.body);
    within(stopped).await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let hangs = Scripted::start(&[Act::Hang]).await;
    let mut settings = settings(services([service("a", [hangs.address])]));
    settings.grace = Duration::from_millis(100);
    let balancer = start(settings);
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let request = b"GET /a/b HTTP/1.1\r\nHost: there\r\n\r\n";
    stream.write_all(request).await.unwrap();
    until(|| !hangs.heads().is_empty()).await;
    within(tokio::task::spawn_blocking(move || balancer.shutdown()))
        .await
        .unwrap();
    let mut text = Vec::new();
    let _ = within(stream.read_to_end(&mut text)).await;
    assert_eq!(text, b"");
}
