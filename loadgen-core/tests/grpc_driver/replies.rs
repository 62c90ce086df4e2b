//! Replies that are looked at: by their ids, for the service's health, for what a status says; and
//! what becomes of messages that are compressed.

use bytes::{BufMut, Bytes, BytesMut};
use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{Action, Compression, GrpcCall};
use loadgen_core::workload::{MessageFault, SampleKind};
use prost_reflect::prost_types::Any;
use serde_json::json;
use test_case::test_case;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{Driver, factory, grpc, plan, run, the_call};

/// The messages of a body, without their prefixes.
fn messages_in(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let (message, after) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        messages.push((*flag, message.to_vec()));
        body = after;
    }
    messages
}

#[test]
fn replies_in_another_order_find_their_messages() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let sent = messages_in(&exchange.read_all().await);
            // Each has an id of its own, and the text that it was given.
            let unpacked = |(flag, message): (u8, Vec<u8>)| match flag {
                0 => message,
                _ => zstd::decode_all(&message[..]).expect("zstd"),
            };
            let sent: Vec<Vec<u8>> = sent.into_iter().map(unpacked).collect();
            assert_eq!(sent.len(), 4);
            let mut stream = exchange.begin();
            let mut reply =
                |message: &[u8]| stream.send_data(framed(message), false).expect("open");
            // To nothing that was sent, without an id, and twice.
            reply(b"\x0a\x0299");
            reply(b"");
            for message in sent.iter().rev() {
                reply(message);
            }
            reply(&sent[0]);
            stream.send_trailers(status("0")).expect("open");
        })
        .await;
        let (plain, evaluated) = (json!({}), json!({ "sequence": "{{ user + 7 }}" }));
        for (compression, message) in [
            (None, &plain),
            (None, &evaluated),
            (Some(Compression::Zstd), &plain),
            (Some(Compression::Zstd), &evaluated),
        ] {
            let mut plan = plan(&[server.address], "Chat");
            let call = the_call(&mut plan);
            call.message = message.clone();
            call.match_id = Some("text".to_owned());
            (call.repeat, call.in_flight) = (4, 4);
            call.compression = compression;
            let driver = Driver::open(&plan).await;
            assert_eq!(driver.once().await, Outcome::Ok);
            assert_eq!(driver.recorder.0.borrow().messages, (4, 4));
            assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 3);
            let trips = driver.recorder.samples(SampleKind::RoundTrip);
            assert_eq!(trips.len(), 4);
            // Each counts from when its own message left.
            assert!(trips.is_sorted(), "{trips:?}");
        }
    });
}

#[test_case("Hello", "text" => "steps[0].grpc.match_id: replies are told apart on bidirectional streams, and `loadgen.v1.Greeter.Hello` is none"; "another kind")]
#[test_case("Chat", "txt" => "steps[0].grpc.match_id: in the message: `loadgen.v1.ChatMessage` has no field `txt`; did you mean `text`?"; "a slip")]
fn ids_that_will_not_do(method: &str, field: &str) -> String {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], method);
    the_call(&mut plan).match_id = Some(field.to_owned());
    factory(&plan).expect_err("wrong").to_string()
}

#[test]
fn an_id_that_is_given_is_refused() {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], "Chat");
    the_call(&mut plan).match_id = Some("text".to_owned());
    the_call(&mut plan).message = json!([{}, { "text": "a" }]);
    assert_eq!(
        factory(&plan).expect_err("wrong").to_string(),
        "steps[0].grpc.message[1]: `text` is the field that `match_id` names; leave it out: it is \
         filled in with a number for each message"
    );
}

async fn health(service: &str, answer: &'static [u8]) -> (Outcome, String) {
    let server = Server::start(async move |mut exchange: Exchange| {
        exchange.read_all().await;
        exchange.ok(&[answer]).await;
    })
    .await;
    let mut plan = plan(&[server.address], "Hello");
    grpc(&mut plan).steps[0].action = Action::Speak(GrpcCall::health(service));
    let driver = Driver::open(&plan).await;
    let outcome = driver.once().await;
    assert_eq!(
        *server.control.paths.borrow(),
        ["/grpc.health.v1.Health/Check"]
    );
    let why = match outcome {
        Outcome::Ok => String::new(),
        Outcome::Failed(_) => driver.recorder.explanation(),
    };
    (outcome, why)
}

