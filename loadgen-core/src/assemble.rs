//! From a plan to a run: the one place that chooses a driver.

use std::sync::Arc;
use std::time::Duration;

use crate::condition::Threshold;
#[cfg(feature = "grpc")]
use crate::driver::grpc::{self, GrpcFactory};
use crate::driver::guests::Guests;
#[cfg(feature = "http")]
use crate::driver::http::{self, HttpFactory};
#[cfg(feature = "tcp")]
use crate::driver::tcp::{self, TcpFactory};
#[cfg(feature = "websocket")]
use crate::driver::websocket::{self, WebsocketFactory};
use crate::driver::{Interceptor, Mistake, sources};
use crate::engine::{LifePart, Options, Run, ScenarioSpec, StepSpec};
use crate::expectation::Sticky;
use crate::record::{Names, TimelineSpec};
use crate::scenario::{Plan, ProtocolPlan, ScenarioPlan, to_json};
use crate::secrets::Secrets;
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
use crate::workload::Lookouts;

/// Why a plan could not be turned into a run. What a server said in place of helping is repeated without
/// the scenario's secrets.
#[derive(Debug, thiserror::Error)]
#[error("scenario `{scenario}`: {}", problems.join("\n  "))]
pub struct AssembleError {
    scenario: String,
    /// Never empty.
    problems: Vec<String>,
    is_unreachable: bool,
}

/// What a driver has against a scenario.
#[derive(Debug, thiserror::Error)]
enum DriverError {
    #[cfg(feature = "grpc")]
    #[error(transparent)]
    Grpc(#[from] grpc::DriverError),
    #[cfg(feature = "websocket")]
    #[error(transparent)]
    Websocket(#[from] websocket::DriverError),
    #[cfg(feature = "tcp")]
    #[error(transparent)]
    Tcp(#[from] tcp::DriverError),
    #[cfg(feature = "http")]
    #[error(transparent)]
    Http(#[from] http::DriverError),
    #[cfg(not(all(
        feature = "grpc",
        feature = "websocket",
        feature = "http",
        feature = "tcp"
    )))]
    #[error("loadgen-core was built without the feature `{0}`")]
    NotBuilt(crate::scenario::Protocol),
}

impl AssembleError {
    /// Whether the reason is that no target answered, rather than what the plan asks for.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.is_unreachable
    }

    /// Which scenario cannot be run.
    #[must_use]
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// Everything that is wrong with it, each with its place in the scenario where it has one. Never empty.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl DriverError {
    fn is_unreachable(&self) -> bool {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(grpc::DriverError::Unreachable { .. }) => true,
            _ => false,
        }
    }

    /// Each thing that is wrong.
    fn problems(&self) -> Vec<String> {
        let mistakes: &[Mistake] = match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(grpc::DriverError::Mistakes(mistakes)) => mistakes,
            #[cfg(feature = "websocket")]
            Self::Websocket(websocket::DriverError::Mistakes(mistakes)) => mistakes,
            #[cfg(feature = "tcp")]
            Self::Tcp(tcp::DriverError::Mistakes(mistakes)) => mistakes,
            #[cfg(feature = "http")]
            Self::Http(http::DriverError::Mistakes(mistakes)) => mistakes,
            _ => return vec![self.to_string()],
        };
        mistakes.iter().map(ToString::to_string).collect()
    }
}

/// A scenario in which nothing is wrong that can be seen without its server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Checked {
    /// The gRPC methods that the server is asked about when the run is prepared, in order of use,
    /// each once: neither the scenario nor loadgen describes them.
    pub left_to_server: Vec<String>,
}

