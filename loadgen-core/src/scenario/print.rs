//! A plan in the full form, every default written out: what `validate --print` shows and a result
//! document keeps. It reads back as the same plan.

use serde_json::Value;

use super::call::{Message, MetadataValue, Method};
use super::elements::{
    Authority, Bounded, FilePath, MaxMessage, PositiveSpan, ScenarioName, ServerName, Span,
    StepName, TagValue, TargetText,
};
use super::exchange::{
    Bytes, FieldPath, HeaderValue, JsonMessage, MessageSize, Path, Ping, Scalar, Subprotocol,
    TextMessage,
};
use super::plan::{
    Action, Answer, ConnectionPer, GrpcCall, MessageStream, Payload, Protocol, ReplyMark,
    ScenarioPlan, StepPlan, StreamEnd, WebsocketExchange, WebsocketMessages,
};
use super::problem::Problems;
use super::raw::{
    RawArrivals, RawBetween, RawClosed, RawCompression, RawConnectionPer, RawGrpc, RawLoad,
    RawOpen, RawOpenUsers, RawRateStage, RawScenario, RawStep, RawStreamEnd, RawSuite,
    RawThinkTime, RawTls, RawUserStage, RawWhenBusy,
};
use super::raw_websocket::{RawMark, RawMessageStream, RawReply, RawSend, RawSendAs, RawWebsocket};
use super::reader::{Entries, Entry, List};
use crate::schedule::{
    ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, ThinkTime, WhenBusy,
};
use crate::units::{Rate, ZeroOrRate};

/// The full form of these scenarios, as a suite of its own.
///
/// Paths are printed as the plan has them, so they read back the same without a base folder.
#[must_use]
pub fn to_json(scenarios: &[ScenarioPlan]) -> Value {
    let suite = RawSuite {
        scenarios: Entry::Given(List::of(scenarios.iter().map(scenario))),
        ..RawSuite::default()
    };
    // By way of a text: the direct way would write numbers of messages anew. Only a map with keys
    // that are no text could fail, and there is none.
    let text = serde_json::to_string(&suite).unwrap_or_default();
    super::json::parse("", &text, &Problems::default()).unwrap_or_default()
}

fn scenario(plan: &ScenarioPlan) -> RawScenario {
    RawScenario {
        name: Entry::Given(ScenarioName(plan.name.clone())),
        description: Entry::from_option(plan.description.clone()),
        targets: unless_empty(plan.targets.iter().map(|target| TargetText {
            target: target.clone(),
            scheme: None,
        })),
        connections: Entry::from_option(plan.connections.map(number)),
        streams_per_connection: Entry::from_option(plan.streams_per_connection.map(number)),
        connection_per: match (plan.protocol, plan.connection_per) {
            (Protocol::Websocket, ConnectionPer::User) => Entry::Given(RawConnectionPer::User),
            (_, ConnectionPer::Iteration) => Entry::Given(RawConnectionPer::Iteration),
            (Protocol::Grpc, ConnectionPer::User) => Entry::Absent,
        },
        connect_rate: Entry::from_option(plan.connect_rate),
        load: Entry::Given(load(&plan.load)),
        start_after: Entry::Given(Span(plan.start_after)),
        warm_up: Entry::Given(Span(plan.warm_up)),
        graceful_stop: Entry::Given(Span(plan.graceful_stop)),
        timeout: Entry::Given(PositiveSpan(plan.timeout)),
        connect_timeout: Entry::Given(PositiveSpan(plan.connect_timeout)),
        late_after: Entry::Given(PositiveSpan(plan.late_after)),
        max_message: Entry::Given(MaxMessage(plan.max_message)),
        keepalive: Entry::from_option(plan.keepalive.map(PositiveSpan)),
        authority: Entry::from_option(plan.authority.clone().map(Authority)),
        tls: Entry::from_option(plan.tls.as_ref().map(|tls| RawTls {
            ca_file: Entry::from_option(tls.ca_file.as_deref().map(path)),
            cert_file: Entry::from_option(tls.cert_file.as_deref().map(path)),
            key_file: Entry::from_option(tls.key_file.as_deref().map(path)),
            server_name: Entry::from_option(tls.server_name.clone().map(ServerName)),
            insecure_skip_verify: match tls.insecure_skip_verify {
                true => Entry::Given(true),
                false => Entry::Absent,
            },
            alpn: match tls.alpn {
                true => Entry::Absent,
                false => Entry::Given(false),
            },
        })),
        metadata: entries(&plan.metadata, MetadataValue),
        headers: entries(&plan.headers, HeaderValue),
        subprotocols: unless_empty(plan.subprotocols.iter().cloned().map(Subprotocol)),
        tags: match plan.tags.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Entries(
                plan.tags
                    .iter()
                    .map(|(key, value)| (key.clone(), Entry::Given(TagValue(value.clone()))))
                    .collect(),
            )),
        },
        protos: unless_empty(plan.protos.iter().map(|file| path(file))),
        steps: Entry::Given(List::of(plan.steps.iter().map(step))),
        thresholds: Entry::Given(List::of(plan.thresholds.iter().cloned())),
    }
}

