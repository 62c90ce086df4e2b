//! A search for a capacity, from its beginning to its end.

mod keys;
mod stop;
mod view;

use std::time::SystemTime;

use loadgen_core::capacity::{self, CapacityError, Step, Upcoming, Watch};
use loadgen_core::engine::{self, Run};
use loadgen_core::live::Search;
use loadgen_core::record::Names;
use loadgen_core::report::{self, Capacity, Context};
use loadgen_core::scenario::Plan;
use loadgen_core::sink::RunInfo;

pub(crate) use self::stop::{STOPPING, SearchStop};
use self::view::View;
use super::error::RunError;
use super::{Ran, conclude, prepare};
use crate::comparing::ComparingError;
use crate::output::Shown;
use crate::screen::Screen;
use crate::settings::CapacitySettings;
use crate::signals::Listener;
use crate::ui::Ui;

/// Looks for a capacity and tells what was found. `may_begin` is asked when all is ready for the load.
///
/// # Errors
/// Why nothing could be found, or not be told.
pub(crate) fn find(
    settings: CapacitySettings,
    ui: Option<&Ui>,
    signals: &Listener,
    screen: &Screen,
    may_begin: impl Fn(&Context, &[Names]) -> Result<(), ComparingError>,
) -> Result<Ran, RunError> {
    if let Some(ui) = ui {
        ui.prepare(&settings.run.plan);
    }
    let ran = carry_out(settings, ui, signals, screen, may_begin);
    if let (Some(ui), Err(error)) = (ui, &ran) {
        ui.fail(&error.to_string(), matches!(error, RunError::StoppedEarly));
    }
    ran
}

fn carry_out(
    settings: CapacitySettings,
    ui: Option<&Ui>,
    signals: &Listener,
    screen: &Screen,
    may_begin: impl Fn(&Context, &[Names]) -> Result<(), ComparingError>,
) -> Result<Ran, RunError> {
    let CapacitySettings {
        run: mut settings,
        search,
    } = settings;
    let warnings = prepare::machine(&settings)?;
    let info = RunInfo::new(
        report::new_run_id(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
    );
    let names = loadgen_core::names(&settings.plan);
    let outputs = prepare::outputs(&settings.outputs)?;
    let backend = prepare::backend(&mut settings, screen)?;
    let fleet = prepare::fleet(&mut settings, screen)?;
    let context = conclude::context(&settings, &info);
    may_begin(&context, &names)?;
    settings.warnings.iter().for_each(crate::screen::note);
    for notice in &settings.notices {
        screen.say(notice);
    }
    for warning in &warnings {
        screen.say(&format!("WARNING: {warning}"));
    }
    let stop = SearchStop::default();
    stop_on_signal(signals, stop.clone(), screen);
    if let Some(ui) = ui {
        ui.search(&settings.plan, context, stop.clone(), screen);
    }
    let view = View::new(screen.clone());
    let keys = keys::listen(screen, view.below(), stop.clone());
    let mut watching = Watching {
        view,
        ui,
        info,
        stop: stop.clone(),
    };
    let found = capacity::measure(&settings.plan, &search, &settings.options, &mut watching);
    drop(keys);
    drop(watching);
    let lost = fleet.as_ref().and_then(|it| it.lost());
    if let Some(fleet) = &fleet {
        fleet.end();
    }
    let lost = lost.filter(|_| !signals.any());
    let found = found.map_err(of_search);
    let mut backend = conclude::end(backend, &found, signals);
    let document = conclude::measured(found, &mut backend)?;
    if let Some(ui) = ui {
        let documents = settings.outputs.iter().filter(|it| it.is_document());
        let files = documents.map(|it| it.path.display().to_string()).collect();
        ui.conclude(&document, files);
    }
    backend.say(screen);
    let shown = Shown::with(settings.json, screen.is_quiet());
    conclude::tell(&document, outputs, shown, screen)?;
    conclude::all_there(backend, lost)?;
    Ok(Ran {
        stopped: stop.is_asked(),
        document,
    })
}

fn of_search(error: CapacityError) -> RunError {
    match error {
        CapacityError::Assemble(error) if error.is_unreachable() => {
            RunError::Unreachable(error.to_string())
        }
        CapacityError::Assemble(error) => RunError::Assemble(error),
        CapacityError::Run(error) => match error {
            engine::RunError::Unreachable { .. } => RunError::Unreachable(error.to_string()),
            engine::RunError::Setup { .. } => RunError::Setup(error.to_string()),
            engine::RunError::StoppedEarly => RunError::StoppedEarly,
            other => RunError::Engine(other),
        },
        CapacityError::Panicked(message) => RunError::Panicked(message),
        other => RunError::Capacity(other),
    }
}

/// Each signal ends the search; the third ends the process without a report.
fn stop_on_signal(signals: &Listener, stop: SearchStop, screen: &Screen) {
    let screen = screen.clone();
    signals.react(move |_| {
        if stop.ask() {
            screen.say(STOPPING);
        }
    });
}

/// Whoever looks on: the screen, and the page.
struct Watching<'a> {
    view: View,
    ui: Option<&'a Ui>,
    info: RunInfo,
    stop: SearchStop,
}

impl Watch for Watching<'_> {
    fn begin(&mut self, next: Upcoming<'_>, run: Run) -> Run {
        self.stop.put(run.stopper());
        let run = self.view.begin(&next, run);
        let Some(ui) = self.ui else {
            return run;
        };
        let search = Search::new(next.so_far, Some(next.step));
        match next.step {
            Step::Trial(_) => ui.listen_to_trial(run, next.plan, self.context(next.plan), search),
            Step::CoolDown(_) | Step::Rest(_) | Step::Done => {
                ui.knows(search);
                run
            }
        }
    }

    fn rests(&mut self, step: Step, so_far: &Capacity) {
        self.view.rests(step, so_far);
        if let Some(ui) = self.ui {
            ui.knows(Search::new(so_far, Some(step)));
        }
    }

    fn ended(&mut self, so_far: &Capacity) {
        self.view.ended(so_far);
        if let Some(ui) = self.ui {
            ui.knows(Search::new(so_far, None));
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_asked()
    }

    fn context(&self, plan: &Plan) -> Context {
        let mut context = Context::of(plan);
        context.run_id.clone_from(&self.info.id);
        context.version.clone_from(&self.info.version);
        context
    }
}