/// Checks a scenario as [`assemble()`] would, as far as that goes without a connection. It may have
/// no targets yet.
///
/// # Errors
/// [`AssembleError`] when a method or message does not exist as the plan writes it, or a file cannot
/// be read.
pub fn check(scenario: &ScenarioPlan) -> Result<Checked, AssembleError> {
    let secrets = Secrets::default();
    let guests = Guests::checked(scenario, &secrets);
    let checked = match &scenario.protocol {
        #[cfg(feature = "grpc")]
        ProtocolPlan::Grpc(plan) => GrpcFactory::check_on(scenario, plan, &guests.stage())
            .map(|left_to_server| Checked { left_to_server })
            .map_err(DriverError::from),
        #[cfg(feature = "websocket")]
        ProtocolPlan::Websocket(plan) => {
            WebsocketFactory::check_on(scenario, plan, &guests.stage())
                .map(|()| Checked::default())
                .map_err(DriverError::from)
        }
        #[cfg(feature = "tcp")]
        ProtocolPlan::Tcp(plan) => TcpFactory::check_on(scenario, plan, &guests.stage())
            .map(|()| Checked::default())
            .map_err(DriverError::from),
        #[cfg(feature = "http")]
        ProtocolPlan::Http(plan) => HttpFactory::check_on(scenario, plan, &guests.stage())
            .map(|()| Checked::default())
            .map_err(DriverError::from),
        #[cfg(not(all(
            feature = "grpc",
            feature = "websocket",
            feature = "http",
            feature = "tcp"
        )))]
        other => Err(DriverError::NotBuilt(other.protocol())),
    };
    let mut checked = checked.map_err(|problem| failed(scenario, &problem))?;
    for method in guests.left_to_server() {
        if !checked.left_to_server.contains(&method) {
            checked.left_to_server.push(method);
        }
    }
    Ok(checked)
}

/// Builds the run that a plan describes: descriptors resolved, constant messages encoded, one
/// workload factory per scenario. Every scenario needs targets by now.
///
/// # Errors
/// [`AssembleError`] when a method or message does not exist as the plan writes it, a file cannot
/// be read, or a server that has to be asked for its descriptors does not answer.
pub fn assemble(plan: &Plan, options: Options) -> Result<Run, AssembleError> {
    assembled(plan, options, None)
}

/// The same, with all that is sent and answered shown to an interceptor.
///
/// # Errors
/// As for [`assemble()`].
#[expect(
    clippy::needless_pass_by_value,
    reason = "the run shares it from here on"
)]
pub fn assemble_intercepted(
    plan: &Plan,
    options: Options,
    interceptor: Arc<dyn Interceptor>,
) -> Result<Run, AssembleError> {
    assembled(plan, options, Some(&interceptor))
}

fn assembled(
    plan: &Plan,
    options: Options,
    interceptor: Option<&Arc<dyn Interceptor>>,
) -> Result<Run, AssembleError> {
    let shard = options.shard;
    let of_part = |all: &[Threshold]| all.iter().map(|it| it.clone().in_shard(shard)).collect();
    let conditions: Vec<Threshold> = of_part(&plan.thresholds);
    let run = Run::new(options).thresholds(conditions);
    let mut scenarios = plan.scenarios.iter().enumerate();
    scenarios.try_fold(run, |run, (index, scenario)| {
        let scenario = &scenario.connecting_in(scenario.part(shard).unwrap_or_default());
        let mut spec = spec(scenario);
        spec.thresholds = of_part(&scenario.thresholds);
        spec.timeline = timeline(plan, index);
        spec.sticky = scenario.expect.sticky.as_ref().and_then(Sticky::by);
        spec.servers = plan.may_answer(scenario).map(str::to_owned).collect();
        let secrets = spec.secrets.clone();
        let guests = Guests::of(scenario, &secrets, interceptor);
        add(run, scenario, spec, &guests, interceptor).map_err(|problem| AssembleError {
            is_unreachable: problem.is_unreachable() || guests.is_unreachable(),
            ..failed(scenario, &problem)
        })
    })
}

/// How long before an event requests are recorded in fine pieces of time: what was usual.
const BEFORE: Duration = Duration::from_secs(5);
/// How long after it is over: until all is usual again, or it may be said that it was not.
const AFTER: Duration = Duration::from_secs(60);

