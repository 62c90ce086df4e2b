//! Over HTTP/2.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use futures::future::join_all;
use h2::Reason;
use http::{HeaderMap, Response};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{HttpBody, HttpRequest, HttpVersion, ScenarioPlan, Step, StreamEnd};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::{SampleKind, Workload as _};
use serde_json::json;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::common::http2::{Exchange, Server, Settings};
use crate::common::watching::{Eyes, watched};
use crate::common::whole::{closed, whole};
use crate::common::{run, until};
use crate::encrypted::{acceptor, encrypt};
use crate::server::{Say, serve};
use crate::support::{self, Driver, ends, http, status};

/// A scenario of these steps, over one connection.
fn steps(target: SocketAddr, steps: impl IntoIterator<Item = Step<HttpRequest>>) -> ScenarioPlan {
    let mut plan = support::steps(target, steps);
    http(&mut plan).version = HttpVersion::Http2;
    http(&mut plan).connections = Some(1);
    plan
}

fn plan(target: SocketAddr, request: HttpRequest) -> ScenarioPlan {
    steps(target, [request.into()])
}

/// An answer with these fields.
fn head(status: u16, fields: &[(&'static str, &str)]) -> Response<()> {
    let mut head = Response::builder()
        .status(status)
        .header("x-loadgen-backend", "two");
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    head.body(()).expect("a head")
}

/// Answers with this.
fn say(exchange: &mut Exchange, head: Response<()>, body: impl Into<Bytes>) {
    let mut stream = exchange.respond.send_response(head, false).expect("open");
    stream.send_data(body.into(), true).expect("open");
}

/// A server that answers each request with `hi`.
async fn greeting(settings: Settings) -> Server {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::start_with(any, settings, |mut exchange| async move {
        say(&mut exchange, head(200, &[]), "hi");
    })
    .await
}

#[test]
fn users_share_a_connection() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            let control = exchange.control.clone();
            until(|| control.most_active.get() == 3).await;
            let request = &exchange.request;
            let whole = format!("{} {}", request.method(), request.uri());
            say(&mut exchange, head(200, &[]), whole);
        })
        .await;
        let mut step = Step::from(HttpRequest::get("/a?b=1"));
        let url = format!("http://{}/a?b=1", server.address);
        step.check = vec![
            format!("reply.text == 'GET {url}'"),
            "status == 200".to_owned(),
        ];
        let mut plan = steps(server.address, [step]);
        http(&mut plan).headers = vec![("x-team".to_owned(), "seven".into())];
        let driver = Driver::open(&plan).await;
        let outcomes = join_all([driver.once(), driver.once(), driver.once()]).await;
        let said = &driver.recorder.0.borrow().explanations;
        assert_eq!(outcomes, [Outcome::Ok; 3], "{said:?}");
        assert_eq!(server.control.connections.get(), 1);
        let headers = server.control.headers.borrow();
        assert_eq!(headers["x-team"], "seven");
        assert!(!headers.contains_key("host"), "{headers:?}");
        assert!(!headers.contains_key("content-length"), "{headers:?}");
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (1, 0));
        assert_eq!(seen.backends, ["two"]);
    });
}

#[test_case(HttpBody::Json(json!({ "a": 1 })) => "application/json 7 7"; "json")]
#[test_case(HttpBody::Sized(3 << 20) => "application/octet-stream 3145728 3145728"; "more than a window")]
fn bodies_are_sent(body: HttpBody) -> String {
    run(async move {
        let (came, read) = tokio::sync::watch::channel(0);
        let server = Server::start(move |mut exchange| {
            let came = came.clone();
            async move {
                came.send_replace(exchange.read_all().await.len());
                say(&mut exchange, head(200, &[]), "");
            }
        })
        .await;
        let mut request = HttpRequest::new("POST", "/");
        request.body = Some(body);
        let (outcome, said) = ends(&plan(server.address, request)).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
        let sent = server.control.headers.borrow();
        let text = |name| sent[name].to_str().expect("text");
        let came = *read.borrow();
        format!("{} {} {came}", text("content-type"), text("content-length"))
    })
}

