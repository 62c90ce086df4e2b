//! Flags of `loadgen run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgAction;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use loadgen_core::pacer::Pacing;
use loadgen_core::scenario::{Assignment, Codec, Target};
use loadgen_core::schedule::Shard;
use loadgen_core::sink::post::Url;
use loadgen_core::sink::statsd::Prefix;
use loadgen_core::units::Rate;

use super::choice::{ProtocolChoice, TargetChoice};
use super::compare::CompareFlags;
use super::coordinate::TogetherFlags;
use super::each::TargetFlags;
use super::values::{
    MOST_WORKERS, TagList, assignment, codec, coordinator_address, count, duration, output_spec,
    pacing, prefix, rate, run_id, scrape_address, seed, shard, statsd, tags, target, ui_address,
    url,
};
use crate::output::Spec;
use crate::protocols;

/// Where a run is shown unless told.
const UI_ADDRESS: &str = "127.0.0.1:8089";
/// Where Prometheus scrapes unless told.
const PROMETHEUS_ADDRESS: &str = "127.0.0.1:9464";
/// The most iterations of a run, as in scenario files.
const MOST_REQUESTS: u64 = 1_000_000_000_000_000;
/// The most users, as in scenario files.
pub(super) const MOST_USERS: u64 = 1_000_000;
/// The most exchanges that are shown.
const MOST_TRACED: u64 = 1_000;
/// The most runs one after another: as many as are compared.
const MOST_RUNS: u64 = 1_000;
/// The most connections, as in scenario files.
const MOST_CONNECTIONS: u64 = 65_535;

/// Flags of `loadgen run`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    after_help = "Without a target in a flag or the scenario, GRPC_HOST and GRPC_PORT say where \
    to send gRPC,\nWEBSOCKET_HOST and WEBSOCKET_PORT where to send WebSocket, HTTP_HOST and HTTP_PORT where to send\n\
    HTTP, TCP_HOST and TCP_PORT where to send TCP; without them, loadgen's embedded backend answers.\n\
    STATSD_HOST and STATSD_PORT say where metrics go without --statsd,\n\
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT without --otlp,\n\
    GRAPHITE_URL where marks go without --graphite.\n\
    NO_COLOR turns colour off."
)]
pub(crate) struct RunCommand {
    /// What is run, and where to.
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// How.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Run it so many times, one after another, and say how much the runs differ; files get their numbers, like `r.1.json`
    #[arg(long, value_name = "N", value_parser = count(MOST_RUNS), conflicts_with = "coordinator", allow_negative_numbers = true, help_heading = "Comparing")]
    pub(crate) repeat: Option<u64>,
}

/// Which scenarios are run, and where they send.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(group = clap::ArgGroup::new("suite").args(["file", "config"]))]
pub(crate) struct WhatArgs {
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
    /// Change a value of the suite before it is checked, like `scenarios.greet.load.open.rate=200/s`; repeatable
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment, help_heading = "What to run")]
    pub(crate) set: Vec<Assignment>,
    /// Only scenarios that speak this protocol; `both` is all [default: all]
    #[arg(
        long,
        value_name = "PROTOCOL",
        value_enum,
        help_heading = "What to run"
    )]
    pub(crate) protocol: Option<ProtocolChoice>,
    /// Where to send, `host:port` or a URL; repeatable, or with commas. A protocol is taken as `--protocol`
    #[arg(long = "target", value_name = "TARGET", value_parser = target, help_heading = "Where to send")]
    pub(crate) targets: Vec<TargetChoice>,
    /// Where to send each protocol.
    #[command(flatten)]
    pub(crate) each_target: TargetFlags,
}

/// Who says which part of a load is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardChoice {
    /// The flag.
    This(Shard),
    /// The environment.
    Auto,
}

