//! Flags of `loadgen merge`.

use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::values::output_spec;
use crate::output::Spec;

/// Flags of `loadgen merge`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each shard writes its own result, and its number in the name keeps them apart:\n  \
    loadgen run suite.json --shard 0/2 --out json=out/0.json &\n  \
    loadgen run suite.json --shard 1/2 --out json=out/1.json; wait\n  \
    loadgen merge out/ --out html=report.html"
)]
pub(crate) struct MergeArgs {
    /// Results of shards, as `run --shard I/N --out json=FILE` writes them, the journals of shards that were killed, or folders of both
    #[arg(value_name = "DOC", required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the result document instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the result to a file; KIND is `json`, `html`, `csv`, `hlog`, `junit` or `markdown`. May be given several times
    #[arg(short, long = "out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| output_spec(&it)), action = ArgAction::Append)]
    pub(crate) outputs: Vec<Spec>,
    /// Exit with 100 when the run is invalid, as it is where a shard is missing, whatever the thresholds say
    #[arg(long)]
    pub(crate) strict: bool,
}
