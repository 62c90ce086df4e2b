//! The command line as it is written: names, values and help. What flags mean together is decided
//! in `settings`.

mod serve;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use loadgen_core::pacer::Pacing;
use loadgen_core::scenario::Target;
use loadgen_core::secrets;
use loadgen_core::sink::post::Url;
use loadgen_core::sink::statsd::Prefix;
use loadgen_core::units::Rate;

pub(crate) use self::values::TagList;

use self::values::{
    count, duration, output_spec, pacing, prefix, rate, scrape_address, seed, statsd, tags, target,
    url,
};
use crate::output::Spec;

pub(crate) use self::serve::{
    ErrorCodeArgs, FaultArgs, ServeAllArgs, ServeCommand, ServeGrpcArgs, ServeWebsocketArgs,
    ServerArgs,
};

/// Where Prometheus scrapes unless told.
const PROMETHEUS_ADDRESS: &str = "127.0.0.1:9464";
/// The most iterations of a run, as in scenario files.
const MOST_REQUESTS: u64 = 1_000_000_000_000_000;
/// The most users, as in scenario files.
const MOST_USERS: u64 = 1_000_000;
/// The most connections, as in scenario files.
const MOST_CONNECTIONS: u64 = 65_535;
/// The most worker threads.
const MOST_WORKERS: u64 = 1024;

/// Drive load at gRPC and WebSocket services and say truthfully how they held up.
#[derive(Debug, Parser)]
#[command(
    name = "loadgen",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "Start here:  loadgen run --scenario hello_high\n\
    Exit codes:  0 pass, 1 error, 2 usage, 99 threshold failed, 100 invalid run (--strict),\n             \
    101 unreachable, 104 bad scenario, 105 stopped by a signal")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// What stands on the command line. Where that makes no sense the process ends, and says so without
    /// the passwords that an address may have.
    pub(crate) fn given() -> Self {
        Self::try_parse().unwrap_or_else(|error| without_secrets(error).exit())
    }
}

