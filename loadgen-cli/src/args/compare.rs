//! Flags of `loadgen compare`, and those of everything that compares.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, ValueEnum};
use loadgen_core::condition::{ChangeLimit, ThresholdError};
use loadgen_core::report::compare::{CompareOptions, Unlike};

use super::values::{comparison_spec, percentage};
use crate::output::Spec;

/// Flags of `loadgen compare`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "loadgen compare [OPTIONS] <BASE>... -- <NEW>...\n       loadgen compare [OPTIONS] <BASE> <NEW>",
    after_help = "Four runs a side or more tell whether a difference is more than chance; ten tell of small ones:\n  \
    loadgen run suite.json --repeat 10 --out json=base/r.json\n  \
    loadgen run suite.json --repeat 10 --out json=new/r.json\n  \
    loadgen compare base/ new/ --fail-on 'response_time.p99 > +10%'"
)]
pub(crate) struct CompareArgs {
    /// Results of runs that the others are held against: documents, or folders of them. With two in all, the base and what is new
    #[arg(value_name = "BASE", required = true)]
    pub(crate) base: Vec<PathBuf>,
    /// Results of the others
    #[arg(value_name = "NEW", last = true)]
    pub(crate) new: Vec<PathBuf>,
    /// How.
    #[command(flatten)]
    pub(crate) flags: CompareFlags,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the comparison as a JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the comparison to a file; KIND is `html`, `json` or `markdown`. May be given several times
    #[arg(short, long = "out", value_name = "KIND=PATH", value_parser = OsStringValueParser::new().try_map(|it| comparison_spec(&it)), action = ArgAction::Append)]
    pub(crate) outputs: Vec<Spec>,
}

/// How runs are compared.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CompareFlags {
    /// Exit with 99 where a figure changed by more than this, like `response_time.p99 > +10%`, `throughput < -5%` or `error_rate > +0.5pp`; repeatable
    #[arg(long = "fail-on", value_name = "LIMIT", value_parser = change_limit, action = ArgAction::Append, help_heading = "Comparing")]
    pub(crate) limits: Vec<ChangeLimit>,
    /// A change of no more than this is the same [default: 5%]
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = percentage,
        help_heading = "Comparing"
    )]
    pub(crate) within: Option<f64>,
    /// Compare runs of unlike plans or machines, invalid ones, or ones that were changed by hand all the same
    #[arg(long, value_name = "WHAT", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "all", action = ArgAction::Append, help_heading = "Comparing")]
    pub(crate) force: Vec<Force>,
}

/// What keeps nothing from being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Force {
    /// Whatever it is
    All,
    /// Plans that differ
    Plan,
    /// Machines that differ
    Machine,
    /// Runs that are invalid
    Invalid,
    /// Runs that somebody changed while they were under way
    Changed,
}

impl CompareFlags {
    /// How runs are compared with these flags.
    pub(crate) fn options(&self) -> CompareOptions {
        let mut options = CompareOptions::default();
        options.within = self.within.unwrap_or(options.within);
        options.limits.clone_from(&self.limits);
        let overlooked = self.force.iter().flat_map(|it| match it {
            Force::All => &[
                Unlike::Plan,
                Unlike::Machine,
                Unlike::Invalid,
                Unlike::Changed,
            ][..],
            Force::Plan => &[Unlike::Plan],
            Force::Machine => &[Unlike::Machine],
            Force::Invalid => &[Unlike::Invalid],
            Force::Changed => &[Unlike::Changed],
        });
        options.overlook = overlooked.copied().collect();
        options
    }

    /// The first of these flags that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            (!self.limits.is_empty(), "--fail-on"),
            (self.within.is_some(), "--within"),
            (!self.force.is_empty(), "--force"),
        ];
        given
            .into_iter()
            .find_map(|(is_given, flag)| is_given.then_some(flag))
    }
}

fn change_limit(text: &str) -> Result<ChangeLimit, String> {
    text.parse()
        .map_err(|error: ThresholdError| error.to_string())
}
