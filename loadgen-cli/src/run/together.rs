//! A run that is one shard's part of one that a coordinator holds together.

use std::time::Duration;

use loadgen_core::engine::{Run, Stopper};
use loadgen_core::report::{Context, Document};

use super::error::RunError;
use super::events::Restraint;
use super::execute::stopping;
use crate::coordinate::{self, Finished, Refusal, Together};
use crate::output::Pending;
use crate::screen::Screen;
use crate::settings::RunSettings;
use crate::signals::Listener;

/// Joins the coordinator, where there is to be one: from then on the document says which run it is of. A signal while
/// the others are waited for ends them, too.
///
/// # Errors
/// Why the shards do not come together.
pub(super) fn join(
    settings: &mut RunSettings,
    context: &mut Context,
    signals: &Listener,
    screen: &Screen,
) -> Result<Option<Together>, RunError> {
    let Some(coordination) = &settings.coordination else {
        return Ok(None);
    };
    let shard = settings.options.shard;
    let run_id = settings.run_id.as_deref();
    let together = coordinate::join(coordination, shard, run_id, context, screen)?;
    if let Some(part) = &mut context.shard {
        part.run_id = Some(together.run_id());
        part.clock = Some(together.clock());
    }
    settings.options.set_up = together.set_up(settings.plan.scenarios.len());
    let stop = together.stopper();
    signals.react(move |nth| stop(nth > 1));
    screen.say(&format!(
        "run `{}`: this machine's clock is {}; waiting until all shards are ready",
        together.run_id(),
        told(together.clock()),
    ));
    Ok(Some(together))
}

fn told(clock: loadgen_core::report::ClockOffset) -> String {
    let side = match clock.offset_us > 0.0 {
        true => "behind",
        false => "ahead of",
    };
    format!(
        "{} {side} the coordinator's, give or take {}",
        crate::human::micros(clock.offset_us.abs()),
        crate::human::micros(clock.within_us),
    )
}

/// The files for the result of all shards, where this one makes it.
///
/// # Errors
/// For a path that cannot be written to.
pub(super) fn outputs(
    settings: &RunSettings,
    together: Option<&Together>,
) -> Result<Vec<Pending>, RunError> {
    match together.is_some_and(Together::merges) {
        true => super::prepare::outputs(&settings.merged_outputs),
        false => Ok(Vec::new()),
    }
}

/// The run, which begins and ends with those of the other shards.
pub(super) fn listen(
    run: Run,
    together: &Together,
    restraint: Restraint,
    granted: impl Fn() -> Option<Duration> + Send + 'static,
    screen: &Screen,
) -> Run {
    let run = together.listen(run);
    let (stopper, screen): (Stopper, Screen) = (run.stopper(), screen.clone());
    together.react(move |at_once, why, end| {
        restraint.begin_no_more();
        match (end, at_once) {
            // What follows of it is said when the run hears of it.
            (Some(end), _) => {
                screen.say(why);
                stopper.end_early(end);
            }
            (None, false) => {
                screen.say(&format!("{why}; {}", stopping(granted())));
                stopper.drain();
            }
            (None, true) => {
                screen.say(&format!("{why}; stopping at once"));
                stopper.abort();
            }
        }
    });
    run
}

/// There is no result, and why: where that is the coordinator's word, in its words. The others are told.
pub(super) fn failed(together: Option<Together>, error: RunError) -> RunError {
    let Some(together) = together else {
        return error;
    };
    let error = match (error, together.refusal()) {
        (RunError::StoppedEarly, Some(refusal)) => RunError::Apart(refusal),
        (error, _) => error,
    };
    let kind = match &error {
        RunError::Unreachable(_) => Refusal::Unreachable,
        RunError::Setup(_) => Refusal::Setup,
        _ => Refusal::Unspecified,
    };
    together.fail(kind, error.to_string());
    error
}

/// This shard's part is made. Where it offers the coordinator, all others are waited for; and the result of the run,
/// where it merges that.
///
/// # Errors
/// When nothing can be made of what came.
pub(super) fn conclude(
    together: Option<Together>,
    document: &Document,
    screen: &Screen,
) -> Result<Option<Document>, RunError> {
    let Some(together) = together else {
        return Ok(None);
    };
    let finished: Option<Finished> = together.conclude(document, screen)?;
    let results = finished.and_then(|it| it.results);
    let merged = results.map(|it| it.merged()).transpose()?;
    Ok(merged)
}
