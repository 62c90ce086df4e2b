//! What is tried again, and what must not be.

use std::time::Duration;

use loadgen_backends::balance::HealthSettings;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::common::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_backend_that_takes_no_connection_is_passed_over_whatever_is_asked() {
    let one = backend("one");
    let balancer = balance([nobody().await, one.local_addr()], |_| {});
    for _ in 0..4 {
        let reply = send(balancer.local_addr(), "POST", "/a/echo", "", "hello").await;
        assert_eq!((reply.sender(), reply.body.as_str()), ("one", "hello"));
    }
    // The one that takes it is the last of its turn each time.
    let figures = status(&balancer);
    assert_eq!(figures["requests"]["retries"], 4);
    assert_eq!(figures["pool"]["backends"][0]["failed"], 4);
}

#[tokio::test]
async fn where_nobody_takes_a_connection_that_is_told() {
    let balancer = balance([nobody().await, nobody().await], |_| {});
    let reply = get(&balancer, "/a/hello").await;
    assert_eq!(
        (reply.status, reply.kind()),
        (502, "unreachable".to_owned())
    );
    assert_eq!(status(&balancer)["requests"]["problems"]["unreachable"], 1);
}

#[tokio::test]
async fn refusals_in_a_row_take_a_backend_out_and_then_none_is_up() {
    let balancer = balance([nobody().await], |it| {
        it.pool.health = Some(HealthSettings {
            interval: Duration::from_secs(3600),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        });
    });
    until(|| status(&balancer)["pool"]["backends"][0]["state"] == "down").await;
    let reply = get(&balancer, "/a/hello").await;
    assert_eq!((reply.status, reply.kind()), (503, "no_backend".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("7200"));
}

#[test_case("GET", "" => 200; "get")]
#[test_case("PUT", "" => 200; "put without a body")]
#[test_case("POST", "" => 502; "post may not be asked twice")]
#[test_case("PUT", "hello" => 502; "a body that is gone is gone")]
#[tokio::test]
async fn a_backend_that_lets_a_request_go(method: &str, body: &str) -> u16 {
    let bad = Scripted::start(&[Act::Say("")]).await;
    let good = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = balance([bad.address, good.address], |_| {});
    let reply = send(balancer.local_addr(), method, "/a/b", "", body).await;
    assert_eq!(bad.heads().len(), 1);
    let retries = u64::from(reply.status == 200);
    assert_eq!(good.heads().len() as u64, retries);
    assert_eq!(status(&balancer)["requests"]["retries"], retries);
    if retries == 0 {
        assert_eq!(reply.kind(), "failed");
    }
    reply.status
}

#[tokio::test]
async fn retries_have_an_end() {
    let all = [
        Scripted::start(&[Act::Say("")]).await,
        Scripted::start(&[Act::Say("")]).await,
        Scripted::start(&[Act::Say("")]).await,
        Scripted::start(&[Act::Say("")]).await,
    ];
    let balancer = balance(all.iter().map(|it| it.address), |it| it.retries = 2);
    let reply = get(&balancer, "/a/b").await;
    assert_eq!((reply.status, reply.kind()), (502, "failed".to_owned()));
    assert_eq!(all.iter().map(|it| it.heads().len()).sum::<usize>(), 3);
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    let bad = Scripted::start(&[Act::Say("HELLO\r\n\r\n")]).await;
    let balancer = balance([bad.address], |_| {});
    let reply = get(&balancer, "/a/b").await;
    assert_eq!((reply.status, reply.kind()), (502, "failed".to_owned()));
}

/// A connection that the backend ends after an answer, without having said so.
#[tokio::test]
async fn a_kept_connection_that_has_ended_is_not_the_clients_affair() {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = balance([scripted.address], |_| {});
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    for _ in 0..20 {
        let request = b"POST /a/b HTTP/1.1\r\nHost: there\r\nContent-Length: 2\r\n\r\nhi";
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = within(stream.read(&mut answer)).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        // Time for the end to be seen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(Reply::read(&text).status, 200, "{text}");
    }
    assert_eq!(scripted.heads().len(), 20);
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    for _ in 0..10 {
        let request = b"GET /a/hello HTTP/1.1\r\nHost: there\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = within(stream.read(&mut answer)).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    }
    // One thread served them all, over one connection.
    assert_eq!(connections(one.local_addr()), 1);
}

/// Connections to a port of this machine that are open, as the system has them.
fn connections(address: std::net::SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{:04X}", address.port());
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let here = fields.next().is_some_and(|it| it.ends_with(&local));
        here && fields.nth(1) == Some("01")
    };
    table.lines().filter(is_open).count()
}
