//! Flags of `loadgen init`.

use std::path::PathBuf;
use std::time::Duration;

use loadgen_core::scenario::Protocol;
use loadgen_core::units::Rate;

use super::choice::protocol;
use super::run::MOST_USERS;
use super::values::{count, duration, rate};

/// Flags of `loadgen init`: each is an answer to a question that is then not asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    after_help = "Without a terminal nothing is asked: --target is needed, with --method for gRPC, --send for \
    WebSocket,\n--send and --until for TCP; and whatever else is not given is as the question proposes it."
)]
pub(crate) struct InitArgs {
    /// File to write: YAML with comments, or JSON where its name ends in `.json`
    #[arg(value_name = "FILE", default_value = "scenario.yaml")]
    pub(crate) file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// What the service speaks: `grpc`, `websocket`, `http` or `tcp`
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol, help_heading = "Answers")]
    pub(crate) protocol: Option<Protocol>,
    /// Where it is: `host:port`, `https://host`, or for WebSocket and HTTP a URL with its path
    #[arg(long, value_name = "TARGET", help_heading = "Answers")]
    pub(crate) target: Option<String>,
    /// gRPC method to call, `package.Service/Method`
    #[arg(long, value_name = "METHOD", help_heading = "Answers")]
    pub(crate) method: Option<String>,
    /// A `.proto` file that describes the gRPC service, instead of reflection; repeatable
    #[arg(long = "proto", value_name = "FILE", help_heading = "Answers")]
    pub(crate) protos: Vec<PathBuf>,
    /// Text to send over WebSocket or TCP, or to post over HTTP; or `@FILE`
    #[arg(long, value_name = "TEXT|@FILE", help_heading = "Answers")]
    pub(crate) send: Option<String>,
    /// Over TCP the reply ends with this
    #[arg(long, value_name = "TEXT", help_heading = "Answers")]
    pub(crate) until: Option<String>,
    /// Users at a time
    #[arg(short, long, value_name = "N", value_parser = count(MOST_USERS), allow_negative_numbers = true, conflicts_with = "rate", help_heading = "Answers")]
    pub(crate) concurrency: Option<u64>,
    /// Start iterations at this rate, like `500/s`
    #[arg(short, long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = "Answers")]
    pub(crate) rate: Option<Rate>,
    /// How long, like `30s`
    #[arg(short, long, short_alias = 'z', value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Answers")]
    pub(crate) duration: Option<Duration>,
    /// A condition that the results must hold to, like `response_time.p99 < 50ms`; repeatable
    #[arg(long = "threshold", value_name = "CONDITION", help_heading = "Answers")]
    pub(crate) thresholds: Vec<String>,
}
