//! Where results of earlier runs come from: a file, or standard input.

use std::io;
use std::path::{Path, PathBuf};

use loadgen_core::input;
use loadgen_core::report::{self, Document, ReadError};

use crate::output::OutputError;
use crate::suite;

/// Why the result of an earlier run cannot be told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ResultError {
    /// A file that cannot be read.
    #[error("failed to read the result {}: {source}", suite::name(path))]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was read is no result.
    #[error("failed to read the result {}: {source}", suite::name(path))]
    Content {
        /// Of which file.
        path: PathBuf,
        /// What it is instead.
        source: ReadError,
    },
    /// A path that it cannot be written to.
    #[error(transparent)]
    Output(OutputError),
    /// It could not be written although its path was ready.
    #[error(transparent)]
    Write(OutputError),
}

/// The result in a file, or on standard input (`-`).
///
/// # Errors
/// [`ResultError::Read`] when it cannot be read, [`ResultError::Content`] when it is no result.
pub(crate) fn load(path: &Path) -> Result<Document, ResultError> {
    let text = read(path).map_err(|source| ResultError::Read {
        path: path.to_owned(),
        source,
    })?;
    report::read(&text).map_err(|source| ResultError::Content {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        return input::text(input::read_all(io::stdin().lock())?);
    }
    input::read_text(path)
}