fn without_secrets(mut error: clap::Error) -> clap::Error {
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
    Run(Box<RunArgs>),
    /// List scenarios: the shipped ones, or those of a file
    List(ListArgs),
    /// Check a scenario file and say everything that is wrong with it
    Validate(ValidateArgs),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Start the reference servers
    #[command(subcommand)]
    Serve(ServeCommand),
    /// Say what this machine lets a load generator do, and what would let it do more
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Flags of `loadgen run`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    group = clap::ArgGroup::new("suite").args(["file", "config"]),
    after_help = "Without a target in a flag or the scenario, GRPC_HOST and GRPC_PORT say where \
    to send gRPC,\nWEBSOCKET_HOST and WEBSOCKET_PORT where to send WebSocket; without them, \
    loadgen's embedded\nbackend answers. STATSD_HOST and STATSD_PORT say where metrics go without --statsd,\n\
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT without --otlp,\n\
    GRAPHITE_URL where marks go without --graphite.\n\
    NO_COLOR turns colour off."
)]
pub(crate) struct RunArgs {
    /// Scenario file instead of the shipped scenarios, or `-` for standard input; without --scenario all of it runs
    #[arg(value_name = "FILE", help_heading = "What to run")]
    pub(crate) file: Option<PathBuf>,
    /// Scenario to run; may be given several times, and they run together
    #[arg(
        short,
        long = "scenario",
        value_name = "NAME",
        help_heading = "What to run"
    )]
    pub(crate) scenarios: Vec<String>,
    /// The same as FILE
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "file",
        help_heading = "What to run"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Profile of the scenario file to apply
    #[arg(
        long,
        value_name = "NAME",
        requires = "suite",
        help_heading = "What to run"
    )]
    pub(crate) profile: Option<String>,
    /// Only scenarios that speak this protocol; `both` is all [default: all]
    #[arg(
        long,
        value_name = "PROTOCOL",
        value_enum,
        help_heading = "What to run"
    )]
    pub(crate) protocol: Option<ProtocolChoice>,

    /// Iterations in all; with `--duration`, whichever comes first ends the load
    #[arg(short = 'n', long, value_name = "N", value_parser = count(MOST_REQUESTS), allow_negative_numbers = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) requests: Option<u64>,
    /// Users at a time
    #[arg(short, long, value_name = "N", value_parser = count(MOST_USERS), allow_negative_numbers = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) concurrency: Option<u64>,
    /// How long to run, like `30s` or `5m`; without `--requests` it takes the place of a number of iterations
    #[arg(short, long, short_alias = 'z', value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) duration: Option<Duration>,
    /// Start iterations at this rate whatever the service does, like `500/s` or `500`
    #[arg(short, long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) rate: Option<Rate>,
    /// gRPC connections over all workers; a WebSocket user has connections of its own
    #[arg(long, value_name = "N", value_parser = count(MOST_CONNECTIONS), allow_negative_numbers = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) connections: Option<u64>,
    /// Longest time an iteration may take, like `2s`
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Load (overrides the scenario)")]
    pub(crate) timeout: Option<Duration>,

    /// Where to send, `host:port` or a URL; repeatable, or with commas. A protocol is taken as `--protocol`
    #[arg(long = "target", value_name = "TARGET", value_parser = target, help_heading = "Where to send")]
    pub(crate) targets: Vec<TargetChoice>,
    /// Where to send gRPC, `host:port` or `https://host:port`; repeatable, or with commas
    #[arg(
        long = "grpc-target",
        value_name = "TARGET",
        help_heading = "Where to send"
    )]
    pub(crate) grpc_targets: Vec<String>,
    /// Where to send WebSocket, `host:port`, `ws://host:port` or `wss://host:port`; repeatable, or with commas
    #[arg(
        long = "websocket-target",
        value_name = "TARGET",
        help_heading = "Where to send"
    )]
    pub(crate) websocket_targets: Vec<String>,
    /// PEM file of the authorities to trust instead of the system's; turns TLS on
    #[arg(long, value_name = "FILE", help_heading = "Where to send")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Name that the server's certificate must carry instead of the target's host; turns TLS on
    #[arg(long, value_name = "NAME", help_heading = "Where to send")]
    pub(crate) tls_server_name: Option<String>,
    /// Accept any certificate; turns TLS on
    #[arg(long, help_heading = "Where to send")]
    pub(crate) insecure_skip_verify: bool,

    /// Worker threads [default: the smaller of cores and users; half the cores with the embedded backend]
    #[arg(long, value_name = "N", value_parser = count(MOST_WORKERS), allow_negative_numbers = true, help_heading = "Generator")]
    pub(crate) workers: Option<u64>,
    /// Seed of every random choice
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = seed,
        allow_negative_numbers = true,
        help_heading = "Generator"
    )]
    pub(crate) seed: u64,
    /// How open models wait for what is due: `exact`, asleep, or `busy=TIME`, awake for the last TIME, 1us to 1ms, 50us where none is given. It takes processor time for a start lag of microseconds; nothing changes for closed models
    #[arg(long, value_name = "exact|busy[=TIME]", default_value_t = Pacing::EXACT, value_parser = pacing, help_heading = "Generator")]
    pub(crate) pacing: Pacing,

    /// Print errors only
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Print the result document on stdout instead of the summary
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Also write the result to a file; KIND is `json`. May be given several times
    #[arg(short, long = "out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| output_spec(&it)), action = ArgAction::Append, help_heading = "Output")]
    pub(crate) outputs: Vec<Spec>,
    /// Send metrics to StatsD once a second, `host:port`
    #[arg(long, value_name = "HOST:PORT", value_parser = statsd, help_heading = "Output")]
    pub(crate) statsd: Option<Target>,
    /// What the names of metrics begin with [default: loadgen]
    #[arg(long, value_name = "NAME", value_parser = prefix, help_heading = "Output")]
    pub(crate) statsd_prefix: Option<Prefix>,
    /// Send StatsD the scenarios' tags, and these, with every metric
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = tags, num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Output")]
    pub(crate) statsd_tags: Option<TagList>,
    /// Show metrics to Prometheus at /metrics of this address [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT", value_parser = scrape_address, num_args = 0..=1, require_equals = true, default_missing_value = PROMETHEUS_ADDRESS, help_heading = "Output")]
    pub(crate) prometheus: Option<String>,
    /// After the run, wait so long at most until Prometheus has scraped the last figures
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "prometheus", allow_hyphen_values = true, help_heading = "Output")]
    pub(crate) prometheus_wait: Option<Duration>,
    /// Post metrics as OTLP over HTTP once a second; without a path, to /v1/metrics
    #[arg(long, value_name = "URL", value_parser = url, help_heading = "Output")]
    pub(crate) otlp: Option<Url>,
    /// Mark in this Graphite where the run starts and where it ends
    #[arg(long, value_name = "URL", value_parser = url, help_heading = "Output")]
    pub(crate) graphite: Option<Url>,
    /// Exit with 100 when the run is invalid, whatever the thresholds say
    #[arg(long, help_heading = "Output")]
    pub(crate) strict: bool,
}

