//! Standard output. A reader that went away needs no word of it; whoever filled the disk does.

use std::io::{self, Write};

use crate::screen::shown::shown;
use crate::screen::stderr;

/// Standard output that was not taken.
#[derive(Debug, thiserror::Error)]
#[error("failed to write to standard output: {0}")]
pub(crate) struct PrintError(io::Error);

impl PrintError {
    /// Whether its reader went away, as `head` does: no fault of anybody's, and nothing to tell of.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Prints what a person reads on stdout. A reader that went away is not an error.
///
/// # Errors
/// As for [`print_as_it_is`].
pub(crate) fn print(text: &str) -> Result<(), PrintError> {
    print_as_it_is(&shown(text))
}

/// Prints on stdout as it is. A reader that went away is not an error.
///
/// # Errors
/// [`PrintError`] when the system refuses for any other reason.
pub(crate) fn print_as_it_is(text: &str) -> Result<(), PrintError> {
    match print_whole(text) {
        Err(error) if error.is_unread() => Ok(()),
        printed => printed,
    }
}

/// Prints on stdout what is of no use in part, as it is: where its reader went away the exit code says so, and
/// nothing else does.
///
/// # Errors
/// [`PrintError`] when not all of it was taken.
pub(crate) fn print_whole(text: &str) -> Result<(), PrintError> {
    // Where both are one terminal, what was said before stands before it.
    stderr::flush();
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(PrintError)
}
