//! Looking once a second whether files changed that workloads were made of, on a thread of its own: a file
//! system that does not answer keeps nobody waiting.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::spec::ScenarioSpec;
use crate::clock::{Clock, Nanos};
use crate::workload::{FileChange, Look, Lookouts};

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How soon again where something is being written.
const SOON: Duration = Duration::from_millis(100);

/// A change, when it was read, and the scenario that it belongs to.
pub(super) type Seen = (usize, Nanos, FileChange);

/// The thread that looks. It ends when this is dropped.
pub(super) struct Files {
    seen: Arc<Mutex<Vec<Seen>>>,
    _stop: Sender<()>,
}

impl Files {
    /// Begins to look; `None` where there is nothing to look at.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn watch(clock: Clock, specs: &[&ScenarioSpec]) -> io::Result<Option<Self>> {
        let of = |spec: &&ScenarioSpec| spec.lookouts.clone();
        let scenarios: Vec<Lookouts> = specs.iter().map(of).collect();
        if scenarios.iter().all(|it| it.0.is_empty()) {
            return Ok(None);
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = channel();
        let into = Arc::clone(&seen);
        // Nobody waits for its end: a look may hang.
        thread::Builder::new()
            .name("loadgen-files".to_owned())
            .spawn(move || look(clock, &scenarios, &stopped, &into))?;
        Ok(Some(Self { seen, _stop: stop }))
    }

    /// What was seen since the last call.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn look(clock: Clock, scenarios: &[Lookouts], stopped: &Receiver<()>, into: &Mutex<Vec<Seen>>) {
    let mut wait = EVERY;
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
        wait = EVERY;
        let mut new: Vec<Seen> = Vec::new();
        let lookouts = scenarios.iter().enumerate();
        let lookouts = lookouts.flat_map(|(nth, it)| it.0.iter().map(move |it| (nth, it)));
        for (scenario, lookout) in lookouts {
            match lookout.look() {
                Look::Same => {}
                Look::Unsettled => wait = SOON,
                Look::Changed(changes) => {
                    let changes = changes.into_iter();
                    new.extend(changes.map(|(at, it)| (scenario, clock.at(at), it)));
                }
            }
        }
        new.sort_by_key(|(_, at, _)| *at);
        let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
        seen.append(&mut new);
    }
}
