//! Flags of the commands that need no file: `loadgen grpc`, `websocket`, `http` and `tcp`.

use std::path::PathBuf;
use std::time::Duration;

use super::capacity::CapacityFlags;
use super::run::RunArgs;
use super::values::{MOST_MESSAGES, count, duration, form_field, header, stream_end};

const REQUEST: &str = "What is sent";
/// The most redirections that a scenario may follow.
const MOST_REDIRECTS: u64 = 20;
/// The longest reply that may be counted off.
const MOST_BYTES: u64 = 64 << 20;

/// Flags of `loadgen grpc`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    override_usage = "loadgen grpc [OPTIONS] <TARGET> <METHOD>\n       \
        loadgen grpc [OPTIONS] <TARGET> list [SERVICE]\n       \
        loadgen grpc [OPTIONS] <TARGET> describe [SYMBOL]",
    after_help = "  loadgen grpc localhost:50051 list\n  \
    loadgen grpc localhost:50051 describe shop.v1.Shop/Order\n  \
    loadgen grpc localhost:50051 shop.v1.Shop/Order --data '{\"item\": \"tea\"}' -r 500/s -d 30s\n\n\
    Without --proto or --protoset the server is asked by reflection. Without -n and -d it runs for \
    10 s,\nwithout -c with 10 users; with -r at that rate, with as many users as it takes, 1,000 at most."
)]
pub(crate) struct GrpcArgs {
    /// Where to send: `host:port`, `https://host:port` with TLS, or `unix:/path`
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// What to call, `package.Service/Method`; or `list` or `describe` to see what there is
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// With `list` a service, with `describe` a service, method, message or enum
    #[arg(value_name = "SYMBOL", hide = true)]
    pub(crate) symbol: Option<String>,

    /// The message as JSON, `@FILE`, or `@-` for standard input; several, one after the other or in an array, for a stream [default: {}]
    #[arg(long, value_name = "JSON|@FILE", help_heading = REQUEST)]
    pub(crate) data: Option<String>,
    /// A `.proto` file that describes the service, instead of reflection; repeatable
    #[arg(long = "proto", value_name = "FILE", help_heading = REQUEST)]
    pub(crate) protos: Vec<PathBuf>,
    /// A descriptor set that describes the service, as protoc and buf write it; repeatable
    #[arg(long = "protoset", value_name = "FILE", help_heading = REQUEST)]
    pub(crate) protosets: Vec<PathBuf>,
    /// A folder in which what `.proto` files import is looked for; repeatable
    #[arg(long = "import-path", value_name = "DIR", help_heading = REQUEST)]
    pub(crate) import_paths: Vec<PathBuf>,
    /// Compress messages: `gzip` or `zstd`
    #[arg(long, value_name = "NAME", help_heading = REQUEST)]
    pub(crate) compression: Option<String>,
    /// How many messages are sent on a client or bidirectional stream [default: as many as there are]
    #[arg(long, value_name = "N", value_parser = count(MOST_MESSAGES), allow_negative_numbers = true, help_heading = REQUEST)]
    pub(crate) repeat: Option<u64>,
    /// Time between two messages sent on a stream
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = REQUEST)]
    pub(crate) every: Option<Duration>,
    /// End a stream of answers after so many messages, like `10`, or a time, like `5s`
    #[arg(long, value_name = "N|TIME", value_parser = stream_end, allow_hyphen_values = true, help_heading = REQUEST)]
    pub(crate) receive: Option<StreamEndFlag>,
    /// What all commands without a file have.
    #[command(flatten)]
    pub(crate) shared: AdHocArgs,
}

