//! Flags of `loadgen balance http`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::Prefix;
use tracing_subscriber::filter::LevelFilter;

use crate::args::values::{HOUR, MOST_WORKERS, between, count, listen_address, prefix, statsd};

/// Flags of `loadgen balance http`. What is not given is the configuration's, or the default.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BalanceHttpArgs {
    /// JSON file with the services and all else; flags win over it, and SIGHUP has it read again
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) listen: Option<String>,
    /// PEM file with the certificate chain, read again when it changes; turns TLS on
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Manage services at this address, over HTTP: /services, and /docs to try it out. Beyond this machine a token is needed
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) management: Option<String>,
    /// File with the token that who manages has to send (`authorization: Bearer …`)
    #[arg(long, value_name = "FILE", conflicts_with = "management_token_env")]
    pub(crate) management_token_file: Option<PathBuf>,
    /// Variable of the environment with that token
    #[arg(long, value_name = "NAME")]
    pub(crate) management_token_env: Option<String>,
    /// How long a stop waits for requests to end [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = between(Duration::ZERO, HOUR * 24), allow_hyphen_values = true)]
    pub(crate) grace: Option<Duration>,
    /// Threads that carry requests [default: every core]
    #[arg(long, value_name = "N", value_parser = count(MOST_WORKERS), allow_negative_numbers = true)]
    pub(crate) threads: Option<u64>,
    /// Show how it stands at this address: a page, /status as JSON, /metrics for Prometheus, /health
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) status: Option<String>,
    /// Send metrics to StatsD once a second
    #[arg(long, value_name = "HOST:PORT", value_parser = statsd)]
    pub(crate) statsd: Option<Target>,
    /// What the names of metrics begin with [default: loadgen]
    #[arg(long, value_name = "NAME", value_parser = prefix)]
    pub(crate) statsd_prefix: Option<Prefix>,
    /// The least that is told on standard error; debug has a line for each request
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: LogLevel,
    /// End when standard input does: for a process that must not outlive its parent
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What goes wrong here.
    Error,
    /// What goes wrong elsewhere, too, such as a backend that is down.
    Warn,
    /// All that changes.
    Info,
    /// Every request.
    Debug,
}

impl LogLevel {
    /// As whoever writes it has it.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}