#[test]
fn whose_health_it_is_may_be_evaluated() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            assert_eq!(exchange.read_all().await, framed(b"\x0a\x04test"));
            exchange.ok(&[b"\x08\x01"]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        let step = &mut grpc(&mut plan).steps[0];
        step.action = Action::Speak(GrpcCall::health("{{ scenario }}"));
        step.check = vec!["reply.status == 'SERVING'".to_owned()];
        assert_eq!(Driver::open(&plan).await.once().await, Outcome::Ok);
    });
}

#[test]
fn health_is_what_the_answer_says() {
    run(async {
        assert_eq!(health("a.B", b"\x08\x01").await.0, Outcome::Ok);
        assert_eq!(
            health("", b"\x08\x02").await,
            (
                Failure::Health("NOT_SERVING").into(),
                "the server told the health NOT_SERVING".to_owned()
            )
        );
        let (outcome, why) = health("", b"\x0f").await;
        assert_eq!(outcome, Failure::Protocol.into(), "{why}");
    });
}

/// Of a unary call, in the head and in trailers, and of a stream.
#[test]
fn details_of_a_status_are_told() {
    run(async {
        let info = Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: b"\x0a\x06STOCKS".to_vec(),
        };
        let mut details = Vec::new();
        prost::encoding::message::encode(3, &info, &mut details);
        let details = data_encoding::BASE64_NOPAD.encode(&details);
        let server = Server::start(move |mut exchange: Exchange| {
            let details = details.clone();
            async move {
                exchange.read_all().await;
                let mut trailers = status("9");
                trailers.insert("grpc-status-details-bin", details.parse().expect("ASCII"));
                if exchange.nth == 0 {
                    let mut head = Exchange::head();
                    head.headers_mut().extend(trailers);
                    exchange.respond.send_response(head, true).expect("open");
                } else {
                    let mut stream = exchange.begin();
                    stream.send_trailers(trailers).expect("open");
                }
            }
        })
        .await;
        for method in ["Hello", "Hello", "Stream"] {
            let driver = Driver::open(&plan(&[server.address], method)).await;
            let failed = Failure::Grpc(GrpcCode::new(9));
            assert_eq!(driver.once().await, failed.into());
            assert_eq!(
                driver.recorder.explanation(),
                "the server answered FAILED_PRECONDITION without a message; \
                 ErrorInfo {\"reason\":\"STOCKS\"}"
            );
        }
    });
}

/// As it says: packed once, marked, and answered in the same way; a unary call and a stream alike.
#[test_case("Hello", "a")]
#[test_case("Chat", "a")]
#[test_case("Hello", "{{ scenario }}"; "a unary call, evaluated")]
#[test_case("Chat", "{{ scenario }}"; "a stream, evaluated")]
fn zstd_compresses_both_ways(method: &str, end: &str) {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let headers = exchange.request.headers();
            assert_eq!(headers["grpc-encoding"], "zstd");
            assert_eq!(headers["grpc-accept-encoding"], "zstd,identity");
            let sent = messages_in(&exchange.read_all().await);
            let [(1, message)] = &sent[..] else {
                panic!("{sent:?}");
            };
            let message = zstd::decode_all(&message[..]).expect("zstd");
            assert!(message.len() > 1_000, "{message:?}");
            let reply = zstd::bulk::compress(&message, 3).expect("memory");
            let mut head = Exchange::head();
            let zstd = "zstd".parse().expect("a value");
            head.headers_mut().insert("grpc-encoding", zstd);
            let mut stream = exchange.respond.send_response(head, false).expect("open");
            let mut data = BytesMut::new();
            data.put_u8(1);
            data.put_u32(u32::try_from(reply.len()).expect("short"));
            data.put_slice(&reply);
            stream.send_data(Bytes::from(data), false).expect("open");
            stream.send_trailers(status("0")).expect("open");
        })
        .await;
        let mut plan = plan(&[server.address], method);
        let field = if method == "Hello" { "name" } else { "text" };
        the_call(&mut plan).message = json!({ field: "a".repeat(5_000) + end });
        the_call(&mut plan).compression = Some(Compression::Zstd);
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        if method == "Chat" {
            assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 1);
        }
        // What is counted is what was on the wire.
        let (sent, received) = driver.recorder.0.borrow().bytes;
        assert!(sent < 1_000 && received < 1_000, "{sent} {received}");
    });
}