#[test]
fn answers_are_read_whole() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
            let text = format!("{{\"text\": \"{}\"}}", "x".repeat(1 << 20));
            packed.write_all(text.as_bytes()).expect("a buffer");
            let packed = packed.finish().expect("a buffer");
            let head = head(200, &[("content-encoding", "gzip")]);
            let mut stream = exchange.respond.send_response(head, false).expect("open");
            for piece in packed.chunks(100) {
                let piece = Bytes::copy_from_slice(piece);
                stream.send_data(piece, false).expect("open");
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "7".parse().expect("a value"));
            stream.send_trailers(trailers).expect("open");
        })
        .await;
        let mut step = Step::from(HttpRequest::get("/"));
        step.check = vec![
            "reply.text | length == 1048576".to_owned(),
            "trailers['x-sum'] == '7'".to_owned(),
        ];
        let mut plan = steps(server.address, [step]);
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
        plan.max_message = 1 << 20;
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Failure::Protocol.into());
        assert!(
            said.contains("unpacks to more than 1048576 bytes"),
            "{said}"
        );
    });
}

/// A flow of more than all windows, of which nobody looks at anything.
#[test]
fn a_long_answer_is_let_go() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            say(&mut exchange, head(200, &[]), vec![7; 20 << 20]);
        })
        .await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(driver.recorder.0.borrow().bytes.1 > 20 << 20);
    });
}

#[test]
fn the_first_byte_is_not_the_last() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            let head = head(200, &[]);
            let mut stream = exchange.respond.send_response(head, false).expect("open");
            tokio::time::sleep(Duration::from_millis(60)).await;
            stream.send_data("hi".into(), true).expect("open");
        })
        .await;
        let both = ["a", "b"].map(|name| Step::new(name, HttpRequest::get("/")));
        let driver = Driver::open(&steps(server.address, both)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        let first = &seen.samples[&SampleKind::FirstByte];
        assert_eq!(first.len(), 2);
        for (first, whole) in first.iter().zip(&seen.steps) {
            let service = whole.split.service_time;
            assert!(first + 40_000_000 < service, "{first} of {service}");
        }
    });
}

#[test]
fn statuses_are_outcomes() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            say(&mut exchange, head(503, &[]), "busy");
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, HttpRequest::get("/x?token=1"))).await;
        assert_eq!(outcome, status(503));
        let whole = "GET /x: the server answered 503 Service Unavailable (it says \"busy\")";
        assert_eq!(said, whole);
    });
}

#[test]
fn the_servers_limit_of_streams_holds() {
    run(async {
        let server = greeting(Settings {
            max_streams: Some(1),
            ..Settings::default()
        })
        .await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let outcomes = join_all((0..5).map(|_| driver.once())).await;
        assert_eq!(outcomes, [Outcome::Ok; 5]);
        assert_eq!(server.control.most_active.get(), 1);
        assert_eq!(driver.recorder.samples(SampleKind::StreamWait).len(), 4);
    });
}

#[test]
fn nothing_is_lost_by_a_good_bye() {
    run(async {
        let server = greeting(Settings {
            goaway_after: Some(2),
            ..Settings::default()
        })
        .await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        for _ in 0..5 {
            let outcomes = join_all([driver.once(), driver.once()]).await;
            let said = &driver.recorder.0.borrow().explanations;
            assert_eq!(outcomes, [Outcome::Ok; 2], "{said:?}");
        }
        assert!(server.control.connections.get() >= 2);
    });
}

/// A server that says good-bye to the first request, which it has not looked at, and then passes all on
/// to this one.
async fn good_bye(to: SocketAddr) -> SocketAddr {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const HEADERS: u8 = 1;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        let preface = first.read_exact(&mut [0; 24]).await;
        preface.expect("a preface");
        let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
        first.write_all(&settings).await.expect("open");
        loop {
            let mut frame = [0; 9];
            first.read_exact(&mut frame).await.expect("a frame");
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
            let mut rest = vec![0; length];
            first.read_exact(&mut rest).await.expect("the rest");
            match (frame[3], frame[4]) {
                (SETTINGS, 0) => {
                    let ack = [0, 0, 0, SETTINGS, 1, 0, 0, 0, 0];
                    first.write_all(&ack).await.expect("open");
                }
                (PING, 0) => {
                    let ack = [&[0, 0, 8, PING, 1, 0, 0, 0, 0][..], &rest].concat();
                    first.write_all(&ack).await.expect("open");
                }
                (HEADERS, _) => break,
                _ => {}
            }
        }
        // No stream, and no error.
        let good_bye = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        first.write_all(&good_bye).await.expect("open");
        loop {
            let (mut next, _) = listener.accept().await.expect("a connection");
            tokio::task::spawn_local(async move {
                let mut server = TcpStream::connect(to).await.expect("it listens");
                let _ = copy_bidirectional(&mut next, &mut server).await;
            });
        }
    });
    address
}

