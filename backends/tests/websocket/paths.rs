//! What each path answers, who says so, and what it refuses.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::{SinkExt as _, StreamExt as _};
use loadgen_backends::{Faults, ServerConfig, limits, start_websocket};
use serde_json::{Value, json};
use test_case::test_case;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{ID, ask, closed, config, connect, receive, receive_json, serve};

#[test_case(Message::text("h\u{e9}llo"); "text")]
#[test_case(Message::text(""); "empty text")]
#[test_case(Message::binary(vec![0, 159, 255]); "binary")]
#[test_case(Message::binary(vec![]); "empty binary")]
#[test_case(Message::binary(vec![7; 3 << 20]); "large")]
#[tokio::test]
async fn echo_sends_back_what_came(message: Message) {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo").await;
    for _ in 0..3 {
        client.send(message.clone()).await.unwrap();
        assert_eq!(receive(&mut client).await, message);
    }
}

#[tokio::test]
async fn says_by_itself_what_the_query_asks_for() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo?greet=2&push=1").await;
    for greeting in 0..2 {
        assert_eq!(
            receive_json(&mut client).await,
            json!({ "greeting": greeting })
        );
    }
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "hello").await, json!({ "push": 0 }));
        assert_eq!(receive(&mut client).await, Message::text("hello"));
    }
}

#[tokio::test]
async fn what_it_says_by_itself_names_the_backend_too() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream?greet=1&identify=1").await;
    let greeting = receive_json(&mut client).await;
    assert_eq!(
        (&greeting["greeting"], &greeting["backend"]["id"]),
        (&json!(0), &json!(ID))
    );
}

#[tokio::test]
async fn many_messages_at_once_come_back_in_order() {
    let server = serve(Faults::default());
    let (mut sending, mut receiving) = connect(&server, "/echo").await.split();
    let sender = tokio::spawn(async move {
        for number in 0..20_000 {
            sending
                .feed(Message::text(number.to_string()))
                .await
                .unwrap();
        }
        sending.flush().await.unwrap();
    });
    for number in 0..20_000 {
        let message = receiving.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text(number.to_string()));
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn a_message_in_fragments_comes_back_whole() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo").await;
    let fragment = |text: &'static str, data, last| {
        Message::Frame(Frame::message(text, OpCode::Data(data), last))
    };
    client
        .feed(fragment("one, ", Data::Text, false))
        .await
        .unwrap();
    // Control frames may stand between fragments.
    client.feed(Message::Ping("p".into())).await.unwrap();
    client
        .feed(fragment("two", Data::Continue, true))
        .await
        .unwrap();
    client.flush().await.unwrap();
    assert_eq!(receive(&mut client).await, Message::Pong("p".into()));
    assert_eq!(receive(&mut client).await, Message::text("one, two"));
}

#[tokio::test]
async fn a_message_beyond_the_limit_closes_the_connection() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo").await;
    // The server refuses at the header; what follows it may not get through any more.
    let _ = client.send(Message::binary(vec![0; (64 << 20) + 1])).await;
    assert_eq!(closed_by(&mut client).await, Some(CloseCode::Size));
}

/// The close frame's code, if it came; the connection may break after it.
async fn closed_by(client: &mut super::Client) -> Option<CloseCode> {
    match client.next().await {
        Some(Ok(Message::Close(Some(frame)))) => Some(frame.code),
        _ => None,
    }
}

