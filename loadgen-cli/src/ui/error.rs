//! Why a run cannot be shown.

use std::io;

/// Why a run cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UiError {
    /// A host without an address, or an address that cannot be listened on.
    #[error("failed to show the run at {address}: {source}{hint}")]
    Listen {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// Others could reach it.
    #[error(
        "`--ui={address}` can be reached from other machines, and has no TLS: look from elsewhere over \
         `ssh -L`, or say with `--ui-insecure` that whoever is on the way may read along and steer the run"
    )]
    Insecure {
        /// As it was given.
        address: String,
    },
    /// The system refused what a server needs beside an address.
    #[error("failed to start the server that shows the run: {source}")]
    Thread {
        /// What it said.
        source: io::Error,
    },
}

impl UiError {
    pub(super) fn lookup(address: &str, source: io::Error) -> Self {
        Self::Listen {
            address: address.to_owned(),
            source,
            hint: "",
        }
    }

    pub(super) fn bind(address: &str, source: io::Error) -> Self {
        Self::Listen {
            address: address.to_owned(),
            hint: match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "; name a free one with `--ui=HOST:PORT`, or have one found with `--ui=0`"
                }
                _ => "",
            },
            source,
        }
    }
}
