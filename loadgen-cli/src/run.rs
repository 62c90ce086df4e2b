//! A run's whole life, once it is settled.

mod conclude;
pub(crate) mod control;
mod deed;
mod error;
mod events;
mod execute;
mod journal;
mod keys;
mod prepare;

use std::sync::Arc;
use std::time::SystemTime;

use loadgen_core::record::Names;
use loadgen_core::report::{self, Context, Document};
use loadgen_core::sink::RunInfo;

use crate::comparing::ComparingError;
use crate::screen::{self, Screen};
use crate::settings::RunSettings;
use crate::signals::Listener;
use crate::sinks::{About, End, Sinks};
use crate::terminal;
use crate::trace::Trace;
use crate::ui::Ui;

pub(crate) use self::deed::kill_commands;
pub(crate) use self::error::RunError;
use self::execute::Listening;
use self::journal::Kept;

/// A run that was measured and told of.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its result.
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
    let context = conclude::context(&settings, &info);
    may_begin(&context, &names)?;
    let journal = journal::begin(place, &settings, &context, &names, screen)?;
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
            return Err(error);
        }
    };
    let (stopped, is_told_to_end) = conclude::no_more_to_stop(signals);
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
    let told = conclude::tell(&document, outputs, settings.json, screen);
    if let Some(journal) = journal {
        journal.conclude(&document, told.is_ok());
    }
    sinks.finish(&End::now(screen, &is_told_to_end));
    told?;
    conclude::whole(&record, backend, lost)?;
    Ok(Ran { document, stopped })
}
