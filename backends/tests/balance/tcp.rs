//! The layer-4 balancer when all goes well: bytes, ends, turns, changes, the page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loadgen_backends::balance::tcp::{ProxyProtocol, start_tcp_balancer};
use loadgen_backends::balance::{Algorithm, BackendSettings};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{
    Echo, Names, backend, echoes, names, open, settings, start, state, until, within,
};

#[tokio::test]
async fn a_client_that_has_ended_its_side_still_gets_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let balancer = start(settings([listener.local_addr().unwrap()]));
    let mut client = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let (mut served, _) = within(listener.accept()).await.unwrap();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = Vec::new();
    within(served.read_to_end(&mut question)).await.unwrap();
    assert_eq!(question, b"question");
    // Long after the client's end.
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.write_all(b"answer").await.unwrap();
    drop(served);
    let mut answer = Vec::new();
    within(client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"answer");
    until(|| balancer.counts().completed == 1).await;
    assert_eq!(balancer.counts().open, 0);
}

#[tokio::test]
async fn a_backend_that_has_ended_its_side_still_hears_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let balancer = start(settings([listener.local_addr().unwrap()]));
    let mut client = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let (mut served, _) = within(listener.accept()).await.unwrap();
    served.shutdown().await.unwrap();
    assert_eq!(within(client.read(&mut [0; 8])).await.unwrap(), 0);
    client.write_all(b"still here").await.unwrap();
    drop(client);
    let mut heard = Vec::new();
    within(served.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"still here");
}

/// More than any buffer holds, both ways at once, with a client that reads late.
#[tokio::test]
async fn nothing_is_lost_when_a_side_is_slow() {
    const SIZE: usize = 24 << 20;
    let echo = Echo::start("").await;
    let balancer = start(settings([echo.address]));
    let client = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let (mut reader, mut writer) = client.into_split();
    let sent: Vec<u8> = (0..SIZE).map(|at| (at / 7 % 251) as u8).collect();
    let expected = sent.clone();
    let writes = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
        writer
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut got = Vec::new();
    within(reader.read_to_end(&mut got)).await.unwrap();
    assert!(got == expected, "{} bytes came back", got.len());
    drop(writes.await.unwrap());
    let status = balancer.status();
    let counted = &status["pool"]["backends"][0];
    assert_eq!(counted["bytes_sent"], SIZE);
    assert_eq!(counted["bytes_received"], SIZE);
}

#[tokio::test]
async fn backends_take_turns() {
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let balancer = start(settings([a.address, b.address]));
    assert_eq!(names(&balancer, 6).await, "ababab");
    let mut weighted = settings([a.address, b.address]);
    weighted.pool.algorithm = Algorithm::WeightedRoundRobin;
    weighted.pool.backends[0].weight = 3;
    let balancer = start(weighted);
    assert_eq!(names(&balancer, 8).await, "aabaaaba");
    let mut least = settings([a.address, b.address]);
    least.pool.algorithm = Algorithm::LeastConnections;
    let balancer = start(least);
    let (held, name) = open(&balancer).await.unwrap();
    for _ in 0..3 {
        let (stream, other) = open(&balancer).await.unwrap();
        assert_ne!(other, name);
        drop(stream);
        until(|| balancer.counts().open == 1).await;
    }
    drop(held);
}

#[test_case(ProxyProtocol::V1)]
#[test_case(ProxyProtocol::V2)]
#[tokio::test]
async fn a_backend_is_told_who_the_client_is(version: ProxyProtocol) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut told = settings([listener.local_addr().unwrap()]);
    told.proxy_protocol = Some(version);
    let balancer = start(told);
    let mut client = TcpStream::connect(balancer.local_addr()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut served, _) = within(listener.accept()).await.unwrap();
    let mut heard = Vec::new();
    within(served.read_to_end(&mut heard)).await.unwrap();
    let (from, to) = (
        client.local_addr().unwrap().port(),
        balancer.local_addr().port(),
    );
    let mut wanted = match version {
        ProxyProtocol::V1 => format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n").into_bytes(),
        ProxyProtocol::V2 => {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
            header.extend([127, 0, 0, 1, 127, 0, 0, 1]);
            header.extend(from.to_be_bytes());
            header.extend(to.to_be_bytes());
            header
        }
    };
    wanted.extend(b"hello");
    assert_eq!(heard, wanted);
}

#[tokio::test]
async fn a_backend_that_drains_keeps_what_it_has() {
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let both = settings([a.address, b.address]);
    let balancer = start(both.clone());
    let (mut held, name) = open(&balancer).await.unwrap();
    assert_eq!(name, 'a');
    let mut draining = both.clone();
    draining.pool.backends[0].drain = true;
    balancer.reload(draining).unwrap();
    assert_eq!(names(&balancer, 3).await, "bbb");
    assert_eq!(state(&balancer, a.address).as_deref(), Some("draining"));
    echoes(&mut held).await.unwrap();
    balancer.reload(both).unwrap();
    assert!(names(&balancer, 4).await.contains('a'));
}

