//! All four kinds of call, and what is measured on them.

use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::join_all;
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{Compression, Step};
use loadgen_core::workload::SampleKind;
use serde_json::json;

use crate::support::server::{Exchange, Server, Settings, framed, status};
use crate::support::{Driver, call, grpc, plan, run, step, the_call, until};

#[test]
fn unary_sends_what_grpc_wants_and_names_the_backend() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let body = exchange.read_all().await;
            assert_eq!(body, framed(b"\x0a\x05world"));
            exchange.ok(&[b"hi"]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        the_call(&mut plan).message = json!({ "name": "world" });
        grpc(&mut plan).metadata = vec![("x-tenant".to_owned(), "a".into())];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);

        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.backends, ["test-1"]);
        assert_eq!((seen.opened, seen.failed, seen.dropped), (1, 0, 0));
        assert!(seen.connect_times[0] > 0);
        assert!(seen.bytes.0 > 100 && seen.bytes.1 > 50, "{:?}", seen.bytes);
        assert!(seen.samples.is_empty());
        let headers = server.control.headers.borrow();
        for (name, value) in [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "5000000u"),
            ("x-tenant", "a"),
        ] {
            assert_eq!(headers.get(name).expect(name), value);
        }
        assert_eq!(
            *server.control.paths.borrow(),
            ["/loadgen.v1.Greeter/Hello"]
        );
    });
}

#[test]
fn unary_takes_an_answer_in_pieces_and_larger_than_the_window() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            let mut stream = exchange.begin();
            let message = framed(&vec![7; 3 << 20]);
            let mut rest = message.slice(..);
            while !rest.is_empty() {
                stream.reserve_capacity(rest.len().min(10_000));
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                let room = room.expect("open").expect("no error");
                let piece = rest.split_to(room.min(rest.len()));
                stream.send_data(piece, false).expect("open");
            }
            stream.send_trailers(status("0")).expect("open");
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        for _ in 0..4 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
    });
}

#[test]
fn a_long_message_passes_a_small_window() {
    run(async {
        let settings = Settings {
            window: Some(1_000),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |mut exchange: Exchange| {
            assert!(exchange.read_all().await.len() > 100_000);
            exchange.ok(&[b""]).await;
        })
        .await;
        for gzip in [false, true] {
            let mut plan = plan(&[server.address], "Hello");
            // Not a pattern that compression makes short.
            let mut x = 1_u32;
            let name: String = (0..400_000)
                .map(|_| {
                    x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from(b'a' + u8::try_from((x >> 24) % 26).expect("a letter"))
                })
                .collect();
            the_call(&mut plan).message = json!({ "name": name });
            the_call(&mut plan).compression = gzip.then_some(Compression::Gzip);
            let driver = Driver::open(&plan).await;
            assert_eq!(driver.once().await, Outcome::Ok, "gzip: {gzip}");
        }
    });
}

#[test]
fn gzip_compresses_both_ways() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let body = exchange.read_all().await;
            assert_eq!(exchange.request.headers()["grpc-encoding"], "gzip");
            assert_eq!(body[0], 1, "the compressed flag");
            let mut message = Vec::new();
            flate2::read::GzDecoder::new(&body[5..])
                .read_to_end(&mut message)
                .expect("gzip");
            assert_eq!(message, b"\x0a\x05world");

            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&[9; 5000]).expect("to memory");
            let reply = encoder.finish().expect("to memory");
            let mut head = Exchange::head();
            head.headers_mut()
                .insert("grpc-encoding", "gzip".parse().expect("a value"));
            let mut stream = exchange.respond.send_response(head, false).expect("open");
            let mut data = BytesMut::new();
            data.put_u8(1);
            data.put_u32(u32::try_from(reply.len()).expect("short"));
            data.put_slice(&reply);
            stream.send_data(data.freeze(), false).expect("open");
            stream.send_trailers(status("0")).expect("open");
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        the_call(&mut plan).message = json!({ "name": "world" });
        the_call(&mut plan).compression = Some(Compression::Gzip);
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().backends, ["test-1"]);
    });
}

#[test]
fn server_stream_measures_each_message() {
    run(async {
        let server =
            Server::start(async |exchange: Exchange| exchange.ok(&[b"a", b"", b"ccc"]).await).await;
        let driver = Driver::open(&plan(&[server.address], "Stream")).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 1);
        assert_eq!(driver.recorder.samples(SampleKind::MessageGap).len(), 2);
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 0);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 3));
    });
}

#[test]
fn client_stream_sends_its_messages_at_its_pace() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let body = exchange.read_all().await;
            assert_eq!(body, framed(b"\x0a\x02hi").repeat(4));
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Collect");
        let call = the_call(&mut plan);
        call.message = json!({ "payload": "aGk=" });
        call.repeat = 4;
        call.every = Some(Duration::from_millis(10));
        let driver = Driver::open(&plan).await;
        let from = tokio::time::Instant::now();
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(from.elapsed() >= Duration::from_millis(30));
        assert_eq!(driver.recorder.0.borrow().messages, (4, 1));
    });
}

/// Answers each message of a stream with itself, at most `most` of them.
async fn chat(mut exchange: Exchange, most: usize) {
    let mut stream = exchange.begin();
    let mut pending = BytesMut::new();
    let mut answered = 0;
    while let Some(Ok(piece)) = exchange.request.body_mut().data().await {
        pending.extend_from_slice(&piece);
        while pending.len() >= 5 {
            let len = 5 + usize::from(pending[4]);
            if pending.len() < len {
                break;
            }
            let message: Bytes = pending.split_to(len).freeze();
            answered += 1;
            if answered <= most {
                stream.send_data(message, false).expect("open");
            }
        }
    }
    stream.send_trailers(status("0")).expect("open");
}

