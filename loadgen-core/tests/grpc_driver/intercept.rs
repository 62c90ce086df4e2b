//! Interceptors: what they see of calls and change.

use std::time::Duration;

use loadgen_core::driver::Content;
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{Compression, Step};
use loadgen_core::schedule::Limit;
use serde_json::{Value, json};

use crate::common::watching::{Eyes, watched};
use crate::common::whole::closed;
use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{grpc, plan, run, the_call};

/// What changes each call, and tries some that cannot be.
fn changes() -> Eyes {
    Eyes {
        request: Some(Box::new(|request| {
            let user = request.user().0.to_string();
            request.set_field("x-user", &user).expect("digits");
            let wrong = request.set_field("te", "x").expect_err("HTTP/2's own");
            assert_eq!(
                wrong.to_string(),
                "`te` is set by the protocol and cannot be given"
            );
            assert!(request.set_field("x-line", "a\nb").is_err());
        })),
        message: Some(Box::new(|message| {
            let sent = message.content().to_json().expect("JSON");
            let name = format!("{} changed", sent["name"].as_str().unwrap_or_default());
            let wrong = message.set(Content::Json(json!({ "nme": 1 })));
            assert_eq!(
                wrong.expect_err("no such field").to_string(),
                "message.nme: `loadgen.v1.HelloRequest` has no field `nme`; did you mean `name`?"
            );
            assert!(message.set(Content::Text("x".to_owned())).is_err());
            message
                .set(Content::Json(json!({ "name": name })))
                .expect("a message");
        })),
        ..Eyes::default()
    }
}

/// What an interceptor sees of one iteration with a server that answers so, and its record.
async fn seen<F: Future<Output = ()> + 'static>(
    compression: Option<Compression>,
    answer: impl Fn(Exchange) -> F + 'static,
) -> (Vec<Value>, ScenarioRecord) {
    let server = Server::start(answer).await;
    let mut plan = plan(&[server.address], "Hello");
    the_call(&mut plan).message = json!({ "name": "{{ 'world' }}" });
    the_call(&mut plan).compression = compression;
    watched(plan, changes()).await
}

#[test]
fn a_call_is_changed_before_it_is_sent_and_its_reply_is_seen() {
    run(async {
        let (seen, record) = seen(None, async |mut exchange: Exchange| {
            let user = exchange.request.headers().get("x-user").cloned();
            assert_eq!(user.expect("it was set"), "0");
            assert_eq!(exchange.read_all().await, framed(b"\x0a\x0dworld changed"));
            exchange.ok(&[b"\x0a\x02hi"]).await;
        })
        .await;
        assert_eq!(record.ledger.completed, 1);
        assert_eq!(
            seen,
            [json!({
                "what": "loadgen.v1.Greeter/Hello",
                "iteration": 0,
                "asked": { "x-user": "0" },
                "status": null,
                "answered": { "x-loadgen-backend": "test-1" },
                "messages": [r#"> {"name":"world changed"}"#, r#"< {"message":"hi"}"#],
                "sent": 1,
                "received": 1,
                "trailers": { "grpc-status": "0" },
                "outcome": "ok",
                "detail": null,
            })]
        );
    });
}

#[test]
fn a_failure_is_seen_with_what_the_server_said() {
    run(async {
        let (seen, record) = seen(None, async |mut exchange: Exchange| {
            exchange.read_all().await;
            let mut trailers = status("14");
            trailers.insert("grpc-message", "sold out".parse().expect("a text"));
            exchange.begin().send_trailers(trailers).expect("open");
        })
        .await;
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(seen[0]["outcome"], "grpc.UNAVAILABLE");
        assert_eq!(seen[0]["received"], 0);
        assert_eq!(
            seen[0]["detail"],
            "the server answered UNAVAILABLE: sold out"
        );
    });
}

#[test]
fn a_compressed_call_is_seen_as_it_was_before() {
    run(async {
        let (seen, record) = seen(Some(Compression::Zstd), async |mut exchange: Exchange| {
            let sent = exchange.read_all().await;
            assert_eq!(sent[0], 1, "it is compressed");
            let sent = zstd::decode_all(&sent[5..]).expect("zstd");
            assert_eq!(sent, b"\x0a\x0dworld changed");
            exchange.ok(&[b"\x0a\x02hi"]).await;
        })
        .await;
        assert_eq!(record.ledger.completed, 1);
        assert_eq!(seen[0]["messages"][0], r#"> {"name":"world changed"}"#);
    });
}

/// The outcome that is seen is the one that is recorded, and it says which check failed on what.
#[test]
fn a_failed_check_is_seen_as_one() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            exchange.ok(&[b"\x0a\x02hi"]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        let step = grpc(&mut plan).steps.remove(0);
        grpc(&mut plan).steps = vec![Step::check(step, "reply.message == 'ho'")];
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(seen[0]["outcome"], "check");
        assert_eq!(
            seen[0]["detail"],
            r#"steps[0]: `reply.message == 'ho'`: reply.message is "hi""#
        );
        assert_eq!(seen[0]["messages"][1], r#"< {"message":"hi"}"#);
    });
}

#[test]
fn a_status_that_a_check_is_glad_of_is_no_failure() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            exchange.begin().send_trailers(status("5")).expect("open");
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        let step = grpc(&mut plan).steps.remove(0);
        grpc(&mut plan).steps = vec![Step::check(step, "status == 'NOT_FOUND'")];
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.completed, 1);
        assert_eq!(
            (&seen[0]["outcome"], &seen[0]["detail"]),
            (&json!("ok"), &json!(null))
        );
    });
}

#[test]
fn each_message_of_a_stream_is_made_anew_under_an_interceptor() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let came = exchange.read_all().await;
            assert_eq!(came.len(), 3 * (5 + 2 + 36), "three texts of 36 bytes");
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Collect");
        the_call(&mut plan).message = json!({ "payload": "{{ base64(uuid()) }}" });
        the_call(&mut plan).repeat = 3;
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.completed, 1, "{seen:?}");
        let messages = seen[0]["messages"].as_array().expect("messages");
        let (sent, _) = messages.split_at(3);
        assert_ne!(sent[0], sent[1]);
        assert_ne!(sent[1], sent[2]);
        assert_eq!(
            (&seen[0]["sent"], &seen[0]["received"]),
            (&json!(3), &json!(1))
        );
    });
}

#[test]
fn a_call_that_its_timeout_cut_off_is_seen() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            exchange.until_reset().await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = closed(1, Limit::Iterations(1));
        plan.timeout = Duration::from_millis(300);
        let (seen, record) = watched(plan, Eyes::default()).await;
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0]["outcome"], "timeout");
        assert_eq!(
            (&seen[0]["sent"], &seen[0]["received"]),
            (&json!(1), &json!(0))
        );
        let detail = seen[0]["detail"].as_str().unwrap_or_default();
        assert!(detail.starts_with("cut off"), "{detail:?}");
    });
}
