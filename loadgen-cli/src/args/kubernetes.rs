//! Flags of `loadgen kubernetes`.

use std::path::{Path, PathBuf};

use super::values::count;

/// The most shards of a Job: as many as a coordinator was seen with.
const MOST_SHARDS: u64 = 1_000;
/// The longest name of a run: what is made of it is at most as long as names of hosts are.
pub(crate) const LONGEST_NAME: usize = 40;
/// The longest name of a namespace.
const LONGEST_LABEL: usize = 63;
/// The longest name of anything else that is there already.
const LONGEST_OBJECT: usize = 253;

/// Flags of `loadgen kubernetes`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "What `loadgen run` is to be told stands behind `--`:\n  \
    loadgen kubernetes checkout.yaml --shards 4 -- --target shop:50051 > checkout.k8s.yaml"
)]
pub(crate) struct KubernetesArgs {
    /// Scenario file; without it, shipped scenarios are named behind `--`
    #[arg(value_name = "SCENARIO")]
    file: Option<PathBuf>,
    /// The same as SCENARIO
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// How many pods make the load, a part each
    #[arg(long, value_name = "N", value_parser = count(MOST_SHARDS), allow_negative_numbers = true)]
    pub(crate) shards: u64,
    /// What the run is called, and all that is made for it [default: made from SCENARIO]
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    pub(crate) name: Option<String>,
    /// Namespace of all of it [default: the one that is applied to]
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub(crate) namespace: Option<String>,
    /// Image with loadgen as its entry point
    #[arg(long, value_name = "IMAGE", value_parser = image, default_value = "loadgen:local")]
    pub(crate) image: String,
    /// Processor time of each shard, requested and the limit; whole cores are best
    #[arg(long, value_name = "QUANTITY", value_parser = cores, default_value = "2", allow_negative_numbers = true)]
    pub(crate) cpu: String,
    /// Memory of each shard, requested and the limit
    #[arg(long, value_name = "QUANTITY", value_parser = bytes, default_value = "1Gi", allow_negative_numbers = true)]
    pub(crate) memory: String,
    /// Secret that is there: its keys are variables of the environment, and files in /secrets. It has LOADGEN_COORDINATOR_TOKEN [default: one with a new token is printed]
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    pub(crate) secret: Option<String>,
    /// Claim of a volume for results that is there, and that all shards may write to; they get a folder with the run's name [default: one is printed]
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    pub(crate) results: Option<String>,
    /// Print a JobSet (jobset.sigs.k8s.io) in place of the shards' Job and its Service
    #[arg(long)]
    pub(crate) jobset: bool,
    /// Flags of `loadgen run`
    #[arg(last = true, value_name = "FLAG")]
    pub(crate) run: Vec<String>,
}

impl KubernetesArgs {
    /// The scenario file, however it was given.
    pub(crate) fn suite_file(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }
}

fn is_label(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_part)
        && text.ends_with(is_part)
        && text.chars().all(|c| is_part(c) || c == '-')
}

/// A name of a Secret or a claim.
fn object_name(text: &str) -> Result<String, String> {
    match text.split('.').all(is_label) && text.len() <= LONGEST_OBJECT {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected 1 to {LONGEST_OBJECT} small letters, digits, `-` and `.`, a letter or digit at both ends of each part"
        )),
    }
}

/// A name as Kubernetes has them.
fn label(text: &str) -> Result<String, String> {
    match is_label(text) && text.len() <= LONGEST_LABEL {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected 1 to {LONGEST_LABEL} small letters, digits and `-`, a letter or digit at both ends"
        )),
    }
}

/// A name that those of a Service and of its pods begin with.
fn run_name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    match is_label(text) && begins && text.len() <= LONGEST_NAME {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected 1 to {LONGEST_NAME} small letters, digits and `-`, a letter in front and no `-` at the end"
        )),
    }
}

fn image(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_graphic();
    match !text.is_empty() && text.chars().all(is_fine) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected the name of an image, like `registry.example/loadgen:1.0`".to_owned())
        }
    }
}

/// A quantity above zero: a number, and one of these units or none.
fn quantity(text: &str, units: &[&str]) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let is_number = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: Option<f64> = digits.parse().ok().filter(|_| is_number);
    number.is_some_and(|it| it > 0.0) && (unit.is_empty() || units.contains(&unit))
}

fn cores(text: &str) -> Result<String, String> {
    match quantity(text, &["m"]) {
        true => Ok(text.to_owned()),
        false => Err("expected cores, like `2` or `500m`".to_owned()),
    }
}

fn bytes(text: &str) -> Result<String, String> {
    match quantity(text, &["Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"]) {
        true => Ok(text.to_owned()),
        false => Err("expected an amount of memory, like `1Gi` or `512Mi`".to_owned()),
    }
}
