//! `loadgen merge`.

use std::path::{Path, PathBuf};

use loadgen_core::merge::Merge;
use loadgen_core::report::Document;

use super::exit::Exit;
use super::run::meaning;
use crate::args::MergeArgs;
use crate::comparing::{self, Stored};
use crate::error::Error;
use crate::output::{self, Pending, Shown};
use crate::results::{self, ResultError};
use crate::screen::Screen;
use crate::settings::refuse_same_output;
use crate::suite;

/// Makes the results of shards into that of their run, and judges it.
///
/// # Errors
/// When there are none, they do not belong together, or there is nowhere to put what came of it.
pub(crate) fn run(args: &MergeArgs) -> Result<Exit, Error> {
    refuse_same_output(&args.outputs)?;
    let outputs = args.outputs.iter().map(Pending::open);
    let outputs: Vec<Pending> = outputs
        .collect::<Result<_, _>>()
        .map_err(ResultError::Output)?;
    let document = merged(&args.results, &Screen::stderr(args.quiet))?;
    let written = output::write(outputs, &document).map_err(ResultError::Write);
    Shown::with(args.json, args.quiet).print(&document)?;
    if !args.quiet {
        output::warn_beside(args.json, &document);
    }
    written?;
    Ok(meaning(
        &document,
        document.was_stopped(),
        args.strict,
        args.quiet,
    ))
}

/// One result after another: all of them may take more memory than there is.
fn merged(paths: &[PathBuf], says: &Screen) -> Result<Document, Error> {
    let mut merge = Merge::default();
    for path in paths {
        if path.is_dir() {
            add_folder(path, &mut merge, says)?;
        } else {
            add(path, &mut merge, says)?;
        }
    }
    Ok(merge.finish()?)
}

fn add(path: &Path, merge: &mut Merge, says: &Screen) -> Result<(), Error> {
    Ok(merge.add(&suite::name(path), &results::load(path, says)?)?)
}

/// Adds what a folder has: results, journals, and those that a shard which did not come to its result has left
/// beside where that would be.
fn add_folder(folder: &Path, merge: &mut Merge, says: &Screen) -> Result<(), Error> {
    let in_folder = comparing::results_in(folder)?.into_iter();
    // A page of a shard is the same once more, without what is merged.
    let is_document = |it: &PathBuf| it.extension().is_some_and(|it| it == "json");
    for file in in_folder.filter(is_document) {
        let Some(Stored { source, document }) = comparing::stored_in_folder(&file, says)? else {
            continue;
        };
        // The result of another time, which was written beside what it was made of.
        if document.run.shards.is_some() {
            says.say(&format!("passing over {source}: it was merged already"));
        } else {
            merge.add(&source, &document)?;
        }
    }
    for journal in results::journals_in(folder)? {
        add(&journal, merge, says)?;
    }
    Ok(())
}
