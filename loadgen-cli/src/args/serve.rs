//! Flags of `loadgen serve`.

mod proxy;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use loadgen_backends::{Capacity, Code, Delay, Probability, ServiceTimes, TcpOptions};
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::Prefix;

pub(crate) use self::proxy::ServeProxyArgs;
use super::client::VisitKind;
use super::each::AddressFlags;
use super::values::{
    HOUR, MOST_WORKERS, between, capacity, code, count, delay, duration, host, identity,
    listen_address, non_zero, prefix, statsd, throttle,
};
use crate::servers::{HTTP_ADDRESS, Special, TCP_ADDRESS, WEBSOCKET_ADDRESS};

/// What the faults stand under in the help.
const FAULTS: &str = "Faults on purpose";

/// Which servers to start.
#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// The gRPC server: Hello, Compute, Echo, Stream, Collect, Chat, health and reflection
    Grpc(Box<ServeGrpcArgs>),
    /// The WebSocket server: /echo, /compute, /stream and /ping
    Websocket(Box<ServeWebsocketArgs>),
    /// The HTTP server: /hello, /echo, /compute, /stream, /status/N and /health, over HTTP/1.1 and HTTP/2
    Http(Box<ServeHttpArgs>),
    /// The TCP server: what it is sent comes back
    Tcp(Box<ServeTcpArgs>),
    /// The fault proxy: passes connections on to a server, and slows, cuts and loses them on purpose
    Proxy(Box<ServeProxyArgs>),
    /// All servers in one process
    All(Box<ServeAllArgs>),
}

/// Flags of `loadgen serve grpc`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeGrpcArgs {
    /// Address to listen on; port 0 takes a free one [default: what GRPC_SERVER_IP and GRPC_SERVER_PORT say, else 127.0.0.1:50051]
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address, conflicts_with_all = ["ip", "port"])]
    pub(crate) address: Option<String>,
    /// The same in two parts: where to listen
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) ip: Option<String>,
    /// And at which port
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Checked, and then of no consequence: every kind of call is served [default: GRPC_SERVICE_TYPE, if set]
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    pub(crate) kind: Option<VisitKind>,
    /// Serve TLS; without --tls-cert and --tls-key with the files that GRPC_CERT_PATH and GRPC_KEY_PATH name, else ./certs/server.crt and ./certs/server.key
    #[arg(long)]
    pub(crate) secure: bool,
    /// What all servers can be told.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Which version of a service it plays.
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// How errors on purpose look.
    #[command(flatten)]
    pub(crate) error: ErrorCodeArgs,
}

/// Which version of a service the gRPC server plays, to those who route by version.
#[derive(Debug, clap::Args)]
pub(crate) struct RoleArgs {
    /// Version of itself that it says in every reply, beside its id [default: loadgen's own]
    #[arg(long, value_name = "VERSION", value_parser = identity)]
    pub(crate) version: Option<String>,
    /// Say of each stream on which both sides send when it opens and ends, and each message, with the `agent-id` and `agent-version` of its metadata
    #[arg(long)]
    pub(crate) log_streams: bool,
}

/// Flags of `loadgen serve websocket`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeWebsocketArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = WEBSOCKET_ADDRESS, value_parser = listen_address)]
    pub(crate) address: String,
    /// What all servers can be told.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Flags of `loadgen serve http`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeHttpArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = HTTP_ADDRESS, value_parser = listen_address)]
    pub(crate) address: String,
    /// What all servers can be told.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// How errors on purpose look.
    #[command(flatten)]
    pub(crate) error: ErrorCodeArgs,
}

/// Flags of `loadgen serve tcp`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeTcpArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = TCP_ADDRESS, value_parser = listen_address)]
    pub(crate) address: String,
    /// What only TCP has.
    #[command(flatten)]
    pub(crate) tcp: TcpArgs,
    /// What all servers can be told.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Flags of `loadgen serve all`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeAllArgs {
    /// Where each of them listens.
    #[command(flatten)]
    pub(crate) addresses: AddressFlags,
    /// What all servers can be told, and each of them is.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// How errors on purpose look.
    #[command(flatten)]
    pub(crate) error: ErrorCodeArgs,
    /// What only TCP has.
    #[command(flatten)]
    pub(crate) tcp: TcpArgs,
}

impl ServeAllArgs {
    /// What each of them is told of what only some can be.
    pub(crate) fn special(&self) -> Special {
        Special {
            error_code: self.error.error_code,
            tcp: self.tcp.options(),
            ..Special::default()
        }
    }
}