/// Flags of `loadgen websocket`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    group = clap::ArgGroup::new("message").args(["send", "send_json", "ping"]),
    after_help = "  loadgen websocket ws://localhost:8080/echo --send hello\n  \
    loadgen websocket wss://api.example.com/feed -H \"authorization: Bearer $TOKEN\" --receive 100\n\n\
    Without -n and -d it runs for 10 s, without -c with 10 users; with -r at that rate, with as many \
    users\nas it takes, 1,000 at most."
)]
pub(crate) struct WebsocketArgs {
    /// Where to connect: `ws://host:port/path`, `wss://host/path`, or `host:port/path`
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The text to send, `@FILE`, or `@-` for standard input; one message answers it
    #[arg(long, value_name = "TEXT|@FILE", help_heading = REQUEST)]
    pub(crate) send: Option<String>,
    /// The JSON value to send, `@FILE`, or `@-` for standard input; one message answers it
    #[arg(long, value_name = "JSON|@FILE", help_heading = REQUEST)]
    pub(crate) send_json: Option<String>,
    /// Send pings of the protocol
    #[arg(long, help_heading = REQUEST)]
    pub(crate) ping: bool,
    /// So many messages, like `10`, or those of a time, like `5s`, answer what is sent; or come by themselves where nothing is
    #[arg(long, value_name = "N|TIME", value_parser = stream_end, allow_hyphen_values = true, conflicts_with = "ping", help_heading = REQUEST)]
    pub(crate) receive: Option<StreamEndFlag>,
    /// Wait for no answer
    #[arg(long, conflicts_with_all = ["receive", "ping"], requires = "message", help_heading = REQUEST)]
    pub(crate) no_reply: bool,
    /// How many times it is sent in an iteration [default: 1]
    #[arg(long, value_name = "N", value_parser = count(MOST_MESSAGES), allow_negative_numbers = true, requires = "message", help_heading = REQUEST)]
    pub(crate) repeat: Option<u64>,
    /// Time between two messages sent
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, requires = "message", help_heading = REQUEST)]
    pub(crate) every: Option<Duration>,
    /// Subprotocol to offer; repeatable, the preferred one first
    #[arg(long = "subprotocol", value_name = "NAME", help_heading = REQUEST)]
    pub(crate) subprotocols: Vec<String>,
    /// What all commands without a file have.
    #[command(flatten)]
    pub(crate) shared: AdHocArgs,
}

/// Flags of `loadgen http`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "  loadgen http http://localhost:8081/hello\n  \
    loadgen http https://api.example.com/orders --body-json '{\"item\": \"tea\"}' --check 'status == 201' -r 500/s -d 30s\n\n\
    Without -n and -d it runs for 10 s, without -c with 10 users; with -r at that rate, with as many \
    users\nas it takes, 1,000 at most.")]
pub(crate) struct HttpArgs {
    /// What to ask for: `http://host:port/path`, `https://host/path`, `host:port/path`, or `unix:/socket:/path`
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The method [default: GET; POST where there is a body]
    #[arg(short = 'X', long, value_name = "NAME", help_heading = REQUEST)]
    pub(crate) method: Option<String>,
    /// The body as a text, `@FILE`, or `@-` for standard input
    #[arg(long, value_name = "TEXT|@FILE", group = "payload", help_heading = REQUEST)]
    pub(crate) body: Option<String>,
    /// The body as a JSON value, `@FILE`, or `@-` for standard input
    #[arg(long, value_name = "JSON|@FILE", group = "payload", help_heading = REQUEST)]
    pub(crate) body_json: Option<String>,
    /// The body as a form: a field of it; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = form_field, group = "payload", help_heading = REQUEST)]
    pub(crate) form: Vec<(String, String)>,
    /// The body as noise of this size, like `1KiB`
    #[arg(long, value_name = "SIZE", group = "payload", help_heading = REQUEST)]
    pub(crate) body_size: Option<String>,
    /// End server-sent events after so many, like `10`, or a time, like `5s`
    #[arg(long, value_name = "N|TIME", value_parser = stream_end, allow_hyphen_values = true, help_heading = REQUEST)]
    pub(crate) receive: Option<StreamEndFlag>,
    /// The version to speak: over 1.1 each user has a connection of its own, over 2 they share some [default: 1.1]
    #[arg(long, value_name = "VERSION", value_parser = ["1.1", "2"], help_heading = REQUEST)]
    pub(crate) http_version: Option<String>,
    /// Keep cookies, for each user its own
    #[arg(long, help_heading = REQUEST)]
    pub(crate) cookies: bool,
    /// Follow so many redirections [default: 0]
    #[arg(long, value_name = "N", value_parser = count(MOST_REDIRECTS), allow_negative_numbers = true, help_heading = REQUEST)]
    pub(crate) redirects: Option<u64>,
    /// What all commands without a file have.
    #[command(flatten)]
    pub(crate) shared: AdHocArgs,
}

