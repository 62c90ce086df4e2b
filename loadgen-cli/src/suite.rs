//! Where scenarios come from: the shipped suite, a file, or standard input.

use std::cell::RefCell;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, io, thread};

use loadgen_core::input;
use loadgen_core::scenario::{self, Assignment, Suite, SuiteError, SuiteSource};

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

/// What is read of a suite, and what is changed in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice<'a> {
    /// The file, `-` for standard input; `None` is the shipped suite.
    pub(crate) file: Option<&'a Path>,
    /// The profile to apply.
    pub(crate) profile: Option<&'a str>,
    /// What is set before it is validated.
    pub(crate) set: &'a [Assignment],
    /// Whether the shipped scenarios join, where the file has none of their names.
    pub(crate) over_shipped: bool,
}

/// The suite of a file, or the shipped one.
///
/// # Errors
/// [`LoadError::Read`] when the file cannot be read, [`LoadError::Suite`] when it is not valid.
pub(crate) fn load(choice: Choice<'_>) -> Result<Suite, LoadError> {
    Ok(load_noting(choice)?.0)
}

/// The same, and the files that it includes.
///
/// # Errors
/// As for [`load`].
pub(crate) fn load_noting(choice: Choice<'_>) -> Result<(Suite, Vec<PathBuf>), LoadError> {
    let Some(path) = choice.file else {
        return Ok((scenario::shipped_with(choice.set)?, Vec::new()));
    };
    let text = read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = name(path);
    let included = RefCell::new(Vec::new());
    let files = |path: &Path| {
        included.borrow_mut().push(path.to_owned());
        input::read_text(path)
    };
    let source = SuiteSource::new(&name, &text)
        .base_dir(path.parent().filter(|_| path != Path::new("-")))
        .profile(choice.profile)
        .set(choice.set)
        .files(&files);
    let suite = Suite::read(&if choice.over_shipped {
        source.over_shipped()
    } else {
        source
    })?;
    Ok((suite, included.into_inner()))
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
        return input::text(input::read_all(io::stdin().lock())?);
    }
    let is_pipe = fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo());
    input::text(if is_pipe {
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
