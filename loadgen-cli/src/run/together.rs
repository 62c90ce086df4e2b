//! A run that is one shard's part of one that a coordinator holds together.

use std::time::Duration;

use loadgen_core::engine::{Run, Stopper};
use loadgen_core::report::{Context, Document};

use super::conclude;
use super::error::RunError;
use super::events::Restraint;
use super::execute::stopping;
use crate::coordinate::{self, CoordinateError, Finished, Refusal, Together};
use crate::output::{Pending, Shown};
use crate::results;
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
    let (call_off, called_off) = coordinate::call_off();
    let (at, says) = (coordination.address.clone(), screen.clone());
    signals.react(move |_| {
        says.say(&format!(
            "stopping: the coordinator at {at} is looked for, and no load has begun"
        ));
        call_off();
    });
    let together = coordinate::join(coordination, shard, run_id, context, called_off, screen)
        .map_err(|error| match error {
            CoordinateError::CalledOff => RunError::StoppedEarly,
            error => RunError::Apart(error),
        })?;
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

/// How this machine's clock was when the load began, which may have waited long for the others.
pub(super) fn begun(together: Option<&Together>, context: &mut Context) {
    if let (Some(together), Some(part)) = (together, &mut context.shard) {
        part.clock = Some(together.clock());
    }
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
    let run = together.listen(run, screen);
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

/// What is made of the results of all shards, where they are merged here.
#[derive(Debug)]
pub(super) struct Merging<'a> {
    pub(super) outputs: Vec<Pending>,
    pub(super) shown: Shown,
    pub(super) screen: &'a Screen,
}

impl Merging<'_> {
    fn merge(self, finished: Finished) -> Result<Option<Document>, RunError> {
        let Some(told) = finished.results.filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let whole = results::of_shards(told).map_err(RunError::Whole)?;
        conclude::tell(&whole, self.outputs, self.shown, self.screen)?;
        Ok(Some(whole))
    }
}

/// What stops the others while they are waited for: called with whether at once.
pub(super) fn stops_others(together: Option<&Together>) -> Box<dyn Fn(bool) + Send> {
    match together.and_then(Together::stops_others) {
        Some(stop) => Box::new(stop),
        None => Box::new(|_| {}),
    }
}

/// There is no result of this shard, and why: where that is the coordinator's word, in its words. The others are told;
/// where they make their load without it, what these come to is told all the same.
pub(super) fn failed(
    together: Option<Together>,
    error: RunError,
    merging: Merging<'_>,
    signals: &Listener,
) -> RunError {
    let Some(together) = together else {
        return error;
    };
    let error = match (error, together.refusal()) {
        // Whoever waits for the others' `setup` learns only that nobody will tell of it.
        (RunError::StoppedEarly | RunError::Setup(_), Some(refusal)) => RunError::Apart(refusal),
        (error, _) => error,
    };
    let kind = match &error {
        RunError::Unreachable(_) => Refusal::Unreachable,
        RunError::Setup(_) => Refusal::Setup,
        _ => Refusal::Unspecified,
    };
    // There is nothing more to wait for here once the others are over.
    let _ = conclude::no_more_to_stop(signals, stops_others(Some(&together)));
    let screen = merging.screen;
    if let Some(finished) = together.fail(kind, error.to_string())
        && let Err(why) = merging.merge(finished)
    {
        screen.say(&format!("WARNING: {why}"));
    }
    error
}

/// This shard's part is made. Where it offers the coordinator, all others are waited for; and the result of the run is
/// told, where it merges that.
///
/// # Errors
/// When nothing can be made of what came, or it cannot be told.
pub(super) fn conclude(
    together: Option<Together>,
    document: &Document,
    merging: Merging<'_>,
) -> Result<Option<Document>, RunError> {
    let Some(together) = together else {
        if document.run.shard.is_some() {
            merging.screen.say(coordinate::MERGE_TELLS);
        }
        return Ok(None);
    };
    let finished = together.conclude(document, merging.screen)?;
    finished.map_or(Ok(None), |it| merging.merge(it))
}
