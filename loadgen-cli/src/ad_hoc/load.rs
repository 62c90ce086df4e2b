//! How many, how fast and how long: what the flags say where no scenario has said anything.

use std::time::Duration;

use loadgen_core::scenario::{GrpcCall, GrpcPlan, OverrideError, Overrides, ScenarioPlan};
use loadgen_core::schedule::Load;
use loadgen_core::units::{Rate, format_duration};
use serde_json::{Map, Value, json};

use crate::args::RunArgs;

/// Users of a closed model unless told.
const USERS: u64 = 10;
/// How long it takes unless told.
const DURATION: Duration = Duration::from_secs(10);

/// The load as a scenario has it, and what of it was decided for who gave the flags.
///
/// # Errors
/// Where the iterations take too long at the rate.
pub(super) fn load(args: &RunArgs) -> Result<(Value, Option<String>), OverrideError> {
    let is_told = args.requests.is_some() || args.duration.is_some();
    let (load, what) = match args.rate {
        Some(rate) => open(args, rate)?,
        None => closed(args),
    };
    let notice = format!(
        "{what} for {}; -n and -d say otherwise",
        format_duration(DURATION)
    );
    Ok((load, (!is_told).then_some(notice)))
}

fn closed(args: &RunArgs) -> (Value, String) {
    let users = args
        .concurrency
        .unwrap_or_else(|| USERS.min(args.requests.unwrap_or(USERS)));
    let mut model = Map::new();
    model.insert("users".to_owned(), json!(users));
    if let Some(requests) = args.requests {
        model.insert("iterations".to_owned(), json!(requests));
    }
    let field = match args.requests {
        Some(_) => "max_duration",
        None => "duration",
    };
    let duration = args
        .duration
        .or((args.requests.is_none()).then_some(DURATION));
    model.extend(duration.map(|it| (field.to_owned(), json!(format_duration(it)))));
    let what = match users {
        1 => "1 user".to_owned(),
        users => format!("{users} users"),
    };
    (json!({ "closed": model }), what)
}

fn open(args: &RunArgs, rate: Rate) -> Result<(Value, String), OverrideError> {
    let duration = match args.requests {
        Some(requests) => lasting(requests, rate, args.duration)?,
        None => args.duration.unwrap_or(DURATION),
    };
    let mut model = Map::new();
    model.insert("rate".to_owned(), json!(rate.to_string()));
    model.insert("duration".to_owned(), json!(format_duration(duration)));
    if let Some(users) = args.concurrency {
        model.insert("users".to_owned(), json!({ "max": users }));
    }
    Ok((json!({ "open": model }), rate.to_string()))
}

/// How long so many iterations take at a rate, as `run` reckons it.
fn lasting(requests: u64, rate: Rate, most: Option<Duration>) -> Result<Duration, OverrideError> {
    let call = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({}));
    let load = Load::closed(1).iterations(requests);
    let plan = ScenarioPlan::new("load", GrpcPlan::new([call.into()]), load);
    let overrides = Overrides {
        rate: Some(rate),
        requests: Some(requests),
        duration: most,
        ..Overrides::default()
    };
    let (plan, _) = plan.with_overrides(&overrides)?;
    Ok(match plan.load {
        Load::Open(model) => model.stages.iter().map(|it| it.duration).sum(),
        Load::Closed(_) => most.unwrap_or(DURATION),
    })
}
