//! Why the shards of a run did not come together.

use std::io;
use std::path::PathBuf;

use super::LONGEST_TEXT;
use super::proto::Refused;
use super::proto::refused::Kind;
use super::trust::TOKEN;
use crate::limits::ShardLimitError;

/// Why the shards of a run did not come together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CoordinateError {
    /// Nobody would have to show anything.
    #[error(
        "{address} can be reached from other machines, and nothing keeps strangers out; set {TOKEN} to one secret for \
         all shards, or give `--coordinator-ca`, `--coordinator-cert` and `--coordinator-key`"
    )]
    Open {
        /// As it was given.
        address: String,
    },
    /// A name that leads to the loopback on its own machine.
    #[error(
        "{address} leads to this machine's loopback here: for shards on others the coordinator would listen on all of \
         its addresses, and nothing keeps strangers out; set {TOKEN} to one secret for all shards, or write \
         `localhost` where all of them are on this machine"
    )]
    OnlyHere {
        /// As it was given.
        address: String,
    },
    /// A number that is never reached.
    #[error(
        "`--start-with {at_least}`: there are {count} shards; expected 1 to {count}, with how many of them to begin \
         where others do not come"
    )]
    TooFew {
        /// How many there are.
        count: u32,
        /// How many were asked for.
        at_least: u32,
    },
    /// A plan that is in no message.
    #[error(
        "the plan takes {} MiB, and shards that are coordinated compare plans of up to {}; have rows of data in files \
         (`data`), and not in the scenario",
        bytes.div_ceil(1 << 20), LONGEST_TEXT >> 20
    )]
    Plan {
        /// How long it is.
        bytes: usize,
    },
    /// A token that no field can carry.
    #[error(
        "environment variable {TOKEN}: expected letters, digits and signs of ASCII, without line breaks"
    )]
    Token,
    /// A file of TLS.
    #[error("failed to read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of TLS that holds something else.
    #[error("{}: expected {expected} in PEM form (`-----BEGIN …`), and there is none", path.display())]
    NoPem {
        /// Which.
        path: PathBuf,
        /// What it is to hold.
        expected: &'static str,
    },
    /// Files of TLS with which nothing can be spoken.
    #[error("TLS of the coordinator cannot be spoken with these files: {why}")]
    Tls {
        /// What is wrong.
        why: String,
    },
    /// An address that cannot be listened on.
    #[error("failed to listen on {address}: {source}{}", by(holder.as_deref()))]
    Listen {
        /// As it was given.
        address: String,
        /// Who listens there, where that is known.
        holder: Option<String>,
        /// What the system said.
        source: io::Error,
    },
    /// Fewer descriptors than shards.
    #[error(transparent)]
    Limit(#[from] ShardLimitError),
    /// A thread, or a folder for results.
    #[error("failed to start the coordinator: {0}")]
    Start(io::Error),
    /// Nobody there.
    #[error(
        "no coordinator at {address} within {within}: {why}; it is offered there by shard 0, where the address is that \
         machine's own, or by `loadgen coordinate`"
    )]
    Absent {
        /// Where it was looked for.
        address: String,
        /// For how long.
        within: String,
        /// What came of the last attempt.
        why: String,
    },
    /// It asks for a token, and there is none.
    #[error(
        "the coordinator at {address} asks for a token, and {TOKEN} is not set here; set it to the secret that the \
         coordinator and all shards share"
    )]
    NoToken {
        /// Where it is.
        address: String,
    },
    /// It has another token.
    #[error(
        "the coordinator at {address} has another token than {TOKEN} holds here; set it to one secret for the \
         coordinator and all shards, or name the address of this run's own"
    )]
    OtherToken {
        /// Where it is.
        address: String,
    },
    /// It was called off while the coordinator was looked for.
    #[error("stopped before the load began; nothing was measured")]
    CalledOff,
    /// It gave this shard no place, or gave the run up.
    #[error("{why}")]
    Refused {
        /// What kind of reason it is.
        kind: Kind,
        /// In its words.
        why: String,
    },
    /// It was there.
    #[error("the coordinator at {address} was lost before the load began: {why}")]
    Lost {
        /// Where it was.
        address: String,
        /// How that was seen.
        why: String,
    },
}

fn by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |it| format!(": {it} listens there"))
}

impl From<Refused> for CoordinateError {
    fn from(refused: Refused) -> Self {
        Self::Refused {
            kind: refused.kind(),
            why: refused.why,
        }
    }
}

impl CoordinateError {
    /// Whether flags or the environment are wrong, whoever else there is.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Open { .. }
            | Self::OnlyHere { .. }
            | Self::TooFew { .. }
            | Self::Plan { .. }
            | Self::Token
            | Self::File { .. }
            | Self::NoPem { .. }
            | Self::Tls { .. }
            | Self::Listen { .. }
            | Self::Limit(_) => true,
            Self::Start(_)
            | Self::Absent { .. }
            | Self::NoToken { .. }
            | Self::OtherToken { .. }
            | Self::CalledOff
            | Self::Refused { .. }
            | Self::Lost { .. } => false,
        }
    }
}
