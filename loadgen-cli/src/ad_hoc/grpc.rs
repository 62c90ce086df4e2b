//! What the flags of `loadgen grpc` say, as a scenario says it.

use loadgen_core::scenario::GrpcCall;
use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use super::error::AdHocError;
use super::{absolute, headers, input, stream_end};
use crate::args::GrpcArgs;

/// The target as scenarios have it: of gRPC's own names, `dns:` is the usual one.
pub(crate) fn target(given: &str) -> &str {
    let name = given.strip_prefix("dns:").unwrap_or(given);
    name.strip_prefix("///").unwrap_or(name)
}

/// The scenario is called after its method.
pub(super) fn name(method: &str) -> String {
    let name = GrpcCall::new(method, Value::Null).short_name();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 100
        && name.chars().all(fits)
    {
        name
    } else {
        "call".to_owned()
    }
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
