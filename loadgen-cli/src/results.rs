//! Where results of earlier runs come from: a file, or standard input.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use loadgen_core::merge::Merge;
use loadgen_core::report::{self, Document, ReadError};
use loadgen_core::{input, journal};

use crate::coordinate::Results;
use crate::output::OutputError;
use crate::screen::Screen;
use crate::settings::{is_journal_beside, journal_beside};
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
    /// A journal that cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::ReadError),
    /// A result that is not there yet, and a journal that is.
    #[error(
        "there is no result {}, but a journal of its run: `loadgen report {}`",
        path.display(), journal.display()
    )]
    Unfinished {
        /// The result.
        path: PathBuf,
        /// The folder of the journal.
        journal: PathBuf,
    },
    /// A folder without one.
    #[error(
        "{} is a folder without a journal of a run; expected a result document, a journal, or the folder of one",
        _0.display()
    )]
    NoJournal(PathBuf),
    /// A folder with more than one.
    #[error(
        "{} has the journals of {} runs; say which:{}",
        folder.display(), journals.len(), listed(journals)
    )]
    SeveralJournals {
        /// The folder.
        folder: PathBuf,
        /// All of them.
        journals: Vec<PathBuf>,
    },
    /// What shards have told, and does not go together.
    #[error("{why}; what the shards have told is kept in {}", folder.display())]
    Unmerged {
        /// Where that is.
        folder: PathBuf,
        /// Why it does not.
        why: String,
    },
    /// A path that it cannot be written to.
    #[error(transparent)]
    Output(OutputError),
    /// It could not be written although its path was ready.
    #[error(transparent)]
    Write(OutputError),
}

fn listed(journals: &[PathBuf]) -> String {
    let lines = journals.iter();
    let lines = lines.map(|it| format!("\n  loadgen report {}", it.display()));
    lines.collect()
}

/// The result in a file, or on standard input (`-`), or as far as a journal has it, which may be the only
/// one in a folder; `says` is told of a run that is still under way.
///
/// # Errors
/// [`ResultError::Read`] when it cannot be read, [`ResultError::Content`] when it is no result; what is wrong
/// with a journal, or with what there is of them.
pub(crate) fn load(path: &Path, says: &Screen) -> Result<Document, ResultError> {
    if path.is_dir() {
        return load_journal(&only_journal(path)?, says);
    }
    if journal::is_journal(path) {
        return load_journal(path, says);
    }
    let text = read(path).map_err(|source| not_read(path, source))?;
    report::read(&text).map_err(|source| ResultError::Content {
        path: path.to_owned(),
        source,
    })
}

/// The result of a run, of those that its shards have told the coordinator. One after another: all of them may take
/// more memory than there is.
///
/// # Errors
/// [`ResultError::Unmerged`] when there are none, or one is not what a shard writes. They are kept then.
pub(crate) fn of_shards(told: Results) -> Result<Document, ResultError> {
    merged(&told).map_err(|why| ResultError::Unmerged {
        folder: told.keep(),
        why,
    })
}

fn merged(told: &Results) -> Result<Document, String> {
    let mut merge = Merge::default();
    for (shard, path) in told.whole() {
        // Of what a shard has told, nothing is under way.
        let document = load(path, &Screen::stderr(true)).map_err(|it| it.to_string())?;
        let added = merge.add(&format!("shard {shard}"), &document);
        added.map_err(|it| it.to_string())?;
    }
    merge.finish().map_err(|it| it.to_string())
}

/// As far as the run had come. One that has not ended will have come further in a second.
fn load_journal(path: &Path, says: &Screen) -> Result<Document, ResultError> {
    let kept = journal::read(path)?;
    if kept.is_running {
        says.say(&format!(
            "the run of {} is still under way; this is what there is of it now",
            path.display()
        ));
    }
    Ok(kept.document())
}

/// The journals in a folder, and in those that lie in it beside where a result would be (`PATH.journal`). Where the
/// result is, they are of an earlier run.
pub(crate) fn journals_in(folder: &Path) -> Result<Vec<PathBuf>, ResultError> {
    let failed = |source| not_read(folder, source);
    let mut journals = journal::find(folder).map_err(failed)?;
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths: io::Result<Vec<PathBuf>> = entries.map(|it| it.map(|it| it.path())).collect();
    let mut beside = paths.map_err(failed)?;
    beside.retain(|it| is_journal_beside(it) && it.is_dir() && !it.with_extension("").exists());
    beside.sort();
    for folder in beside {
        journals.extend(journal::find(&folder).map_err(|source| not_read(&folder, source))?);
    }
    Ok(journals)
}

fn only_journal(folder: &Path) -> Result<PathBuf, ResultError> {
    let mut journals = journal::find(folder).map_err(|source| not_read(folder, source))?;
    match (journals.pop(), journals.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(ResultError::NoJournal(folder.to_owned())),
        (Some(last), false) => {
            journals.push(last);
            Err(ResultError::SeveralJournals {
                folder: folder.to_owned(),
                journals,
            })
        }
    }
}

fn not_read(path: &Path, source: io::Error) -> ResultError {
    let path = path.to_owned();
    let journal = journal_beside(&path);
    let is_there = source.kind() == ErrorKind::NotFound && journal.is_dir();
    match is_there {
        true => ResultError::Unfinished { path, journal },
        false => ResultError::Read { path, source },
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        return input::text(input::read_all(io::stdin().lock())?);
    }
    input::read_text(path)
}
