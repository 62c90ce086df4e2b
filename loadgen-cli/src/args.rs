//! The command line as it is written: names, values and help. What flags mean together is decided
//! in `settings`.

mod ad_hoc;
mod balance;
mod capacity;
mod choice;
mod client;
mod compare;
mod coordinate;
mod each;
mod history;
mod init;
mod kubernetes;
mod meant;
mod merge;
mod report;
mod run;
mod serve;
#[cfg(test)]
mod tests;
mod values;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use loadgen_core::scenario::Assignment;
use loadgen_core::secrets;

pub(crate) use self::ad_hoc::{
    AdHocArgs, GrpcArgs, HttpArgs, StreamEndFlag, TcpArgs, WebsocketArgs,
};
pub(crate) use self::balance::{
    BackendFlag, BalanceCommand, BalanceHttpArgs, BalanceTcpArgs, LogLevel,
};
pub(crate) use self::capacity::{CapacityCommand, CapacityFlags};
pub(crate) use self::choice::{ProtocolChoice, TargetChoice};
pub(crate) use self::client::{ClientArgs, DelayMode, VisitKind};
pub(crate) use self::compare::{CompareArgs, CompareFlags};
pub(crate) use self::coordinate::{CoordinateArgs, TogetherFlags};
pub(crate) use self::each::TargetFlags;
pub(crate) use self::history::HistoryArgs;
pub(crate) use self::init::InitArgs;
pub(crate) use self::kubernetes::{KubernetesArgs, LONGEST_NAME as LONGEST_RUN_NAME};
pub(crate) use self::meant::meant;
pub(crate) use self::merge::MergeArgs;
pub(crate) use self::report::ReportArgs;
pub(crate) use self::run::{RunArgs, RunCommand, ShardChoice, WhatArgs};
pub(crate) use self::serve::{
    FaultArgs, ServeAllArgs, ServeCommand, ServeGrpcArgs, ServeHttpArgs, ServeProxyArgs,
    ServeTcpArgs, ServeWebsocketArgs, ServerArgs,
};
pub(crate) use self::values::{TagList, run_id};

/// Drive load at gRPC, WebSocket, HTTP and TCP services and say truthfully how they held up.
#[derive(Debug, Parser)]
#[command(
    name = "loadgen",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(
    after_help = "Start here:  loadgen run --scenario hello_high --duration 5s\n\
    Exit codes:  0 pass, 1 error, 2 usage, 99 threshold failed, 100 invalid run (--strict),\n             \
    101 unreachable, 102 setup failed, 103 shards apart, 104 bad scenario,\n             \
    105 stopped by a signal"
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// What stands on the command line. Where that makes no sense the process ends, and says so without
    /// the passwords that an address may have.
    pub(crate) fn given() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let mut error = without_secrets(error);
            if let Some(meant) = meant() {
                let tip = ContextValue::StyledStrs(vec![meant.into()]);
                error.insert(ContextKind::Suggested, tip);
            }
            error.exit()
        })
    }
}

fn without_secrets(mut error: clap::Error) -> clap::Error {
    // Of flags that do not go together the names are told, and no values.
    if error.kind() == ErrorKind::ArgumentConflict {
        return error;
    }
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(given)) = error.get(kind) {
            let shown = ContextValue::String(secrets::address(given));
            error.insert(kind, shown);
        }
    }
    error
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge the results
    Run(Box<RunCommand>),
    /// Find the highest rate that a service holds within its goals
    Capacity(Box<CapacityCommand>),
    /// Call a gRPC method as load, without a file; or see what a server offers
    Grpc(Box<GrpcArgs>),
    /// Send WebSocket messages as load, without a file
    Websocket(Box<WebsocketArgs>),
    /// Send HTTP requests as load, without a file
    Http(Box<HttpArgs>),
    /// Send bytes over TCP as load, without a file
    Tcp(Box<TcpArgs>),
    /// Visit gRPC servers one after the other and say who answered
    Client(Box<ClientArgs>),
    /// Ask a few questions and write a scenario file
    Init(InitArgs),
    /// List scenarios: the shipped ones, or those of a file
    List(ListArgs),
    /// Check a scenario file and say everything that is wrong with it
    Validate(ValidateArgs),
    /// Tell of a run once more, from its result document
    Report(ReportArgs),
    /// Make the results of shards into that of their run, and judge it
    Merge(MergeArgs),
    /// Hold the shards of a run together: one start, one `setup`, one stop, one result
    Coordinate(Box<CoordinateArgs>),
    /// Hold the results of runs against those of others: what got better or worse, and what is chance
    Compare(CompareArgs),
    /// List the results in a folder, and how they went from one to the next
    History(HistoryArgs),
    /// Print the manifests of a run over several pods of a Kubernetes cluster
    Kubernetes(Box<KubernetesArgs>),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Start the reference servers
    #[command(subcommand)]
    Serve(ServeCommand),
    /// Start a reference load balancer
    #[command(subcommand)]
    Balance(BalanceCommand),
    /// Say what this machine lets a load generator do, and what would let it do more
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Flags of `loadgen list`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("suite").args(["file", "config"]))]
pub(crate) struct ListArgs {
    /// Scenario file instead of the shipped scenarios, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) config: Option<PathBuf>,
    /// Profile of the scenario file to apply
    #[arg(long, value_name = "NAME", requires = "suite")]
    pub(crate) profile: Option<String>,
    /// Only scenarios that speak this protocol; `both` is all
    #[arg(long, visible_alias = "target", value_name = "PROTOCOL", value_enum, default_value_t = ProtocolChoice::All)]
    pub(crate) protocol: ProtocolChoice,
    /// Print the scenarios in their full form, as JSON; secrets that stand in them are ***
    #[arg(long)]
    pub(crate) json: bool,
    /// Print secrets that stand in the scenarios as well
    #[arg(long, requires = "json")]
    pub(crate) show_secrets: bool,
}

/// Flags of `loadgen validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// Scenario file, or `-` for standard input
    pub(crate) file: PathBuf,
    /// Profile to apply
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Change a value of the suite before it is checked, like `scenarios.greet.load.open.rate=200/s`; repeatable
    #[arg(long, value_name = "PATH=VALUE", value_parser = values::assignment)]
    pub(crate) set: Vec<Assignment>,
    /// Print the scenarios in their full form, as JSON; secrets that stand in them are ***
    #[arg(long)]
    pub(crate) print: bool,
    /// Print secrets that stand in the scenarios as well
    #[arg(long, requires = "print")]
    pub(crate) show_secrets: bool,
}

/// Flags of `loadgen doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `loadgen schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// Of which document
    #[arg(value_enum)]
    pub(crate) of: SchemaOf,
}

/// The documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Scenario files
    Scenario,
    /// The result document
    Result,
    /// What `compare --json` prints
    Comparison,
}