impl RunArgs {
    /// The scenario file, however it was given.
    pub(crate) fn suite_file(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }

    /// The protocol asked for, however it was.
    pub(crate) fn chosen_protocol(&self) -> Option<ProtocolChoice> {
        let named = self.targets.iter().find_map(|it| match it {
            TargetChoice::Protocol(choice) => Some(*choice),
            TargetChoice::At(_) => None,
        });
        self.protocol
            .or(named)
            .or_else(|| self.protocol_of_schemes())
    }

    /// The protocol that the addresses of `--target` are of, where all say so by their schemes.
    fn protocol_of_schemes(&self) -> Option<ProtocolChoice> {
        let addresses = self.targets.iter().filter_map(|it| match it {
            TargetChoice::At(targets) => Some(targets.split(',')),
            TargetChoice::Protocol(_) => None,
        });
        let mut schemes = addresses.flatten().map(|target| {
            let (scheme, _) = target.trim().split_once("://")?;
            match scheme.to_ascii_lowercase().as_str() {
                "ws" | "wss" => Some(ProtocolChoice::Websocket),
                "http" | "https" => Some(ProtocolChoice::Grpc),
                _ => None,
            }
        });
        let first = schemes.next()??;
        schemes.all(|it| it == Some(first)).then_some(first)
    }
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
    /// Print the scenarios in their full form, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `loadgen validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// Scenario file, or `-` for standard input
    pub(crate) file: PathBuf,
    /// Profile to apply
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print the scenarios in their full form, as JSON
    #[arg(long)]
    pub(crate) print: bool,
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
}

/// What `--target` takes: where to send or, as in the framework that this one follows, a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetChoice {
    /// Only scenarios that speak it.
    Protocol(ProtocolChoice),
    /// One address, or several with commas.
    At(String),
}