#[tokio::test]
async fn a_reload_loses_no_connection() {
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let balancer = start(settings([a.address]));
    let mut before = Vec::new();
    for _ in 0..20 {
        before.push(open(&balancer).await.unwrap().0);
    }
    let mut other = settings([b.address]);
    balancer.reload(other.clone()).unwrap();
    assert_eq!(names(&balancer, 3).await, "bbb");
    for stream in &mut before {
        echoes(stream).await.unwrap();
    }
    assert_eq!(state(&balancer, a.address).as_deref(), Some("draining"));
    drop(before);
    until(|| state(&balancer, a.address).is_none()).await;
    other.threads = Some(1);
    let refused = balancer.reload(other).unwrap_err().to_string();
    assert!(
        refused.starts_with("`threads` cannot change while the balancer runs"),
        "{refused}"
    );
    assert_eq!(balancer.counts().broken, 0);
}

#[tokio::test]
async fn a_name_may_have_several_addresses_and_later_others() {
    let (a, b, c) = (
        Echo::start("a").await,
        Echo::start("b").await,
        Echo::start("c").await,
    );
    let names_of = Names::default();
    let mut named = settings([]);
    named.pool.backends = vec![BackendSettings {
        host: "service.test".to_owned(),
        ..backend(a.address)
    }];
    named.pool.resolve_interval = Duration::from_millis(100);
    let balancer = start_tcp_balancer(named, Arc::new(names_of.clone())).unwrap();
    // Nobody knows the name yet.
    assert!(open(&balancer).await.is_err());
    assert_eq!(
        balancer.status()["pool"]["unresolved"][0]["reason"],
        "no such name"
    );
    names_of.set("service.test", &[a.address, b.address]);
    until(|| state(&balancer, b.address).is_some()).await;
    let mut both: Vec<_> = names(&balancer, 4).await.chars().collect();
    both.sort_unstable();
    assert_eq!(both, ['a', 'a', 'b', 'b']);
    let mut held = loop {
        let (stream, name) = open(&balancer).await.unwrap();
        if name == 'a' {
            break stream;
        }
    };
    names_of.set("service.test", &[c.address]);
    until(|| state(&balancer, c.address).is_some()).await;
    assert_eq!(names(&balancer, 3).await, "ccc");
    echoes(&mut held).await.unwrap();
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn the_page_says_how_it_stands() {
    let a = Echo::start("a").await;
    let mut paged = settings([a.address]);
    paged.status = Some(([127, 0, 0, 1], 0).into());
    let balancer = start(paged.clone());
    let page = balancer.status_addr().unwrap();
    let (held, _) = open(&balancer).await.unwrap();
    let health = get(page, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    let html = get(page, "/").await;
    assert!(
        html.contains("<td class=\"up\">up<td>1<td>1<td>1<td>0"),
        "{html}"
    );
    let status = get(page, "/status").await;
    let (_, body) = status.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["connections"]["open"], 1);
    let metrics = get(page, "/metrics").await;
    let line = format!(
        "loadgen_balancer_backend_open{{backend=\"{0}\",address=\"{0}\"}} 1\n",
        a.address
    );
    assert!(metrics.contains(&line), "{metrics}");
    assert!(get(page, "/other").await.starts_with("HTTP/1.1 404 "));
    let mut draining = paged;
    draining.pool.backends[0].drain = true;
    balancer.reload(draining).unwrap();
    assert!(get(page, "/health").await.starts_with("HTTP/1.1 503 "));
    drop(held);
}

/// The timer of each established connection from this port to that one, as the system tells it: 2 is the one that
/// asks for a sign of life. A row may stand in the table twice, as it is read in pieces while others come and go.
#[cfg(target_os = "linux")]
fn timers(from: u16, to: u16) -> std::collections::BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let ends = |address: &str, port: u16| address.ends_with(&format!(":{port:04X}"));
    let is_one = |row: &Vec<&str>| ends(row[1], from) && ends(row[2], to) && row[3] == "01";
    rows.filter(is_one)
        .map(|row| row[5][..2].to_owned())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let balancer = start(settings([listener.local_addr().unwrap()]));
    let client = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let (_served, from) = within(listener.accept()).await.unwrap();
    let asks = std::collections::BTreeSet::from(["02".to_owned()]);
    let client = client.local_addr().unwrap().port();
    assert_eq!(timers(balancer.local_addr().port(), client), asks);
    let behind = listener.local_addr().unwrap().port();
    assert_eq!(timers(from.port(), behind), asks);
}