#[test]
fn what_no_server_has_looked_at_is_sent_again() {
    run(async {
        let server = greeting(Settings::default()).await;
        let address = good_bye(server.address).await;
        let (outcome, said) = ends(&plan(address, HttpRequest::new("POST", "/"))).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
        assert_eq!(server.control.requests.get(), 1);
    });
}

#[test]
fn a_reset_is_an_outcome() {
    run(async {
        let server = Server::start(|mut exchange| async move {
            exchange.respond.send_reset(Reason::ENHANCE_YOUR_CALM);
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, HttpRequest::get("/x"))).await;
        assert_eq!(outcome, Failure::Reset("ENHANCE_YOUR_CALM").into());
        assert_eq!(
            said,
            "GET /x: the server reset the stream with ENHANCE_YOUR_CALM"
        );
    });
}

#[test]
fn a_connection_that_breaks_fails_what_is_under_way() {
    run(async {
        let server = Server::start(|exchange| async move {
            exchange.control.cut.notify_waiters();
            std::future::pending::<()>().await;
            drop(exchange);
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, HttpRequest::get("/x"))).await;
        assert_eq!(outcome, Failure::Connection.into(), "{said}");
        assert!(said.starts_with("GET /x: "), "{said}");
    });
}

#[test]
fn what_does_not_come_in_time_is_given_up() {
    run(async {
        let server = Server::start(Exchange::until_reset).await;
        let mut request = HttpRequest::get("/slow");
        request.timeout = Some(Duration::from_millis(50));
        let driver = Driver::open(&plan(server.address, request)).await;
        assert_eq!(driver.once().await, Failure::Timeout.into());
        let said = driver.recorder.explanation();
        assert_eq!(
            said,
            "GET /slow: cut off while waiting for the answer's head"
        );
        until(|| *server.control.resets.borrow() == [Reason::CANCEL]).await;
        assert_eq!(server.control.connections.get(), 1);
    });
}

/// A server of events, each in a frame of its own.
async fn events(ends: bool) -> Server {
    Server::start(move |mut exchange| async move {
        let head = head(200, &[("content-type", "text/event-stream")]);
        let mut stream = exchange.respond.send_response(head, false).expect("open");
        for number in 0..3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let event = format!("data: {{\"n\": {number}}}\n\n");
            let is_last = ends && number == 2;
            if stream.send_data(event.into(), is_last).is_err() {
                break;
            }
        }
        if let Ok(reason) = poll_fn(|cx| stream.poll_reset(cx)).await {
            exchange.control.resets.borrow_mut().push(reason);
        }
    })
    .await
}

#[test]
fn events_are_counted_and_timed() {
    run(async {
        let server = events(true).await;
        let mut step = Step::from(HttpRequest::get("/stream"));
        step.check = vec!["reply.n == 2".to_owned()];
        let driver = Driver::open(&steps(server.address, [step])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 3));
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 1);
        let gaps = driver.recorder.samples(SampleKind::MessageGap);
        assert_eq!(gaps.len(), 2);
        assert!(gaps.iter().all(|gap| *gap >= 3_000_000), "{gaps:?}");
    });
}

#[test_case(StreamEnd::Messages(2) => (1, 2))]
#[test_case(StreamEnd::After(Duration::from_millis(300)) => (1, 3))]
fn we_may_end_them(end: StreamEnd) -> (u64, u64) {
    run(async move {
        let server = events(false).await;
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(end);
        let driver = Driver::open(&plan(server.address, request)).await;
        for _ in 0..2 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        // The stream, and not the connection.
        until(|| server.control.resets.borrow().len() == 2).await;
        assert_eq!(server.control.connections.get(), 1);
        let seen = driver.recorder.0.borrow();
        (seen.messages.0 / 2, seen.messages.1 / 2)
    })
}

