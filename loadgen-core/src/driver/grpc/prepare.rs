//! From a scenario to calls that are ready to be made.
//!
//! Owns everything that is done once and before the run: TLS settings, descriptions, encoding.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use serde_json::Value;

use super::call::{
    Call, Kind, Messages, Outbound, Reply, Shape, StreamCall, Target, metadata as metadata_of,
};
use super::checking::{self, Checking};
use super::descriptor::{Catalogue, Found};
use super::details::Details;
use super::error::DriverError;
use super::filled::{Answer, FilledCall};
use super::framed::Framed;
use super::metadata::{Metadata, headers};
use super::numbered::{IdField, Numbered, with_placeholder};
use super::reflection::{self, Reflected};
use super::template;
use super::unary::UnaryCall;
use super::{HTTP2, compression, framing, health, reply};
use crate::cap::Cap;
use crate::clock::nanos;
use crate::driver::header_fields::Sources;
use crate::driver::http2::{Breaking, How, Standings, Wanted};
use crate::driver::mistake::Mistake;
use crate::driver::steps::{At, Life, Looks, Parts, Ready, Stage};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::expression::Known;
use crate::nearest::nearest;
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

/// What an answer offers to expressions.
fn offered(reply: Known) -> Vec<(&'static str, Known)> {
    vec![
        ("reply", reply),
        ("status", Known::Text),
        ("metadata", Known::Anything),
        ("headers", Known::Anything),
        ("trailers", Known::Anything),
    ]
}

/// Looks over what is evaluated for a call.
fn look_over(messages: &[Outbound], metadata: &Metadata, at: &At<'_>) {
    for hole in messages.iter().flat_map(Outbound::holes) {
        let names = hole.names();
        hole.each(&mut |path, names| at.lexicon.check(names, path));
        at.lexicon
            .try_out(&names, |scope| hole.write(scope, &mut Vec::new()));
    }
    for template in &metadata.templates {
        let names = template.names();
        at.lexicon.check(&names, template.path());
        at.lexicon
            .try_out(&names, |scope| template.filled(scope).map(drop));
    }
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

fn uri(endpoint: &Endpoint, path: &str) -> Option<Uri> {
    Uri::builder()
        .scheme(endpoint.scheme())
        .authority(endpoint.authority.as_str())
        .path_and_query(path)
        .build()
        .ok()
}

/// What asking the server for descriptions came to.
enum Asked {
    /// It was not asked.
    Not,
    /// It has these services.
    Services(Vec<String>),
    /// It could not help, and this is why.
    InVain(String),
}

/// Asks the server about the services that nothing else describes.
fn ask_server(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    endpoints: &[Endpoint],
    catalogue: &mut Catalogue,
    sources: &mut Sources,
) -> Result<Asked, DriverError> {
    let parts = [&plan.setup, &plan.begin, &plan.steps, &plan.end];
    let unknown: BTreeSet<String> = parts
        .into_iter()
        .flat_map(|steps| all_steps(steps, ""))
        .filter_map(|(_, step)| step.spoken())
        .filter(|call| !call.is_health_check)
        .filter_map(|call| split(&call.method))
        .filter(|(service, method)| matches!(catalogue.find(service, method), Found::NoSuchService))
        .map(|(service, _)| service.to_owned())
        .collect();
    if unknown.is_empty() {
        return Ok(Asked::Not);
    }
    match reflect(scenario, plan, endpoints, &unknown, sources)? {
        Reflected::NotHelpful(problem) => Ok(Asked::InVain(problem)),
        Reflected::Described { pool, services } => {
            catalogue.add(pool);
            Ok(Asked::Services(services))
        }
    }
}

/// Asks the first server that can be reached about these services, with the scenario's metadata. Blocks.
pub(super) fn reflect(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    endpoints: &[Endpoint],
    services: &BTreeSet<String>,
    sources: &mut Sources,
) -> Result<Reflected, DriverError> {
    let (limit, max_message) = (scenario.connect_timeout, scenario.max_message);
    // What is templated belongs to users, and there are none yet.
    let metadata = headers(Some(limit), None, &[("metadata", &plan.metadata)], sources)?;
    let metadata = metadata_of(&metadata.constant);
    // A thread of its own: the caller may be inside a runtime, which must not be blocked in.
    let reflected = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let asked = reflection::ask(endpoints, services, &metadata, limit, max_message);
            Ok::<_, std::io::Error>(runtime.block_on(asked))
        });
        asking
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that asked panicked")))
    })?;
    reflected.map_err(|error| DriverError::Unreachable(error.to_string()))
}

