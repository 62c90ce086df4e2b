//! Servers that fail, hang, go away and come back.

use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use http::Response;
use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::workload::{SampleKind, Workload};
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::support::server::{Exchange, Server, Settings, framed, status};
use crate::support::{Driver, grpc, plan, run, until};

/// Every fault is seen alike by the plain path and by the one through tonic's client.
const METHODS: [&str; 2] = ["Hello", "Stream"];

async fn outcome_of<F>(method: &str, handler: impl Fn(Exchange) -> F + 'static) -> (Outcome, String)
where
    F: Future<Output = ()> + 'static,
{
    let server = Server::start(handler).await;
    let driver = Driver::open(&plan(&[server.address], method)).await;
    let outcome = driver.once().await;
    (outcome, driver.recorder.explanation())
}

#[test]
fn an_error_status_after_a_message() {
    run(async {
        for method in METHODS {
            let (outcome, why) = outcome_of(method, async |mut exchange: Exchange| {
                exchange.read_all().await;
                let mut stream = exchange.begin();
                stream.send_data(framed(b"x"), false).expect("open");
                let mut trailers = status("14");
                trailers.insert("grpc-message", "try%20later".parse().expect("a value"));
                stream.send_trailers(trailers).expect("open");
            })
            .await;
            assert_eq!(outcome, Failure::Grpc(GrpcCode::new(14)).into());
            assert_eq!(why, "the server answered UNAVAILABLE: try later");
        }
    });
}

#[test]
fn an_error_status_without_a_body_still_names_the_backend() {
    run(async {
        for method in METHODS {
            let server = Server::start(async |mut exchange: Exchange| {
                exchange.read_all().await;
                let mut head = Exchange::head();
                head.headers_mut().extend(status("4242"));
                exchange.respond.send_response(head, true).expect("open");
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            // A number without a name counts as UNKNOWN.
            assert_eq!(driver.once().await, Failure::Grpc(GrpcCode::new(2)).into());
            let why = driver.recorder.explanation();
            assert!(why.contains("UNKNOWN (grpc-status \"4242\")"), "{why}");
            assert_eq!(driver.recorder.0.borrow().backends, ["test-1"]);
        }
    });
}

#[test]
fn a_reset_stream_keeps_its_reason() {
    run(async {
        for method in METHODS {
            let (outcome, _) = outcome_of(method, async |mut exchange: Exchange| {
                exchange.respond.send_reset(h2::Reason::REFUSED_STREAM);
            })
            .await;
            assert_eq!(outcome, Failure::Reset("REFUSED_STREAM").into());
            let (outcome, _) = outcome_of(method, async |mut exchange: Exchange| {
                let mut stream = exchange.begin();
                stream.send_data(framed(b"x"), false).expect("open");
                tokio::time::sleep(Duration::from_millis(5)).await;
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
            })
            .await;
            assert_eq!(outcome, Failure::Reset("INTERNAL_ERROR").into());
        }
    });
}

#[test]
fn answers_that_are_not_grpc() {
    run(async {
        for method in METHODS {
            let (outcome, why) = outcome_of(method, async |mut exchange: Exchange| {
                let head = Response::builder().status(502).body(()).expect("valid");
                exchange.respond.send_response(head, true).expect("open");
            })
            .await;
            assert_eq!(outcome, Failure::Http(502).into());
            assert_eq!(why, "the server answered with HTTP status 502 Bad Gateway");

            let (outcome, why) = outcome_of(method, async |mut exchange: Exchange| {
                let head = Response::builder()
                    .header("content-type", "text/html")
                    .body(())
                    .expect("valid");
                let mut stream = exchange.respond.send_response(head, false).expect("open");
                stream.send_data("<html>".into(), true).expect("open");
            })
            .await;
            assert_eq!(outcome, Failure::Protocol.into());
            assert_eq!(
                why,
                "the answer's content-type is \"text/html\", not application/grpc (it says \"<html>\")"
            );

            let (outcome, why) = outcome_of(method, async |mut exchange: Exchange| {
                let mut stream = exchange.begin();
                stream.send_data(framed(b"x"), true).expect("open");
            })
            .await;
            assert_eq!(outcome, Failure::Protocol.into());
            assert_eq!(why, "the stream ended without a grpc-status");

            let (outcome, _) = outcome_of(method, async |mut exchange: Exchange| {
                let mut stream = exchange.begin();
                stream
                    .send_data(framed(b"hello").slice(..7), false)
                    .expect("open");
                stream.send_trailers(status("0")).expect("open");
            })
            .await;
            assert_eq!(outcome, Failure::Protocol.into(), "a truncated message");
        }
    });
}

#[test_case("Hello", 0)]
#[test_case("Hello", 2)]
#[test_case("Collect", 0)]
#[test_case("Collect", 2)]
fn one_answer_means_one(method: &str, messages: usize) {
    run(async {
        let (outcome, why) = outcome_of(method, move |exchange: Exchange| async move {
            let all: [&[u8]; 2] = [b"a", b"b"];
            exchange.ok(&all[..messages]).await;
        })
        .await;
        assert_eq!(outcome, Failure::Protocol.into(), "{why}");
    });
}

#[test]
fn giving_up_resets_the_stream_and_frees_its_slot() {
    run(async {
        for method in METHODS {
            let settings = Settings {
                max_streams: Some(1),
                ..Settings::default()
            };
            let any = ([127, 0, 0, 1], 0).into();
            let server = Server::start_with(any, settings, async |exchange: Exchange| {
                if exchange.nth == 3 {
                    exchange.ok(&[b""]).await;
                } else {
                    exchange.until_reset().await;
                }
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            for given_up in 1..=3 {
                let waited = tokio::time::timeout(Duration::from_millis(20), driver.once()).await;
                assert!(waited.is_err());
                until(|| server.control.resets.borrow().len() == given_up).await;
            }
            assert_eq!(*server.control.resets.borrow(), [h2::Reason::CANCEL; 3]);
            assert_eq!(driver.once().await, Outcome::Ok);
            assert_eq!(driver.recorder.0.borrow().opened, 1);
            assert!(driver.recorder.samples(SampleKind::StreamWait).is_empty());
        }
    });
}

#[test]
fn giving_up_in_line_leaves_it() {
    run(async {
        let settings = Settings {
            max_streams: Some(1),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |exchange: Exchange| {
            if exchange.nth == 0 {
                exchange.until_reset().await;
            } else {
                exchange.ok(&[b""]).await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        {
            let all = join_all((0..3).map(|_| driver.once()));
            let waited = tokio::time::timeout(Duration::from_millis(30), all).await;
            assert!(waited.is_err());
        }
        // The one that had the stream is given up, and two that were in line.
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(server.control.requests.get(), 3);
    });
}

#[test]
fn requests_given_up_before_they_left_do_not_block_the_connection() {
    run(async {
        let settings = Settings {
            max_streams: Some(2),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server =
            Server::start_with(any, settings, async |it: Exchange| it.ok(&[b""]).await).await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        // Fewer than make the server take it for an attack and say good-bye.
        for _ in 0..15 {
            // Polled once: the request is handed over and not yet written.
            let now = std::future::ready(());
            tokio::select! {
                biased;
                _ = driver.once() => {}
                () = now => {}
            }
        }
        let outcomes = join_all((0..6).map(|_| driver.once())).await;
        assert_eq!(outcomes, [Outcome::Ok; 6]);
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// Once every call given up left its frames in HTTP/2's queue, and the next one added more. No time passes meanwhile:
/// the connection is taken for dead after a second, which a busy machine may not be through in.
#[test]
fn what_is_given_up_at_a_server_that_stopped_reading_is_bounded() {
    const IN_VAIN: usize = 200;
    async fn queued(method: &str) -> usize {
        let settings = Settings {
            is_patient: true,
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server =
            Server::start_with(any, settings, async |it: Exchange| it.ok(&[b""]).await).await;
        let mut plan = plan(&[server.address], method);
        grpc(&mut plan).metadata = vec![("x-long".to_owned(), "x".repeat(12_000).into())];
        let driver = Driver::open(&plan).await;
        server.control.stall();
        tokio::time::pause();
        let sent = || driver.recorder.0.borrow().bytes.0;
        let give_up = async || {
            tokio::select! {
                biased;
                outcome = driver.once() => {
                    panic!("{outcome}: {}", driver.recorder.explanation());
                }
                // The connection has its turn, so that what can leave does.
                () = tokio::task::yield_now() => {}
            }
        };
        let (mut made, mut sent_before) = (0, u64::MAX);
        while sent() != sent_before {
            sent_before = sent();
            for _ in 0..50 {
                give_up().await;
            }
            made += 50;
        }
        for _ in 0..IN_VAIN {
            give_up().await;
        }
        tokio::time::resume();
        server.control.resume();
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (1, 0));
        server.control.requests.get().saturating_sub(made)
    }
    run(async {
        for method in METHODS {
            let queued = queued(method).await;
            assert!(queued < IN_VAIN / 2, "{method}: {queued} of {IN_VAIN}");
        }
    });
}

#[test]
fn a_graceful_goaway_loses_nothing() {
    run(async {
        for method in METHODS {
            let release = Rc::new(Notify::new());
            let released = Rc::clone(&release);
            let server = Server::start(move |exchange: Exchange| {
                let released = Rc::clone(&released);
                async move {
                    if exchange.nth == 0 {
                        released.notified().await;
                    }
                    exchange.ok(&[b""]).await;
                }
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            let under_way = driver.once();
            let meanwhile = async {
                until(|| server.control.active.get() == 1).await;
                server.control.goaway.notify_waiters();
                // The new connection is there while the old one still has its stream.
                until(|| server.control.connections.get() == 2).await;
                assert_eq!(server.control.active.get(), 1);
                let second = driver.once().await;
                release.notify_one();
                second
            };
            let (first, second) = tokio::join!(under_way, meanwhile);
            assert_eq!((first, second), (Outcome::Ok, Outcome::Ok));
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.failed, seen.dropped), (2, 0, 1));
        }
    });
}

/// The stream of the one that was asked to go is under way still, and so is its connection.
#[test]
fn what_stands_counts_a_connection_that_finishes_its_streams() {
    run(async {
        let server = Server::start(async |exchange: Exchange| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            exchange.ok(&[b""]).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        let under_way = driver.once();
        let meanwhile = async {
            until(|| server.control.active.get() == 1).await;
            assert_eq!(driver.workload.levels().in_flight, Some(1));
            server.control.goaway.notify_waiters();
            until(|| server.control.connections.get() == 2).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(server.control.active.get(), 1);
            let levels = driver.workload.levels();
            (levels.in_flight, levels.connections)
        };
        let (outcome, levels) = tokio::join!(under_way, meanwhile);
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(levels, (Some(1), Some(2)));
    });
}

#[test]
fn a_steady_load_over_many_goaways_loses_nothing() {
    run(async {
        let server = Server::start(async |exchange: Exchange| {
            if exchange.nth % 50 == 49 {
                exchange.control.goaway.notify_waiters();
            }
            exchange.ok(&[b""]).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        let user = async || {
            let mut session = driver.user().await;
            for _ in 0..100 {
                assert_eq!(driver.iterate(&mut session).await, Outcome::Ok);
            }
        };
        join_all((0..8).map(|_| user())).await;
        let seen = driver.recorder.0.borrow();
        assert!(seen.opened > 5, "{}", seen.opened);
        assert_eq!(seen.failed, 0);
    });
}

#[test]
fn a_connection_cut_under_a_request_is_replaced() {
    run(async {
        for method in METHODS {
            let server = Server::start(async |exchange: Exchange| {
                if exchange.nth == 0 {
                    exchange.control.cut.notify_waiters();
                    exchange.until_reset().await;
                } else {
                    exchange.ok(&[b""]).await;
                }
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            assert_eq!(driver.once().await, Failure::Connection.into());
            assert_eq!(driver.once().await, Outcome::Ok);
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.failed, seen.dropped), (2, 0, 1));
        }
    });
}

#[test]
fn a_dead_server_costs_one_failure_an_attempt_and_may_come_back() {
    run(async {
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let address = server.kill().await;
        until(|| driver.recorder.0.borrow().dropped == 1).await;

        let from = tokio::time::Instant::now();
        for _ in 0..4 {
            assert_eq!(driver.once().await, Failure::Connect.into());
        }
        assert!(from.elapsed() >= Duration::from_millis(40), "no hot loop");
        assert!(driver.recorder.0.borrow().failed >= 4);
        assert!(driver.recorder.explanation().contains("refused"));

        let settings = Settings::default();
        let server =
            Server::start_with(address, settings, async |it: Exchange| it.ok(&[b""]).await).await;
        let mut session = driver.user().await;
        while driver.iterate(&mut session).await != Outcome::Ok {}
        assert_eq!(server.control.requests.get(), 1);
        assert_eq!(driver.recorder.0.borrow().opened, 2);
    });
}

#[test]
fn garbage_after_the_handshake_is_a_protocol_failure() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::task::spawn_local(async move {
            let (mut tcp, _) = listener.accept().await.expect("accepts");
            // The client's preface, settings, window update and ping; then ours: settings, and
            // the answer to the ping, which ends the client's first bytes.
            let mut got = Vec::new();
            let ping = loop {
                let mut buf = [0; 1024];
                let read = tcp.read(&mut buf).await.expect("reads");
                got.extend_from_slice(&buf[..read]);
                let at = got.windows(5).position(|it| it == [0, 0, 8, 6, 0]);
                if let Some(payload) = at.and_then(|at| got.get(at + 9..at + 17)) {
                    break payload.to_vec();
                }
            };
            let mut hello = vec![0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 6, 1, 0, 0, 0, 0];
            hello.extend_from_slice(&ping);
            tcp.write_all(&hello).await.expect("writes");
            // The request, then garbage.
            loop {
                let mut buf = [0; 1024];
                let read = tcp.read(&mut buf).await.expect("reads");
                if read == 0 || buf[..read].windows(5).any(|it| it == b"world") {
                    break;
                }
            }
            tcp.write_all(&[0xff; 64]).await.expect("writes");
            std::future::pending::<()>().await;
        });
        let mut plan = plan(&[address], "Hello");
        crate::support::the_call(&mut plan).message = serde_json::json!({ "name": "world" });
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Failure::Protocol.into());
    });
}
