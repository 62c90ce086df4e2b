//! A run's whole life, once it is settled.

mod capacity;
mod conclude;
pub(crate) mod control;
mod deed;
mod error;
mod events;
mod execute;
mod journal;
mod keys;
mod prepare;
mod together;

use std::sync::Arc;
use std::time::SystemTime;

use loadgen_core::record::Names;
use loadgen_core::report::{self, Context, Document};
use loadgen_core::sink::RunInfo;

use crate::comparing::ComparingError;
use crate::coordinate::Together;
use crate::output::Shown;
use crate::screen::{self, Screen};
use crate::settings::RunSettings;
use crate::signals::Listener;
use crate::sinks::{About, End, Sinks};
use crate::terminal;
use crate::trace::Trace;
use crate::ui::Ui;

pub(crate) use self::capacity::{SearchStop, find as find_capacity};
pub(crate) use self::deed::kill_commands;
pub(crate) use self::error::RunError;
use self::execute::Listening;
use self::journal::Kept;
use self::together::Merging;

/// A run that was measured and told of.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its result: that of all shards, where this one has merged it.
    pub(crate) document: Document,
    /// Whether somebody had stopped it, by a signal or else.
    pub(crate) stopped: bool,
}

/// Carries a run out and tells what came of it. `may_begin` is asked when all is ready for the load.
///
/// # Errors
/// Why nothing could be measured, or not be told.
pub(crate) fn run(
    settings: RunSettings,
    ui: Option<&Ui>,
    signals: &Listener,
    screen: &Screen,
    may_begin: impl Fn(&Context, &[Names]) -> Result<(), ComparingError>,
) -> Result<Ran, RunError> {
    if let Some(ui) = ui {
        ui.prepare(&settings.plan);
    }
    let ran = carry_out(settings, ui, signals, screen, may_begin);
    if let (Some(ui), Err(error)) = (ui, &ran) {
        let is_stopped = matches!(error, RunError::StoppedEarly);
        ui.fail(&error.to_string(), is_stopped);
    }
    ran
}

fn carry_out(
    mut settings: RunSettings,
    ui: Option<&Ui>,
    signals: &Listener,
    screen: &Screen,
    may_begin: impl Fn(&Context, &[Names]) -> Result<(), ComparingError>,
) -> Result<Ran, RunError> {
    let warnings = prepare::machine(&settings)?;
    let info = RunInfo::new(
        report::new_run_id(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
    );
    let names = loadgen_core::names(&settings.plan);
    let about = About {
        names: &names,
        run: &info,
    };
    let mut sinks = Sinks::open(&settings.sinks, about)?;
    let outputs = prepare::outputs(&settings.outputs)?;
    let place = journal::reserve(&settings, &info, screen)?;
    let backend = prepare::backend(&mut settings, screen)?;
    let fleet = prepare::fleet(&mut settings, screen)?;
    let mut context = conclude::context(&settings, &info);
    may_begin(&context, &names)?;
    let together = together::join(&mut settings, &mut context, signals, screen)?;
    let begun = together::outputs(&settings, together.as_ref()).and_then(|merged| {
        let journal = journal::begin(place, &settings, &context, &names, screen)?;
        Ok((merged, journal))
    });
    let (merged_outputs, journal) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let nothing = Merging {
                outputs: Vec::new(),
                shown: Shown::Nothing,
                screen,
            };
            return Err(together::failed(together, error, nothing, signals));
        }
    };
    let merging = Merging {
        outputs: merged_outputs,
        shown: Shown::with(settings.json, screen.is_quiet()),
        screen,
    };
    let (journal, follower) = journal.unzip();
    prepare::announce(&settings, &sinks, &warnings, screen);
    let trace = settings.traced();
    let trace = trace.map(|most| Arc::new(Trace::of(most, &settings.plan.scenarios)));
    let executed = execute::execute(
        &settings,
        trace.clone(),
        fleet.as_ref(),
        Listening {
            sinks: &mut sinks,
            journal: follower,
            ui: ui.map(|ui| (ui, context.clone())),
            together: together.as_ref(),
        },
        signals,
        screen,
    );
    let lost = fleet.as_ref().and_then(|it| it.lost());
    if let Some(fleet) = &fleet {
        fleet.end();
    }
    let lost = lost.filter(|_| !signals.any());
    let mut backend = conclude::end(backend, &executed, signals);
    let record = match conclude::measured(executed, &mut backend) {
        Ok(record) => record,
        Err(error) => {
            journal.into_iter().for_each(Kept::discard);
            return Err(together::failed(together, error, merging, signals));
        }
    };
    together::begun(together.as_ref(), &mut context);
    let others = together::stops_others(together.as_ref());
    let (stopped, is_told_to_end) = conclude::no_more_to_stop(signals, others);
    let stopped = stopped || record.stopped;
    let document = conclude::document(context, &record, sinks.conclude(screen));
    if let Some(ui) = ui {
        let documents = settings.outputs.iter().filter(|it| it.is_document());
        let files = documents.map(|it| it.path.display().to_string()).collect();
        ui.conclude(&document, files);
    }
    backend.say(screen);
    sinks.judged(&document);
    if let Some(trace) = trace {
        screen::note(trace.text(terminal::of_stderr().0).trim_end());
    }
    let merges = together.as_ref().is_some_and(Together::merges);
    let shown = match merges {
        // That of the whole is shown in its place.
        true => Shown::Nothing,
        false => Shown::with(settings.json, screen.is_quiet()),
    };
    let told = conclude::tell(&document, outputs, shown, screen);
    if let Some(journal) = journal {
        journal.conclude(&document, told.is_ok());
    }
    let whole = together::conclude(together, &document, merging);
    // Whoever ends the wait for the others stops them.
    let stopped_others = is_told_to_end();
    sinks.finish(&End::now(screen, &is_told_to_end));
    told?;
    conclude::whole(&record, backend, lost)?;
    let Some(whole) = whole? else {
        return Ok(Ran { document, stopped });
    };
    let stopped_here = (stopped || stopped_others) && !whole.ended_by_condition();
    Ok(Ran {
        stopped: stopped_here || whole.was_stopped(),
        document: whole,
    })
}
