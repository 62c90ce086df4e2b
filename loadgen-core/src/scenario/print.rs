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
use super::reader::{Entries, List, Slot};
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
        scenarios: Slot::Given(List::of(scenarios.iter().map(scenario))),
        ..RawSuite::default()
    };
    // By way of a text: the direct way would write numbers of messages anew. Only a map with keys
    // that are no text could fail, and there is none.
    let text = serde_json::to_string(&suite).unwrap_or_default();
    super::json::parse("", &text, &Problems::default()).unwrap_or_default()
}

fn scenario(plan: &ScenarioPlan) -> RawScenario {
    RawScenario {
        name: Slot::Given(ScenarioName(plan.name.clone())),
        description: Slot::from_option(plan.description.clone()),
        targets: unless_empty(plan.targets.iter().map(|target| TargetText {
            target: target.clone(),
            scheme: None,
        })),
        connections: Slot::from_option(plan.connections.map(number)),
        streams_per_connection: Slot::from_option(plan.streams_per_connection.map(number)),
        connection_per: match (plan.protocol, plan.connection_per) {
            (Protocol::Websocket, ConnectionPer::User) => Slot::Given(RawConnectionPer::User),
            (_, ConnectionPer::Iteration) => Slot::Given(RawConnectionPer::Iteration),
            (Protocol::Grpc, ConnectionPer::User) => Slot::Absent,
        },
        connect_rate: Slot::from_option(plan.connect_rate),
        load: Slot::Given(load(&plan.load)),
        start_after: Slot::Given(Span(plan.start_after)),
        warm_up: Slot::Given(Span(plan.warm_up)),
        graceful_stop: Slot::Given(Span(plan.graceful_stop)),
        timeout: Slot::Given(PositiveSpan(plan.timeout)),
        connect_timeout: Slot::Given(PositiveSpan(plan.connect_timeout)),
        late_after: Slot::Given(PositiveSpan(plan.late_after)),
        max_message: Slot::Given(MaxMessage(plan.max_message)),
        keepalive: Slot::from_option(plan.keepalive.map(PositiveSpan)),
        authority: Slot::from_option(plan.authority.clone().map(Authority)),
        tls: Slot::from_option(plan.tls.as_ref().map(|tls| RawTls {
            ca_file: Slot::from_option(tls.ca_file.as_deref().map(path)),
            cert_file: Slot::from_option(tls.cert_file.as_deref().map(path)),
            key_file: Slot::from_option(tls.key_file.as_deref().map(path)),
            server_name: Slot::from_option(tls.server_name.clone().map(ServerName)),
            insecure_skip_verify: match tls.insecure_skip_verify {
                true => Slot::Given(true),
                false => Slot::Absent,
            },
            alpn: match tls.alpn {
                true => Slot::Absent,
                false => Slot::Given(false),
            },
        })),
        metadata: entries(&plan.metadata, MetadataValue),
        headers: entries(&plan.headers, HeaderValue),
        subprotocols: unless_empty(plan.subprotocols.iter().cloned().map(Subprotocol)),
        tags: match plan.tags.is_empty() {
            true => Slot::Absent,
            false => Slot::Given(Entries(
                plan.tags
                    .iter()
                    .map(|(key, value)| (key.clone(), Slot::Given(TagValue(value.clone()))))
                    .collect(),
            )),
        },
        protos: unless_empty(plan.protos.iter().map(|file| path(file))),
        steps: Slot::Given(List::of(plan.steps.iter().map(step))),
        thresholds: Slot::Given(List::of(plan.thresholds.iter().cloned())),
    }
}

fn unless_empty<T>(items: impl ExactSizeIterator<Item = T>) -> Slot<List<T>> {
    match items.len() {
        0 => Slot::Absent,
        _ => Slot::Given(List::of(items)),
    }
}

fn number<const MIN: u64, const MAX: u64>(value: u32) -> Bounded<MIN, MAX> {
    Bounded(u64::from(value))
}

fn path(path: &std::path::Path) -> FilePath {
    FilePath(path.to_string_lossy().into_owned())
}