/// Flags of `loadgen tcp`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    after_help = "  loadgen tcp localhost:6379 --send 'PING\\r\\n' --until '\\r\\n'\n  \
    loadgen tcp localhost:9001 --send-size 64B --bytes 64 --repeat 100 --in-flight 10\n\n\
    Without -n and -d it runs for 10 s, without -c with 10 users; with -r at that rate, with as many \
    users\nas it takes, 1,000 at most."
)]
pub(crate) struct TcpArgs {
    /// Where to connect: `host:port`, `tls://host:port` with TLS, or `unix:/path`
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    /// What to send, with `\r`, `\n`, `\t`, `\0` and `\xHH`; or the bytes of `@FILE`, `@-` for standard input
    #[arg(long, value_name = "TEXT|@FILE", group = "payload", help_heading = REQUEST)]
    pub(crate) send: Option<String>,
    /// The bytes to send, in hex
    #[arg(long, value_name = "HEX", group = "payload", help_heading = REQUEST)]
    pub(crate) send_hex: Option<String>,
    /// Send noise of this size, like `1KiB`
    #[arg(long, value_name = "SIZE", group = "payload", help_heading = REQUEST)]
    pub(crate) send_size: Option<String>,
    /// The reply ends with this, with escapes as in --send
    #[arg(long, value_name = "TEXT", group = "reply", help_heading = REQUEST)]
    pub(crate) until: Option<String>,
    /// The reply has so many bytes
    #[arg(long, value_name = "N", value_parser = count(MOST_BYTES), allow_negative_numbers = true, group = "reply", help_heading = REQUEST)]
    pub(crate) bytes: Option<u64>,
    /// The reply begins with its length, a big-endian number of 1, 2, 4 or 8 bytes
    #[arg(long, value_name = "N", value_parser = count(8), allow_negative_numbers = true, group = "reply", help_heading = REQUEST)]
    pub(crate) length_prefix: Option<u64>,
    /// The reply ends with the first match of this regular expression
    #[arg(long, value_name = "PATTERN", group = "reply", help_heading = REQUEST)]
    pub(crate) regex: Option<String>,
    /// The reply ends when the server closes
    #[arg(long, group = "reply", help_heading = REQUEST)]
    pub(crate) until_close: bool,
    /// End our side once all is sent
    #[arg(long, requires = "payload", help_heading = REQUEST)]
    pub(crate) shutdown: bool,
    /// How many times it is sent in an iteration [default: 1]
    #[arg(long, value_name = "N", value_parser = count(MOST_MESSAGES), allow_negative_numbers = true, help_heading = REQUEST)]
    pub(crate) repeat: Option<u64>,
    /// Time between two messages sent
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, requires = "payload", help_heading = REQUEST)]
    pub(crate) every: Option<Duration>,
    /// The most messages that wait for their replies at once [default: 1]
    #[arg(long, value_name = "N", value_parser = count(MOST_MESSAGES), allow_negative_numbers = true, requires = "payload", help_heading = REQUEST)]
    pub(crate) in_flight: Option<u64>,
    /// What all commands without a file have.
    #[command(flatten)]
    pub(crate) shared: AdHocArgs,
}

/// What all commands without a file have.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AdHocArgs {
    /// Metadata or a header field to send; repeatable
    #[arg(short = 'H', long = "header", value_name = "KEY: VALUE", value_parser = header, help_heading = REQUEST)]
    pub(crate) headers: Vec<(String, String)>,
    /// Whom connections are told that they are for, instead of the target's host and port
    #[arg(long, value_name = "NAME", help_heading = REQUEST)]
    pub(crate) authority: Option<String>,
    /// An expression that each reply must make true, like `status == 'OK'` or `reply.total == 3`; repeatable
    #[arg(long = "check", value_name = "EXPRESSION", help_heading = REQUEST)]
    pub(crate) checks: Vec<String>,
    /// Load before measuring
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Load")]
    pub(crate) warm_up: Option<Duration>,
    /// A condition on the results, like `response_time.p99 < 20ms`; repeatable [default: error_rate < 1%]
    #[arg(long = "threshold", value_name = "CONDITION", help_heading = "Output")]
    pub(crate) thresholds: Vec<String>,
    /// Print the scenario file that does the same, and run nothing
    #[arg(long, help_heading = "Output")]
    pub(crate) print_scenario: bool,
    /// Print secrets that stand in the scenario as well
    #[arg(long, requires = "print_scenario", help_heading = "Output")]
    pub(crate) show_secrets: bool,
    /// What capacity is looked for, where one is.
    #[command(flatten)]
    pub(crate) capacity: CapacityFlags,
    /// How it is run.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// When a stream of messages is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEndFlag {
    /// After so many messages.
    Messages(u64),
    /// After this time.
    After(Duration),
}
