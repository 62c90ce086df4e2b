//! Clients and backends that stop in the middle: whoever does holds up nobody else, and is let go.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::server::conn::{http1, http2 as server_http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadgen_backends::balance::http::{BackendProtocol, RunningHttpBalancer};
use serde_json::Value;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use super::common::*;

/// More than any window on the way has room for.
const LARGE: &str = "/a/stream?count=2000&payload_bytes=4000";

fn connections(balancer: &RunningHttpBalancer, figure: &str) -> Value {
    balancer.status()["connections"][figure].clone()
}

/// A client over HTTP/2 whose streams have this much room each.
async fn client<B>(address: SocketAddr, stream_window: u32) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let made = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(64 << 20)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    sender
}

async fn begin(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> Response<Incoming> {
    let request = Request::get(format!("http://there{path}")).body(Empty::new());
    within(sender.send_request(request.unwrap())).await.unwrap()
}

#[test_case(BackendProtocol::Http2; "of a backend that speaks HTTP/2")]
#[test_case(BackendProtocol::Http1; "of a backend that speaks HTTP/1")]
#[tokio::test]
async fn answers_that_are_not_read_hold_up_nobody_else(protocol: BackendProtocol) {
    let one = backend("one");
    let mut service = service("a", [one.local_addr()]);
    service.protocol = protocol;
    let mut settings = settings(services([service]));
    settings.threads = Some(1);
    let balancer = start(settings);
    let mut stalled = client(balancer.local_addr(), 1000).await;
    let mut unread = Vec::new();
    for _ in 0..100 {
        unread.push(begin(&mut stalled, LARGE).await);
    }
    // Time for the windows to fill.
    time::sleep(Duration::from_millis(500)).await;
    for _ in 0..20 {
        let asked = time::timeout(Duration::from_secs(15), get(&balancer, LARGE)).await;
        let reply = asked.expect("another client should not wait for the one that reads nothing");
        assert!(reply.body.contains("\"sequence\":1999,"), "{}", reply.head);
    }
    assert_eq!(connections(&balancer, "stalled"), 0);
    drop(unread);
}

#[test_case(BackendProtocol::Http2; "of a backend that speaks HTTP/2")]
#[test_case(BackendProtocol::Http1; "of a backend that speaks HTTP/1")]
#[tokio::test]
async fn an_answer_that_is_not_read_is_reset_alone(protocol: BackendProtocol) {
    let one = backend("one");
    let mut service = service("a", [one.local_addr()]);
    service.protocol = protocol;
    let mut settings = settings(services([service]));
    settings.limits.body_timeout = Duration::from_millis(300);
    let balancer = start(settings);
    let mut sender = client(balancer.local_addr(), 1000).await;
    let unread = begin(&mut sender, LARGE).await;
    until(|| connections(&balancer, "stalled") == 1).await;
    until(|| status(&balancer)["requests"]["abandoned"] == 1).await;
    until(|| status(&balancer)["pool"]["backends"][0]["open"] == 0).await;
    let read = within(unread.into_body().collect()).await;
    assert!(read.is_err(), "it should not look whole");
    // The connection goes on, and one who waits for the backend is not taken for one who is waited for.
    let slow = begin(&mut sender, "/a/stream?count=3&interval_us=400000").await;
    let whole = within(slow.into_body().collect()).await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&whole).contains("\"sequence\":2"));
    assert_eq!(connections(&balancer, "stalled"), 1);
    assert_eq!(connections(&balancer, "open"), 1);
}