/// Flags of everything that runs a load, whatever says which.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// Iterations in all; with `--duration`, whichever comes first ends the load
    #[arg(short = 'n', long, value_name = "N", value_parser = count(MOST_REQUESTS), allow_negative_numbers = true, help_heading = "Load")]
    pub(crate) requests: Option<u64>,
    /// Users at a time
    #[arg(short, long, value_name = "N", value_parser = count(MOST_USERS), allow_negative_numbers = true, help_heading = "Load")]
    pub(crate) concurrency: Option<u64>,
    /// How long to run, like `30s` or `5m`; without `--requests` it takes the place of a number of iterations
    #[arg(short, long, short_alias = 'z', value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Load")]
    pub(crate) duration: Option<Duration>,
    /// Start iterations at this rate whatever the service does, like `500/s` or `500`
    #[arg(short, long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = "Load")]
    pub(crate) rate: Option<Rate>,
    /// gRPC and HTTP/2 connections over all workers; other users have connections of their own
    #[arg(long, value_name = "N", value_parser = count(MOST_CONNECTIONS), allow_negative_numbers = true, help_heading = "Load")]
    pub(crate) connections: Option<u64>,
    /// Longest time an iteration may take, like `2s`
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = "Load")]
    pub(crate) timeout: Option<Duration>,

    /// PEM file of the authorities to trust instead of the system's; turns TLS on
    #[arg(long, value_name = "FILE", help_heading = "Where to send")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Name that the server's certificate must carry instead of the target's host; turns TLS on
    #[arg(long, value_name = "NAME", help_heading = "Where to send")]
    pub(crate) tls_server_name: Option<String>,
    /// Accept any certificate; turns TLS on
    #[arg(long, help_heading = "Where to send")]
    pub(crate) insecure_skip_verify: bool,

    /// Worker threads [default: the smaller of cores and users; half the cores with servers that the run starts]
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
    /// Make one part of the load, where others make the rest: part I, from 0, of N, on the same seed; `auto` asks a Kubernetes Indexed Job, SLURM, Open MPI or PMI which. `loadgen merge` makes the results of all into one
    #[arg(long, value_name = "I/N|auto", value_parser = shard, allow_hyphen_values = true, help_heading = "Many machines")]
    pub(crate) shard: Option<ShardChoice>,
    /// Names the run that all shards are of: results of another are not merged with it [default: what LOADGEN_RUN_ID holds; with `--shard auto`, the job's of SLURM or PMIx]
    #[arg(long, value_name = "TEXT", value_parser = run_id, requires = "shard", help_heading = "Many machines")]
    pub(crate) run_id: Option<String>,
    /// Begin and stop together with all other shards: they meet at this address, where `loadgen coordinate` listens, or else shard 0, whose own it then is
    #[arg(long, value_name = "HOST:PORT", value_parser = coordinator_address, requires = "shard", help_heading = "Many machines")]
    pub(crate) coordinator: Option<String>,
    /// How shards come together.
    #[command(flatten)]
    pub(crate) together: TogetherFlags,
    /// How open models wait for what is due: `exact`, asleep until then; `grid=TIME`, asleep until the next of ticks TIME apart, 25us to 1ms, 100us where none is given, which saves processor time; `busy=TIME`, awake for the last TIME, 1us to 1ms, 50us where none is given, which takes some for a start lag of microseconds. `auto`: a grid of 100 to 250us above 10,000/s a worker where waking up costs too much, else exact. Nothing changes for closed models
    #[arg(long, value_name = "auto|exact|grid[=TIME]|busy[=TIME]", default_value_t = Pacing::EXACT, value_parser = pacing, help_heading = "Generator")]
    pub(crate) pacing: Pacing,

    /// Who speaks HTTP/2 for gRPC, in place of what scenarios say: loadgen's `own` code, where it makes all calls of a scenario, or the library `h2`
    #[arg(long, value_name = "own|h2", value_parser = codec, help_heading = "Generator")]
    pub(crate) codec: Option<Codec>,

    /// Print errors only
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Print the result document on stdout instead of the summary
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Also write the result to a file; KIND is `json`, `html`, `csv`, `hlog`, `junit` or `markdown`. May be given several times
    #[arg(short, long = "out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| output_spec(&it)), action = ArgAction::Append, help_heading = "Output")]
    pub(crate) outputs: Vec<Spec>,
    /// Keep a journal in this folder, from which `loadgen report` has the figures of a run that was killed [default: PATH.journal beside `--out json=PATH` or `html=PATH`]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) journal: Option<PathBuf>,
    /// Keep no journal
    #[arg(long, conflicts_with = "journal", help_heading = "Output")]
    pub(crate) no_journal: bool,
    /// Show the run in a browser while it is under way, at an address with a token of its own; port 0 takes a free one [default: 127.0.0.1:8089]
    #[arg(long, value_name = "HOST:PORT", value_parser = ui_address, num_args = 0..=1, require_equals = true, default_missing_value = UI_ADDRESS, help_heading = "Output")]
    pub(crate) ui: Option<String>,
    /// Let `--ui` listen where other machines can reach it, without TLS
    #[arg(long, requires = "ui", help_heading = "Output")]
    pub(crate) ui_insecure: bool,
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
    /// Show up to N exchanges in full when the run is over, failures first; it takes generator time
    #[arg(long, value_name = "N", value_parser = count(MOST_TRACED), allow_negative_numbers = true, help_heading = "Output")]
    pub(crate) trace: Option<u64>,
    /// Let the scenarios' events send requests to others and run commands; `loadgen validate` lists what these would be
    #[arg(long, help_heading = "What to run")]
    pub(crate) allow_events: bool,
    /// Exit with 100 when the run is invalid, whatever the thresholds say
    #[arg(long, help_heading = "Output")]
    pub(crate) strict: bool,
    /// When the run is over, hold it against the result of an earlier one, or a folder of them; repeatable
    #[arg(long, value_name = "FILE", action = ArgAction::Append, help_heading = "Comparing")]
    pub(crate) baseline: Vec<PathBuf>,
    /// How runs are compared.
    #[command(flatten)]
    pub(crate) comparing: CompareFlags,
}