/// `package.Service/Method`, with or without a slash in front.
fn split(method: &str) -> Option<(&str, &str)> {
    let (service, method) = method.strip_prefix('/').unwrap_or(method).split_once('/')?;
    (!service.is_empty() && !method.is_empty() && !method.contains('/'))
        .then_some((service, method))
}

fn resolve(
    catalogue: &Catalogue,
    asked: &Asked,
    call: &GrpcCall,
    path: &str,
) -> Result<MethodDescriptor, DriverError> {
    let path = format!("{path}.method");
    let method = call.method.clone();
    let Some((service, name)) = split(&call.method) else {
        return Err(DriverError::MethodName { path, method });
    };
    let found = catalogue.find(service, name);
    if let Found::Method(found) = found {
        return Ok(found);
    }
    if let (Found::NoSuchService, Asked::InVain(problem)) = (&found, asked) {
        return Err(DriverError::Undescribed {
            path,
            nearest: catalogue.nearest(&method),
            method,
            problem: problem.clone(),
        });
    }
    let mut near = catalogue.nearest(&method);
    let mut there = Vec::new();
    if let (Found::NoSuchService, Asked::Services(services)) = (&found, asked) {
        let renamed: Vec<_> = services
            .iter()
            .map(|service| format!("{service}/{name}"))
            .collect();
        let of_server = nearest(&method, renamed.iter().map(String::as_str));
        near = of_server.map(str::to_owned).or(near);
        there.clone_from(services);
    }
    Err(DriverError::UnknownMethod {
        path,
        method,
        nearest: near,
        services: there.into(),
    })
}

/// What is the same for all calls of a scenario.
struct Context<'a> {
    scenario: &'a ScenarioPlan,
    plan: &'a GrpcPlan,
    endpoints: &'a [Endpoint],
    details: Arc<Details>,
    /// How many have a number.
    unary_calls: Cell<usize>,
}

impl<'a> Context<'a> {
    fn new(
        scenario: &'a ScenarioPlan,
        plan: &'a GrpcPlan,
        catalogue: &Catalogue,
        endpoints: &'a [Endpoint],
    ) -> Self {
        Self {
            scenario,
            plan,
            endpoints,
            details: Arc::new(Details::of(catalogue)),
            unary_calls: Cell::new(0),
        }
    }

    fn targets(&self, rpc_path: &str) -> Vec<Target> {
        let target = |endpoint| Target {
            uri: uri(endpoint, rpc_path).expect("checked with the targets"),
            origin: uri(endpoint, "/").expect("checked with the targets"),
        };
        self.endpoints.iter().map(target).collect()
    }
}

/// The call, or what is wrong with its message.
fn prepare_call(
    context: &Context<'_>,
    call: &GrpcCall,
    method: &MethodDescriptor,
    at: &At<'_>,
    sources: &mut Sources,
) -> Result<Result<Call, Vec<Mistake>>, DriverError> {
    let scenario = context.scenario;
    let path = &format!("{}.grpc", at.path);
    let message_path = format!("{path}.message");
    let shape = Shape::of(method.is_client_streaming(), method.is_server_streaming());
    let name = method.full_name();
    let one_mistake = |path: &str, problem: String| Ok(Err(vec![Mistake::new(path, problem)]));
    let all = match &call.message {
        Value::Array(several) if shape.sends_one() && several.len() != 1 => {
            let problem = format!("`{name}` takes one message, and here are {}", several.len());
            return one_mistake(&message_path, problem);
        }
        Value::Array(several) => several
            .iter()
            .enumerate()
            .map(|(nth, one)| (one, format!("{message_path}[{nth}]")))
            .collect(),
        one => vec![(one, message_path.clone())],
    };
    let id = match ids(call, method, shape, path) {
        Ok(id) => id,
        Err(mistake) => return Ok(Err(vec![mistake])),
    };
    let (mut each, mut mistakes) = (Vec::new(), Vec::new());
    for (one, path) in all {
        match outbound(call, method, one, id.as_ref(), &path) {
            Ok(message) => each.push(message),
            Err(more) => mistakes.extend(more),
        }
    }
    if call.stream.is_some() && shape.answers_one() {
        let problem = format!("`{name}` answers with one message: there is no stream to end");
        mistakes.push(Mistake::new(&format!("{path}.stream"), problem));
    }
    if call.checks_each {
        at.checks_each.set(true);
        let problem = match shape {
            _ if !at.has_checks => Some("the step has no `check` that could be of each".to_owned()),
            _ if shape.answers_one() => Some(format!("`{name}` answers with one message")),
            _ => None,
        };
        mistakes.extend(problem.map(|it| Mistake::new(&format!("{path}.checked"), it)));
    }
    mistakes.extend(beside_the_kind(call, shape, name, path));
    if !mistakes.is_empty() {
        return Ok(Err(mistakes));
    }
    let metadata = call_headers(scenario, context.plan, call, path, sources)?;
    look_over(&each, &metadata, at);
    let answer = Answer {
        looks: at.looks,
        checked: at.checked,
        identity: at.identity.clone(),
        descriptor: method.output(),
    };
    let rpc_path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let kind = if shape == Shape::Unary {
        let Some(kind) = unary(context, call, each.pop(), metadata, answer) else {
            let problem = "the message is longer than 4 GiB, which gRPC cannot carry".to_owned();
            return one_mistake(&message_path, problem);
        };
        kind
    } else {
        Kind::Stream(Box::new(StreamCall {
            shape,
            path: path_of(&rpc_path),
            metadata,
            messages: Messages {
                count: match shape.sends_one() {
                    true => 1,
                    false => call
                        .repeat
                        .max(u32::try_from(each.len()).unwrap_or(u32::MAX)),
                },
                each: each.into(),
                compression: call.compression,
            },
            until: call.stream,
            at_least: call.at_least,
            patience: scenario.timeout,
            every: call.every,
            in_flight: call.in_flight.max(1),
            watch: None,
            reply: id.map_or(Reply::Nothing, |(_, came)| Reply::Id { came }),
            max_message: scenario.max_message,
            details: Arc::clone(&context.details),
            answer,
        }))
    };
    Ok(Ok(Call {
        targets: context.targets(&rpc_path),
        kind,
        method: method.clone(),
    }))
}

