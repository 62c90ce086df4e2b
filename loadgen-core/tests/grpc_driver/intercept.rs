//! Interceptors: what they see and change.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use loadgen_core::clock::Clock;
use loadgen_core::driver::grpc::{GrpcExchange, GrpcRequest, Interceptor};
use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::Compression;
use loadgen_core::workload::{Iteration, IterationSeed, UserId, WorkerContext, Workload as _};
use serde_json::{Value, json};

use crate::common::Recorder;
use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{factory, plan, run, the_call};

/// Changes what is sent, and keeps what it sees.
#[derive(Default)]
struct Changes(Mutex<Vec<Value>>);

impl Interceptor for Changes {
    fn request(&self, request: &mut GrpcRequest) {
        let sent: Vec<Value> = request.messages().collect();
        request
            .set_metadata("x-user", &request.user().0.to_string())
            .expect("digits");
        let name = format!("{} changed", sent[0]["name"].as_str().unwrap_or_default());
        request
            .set_messages(&[json!({ "name": name })])
            .expect("a message");
        let wrong = request
            .set_messages(&[json!({ "nme": 1 })])
            .expect_err("no such field");
        assert_eq!(
            wrong.to_string(),
            "messages[0].nme: `loadgen.v1.HelloRequest` has no field `nme`; did you mean `name`?"
        );
        assert!(
            request.set_messages(&[json!({}), json!({})]).is_err(),
            "one message"
        );
    }

    fn exchange(&self, exchange: &GrpcExchange<'_>) {
        let pairs = |pairs: Vec<(&str, String)>| -> Vec<String> {
            pairs
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect()
        };
        assert!(exchange.times().response_time() > 0);
        self.0.lock().expect("nobody panicked").push(json!({
            "method": exchange.request().method(),
            "sent": exchange.request().messages().collect::<Vec<_>>(),
            "outcome": exchange.outcome().to_string(),
            "metadata": pairs(exchange.metadata().collect()),
            "replies": exchange.replies().collect::<Vec<_>>(),
            "trailers": pairs(exchange.trailers().filter(|(name, _)| *name != "grpc-status").collect()),
            "detail": exchange.detail(),
        }));
    }
}

/// What an interceptor sees of one iteration with a server that answers so, and how it ended.
async fn seen<F: Future<Output = ()> + 'static>(
    compression: Option<Compression>,
    answer: impl Fn(Exchange) -> F + 'static,
) -> (Vec<Value>, Outcome) {
    let server = Server::start(answer).await;
    let mut plan = plan(&[server.address], "Hello");
    the_call(&mut plan).message = json!({ "name": "{{ 'world' }}" });
    the_call(&mut plan).compression = compression;
    let changes = Arc::new(Changes::default());
    let factory = factory(&plan)
        .expect("a plan")
        .with_interceptor(Arc::clone(&changes) as Arc<dyn Interceptor>);
    let recorder = Rc::new(Recorder::default());
    let clock = Clock::start();
    let context = WorkerContext::new(clock, Rc::clone(&recorder) as _);
    let workload = factory.workload(&context);
    workload.prepare().await.expect("a server");
    let mut session = workload.open(UserId(0)).await.expect("a session");
    let iteration = Iteration::new(IterationSeed::new(clock, recorder.as_ref()));
    let outcome = workload.iterate(&mut session, &iteration).await;
    let seen = std::mem::take(&mut *changes.0.lock().expect("nobody panicked"));
    (seen, outcome)
}

#[test]
fn a_call_is_changed_before_it_is_sent_and_its_reply_is_seen() {
    run(async {
        let (seen, outcome) = seen(None, async |mut exchange: Exchange| {
            let user = exchange.request.headers().get("x-user").cloned();
            assert_eq!(user.expect("it was set"), "0");
            assert_eq!(exchange.read_all().await, framed(b"\x0a\x0dworld changed"));
            exchange.ok(&[b"\x0a\x02hi"]).await;
        })
        .await;
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(
            seen,
            [json!({
                "method": "loadgen.v1.Greeter/Hello",
                "sent": [{ "name": "world changed" }],
                "outcome": "ok",
                "metadata": ["x-loadgen-backend: test-1"],
                "replies": [{ "message": "hi" }],
                "trailers": [],
                "detail": null,
            })]
        );
    });
}

#[test]
fn a_failure_is_seen_with_what_the_server_said() {
    run(async {
        let (seen, outcome) = seen(None, async |mut exchange: Exchange| {
            exchange.read_all().await;
            let mut trailers = status("14");
            trailers.insert("grpc-message", "sold out".parse().expect("a text"));
            exchange.begin().send_trailers(trailers).expect("open");
        })
        .await;
        assert_ne!(outcome, Outcome::Ok);
        assert_eq!(seen[0]["outcome"], "grpc.UNAVAILABLE");
        assert_eq!(seen[0]["replies"], json!([]));
        assert_eq!(
            seen[0]["detail"],
            "the server answered UNAVAILABLE: sold out"
        );
    });
}

#[test]
fn a_compressed_call_is_seen_as_it_was_before() {
    run(async {
        let (seen, outcome) = seen(Some(Compression::Zstd), async |mut exchange: Exchange| {
            let sent = exchange.read_all().await;
            assert_eq!(sent[0], 1, "it is compressed");
            let sent = zstd::decode_all(&sent[5..]).expect("zstd");
            assert_eq!(sent, b"\x0a\x0dworld changed");
            exchange.ok(&[b"\x0a\x02hi"]).await;
        })
        .await;
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(seen[0]["sent"], json!([{ "name": "world changed" }]));
    });
}
