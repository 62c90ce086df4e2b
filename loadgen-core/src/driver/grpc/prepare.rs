//! From a scenario to calls that are ready to be made.
//!
//! Owns everything that is done once and before the run: TLS settings, descriptions, encoding.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use serde_json::Value;

use super::call::{Call, Kind, Messages, Shape, StreamCall, Target, metadata as metadata_of};
use super::descriptor::{Catalogue, Found};
use super::error::DriverError;
use super::filled::{Answer, FilledCall};
use super::metadata::{Metadata, headers};
use super::reflection::{self, Reflected};
use super::template::{self, MessageTemplate};
use super::unary::UnaryCall;
use super::{HTTP2, framing, reply};
use crate::driver::http2::Wanted;
use crate::driver::mistake::Mistake;
use crate::driver::steps::{At, Life, Looks, Parts, Ready};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::expression::Known;
use crate::nearest::nearest;
use crate::scenario::{GrpcCall, GrpcPlan, ScenarioPlan, all_steps};

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) wanted: Wanted,
    pub(super) timeout: Duration,
    pub(super) life: Life<Call>,
}

impl Prepared {
    pub(super) fn new(scenario: &ScenarioPlan, plan: &GrpcPlan) -> Result<Self, DriverError> {
        let endpoints = endpoints::of(scenario, &HTTP2)?;
        let mut catalogue = Catalogue::new(&plan.protos)?;
        let reflected = ask_server(scenario, plan, &endpoints, &mut catalogue)?;
        let life = Life::prepare(scenario, &parts(plan), |call: &GrpcCall, at| {
            let path = format!("{}.grpc", at.path);
            let method = resolve(&catalogue, &reflected, call, &path)?;
            ready(scenario, plan, call, &method, &endpoints, at, &path)
        })?;
        Ok(Self {
            timeout: scenario.timeout,
            wanted: Wanted {
                endpoints,
                connections: plan.connections,
                most_streams: plan.streams_per_connection.unwrap_or(u32::MAX).max(1),
                connect_timeout: scenario.connect_timeout,
                keepalive: plan.keepalive,
            },
            life,
        })
    }
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
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    call: &GrpcCall,
    method: &MethodDescriptor,
    endpoints: &[Endpoint],
    at: &At<'_>,
    path: &str,
) -> Result<Ready<Call>, DriverError> {
    let prepared = prepare_call(scenario, plan, call, method, endpoints, at, path)?;
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
        ("status", Known::Scalar),
        ("metadata", Known::Anything),
        ("headers", Known::Anything),
        ("trailers", Known::Anything),
    ]
}

