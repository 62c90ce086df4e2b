//! What a server can make the driver take, and what is said of it.

use std::io::Write as _;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;
use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{Compression, GrpcCall, GrpcStreamEnd};
use serde_json::json;
use test_case::test_case;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{Driver, factory, plan, run, the_call};

const METHODS: [&str; 2] = ["Hello", "Stream"];

fn packed(len: usize) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![7; len]).expect("memory");
    let packed = encoder.finish().expect("memory");
    let mut framed = BytesMut::new();
    framed.put_u8(1);
    framed.put_u32(u32::try_from(packed.len()).expect("short"));
    framed.put_slice(&packed);
    framed.freeze()
}

/// Leaves a stream open until the client resets it.
async fn hold(mut stream: SendStream<Bytes>, exchange: Exchange) {
    let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
    exchange.control.resets.borrow_mut().extend(reason);
}

/// An answer of these bytes, compressed with gzip as far as its head says.
async fn answered(method: &str, max_message: u32, gzip: bool, data: Bytes) -> (Outcome, String) {
    let server = Server::start(move |mut exchange: Exchange| {
        let data = data.clone();
        async move {
            exchange.read_all().await;
            let mut head = Exchange::head();
            let encoding = "gzip".parse().expect("a value");
            head.headers_mut().insert("grpc-encoding", encoding);
            let mut stream = exchange.respond.send_response(head, false).expect("open");
            stream.send_data(data, false).expect("open");
            stream.send_trailers(status("0")).expect("open");
        }
    })
    .await;
    let mut plan = plan(&[server.address], method);
    plan.max_message = max_message;
    the_call(&mut plan).compression = gzip.then_some(Compression::Gzip);
    let driver = Driver::open(&plan).await;
    let outcome = driver.once().await;
    let seen = driver.recorder.0.borrow();
    let why = seen.explanations.last().map(|(_, why)| why.clone());
    (outcome, why.unwrap_or_default())
}

#[test_case(1000, framed(&[7; 1000]) => String::new(); "as long as may be")]
#[test_case(999, framed(&[7; 1000])
    => "the answer has a message of 1000 bytes, and at most 999 are taken (`max_message`)"; "too long")]
#[test_case(64 << 20, Bytes::from_static(&[0, 255, 255, 255, 255])
    => "the answer has a message of 4294967295 bytes, and at most 67108864 are taken (`max_message`)"; "five bytes that claim 4 GiB")]
#[test_case(5000, packed(5000) => String::new(); "gzip that was not asked for")]
#[test_case(4999, packed(5000)
    => "the answer has a message of N bytes that unpacks to more than 4999, and at most 4999 are taken (`max_message`)"; "a bomb")]
fn messages(max_message: u32, data: impl Into<Bytes>) -> String {
    let data = data.into();
    run(async {
        let mut whys = Vec::new();
        for method in METHODS {
            for gzip in [false, true] {
                let (outcome, why) = answered(method, max_message, gzip, data.clone()).await;
                let expected = match why.as_str() {
                    "" => Outcome::Ok,
                    _ => Failure::Protocol.into(),
                };
                assert_eq!(outcome, expected, "{method} {gzip} {why}");
                whys.push(why);
            }
        }
        whys.dedup();
        assert_eq!(whys.len(), 1, "{whys:?}");
        let why = whys.remove(0);
        match why.split_once(" bytes that unpacks") {
            Some((_, rest)) => format!("the answer has a message of N bytes that unpacks{rest}"),
            None => why,
        }
    })
}

/// The head of an answer, with so many fields that stand in its compression's table and take one byte
/// each on the wire.
#[test_case(100 => String::new(); "as long as may be")]
#[test_case(1000
    => "the server sent what HTTP/2 does not allow on a stream, or a head of more than 64 KiB, which \
        is not taken: PROTOCOL_ERROR"; "too long")]
#[test_case(15_000
    => "the server sent what HTTP/2 does not allow on a connection, or a head of more than 64 KiB, \
        which is not taken: ENHANCE_YOUR_CALM: \"too_many_continuations\""; "far too long")]
