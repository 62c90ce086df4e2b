//! `loadgen init`.

use std::io;
use std::io::IsTerminal as _;

use super::exit::{Exit, stop_at_once};
use super::run::cores;
use crate::args::InitArgs;
use crate::error::Error;
use crate::init::{self, Dialog};
use crate::screen;
use crate::signals::{Early, Listener};

/// Ends the process, its last words not behind a question that nobody answered.
fn stop_asking() -> ! {
    screen::note("\nstopped; nothing was written");
    screen::stderr::flush();
    stop_at_once()
}

/// Asks what is to be done, and writes the scenario file that says so.
///
/// # Errors
/// When something needed is not said, or the file cannot be written.
pub(crate) fn run(args: &InitArgs) -> Result<Exit, Error> {
    let _signals = Listener::install(Early::Ends, stop_asking)?;
    let is_asked = io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut dialog = is_asked.then(|| Dialog::new(io::stdin().lock(), io::stderr()));
    init::refuse_file(args, dialog.as_mut())?;
    let ad_hoc = init::scenario(args, dialog.as_mut(), cores())?;
    init::write(&args.file, &ad_hoc, cores())?;
    let file = args.file.display();
    screen::note(format_args!(
        "{file} is written; `loadgen run {file}` runs it"
    ));
    Ok(Exit::Pass)
}
