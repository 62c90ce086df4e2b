//! Backends that speak HTTP/2 and allow few requests at once on a connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadgen_backends::balance::HealthSettings;
use loadgen_backends::balance::http::{
    BackendProtocol, HttpLimits, RunningHttpBalancer, ServiceSettings,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time;

use super::common::*;

/// A backend that has so many streams on each connection, and takes its time to answer.
struct Narrow {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Narrow {
    async fn start(streams: u32, takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&opened);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = move |_: Request<Incoming>| async move {
                    time::sleep(takes).await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
                };
                let connection = http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(streams)
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            opened,
            task,
        }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// In front of it on one thread, so that all requests share their connections.
fn in_front_of(
    narrow: &Narrow,
    change: impl FnOnce(&mut ServiceSettings, &mut HttpLimits),
) -> RunningHttpBalancer {
    let mut service = service("a", [narrow.address]);
    service.protocol = BackendProtocol::Http2;
    let mut settings = settings(services([]));
    change(&mut service, &mut settings.limits);
    settings.services.services.push(service);
    settings.threads = Some(1);
    start(settings)
}

#[tokio::test]
async fn requests_above_a_connections_streams_go_over_others() {
    let narrow = Narrow::start(2, Duration::from_secs(5)).await;
    let balancer = in_front_of(&narrow, |service, _| {
        service.connect_timeout = PATIENCE;
        service.response_timeout = PATIENCE;
    });
    let asked = (0..20).map(|_| ask(balancer.local_addr(), "POST", "/a/b"));
    for reply in within(join_all(asked)).await {
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    }
    assert_eq!(narrow.opened.load(Ordering::Relaxed), 10);
    // Nobody had to be asked twice.
    assert_eq!(status(&balancer)["requests"]["retries"], 0);
    // What nobody uses is let go, and what is there is used.
    time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ask(balancer.local_addr(), "GET", "/a/b").await.status, 200);
    assert_eq!(narrow.opened.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_backend_whose_streams_are_all_used_is_passed_over_and_then_said_to_be_busy() {
    let (full, free) = (
        Narrow::start(1, Duration::from_secs(30)).await,
        Narrow::start(1, Duration::ZERO).await,
    );
    let balancer = in_front_of(&full, |service, _| {
        service.connect_timeout = PATIENCE;
        service.response_timeout = Duration::from_secs(60);
    });
    let address = balancer.local_addr();
    let held: Vec<_> = (0..64)
        .map(|_| tokio::spawn(ask(address, "GET", "/a/b")))
        .collect();
    until(|| status(&balancer)["pool"]["backends"][0]["open"] == 64).await;
    until(|| full.opened.load(Ordering::Relaxed) == 64).await;
    let reply = ask(address, "GET", "/a/b").await;
    assert_eq!((reply.status, reply.kind()), (503, "busy".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(status(&balancer)["requests"]["problems"]["busy"], 1);
    // It is not taken for one that is down.
    assert_eq!(status(&balancer)["pool"]["backends"][0]["state"], "up");
    let mut service = service("a", [full.address, free.address]);
    service.protocol = BackendProtocol::Http2;
    balancer.services().replace(services([service])).unwrap();
    for _ in 0..4 {
        assert_eq!(ask(address, "GET", "/a/b").await.status, 200);
    }
    held.iter().for_each(JoinHandle::abort);
}

/// A backend with two streams on each connection. It has most requests wait; some go on once `go_on` says so, and
/// its connections take nothing more once `leave` says so. It says nothing on more than `most` connections.
async fn leaves(
    most: usize,
    go_on: &Arc<Notify>,
    leave: &Arc<Notify>,
    opened: &Arc<AtomicUsize>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (go_on, leave) = (Arc::clone(go_on), Arc::clone(leave));
    let opened = Arc::clone(opened);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if opened.fetch_add(1, Ordering::Relaxed) >= most {
                silent.push(stream);
                continue;
            }
            let (go_on, leave) = (Arc::clone(&go_on), Arc::clone(&leave));
            let answer = move |request: Request<Incoming>| {
                let go_on = Arc::clone(&go_on);
                async move {
                    match request.uri().path() {
                        "/now" => {}
                        "/later" => go_on.notified().await,
                        _ => std::future::pending().await,
                    }
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
                }
            };
            tokio::spawn(async move {
                let mut connection = pin!(
                    http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(2)
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                );
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = leave.notified() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
    });
    address
}

/// Neither is a reason to say that the backend takes nothing.
#[tokio::test]
async fn a_request_that_meets_the_end_of_one_connection_does_not_go_on_to_meet_anothers() {
    let (go_on, leave) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let opened = Arc::<AtomicUsize>::default();
    let mut service = service("a", [leaves(usize::MAX, &go_on, &leave, &opened).await]);
    service.protocol = BackendProtocol::Http2;
    service.connect_timeout = PATIENCE;
    service.retries = 0;
    let mut settings = settings(services([service]));
    settings.threads = Some(1);
    let balancer = start(settings);
    let address = balancer.local_addr();
    let mut asked = Vec::new();
    for (open, path) in (1..).zip(["/a/b", "/a/later", "/a/b"]) {
        asked.push(tokio::spawn(ask(address, "GET", path)));
        until(|| status(&balancer)["pool"]["backends"][0]["open"] == open).await;
    }
    until(|| opened.load(Ordering::Relaxed) == 2).await;
    // Both have room.
    go_on.notify_one();
    until(|| status(&balancer)["pool"]["backends"][0]["open"] == 2).await;
    leave.notify_waiters();
    time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ask(address, "GET", "/a/now").await.status, 200);
    assert_eq!(status(&balancer)["requests"]["retries"], 1);
    asked.iter().for_each(JoinHandle::abort);
}

/// A place that comes free is for whoever asks.
#[tokio::test]
async fn a_connection_that_is_slow_to_come_keeps_nobody_from_those_that_are_there() {
    let (go_on, opened) = (Arc::<Notify>::default(), Arc::<AtomicUsize>::default());
    let mut service = service("a", [leaves(1, &go_on, &Arc::default(), &opened).await]);
    service.protocol = BackendProtocol::Http2;
    // Longer than anybody here waits.
    service.connect_timeout = PATIENCE * 2;
    let mut settings = settings(services([service]));
    settings.threads = Some(1);
    let balancer = start(settings);
    let address = balancer.local_addr();
    let mut asked = Vec::new();
    for (open, path) in (1..).zip(["/a/b", "/a/later", "/a/b"]) {
        asked.push(tokio::spawn(ask(address, "GET", path)));
        until(|| status(&balancer)["pool"]["backends"][0]["open"] == open).await;
    }
    until(|| opened.load(Ordering::Relaxed) == 2).await;
    go_on.notify_one();
    until(|| status(&balancer)["pool"]["backends"][0]["open"] == 2).await;
    // Before the one who waits gives up.
    let reply = time::timeout(PATIENCE / 2, ask(address, "GET", "/a/now")).await;
    assert_eq!(reply.expect("there is a place").status, 200);
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_backend_that_does_not_speak_it_is_said_to_be_unreachable() {
    let one = Scripted::start(&[Act::Say("HTTP/1.1 400 Bad Request\r\n\r\n")]).await;
    let balancer = balance([one.address], |it| it.protocol = BackendProtocol::Http2);
    let reply = get(&balancer, "/a/b").await;
    assert_eq!(
        (reply.status, reply.kind()),
        (502, "unreachable".to_owned())
    );
    // One that is frozen takes connections, and says nothing on them.
    let silent = Scripted::start(&[Act::Hang]).await;
    let balancer = balance([silent.address], |it| {
        it.protocol = BackendProtocol::Http2;
        it.connect_timeout = Duration::from_millis(200);
        it.pool.health = Some(HealthSettings {
            interval: Duration::from_secs(600),
            fall: 2,
            ..HealthSettings::default()
        });
    });
    until(|| status(&balancer)["pool"]["backends"][0]["checks"] == 1).await;
    for _ in 0..2 {
        let reply = get(&balancer, "/a/b").await;
        assert_eq!(
            (reply.status, reply.kind()),
            (502, "unreachable".to_owned())
        );
    }
    // That is as bad as a failed check, each time.
    assert_eq!(status(&balancer)["pool"]["backends"][0]["state"], "down");
    assert_eq!(get(&balancer, "/a/b").await.kind(), "no_backend");
}

#[tokio::test]
async fn requests_above_the_limit_are_told_so() {
    let narrow = Narrow::start(100, Duration::from_millis(1500)).await;
    let balancer = in_front_of(&narrow, |_, limits| limits.requests = 3);
    let asked = (0..5).map(|_| ask(balancer.local_addr(), "GET", "/a/b"));
    let replies = within(join_all(asked)).await;
    let served = replies.iter().filter(|it| it.status == 200).count();
    let busy: Vec<_> = replies.iter().filter(|it| it.status == 503).collect();
    assert_eq!((served, busy.len()), (3, 2), "{replies:?}");
    assert_eq!(busy[0].kind(), "busy");
    assert_eq!(balancer.counts().problems.get("busy"), Some(&2));
    assert_eq!(get(&balancer, "/a/b").await.status, 200);
}