fn heads(fields: usize) -> String {
    run(async {
        let mut whys = Vec::new();
        for method in METHODS {
            let server = Server::start(move |mut exchange: Exchange| async move {
                exchange.read_all().await;
                let mut head = Exchange::head();
                for _ in 0..fields {
                    let value = "v".repeat(100).parse().expect("a value");
                    head.headers_mut().append("x-many", value);
                }
                let mut stream = exchange.respond.send_response(head, false).expect("open");
                let _ = stream.send_data(framed(b""), false);
                let _ = stream.send_trailers(status("0"));
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            let outcome = driver.once().await;
            let seen = driver.recorder.0.borrow();
            let why = seen.explanations.last().map(|(_, why)| why.clone());
            let why = why.unwrap_or_default();
            let expected = match why.as_str() {
                "" => Outcome::Ok,
                _ => Failure::Protocol.into(),
            };
            assert_eq!(outcome, expected, "{method} {why}");
            whys.push(why);
        }
        whys.dedup();
        assert_eq!(whys.len(), 1, "{whys:?}");
        whys.remove(0)
    })
}

/// Trailers are taken as far as the bound goes, and a status beyond it is lost.
#[test_case(100 => String::new(); "as long as may be")]
#[test_case(1000 => "the stream ended without a grpc-status in the first 64 KiB of its trailers"; "too long")]
fn trailers(fields: usize) -> String {
    run(async {
        let mut whys = Vec::new();
        for method in METHODS {
            let server = Server::start(move |mut exchange: Exchange| async move {
                exchange.read_all().await;
                let mut stream = exchange.begin();
                let _ = stream.send_data(framed(b""), false);
                let mut trailers = http::HeaderMap::new();
                for _ in 0..fields {
                    let value = "v".repeat(100).parse().expect("a value");
                    trailers.append("x-many", value);
                }
                trailers.extend(status("0"));
                let _ = stream.send_trailers(trailers);
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            let outcome = driver.once().await;
            let seen = driver.recorder.0.borrow();
            let why = seen.explanations.last().map(|(_, why)| why.clone());
            let why = why.unwrap_or_default();
            let expected = match why.as_str() {
                "" => Outcome::Ok,
                _ => Failure::Protocol.into(),
            };
            assert_eq!(outcome, expected, "{method} {why}");
            whys.push(why);
        }
        whys.dedup();
        assert_eq!(whys.len(), 1, "{whys:?}");
        whys.remove(0)
    })
}

#[test]
fn a_status_of_grpcs_beside_one_of_https_counts() {
    run(async {
        for method in METHODS {
            for in_trailers in [false, true] {
                let server = Server::start(move |mut exchange: Exchange| async move {
                    exchange.read_all().await;
                    let mut said = status("14");
                    said.insert("grpc-message", "overloaded".parse().expect("a value"));
                    let mut head = Exchange::head();
                    *head.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                    if in_trailers {
                        let respond = &mut exchange.respond;
                        let mut stream = respond.send_response(head, false).expect("open");
                        stream.send_trailers(said).expect("open");
                    } else {
                        head.headers_mut().extend(said);
                        exchange.respond.send_response(head, true).expect("open");
                    }
                })
                .await;
                let driver = Driver::open(&plan(&[server.address], method)).await;
                assert_eq!(driver.once().await, Failure::Grpc(GrpcCode::new(14)).into());
                assert_eq!(
                    driver.recorder.explanation(),
                    "the server answered UNAVAILABLE: overloaded (and HTTP status 503 Service \
                     Unavailable)"
                );
            }
        }
    });
}

/// One that never ends does not change what the failure is.
#[test_case(true; "ends")]
#[test_case(false; "does not end")]
fn the_beginning_of_a_body_that_is_not_grpcs(ends: bool) {
    run(async {
        for method in METHODS {
            let server = Server::start(move |mut exchange: Exchange| async move {
                let head = http::Response::builder()
                    .status(502)
                    .body(())
                    .expect("valid");
                let mut stream = exchange.respond.send_response(head, false).expect("open");
                stream
                    .send_data("no healthy upstream".into(), ends)
                    .expect("open");
                if !ends {
                    hold(stream, exchange).await;
                }
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            assert_eq!(driver.once().await, Failure::Http(502).into());
            assert_eq!(
                driver.recorder.explanation(),
                "the server answered with HTTP status 502 Bad Gateway (it says \"no healthy \
                 upstream\")"
            );
        }
    });
}

#[test_case(false, "waiting for the answer; the request has left"; "nothing came")]
#[test_case(true, "waiting for the rest of the answer; its head has come"; "the head came")]
fn one_that_is_cut_off_says_what_it_waited_for(has_head: bool, waits: &str) {
    run(async {
        for method in METHODS {
            let server = Server::start(move |mut exchange: Exchange| async move {
                exchange.read_all().await;
                match has_head {
                    true => {
                        let stream = exchange.begin();
                        hold(stream, exchange).await;
                    }
                    false => exchange.until_reset().await,
                }
            })
            .await;
            let driver = Driver::open(&plan(&[server.address], method)).await;
            tokio::select! {
                outcome = driver.once() => panic!("{outcome}"),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let seen = driver.recorder.0.borrow();
            let address = server.address;
            let why =
                format!("cut off while {waits} (http://{address}/loadgen.v1.Greeter/{method})");
            assert_eq!(seen.explanations.last(), Some(&(Failure::Timeout, why)));
        }
    });
}

#[test_case(GrpcStreamEnd::Messages(2), 2; "after messages")]
#[test_case(GrpcStreamEnd::After(Duration::from_millis(100)), 3; "after a time")]
fn a_stream_that_does_not_end_is_ended_by_us(until: GrpcStreamEnd, received: u64) {
    run(async {
        for gzip in [false, true] {
            let server = Server::start(async |mut exchange: Exchange| {
                exchange.read_all().await;
                let mut stream = exchange.begin();
                for _ in 0..3 {
                    stream.send_data(framed(b"tick"), false).expect("open");
                }
                hold(stream, exchange).await;
            })
            .await;
            let mut plan = plan(&[server.address], "Stream");
            the_call(&mut plan).stream = Some(until);
            the_call(&mut plan).compression = gzip.then_some(Compression::Gzip);
            let driver = Driver::open(&plan).await;
            for _ in 0..3 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
            assert_eq!(driver.recorder.0.borrow().messages, (3, 3 * received));
            crate::support::until(|| server.control.active.get() == 0).await;
            let resets = server.control.resets.borrow();
            assert_eq!(*resets, [h2::Reason::CANCEL; 3]);
            assert_eq!(server.control.connections.get(), 1);
        }
    });
}

/// A header first, then chunks.
#[test]
fn a_clients_stream_sends_different_messages() {
    run(async {
        for method in ["Collect", "Chat"] {
            let server = Server::start(move |mut exchange: Exchange| async move {
                let all = exchange.read_all().await;
                let sent = ["header", "chunk", "chunk"].map(|text| {
                    let len = u8::try_from(text.len()).expect("short");
                    framed(&[&[10, len], text.as_bytes()].concat())
                });
                assert_eq!(all, sent.concat());
                let replies: &[&[u8]] = match method {
                    "Collect" => &[b""],
                    _ => &[b"", b"", b""],
                };
                let mut stream = exchange.begin();
                for reply in replies {
                    stream.send_data(framed(reply), false).expect("open");
                }
                stream.send_trailers(status("0")).expect("open");
            })
            .await;
            let mut plan = plan(&[server.address], method);
            let call = the_call(&mut plan);
            call.message = match method {
                "Collect" => json!([{ "payload": "aGVhZGVy" }, { "payload": "Y2h1bms=" }]),
                _ => json!([{ "text": "header" }, { "text": "chunk" }]),
            };
            call.repeat = 3;
            if method == "Chat" {
                call.in_flight = 3;
            }
            let driver = Driver::open(&plan).await;
            assert_eq!(driver.once().await, Outcome::Ok, "{method}");
        }
    });
}

/// That a time has passed shows nothing of a server that never answered.
#[test_case(None, None, Some(Failure::Timeout), "neither the head of an answer nor a message came within 80ms"; "nobody answered")]
#[test_case(None, Some(1), Some(Failure::Timeout), "neither the head"; "nobody answered, and one is asked for")]
#[test_case(None, Some(0), None, ""; "silence is right")]
#[test_case(Some(0), None, None, ""; "a watch that was accepted")]
#[test_case(Some(0), Some(1), Some(Failure::Incomplete), "0 of at least 1 message came within 80ms"; "accepted, and one is asked for")]
#[test_case(Some(2), Some(2), None, ""; "as many as are asked for")]
#[test_case(Some(2), Some(3), Some(Failure::Incomplete), "2 of at least 3 messages came within 80ms"; "fewer")]
fn what_must_have_come_of_a_stream_for_a_time(
    sent: Option<usize>,
    at_least: Option<u32>,
    failure: Option<Failure>,
    why: &str,
) {
    run(async {
        let server = Server::start(move |mut exchange: Exchange| async move {
            exchange.read_all().await;
            let Some(messages) = sent else {
                return std::future::pending().await;
            };
            let mut stream = exchange.begin();
            for _ in 0..messages {
                stream.send_data(framed(b"tick"), false).expect("open");
            }
            hold(stream, exchange).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Stream");
        the_call(&mut plan).stream = Some(GrpcStreamEnd::After(Duration::from_millis(80)));
        the_call(&mut plan).at_least = at_least;
        let driver = Driver::open(&plan).await;
        let outcome = driver.once().await;
        assert_eq!(outcome, failure.map_or(Outcome::Ok, Outcome::from));
        if failure.is_some() {
            let said = driver.recorder.explanation();
            assert!(said.contains(why), "{said}");
        }
    });
}

#[test_case("Hello", |call| call.repeat = 3, "steps[0].grpc.repeat: `loadgen.v1.Greeter.Hello` takes one message"; "repeat of a unary call")]
#[test_case("Stream", |call| call.repeat = 3, "steps[0].grpc.repeat: `loadgen.v1.Greeter.Stream` takes one message"; "repeat of a server stream")]
#[test_case("Hello", |call| call.every = Some(Duration::from_millis(5)), "steps[0].grpc.every: `loadgen.v1.Greeter.Hello` takes one message"; "every")]
#[test_case("Collect", |call| call.in_flight = 2, "steps[0].grpc.in_flight: each message has an answer on bidirectional streams, and `loadgen.v1.Greeter.Collect` is none"; "in flight of a client stream")]
fn what_is_said_of_messages_that_a_method_does_not_have(
    method: &str,
    say: fn(&mut GrpcCall),
    expected: &str,
) {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], method);
    assert!(factory(&plan).is_ok());
    say(the_call(&mut plan));
    let error = factory(&plan).expect_err("not of this kind").to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn what_does_not_fit_a_method_is_found_before_the_run() {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], "Hello");
    the_call(&mut plan).stream = Some(GrpcStreamEnd::Messages(1));
    let error = factory(&plan).expect_err("one answer").to_string();
    assert_eq!(
        error,
        "steps[0].grpc.stream: `loadgen.v1.Greeter.Hello` answers with one message: there is no \
         stream to end"
    );
    the_call(&mut plan).stream = None;
    the_call(&mut plan).message = json!([{}, {}]);
    let error = factory(&plan).expect_err("one message").to_string();
    assert_eq!(
        error,
        "steps[0].grpc.message: `loadgen.v1.Greeter.Hello` takes one message, and here are 2"
    );
}

/// What the other side is told is not where the connection goes.
#[test]
fn an_authority_of_its_own() {
    run(async {
        for method in METHODS {
            let server = Server::start(async |exchange: Exchange| {
                let authority = exchange.request.uri().authority().map(ToString::to_string);
                assert_eq!(authority.as_deref(), Some("api.internal"));
                exchange.ok(&[b""]).await;
            })
            .await;
            let mut plan = plan(&[server.address], method);
            plan.authority = Some("api.internal".to_owned());
            let driver = Driver::open(&plan).await;
            assert_eq!(driver.once().await, Outcome::Ok);
        }
    });
}
