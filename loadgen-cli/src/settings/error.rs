//! What does not fit together.

use std::io;
use std::path::PathBuf;

use loadgen_core::scenario;

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
    /// The same file twice.
    #[error("`--out` names {} twice", path.display())]
    SameOutputTwice {
        /// Which file.
        path: PathBuf,
    },
    /// A file of authorities that cannot be read.
    #[error("`--tls-ca`: failed to read {}: {source}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A target that could be meant for either protocol of a run.
    #[error(
        "`--target {target}` could be for gRPC or for WebSocket, and this run has both; say which \
         with `--grpc-target` or `--websocket-target`"
    )]
    WhoseTarget {
        /// As it was given.
        target: String,
    },
    /// A target that is plain text by its scheme, and a flag that turns TLS on.
    #[error(
        "`{target_flag} {target}` is plain text and `{tls_flag}` turns TLS on; write {encrypted} or leave the flag out"
    )]
    PlainTarget {
        /// The flag it was given with.
        target_flag: &'static str,
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
        flag: &'static str,
    },
}
