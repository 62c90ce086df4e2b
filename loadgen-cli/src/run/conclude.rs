//! After the load: what came of it, written, shown, and passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen_core::journal;
use loadgen_core::record::RunRecord;
use loadgen_core::report::{Context, Delivery, Document};
use loadgen_core::sink::RunInfo;

use super::error::RunError;
use crate::backend::{Embedded, EmbeddedError, FleetError};
use crate::output::{self, Pending, Shown};
use crate::screen::Screen;
use crate::settings::RunSettings;
use crate::signals::Listener;

/// The embedded backend, ended.
pub(super) struct Ended {
    /// How it ended before it was told to, if it did.
    lost: Option<EmbeddedError>,
    /// What it had to say.
    said: Vec<String>,
}

/// How long a process whose connections are closed may take to be gone.
const GOING: Duration = Duration::from_millis(200);

/// Ends the embedded backend. Where nothing was measured, it may be because it is just ending by itself.
pub(super) fn end<T>(
    backend: Option<Embedded>,
    executed: &Result<T, RunError>,
    signals: &Listener,
) -> Ended {
    let Some(mut backend) = backend else {
        return Ended {
            lost: None,
            said: Vec::new(),
        };
    };
    // What ends this process may end its children, too, and is then what happened.
    let within = executed.as_ref().err().map_or(Duration::ZERO, |_| GOING);
    let lost = backend.ended(within).filter(|_| !signals.any());
    Ended {
        lost: lost.map(EmbeddedError::Ended),
        said: backend.end(),
    }
}

/// What was measured; where nothing was and the backend was lost, that is why.
pub(super) fn measured<T>(
    executed: Result<T, RunError>,
    backend: &mut Ended,
) -> Result<T, RunError> {
    executed.map_err(|error| backend.lost.take().map_or(error, RunError::Embedded))
}

impl Ended {
    /// Says what the backend had to say.
    pub(super) fn say(&self, screen: &Screen) {
        for complaint in &self.said {
            screen.say(&format!("{complaint} (the embedded backend's)"));
        }
    }
}

/// Makes sure that what was told is the whole.
///
/// # Errors
/// When a workload panicked, or a server of the run was lost on the way.
pub(super) fn whole(
    record: &RunRecord,
    backend: Ended,
    of_suite: Option<FleetError>,
) -> Result<(), RunError> {
    if let Some(panic) = &record.panic {
        return Err(RunError::Panicked(panic.clone()));
    }
    all_there(backend, of_suite)
}

/// Makes sure that no server of the run was lost on the way.
///
/// # Errors
/// When one was.
pub(super) fn all_there(backend: Ended, of_suite: Option<FleetError>) -> Result<(), RunError> {
    of_suite.map_or(Ok(()), |lost| Err(RunError::from(lost)))?;
    backend.lost.map_or(Ok(()), |lost| Err(lost.into()))
}

/// From here on a signal stops no load of this process: it stops `others` that are waited for, called with whether at
/// once, and ends the wait for a scrape. Tells whether one has stopped the load, and whether one has come since.
pub(super) fn no_more_to_stop(
    signals: &Listener,
    others: Box<dyn Fn(bool) + Send>,
) -> (bool, impl Fn() -> bool + use<>) {
    let stopped = signals.any();
    let came = Arc::new(AtomicBool::new(false));
    // Those that ended the load are no reason not to show what it came to, and the others know of them.
    let is_new = Arc::new(AtomicBool::new(false));
    let (heard, counts) = (Arc::clone(&came), Arc::clone(&is_new));
    signals.react(move |nth| {
        if counts.load(Ordering::Relaxed) {
            heard.store(true, Ordering::Relaxed);
            others(nth > 1);
        }
    });
    is_new.store(true, Ordering::Relaxed);
    (stopped, move || came.load(Ordering::Relaxed))
}

/// What the result document says that no measurement tells, as far as it is known before the load.
pub(super) fn context(settings: &RunSettings, info: &RunInfo) -> Context {
    let mut context = Context::of(&settings.plan);
    context.run_id.clone_from(&info.id);
    context.version.clone_from(&info.version);
    context.shard = settings.part();
    context
}

/// The result document.
pub(super) fn document(mut context: Context, record: &RunRecord, sinks: Vec<Delivery>) -> Document {
    context.sinks = sinks;
    journal::document(record, context)
}

/// Writes the files, and prints the summary or the document, each also when something of the others fails.
///
/// # Errors
/// For what could not be printed or written.
pub(super) fn tell(
    document: &Document,
    outputs: Vec<Pending>,
    shown: Shown,
    screen: &Screen,
) -> Result<(), RunError> {
    let written = output::write(outputs, document).map_err(RunError::WriteOutput);
    shown.print(document)?;
    if !screen.is_quiet() {
        output::warn_beside(shown == Shown::Document, document);
    }
    written
}
