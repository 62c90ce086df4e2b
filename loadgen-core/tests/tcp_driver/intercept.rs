//! Interceptors: what they see of messages, and change.

use std::time::Duration;

use loadgen_core::driver::{Content, FieldError};
use loadgen_core::scenario::{ScenarioPlan, TcpExchange, TcpPayload, TcpReceive};
use loadgen_core::schedule::Limit;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::common::run;
use crate::common::watching::{Eyes, watched};
use crate::common::whole::closed;
use crate::{answers, asks, echo, line, plan, serve, text};

#[test]
fn messages_are_changed_and_seen() {
    run(async {
        let address = serve(echo).await;
        let asking = asks(TcpPayload::Text("hello\n".to_owned()), line());
        let mut plan = plan(address, [asking.into()]);
        plan.load = closed(1, Limit::Iterations(2));
        let eyes = Eyes {
            request: Some(Box::new(|request| {
                assert_eq!(request.fields_are(), "");
                let error = request.set_field("x-number", "7").expect_err("no fields");
                assert_eq!(error, FieldError::NoFields("x-number".to_owned()));
            })),
            message: Some(Box::new(|message| {
                assert_eq!(message.content(), Content::Text("hello\n".to_owned()));
                let nothing = message.set(Content::Text(String::new()));
                assert!(nothing.is_err(), "no answer could be told to be its");
                let changed = Content::Binary(b"you\n".as_slice().into());
                message.set(changed).expect("bytes");
            })),
            ..Eyes::default()
        };
        let (seen, record) = watched(plan, eyes).await;
        assert_eq!(record.ledger.completed, 2);
        let exchange = |iteration: u64| {
            json!({
                "what": "tcp",
                "iteration": iteration,
                "asked": {},
                "status": null,
                "answered": {},
                "messages": ["> message 4 bytes", "< you"],
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
    exchange: TcpExchange,
    server: impl Fn(TcpStream) -> F + 'static,
) -> Value {
    let address = serve(server).await;
    let mut plan: ScenarioPlan = plan(address, [exchange.into()]);
    plan.timeout = Duration::from_secs(2);
    let (mut seen, _) = watched(plan, Eyes::default()).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

#[test]
fn all_messages_of_a_step_are_seen() {
    run(async {
        let mut exchange = asks(TcpPayload::Bytes(vec![0, 255, 7]), TcpReceive::Bytes(3));
        (exchange.repeat, exchange.in_flight) = (3, 3);
        let seen = one(exchange, echo).await;
        assert_eq!((&seen["sent"], &seen["received"]), (&json!(3), &json!(3)));
        let messages = seen["messages"].as_array().expect("messages");
        let of = |way: &str| {
            let said = format!("{way} message 3 bytes");
            messages.iter().filter(|it| **it == said).count()
        };
        assert_eq!((of(">"), of("<")), (3, 3), "{seen}");
    });
}

#[test]
fn the_end_of_a_connection_ends_what_is_seen() {
    run(async {
        let exchange = asks(TcpPayload::Text("GET /".to_owned()), TcpReceive::End);
        let seen = one(exchange, |stream| answers(stream, b"all of it")).await;
        assert_eq!(seen["messages"], json!(["> GET /", "< all of it"]));
    });
}

#[test]
fn a_reply_that_breaks_off_is_seen_as_far_as_it_came() {
    run(async {
        let exchange = asks(TcpPayload::Text("GET /".to_owned()), line());
        let seen = one(exchange, |stream| answers(stream, b"half of")).await;
        assert_eq!(seen["outcome"], "incomplete");
        assert_eq!(seen["messages"], json!(["> GET /", "< half of"]));
        let detail = seen["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("in the middle of a reply"), "{detail}");
    });
}

#[test]
fn what_is_cut_off_is_seen() {
    run(async {
        let mut exchange = asks(TcpPayload::Text("PING".to_owned()), line());
        exchange.timeout = Some(Duration::from_millis(100));
        let seen = one(exchange, echo).await;
        assert_eq!(seen["outcome"], "timeout");
        assert_eq!(seen["messages"], json!(["> PING", "< PING"]));
        let seen = one(text("only sent"), echo).await;
        assert_eq!(seen["messages"], json!(["> only sent"]));
    });
}