/// What of a scenario is recorded in fine pieces of time: what is around events.
fn timeline(plan: &Plan, scenario: usize) -> Option<TimelineSpec> {
    let around = |(at, over): (Duration, Duration)| (at.saturating_sub(BEFORE), over + AFTER);
    let windows: Vec<_> = plan.events_on(scenario).map(around).collect();
    let ok_within = plan.scenarios.get(scenario)?.expect.ok_within;
    (!windows.is_empty()).then(|| TimelineSpec::new(windows, ok_within))
}

/// The names of what the run of a plan will record, as [`Run::names`] has them. The plan may have no
/// targets yet.
#[must_use]
pub fn names(plan: &Plan) -> Vec<Names> {
    plan.scenarios.iter().map(|it| spec(it).names()).collect()
}

/// How many workers the run of a plan will have, as [`Run::workers`] tells. The plan may have no targets
/// yet.
#[must_use]
pub fn workers(plan: &Plan, options: &Options) -> usize {
    let specs: Vec<ScenarioSpec> = plan.scenarios.iter().map(spec).collect();
    crate::engine::workers(options, specs.iter())
}

/// Who speaks for the steps that go elsewhere.
fn speak_elsewhere(spec: &mut ScenarioSpec, guests: &Guests<'_>) {
    spec.codec_elsewhere = guests.codec();
    spec.notices.extend(guests.notices());
}

fn add(
    run: Run,
    scenario: &ScenarioPlan,
    mut spec: ScenarioSpec,
    guests: &Guests<'_>,
    interceptor: Option<&Arc<dyn Interceptor>>,
) -> Result<Run, DriverError> {
    Ok(match &scenario.protocol {
        #[cfg(feature = "grpc")]
        ProtocolPlan::Grpc(plan) => {
            let mut factory = GrpcFactory::on(scenario, plan, &guests.stage())?;
            if let Some(interceptor) = interceptor {
                factory = factory.with_interceptor(Arc::clone(interceptor));
            }
            learn_all(&spec.secrets, factory.secrets());
            spec.lookouts = both(factory.lookouts(), guests.lookouts());
            spec.most_iterations = factory.most_iterations();
            spec.codec = Some(factory.codec().to_string());
            spec.notices.extend(factory.codec_notice());
            speak_elsewhere(&mut spec, guests);
            run.scenario(spec, move |context| factory.workload(context))
        }
        #[cfg(feature = "tcp")]
        ProtocolPlan::Tcp(plan) => {
            let mut factory = TcpFactory::on(scenario, plan, &guests.stage())?;
            if let Some(interceptor) = interceptor {
                factory = factory.with_interceptor(Arc::clone(interceptor));
            }
            learn_all(&spec.secrets, factory.secrets());
            spec.lookouts = both(factory.lookouts(), guests.lookouts());
            spec.most_iterations = factory.most_iterations();
            speak_elsewhere(&mut spec, guests);
            run.scenario(spec, move |context| factory.workload(context))
        }
        #[cfg(feature = "websocket")]
        ProtocolPlan::Websocket(plan) => {
            let mut factory = WebsocketFactory::on(scenario, plan, &guests.stage())?;
            if let Some(interceptor) = interceptor {
                factory = factory.with_interceptor(Arc::clone(interceptor));
            }
            learn_all(&spec.secrets, factory.secrets());
            spec.lookouts = both(factory.lookouts(), guests.lookouts());
            spec.most_iterations = factory.most_iterations();
            speak_elsewhere(&mut spec, guests);
            run.scenario(spec, move |context| factory.workload(context))
        }
        #[cfg(feature = "http")]
        ProtocolPlan::Http(plan) => {
            let mut factory = HttpFactory::on(scenario, plan, &guests.stage())?;
            if let Some(interceptor) = interceptor {
                factory = factory.with_interceptor(Arc::clone(interceptor));
            }
            learn_all(&spec.secrets, factory.secrets());
            spec.lookouts = both(factory.lookouts(), guests.lookouts());
            spec.most_iterations = factory.most_iterations();
            speak_elsewhere(&mut spec, guests);
            run.scenario(spec, move |context| factory.workload(context))
        }
        #[cfg(not(all(
            feature = "grpc",
            feature = "websocket",
            feature = "http",
            feature = "tcp"
        )))]
        other => return Err(DriverError::NotBuilt(other.protocol())),
    })
}

