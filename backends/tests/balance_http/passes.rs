//! Requests and answers on their way.

use std::time::Duration;

use loadgen_backends::balance::http::{HttpCheck, Route};
use loadgen_backends::balance::{Algorithm, HealthSettings};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::common::*;

#[tokio::test]
async fn the_name_leads_to_the_service_and_backends_take_turns() {
    let (one, two, other) = (backend("one"), backend("two"), backend("other"));
    let a = service("a", [one.local_addr(), two.local_addr()]);
    let mut all = services([a, service("b", [other.local_addr()])]);
    all.default_service = Some("b".to_owned());
    let balancer = start(settings(all));
    let mut senders = Vec::new();
    for _ in 0..4 {
        let reply = get(&balancer, "/a/hello?name=you").await;
        assert_eq!(reply.body, r#"{"message":"Hello, you!"}"#);
        senders.push(reply.sender().to_owned());
    }
    senders.sort();
    assert_eq!(senders, ["one", "one", "two", "two"]);
    assert_eq!(get(&balancer, "/b/hello").await.sender(), "other");
    // Without a name it is the default one's.
    assert_eq!(get(&balancer, "/hello").await.sender(), "other");
    let figures = status(&balancer);
    assert_eq!(figures["requests"]["requests"], 4);
    assert_eq!(figures["requests"]["responses"]["2xx"], 4);
    assert_eq!(figures["pool"]["backends"][0]["opened"], 2);
}

#[tokio::test]
async fn weights_hold_for_requests_of_one_connection() {
    let (one, two) = (backend("one"), backend("two"));
    let balancer = balance([one.local_addr(), two.local_addr()], |it| {
        it.pool.algorithm = Algorithm::WeightedRoundRobin;
        it.pool.backends[0].weight = 3;
    });
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let mut senders = String::new();
    for _ in 0..8 {
        let request = b"GET /a/hello HTTP/1.1\r\nHost: there\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = within(stream.read(&mut answer)).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        senders.push_str(Reply::read(&text).sender());
    }
    assert_eq!(senders.matches("one").count(), 6, "{senders}");
    assert_eq!(senders.matches("two").count(), 2);
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\n\r\nok";

#[tokio::test]
async fn heads_lose_what_is_for_one_connection_and_say_who_asked() {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = balance([scripted.address], |_| {});
    let headers = "Connection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\nProxy-Connection: a\r\nTE: trailers, gzip\r\n\
        X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: lie\r\nX-Kept: 1\r\n\
        Cookie: a=1\r\nCookie: b=2\r\nUpgrade: h2c\r\n";
    let reply = send(balancer.local_addr(), "GET", "/a/b/c?d=e%2f", headers, "").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    assert_eq!(reply.header("x-end"), Some("2"));
    assert_eq!(
        (reply.header("x-hop"), reply.header("keep-alive")),
        (None, None)
    );
    let head = scripted.heads()[0].to_lowercase();
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "get /b/c?d=e%2f http/1.1");
    lines.sort_unstable();
    let via = lines
        .iter()
        .position(|it| it.starts_with("via: 1.1 loadgen-"));
    lines.remove(via.unwrap());
    assert_eq!(
        lines,
        [
            "cookie: a=1; b=2",
            "host: there",
            "te: trailers",
            "x-forwarded-for: 10.0.0.1, 127.0.0.1",
            "x-forwarded-host: there",
            "x-forwarded-proto: http",
            "x-kept: 1",
        ]
    );
}

#[test_case("POST", "Content-Length: 5\r\n\r\nhello"; "with a length")]
#[test_case("POST", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"; "in chunks")]
#[test_case("GET", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"; "in chunks, of a method that seldom has one")]
#[test_case("PATCH", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"; "that waits to be asked for")]
#[tokio::test]
async fn bodies_pass(method: &str, rest: &str) {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let text = format!("{method} /a/echo HTTP/1.1\r\nHost: there\r\nConnection: close\r\n{rest}");
    let mut reply = raw(balancer.local_addr(), text.as_bytes()).await;
    if reply.status == 100 {
        reply = Reply::read(&reply.body);
    }
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
}

#[tokio::test]
async fn large_bodies_pass_whole_and_are_counted() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let body = "0123456789abcdef".repeat(200_000);
    let reply = send(balancer.local_addr(), "POST", "/a/echo", "", &body).await;
    assert_eq!(reply.body.len(), body.len());
    assert!(reply.body == body);
    let counted = status(&balancer);
    let backend = &counted["pool"]["backends"][0];
    assert_eq!(backend["bytes_sent"], body.len());
    assert_eq!(backend["bytes_received"], body.len());
    assert_eq!(
        (&backend["open"], &counted["requests"]["open"]),
        (&0.into(), &0.into())
    );
}