#[tokio::test]
async fn compute_takes_as_long_as_its_work_and_is_reproducible() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/compute").await;
    let small = ask(&mut client, r#"{"rounds": 1000}"#).await;
    let large = ask(&mut client, r#"{"rounds": 1000000}"#).await;
    let again = ask(&mut client, r#"{"rounds": 1000}"#).await;
    assert_eq!(again["result"], small["result"]);
    assert_ne!(large["result"], small["result"]);
    small["result"].as_str().unwrap().parse::<u64>().unwrap();
    let took = |answer: &Value| answer["elapsed_us"].as_u64().unwrap();
    // A thousand times the work, on a machine that has other things to do.
    assert!(took(&large) > 10 * took(&small).max(1), "{large} {small}");
}

#[tokio::test]
async fn compute_gives_what_grpc_gives() {
    use loadgen_backends::proto::ComputeRequest;
    use loadgen_backends::proto::greeter_client::GreeterClient;

    let server = serve(Faults::default());
    let mut client = connect(&server, "/compute").await;
    let over_websocket = ask(&mut client, r#"{"rounds": 1234}"#).await;
    let grpc = loadgen_backends::ServerConfig::new("127.0.0.1:0".parse().unwrap());
    let server = loadgen_backends::start_grpc(grpc).unwrap();
    let endpoint = format!("http://{}", server.local_addr());
    let endpoint = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
    let mut client = GreeterClient::new(endpoint.connect().await.unwrap());
    let reply = client
        .compute(ComputeRequest { rounds: 1234 })
        .await
        .unwrap();
    assert_eq!(
        over_websocket["result"],
        reply.into_inner().result.to_string()
    );
}

#[tokio::test]
async fn a_large_compute_leaves_room_for_its_neighbours() {
    let server = start_websocket(ServerConfig {
        threads: Some(1),
        ..config()
    })
    .unwrap();
    let mut busy = connect(&server, "/compute").await;
    let mut quick = connect(&server, "/echo").await;
    let request = json!({ "rounds": limits::COMPUTE_ROUNDS / 4 }).to_string();
    let large = tokio::spawn(async move { ask(&mut busy, &request).await });
    // They share the only worker. Were it held, the first of these would wait for the large one.
    let mut echoed = 0;
    while !large.is_finished() {
        quick.send(Message::text("x")).await.unwrap();
        receive(&mut quick).await;
        echoed += 1;
    }
    assert!(echoed > 10, "{echoed} echoes while it computed");
}

#[test_case("{}", 10, 0; "as it comes")]
#[test_case(r#"{"count": 0}"#, 0, 0; "none")]
#[test_case(r#"{"count": 1000, "payload_bytes": 100}"#, 1000, 100; "many")]
#[test_case(r#"{"count": 2, "payload_bytes": 1000000, "unknown": 1}"#, 2, 1_000_000; "large")]
#[tokio::test]
async fn stream_sends_what_was_asked_for(request: &str, count: u32, payload_bytes: usize) {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream").await;
    // The second request follows at once, and is answered when the first is.
    client.feed(Message::text(request)).await.unwrap();
    client.feed(Message::text(request)).await.unwrap();
    client.flush().await.unwrap();
    for sequence in (0..count).chain(0..count) {
        let expected = match payload_bytes {
            0 => json!({ "sequence": sequence }),
            bytes => json!({ "sequence": sequence, "payload": "x".repeat(bytes) }),
        };
        assert_eq!(receive_json(&mut client).await, expected);
    }
    // And no more than that.
    let answer = ask(&mut client, r#"{"count": 1, "id": "last"}"#).await;
    assert_eq!(answer, json!({ "id": "last", "sequence": 0 }));
}

#[tokio::test]
async fn stream_keeps_its_pace() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream").await;
    let started = Instant::now();
    let request = r#"{"count": 11, "interval_us": 20000}"#;
    client.send(Message::text(request)).await.unwrap();
    receive(&mut client).await;
    let first = started.elapsed();
    for _ in 1..11 {
        receive(&mut client).await;
    }
    let all = started.elapsed();
    assert!(first < Duration::from_millis(100), "{first:?}");
    // Due times do not drift, so the last one is as late as any.
    assert!(
        (Duration::from_millis(199)..Duration::from_millis(400)).contains(&all),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_paced_stream_answers_pings_and_ends_with_its_reader() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream").await;
    let request = r#"{"count": 2, "interval_us": 60000000}"#;
    client.send(Message::text(request)).await.unwrap();
    receive(&mut client).await;
    client.send(Message::Ping("still?".into())).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::Pong("still?".into()));
    client.close(None).await.unwrap();
    assert!(receive(&mut client).await.is_close());
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn requests_that_come_during_a_stream_wait_for_its_end() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream").await;
    let paced = r#"{"id": 1, "count": 3, "interval_us": 5000}"#;
    client.send(Message::text(paced)).await.unwrap();
    receive(&mut client).await;
    let quick = r#"{"id": 2, "count": 1}"#;
    client.send(Message::text(quick)).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(receive_json(&mut client).await["id"].clone());
    }
    assert_eq!(ids, [1, 1, 2]);
}

#[test_case("/echo")]
#[test_case("/compute")]
#[test_case("/stream")]
#[test_case("/ping")]
#[tokio::test]
async fn pings_are_answered_everywhere(path: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server, path).await;
    for payload in ["", "a", "b"] {
        client.feed(Message::Ping(payload.into())).await.unwrap();
    }
    client.flush().await.unwrap();
    for payload in ["", "a", "b"] {
        assert_eq!(receive(&mut client).await, Message::Pong(payload.into()));
    }
}

#[tokio::test]
async fn ping_answers_with_the_time() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/ping").await;
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_micros()
    };
    let before = now();
    let answer = ask(&mut client, "say \"hi\"").await;
    assert_eq!(answer["pong"], "say \"hi\"");
    let time = u128::from(answer["time_us"].as_u64().unwrap());
    assert!((before..=now()).contains(&time), "{answer}");
}

