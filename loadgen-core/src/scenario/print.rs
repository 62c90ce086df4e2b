//! A plan in the full form, every default written out: what `validate --print` shows and a result
//! document keeps. It reads back as the same plan.

use serde_json::Value;

use super::call::{Message, MetadataValue, Method};
use super::elements::{
    Bounded, FilePath, PositiveSpan, ScenarioName, ServerName, Span, StepName, TagValue, TargetText,
};
use super::plan::{Action, GrpcCall, ScenarioPlan, StepPlan};
use super::raw::{
    RawArrivals, RawBetween, RawClosed, RawCompression, RawGrpc, RawLoad, RawOpen, RawOpenUsers,
    RawRateStage, RawScenario, RawStep, RawSuite, RawThinkTime, RawTls, RawUserStage, RawWhenBusy,
};
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
    // Only a map with keys that are no text could fail, and there is none.
    serde_json::to_value(&suite).unwrap_or_default()
}

fn scenario(plan: &ScenarioPlan) -> RawScenario {
    RawScenario {
        name: Slot::Given(ScenarioName(plan.name.clone())),
        description: Slot::from_option(plan.description.clone()),
        targets: unless_empty(plan.targets.iter().map(|target| TargetText {
            target: target.clone(),
            says_http: false,
        })),
        connections: Slot::from_option(plan.connections.map(number)),
        streams_per_connection: Slot::from_option(plan.streams_per_connection.map(number)),
        load: Slot::Given(load(&plan.load)),
        start_after: Slot::Given(Span(plan.start_after)),
        warm_up: Slot::Given(Span(plan.warm_up)),
        graceful_stop: Slot::Given(Span(plan.graceful_stop)),
        timeout: Slot::Given(PositiveSpan(plan.timeout)),
        connect_timeout: Slot::Given(PositiveSpan(plan.connect_timeout)),
        late_after: Slot::Given(PositiveSpan(plan.late_after)),
        tls: Slot::from_option(plan.tls.as_ref().map(|tls| RawTls {
            ca_file: Slot::from_option(tls.ca_file.as_deref().map(path)),
            server_name: Slot::from_option(tls.server_name.clone().map(ServerName)),
            insecure_skip_verify: match tls.insecure_skip_verify {
                true => Slot::Given(true),
                false => Slot::Absent,
            },
        })),
        metadata: metadata(&plan.metadata),
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

fn metadata(entries: &[(String, String)]) -> Slot<Entries<MetadataValue>> {
    match entries {
        [] => Slot::Absent,
        entries => Slot::Given(Entries(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), Slot::Given(MetadataValue(value.clone()))))
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
            pause: Slot::Absent,
        },
        Action::Websocket(_) => RawStep::default(),
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
        metadata: metadata(&call.metadata),
        compression: match call.gzip {
            true => Slot::Given(RawCompression::Gzip),
            false => Slot::Absent,
        },
    }
}