/// What is said of messages that a method of this kind does not have: it would be kept to nowhere.
fn beside_the_kind(call: &GrpcCall, shape: Shape, name: &str, path: &str) -> Vec<Mistake> {
    let takes_one = format!("`{name}` takes one message: ");
    let sends_one = shape.sends_one();
    let fields = [
        (
            "repeat",
            sends_one && call.repeat > 1,
            format!(
                "{takes_one}to call it several times, put the step into a `repeat` of its own, \
                 `{{ \"repeat\": {}, \"steps\": [ … ] }}`",
                call.repeat
            ),
        ),
        (
            "every",
            sends_one && call.every.is_some(),
            format!("{takes_one}there is no time between two of them"),
        ),
        (
            "in_flight",
            shape != Shape::Bidirectional && call.in_flight > 1,
            format!("each message has an answer on bidirectional streams, and `{name}` is none"),
        ),
    ];
    let wrong = fields.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
    wrong
        .map(|(field, _, problem)| Mistake::new(&format!("{path}.{field}"), problem))
        .collect()
}

/// A unary call. `None` where its message is longer than gRPC can carry.
fn unary(
    context: &Context<'_>,
    call: &GrpcCall,
    message: Option<Outbound>,
    metadata: Metadata,
    answer: Answer,
) -> Option<Kind> {
    let message = match message {
        Some(Outbound::Template { message, .. }) => Framed::Template(message),
        message => {
            let encoded = match message {
                Some(Outbound::Constant(encoded)) => encoded,
                // Numbers are for streams.
                _ => Bytes::new(),
            };
            Framed::Constant(framing::with_prefix(call.compression.is_some(), &encoded)?)
        }
    };
    let is_plain = metadata.templates.is_empty() && answer.looks == Looks::default();
    let number = context.unary_calls.get();
    context.unary_calls.set(number + 1);
    let unary = UnaryCall {
        number,
        headers: Arc::clone(&metadata.constant),
        identity: answer.identity.header().cloned(),
        compression: call.compression,
        max_message: context.scenario.max_message,
        details: Arc::clone(&context.details),
    };
    Some(match is_plain {
        true => Kind::Unary(unary, message),
        false => Kind::Filled(Box::new(FilledCall {
            metadata,
            unary,
            message,
            answer,
        })),
    })
}

fn path_of(rpc_path: &str) -> PathAndQuery {
    PathAndQuery::try_from(rpc_path)
        .expect("names of services and methods are letters, digits, dots and underscores")
}