fn unless_empty<T>(items: impl ExactSizeIterator<Item = T>) -> Entry<List<T>> {
    match items.len() {
        0 => Entry::Absent,
        _ => Entry::Given(List::of(items)),
    }
}

fn number<const MIN: u64, const MAX: u64>(value: u32) -> Bounded<MIN, MAX> {
    Bounded(u64::from(value))
}

fn path(path: &std::path::Path) -> FilePath {
    FilePath(path.to_string_lossy().into_owned())
}

fn entries<T>(entries: &[(String, String)], value_of: fn(String) -> T) -> Entry<Entries<T>> {
    match entries {
        [] => Entry::Absent,
        entries => Entry::Given(Entries(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), Entry::Given(value_of(value.clone()))))
                .collect(),
        )),
    }
}

fn load(load: &Load) -> RawLoad {
    match load {
        Load::Closed(model) => RawLoad {
            closed: Entry::Given(closed(model)),
            open: Entry::Absent,
        },
        Load::Open(model) => RawLoad {
            closed: Entry::Absent,
            open: Entry::Given(open(model)),
        },
    }
}

fn closed(model: &ClosedModel) -> RawClosed {
    let mut raw = RawClosed {
        users: Entry::Given(number(model.users)),
        max_duration: Entry::from_option(model.max_duration.map(PositiveSpan)),
        think_time: Entry::from_option(model.think_time.map(|think_time| match think_time {
            ThinkTime::Fixed(duration) => RawThinkTime::Fixed(Span(duration)),
            ThinkTime::Between(shortest, longest) => RawThinkTime::Between(RawBetween {
                between: Entry::Given(List::of([Span(shortest), Span(longest)])),
            }),
        })),
        rate_limit: Entry::from_option(model.rate_limit),
        ..RawClosed::default()
    };
    match &model.limit {
        Limit::Iterations(count) => raw.iterations = Entry::Given(Bounded(*count)),
        Limit::IterationsPerUser(count) => raw.iterations_per_user = Entry::Given(Bounded(*count)),
        Limit::Duration(duration) => raw.duration = Entry::Given(PositiveSpan(*duration)),
        Limit::Stages(stages) => {
            raw.users = Entry::Absent;
            raw.stages = Entry::Given(List::of(stages.iter().map(|stage| RawUserStage {
                duration: Entry::Given(Span(stage.duration)),
                users: Entry::Given(number(stage.users)),
            })));
        }
    }
    raw
}

fn open(model: &OpenModel) -> RawOpen {
    let mut raw = RawOpen {
        arrivals: Entry::Given(match model.spacing {
            Spacing::Uniform => RawArrivals::Uniform,
            Spacing::Poisson => RawArrivals::Poisson,
        }),
        users: Entry::Given(RawOpenUsers {
            max: Entry::Given(number(model.max_users)),
        }),
        when_busy: Entry::Given(match model.when_busy {
            WhenBusy::Queue => RawWhenBusy::Queue,
            WhenBusy::Drop => RawWhenBusy::Drop,
        }),
        ..RawOpen::default()
    };
    match constant(&model.stages) {
        Some((rate, stage)) => {
            raw.rate = Entry::Given(rate);
            raw.duration = Entry::Given(PositiveSpan(stage.duration));
        }
        None => raw.stages = Entry::Given(List::of(rate_stages(&model.stages))),
    }
    raw
}

fn constant(stages: &[RateStage]) -> Option<(Rate, &RateStage)> {
    match stages {
        [stage] if stage.from == stage.to => Some((Rate::new(stage.to).ok()?, stage)),
        _ => None,
    }
}

/// Where a stage does not begin at the rate that the one before it ended with, a stage of no
/// length jumps there.
fn rate_stages(stages: &[RateStage]) -> Vec<RawRateStage> {
    let raw = |duration, rate| RawRateStage {
        duration: Entry::Given(Span(duration)),
        rate: Entry::Given(ZeroOrRate::trusted(rate)),
    };
    let mut before = 0.0;
    let mut printed = Vec::with_capacity(stages.len());
    for stage in stages {
        if stage.from != before {
            printed.push(raw(std::time::Duration::ZERO, stage.from));
        }
        printed.push(raw(stage.duration, stage.to));
        before = stage.to;
    }
    printed
}

