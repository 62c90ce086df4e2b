//! One call to one server, by the same driver as any load: a run of one iteration, whose exchange is listened to.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use loadgen_core::driver::{Content, Exchange, Interceptor};
use loadgen_core::engine::Stopper;
use serde_json::{Value, json};

use crate::ad_hoc::{AdHoc, in_flags};
use crate::args::{AdHocArgs, ClientArgs, GrpcArgs, RunArgs, VisitKind};
use crate::error::Error;
use crate::human;
use crate::paint::Paint;
use crate::settings::RunSettings;

/// What a bidirectional visit sends, one by one, as the original did.
const MESSAGES: u64 = 5;

/// Whoever visits one server, as often as asked.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Where to.
    pub(crate) target: String,
    settings: RunSettings,
}

/// What came of a visit.
#[derive(Debug)]
pub(crate) enum Visit {
    /// An answer.
    Answered(Answer),
    /// None, and why.
    Failed(String),
    /// It was given up because the process ends.
    Stopped,
}

/// Who answered, and what.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    id: String,
    host: String,
    /// What each message says.
    said: Vec<String>,
    /// How long it took from the request to the last of the answer.
    took_ns: u64,
}

impl Visitor {
    /// One who visits a target in the way that the flags say.
    ///
    /// # Errors
    /// When they make no call.
    pub(crate) fn of(args: &ClientArgs, target: &str) -> Result<Self, Error> {
        let (method, data) = match args.kind {
            VisitKind::Unary => ("loadgen.v1.Greeter/Hello", json!({ "name": "loadgen" })),
            VisitKind::Bidirectional => {
                let messages = 1..=MESSAGES;
                let messages =
                    messages.map(|number| json!({ "text": format!("message {number}") }));
                ("loadgen.v1.Greeter/Chat", messages.collect())
            }
        };
        let address = match args.secure {
            true => format!("https://{target}"),
            false => target.to_owned(),
        };
        let call = GrpcArgs {
            target: address,
            method: method.to_owned(),
            data: Some(data.to_string()),
            shared: AdHocArgs {
                run: RunArgs {
                    requests: Some(1),
                    concurrency: Some(1),
                    timeout: Some(args.timeout),
                    tls_ca: args.tls_ca.clone(),
                    tls_server_name: args.tls_server_name.clone(),
                    insecure_skip_verify: args.insecure_skip_verify,
                    ..RunArgs::default()
                },
                ..AdHocArgs::default()
            },
            ..GrpcArgs::default()
        };
        let settings = AdHoc::of_grpc(&call)?.settle(1).map_err(in_flags)?;
        Ok(Self {
            target: target.to_owned(),
            settings,
        })
    }

    /// Goes there over a new connection. Whoever is to end it finds `under_way` what does.
    pub(crate) fn visit(&self, under_way: &Mutex<Option<Stopper>>) -> Visit {
        let heard = Arc::new(Heard::default());
        let (plan, options) = (&self.settings.plan, self.settings.options.clone());
        let run = match loadgen_core::assemble_intercepted(plan, options, heard.clone()) {
            Ok(run) => run,
            Err(error) => return Visit::Failed(self.without_name(error)),
        };
        let hold = |stopper| *under_way.lock().unwrap_or_else(PoisonError::into_inner) = stopper;
        hold(Some(run.stopper()));
        let ran = run.execute();
        hold(None);
        let visit = heard
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (visit, ran) {
            (Some(visit), _) => visit,
            (None, Err(loadgen_core::engine::RunError::StoppedEarly) | Ok(_)) => Visit::Stopped,
            (None, Err(error)) => Visit::Failed(self.without_name(error)),
        }
    }

    /// What is wrong, without the name of the scenario, which nobody has given.
    fn without_name(&self, error: impl fmt::Display) -> String {
        let text = error.to_string();
        let named = self.settings.plan.scenarios.first();
        let named = named.map(|it| format!("scenario `{}`: ", it.name));
        match named.and_then(|named| text.strip_prefix(&named)) {
            Some(rest) => rest.to_owned(),
            None => text,
        }
    }
}

impl Visit {
    /// Whether somebody answered.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Self::Answered(_))
    }

    /// A line of it, and one for each message of several.
    pub(crate) fn text(&self, label: &str, target: &str, paint: Paint) -> String {
        let label = match label {
            "" => String::new(),
            label => paint.faint(label),
        };
        let begin = format!("{label}{}", paint.strong(target));
        match self {
            Self::Answered(answer) => {
                let took = human::micros(answer.took_ns as f64 / 1e3);
                let who = match (answer.id.as_str(), answer.host.as_str()) {
                    ("", _) => "somebody without a name".to_owned(),
                    (id, "") => paint.good(id),
                    (id, host) => format!("{} on {host}", paint.good(id)),
                };
                match &answer.said[..] {
                    [only] => format!("{begin} answered by {who}: {only} ({took})\n"),
                    said => {
                        let echoes = said.iter().map(|it| format!("    {it}\n"));
                        let echoes: String = echoes.collect();
                        let count = human::counted(said.len() as u64, "message");
                        format!("{begin} answered by {who}: {count} ({took})\n{echoes}")
                    }
                }
            }
            Self::Failed(why) => format!("{begin} {}: {why}\n", paint.bad("no answer")),
            Self::Stopped => format!("{begin} given up\n"),
        }
    }
}

/// What was heard of the one exchange.
#[derive(Default)]
struct Heard(Mutex<Option<Visit>>);

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard").finish_non_exhaustive()
    }
}

impl Interceptor for Heard {
    fn exchange(&self, exchange: &Exchange<'_>) {
        let visit = match exchange.outcome().is_ok() {
            true => Visit::Answered(answer(exchange)),
            false => Visit::Failed(match exchange.detail() {
                Some(detail) => format!("{}: {detail}", exchange.outcome()),
                None => exchange.outcome().to_string(),
            }),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(visit);
    }
}

fn answer(exchange: &Exchange<'_>) -> Answer {
    let mut answer = Answer {
        took_ns: exchange.times().response_time(),
        ..Answer::default()
    };
    for message in exchange.messages().filter(|it| !it.is_sent()) {
        let Content::Json(reply) = message.content() else {
            continue;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let said = reply.get("message").or(reply.get("text"));
        answer
            .said
            .push(json!(said.map(text).unwrap_or_default()).to_string());
        if let Some(backend) = reply.get("backend") {
            answer.id = text(&backend["id"]);
            answer.host = text(&backend["host"]);
        }
    }
    answer
}
