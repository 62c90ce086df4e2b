//! From a scenario to calls that are ready to be made.
//!
//! Owns everything that is done once and before the run: TLS settings, descriptions, encoding.

mod calls;
mod methods;

use std::sync::Arc;
use std::time::Duration;

use prost_reflect::MethodDescriptor;

use self::calls::{Context, call_headers, health_check, look_over, offered, prepare_call};
pub(super) use self::methods::reflect;
use self::methods::{Asked, ask_server, resolve, split};
use super::call::Call;
use super::checking::{self, Checking};
use super::descriptor::{Catalogue, Found};
use super::error::DriverError;
use super::metadata::headers;
use super::unary::UnaryCall;
use super::{HTTP2, health, reply};
use crate::cap::Cap;
use crate::clock::nanos;
use crate::driver::header_fields::Sources;
use crate::driver::http2::{Breaking, How, Standings, Wanted};
use crate::driver::mistake::Mistake;
use crate::driver::steps::{At, Life, Parts, Ready, Stage};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::expression::Known;
use crate::scenario::{
    Codec, ConnectionPer, GrpcCall, GrpcPlan, GrpcStreamEnd, HealthCheck, Pick, Retry,
    ScenarioPlan, all_steps,
};
use crate::workload::Lookouts;

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Where to, at least one.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) wanted: Wanted,
    /// Whether our own codec was asked for, and the first call that it does not make.
    pub(super) asks_for_own: bool,
    pub(super) not_own: Option<String>,
    /// How long a user keeps a connection of its own; `None` where they share some.
    pub(super) connection_per: Option<ConnectionPer>,
    /// Whether iterations have streams that are to last for a time.
    pub(super) has_lasting_streams: bool,
    pub(super) timeout: Duration,
    /// How calls are made again.
    pub(super) retry: Option<Retry>,
    /// Which target calls go to; `None` gives connections their turns.
    pub(super) pick: Option<How>,
    /// How targets stand, where it matters.
    pub(super) standings: Option<Arc<Standings>>,
    /// How they are asked for their health, where they are.
    pub(super) checking: Option<Checking>,
    pub(super) life: Life<Call>,
    /// What it is made of that may change.
    pub(super) lookouts: Lookouts,
}

impl Prepared {
    /// Of what is read on the way, the stage's secrets learn.
    pub(super) fn new(
        scenario: &ScenarioPlan,
        plan: &GrpcPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        let mut sources = Sources::new(stage.secrets);
        let endpoints = endpoints::of(scenario, &HTTP2)?;
        let mut catalogue = Catalogue::new(&plan.protos)?;
        let reflected = ask_server(scenario, plan, &endpoints, &mut catalogue, &mut sources)?;
        let context = Context::new(scenario, plan, &catalogue, &endpoints);
        // Our own, where it can make all calls.
        let mut not_own = None;
        let life = Life::prepare(scenario, &parts(plan), stage, |call: &GrpcCall, at| {
            let path = format!("{}.grpc", at.path);
            let made = if call.is_health_check {
                health_check(&context, call, at, &mut sources)?
            } else {
                let method = resolve(&catalogue, &reflected, call, &path)?;
                ready(&context, call, &method, at, &mut sources)?
            };
            if not_own.is_none()
                && let Some(why) = made.action.as_ref().and_then(Call::not_for_own_codec)
            {
                not_own = Some(format!("`{path}`: {why}"));
            }
            Ok::<_, DriverError>(made)
        })?;
        let checking = plan.health_check.as_deref();
        let checking = checking.map(|check| asking(&context, check, &mut sources));
        let checking = checking.transpose()?;
        let files = endpoints::lookouts(&endpoints).chain(sources.lookouts());
        Ok(Self {
            lookouts: Lookouts(files.collect()),
            timeout: scenario.timeout,
            retry: plan.retry.as_deref().cloned(),
            pick: how(scenario, plan)?,
            standings: standings(plan),
            checking,
            endpoints,
            wanted: Wanted {
                connections: plan.connections,
                most_streams: plan.streams_per_connection.unwrap_or(u32::MAX).max(1),
                codec: match not_own {
                    Some(_) => Codec::H2,
                    None => plan.codec.unwrap_or_default(),
                },
                connect_timeout: scenario.connect_timeout,
                keepalive: plan.keepalive,
                waits_for_ready: plan.wait_for_ready,
                connect_cap: plan.connect_rate.map(Cap::new).map(Arc::new),
            },
            asks_for_own: plan.codec == Some(Codec::Own),
            not_own,
            connection_per: plan.connection_per,
            has_lasting_streams: has_lasting_streams(plan),
            life,
        })
    }
}

