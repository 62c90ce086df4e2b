//! Flags of shards that a coordinator holds together, and of `loadgen coordinate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::values::{count, duration, listen_address, output_spec, run_id};
use crate::output::Spec;

/// The most shards.
const MOST_SHARDS: u64 = 65_536;

/// Flags of `loadgen coordinate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without LOADGEN_COORDINATOR_TOKEN, the same secret for all, or TLS, it listens for this machine alone:\n  \
    export LOADGEN_COORDINATOR_TOKEN=…\n  \
    loadgen coordinate --listen 0.0.0.0:8090 --shards 2 --merged-out html=report.html\n  \
    loadgen run suite.json --shard 0/2 --coordinator bench-1:8090    # on the one machine\n  \
    loadgen run suite.json --shard 1/2 --coordinator bench-1:8090    # on the other"
)]
pub(crate) struct CoordinateArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(id = "coordinator", long = "listen", value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) listen: String,
    /// How many shards the run has
    #[arg(long, value_name = "N", value_parser = count(MOST_SHARDS), allow_negative_numbers = true)]
    pub(crate) shards: u64,
    /// Names the run: shards of another are refused [default: what LOADGEN_RUN_ID holds, else the first shard's, else a random one]
    #[arg(long, value_name = "TEXT", value_parser = run_id)]
    pub(crate) run_id: Option<String>,
    /// How shards come together.
    #[command(flatten)]
    pub(crate) together: TogetherFlags,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the merged result document instead of the summary
    #[arg(long, requires = "merged_outputs")]
    pub(crate) json: bool,
    /// Exit with 100 when the run is invalid, as it is where a shard is missing, whatever the thresholds say
    #[arg(long)]
    pub(crate) strict: bool,
}

/// How shards come together, whoever offers the coordinator.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TogetherFlags {
    /// How long all shards are waited for, and the coordinator is looked for [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "coordinator", allow_hyphen_values = true, help_heading = "Many machines")]
    pub(crate) wait_for_shards: Option<Duration>,
    /// When that time is over, begin with those that are ready where these are N at least; unless told none is missing
    #[arg(long, value_name = "N", value_parser = count(MOST_SHARDS), requires = "coordinator", allow_negative_numbers = true, help_heading = "Many machines")]
    pub(crate) start_with: Option<u64>,
    /// PEM file of the authorities that signed the certificates of the coordinator and of all shards; turns mutual TLS on
    #[arg(
        long,
        value_name = "FILE",
        requires = "coordinator",
        requires = "coordinator_cert",
        help_heading = "Many machines"
    )]
    pub(crate) coordinator_ca: Option<PathBuf>,
    /// PEM file of this one's certificate; the coordinator's is for the host of its address
    #[arg(
        long,
        value_name = "FILE",
        requires = "coordinator_key",
        requires = "coordinator_ca",
        help_heading = "Many machines"
    )]
    pub(crate) coordinator_cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(
        long,
        value_name = "FILE",
        requires = "coordinator_cert",
        help_heading = "Many machines"
    )]
    pub(crate) coordinator_key: Option<PathBuf>,
    /// Whoever offers the coordinator merges the results of all shards at the end, writes that to a file like `--out`, prints it, and ends with its exit code. May be given several times
    #[arg(id = "merged_outputs", long = "merged-out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| output_spec(&it)), action = ArgAction::Append, requires = "coordinator", help_heading = "Many machines")]
    pub(crate) merged_outputs: Vec<Spec>,
}