#[tokio::test]
async fn answers_come_as_they_are_made() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let request = b"GET /a/stream?count=2&interval_us=60000000 HTTP/1.1\r\nHost: there\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = Vec::new();
    // The second event is a minute away.
    while !String::from_utf8_lossy(&text).contains("\"sequence\":0") {
        within(stream.read_buf(&mut text)).await.unwrap();
    }
    drop(stream);
    until(|| status(&balancer)["requests"]["abandoned"] == 1).await;
    until(|| status(&balancer)["pool"]["backends"][0]["open"] == 0).await;
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let reply = ask(balancer.local_addr(), "HEAD", "/a/hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.header("content-length"), Some("27"));
    let reply = ask(balancer.local_addr(), "HEAD", "/b/hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (404, ""));
}

#[tokio::test]
async fn what_leads_nowhere_is_told_and_counted() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |it| {
        let methods = vec![http::Method::GET, http::Method::HEAD];
        it.routes = vec![Route::new("/hello", methods).unwrap()];
    });
    let reply = get(&balancer, "/b/hello").await;
    assert_eq!((reply.status, reply.kind()), (404, "no_service".to_owned()));
    let reply = get(&balancer, "/a/other").await;
    assert_eq!((reply.status, reply.kind()), (404, "no_route".to_owned()));
    let reply = ask(balancer.local_addr(), "POST", "/a/hello").await;
    assert_eq!((reply.status, reply.kind()), (405, "method".to_owned()));
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    let reply = get(&balancer, "/a/hello/..%2f../b").await;
    assert_eq!((reply.status, reply.kind()), (400, "malformed".to_owned()));
    let reply = ask(balancer.local_addr(), "OPTIONS", "*").await;
    assert_eq!(reply.status, 400);
    let reply = ask(balancer.local_addr(), "CONNECT", "there:80").await;
    assert_eq!((reply.status, reply.kind()), (501, "not_served".to_owned()));
    let problems = balancer.counts().problems;
    let counted = [
        "no_service",
        "no_route",
        "method",
        "malformed",
        "not_served",
    ];
    assert_eq!(counted.map(|it| problems[it]), [1, 1, 1, 2, 1]);
}

#[tokio::test]
async fn a_request_that_comes_round_again_is_refused() {
    let scripted = Scripted::start(&[Act::Say(OK)]).await;
    let balancer = balance([scripted.address], |_| {});
    get(&balancer, "/a/b").await;
    let head = scripted.heads()[0].clone();
    let via = head.lines().find(|it| it.starts_with("via:")).unwrap();
    let headers = format!("{via}\r\n");
    let reply = send(balancer.local_addr(), "GET", "/a/b", &headers, "").await;
    assert_eq!((reply.status, reply.kind()), (508, "loop".to_owned()));
}

fn check(path: &str, status: &[u16], body: Option<&str>) -> HttpCheck {
    HttpCheck {
        path: path.to_owned(),
        status: status.to_vec(),
        body: body.map(str::to_owned),
    }
}

#[test_case(check("/health", &[], None), "up", ""; "any 200")]
#[test_case(check("/status/503", &[], None), "down", "status 503, expected 200 to 299"; "another status")]
#[test_case(check("/status/418", &[200, 418], None), "up", ""; "one of several")]
#[test_case(check("/hello", &[], Some("Hello")), "up", ""; "the body")]
#[test_case(check("/hello", &[], Some("Goodbye")), "down", "the answer does not have \"Goodbye\" in it"; "another body")]
#[tokio::test]
async fn checks_ask(check: HttpCheck, state: &str, reason: &str) {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |it| {
        it.pool.health = Some(HealthSettings {
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(500),
            rise: 1,
            fall: 1,
        });
        it.check = Some(check);
    });
    let backend = || status(&balancer)["pool"]["backends"][0].clone();
    until(|| backend()["checks"].as_u64() > Some(0)).await;
    until(|| backend()["state"] == state).await;
    assert_eq!(backend()["last_failure"].as_str().unwrap_or(""), reason);
    if state == "down" {
        let reply = get(&balancer, "/a/hello").await;
        assert_eq!((reply.status, reply.kind()), (503, "no_backend".to_owned()));
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn a_backend_that_drains_gets_nothing_new() {
    let (one, two) = (backend("one"), backend("two"));
    let balancer = balance([one.local_addr(), two.local_addr()], |it| {
        it.pool.backends[0].drain = true;
    });
    for _ in 0..3 {
        assert_eq!(get(&balancer, "/a/hello").await.sender(), "two");
    }
}