/// Not only what comes from a backend takes room in a window.
#[tokio::test]
async fn the_balancers_own_answer_is_not_kept_for_ever_either() {
    let mut settings = settings(services([service("a", [nobody().await])]));
    settings.limits.body_timeout = Duration::from_millis(300);
    let balancer = start(settings);
    let mut sender = client(balancer.local_addr(), 0).await;
    let unread = begin(&mut sender, "/none").await;
    assert_eq!(unread.status(), StatusCode::NOT_FOUND);
    until(|| connections(&balancer, "stalled") == 1).await;
    assert!(within(unread.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn a_client_that_reads_nothing_over_http_1_is_counted_as_well() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.limits.body_timeout = Duration::from_millis(300);
    let balancer = start(settings);
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let request = "GET /a/stream?count=100000&payload_bytes=4000 HTTP/1.1\r\nHost: there\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    until(|| connections(&balancer, "stalled") == 1).await;
    until(|| balancer.counts().open == 0).await;
}

/// Nobody waits any more for the rest of a body once its request is answered to the end.
#[test_case("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", 1000; "by a client that stops sending")]
#[test_case("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", 100_000_000; "to a backend that stops reading")]
#[tokio::test]
async fn an_upload_that_stalls_after_its_answer_is_let_go(early: &'static str, length: usize) {
    let script: &'static [Act] = Box::leak(Box::new([Act::SayAndStay(early)]));
    let bad = Scripted::start(script).await;
    let mut settings = settings(services([service("a", [bad.address])]));
    settings.limits.body_timeout = Duration::from_millis(500);
    let balancer = start(settings);
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let head = format!("POST /a/b HTTP/1.1\r\nHost: there\r\nContent-Length: {length}\r\n\r\nsome");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let rest = vec![0; 1 << 20];
        // The last of it never comes.
        for _ in 0..length >> 20 {
            if to.write_all(&rest).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
        drop(to);
    });
    let mut answer = vec![0; 4096];
    let read = within(from.read(&mut answer)).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 409"));
    until(|| balancer.counts().open == 0).await;
    assert_eq!(connections(&balancer, "stalled"), 1);
    assert_eq!(status(&balancer)["pool"]["backends"][0]["open"], 0);
    sending.abort();
}

/// A backend that answers calls before it has heard anything of them, and hears nothing more of them.
async fn refuses() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |_: Request<Incoming>| async {
            let answer = Response::builder().header("grpc-status", "16");
            Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).unwrap())
        };
        let connection = server_http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let _ = connection.await;
    });
    address
}

#[tokio::test]
async fn a_call_that_is_refused_before_it_has_said_anything_is_over() {
    let mut service = service("a", [refuses().await]);
    service.protocol = BackendProtocol::Http2;
    let balancer = start(settings(services([service])));
    let mut sender = client(balancer.local_addr(), 1000).await;
    let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post("http://there/a/b").body(silent);
    let reply = within(sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(reply.headers()["grpc-status"], "16");
    // Long before the rest of its body would be given up.
    until(|| balancer.counts().requests_open == 0).await;
    assert_eq!(connections(&balancer, "stalled"), 0);
}

#[tokio::test]
async fn a_body_that_is_refused_before_it_has_begun_is_not_waited_for() {
    const REFUSED: &str =
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let bad = Scripted::start(&[Act::Say(REFUSED)]).await;
    let balancer = balance([bad.address], |_| {});
    let head = b"POST /a/b HTTP/1.1\r\nHost: there\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(raw(balancer.local_addr(), head).await.status, 401);
    until(|| balancer.counts().requests_open == 0).await;
    assert_eq!(connections(&balancer, "stalled"), 0);
}

/// A backend that gives back what it gets, piece by piece.
async fn echoes() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |request: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        let _ = connection.await;
    });
    address
}

/// Both sides of a call may be silent for long while it is open.
#[tokio::test]
async fn an_upload_may_be_silent_while_its_answer_goes_on() {
    let mut settings = settings(services([service("a", [echoes().await])]));
    settings.limits.body_timeout = Duration::from_millis(200);
    let balancer = start(settings);
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let head = "POST /a/b HTTP/1.1\r\nHost: there\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut answer = vec![0; 4096];
    for word in ["some", "more", "last"] {
        let chunk = format!("4\r\n{word}\r\n");
        stream.write_all(chunk.as_bytes()).await.unwrap();
        while !text.contains(word) {
            let read = within(stream.read(&mut answer)).await.unwrap();
            assert!(read > 0, "{text}");
            text += &String::from_utf8_lossy(&answer[..read]);
        }
        time::sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(connections(&balancer, "stalled"), 0);
}
