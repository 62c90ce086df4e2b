//! Interceptors: what they see of upgrades and messages, and change.

use std::time::Duration;

use futures::StreamExt;
use loadgen_core::driver::Content;
use loadgen_core::scenario::{
    Answer, Payload, ReplyMark, Step, WebsocketExchange, WebsocketMessages,
};
use loadgen_core::schedule::Limit;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::common::run;
use crate::common::watching::{Eyes, watched};
use crate::common::whole::closed;
use crate::server::{Peer, echo, echo_server, next, say, serve};
use crate::support::{hello, hellos, plan, stream_of, streamed, websocket};

#[test]
fn an_upgrade_and_its_messages_are_changed_and_seen() {
    run(async {
        let server = serve(async |peer: Peer| {
            assert_eq!(peer.header("x-number"), Some("7"));
            echo(peer.accept().await).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).headers = vec![("x-tenant".into(), "blue".into())];
        plan.load = closed(1, Limit::Iterations(2));
        let eyes = Eyes {
            request: Some(Box::new(|request| {
                request.set_field("x-number", "7").expect("a field");
                let own = request.set_field("Sec-WebSocket-Key", "x");
                assert!(own.is_err(), "the protocol's own");
            })),
            message: Some(Box::new(|message| {
                let Content::Text(text) = message.content() else {
                    panic!("a text");
                };
                let changed = format!("{text}, you");
                message.set(Content::Text(changed)).expect("a text");
            })),
            ..Eyes::default()
        };
        let (seen, record) = watched(plan, eyes).await;
        assert_eq!(record.ledger.completed, 2);
        let exchange = |iteration: u64| {
            json!({
                "what": "/echo",
                "iteration": iteration,
                "asked": { "x-tenant": "blue", "x-number": "7" },
                "status": "101 Switching Protocols",
                "answered": { "x-loadgen-backend": "scripted" },
                "messages": ["> hello, you", "< hello, you"],
                "sent": 1,
                "received": 1,
                "trailers": {},
                "outcome": "ok",
                "detail": null,
            })
        };
        assert_eq!(seen, [exchange(0), exchange(1)]);
    });
}

/// What is seen of one exchange with a server like this.
async fn one<F: Future<Output = ()> + 'static>(
    exchange: WebsocketExchange,
    script: impl Fn(Peer) -> F + 'static,
) -> Value {
    let server = serve(script).await;
    let mut plan = plan(&[server.address], exchange);
    plan.timeout = Duration::from_secs(2);
    let (mut seen, _) = watched(plan, Eyes::default()).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

/// The first connection is the probe's, before the load.
#[test]
fn a_refused_upgrade_is_seen_with_what_refused() {
    run(async {
        let server = serve(async |peer: Peer| {
            if peer.nth == 0 {
                return drop(peer.accept().await);
            }
            let refusal = "HTTP/1.1 401 Unauthorized\r\nx-why: old\r\nContent-Length: 0\r\n\r\n";
            peer.answer(refusal).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.load = closed(1, Limit::Iterations(2));
        let (seen, _) = watched(plan, Eyes::default()).await;
        let refused: Vec<&Value> = seen
            .iter()
            .filter(|it| it["outcome"] == "http.401")
            .collect();
        assert!(!refused.is_empty(), "{seen:?}");
        assert_eq!(refused[0]["status"], "401 Unauthorized");
        assert_eq!(refused[0]["answered"]["x-why"], "old");
        assert_eq!(refused[0]["sent"], 0);
        let detail = refused[0]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("401"), "{detail}");
    });
}

#[test]
fn what_a_step_did_not_wait_for_is_told_apart() {
    run(async {
        let messages = WebsocketMessages::Send {
            payload: Payload::Json(json!({ "op": "add" })),
            answer: Answer::Marked {
                mark: ReplyMark::new("type", "reply".into()),
                match_id: None,
            },
        };
        let seen = one(WebsocketExchange::new("/", messages), async |peer: Peer| {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                say(&mut socket, r#"{"type":"news"}"#).await;
                say(&mut socket, r#"{"type":"reply"}"#).await;
            }
        })
        .await;
        assert_eq!(
            seen["messages"],
            json!([
                r#"> {"op":"add"}"#,
                r#"? {"type":"news"}"#,
                r#"< {"type":"reply"}"#
            ])
        );
    });
}

#[test]
fn a_stream_and_what_closed_it_are_seen() {
    run(async {
        let seen = one(streamed(stream_of(5, false)), async |peer: Peer| {
            let mut socket = peer.accept().await;
            if next(&mut socket).await.is_some() {
                say(&mut socket, "1").await;
                say(&mut socket, "2").await;
                let close = CloseFrame {
                    code: 1013.into(),
                    reason: "too much".into(),
                };
                let _ = socket.close(Some(close)).await;
                while socket.next().await.is_some() {}
            }
        })
        .await;
        assert_eq!(seen["messages"], json!(["> go", "< 1", "< 2"]));
        assert_eq!(seen["outcome"], "close.1013");
        assert_eq!(
            seen["detail"],
            r#"the server closed the connection with code 1013: "too much""#
        );
    });
}

#[test]
fn pings_and_bytes_are_seen_for_what_they_are() {
    run(async {
        let ping = WebsocketExchange::new("/", WebsocketMessages::Ping);
        let seen = one(ping, async |peer: Peer| echo(peer.accept().await).await).await;
        assert_eq!(
            seen["messages"],
            json!(["> ping 8 bytes", "< pong 8 bytes"])
        );
        let bytes = WebsocketExchange::send("/", Payload::Binary(vec![0, 255, 7]));
        let seen = one(bytes, async |peer: Peer| echo(peer.accept().await).await).await;
        assert_eq!(
            seen["messages"],
            json!(["> message 3 bytes", "< message 3 bytes"])
        );
    });
}

#[test]
fn a_failed_check_is_seen_as_one() {
    run(async {
        let server = echo_server().await;
        let mut plan = plan(&[server.address], hello());
        let step = Step::new("echo", hello()).check("reply.text == 'ho'");
        websocket(&mut plan).steps = vec![step];
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(seen[0]["outcome"], "check");
        assert_eq!(
            seen[0]["detail"],
            r#"steps[0]: `reply.text == 'ho'`: reply.text is "hello""#
        );
    });
}

#[test]
fn what_a_timeout_cut_off_is_seen() {
    run(async {
        let server = serve(async |peer: Peer| {
            let mut socket = peer.accept().await;
            while let Some(Ok(Message::Text(_) | Message::Ping(_))) = socket.next().await {}
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.timeout = Duration::from_millis(300);
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0]["outcome"], "timeout");
        assert_eq!(seen[0]["messages"], json!(["> hello"]));
        assert_eq!(
            seen[0]["detail"],
            "cut off while waiting for replies; 0 came to 1 of 1 messages"
        );
    });
}

/// What is long is counted, and no more of it is kept than the first 256 KiB and what goes beyond.
#[test]
fn of_many_messages_the_first_are_kept() {
    run(async {
        let mut exchange = hellos(100, 1);
        exchange.messages = WebsocketMessages::Send {
            payload: Payload::Sized {
                bytes: 100 << 10,
                text: true,
            },
            answer: Answer::InOrder,
        };
        let server = echo_server().await;
        let mut plan = plan(&[server.address], exchange);
        plan.timeout = Duration::from_secs(30);
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.completed, 1);
        assert_eq!(seen[0]["messages"].as_array().map(Vec::len), Some(3));
        assert_eq!(
            (&seen[0]["sent"], &seen[0]["received"]),
            (&json!(100), &json!(100))
        );
    });
}
