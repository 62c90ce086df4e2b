//! A call, made of its step and its method: checked, encoded, with all that is the same each time.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use serde_json::Value;

use super::super::call::{Call, Kind, Messages, Outbound, Reply, Shape, StreamCall, Target};
use super::super::descriptor::Catalogue;
use super::super::details::Details;
use super::super::error::DriverError;
use super::super::filled::{Answer, FilledCall};
use super::super::framed::Framed;
use super::super::metadata::{Metadata, headers};
use super::super::numbered::{IdField, Numbered, with_placeholder};
use super::super::template;
use super::super::unary::UnaryCall;
use super::super::{compression, framing, health, reply};
use crate::driver::header_fields::Sources;
use crate::driver::mistake::Mistake;
use crate::driver::steps::{At, Looks, Ready};
use crate::driver::transport::net::Endpoint;
use crate::expression::Known;
use crate::scenario::{GrpcCall, GrpcPlan, GrpcStreamEnd, ScenarioPlan};

/// What is the same for all calls of a scenario.
pub(super) struct Context<'a> {
    pub(super) scenario: &'a ScenarioPlan,
    pub(super) plan: &'a GrpcPlan,
    endpoints: &'a [Endpoint],
    pub(super) details: Arc<Details>,
    /// How many have a number.
    unary_calls: Cell<usize>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
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

    pub(super) fn targets(&self, rpc_path: &str) -> Vec<Target> {
        let target = |endpoint| Target {
            uri: uri(endpoint, rpc_path).expect("checked with the targets"),
            origin: uri(endpoint, "/").expect("checked with the targets"),
        };
        self.endpoints.iter().map(target).collect()
    }
}

fn uri(endpoint: &Endpoint, path: &str) -> Option<Uri> {
    Uri::builder()
        .scheme(endpoint.scheme())
        .authority(endpoint.authority.as_str())
        .path_and_query(path)
        .build()
        .ok()
}

/// What an answer offers to expressions.
pub(super) fn offered(reply: Known) -> Vec<(&'static str, Known)> {
    vec![
        ("reply", reply),
        ("status", Known::Text),
        ("metadata", Known::Anything),
        ("headers", Known::Anything),
        ("trailers", Known::Anything),
    ]
}

/// Looks over what is evaluated for a call.
pub(super) fn look_over(messages: &[Outbound], metadata: &Metadata, at: &At<'_>) {
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

/// The call, or what is wrong with its message.
pub(super) fn prepare_call(
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
pub(super) fn health_check(
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

pub(super) fn call_headers(
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