/// Looks over what is evaluated for a call.
fn look_over(messages: &[MessageTemplate], metadata: &Metadata, at: &At<'_>) {
    for hole in messages.iter().flat_map(MessageTemplate::holes) {
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
pub(super) fn check(scenario: &ScenarioPlan, plan: &GrpcPlan) -> Result<Vec<String>, DriverError> {
    let endpoints = endpoints::check(scenario, &HTTP2)?;
    let catalogue = Catalogue::new(&plan.protos)?;
    let mut left_to_server: Vec<String> = Vec::new();
    Life::prepare(scenario, &parts(plan), |call: &GrpcCall, at| {
        let path = format!("{}.grpc", at.path);
        let unknown = split(&call.method).filter(|(service, method)| {
            matches!(catalogue.find(service, method), Found::NoSuchService)
        });
        if unknown.is_none() {
            let method = resolve(&catalogue, &Asked::Not, call, &path)?;
            return ready(scenario, plan, call, &method, &endpoints, at, &path);
        }
        look_over(&[], &call_headers(scenario, plan, call, &path)?, at);
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
) -> Result<Asked, DriverError> {
    let parts = [&plan.setup, &plan.begin, &plan.steps, &plan.end];
    let unknown: BTreeSet<String> = parts
        .into_iter()
        .flat_map(|steps| all_steps(steps, ""))
        .filter_map(|(_, step)| split(&step.spoken()?.method))
        .filter(|(service, method)| matches!(catalogue.find(service, method), Found::NoSuchService))
        .map(|(service, _)| service.to_owned())
        .collect();
    if unknown.is_empty() {
        return Ok(Asked::Not);
    }
    match reflect(scenario, plan, endpoints, &unknown)? {
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
) -> Result<Reflected, DriverError> {
    let (limit, max_message) = (scenario.connect_timeout, scenario.max_message);
    // What is templated belongs to users, and there are none yet.
    let metadata = headers(limit, &[("metadata", &plan.metadata)])?.constant;
    let metadata = metadata_of(Arc::unwrap_or_clone(metadata));
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

/// The call, or what is wrong with its message.
fn prepare_call(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    call: &GrpcCall,
    method: &MethodDescriptor,
    endpoints: &[Endpoint],
    at: &At<'_>,
    path: &str,
) -> Result<Result<Call, Vec<Mistake>>, DriverError> {
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
    let (mut each, mut mistakes) = (Vec::new(), Vec::new());
    for (one, path) in all {
        match template::prepare(&method.input(), one, &path) {
            Ok(message) => each.push(message),
            Err(more) => mistakes.extend(more),
        }
    }
    if call.stream.is_some() && shape.answers_one() {
        let problem = format!("`{name}` answers with one message: there is no stream to end");
        mistakes.push(Mistake::new(&format!("{path}.stream"), problem));
    }
    if !mistakes.is_empty() {
        return Ok(Err(mistakes));
    }
    let metadata = call_headers(scenario, plan, call, path)?;
    look_over(&each, &metadata, at);
    let answer = Answer {
        looks: at.looks,
        descriptor: method.output(),
    };
    let rpc_path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let kind = if shape == Shape::Unary && !call.gzip {
        let message = each.swap_remove(0);
        let encoded = message.constant().cloned().unwrap_or_default();
        let Some(framed) = framing::with_prefix(&encoded) else {
            let problem = "the message is longer than 4 GiB, which gRPC cannot carry".to_owned();
            return one_mistake(&message_path, problem);
        };
        let is_plain = message.constant().is_some()
            && metadata.templates.is_empty()
            && at.looks == Looks::default();
        let constant = UnaryCall {
            headers: Arc::clone(&metadata.constant),
            framed,
            max_message: scenario.max_message,
        };
        match is_plain {
            true => Kind::Unary(constant),
            false => Kind::Filled(Box::new(FilledCall {
                metadata,
                constant,
                message,
                answer,
            })),
        }
    } else {
        Kind::Stream(Box::new(StreamCall {
            shape,
            path: PathAndQuery::try_from(rpc_path.as_str())
                .expect("names of services and methods are letters, digits, dots and underscores"),
            metadata,
            messages: Messages {
                count: match shape.sends_one() {
                    true => 1,
                    false => call
                        .repeat
                        .max(u32::try_from(each.len()).unwrap_or(u32::MAX)),
                },
                each: each.into(),
            },
            until: call.stream,
            every: call.every,
            in_flight: call.in_flight.max(1),
            gzip: call.gzip,
            seen: None,
            max_message: scenario.max_message,
            answer,
        }))
    };
    let targets = endpoints
        .iter()
        .map(|endpoint| Target {
            uri: uri(endpoint, &rpc_path).expect("checked with the targets"),
            origin: uri(endpoint, "/").expect("checked with the targets"),
        })
        .collect();
    Ok(Ok(Call {
        targets,
        kind,
        method: method.clone(),
    }))
}

fn call_headers(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    call: &GrpcCall,
    path: &str,
) -> Result<Metadata, DriverError> {
    let own = format!("{path}.metadata");
    headers(
        scenario.timeout,
        &[("metadata", &plan.metadata), (&own, &call.metadata)],
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
