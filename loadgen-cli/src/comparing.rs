//! Results of runs that are held against each other: where they come from, and why they are not.

use std::path::{Path, PathBuf};
use std::{fs, io};

use loadgen_core::record::Names;
use loadgen_core::report::compare::{self, CompareError, Comparison, NamedRun, PlannedRuns};
use loadgen_core::report::{Context, Document, ReadError};

use crate::args::CompareFlags;
use crate::output::OutputError;
use crate::results::{self, ResultError};
use crate::screen::Screen;

/// What a run that is made now is called in messages.
pub(crate) const THIS_RUN: &str = "this run";

/// A result, and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The file that it is in, or which run it is of.
    pub(crate) source: String,
    /// What is in it.
    pub(crate) document: Document,
}

/// Why runs are not compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ComparingError {
    /// A result that is none, or cannot be read.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// A folder that cannot be looked through.
    #[error("failed to look through the folder {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without results.
    #[error(
        "there is no result of a run in the folder {}; `loadgen run --out json=FILE` writes one, and names end in \
         `.json` or `.html`",
        path.display()
    )]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Files of which it is not said to which side they belong.
    #[error(
        "which runs are held against which? expected `loadgen compare BASE NEW`, or several of each with `--` between \
         them: `loadgen compare BASE... -- NEW...`"
    )]
    Sides,
    /// A flag among the results.
    #[error("`{flag}` stands behind `--`, where every word is a file; flags go before it")]
    FlagBehind {
        /// Which.
        flag: String,
    },
    /// A flag that says how to compare where nothing is.
    #[error(
        "`{flag}` says how to compare, and there is nothing to compare with; add `--baseline FILE`"
    )]
    WithoutBaseline {
        /// Which flag.
        flag: &'static str,
    },
    /// Runs that cannot or should not be compared.
    #[error("{}", with_hint(.0))]
    Refused(CompareError),
    /// A path that the comparison cannot be written to.
    #[error(transparent)]
    Output(OutputError),
    /// It could not be written although its path was ready.
    #[error(transparent)]
    Write(OutputError),
}

fn with_hint(error: &CompareError) -> String {
    let hint = match error {
        CompareError::Unlike { .. } => {
            "\n`--force` compares them all the same, `--force=machine`, `=plan`, `=invalid` or `=changed` in spite of that alone"
        }
        CompareError::Untellable { .. } => {
            "\n`loadgen run --repeat 4` makes as many runs as are needed"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

/// The results in these files and folders, in their order; `says` is told what of a folder is passed over.
///
/// # Errors
/// For the first that is none.
pub(crate) fn load(paths: &[PathBuf], says: &Screen) -> Result<Vec<Stored>, ComparingError> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(of_folder(path, says)?);
        } else {
            all.push(stored(path, says)?);
        }
    }
    Ok(all)
}

fn stored(path: &Path, says: &Screen) -> Result<Stored, ResultError> {
    Ok(Stored {
        source: crate::suite::name(path),
        document: results::load(path, says)?,
    })
}

/// The files in a folder that may be results, by their names.
///
/// # Errors
/// Where it cannot be looked through.
pub(crate) fn results_in(path: &Path) -> Result<Vec<PathBuf>, ComparingError> {
    let failed = |source| ComparingError::Folder {
        path: path.to_owned(),
        source,
    };
    let entries = fs::read_dir(path).map_err(failed)?;
    let files = entries.map(|it| it.map(|it| it.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_, _>>().map_err(failed)?;
    let is_document = |it: &PathBuf| {
        let ending = it.extension().and_then(|it| it.to_str());
        matches!(ending, Some("json" | "html")) && it.is_file()
    };
    files.retain(is_document);
    files.sort();
    Ok(files)
}

/// The result in a file of a folder. What is of another kind is passed over, and told of.
///
/// # Errors
/// Where it cannot be read, or is no whole result.
pub(crate) fn stored_in_folder(file: &Path, says: &Screen) -> Result<Option<Stored>, ResultError> {
    match stored(file, says) {
        Ok(stored) => Ok(Some(stored)),
        Err(ResultError::Content {
            source:
                source @ (ReadError::NotAResult { .. } | ReadError::Syntax { .. } | ReadError::Empty),
            ..
        }) => {
            says.say(&format!("passing over {}: {source}", file.display()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The results in a folder, by their names.
fn of_folder(path: &Path, says: &Screen) -> Result<Vec<Stored>, ComparingError> {
    let mut all = Vec::new();
    for file in results_in(path)? {
        all.extend(stored_in_folder(&file, says)?);
    }
    match all.is_empty() {
        true => Err(ComparingError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(all),
    }
}

/// Holds new runs against those of a base.
///
/// # Errors
/// When they cannot or should not be.
pub(crate) fn compare(
    base: &[Stored],
    new: &[Stored],
    flags: &CompareFlags,
) -> Result<Comparison, ComparingError> {
    compare::compare(&named(base), &named(new), &flags.options()).map_err(ComparingError::Refused)
}

/// Makes sure, before so many runs of a plan or a search, that they may be held against a base, as far as that is known.
///
/// # Errors
/// When they will not be.
pub(crate) fn check(
    base: &[Stored],
    (context, names): (&Context, &[Names]),
    count: usize,
    is_search: bool,
    flags: &CompareFlags,
) -> Result<(), ComparingError> {
    let planned = PlannedRuns {
        source: THIS_RUN,
        context,
        names,
        count,
        is_search,
    };
    compare::check(&named(base), planned, &flags.options()).map_err(ComparingError::Refused)
}

fn named(all: &[Stored]) -> Vec<NamedRun<'_>> {
    let named = all.iter().map(|it| NamedRun {
        source: it.source.clone(),
        document: &it.document,
    });
    named.collect()
}
