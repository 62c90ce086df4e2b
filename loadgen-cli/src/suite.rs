//! Where scenarios come from: the shipped suite, a file, or standard input.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, io, thread};

use loadgen_core::input;
use loadgen_core::scenario::{self, Suite, SuiteError};

use crate::screen;

/// How long a pipe may bring nothing before it is said that it is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why there are no scenarios to choose from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LoadError {
    /// A file that cannot be read.
    #[error("failed to read scenarios from {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A suite that is not valid; every problem at once.
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

/// The suite to choose scenarios from by name: a file's, and what it lacks from the shipped one.
///
/// # Errors
/// As for [`load`].
pub(crate) fn load_over_shipped(
    config: Option<&Path>,
    profile: Option<&str>,
) -> Result<Suite, LoadError> {
    Ok(load(config, profile)?.or(scenario::shipped()))
}

/// The suite of a file (`-` is standard input), or the shipped one.
///
/// # Errors
/// [`LoadError::Read`] when the file cannot be read, [`LoadError::Suite`] when it is not valid.
pub(crate) fn load(config: Option<&Path>, profile: Option<&str>) -> Result<Suite, LoadError> {
    let Some(path) = config else {
        return Ok(scenario::shipped());
    };
    let text = read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    let base = path.parent().filter(|_| path != Path::new("-"));
    Ok(Suite::parse(&name(path), &text, base, profile)?)
}

/// What a file is called in messages.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        return text(input::read_all(io::stdin().lock())?);
    }
    let is_pipe = fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo());
    text(if is_pipe {
        read_pipe(path)?
    } else {
        input::read(path)?
    })
}

/// What comes through a pipe; says what is waited for where nothing does.
fn read_pipe(path: &Path) -> io::Result<Vec<u8>> {
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let waits = move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                screen::note(format_args!(
                    "waiting for somebody to write scenarios to the pipe {}, and to close it",
                    path.display()
                ));
            }
        };
        // Without a thread it is waited for without a word.
        let _ = thread::Builder::new().spawn_scoped(scope, waits);
        let bytes = input::read(path);
        drop(done);
        bytes
    })
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(input::invalid("it is UTF-16; save it as UTF-8"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        input::invalid(format!("it is not a text: byte {at} is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"{}" => "{}"; "text")]
    #[test_case(b"\xff\xfe{\0}\0" => "it is UTF-16; save it as UTF-8"; "little endian")]
    #[test_case(b"\xfe\xff\0{\0}" => "it is UTF-16; save it as UTF-8"; "big endian")]
    #[test_case(b"{\xff}" => "it is not a text: byte 1 is not UTF-8"; "binary")]
    fn what_is_read(bytes: &[u8]) -> String {
        text(bytes.to_vec()).unwrap_or_else(|error| error.to_string())
    }
}
