//! `loadgen report`.

use super::exit::Exit;
use crate::args::ReportArgs;
use crate::error::Error;
use crate::output::{self, Pending, Shown};
use crate::results::{self, ResultError};
use crate::screen::Screen;

/// Tells once more what came of a run, whatever its verdict was.
///
/// # Errors
/// When there is no result to tell of, or nowhere to put it.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit, Error> {
    let document = results::load(&args.result, &Screen::stderr(args.quiet))?;
    let outputs = args.outputs.iter().map(Pending::open);
    let outputs: Vec<Pending> = outputs
        .collect::<Result<_, _>>()
        .map_err(ResultError::Output)?;
    let written = output::write(outputs, &document).map_err(ResultError::Write);
    Shown::with(args.json, args.quiet).print(&document)?;
    written?;
    Ok(Exit::Pass)
}