/// The protocols that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ProtocolChoice {
    /// Every protocol there is
    #[default]
    #[value(alias = "both")]
    All,
    /// gRPC
    Grpc,
    /// WebSocket
    Websocket,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use test_case::test_case;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Args::command().debug_assert();
    }

    fn run(flags: &[&str]) -> Result<RunArgs, String> {
        let line = ["loadgen", "run"].iter().chain(flags);
        match Args::try_parse_from(line) {
            Ok(Args {
                command: Command::Run(run),
            }) => Ok(*run),
            Ok(other) => panic!("not a run: {other:?}"),
            Err(error) => {
                assert_eq!(error.exit_code(), 2, "usage errors exit with 2");
                let text = error.to_string();
                Err(text.lines().next().unwrap_or_default().to_owned())
            }
        }
    }

    #[test_case(&["-n", "0"] => "error: invalid value '0' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "zero")]
    #[test_case(&["-n", "-5"] => "error: invalid value '-5' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "negative")]
    #[test_case(&["-n", "1k"] => "error: invalid value '1k' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "a suffix")]
    #[test_case(&["-n", "1.5"] => "error: invalid value '1.5' for '--requests <N>': expected a whole number from 1 to 1000000000000000"; "a fraction")]
    #[test_case(&["--connections", "65536"] => "error: invalid value '65536' for '--connections <N>': expected a whole number from 1 to 65535"; "too many connections")]
    #[test_case(&["--seed", "-1"] => "error: invalid value '-1' for '--seed <N>': expected a whole number from 0 to 18446744073709551615"; "a seed below zero")]
    #[test_case(&["-c", "99999999999999999999"] => "error: invalid value '99999999999999999999' for '--concurrency <N>': expected a whole number from 1 to 1000000"; "huge")]
    #[test_case(&["-c", "NaN"] => "error: invalid value 'NaN' for '--concurrency <N>': expected a whole number from 1 to 1000000"; "nan")]
    #[test_case(&["-d", "0s"] => "error: invalid value '0s' for '--duration <TIME>': expected a duration above zero"; "no time")]
    #[test_case(&["-d", "800h"] => "error: invalid value '800h' for '--duration <TIME>': `800h` is too large; expected at most 720h (30 days)"; "too long")]
    #[test_case(&["--out", "csv=x"] => "error: invalid value 'csv=x' for '--out <KIND=PATH>': unknown kind `csv`; expected one of json"; "unknown kind")]
    #[test_case(&["--out", "result.json"] => "error: invalid value 'result.json' for '--out <KIND=PATH>': expected KIND=PATH with KIND one of json"; "no kind")]
    #[test_case(&["--out", "json="] => "error: invalid value 'json=' for '--out <KIND=PATH>': the path after `=` is empty"; "no path")]
    #[test_case(&["--out", "json=-"] => "error: invalid value 'json=-' for '--out <KIND=PATH>': `-` is not a file; `--json` prints the document on standard output"; "standard output")]
    #[test_case(&["--protocol", "smtp"] => "error: invalid value 'smtp' for '--protocol <PROTOCOL>'"; "unknown protocol")]
    #[test_case(&["--statsd", "localhost"] => "error: invalid value 'localhost' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "no port")]
    #[test_case(&["--statsd", "localhost:65536"] => "error: invalid value 'localhost:65536' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "a port out of range")]
    #[test_case(&["--statsd", "https://localhost:1"] => "error: invalid value 'https://localhost:1' for '--statsd <HOST:PORT>': expected HOST:PORT with a port from 1 to 65535, like `localhost:8125`"; "a scheme")]
    #[test_case(&["--statsd-prefix", "a..b"] => "error: invalid value 'a..b' for '--statsd-prefix <NAME>': expected parts of letters, digits, `_` and `-`, joined by dots, of at most 200 characters in all"; "an empty part")]
    #[test_case(&["--statsd-tags=a"] => "error: invalid value 'a' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "a tag without a value")]
    #[test_case(&["--statsd-tags=a=b,"] => "error: invalid value 'a=b,' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "an empty tag")]
    #[test_case(&["--statsd-tags==b"] => "error: invalid value '=b' for '--statsd-tags[=<KEY=VALUE,...>]': expected KEY=VALUE pairs with commas between them"; "a tag without a key")]
    #[test_case(&["--prometheus=localhost"] => "error: invalid value 'localhost' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no port to scrape")]
    #[test_case(&["--prometheus=65536"] => "error: invalid value '65536' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no such port to scrape")]
    #[test_case(&["--prometheus=:1"] => "error: invalid value ':1' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "no host to scrape")]
    #[test_case(&["--prometheus="] => "error: invalid value '' for '--prometheus[=<HOST:PORT>]': expected HOST:PORT or PORT, like `127.0.0.1:9464`; port 0 takes a free one"; "nothing to scrape")]
    #[test_case(&["--prometheus-wait", "1s"] => "error: the following required arguments were not provided:"; "waiting for nobody")]
    #[test_case(&["--otlp", "localhost:4318"] => "error: invalid value 'localhost:4318' for '--otlp <URL>': expected a URL like `http://HOST:PORT` or `https://HOST/path`"; "no scheme")]
    #[test_case(&["--otlp", ""] => "error: invalid value '' for '--otlp <URL>': expected a URL like `http://HOST:PORT` or `https://HOST/path`"; "an empty URL")]
    #[test_case(&["--graphite", "http://a:65536"] => "error: invalid value 'http://a:65536' for '--graphite <URL>': expected a URL like `http://HOST:PORT` with a port from 1 to 65535"; "a URL's port")]
    #[test_case(&["--pacing", "lazy"] => "error: invalid value 'lazy' for '--pacing <exact|busy[=TIME]>': `lazy` is no pacing; expected `exact`, `busy`, or `busy=TIME` like `busy=50us`"; "no pacing")]
    #[test_case(&["--pacing", "busy=2ms"] => "error: invalid value 'busy=2ms' for '--pacing <exact|busy[=TIME]>': busy polling for `2ms` is out of range; expected from 1us to 1ms"; "awake for too long")]
    #[test_case(&["--pacing=busy="] => "error: invalid value 'busy=' for '--pacing <exact|busy[=TIME]>': `` is not a duration; expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\""; "awake for nothing")]
    fn refused(flags: &[&str]) -> String {
        run(flags).unwrap_err()
    }

    #[test_case("-5s"; "negative")]
    #[test_case("NaN"; "nan")]
    #[test_case("inf"; "infinite")]
    #[test_case("1e400s"; "huge")]
    #[test_case(""; "empty")]
    #[test_case("soon"; "a word")]
    fn refused_durations(value: &str) {
        let error = run(&["--duration", value]).unwrap_err();
        assert!(
            error.contains("'--duration <TIME>'") || error.contains("value"),
            "{error}"
        );
    }

    #[test_case("0"; "zero")]
    #[test_case("-5/s"; "negative")]
    #[test_case("NaN"; "nan")]
    #[test_case("inf/s"; "infinite")]
    #[test_case("1e400/s"; "huge")]
    fn refused_rates(value: &str) {
        let error = run(&["--rate", value]).unwrap_err();
        assert!(error.contains("'--rate <RATE>'"), "{error}");
    }

    #[test_case("500")]
    #[test_case("0.5")]
    #[test_case("30/m")]
    fn plain_rates_are_a_seconds(value: &str) {
        assert!(run(&["--rate", value]).is_ok());
    }

    #[test]
    fn short_flags_follow_what_people_know() {
        let args = run(&[
            "-s", "a", "-s", "b", "-n", "10", "-c", "2", "-z", "5s", "-r", "500/s", "-q", "-o",
            "json=x",
        ])
        .unwrap();
        assert_eq!(args.scenarios, ["a", "b"]);
        assert_eq!(args.requests, Some(10));
        assert_eq!(args.concurrency, Some(2));
        assert_eq!(args.duration, Some(Duration::from_secs(5)));
        assert_eq!(args.rate.map(Rate::per_second), Some(500.0));
        assert!(args.quiet);
        assert_eq!(args.outputs.len(), 1);
    }

    #[test_case(&["--prometheus"] => Some("127.0.0.1:9464".to_owned()); "the usual address")]
    #[test_case(&["--prometheus", "--json"] => Some("127.0.0.1:9464".to_owned()); "another flag behind it")]
    #[test_case(&["--prometheus=9999"] => Some("127.0.0.1:9999".to_owned()); "a port")]
    #[test_case(&["--prometheus=0"] => Some("127.0.0.1:0".to_owned()); "a free port")]
    #[test_case(&["--prometheus=[::]:9464"] => Some("[::]:9464".to_owned()); "an address")]
    fn scraped_at(flags: &[&str]) -> Option<String> {
        run(flags).unwrap().prometheus
    }

    #[test_case(&["x.json"]; "alone")]
    #[test_case(&["--prometheus", "x.json"]; "behind a flag that may have a value")]
    #[test_case(&["--statsd-tags", "x.json"]; "behind another")]
    #[test_case(&["--pacing", "busy", "x.json"]; "behind a value that may go on")]
    #[test_case(&["--config", "x.json"]; "with a flag")]
    #[test_case(&["x.json", "--profile", "ci"]; "with a profile")]
    fn a_file_is_a_file(flags: &[&str]) {
        let args = run(flags).unwrap();
        assert_eq!(args.suite_file(), Some(Path::new("x.json")));
    }

    #[test_case(&["a.json", "b.json"] => "error: unexpected argument 'b.json' found"; "two files")]
    #[test_case(&["a.json", "--config", "b.json"] => "error: the argument '[FILE]' cannot be used with '--config <FILE>'"; "a file and a flag for it")]
    #[test_case(&["--profile", "ci"] => "error: the following required arguments were not provided:"; "a profile of nothing")]
    #[test_case(&["--target", "grcp"] => "error: invalid value 'grcp' for '--target <TARGET>': expected where to send, like `host:50051` or `https://host`, or a protocol: all, grpc or websocket"; "a misspelt protocol")]
    #[test_case(&["--target", ""] => "error: invalid value '' for '--target <TARGET>': expected where to send, like `host:50051` or `https://host`, or a protocol: all, grpc or websocket"; "no target")]
    fn refused_files_and_targets(flags: &[&str]) -> String {
        run(flags).unwrap_err()
    }

    #[test_case(&["--statsd-tags"] => ""; "the scenarios' own")]
    #[test_case(&["--statsd-tags=env=ci,team=a=b"] => "env:ci team:a=b"; "and more")]
    fn tagged(flags: &[&str]) -> String {
        let TagList(tags) = run(flags).unwrap().statsd_tags.unwrap();
        let tags = tags.iter().map(|(key, value)| format!("{key}:{value}"));
        tags.collect::<Vec<_>>().join(" ")
    }

    #[test_case(&[] => "exact")]
    #[test_case(&["--pacing", "exact"] => "exact"; "as it is")]
    #[test_case(&["--pacing", "busy"] => "busy=50us"; "as long as is usual")]
    #[test_case(&["--pacing=busy=0.2ms"] => "busy=200us"; "longer")]
    fn paced(flags: &[&str]) -> String {
        run(flags).unwrap().pacing.to_string()
    }

    #[test_case(&[] => None)]
    #[test_case(&["--protocol", "all"] => Some(ProtocolChoice::All))]
    #[test_case(&["--target", "both"] => Some(ProtocolChoice::All))]
    #[test_case(&["--target", "grpc"] => Some(ProtocolChoice::Grpc))]
    #[test_case(&["--protocol", "websocket"] => Some(ProtocolChoice::Websocket))]
    #[test_case(&["--target", "ws://a:1"] => Some(ProtocolChoice::Websocket); "by a scheme")]
    #[test_case(&["--target", "https://a:1,http://b:1"] => Some(ProtocolChoice::Grpc); "by several")]
    #[test_case(&["--target", "ws://a:1", "--target", "https://a:1"] => None; "schemes of both")]
    #[test_case(&["--target", "a:1"] => None; "no scheme")]
    fn protocols(flags: &[&str]) -> Option<ProtocolChoice> {
        run(flags).unwrap().chosen_protocol()
    }
}
