//! `loadgen coordinate`.

use std::time::Duration;

use super::exit::{Exit, stop_at_once};
use super::run::{meaning, variable};
use crate::args::CoordinateArgs;
use crate::coordinate::{self, Finished};
use crate::error::Error;
use crate::output::{self, Pending, Shown};
use crate::results::{self, ResultError};
use crate::screen::Screen;
use crate::screen::live::{Whole, WholeView};
use crate::settings::{SettingsError, coordination, refuse_same_output, run_id};
use crate::signals::{Early, Listener};

/// How often it is seen whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Holds the shards of a run together, from their coming to their end.
///
/// # Errors
/// When they did not come together, or what came of them cannot be told.
pub(crate) fn run(args: &CoordinateArgs) -> Result<Exit, Error> {
    let flags = &args.together;
    refuse_same_output(&flags.merged_outputs)?;
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let run_id = run_id(args.run_id.as_deref(), None, variable).map_err(SettingsError::from)?;
    let settings = coordination(&args.listen, flags, variable)?;
    let outputs = flags.merged_outputs.iter().map(Pending::open);
    let outputs: Vec<Pending> = outputs
        .collect::<Result<_, _>>()
        .map_err(ResultError::Output)?;
    let screen = Screen::stderr(args.quiet);
    let count = u32::try_from(args.shards).unwrap_or(u32::MAX);
    let whole = Whole::default();
    let (call_off, called_off) = coordinate::call_off();
    let (at, says) = (args.listen.clone(), screen.clone());
    signals.react(move |_| {
        says.say(&format!(
            "stopping: the address {at} is looked for, and nobody has come"
        ));
        call_off();
    });
    let offered = coordinate::offer(
        &settings,
        count,
        run_id,
        whole.clone(),
        &called_off,
        &screen,
    )?;
    let stop = offered.stopper();
    signals.react(move |nth| stop(nth > 1));
    let mut view = WholeView::new(screen, whole);
    let finished = offered.finish_watched(LOOK_EVERY, || view.show())?;
    drop(view);
    concluded(args, finished, outputs, signals.any())
}

/// What the end means, of all shards and not of this process.
fn concluded(
    args: &CoordinateArgs,
    finished: Finished,
    outputs: Vec<Pending>,
    stopped: bool,
) -> Result<Exit, Error> {
    let has_lost = match finished.lost() {
        Ok(lost) => !lost.is_empty(),
        Err(None) => return Ok(Exit::Stopped),
        Err(Some(refused)) => return Err(refused.into()),
    };
    let Some(told) = finished.results.filter(|it| !it.is_empty()) else {
        return Ok(match (stopped, has_lost) {
            (true, _) => Exit::Stopped,
            (false, true) => Exit::Apart,
            (false, false) => Exit::Pass,
        });
    };
    let document = results::of_shards(told)?;
    let written = output::write(outputs, &document).map_err(ResultError::Write);
    Shown::with(args.json, args.quiet).print(&document)?;
    if !args.quiet {
        output::warn_beside(args.json, &document);
    }
    written?;
    let stopped = stopped && !document.ended_by_condition() || document.was_stopped();
    Ok(meaning(&document, stopped, args.strict, args.quiet))
}