/// The field by which replies are told apart, in the message and in the reply.
fn ids(
    call: &GrpcCall,
    method: &MethodDescriptor,
    shape: Shape,
    path: &str,
) -> Result<Option<(IdField, IdField)>, Mistake> {
    let Some(field) = &call.match_id else {
        return Ok(None);
    };
    let wrong = |problem: String| Mistake::new(&format!("{path}.match_id"), problem);
    if shape != Shape::Bidirectional {
        let name = method.full_name();
        return Err(wrong(format!(
            "replies are told apart on bidirectional streams, and `{name}` is none"
        )));
    }
    let sent = IdField::find(&method.input(), field);
    let sent = sent.map_err(|problem| wrong(format!("in the message: {problem}")))?;
    let came = IdField::find(&method.output(), field);
    let came = came.map_err(|problem| wrong(format!("in the reply: {problem}")))?;
    Ok(Some((sent, came)))
}

/// A message, encoded and, where it is always the same, compressed.
fn outbound(
    call: &GrpcCall,
    method: &MethodDescriptor,
    message: &Value,
    id: Option<&(IdField, IdField)>,
    path: &str,
) -> Result<Outbound, Vec<Mistake>> {
    let wrong = |problem| vec![Mistake::new(path, problem)];
    let input = method.input();
    let whole = match &call.match_id {
        Some(name) => Cow::Owned(with_placeholder(&input, message, name).map_err(wrong)?),
        None => Cow::Borrowed(message),
    };
    let prepared = template::prepare(&input, &whole, path)?;
    match (prepared.constant(), id) {
        (Some(encoded), None) => packed(call, encoded)
            .map(Outbound::Constant)
            .map_err(|error| wrong(format!("it cannot be compressed: {error}"))),
        (Some(encoded), Some((field, _))) => Ok(Outbound::Numbered(Numbered::new(field, encoded))),
        (None, id) => Ok(Outbound::Template {
            number: id.map(|(field, _)| Numbered::new(field, &[])),
            message: prepared,
        }),
    }
}

fn packed(call: &GrpcCall, encoded: &Bytes) -> std::io::Result<Bytes> {
    Ok(match call.compression {
        Some(how) => compression::pack(how, encoded)?.into(),
        None => encoded.clone(),
    })
}

/// A check of health, which nothing has to describe.
fn health_check(
    context: &Context<'_>,
    call: &GrpcCall,
    at: &At<'_>,
    sources: &mut Sources,
) -> Result<Ready<Call>, DriverError> {
    let path = &format!("{}.grpc", at.path);
    let scenario = context.scenario;
    let metadata = call_headers(scenario, context.plan, call, path, sources)?;
    let method = health::method();
    let reply = offered(reply::known(&method.output()));
    let question = outbound(
        call,
        &method,
        &call.message,
        None,
        &format!("{path}.health"),
    );
    let question = match question {
        Ok(question) => [question],
        Err(wrong) => {
            wrong.into_iter().for_each(|it| at.lexicon.add(it));
            return Ok(Ready {
                action: None,
                reply,
            });
        }
    };
    look_over(&question, &metadata, at);
    let kind = Kind::Stream(Box::new(StreamCall {
        shape: Shape::Unary,
        path: PathAndQuery::from_static(health::PATH),
        metadata,
        messages: Messages {
            each: question.into(),
            count: 1,
            compression: call.compression,
        },
        until: None,
        at_least: None,
        patience: scenario.timeout,
        every: None,
        in_flight: 1,
        watch: None,
        reply: Reply::Health,
        max_message: scenario.max_message,
        details: Arc::clone(&context.details),
        answer: Answer {
            looks: at.looks,
            checked: at.checked,
            identity: at.identity.clone(),
            descriptor: method.output(),
        },
    }));
    Ok(Ready {
        reply,
        action: Some(Call {
            targets: context.targets(health::PATH),
            kind,
            method,
        }),
    })
}

fn call_headers(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    call: &GrpcCall,
    path: &str,
    sources: &mut Sources,
) -> Result<Metadata, DriverError> {
    let own = format!("{path}.metadata");
    // What lasts for the load has no deadline.
    let is_bounded = call.stream != Some(GrpcStreamEnd::Load);
    headers(
        is_bounded.then_some(scenario.timeout),
        call.compression,
        &[("metadata", &plan.metadata), (&own, &call.metadata)],
        sources,
    )
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("a.B/C" => Some(("a.B", "C")))]
    #[test_case("/a.B/C" => Some(("a.B", "C")))]
    #[test_case("a.B" => None)]
    #[test_case("a.B/" => None)]
    #[test_case("/C" => None)]
    #[test_case("a/b/c" => None)]
    fn splits(method: &str) -> Option<(&str, &str)> {
        split(method)
    }
}
