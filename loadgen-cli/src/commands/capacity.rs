//! `loadgen capacity`: the highest rate that a service holds.

use super::exit::{Exit, stop_at_once};
use super::repeat::{comparable, held_against};
use super::run::{cores, load, of_one, variable};
use crate::args::{CapacityCommand, RunArgs};
use crate::error::Error;
use crate::run;
use crate::screen::Screen;
use crate::settings::CapacitySettings;
use crate::signals::{Early, Listener};
use crate::ui::Ui;

/// Looks for a scenario's capacity.
///
/// # Errors
/// Why nothing could be found.
pub(crate) fn run(command: &CapacityCommand) -> Result<Exit, Error> {
    let CapacityCommand {
        what,
        search,
        run: args,
    } = command;
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let suite = load(what, what.suite_file())?;
    let settings = CapacitySettings::resolve(what, search, args, &suite, variable, cores())?;
    find(settings, args, &signals)
}

/// Looks for a capacity, and holds what was found against earlier ones where that is asked for.
///
/// # Errors
/// Why nothing could be found, or not be compared.
pub(super) fn find(
    settings: CapacitySettings,
    args: &RunArgs,
    signals: &Listener,
) -> Result<Exit, Error> {
    let baseline = super::repeat::baseline(args)?;
    let check = comparable(&baseline, 1, true, args);
    let ui = Ui::open(settings.run.ui.as_ref())?;
    let screen = Screen::stderr(args.quiet);
    let found = run::find_capacity(settings, ui.as_ref(), signals, &screen, check)?;
    drop(ui);
    let exit = of_one(&found, args);
    let found = [super::repeat::stored(found.document, None)];
    held_against(&baseline, &found, args, exit)
}
