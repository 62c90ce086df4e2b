//! `loadgen compare`.

use std::path::PathBuf;

use loadgen_core::report::compare::Comparison;

use super::exit::Exit;
use crate::args::CompareArgs;
use crate::comparing::{self, ComparingError, Stored};
use crate::error::Error;
use crate::output::{self, Kind, OutputError, Pending, PrintError, Shown};
use crate::screen::Screen;

/// Holds results of runs against those of others.
///
/// # Errors
/// When there is nothing to compare, it should not be, or there is nowhere to put what came of it.
pub(crate) fn run(args: &CompareArgs) -> Result<Exit, Error> {
    let (base, new) = sides(args)?;
    let outputs = args.outputs.iter().map(Pending::open);
    let outputs: Vec<Pending> = outputs
        .collect::<Result<_, _>>()
        .map_err(ComparingError::Output)?;
    let screen = Screen::stderr(args.quiet);
    let base: Vec<Stored> = comparing::load(base, &screen)?;
    let new: Vec<Stored> = comparing::load(new, &screen)?;
    let comparison = comparing::compare(&base, &new, &args.flags)?;
    let written = write(outputs, &comparison).map_err(ComparingError::Write);
    print(&comparison, Shown::with(args.json, args.quiet))?;
    written?;
    Ok(exit(&comparison))
}

/// What stands before and behind `--`; without it two are the one and the other.
fn sides(args: &CompareArgs) -> Result<(&[PathBuf], &[PathBuf]), ComparingError> {
    let is_flag = |it: &&PathBuf| {
        let word = it.to_string_lossy();
        word.len() > 1 && word.starts_with('-') && !it.exists()
    };
    if let Some(flag) = args.new.iter().find(is_flag) {
        let flag = flag.display().to_string();
        return Err(ComparingError::FlagBehind { flag });
    }
    match (args.base.as_slice(), args.new.as_slice()) {
        ([base, new], []) => Ok((std::slice::from_ref(base), std::slice::from_ref(new))),
        (_, []) => Err(ComparingError::Sides),
        (base, new) => Ok((base, new)),
    }
}

fn write(outputs: Vec<Pending>, comparison: &Comparison) -> Result<(), OutputError> {
    let mut result = Ok(());
    for output in outputs {
        let content = match output.kind() {
            Kind::Html => comparison.to_html(),
            Kind::Markdown => comparison.to_markdown(),
            // Its flag takes no other kind.
            _ => output::json(comparison),
        };
        result = output.write(&content).and(result);
    }
    result
}

/// Prints a comparison.
///
/// # Errors
/// [`PrintError`] when standard output does not take it.
pub(super) fn print(comparison: &Comparison, shown: Shown) -> Result<(), PrintError> {
    match shown {
        Shown::Summary => output::print(&comparison.text(output::look())),
        Shown::Document => output::print_whole(&output::json(comparison)),
        Shown::Nothing => Ok(()),
    }
}

/// What a comparison means for whoever asked for it.
pub(super) fn exit(comparison: &Comparison) -> Exit {
    match comparison.fails() {
        true => Exit::Threshold,
        false => Exit::Pass,
    }
}