fn step(plan: &StepPlan) -> RawStep {
    match &plan.action {
        Action::Grpc(call) => RawStep {
            name: Entry::Given(StepName(plan.name.clone())),
            grpc: Entry::Given(grpc(call)),
            ..RawStep::default()
        },
        Action::Websocket(exchange) => RawStep {
            name: Entry::Given(StepName(plan.name.clone())),
            websocket: Entry::Given(websocket(exchange)),
            ..RawStep::default()
        },
        Action::Pause(duration) => RawStep {
            pause: Entry::Given(PositiveSpan(*duration)),
            ..RawStep::default()
        },
    }
}

fn grpc(call: &GrpcCall) -> RawGrpc {
    RawGrpc {
        method: Entry::Given(Method(call.method.clone())),
        message: Entry::Given(Message(call.message.clone())),
        repeat: Entry::Given(number(call.repeat)),
        every: Entry::from_option(call.every.map(PositiveSpan)),
        in_flight: Entry::Given(number(call.in_flight)),
        stream: Entry::from_option(call.stream.map(|until| match until {
            StreamEnd::Messages(count) => RawStreamEnd {
                messages: Entry::Given(number(count)),
                ..RawStreamEnd::default()
            },
            StreamEnd::After(duration) => RawStreamEnd {
                duration: Entry::Given(PositiveSpan(duration)),
                ..RawStreamEnd::default()
            },
        })),
        metadata: entries(&call.metadata, MetadataValue),
        compression: match call.gzip {
            true => Entry::Given(RawCompression::Gzip),
            false => Entry::Absent,
        },
    }
}

fn websocket(exchange: &WebsocketExchange) -> RawWebsocket {
    let mut raw = RawWebsocket {
        path: Entry::Given(Path(exchange.path.clone())),
        every: Entry::from_option(exchange.every.map(PositiveSpan)),
        greeting: match exchange.greeting {
            0 => Entry::Absent,
            messages => Entry::Given(number(messages)),
        },
        pushes: match exchange.pushes {
            true => Entry::Given(true),
            false => Entry::Absent,
        },
        ..RawWebsocket::default()
    };
    let (mut repeats, mut overlaps) = (true, true);
    match &exchange.messages {
        WebsocketMessages::Send { payload, answer } => {
            raw.send = Entry::Given(send(payload));
            match answer {
                Answer::None => {
                    raw.reply = Entry::Given(RawReply::None);
                    overlaps = false;
                }
                Answer::InOrder => raw.reply = Entry::Given(RawReply::One),
                Answer::ById(field) => {
                    raw.reply = Entry::Given(RawReply::One);
                    raw.match_id = Entry::Given(FieldPath(field.clone()));
                }
                Answer::Marked {
                    mark: given,
                    match_id,
                } => {
                    raw.reply = Entry::Given(RawReply::Marked(mark(given)));
                    raw.match_id = Entry::from_option(match_id.clone().map(FieldPath));
                }
                Answer::Stream(messages) => {
                    raw.stream = Entry::Given(stream(messages));
                    overlaps = false;
                }
            }
        }
        WebsocketMessages::Ping => raw.ping = Entry::Given(Ping),
        WebsocketMessages::Listen(messages) => {
            raw.stream = Entry::Given(stream(messages));
            (repeats, overlaps) = (false, false);
        }
    }
    // What does not apply is printed where a plan made in code has it all the same, so that
    // reading it finds the mistake.
    if repeats || exchange.repeat != 1 {
        raw.repeat = Entry::Given(number(exchange.repeat));
    }
    if overlaps || exchange.in_flight != 1 {
        raw.in_flight = Entry::Given(number(exchange.in_flight));
    }
    raw
}

fn send(payload: &Payload) -> RawSend {
    let raw = RawSend::default();
    match payload {
        Payload::Text(text) => RawSend {
            text: Entry::Given(TextMessage(text.clone())),
            ..raw
        },
        Payload::Json(value) => RawSend {
            json: Entry::Given(JsonMessage(value.clone())),
            ..raw
        },
        Payload::Binary(bytes) => RawSend {
            binary: Entry::Given(Bytes(bytes.clone())),
            ..raw
        },
        Payload::Sized { bytes, text } => RawSend {
            size: Entry::Given(MessageSize(*bytes)),
            send_as: Entry::Given(match text {
                true => RawSendAs::Text,
                false => RawSendAs::Binary,
            }),
            ..raw
        },
    }
}

fn mark(mark: &ReplyMark) -> RawMark {
    RawMark {
        field: Entry::Given(FieldPath(mark.field.clone())),
        equals: Entry::Given(Scalar(mark.equals.clone())),
    }
}

fn stream(messages: &MessageStream) -> RawMessageStream {
    let mut raw = RawMessageStream {
        sequence: Entry::from_option(messages.sequence.clone().map(FieldPath)),
        ..RawMessageStream::default()
    };
    match messages.until {
        StreamEnd::Messages(count) => raw.messages = Entry::Given(number(count)),
        StreamEnd::After(duration) => raw.duration = Entry::Given(PositiveSpan(duration)),
    }
    raw
}
