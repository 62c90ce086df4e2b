//! `loadgen init`: from a few answers to a scenario file.
//!
//! Owns the questions, what is proposed, and the file as a person reads it. What the answers mean is
//! `ad_hoc`'s: the file is the one that `loadgen grpc` or `loadgen websocket` would print.

mod dialog;
mod yaml;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use loadgen_core::condition::Threshold;
use loadgen_core::driver::grpc::{self, Described, MethodSummary};
use loadgen_core::scenario::{Protocol, ProtocolPlan, Target};
use loadgen_core::units::{Rate, format_duration, parse_duration};

use crate::ad_hoc::{AdHoc, in_flags};
use crate::args::{AdHocArgs, GrpcArgs, InitArgs, RunArgs, WebsocketArgs};
use crate::error::Error;
use crate::output;

pub(crate) use self::dialog::Dialog;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InitError {
    /// A file that is there already.
    #[error("{} is there already; --force replaces it", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// A file that is there already, and is to stay.
    #[error("{} stays as it is; nothing was written", path.display())]
    Stays {
        /// Which file.
        path: PathBuf,
    },
    /// A file in a folder that is not there.
    #[error("failed to write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// Which file.
        path: PathBuf,
        /// Which folder.
        folder: PathBuf,
    },
    /// Something needed that nobody can be asked for.
    #[error("standard input is no terminal, so that nothing can be asked: give {0}")]
    Missing(&'static str),
    /// Whoever is asked has nothing more to say.
    #[error("the answers ended; nothing was written")]
    Ended,
    /// The terminal.
    #[error("failed to ask: {0}")]
    Terminal(io::Error),
    /// A file that cannot be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How long a scenario lasts unless told.
const DURATION: Duration = Duration::from_secs(30);
/// Users unless told.
const USERS: u64 = 10;
/// The goal unless told.
const GOAL: &str = "error_rate < 1%";

/// The folder that a file is to be in, where it is not the current one.
fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().filter(|it| !it.as_os_str().is_empty())
}

/// Makes sure that there is a place for the file and that none is lost, before anything is asked.
///
/// # Errors
/// When it has no folder, or is there and is to stay.
pub(crate) fn refuse_file<R: BufRead, W: Write>(
    args: &InitArgs,
    dialog: Option<&mut Dialog<R, W>>,
) -> Result<(), InitError> {
    if let Some(folder) = folder_of(&args.file).filter(|it| !it.is_dir()) {
        return Err(InitError::NoFolder {
            path: args.file.clone(),
            folder: folder.to_owned(),
        });
    }
    if args.force || !args.file.exists() {
        return Ok(());
    }
    let path = args.file.clone();
    let Some(dialog) = dialog else {
        return Err(InitError::Exists { path });
    };
    let question = format!("{} is there already. Replace it, y or n", path.display());
    let yes_or_no = |answer: &str| match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("expected y or n".to_owned()),
    };
    match dialog.ask(&question, Some("n"), yes_or_no)? {
        true => Ok(()),
        false => Err(InitError::Stays { path }),
    }
}

/// The scenario that the answers make; what no flag says is asked for where somebody can be.
///
/// # Errors
/// When something needed is missing, or the whole makes no scenario.
pub(crate) fn scenario<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
    cores: usize,
) -> Result<AdHoc, Error> {
    let protocol = match (args.protocol, &mut dialog) {
        (Some(protocol), _) => protocol,
        (None, Some(dialog)) if args.method.is_none() && args.send.is_none() => dialog.ask(
            "What does the service speak, grpc or websocket",
            Some("grpc"),
            |answer| {
                let is_meant = |it: &Protocol| it.as_str().eq_ignore_ascii_case(answer);
                let known = [Protocol::Grpc, Protocol::Websocket]
                    .into_iter()
                    .find(is_meant);
                known.ok_or_else(|| "expected grpc or websocket".to_owned())
            },
        )?,
        _ if args.send.is_some() => Protocol::Websocket,
        _ => Protocol::Grpc,
    };
    let made = match protocol {
        Protocol::Websocket => websocket(args, dialog)?,
        _ => grpc(args, dialog, cores)?,
    };
    // Whatever is wrong is said now, and not when it is run.
    made.settle(cores).map_err(in_flags)?;
    Ok(made)
}

