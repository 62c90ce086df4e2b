//! Which gRPC method is called, and with what.

use std::io::{BufRead, Write};

use loadgen_core::driver::grpc::{self, Described, MethodSummary};
use loadgen_core::scenario::{ProtocolPlan, Target};

use super::load::shared;
use super::{Dialog, InitError};
use crate::ad_hoc::{AdHoc, in_flags};
use crate::args::{GrpcArgs, InitArgs};
use crate::error::Error;

/// The scenario that calls it.
///
/// # Errors
/// When something needed is missing.
pub(super) fn scenario<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
    cores: usize,
) -> Result<AdHoc, Error> {
    let target = match (&args.target, &mut dialog) {
        (Some(target), _) => target.clone(),
        (None, Some(dialog)) => dialog.ask(
            "Where is it, host:port",
            Some("127.0.0.1:50051"),
            |answer| {
                let parsed = crate::ad_hoc::grpc_target(answer).parse::<Target>();
                parsed
                    .map(|_| answer.to_owned())
                    .map_err(|error| error.to_string())
            },
        )?,
        (None, None) => return Err(InitError::Missing("`--target` and `--method`").into()),
    };
    let mut asked = GrpcArgs {
        target,
        // What a scenario has to have while methods are looked up.
        method: "loadgen.v1.Greeter/Hello".to_owned(),
        protos: args.protos.clone(),
        ..GrpcArgs::default()
    };
    asked.method = match (&args.method, &mut dialog) {
        (Some(method), _) => method.clone(),
        (None, Some(dialog)) => {
            let known = offered(&asked, cores)?;
            choose(dialog, known)?
        }
        (None, None) => return Err(InitError::Missing("`--method`").into()),
    };
    asked.data = example(&asked, cores)?;
    asked.shared = shared(args, dialog)?;
    Ok(AdHoc::of_grpc(&asked)?)
}

/// The methods there are, or why they are not known.
fn offered(asked: &GrpcArgs, cores: usize) -> Result<Result<Vec<MethodSummary>, String>, Error> {
    let settled = AdHoc::of_grpc(asked)?.settle(cores).map_err(in_flags)?;
    let Some(ProtocolPlan::Grpc(plan)) = settled.plan.scenarios.first().map(|it| &it.protocol)
    else {
        return Ok(Ok(Vec::new()));
    };
    Ok(grpc::services(&settled.plan.scenarios[0], plan)
        .map(|services| services.into_iter().flat_map(|it| it.methods).collect())
        .map_err(|error| in_flags(error.into()).to_string()))
}

/// A method, by its number in a list or by its name.
fn choose<R: BufRead, W: Write>(
    dialog: &mut Dialog<R, W>,
    known: Result<Vec<MethodSummary>, String>,
) -> Result<String, InitError> {
    let known = match known {
        Ok(known) => known,
        Err(problem) => {
            dialog.say(&problem)?;
            Vec::new()
        }
    };
    // What serves the servers themselves is seldom meant.
    let (own, others): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|it| it.name.starts_with("grpc."));
    let own_from = others.len();
    let known = [others, own].concat();
    for (number, method) in known.iter().enumerate() {
        dialog.say(&format!(
            "{:>4}  {}  {}",
            number + 1,
            method.name,
            method.kind.as_str()
        ))?;
    }
    let (question, proposal) = match known.is_empty() {
        true => ("Method, package.Service/Method", None),
        false => ("Method, by its number or name", Some("1")),
    };
    dialog.ask(question, proposal, |answer| {
        let by_number = answer.parse::<usize>().ok();
        if let Some(method) = by_number.and_then(|it| known.get(it.checked_sub(1)?)) {
            return Ok(method.name.clone());
        }
        let is_meant =
            |it: &&MethodSummary| it.name == answer || it.name.rsplit('/').next() == Some(answer);
        let (others, own) = known.split_at(own_from);
        let meant = others.iter().filter(is_meant);
        let mut meant: Vec<&str> = meant.map(|it| it.name.as_str()).collect();
        if meant.is_empty() {
            meant.extend(own.iter().filter(is_meant).map(|it| it.name.as_str()));
        }
        match meant.as_slice() {
            [] => {}
            [only] => return Ok((*only).to_owned()),
            several => return Err(format!("it could be {}", several.join(" or "))),
        }
        match known.is_empty() && answer.contains('/') {
            true => Ok(answer.to_owned()),
            false => Err(match known.len() {
                0 => "expected a method such as package.Service/Method".to_owned(),
                most => format!("expected a number from 1 to {most}, or a method's name"),
            }),
        }
    })
}

/// An example of the method's message, where anything describes it.
fn example(asked: &GrpcArgs, cores: usize) -> Result<Option<String>, Error> {
    let settled = AdHoc::of_grpc(asked)?.settle(cores).map_err(in_flags)?;
    let Some(ProtocolPlan::Grpc(plan)) = settled.plan.scenarios.first().map(|it| &it.protocol)
    else {
        return Ok(None);
    };
    match grpc::describe(&settled.plan.scenarios[0], plan, &asked.method) {
        Ok(Described::Method(method)) => Ok(Some(method.request_message.example.to_string())),
        Err(error @ grpc::DescribeError::Unknown { .. }) => Err(in_flags(error.into())),
        _ => Ok(None),
    }
}