/// How the TCP server answers.
#[derive(Debug, clap::Args)]
pub(crate) struct TcpArgs {
    /// Over TCP, answer whole lines; the line `identity` gets the server's id, `close` has it close
    #[arg(long)]
    pub(crate) lines: bool,
    /// Over TCP, begin every connection with a line that is the server's id
    #[arg(long)]
    pub(crate) identity_on_connect: bool,
}

impl TcpArgs {
    /// The same, as the server takes it.
    pub(crate) fn options(&self) -> TcpOptions {
        TcpOptions {
            lines: self.lines,
            identity_on_connect: self.identity_on_connect,
        }
    }
}

/// Flags that every server takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerArgs {
    /// Name the server gives itself in every reply [default: made from host, process and port]
    #[arg(long, value_name = "NAME", value_parser = identity)]
    pub(crate) id: Option<String>,
    /// PEM file with the certificate chain; turns TLS on
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Threads of each server [default: every core]
    #[arg(long, value_name = "N", value_parser = count(MOST_WORKERS), allow_negative_numbers = true)]
    pub(crate) threads: Option<u64>,
    /// When told to stop, first say so by health checks, and serve on for this time [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = between(Duration::ZERO, HOUR), allow_hyphen_values = true)]
    pub(crate) lame_duck: Option<Duration>,
    /// Send metrics to StatsD once a second, `host:port`, in names that hold the server's id: give it an `--id` that stays [default: STATSD_HOST and STATSD_PORT, if set]
    #[arg(long, value_name = "HOST:PORT", value_parser = statsd)]
    pub(crate) statsd: Option<Target>,
    /// What the names of metrics begin with [default: loadgen]
    #[arg(long, value_name = "NAME", value_parser = prefix)]
    pub(crate) statsd_prefix: Option<Prefix>,
    /// What goes wrong on purpose.
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
    /// End when standard input does: for a process that must not outlive its parent
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

/// How errors on purpose look over gRPC and HTTP.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = FAULTS)]
pub(crate) struct ErrorCodeArgs {
    /// The status of such an error over gRPC, by its name; over HTTP the one that stands for it, like 503 for UNAVAILABLE
    #[arg(long, value_name = "CODE", default_value = "UNAVAILABLE", value_parser = code, requires = "error_rate")]
    pub(crate) error_code: Code,
}

/// How long serving a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceTimesFlag {
    /// Always as long
    Constant,
    /// At random, the same in each start of a server with the same id
    Exponential,
}

impl From<ServiceTimesFlag> for ServiceTimes {
    fn from(flag: ServiceTimesFlag) -> Self {
        match flag {
            ServiceTimesFlag::Constant => Self::Constant,
            ServiceTimesFlag::Exponential => Self::Exponential,
        }
    }
}

/// Faults that the reference servers make on purpose.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = FAULTS)]
pub(crate) struct FaultArgs {
    /// Wait before every reply, like `20ms`, or at random like `10ms..50ms`
    #[arg(long, value_name = "TIME", value_parser = delay, allow_hyphen_values = true)]
    pub(crate) delay: Option<Delay>,
    /// Wait this long before some replies
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) stall: Option<Duration>,
    /// Share of the calls that stall, like `0.01` or `1%`
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "1%",
        requires = "stall",
        allow_hyphen_values = true
    )]
    pub(crate) stall_rate: Probability,
    /// Answer this share of the calls with an error, like `0.05` or `5%`; over WebSocket the connection is closed with 1011, over TCP without a word
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(crate) error_rate: Option<Probability>,
    /// Close this share of the connections as soon as they are accepted
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(crate) refuse_rate: Option<Probability>,
    /// Cut a connection after this many requests on it
    #[arg(long, value_name = "N", value_parser = non_zero, allow_negative_numbers = true)]
    pub(crate) cut_after: Option<NonZeroU64>,
    /// Answer at most this many calls a second, the rest with RESOURCE_EXHAUSTED; over HTTP with 429, over WebSocket their connections are closed with 1013, over TCP without a word
    #[arg(long, value_name = "N", value_parser = throttle, allow_negative_numbers = true)]
    pub(crate) throttle: Option<NonZeroU32>,
    /// Serve calls one after the other, so many a second, like `5000/s`, while the others wait in line: a queue over all connections and threads, before any delay
    #[arg(long, value_name = "RATE", value_parser = capacity, allow_hyphen_values = true)]
    pub(crate) capacity: Option<Capacity>,
    /// How long serving one takes in that queue: always as long (M/D/1), or at random, exponentially distributed (M/M/1)
    #[arg(
        long,
        value_name = "TIMES",
        value_enum,
        default_value = "constant",
        requires = "capacity"
    )]
    pub(crate) service_times: ServiceTimesFlag,
}