#[test_case("/compute", r#"{"rounds": 1, "id": ID}"#)]
#[test_case("/compute", r#"{"rounds": -1, "id": ID}"#; "in an error, too")]
#[test_case("/stream", r#"{"count": 1, "id": ID}"#)]
#[test_case("/ping", r#"{"id": ID}"#)]
#[test_case("/echo?identify=1", r#"{"id": ID}"#)]
#[tokio::test]
async fn an_id_comes_back_as_it_is(path: &str, request: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server, path).await;
    for id in [
        "7",
        "\"seven\"",
        "null",
        "{\"a\": [1.50, 12345678901234567890123]}",
    ] {
        let request = request.replace("ID", id);
        client.send(Message::text(request)).await.unwrap();
        let answer = receive(&mut client).await;
        let answer = answer.to_text().unwrap();
        assert!(answer.starts_with(&format!("{{\"id\":{id},")), "{answer}");
    }
}

#[test_case("/compute", "rounds", "expected a JSON object"; "no JSON")]
#[test_case("/compute", "{}", "missing field `rounds`"; "nothing asked")]
#[test_case("/compute", r#"{"rounds": "many"}"#, "invalid type: string"; "a wrong type")]
#[test_case("/compute", r#"{"rounds": 100000001}"#, "at most 100000000 is allowed"; "too many rounds")]
#[test_case("/stream", "[1]", "expected a JSON object"; "an array")]
#[test_case("/stream", r#"{"count": 10000001}"#, "at most 10000000 is allowed"; "too many messages")]
#[test_case("/stream", r#"{"interval_us": 60000001}"#, "at most 60000000 is allowed"; "too slow")]
#[test_case("/stream", r#"{"payload_bytes": 4000001}"#, "at most 4000000 is allowed"; "too large")]
#[tokio::test]
async fn a_bad_request_is_told_so_and_the_connection_stays(path: &str, request: &str, error: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server, path).await;
    let answer = ask(&mut client, request).await;
    assert!(
        answer["error"].as_str().unwrap().contains(error),
        "{answer}"
    );
    client.send(Message::binary(vec![1])).await.unwrap();
    let answer = receive_json(&mut client).await;
    assert_eq!(answer, json!({ "error": "expected a text message" }));
    let good = r#"{"rounds": 1, "count": 1}"#;
    assert_eq!(ask(&mut client, good).await.get("error"), None);
}

#[test_case("/echo?identify=1", "{}", "text")]
#[test_case("/compute?a=b&identify=1", r#"{"rounds": 1}"#, "result")]
#[test_case("/compute?identify=1", "{}", "error")]
#[test_case("/stream?identify=1", "{}", "sequence")]
#[test_case("/ping?identify=1", "{}", "pong")]
#[tokio::test]
async fn every_answer_names_the_backend_where_asked_to(path: &str, request: &str, field: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server, path).await;
    let answer = ask(&mut client, request).await;
    assert!(answer.get(field).is_some(), "{answer}");
    let backend = &answer["backend"];
    assert_eq!(backend["id"], ID);
    assert_eq!(backend["version"], env!("CARGO_PKG_VERSION"));
    assert!(!backend["host"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn an_identified_echo_holds_the_message() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo?identify=1").await;
    assert_eq!(ask(&mut client, "a \"b\"").await["text"], "a \"b\"");
    client.send(Message::binary(vec![0; 64])).await.unwrap();
    let answer = receive_json(&mut client).await;
    assert_eq!(
        (&answer["bytes"], &answer["backend"]["id"]),
        (&json!(64), &json!(ID))
    );
}

#[test_case("/echo?identify=0")]
#[test_case("/echo?identify")]
#[test_case("/echo?xidentify=1")]
#[tokio::test]
async fn other_queries_change_nothing(path: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server, path).await;
    client.send(Message::text("x")).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::text("x"));
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_told_which() {
    use tokio::io::AsyncWriteExt as _;

    let server = serve(Faults::default());
    // An unmasked frame; text that is not UTF-8.
    for (frame, code) in [
        (&[0x81, 1, b'x'][..], CloseCode::Protocol),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseCode::Invalid),
    ] {
        let mut client = connect(&server, "/echo").await;
        client.get_mut().write_all(frame).await.unwrap();
        assert_eq!(closed(&mut client).await, code);
    }
}
