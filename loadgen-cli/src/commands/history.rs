//! `loadgen history`.

use super::exit::Exit;
use crate::args::HistoryArgs;
use crate::error::Error;
use crate::history::History;
use crate::{output, paint, terminal};

/// Prints the results of a folder as a list.
///
/// # Errors
/// When there are none.
pub(crate) fn run(args: &HistoryArgs) -> Result<Exit, Error> {
    let history = History::of(&args.folder)?;
    if args.csv {
        output::print_as_it_is(&history.csv())?;
    } else {
        let columns = terminal::columns_of_stdout();
        output::print(&history.table(columns, paint::for_stdout()))?;
    }
    Ok(Exit::Pass)
}