fn entries<T>(entries: &[(String, String)], value_of: fn(String) -> T) -> Slot<Entries<T>> {
    match entries {
        [] => Slot::Absent,
        entries => Slot::Given(Entries(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), Slot::Given(value_of(value.clone()))))
                .collect(),
        )),
    }
}

fn load(load: &Load) -> RawLoad {
    match load {
        Load::Closed(model) => RawLoad {
            closed: Slot::Given(closed(model)),
            open: Slot::Absent,
        },
        Load::Open(model) => RawLoad {
            closed: Slot::Absent,
            open: Slot::Given(open(model)),
        },
    }
}

fn closed(model: &ClosedModel) -> RawClosed {
    let mut raw = RawClosed {
        users: Slot::Given(number(model.users)),
        max_duration: Slot::from_option(model.max_duration.map(PositiveSpan)),
        think_time: Slot::from_option(model.think_time.map(|think_time| match think_time {
            ThinkTime::Fixed(duration) => RawThinkTime::Fixed(Span(duration)),
            ThinkTime::Between(shortest, longest) => RawThinkTime::Between(RawBetween {
                between: Slot::Given(List::of([Span(shortest), Span(longest)])),
            }),
        })),
        rate_limit: Slot::from_option(model.rate_limit),
        ..RawClosed::default()
    };
    match &model.limit {
        Limit::Iterations(count) => raw.iterations = Slot::Given(Bounded(*count)),
        Limit::IterationsPerUser(count) => raw.iterations_per_user = Slot::Given(Bounded(*count)),
        Limit::Duration(duration) => raw.duration = Slot::Given(PositiveSpan(*duration)),
        Limit::Stages(stages) => {
            raw.users = Slot::Absent;
            raw.stages = Slot::Given(List::of(stages.iter().map(|stage| RawUserStage {
                duration: Slot::Given(Span(stage.duration)),
                users: Slot::Given(number(stage.users)),
            })));
        }
    }
    raw
}

fn open(model: &OpenModel) -> RawOpen {
    let mut raw = RawOpen {
        arrivals: Slot::Given(match model.spacing {
            Spacing::Uniform => RawArrivals::Uniform,
            Spacing::Poisson => RawArrivals::Poisson,
        }),
        users: Slot::Given(RawOpenUsers {
            max: Slot::Given(number(model.max_users)),
        }),
        when_busy: Slot::Given(match model.when_busy {
            WhenBusy::Queue => RawWhenBusy::Queue,
            WhenBusy::Drop => RawWhenBusy::Drop,
        }),
        ..RawOpen::default()
    };
    match constant(&model.stages) {
        Some((rate, stage)) => {
            raw.rate = Slot::Given(rate);
            raw.duration = Slot::Given(PositiveSpan(stage.duration));
        }
        None => raw.stages = Slot::Given(List::of(rate_stages(&model.stages))),
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
        duration: Slot::Given(Span(duration)),
        rate: Slot::Given(ZeroOrRate::trusted(rate)),
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
            name: Slot::Given(StepName(plan.name.clone())),
            grpc: Slot::Given(grpc(call)),
            ..RawStep::default()
        },
        Action::Websocket(exchange) => RawStep {
            name: Slot::Given(StepName(plan.name.clone())),
            websocket: Slot::Given(websocket(exchange)),
            ..RawStep::default()
        },
        Action::Pause(duration) => RawStep {
            pause: Slot::Given(PositiveSpan(*duration)),
            ..RawStep::default()
        },
    }
}