/// Which target calls go to.
fn how(scenario: &ScenarioPlan, plan: &GrpcPlan) -> Result<Option<How>, DriverError> {
    let weights = match &plan.pick {
        None => return Ok(None),
        Some(Pick::RoundRobin) => return Ok(Some(How::RoundRobin)),
        Some(Pick::Random) => return Ok(Some(How::Random)),
        Some(Pick::LeastInFlight) => return Ok(Some(How::LeastInFlight)),
        Some(Pick::Weights(weights)) => weights,
    };
    let names = scenario.targets.iter().enumerate().map(|(nth, target)| {
        let server = scenario.target_backends.get(nth);
        server.map_or_else(|| target.to_string(), |it| format!("backend:{it}"))
    });
    let of = names.map(|name| {
        let weight = weights.iter().find(|(given, _)| *given == name);
        weight.map(|(_, weight)| *weight).ok_or_else(|| {
            let given: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
            let problem = format!(
                "there is no weight of `{name}`; there are {}",
                given.join(", ")
            );
            vec![Mistake::new("pick.weights", problem)]
        })
    });
    let of: Result<Vec<u32>, Vec<Mistake>> = of.collect();
    Ok(Some(How::Weights(of?)))
}

/// How targets stand, where the scenario asks about that.
fn standings(plan: &GrpcPlan) -> Option<Arc<Standings>> {
    let breaking = plan.circuit_breaker.as_ref().map(|it| Breaking {
        failures: it.failures,
        open_for: nanos(it.open_for),
        trials: it.trials,
    });
    let is_any = breaking.is_some() || plan.health_check.is_some();
    is_any.then(|| Arc::new(Standings::new(breaking)))
}

/// How targets are asked for their health.
fn asking(
    context: &Context<'_>,
    check: &HealthCheck,
    sources: &mut Sources,
) -> Result<Checking, DriverError> {
    let scenario = context.scenario;
    // What is templated belongs to users, and none of them asks.
    let metadata = &[("metadata", &*context.plan.metadata)];
    let metadata = headers(Some(check.timeout), None, metadata, sources)?;
    Ok(Checking {
        check: check.clone(),
        call: UnaryCall {
            number: 0,
            headers: metadata.constant,
            identity: None,
            compression: None,
            max_message: scenario.max_message,
            details: Arc::clone(&context.details),
        },
        question: health::question(&check.service),
        targets: context.targets(health::PATH),
        wanted: checking::wanted(check, scenario.connect_timeout),
    })
}

/// Whether a plan's iterations have streams that are to last for a time.
fn has_lasting_streams(plan: &GrpcPlan) -> bool {
    let lasts = |call: &GrpcCall| call.stream.is_some_and(GrpcStreamEnd::is_lasting);
    all_steps(&plan.steps, "steps")
        .iter()
        .any(|(_, step)| step.spoken().is_some_and(lasts))
}

/// A plan's steps, by when they are done.
fn parts(plan: &GrpcPlan) -> Parts<'_, GrpcCall> {
    Parts {
        setup: &plan.setup,
        begin: &plan.begin,
        steps: &plan.steps,
        end: &plan.end,
    }
}

/// A call that is ready, as far as nothing is wrong with it.
fn ready(
    context: &Context<'_>,
    call: &GrpcCall,
    method: &MethodDescriptor,
    at: &At<'_>,
    sources: &mut Sources,
) -> Result<Ready<Call>, DriverError> {
    let prepared = prepare_call(context, call, method, at, sources)?;
    let action = prepared.map_err(|wrong| wrong.into_iter().for_each(|it| at.lexicon.add(it)));
    Ok(Ready {
        action: action.ok(),
        reply: offered(reply::known(&method.output())),
    })
}

/// Checks a scenario without its server. Returns the methods that only the server can tell of.
pub(super) fn check(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    stage: &Stage<'_>,
) -> Result<Vec<String>, DriverError> {
    let endpoints = endpoints::check(scenario, &HTTP2)?;
    let catalogue = Catalogue::new(&plan.protos)?;
    let context = Context::new(scenario, plan, &catalogue, &endpoints);
    let mut sources = Sources::new(stage.secrets);
    let mut left_to_server: Vec<String> = Vec::new();
    Life::prepare(scenario, &parts(plan), stage, |call: &GrpcCall, at| {
        let path = format!("{}.grpc", at.path);
        if call.is_health_check {
            return health_check(&context, call, at, &mut sources);
        }
        let unknown = split(&call.method).filter(|(service, method)| {
            matches!(catalogue.find(service, method), Found::NoSuchService)
        });
        if unknown.is_none() {
            let method = resolve(&catalogue, &Asked::Not, call, &path)?;
            return ready(&context, call, &method, at, &mut sources);
        }
        let metadata = call_headers(scenario, plan, call, &path, &mut sources)?;
        look_over(&[], &metadata, at);
        if !left_to_server.contains(&call.method) {
            left_to_server.push(call.method.clone());
        }
        Ok::<_, DriverError>(Ready {
            action: None,
            reply: offered(Known::Anything),
        })
    })?;
    Ok(left_to_server)
}
