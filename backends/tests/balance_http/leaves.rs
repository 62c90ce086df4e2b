//! How the balancer, its services and its clients' connections come to their ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loadgen_backends::balance::http::{RunningHttpBalancer, start_http_balancer};
use loadgen_backends::balance::{Resolve, Resolving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::common::*;

/// Knows nobody, and takes for ever to say so.
#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_request_whose_service_goes_while_it_waits_is_answered() {
    let one = backend("one");
    let before = services([service("a", [one.local_addr()])]);
    let balancer = start_http_balancer(settings(before.clone()), Arc::new(Silent)).unwrap();
    let mut waits = service("b", [one.local_addr()]);
    waits.pool.backends[0].host = "unknown.test".to_owned();
    let mut with = before.clone();
    with.services.push(waits);
    balancer.services().replace(with).unwrap();
    let address = balancer.local_addr();
    let asked = tokio::spawn(ask(address, "GET", "/b/hello"));
    until(|| balancer.status()["services"][1]["requests"]["open"] == 1).await;
    balancer.services().replace(before).unwrap();
    let began = Instant::now();
    let reply = within(asked).await.unwrap();
    assert_eq!((reply.status, reply.kind()), (404, "no_service".to_owned()));
    assert!(reply.body.contains("was removed"), "{}", reply.body);
    // At once, and not when looking up the name is given up.
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(balancer.counts().problems.get("no_service"), Some(&1));
}

/// A client's side of a connection over HTTP/2, a frame at a time.
struct Raw(TcpStream);

impl Raw {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;

    async fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(preface).await.unwrap();
        let mut raw = Self(stream);
        raw.send(Self::SETTINGS, 0, 0, &[]).await;
        raw
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// A GET as the only thing there is of a stream.
    async fn get(&mut self, stream: u32, path: &str) {
        let mut head = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        head.extend(path.as_bytes());
        head.extend(b"\x01\x05there");
        self.send(1, 0x05, stream, &head).await;
    }

    /// The next frame: its kind, its flags and what is in it; none at the end.
    async fn frame(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        within(self.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        within(self.0.read_exact(&mut payload)).await.ok()?;
        Some((head[3], head[4], payload))
    }

    async fn until(&mut self, kind: u8) {
        while self.frame().await.expect("there should be more").0 != kind {}
    }

    /// All data until a stream's end.
    async fn answer(&mut self) -> String {
        let mut text = String::new();
        loop {
            let (kind, flags, payload) = self.frame().await.expect("an answer should be whole");
            if kind == 0 {
                text += &String::from_utf8_lossy(&payload);
            }
            if kind < 2 && flags & 1 == 1 {
                return text;
            }
        }
    }
}

async fn stopped(balancer: RunningHttpBalancer) {
    within(tokio::task::spawn_blocking(move || balancer.shutdown()))
        .await
        .unwrap();
}

/// It says good-bye, and the client may well have asked before it hears that.
#[tokio::test]
async fn a_request_that_comes_when_its_connection_was_idle_for_too_long_is_answered() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.limits.idle_timeout = Duration::from_millis(200);
    settings.limits.header_timeout = Duration::from_millis(200);
    let balancer = start(settings);
    let mut raw = Raw::open(balancer.local_addr()).await;
    raw.until(Raw::GOAWAY).await;
    raw.get(1, "/a/stream?count=4&interval_us=300000").await;
    let text = raw.answer().await;
    assert!(text.contains("\"sequence\":3"), "{text}");
    // And then it ends, although the client answers no ping.
    until(|| balancer.counts().open == 0).await;
}

/// Nothing is open on it, and it need not say that it has heard the good-bye.
#[tokio::test]
async fn a_stop_does_not_wait_for_an_idle_client_over_http_2() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.grace = Duration::from_secs(15);
    let balancer = start(settings);
    let mut raw = Raw::open(balancer.local_addr()).await;
    raw.get(1, "/a/hello").await;
    raw.answer().await;
    let began = Instant::now();
    stopped(balancer).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stop_lets_a_request_over_http_2_end() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.limits.header_timeout = Duration::from_millis(200);
    let balancer = start(settings);
    let mut raw = Raw::open(balancer.local_addr()).await;
    raw.get(1, "/a/stream?count=5&interval_us=500000").await;
    until(|| status(&balancer)["requests"]["open"] == 1).await;
    let stopping = tokio::spawn(stopped(balancer));
    let text = raw.answer().await;
    assert!(text.contains("\"sequence\":4"), "{text}");
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace_over_http_2_either() {
    let hangs = Scripted::start(&[Act::Hang]).await;
    let mut settings = settings(services([service("a", [hangs.address])]));
    settings.grace = Duration::from_millis(300);
    let balancer = start(settings);
    let mut raw = Raw::open(balancer.local_addr()).await;
    raw.get(1, "/a/b").await;
    until(|| !hangs.heads().is_empty()).await;
    let began = Instant::now();
    stopped(balancer).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}
