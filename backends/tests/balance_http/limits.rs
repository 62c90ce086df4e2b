//! Clients that ask too much, or in two ways at once.

use std::time::Duration;

use loadgen_backends::balance::http::{HttpLimits, RunningHttpBalancer};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::common::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn limited(backend: &Scripted, change: impl FnOnce(&mut HttpLimits)) -> RunningHttpBalancer {
    let mut settings = settings(services([service("a", [backend.address])]));
    change(&mut settings.limits);
    start(settings)
}

#[test_case("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"; "a length and chunks")]
#[test_case("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"; "chunks and a length")]
#[test_case("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"; "two lengths")]
#[test_case("Content-Length: 5, 6\r\n", "hello!"; "two lengths in a line")]
#[test_case("Content-Length: +5\r\n", "hello"; "a sign")]
#[test_case("Content-Length: 0x5\r\n", "hello"; "another base")]
#[test_case("Content-Length: 5 5\r\n", "hello"; "two numbers")]
#[test_case("Content-Length:\r\n", "hello"; "an empty length")]
#[test_case("Content-Length : 5\r\n", "hello"; "a space before the colon")]
#[test_case("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"; "an unknown encoding")]
#[test_case("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"; "chunks that are not the last encoding")]
#[test_case("Transfer-Encoding: chunked\r\n", "5;\nhello\r\n0\r\n\r\n"; "a bare line feed in a chunk's line")]
#[test_case("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"; "a chunk of a negative length")]
#[test_case("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nhello"; "a chunk that is too long to count")]
#[test_case("X-A: 1\r\n folded: 2\r\n", ""; "a folded line")]
#[test_case("X-A: 1\rX-B: 2\r\n", ""; "a bare carriage return")]
#[test_case("X-A: a\0b\r\n", ""; "a nul")]
#[test_case("X A: 1\r\n", ""; "a space in a name")]
#[test_case("Host: other\r\n", ""; "two hosts")]
#[tokio::test]
async fn what_can_be_read_in_two_ways_reaches_no_backend(headers: &str, body: &str) {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |it| it.body_timeout = Duration::from_secs(2));
    let text = format!(
        "POST /a/b HTTP/1.1\r\nHost: there\r\n{headers}\r\n{body}GET /a/smuggled HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n"
    );
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    // A chunk is read when the request is on its way: it gets no answer, and nothing follows it.
    let heads = scripted.heads();
    assert!(!heads.iter().any(|it| it.contains("smuggled")), "{heads:?}");
    assert!(!reply.body.contains("HTTP/1.1"), "{reply:?}");
    until(|| {
        let all = balancer.status();
        let front = all["connections"]["problems"]["malformed"].as_u64();
        let service = all["services"][0]["requests"]["problems"]["malformed"].as_u64();
        front.or(service) == Some(1)
    })
    .await;
}

#[test_case("GET /a/b HTTP/1.1\r\n\r\n"; "no host")]
#[test_case("GET /a/b HTTP/1.1\r\nHost: a b\r\n\r\n"; "no host's name")]
#[test_case("GET /a/b HTTP/1.1\r\nHost: user@there\r\n\r\n"; "a user")]
#[test_case("GET http://user@there/a/b HTTP/1.1\r\nHost: there\r\n\r\n"; "a user in the whole address")]
#[test_case("GET /a/b HTTP/3.0\r\nHost: there\r\n\r\n"; "another version")]
#[test_case("GET  /a/b HTTP/1.1\r\nHost: there\r\n\r\n"; "two spaces")]
#[test_case("\0\0\0\0\r\n\r\n"; "nonsense")]
#[tokio::test]
async fn what_is_no_request_is_refused(text: &str) {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |_| {});
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(scripted.heads().is_empty());
}

#[tokio::test]
async fn a_body_that_is_packed_on_the_way_is_not_served() {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |_| {});
    let text =
        "POST /a/b HTTP/1.1\r\nHost: there\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!((reply.status, reply.kind()), (501, "not_served".to_owned()));
    assert!(scripted.heads().is_empty());
}

