//! An interceptor that changes what it is told to and writes down what it sees.

use std::sync::{Arc, Mutex};

use loadgen_core::assemble_intercepted;
use loadgen_core::driver::{Content, Draft, Exchange, Interceptor, Message, Request};
use loadgen_core::engine::Options;
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{Plan, ScenarioPlan};
use serde_json::{Map, Value, json};

use super::whole::finish;

type OfRequest = Box<dyn Fn(&mut Request) + Send + Sync>;
type OfMessage = Box<dyn Fn(&mut Draft<'_>) + Send + Sync>;

/// What is seen, in the order in which it ended.
#[derive(Default)]
pub(crate) struct Eyes {
    pub(crate) request: Option<OfRequest>,
    pub(crate) message: Option<OfMessage>,
    pub(crate) seen: Mutex<Vec<Value>>,
}

impl Interceptor for Eyes {
    fn request(&self, request: &mut Request) {
        if let Some(change) = &self.request {
            change(request);
        }
    }

    fn message(&self, _: &Request, message: &mut Draft<'_>) {
        if let Some(change) = &self.message {
            change(message);
        }
    }

    fn exchange(&self, exchange: &Exchange<'_>) {
        assert!(exchange.times().response_time() > 0);
        let request = exchange.request();
        self.seen.lock().expect("nobody panicked").push(json!({
            "what": request.what(),
            "iteration": request.iteration(),
            "asked": fields(request.fields()),
            "status": exchange.status(),
            "answered": fields(exchange.fields()),
            "messages": exchange.messages().map(said).collect::<Vec<_>>(),
            "sent": exchange.sent(),
            "received": exchange.received(),
            "trailers": fields(exchange.trailers()),
            "outcome": exchange.outcome().to_string(),
            "detail": exchange.detail(),
        }));
    }
}

fn fields<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> Map<String, Value> {
    pairs
        .filter(|(name, _)| *name != "user-agent")
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// A message with its way: `>` was sent, `<` is a reply, `?` was not waited for.
fn said(message: &Message) -> String {
    let way = match (message.is_sent(), message.is_reply()) {
        (true, _) => '>',
        (_, true) => '<',
        _ => '?',
    };
    let what = match message.content() {
        Content::Json(value) => value.to_string(),
        Content::Text(text) => text,
        Content::Binary(bytes) => format!("{} {} bytes", message.kind(), bytes.len()),
        other => format!("{other:?}"),
    };
    format!("{way} {what}")
}

/// What is seen of a whole run, and its record.
pub(crate) async fn watched(plan: ScenarioPlan, eyes: Eyes) -> (Vec<Value>, ScenarioRecord) {
    let eyes = Arc::new(eyes);
    let plan = Plan::new(vec![plan]);
    let options = Options::default().workers(1).seed(1);
    let interceptor = Arc::clone(&eyes) as Arc<dyn Interceptor>;
    let run = assemble_intercepted(&plan, options, interceptor).expect("a valid plan");
    let record = tokio::task::spawn_blocking(|| finish(run)).await;
    let record = record.expect("the run's own checks hold");
    let seen = std::mem::take(&mut *eyes.seen.lock().expect("nobody panicked"));
    (seen, record)
}