fn grpc<R: BufRead, W: Write>(
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

fn websocket<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHoc, Error> {
    let url = match (&args.target, &mut dialog) {
        (Some(target), _) => target.clone(),
        (None, Some(dialog)) => dialog.ask(
            "Where is it, with its path",
            Some("ws://127.0.0.1:8080/"),
            |answer| {
                let target = crate::ad_hoc::target_of(answer).parse::<Target>();
                target
                    .map(|_| answer.to_owned())
                    .map_err(|error| error.to_string())
            },
        )?,
        (None, None) => return Err(InitError::Missing("`--target` and `--send`").into()),
    };
    let send = match (&args.send, &mut dialog) {
        (Some(text), _) => text.clone(),
        (None, Some(dialog)) => dialog.ask(
            "Text to send, which one message answers",
            Some("hello"),
            |answer| Ok(answer.to_owned()),
        )?,
        (None, None) => return Err(InitError::Missing("`--send`").into()),
    };
    let asked = WebsocketArgs {
        url,
        send: Some(send),
        shared: shared(args, dialog)?,
        ..WebsocketArgs::default()
    };
    Ok(AdHoc::of_websocket(&asked)?)
}

/// How a load is said: so many users, or a rate.
enum LoadAnswer {
    Users(u64),
    Rate(Rate),
}

impl LoadAnswer {
    fn read(answer: &str) -> Result<Self, String> {
        let users = answer
            .trim_end_matches("users")
            .trim_end_matches("user")
            .trim_end();
        if let Ok(users @ 1..=1_000_000) = users.parse() {
            return Ok(Self::Users(users));
        }
        answer
            .parse()
            .map(Self::Rate)
            .map_err(|_| "expected a number of users, like 10, or a rate, like 500/s".to_owned())
    }
}

/// Load and goal.
fn shared<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHocArgs, InitError> {
    let load = match (args.concurrency, args.rate, &mut dialog) {
        (_, Some(rate), _) => LoadAnswer::Rate(rate),
        (Some(users), ..) => LoadAnswer::Users(users),
        (None, None, Some(dialog)) => {
            let proposal = USERS.to_string();
            dialog.ask(
                "Load: so many users, like 10, or a rate, like 500/s",
                Some(&proposal),
                LoadAnswer::read,
            )?
        }
        (None, None, None) => LoadAnswer::Users(USERS),
    };
    let duration = match (args.duration, &mut dialog) {
        (Some(duration), _) => duration,
        (None, Some(dialog)) => {
            dialog.ask("For how long", Some(&format_duration(DURATION)), |answer| {
                let read = parse_duration(answer).map_err(|error| error.to_string())?;
                match read.is_zero() {
                    true => Err("expected a duration above zero".to_owned()),
                    false => Ok(read),
                }
            })?
        }
        (None, None) => DURATION,
    };
    let thresholds = match (args.thresholds.as_slice(), &mut dialog) {
        ([], Some(dialog)) => {
            let question = "Goal, like response_time.p99 < 50ms";
            let goal = dialog.ask(question, Some(GOAL), |answer| {
                let read = answer.parse::<Threshold>();
                read.map(|_| answer.to_owned())
                    .map_err(|error| error.to_string())
            })?;
            vec![goal]
        }
        ([], None) => vec![GOAL.to_owned()],
        (given, _) => given.to_vec(),
    };
    let (concurrency, rate) = match load {
        LoadAnswer::Users(users) => (Some(users), None),
        LoadAnswer::Rate(rate) => (None, Some(rate)),
    };
    Ok(AdHocArgs {
        thresholds,
        run: RunArgs {
            concurrency,
            rate,
            duration: Some(duration),
            ..RunArgs::default()
        },
        ..AdHocArgs::default()
    })
}

/// Writes the file, whole or not at all. Whether it may be replaced was asked before.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write(path: &Path, ad_hoc: &AdHoc, cores: usize) -> Result<(), Error> {
    let file = ad_hoc.file(&ad_hoc.settle(cores).map_err(in_flags)?);
    let is_json = path
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let text = match is_json {
        true => output::json(&file),
        false => yaml::file(&file, path),
    };
    let failed = |source| InitError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = folder_of(path);
    let mut unfinished = tempfile::Builder::new()
        .prefix(".loadgen-init")
        .permissions(readable())
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    unfinished.write_all(text.as_bytes()).map_err(failed)?;
    unfinished
        .persist(path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// A scenario file is for everybody, as an editor would make it.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

#[cfg(test)]
mod tests;
