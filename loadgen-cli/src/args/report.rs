//! Flags of `loadgen report`.

use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::values::output_spec;
use crate::output::Spec;

/// Flags of `loadgen report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Result of a run, as `run --out json=FILE` or `html=FILE` writes it, or `-` for standard input; or the journal of one that was killed, or its folder
    pub(crate) result: PathBuf,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the result document instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the result to a file; KIND is `json`, `html`, `csv`, `hlog`, `junit` or `markdown`. May be given several times
    #[arg(short, long = "out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| output_spec(&it)), action = ArgAction::Append)]
    pub(crate) outputs: Vec<Spec>,
}
