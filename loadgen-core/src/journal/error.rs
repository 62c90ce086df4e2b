//! Why a journal could not be kept, or not be read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep a journal in {}: {why}", path.display())]
#[non_exhaustive]
pub struct JournalError {
    /// Its folder, or its file once that was made.
    pub path: PathBuf,
    /// What the system says, or what has no form to be written in.
    #[source]
    pub why: io::Error,
}

impl JournalError {
    /// Whether there was no room for it: a disk that is full, or a limit that is reached.
    #[must_use]
    pub fn is_for_want_of_room(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self.why.kind(), StorageFull | QuotaExceeded | FileTooLarge)
    }

    pub(super) fn new(path: &Path, why: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            why,
        }
    }
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system did not let it be read.
    #[error("cannot read {}: {why}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        why: io::Error,
    },
    /// It is something else, or its beginning is not what was written.
    #[error("{} is no journal of a run, or its beginning is spoilt", path.display())]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// What is in it cannot have been recorded.
    #[error("the journal {} is spoilt: {why}", path.display())]
    Spoilt {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// It has a form that only another version reads.
    #[error(
        "the journal {} was written by loadgen {by}, and this is {}, which cannot read it ({why}); \
         that version can: `loadgen report {}`",
        path.display(), env!("CARGO_PKG_VERSION"), path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version that wrote it.
        by: String,
        /// What did not fit.
        why: String,
    },
}
