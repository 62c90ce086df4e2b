//! What the flags of `loadgen grpc` say, as a scenario says it.

use loadgen_core::scenario::{GrpcCall, Target};
use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::{absolute, headers, input, stream_end};
use crate::args::GrpcArgs;

/// The fields of a step, and the flags that say them; the longer first.
pub(super) const PLACES: [(&str, &str); 8] = [
    ("steps[0].grpc.message", "--data"),
    ("steps[0].grpc.method", "METHOD"),
    ("steps[0].grpc.repeat", "--repeat"),
    ("steps[0].grpc.every", "--every"),
    ("steps[0].grpc.stream", "--receive"),
    ("steps[0].grpc.compression", "--compression"),
    ("steps[0].grpc.metadata", "-H"),
    ("steps[0].grpc", "METHOD"),
];

/// The target as scenarios have it: of gRPC's own names, `dns:` is the usual one.
pub(crate) fn target(given: &str) -> &str {
    let name = given.strip_prefix("dns:").unwrap_or(given);
    let name = name.strip_prefix("///").unwrap_or(name);
    // What is wrong is told of what was written.
    match name.parse::<Target>() {
        Ok(_) => name,
        Err(_) => given,
    }
}

/// The scenario is called after its method.
pub(super) fn name(method: &str) -> String {
    GrpcCall::new(method, Value::Null).short_name()
}

/// Makes sure that what is to be called can be a method.
///
/// # Errors
/// With what was likely meant.
pub(crate) fn refuse_no_method(given: &str) -> Result<(), AdHocError> {
    match given.contains('/') {
        true => Ok(()),
        false => Err(AdHocError::NoMethod {
            given: given.to_owned(),
            near: near(given),
        }),
    }
}

/// What is likely meant by something that is no method: one of the words, or a method that is written with
/// points throughout.
fn near(given: &str) -> Option<String> {
    let is_within = |word: &&&str| {
        let mut letters = word.chars();
        let given = given.to_ascii_lowercase();
        given.len() > 1 && given.chars().all(|it| letters.any(|letter| letter == it))
    };
    let word = ["list", "describe"].iter().find(is_within);
    let with_points = given.rsplit_once('.').filter(|(service, method)| {
        let is_service = service.split('.').all(|it| !it.is_empty());
        is_service && method.starts_with(|c: char| c.is_ascii_alphabetic())
    });
    word.map(|it| (*it).to_owned())
        .or_else(|| with_points.map(|(service, method)| format!("{service}/{method}")))
}

/// The fields of the scenario, and its step.
pub(super) fn fields(args: &GrpcArgs) -> Result<(Map<String, Value>, Value), AdHocError> {
    let mut own = Map::new();
    let protos = args.protos.iter().chain(&args.protosets);
    let protos = protos.chain(&args.import_paths);
    let protos: Vec<String> = protos.map(|it| absolute(it)).collect();
    if !protos.is_empty() {
        own.insert("protos".to_owned(), json!(protos));
    }
    let lower = |(key, value): &(String, String)| (key.to_ascii_lowercase(), value.clone());
    let metadata: Vec<_> = args.shared.headers.iter().map(lower).collect();
    if !metadata.is_empty() {
        own.insert("metadata".to_owned(), headers(&metadata)?);
    }
    let mut call = Map::new();
    let method = args.method.strip_prefix('/').unwrap_or(&args.method);
    call.insert("method".to_owned(), json!(method));
    if let Some(data) = &args.data {
        let mut values = input::json("--data", data)?;
        let message = match values.len() {
            1 => values.swap_remove(0),
            _ => values.into(),
        };
        call.insert("message".to_owned(), message);
    }
    if let Some(count) = args.repeat {
        call.insert("repeat".to_owned(), json!(count));
    }
    if let Some(time) = args.every {
        call.insert("every".to_owned(), json!(format_duration(time)));
    }
    if let Some(end) = args.receive {
        call.insert("stream".to_owned(), stream_end(end));
    }
    if let Some(name) = &args.compression {
        call.insert("compression".to_owned(), json!(name));
    }
    Ok((own, call.into()))
}
