//! Flags of `loadgen history`.

use std::path::PathBuf;

/// Flags of `loadgen history`.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Folder of results; folders within it are not looked into
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Print comma-separated values for other tools, a line for each scenario of each result
    #[arg(long)]
    pub(crate) csv: bool,
}