#[test]
fn redirections_and_cookies_are_as_over_the_other_version() {
    run(async {
        let other = Server::start(|mut exchange| async move {
            say(&mut exchange, head(200, &[]), "there");
        })
        .await;
        let there = format!("http://{}/there", other.address);
        let server = Server::start(move |mut exchange| {
            let there = there.clone();
            async move {
                let (to, cookie) = match exchange.request.uri().path() {
                    "/" => ("/login", "a=1; Path=/"),
                    _ => (there.as_str(), "b=2; Path=/"),
                };
                let head = head(302, &[("location", to), ("set-cookie", cookie)]);
                say(&mut exchange, head, "");
            }
        })
        .await;
        let mut step = Step::from(HttpRequest::get("/"));
        step.check = vec!["reply.text == 'there'".to_owned()];
        let mut plan = steps(server.address, [step]);
        http(&mut plan).redirects = 2;
        http(&mut plan).cookies = true;
        http(&mut plan).headers = vec![("authorization".to_owned(), "Bearer x".into())];
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            let outcome = driver.iterate(&mut user).await;
            let said = &driver.recorder.0.borrow().explanations;
            assert_eq!(outcome, Outcome::Ok, "{said:?}");
        }
        driver.workload.close(user).await;
        assert_eq!(
            *server.control.paths.borrow(),
            ["/", "/login", "/", "/login"]
        );
        let sent = server.control.headers.borrow();
        assert_eq!(sent["cookie"], "a=1; b=2");
        assert_eq!(driver.recorder.0.borrow().redirects, 4);
        let told = other.control.headers.borrow();
        assert!(!told.contains_key("authorization"), "{told:?}");
    });
}

#[test]
fn over_tls_it_is_agreed_on() {
    run(async {
        let (h2, certificate) = acceptor(b"h2");
        let server = greeting(Settings {
            tls: Some(h2),
            ..Settings::default()
        })
        .await;
        let mut plan = plan(server.address, HttpRequest::get("/"));
        encrypt(&mut plan, &certificate);
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
    });
}

#[test]
fn a_server_that_does_not_agree_is_told() {
    run(async {
        let (http1, certificate) = acceptor(b"http/1.1");
        let server = greeting(Settings {
            tls: Some(http1),
            ..Settings::default()
        })
        .await;
        let mut plan = plan(server.address, HttpRequest::get("/"));
        encrypt(&mut plan, &certificate);
        let said = Driver::prepare_error(&plan).await;
        assert!(said.contains("ALPN `h2`"), "{said}");
        assert!(said.contains("\"http_version\": \"2\""), "{said}");
    });
}

#[test]
fn a_server_of_the_other_version_is_told() {
    run(async {
        let bad = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let server = serve(move |_, _, _| Say::bytes(bad).and_close()).await;
        let said = Driver::prepare_error(&plan(server.address, HttpRequest::get("/"))).await;
        assert!(said.contains("speaks HTTP/1.1 on this port"), "{said}");
    });
}

#[test]
fn a_whole_run_shares_connections() {
    run(async {
        let server = greeting(Settings::default()).await;
        let mut plan = plan(server.address, HttpRequest::get("/hello"));
        http(&mut plan).connections = Some(2);
        plan.load = closed(10, Limit::IterationsPerUser(20));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 200);
        let counts = &record.connections.counts;
        assert_eq!((counts.opened, counts.dropped), (2, 0));
        assert_eq!(record.backends[0].requests, 200);
        assert_eq!(server.control.connections.get(), 2);
    });
}

/// Once such an attempt left no trace where it was to speak HTTP/2, and its request was not shown.
#[test_case(HttpVersion::Http1; "one")]
#[test_case(HttpVersion::Http2; "two")]
fn connecting_elsewhere_that_is_cut_off_has_failed(version: HttpVersion) {
    run(async move {
        // It takes connections, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let silent_address = silent.local_addr().expect("bound");
        let location = format!("https://{silent_address}/there");
        let address = match version {
            HttpVersion::Http2 => {
                let server = Server::start(move |mut exchange| {
                    let location = location.clone();
                    async move {
                        say(&mut exchange, head(302, &[("location", &location)]), "");
                    }
                });
                server.await.address
            }
            _ => {
                let field = format!("location: {location}\r\n");
                let server = serve(move |_, _, _| Say::head("302 Found", &field, "")).await;
                server.address
            }
        };
        let mut request = HttpRequest::get("/");
        request.timeout = Some(Duration::from_millis(100));
        let mut plan = support::plan(address, request);
        http(&mut plan).version = version;
        http(&mut plan).redirects = 1;
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.failed, 1);
        let counts = &record.connections.counts;
        assert_eq!((counts.opened, counts.failed, counts.redirects), (1, 1, 1));
        let detail =
            format!("cut off while connecting to {silent_address}, waiting for the TLS handshake");
        assert_eq!(record.examples, [(Failure::Timeout, detail)]);
        let last = seen.last().expect("an exchange");
        assert_eq!([&last["what"], &last["outcome"]], ["GET /there", "timeout"]);
    });
}
