//! Why no manifests are printed.

use std::io;
use std::path::PathBuf;

/// Why a scenario cannot be put into a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KubernetesError {
    /// Something that is no flag of `run`.
    #[error("behind `--` stands what `loadgen run` does not take: {problem}")]
    Flags {
        /// What is said of it.
        problem: String,
    },
    /// A flag that the manifests have in another way.
    #[error("`{flag}` behind `--`: {instead}")]
    Ours {
        /// Which.
        flag: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// Nothing to run.
    #[error(
        "nothing says what to run: name a scenario file, or behind `--` a shipped scenario, like `--scenario hello_high`"
    )]
    NoScenario,
    /// A file that the pods would be told of, and do not have.
    #[error("the scenario file stands before `--`: `loadgen kubernetes {} --shards N -- FLAG...`", file.display())]
    FileBehind {
        /// Which.
        file: PathBuf,
    },
    /// Standard input.
    #[error("a pod has no standard input: name the scenario file")]
    StandardInput,
    /// A scenario that goes nowhere.
    #[error(
        "scenario `{scenario}` has no target, and each pod would answer itself: give `targets`, or `--target HOST:PORT` behind `--`"
    )]
    NoTarget {
        /// Which.
        scenario: String,
    },
    /// No name can be made.
    #[error("no name can be made from {}: give one, like `--name checkout`", file.display())]
    NoName {
        /// The scenario file.
        file: PathBuf,
    },
    /// A file that cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that no ConfigMap should have.
    #[error(
        "{} holds a secret, and a ConfigMap is for everybody to read: put it into a Secret, name that with `--secret`, and have the scenario say {{\"env\": \"KEY\"}} or the path /secrets/KEY",
        path.display()
    )]
    Secret {
        /// Which.
        path: PathBuf,
    },
    /// A file that is no text.
    #[error(
        "{} is no text, and only texts are taken along: have it in the image or in a volume, and name it there with its whole path",
        path.display()
    )]
    Binary {
        /// Which.
        path: PathBuf,
    },
    /// More than a ConfigMap can have.
    #[error(
        "the scenario's files are too large: a ConfigMap takes 1 MiB, and {} is the one it ends at; have large ones in the image or in a volume, and name them there with their whole paths",
        path.display()
    )]
    TooLarge {
        /// The first that is too much.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("failed to make a token: the system gives no random numbers")]
    Random,
}
