//! What does not fit together.

use std::io;
use std::path::PathBuf;

use loadgen_core::scenario::{self, Protocol};

use super::env::EnvError;
use super::shard::AutoShardError;
use crate::coordinate::CoordinateError;
use crate::protocols::Spoken;

/// Flags that contradict one another or the scenario. Each message stands alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SettingsError {
    /// An override that does not fit a scenario.
    #[error("scenario `{scenario}`: {source}")]
    Override {
        /// Which scenario.
        scenario: String,
        /// What does not fit.
        source: scenario::OverrideError,
    },
    /// Scenarios of which one capacity cannot be looked for.
    #[error(
        "{} scenarios are chosen{}; expected one to look for the capacity of: `--scenario NAME` chooses it",
        names.len(), some_of(names)
    )]
    NotOneToSearch {
        /// What they are called.
        names: Vec<String>,
    },
    /// A flag that is of a run.
    #[error("`--{flag}` is of a run: {why}")]
    NotOfSearch {
        /// The flag.
        flag: &'static str,
        /// What to do instead.
        why: &'static str,
    },
    /// What cannot be searched, or not so.
    #[error(transparent)]
    Capacity(#[from] loadgen_core::capacity::CapacityError),
    /// A condition on a tag that does not fit what the overrides made of the scenarios.
    #[error(transparent)]
    Thresholds(#[from] scenario::SuiteError),
    /// The same file twice.
    #[error("`--out` names {} twice", path.display())]
    SameOutputTwice {
        /// Which file.
        path: PathBuf,
    },
    /// Events that are done to what the run did not start.
    #[error(
        "the scenarios would do things to what this run does not start:\n  {}\n`--allow-events` lets them",
        said.join("\n  ")
    )]
    Events {
        /// Each of them, and when.
        said: Vec<String>,
    },
    /// Which part of a run it is cannot be told.
    #[error(transparent)]
    Shard(#[from] AutoShardError),
    /// How shards come together.
    #[error(transparent)]
    Coordinate(#[from] CoordinateError),
    /// A part of a run whose suite starts servers.
    #[error(
        "`--shard`: the suite starts servers of its own (`backends`: {}), which each shard would start for itself; \
         start them once, with `loadgen serve` or else, and name them as targets",
        names.join(", ")
    )]
    OwnServers {
        /// What they are called.
        names: Vec<String>,
    },
    /// A file of authorities that cannot be read.
    #[error("`--tls-ca`: failed to read {}: {source}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A scenario name that is not there.
    #[error("{}", with_hint(.0))]
    Select(#[from] scenario::SelectError),
    /// A variable of the environment.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// A target on the command line that is none.
    #[error("invalid target: {0}")]
    Target(#[from] scenario::TargetError),
    /// A target that could be meant for more than one protocol of a run.
    #[error(
        "`--target {target}` could be for {}, and this run has {}; say which with {}",
        either(spoken, " or for ", |it| it.name.to_owned()),
        if spoken.len() > 2 { "all of them" } else { "both" },
        either(spoken, " or ", |it| format!("`{}`", it.target_flag())),
    )]
    WhoseTarget {
        /// As it was given.
        target: String,
        /// What it could be for.
        spoken: Vec<&'static Spoken>,
    },
    /// A target that is plain text by its scheme, and a flag that turns TLS on.
    #[error(
        "`{target_flag} {target}` is plain text and `{tls_flag}` turns TLS on; write {encrypted}:// or leave the flag out"
    )]
    PlainTarget {
        /// The flag it was given with.
        target_flag: String,
        /// As it was given.
        target: String,
        /// The scheme that does not contradict.
        encrypted: &'static str,
        /// The flag that does.
        tls_flag: &'static str,
    },
    /// TLS towards the embedded backend, which has none.
    #[error(
        "scenario `{scenario}` asks for TLS and names no target; the embedded backend speaks \
         plain text. Name one with `{flag}`"
    )]
    TlsWithoutTarget {
        /// Which scenario.
        scenario: String,
        /// The flag for its protocol's targets.
        flag: String,
    },
    /// Steps that go elsewhere, and nothing says where to.
    #[error(
        "scenario `{scenario}`: `elsewhere.{protocol}.targets`: nothing says where its steps go that speak \
         `{protocol}`; expected targets there, or `{flag}`. The embedded backend answers them only where it \
         answers the whole scenario, in plain text"
    )]
    NowhereElse {
        /// Which scenario.
        scenario: String,
        /// What they speak.
        protocol: Protocol,
        /// The flag for its targets.
        flag: String,
    },
}

/// Where a name is looked for that no other is like.
/// Some names, where they are few enough to be read.
fn some_of(names: &[String]) -> String {
    const MOST: usize = 8;
    match names.len() {
        0 => String::new(),
        count if count <= MOST => format!(" ({})", names.join(", ")),
        count => format!(" ({} and {} more)", names[..MOST].join(", "), count - MOST),
    }
}

fn with_hint(error: &scenario::SelectError) -> String {
    let hint = match error {
        scenario::SelectError::Unknown { names } if names.iter().any(|it| it.nearest.is_none()) => {
            "; `loadgen list` shows them all, and those of a file need `loadgen run FILE`"
        }
        scenario::SelectError::Overlap { .. } | scenario::SelectError::Shared { .. } => {
            "; `--scenario` runs one without the other"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

fn either(spoken: &[&Spoken], or: &str, word: fn(&Spoken) -> String) -> String {
    let words: Vec<String> = spoken.iter().map(|it| word(it)).collect();
    words.join(or)
}