/// The files of the scenario's own steps, and of those that go elsewhere.
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
fn both(mut own: Lookouts, elsewhere: Lookouts) -> Lookouts {
    own.0.extend(elsewhere.0);
    own
}

/// What expressions take from the environment is masked as other values from there are.
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
fn learn_all(secrets: &Secrets, values: &[String]) {
    values.iter().for_each(|value| secrets.learn("", value));
}

fn failed(scenario: &ScenarioPlan, problem: &DriverError) -> AssembleError {
    AssembleError {
        scenario: scenario.name.clone(),
        problems: {
            let secrets = secrets_of(scenario);
            let problems = problem.problems().into_iter();
            problems.map(|it| secrets.masked(&it)).collect()
        },
        is_unreachable: problem.is_unreachable(),
    }
}

/// What the scenario has of secrets, and what stands elsewhere, as far as it can be read.
fn secrets_of(scenario: &ScenarioPlan) -> Secrets {
    let secrets = Secrets::of(&to_json(std::slice::from_ref(scenario)));
    let guests = scenario.guests();
    let all = std::iter::once(scenario).chain(&guests);
    for source in all.flat_map(|it| it.protocol.sources()) {
        sources::learn(&secrets, source);
    }
    secrets
}

/// How long the engine lets a user take for its first steps, and for its last. The driver holds them to the
/// scenario's timeout itself, pauses left out, and bounds how long a connection takes to open and close: this
/// only stands behind it.
const STEPS_OUTSIDE: Duration = Duration::from_secs(3_600);

/// The engine's view of a scenario.
fn spec(plan: &ScenarioPlan) -> ScenarioSpec {
    let of_plan = ScenarioSpec::new(plan.name.clone(), plan.load.clone());
    let steps = steps(plan);
    let has = |part| steps.iter().any(|it| it.part == Some(part));
    let has_begin = has(LifePart::Begin);
    // What is elsewhere is ended, too.
    let has_end = has(LifePart::End) || !plan.elsewhere.is_empty();
    ScenarioSpec {
        protocol: plan.protocol().to_string(),
        start_after: plan.start_after,
        warm_up: plan.warm_up,
        graceful_stop: plan.graceful_stop,
        timeout: plan.timeout,
        late_after: plan.late_after,
        max_workers: plan.connections_shared().map(|it| it as usize),
        open_within: has_begin.then_some(STEPS_OUTSIDE),
        close_within: if has_end {
            STEPS_OUTSIDE
        } else {
            of_plan.close_within
        },
        steps,
        tags: plan.tags.clone().into_iter().collect(),
        targets: plan.targets.iter().map(ToString::to_string).collect(),
        switches_targets: true,
        lasting: plan.protocol.lasts_as_load(),
        connects_each: plan.protocol.connects_each(),
        retries: matches!(&plan.protocol, ProtocolPlan::Grpc(it) if it.retry.is_some()),
        thresholds: plan.thresholds.clone(),
        secrets: secrets_of(plan),
        ..of_plan
    }
}

/// What is measured apart in a plan.
fn steps(plan: &ScenarioPlan) -> Vec<StepSpec> {
    let parts = [Some(LifePart::Begin), None, Some(LifePart::End)];
    let all = plan.protocol.measured().into_iter().zip(parts);
    all.flat_map(|(steps, part)| {
        let spec = move |(name, checks, apart): (&str, &[String], bool)| {
            let spec = StepSpec::from(name).checks(checks);
            spec.part(part).apart(apart)
        };
        steps.into_iter().map(spec)
    })
    .collect()
}