impl WhatArgs {
    /// The scenario file, however it was given.
    pub(crate) fn suite_file(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }

    /// Whether a flag says where to send.
    pub(crate) fn names_target(&self) -> bool {
        let is_address = |it: &TargetChoice| matches!(it, TargetChoice::At(_));
        self.targets.iter().any(is_address) || !self.each_target.is_empty()
    }

    /// The protocol asked for, however it was.
    pub(crate) fn chosen_protocol(&self) -> Option<ProtocolChoice> {
        self.named_protocol().or_else(|| self.protocol_of_schemes())
    }

    /// The protocol asked for by its name.
    fn named_protocol(&self) -> Option<ProtocolChoice> {
        let named = self.targets.iter().find_map(|it| match it {
            TargetChoice::Protocol(choice) => Some(*choice),
            TargetChoice::At(_) => None,
        });
        self.protocol.or(named)
    }

    /// The other protocols whose schemes are the same, where nothing but these says which is meant.
    pub(crate) fn others_of_schemes(&self) -> Vec<ProtocolChoice> {
        let (None, Some(ProtocolChoice::Only(first))) =
            (self.named_protocol(), self.protocol_of_schemes())
        else {
            return Vec::new();
        };
        let scheme = protocols::of(first).map(|it| it.plain);
        let others = protocols::ALL.into_iter();
        others
            .filter(|it| it.protocol != first && Some(it.plain) == scheme)
            .map(|it| ProtocolChoice::Only(it.protocol))
            .collect()
    }

    /// The protocol that the addresses of `--target` are of, where all say so by their schemes.
    fn protocol_of_schemes(&self) -> Option<ProtocolChoice> {
        let addresses = self.targets.iter().filter_map(|it| match it {
            TargetChoice::At(targets) => Some(targets.split(',')),
            TargetChoice::Protocol(_) => None,
        });
        let mut schemes = addresses.flatten().map(|target| {
            let (scheme, _) = target.trim().split_once("://")?;
            let row = protocols::of_scheme(scheme)?;
            Some(ProtocolChoice::Only(row.protocol))
        });
        let first = schemes.next()??;
        schemes.all(|it| it == Some(first)).then_some(first)
    }
}