fn grpc(call: &GrpcCall) -> RawGrpc {
    RawGrpc {
        method: Slot::Given(Method(call.method.clone())),
        message: Slot::Given(Message(call.message.clone())),
        repeat: Slot::Given(number(call.repeat)),
        every: Slot::from_option(call.every.map(PositiveSpan)),
        in_flight: Slot::Given(number(call.in_flight)),
        stream: Slot::from_option(call.stream.map(|until| match until {
            StreamEnd::Messages(count) => RawStreamEnd {
                messages: Slot::Given(number(count)),
                ..RawStreamEnd::default()
            },
            StreamEnd::After(duration) => RawStreamEnd {
                duration: Slot::Given(PositiveSpan(duration)),
                ..RawStreamEnd::default()
            },
        })),
        metadata: entries(&call.metadata, MetadataValue),
        compression: match call.gzip {
            true => Slot::Given(RawCompression::Gzip),
            false => Slot::Absent,
        },
    }
}

fn websocket(exchange: &WebsocketExchange) -> RawWebsocket {
    let mut raw = RawWebsocket {
        path: Slot::Given(Path(exchange.path.clone())),
        every: Slot::from_option(exchange.every.map(PositiveSpan)),
        greeting: match exchange.greeting {
            0 => Slot::Absent,
            messages => Slot::Given(number(messages)),
        },
        pushes: match exchange.pushes {
            true => Slot::Given(true),
            false => Slot::Absent,
        },
        ..RawWebsocket::default()
    };
    let (mut repeats, mut overlaps) = (true, true);
    match &exchange.messages {
        WebsocketMessages::Send { payload, answer } => {
            raw.send = Slot::Given(send(payload));
            match answer {
                Answer::None => {
                    raw.reply = Slot::Given(RawReply::None);
                    overlaps = false;
                }
                Answer::InOrder => raw.reply = Slot::Given(RawReply::One),
                Answer::ById(field) => {
                    raw.reply = Slot::Given(RawReply::One);
                    raw.match_id = Slot::Given(FieldPath(field.clone()));
                }
                Answer::Marked {
                    mark: given,
                    match_id,
                } => {
                    raw.reply = Slot::Given(RawReply::Marked(mark(given)));
                    raw.match_id = Slot::from_option(match_id.clone().map(FieldPath));
                }
                Answer::Stream(messages) => {
                    raw.stream = Slot::Given(stream(messages));
                    overlaps = false;
                }
            }
        }
        WebsocketMessages::Ping => raw.ping = Slot::Given(Ping),
        WebsocketMessages::Listen(messages) => {
            raw.stream = Slot::Given(stream(messages));
            (repeats, overlaps) = (false, false);
        }
    }
    // What does not apply is printed where a plan made in code has it all the same, so that
    // reading it finds the mistake.
    if repeats || exchange.repeat != 1 {
        raw.repeat = Slot::Given(number(exchange.repeat));
    }
    if overlaps || exchange.in_flight != 1 {
        raw.in_flight = Slot::Given(number(exchange.in_flight));
    }
    raw
}

fn send(payload: &Payload) -> RawSend {
    let raw = RawSend::default();
    match payload {
        Payload::Text(text) => RawSend {
            text: Slot::Given(TextMessage(text.clone())),
            ..raw
        },
        Payload::Json(value) => RawSend {
            json: Slot::Given(JsonMessage(value.clone())),
            ..raw
        },
        Payload::Binary(bytes) => RawSend {
            binary: Slot::Given(Bytes(bytes.clone())),
            ..raw
        },
        Payload::Sized { bytes, text } => RawSend {
            size: Slot::Given(MessageSize(*bytes)),
            send_as: Slot::Given(match text {
                true => RawSendAs::Text,
                false => RawSendAs::Binary,
            }),
            ..raw
        },
    }
}

fn mark(mark: &ReplyMark) -> RawMark {
    RawMark {
        field: Slot::Given(FieldPath(mark.field.clone())),
        equals: Slot::Given(Scalar(mark.equals.clone())),
    }
}

fn stream(messages: &MessageStream) -> RawMessageStream {
    let mut raw = RawMessageStream {
        sequence: Slot::from_option(messages.sequence.clone().map(FieldPath)),
        ..RawMessageStream::default()
    };
    match messages.until {
        StreamEnd::Messages(count) => raw.messages = Slot::Given(number(count)),
        StreamEnd::After(duration) => raw.duration = Slot::Given(PositiveSpan(duration)),
    }
    raw
}