#[test]
fn bidi_matches_replies_and_bounds_what_is_unanswered() {
    run(async {
        let server = Server::start(|exchange| chat(exchange, usize::MAX)).await;
        let mut plan = plan(&[server.address], "Chat");
        let call = the_call(&mut plan);
        call.message = json!({ "text": "hey" });
        call.repeat = 20;
        call.in_flight = 3;
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 20);
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 1);
        assert_eq!(driver.recorder.samples(SampleKind::MessageGap).len(), 19);
        assert_eq!(driver.recorder.0.borrow().messages, (20, 20));
    });
}

#[test]
fn bidi_never_has_more_unanswered_than_asked() {
    run(async {
        // Never answers: what arrives is what may be unanswered.
        let server = Server::start(|exchange| chat(exchange, 0)).await;
        let mut plan = plan(&[server.address], "Chat");
        the_call(&mut plan).repeat = 20;
        the_call(&mut plan).in_flight = 3;
        let driver = Driver::open(&plan).await;
        let waited = tokio::time::timeout(Duration::from_millis(50), driver.once()).await;
        assert!(waited.is_err());
        assert_eq!(driver.recorder.0.borrow().messages, (3, 0));
    });
}

#[test]
fn bidi_with_too_few_replies_is_a_protocol_failure() {
    run(async {
        let server = Server::start(|exchange| chat(exchange, 2)).await;
        let mut plan = plan(&[server.address], "Chat");
        the_call(&mut plan).repeat = 5;
        the_call(&mut plan).in_flight = 5;
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Failure::Protocol.into());
        assert_eq!(
            driver.recorder.explanation(),
            "the server ended the stream after 2 replies to 5 of 5 messages"
        );
    });
}

#[test]
fn steps_run_in_order_and_stop_at_the_first_failure() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            if exchange.nth == 1 {
                exchange.read_all().await;
                let mut head = Exchange::head();
                head.headers_mut().extend(status("5"));
                exchange.respond.send_response(head, true).expect("open");
            } else {
                exchange.ok(&[b""]).await;
            }
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).steps = vec![
            step("first", call("Hello")),
            Step::pause(Duration::from_millis(20)),
            step("second", call("Echo")),
            step("third", call("Compute")),
        ];
        let driver = Driver::open(&plan).await;
        let outcome = driver.once().await;
        assert_eq!(outcome.to_string(), "grpc.NOT_FOUND");
        let seen = driver.recorder.0.borrow();
        let steps: Vec<_> = seen
            .steps
            .iter()
            .map(|it| (it.step, it.outcome.to_string(), it.backend))
            .collect();
        assert_eq!(
            steps,
            [
                (0, "ok".to_owned(), Some(0)),
                (1, "grpc.NOT_FOUND".to_owned(), Some(0)),
            ]
        );
        // The pause is in no step.
        assert!(seen.steps[1].split.response_time() < 20_000_000);
    });
}

#[test]
fn users_wait_for_streams_and_the_wait_is_counted() {
    run(async {
        let settings = Settings {
            max_streams: Some(1),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |exchange: Exchange| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            exchange.ok(&[b""]).await;
        })
        .await;
        for method in ["Hello", "Stream"] {
            let driver = Rc::new(Driver::open(&plan(&[server.address], method)).await);
            let outcomes = join_all((0..4).map(|_| driver.once())).await;
            assert_eq!(outcomes, [Outcome::Ok; 4]);
            let waits = driver.recorder.samples(SampleKind::StreamWait);
            assert_eq!(waits.len(), 3);
            assert!(
                *waits.iter().max().expect("three") >= 10_000_000,
                "{waits:?}"
            );
            assert_eq!(server.control.most_active.get(), 1);
        }
    });
}

#[test]
fn the_scenario_may_ask_for_fewer_streams_than_the_server_allows() {
    run(async {
        let server = Server::start(async |exchange: Exchange| {
            tokio::time::sleep(Duration::from_millis(2)).await;
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).streams_per_connection = Some(2);
        let driver = Driver::open(&plan).await;
        let outcomes = join_all((0..10).map(|_| driver.once())).await;
        assert_eq!(outcomes, [Outcome::Ok; 10]);
        assert_eq!(server.control.most_active.get(), 2);
        assert_eq!(driver.recorder.samples(SampleKind::StreamWait).len(), 8);
    });
}

#[test]
fn users_are_spread_over_connections_and_targets() {
    run(async {
        let mut servers = Vec::new();
        for _ in 0..2 {
            servers.push(Server::start(async |it: Exchange| it.ok(&[b""]).await).await);
        }
        let targets: Vec<_> = servers.iter().map(|server| server.address).collect();
        let mut plan = plan(&targets, "Hello");
        grpc(&mut plan).connections = Some(4);
        let driver = Driver::open(&plan).await;
        for _ in 0..8 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        for server in &servers {
            assert_eq!(server.control.connections.get(), 2);
            assert_eq!(server.control.requests.get(), 4);
        }
    });
}

#[test]
fn dropping_the_workload_closes_its_connections() {
    run(async {
        let server = Server::start(|exchange: Exchange| exchange.until_reset()).await;
        let driver = Driver::open(&plan(&[server.address], "Hello")).await;
        let waited = tokio::time::timeout(Duration::from_millis(20), driver.once()).await;
        assert!(waited.is_err());
        drop(driver);
        until(|| server.control.open.get() == 0).await;
    });
}