/// The same length twice, and ends of lines without their carriage returns, are read in one way only, and
/// go on in one way only.
#[test_case("POST /a/b HTTP/1.1\r\nHost: there\r\nConnection: close\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"; "a length twice")]
#[test_case("POST /a/b HTTP/1.1\nHost: there\nConnection: close\nContent-Length: 2\n\nhi"; "line feeds")]
#[tokio::test]
async fn what_is_sloppy_goes_on_clean(text: &str) {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |_| {});
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let head = scripted.heads()[0].to_lowercase();
    assert_eq!(head.matches("content-length: 2\r\n").count(), 1, "{head:?}");
    assert!(!head.replace("\r\n", "").contains('\n'));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |it| it.header_bytes = 2048);
    let large = format!("X-A: {}\r\n", "a".repeat(3000));
    let reply = send(balancer.local_addr(), "GET", "/a/b", &large, "").await;
    assert_eq!(
        (reply.status, reply.kind()),
        (431, "head_too_large".to_owned())
    );
    // Far above, HTTP itself refuses.
    let larger = format!("X-A: {}\r\n", "a".repeat(60_000));
    let reply = send(balancer.local_addr(), "GET", "/a/b", &larger, "").await;
    assert_eq!(reply.status, 431);
    until(|| balancer.counts().problems.get("head_too_large") == Some(&2)).await;
    assert!(scripted.heads().is_empty());
}

#[test_case("Content-Length: 11\r\n\r\nhello there"; "as is said beforehand")]
#[test_case("Transfer-Encoding: chunked\r\n\r\n8\r\nhello th\r\n3\r\nere\r\n0\r\n\r\n"; "in chunks")]
#[tokio::test]
async fn a_body_that_is_too_large_is_refused(rest: &str) {
    let hangs = Scripted::start(&[Act::Hang]).await;
    let balancer = limited(&hangs, |it| it.body_bytes = Some(10));
    let text = format!("POST /a/b HTTP/1.1\r\nHost: there\r\n{rest}");
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.kind()),
        (413, "body_too_large".to_owned())
    );
    assert_eq!(reply.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let hangs = Scripted::start(&[Act::Hang]).await;
    let mut settings = settings(services([service("a", [hangs.address])]));
    settings.limits.body_timeout = Duration::from_millis(200);
    // It is not the backend that is waited for.
    settings.services.services[0].response_timeout = Duration::from_millis(50);
    let balancer = start(settings);
    let text = "POST /a/b HTTP/1.1\r\nHost: there\r\nContent-Length: 100\r\n\r\nhel";
    let reply = raw(balancer.local_addr(), text.as_bytes()).await;
    assert_eq!((reply.status, reply.kind()), (408, "slow_body".to_owned()));
}

#[test_case(""; "nothing")]
#[test_case("GET /a/b HTT"; "half a line")]
#[test_case("GET /a/b HTTP/1.1\r\nHost: there\r\n"; "half a head")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; "HTTP/2 and no request")]
#[tokio::test]
async fn a_head_that_stops_coming_is_not_waited_for(text: &str) {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = limited(&scripted, |it| {
        it.header_timeout = Duration::from_millis(200);
        it.idle_timeout = Duration::from_millis(200);
    });
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = within(stream.read_to_end(&mut said)).await;
    until(|| balancer.counts().idle == 1).await;
    drop(stream);
    until(|| balancer.counts().open == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.limits.body_timeout = Duration::from_millis(300);
    let balancer = start(settings);
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let request = b"GET /a/stream?count=100000&payload_bytes=4000 HTTP/1.1\r\nHost: there\r\n\r\n";
    stream.write_all(request).await.unwrap();
    until(|| balancer.counts().open == 1).await;
    until(|| balancer.counts().open == 0).await;
    until(|| status(&balancer)["requests"]["abandoned"] == 1).await;
}

#[tokio::test]
async fn connections_above_the_limit_are_reset() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.limits.connections = 2;
    let balancer = start(settings);
    let held = [
        TcpStream::connect(balancer.local_addr()).await.unwrap(),
        TcpStream::connect(balancer.local_addr()).await.unwrap(),
    ];
    until(|| balancer.counts().open == 2).await;
    // The reset may come before the connection is known to be there.
    if let Ok(mut stream) = TcpStream::connect(balancer.local_addr()).await {
        let read = within(stream.read(&mut [0; 1])).await;
        assert!(read.is_err(), "{read:?}");
    }
    until(|| balancer.counts().over_limit == 1).await;
    drop(held);
    until(|| balancer.counts().open == 0).await;
    assert_eq!(get(&balancer, "/a/hello").await.status, 200);
}
