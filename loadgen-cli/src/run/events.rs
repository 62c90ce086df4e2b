//! Events: at their times, each on a thread of its own, told to the engine with the times that were measured.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use loadgen_core::engine::Marker;
use loadgen_core::record::{EventAction, EventRecord};
use loadgen_core::scenario::{Deed, EventPlan, Plan, ScenarioPlan};

use super::deed::{self, Request};
use crate::backend::Fleet;
use crate::moment::now;

/// How long a thread waits at a time for the load to begin.
const LONG: Duration = Duration::from_secs(60);
/// How long threads may take to notice that the load is over.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the load is over, for those that wait.
#[derive(Debug, Default)]
struct Course {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Course {
    fn state(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        *self.state() = true;
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        *self.state()
    }

    /// Waits for this moment. False when the load is over before.
    fn waits_until(&self, moment: Instant) -> bool {
        let mut is_over = self.state();
        while !*is_over {
            let rest = moment.saturating_duration_since(now());
            if rest.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(is_over, rest);
            is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// The events of a run, waiting for their times.
#[derive(Debug)]
pub(super) struct Events {
    course: Arc<Course>,
    fleet: Option<Arc<Fleet>>,
    /// Those whose threads have ended.
    ended: Receiver<Ended>,
    /// How many there are.
    count: usize,
}

/// An event that is over, or was not when the load was, with what the engine no longer took.
#[derive(Debug)]
struct Ended {
    late: Vec<(usize, EventRecord)>,
}

/// One event, on its thread.
struct Doing {
    scenario: usize,
    /// The other scenarios that are run with its server.
    others: Vec<usize>,
    event: EventPlan,
    request: Option<Request>,
    fleet: Option<Arc<Fleet>>,
    marker: Marker,
    course: Arc<Course>,
}

impl Events {
    /// Has the events wait for the load.
    ///
    /// # Errors
    /// What an event needs and is not there, or that there is no thread to be had.
    pub(super) fn wait(
        plan: &Plan,
        fleet: Option<&Arc<Fleet>>,
        marker: &Marker,
    ) -> Result<Self, String> {
        let course = Arc::new(Course::default());
        let (sender, ended) = mpsc::channel();
        let mut this = Self {
            course: Arc::clone(&course),
            fleet: fleet.cloned(),
            ended,
            count: 0,
        };
        for (scenario, of) in plan.scenarios.iter().enumerate() {
            for event in &of.events {
                let said = event.deed.to_string();
                let failed = |why: String| format!("{}: the event `{said}`: {why}", of.name);
                let request = match &event.deed {
                    Deed::Http(deed) => Some(Request::of(deed).map_err(failed)?),
                    _ => None,
                };
                let doing = Doing {
                    scenario,
                    others: others(plan, scenario, event.deed.backend()),
                    event: event.clone(),
                    request,
                    fleet: event.deed.backend().and(fleet.cloned()),
                    marker: marker.clone(),
                    course: Arc::clone(&course),
                };
                let sender: Sender<Ended> = sender.clone();
                thread::Builder::new()
                    .name("event".to_owned())
                    .spawn(move || {
                        let late = doing.carry_out();
                        let _ = sender.send(Ended { late });
                    })
                    .map_err(|error| failed(error.to_string()))?;
                this.count += 1;
            }
        }
        Ok(this)
    }

    /// The load is over: what has not been done is not done any more. Returns what came too late for the
    /// engine to take, by the number of its scenario.
    pub(super) fn end(self) -> Vec<(usize, EventRecord)> {
        self.course.end();
        if let Some(fleet) = &self.fleet {
            fleet.hurry();
        }
        let mut late = Vec::new();
        let until = now() + PATIENCE;
        for _ in 0..self.count {
            let rest = until.saturating_duration_since(now());
            let Ok(ended) = self.ended.recv_timeout(rest) else {
                break;
            };
            late.extend(ended.late);
        }
        late
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.course.end();
    }
}

/// What became of an event.
#[derive(Default)]
struct Outcome {
    done: Option<Instant>,
    ready: Option<Instant>,
    failure: Option<String>,
}

impl Doing {
    /// Does it when it is due. Returns what the engine no longer took, by the number of its scenario.
    fn carry_out(&self) -> Vec<(usize, EventRecord)> {
        let Some(due) = self.due(self.event.at) else {
            return Vec::new();
        };
        let outcome = self.outcome(due);
        let told = [self.scenario].into_iter().chain(self.others.clone());
        let told = told.map(|scenario| (scenario, self.record(scenario, due, &outcome)));
        told.filter(|(scenario, record)| !self.marker.record(*scenario, record.clone()))
            .collect()
    }

    fn outcome(&self, due: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if !self.course.waits_until(due) {
            return outcome;
        }
        match self.deed() {
            Ok(done) => outcome.done = Some(done),
            Err(why) => outcome.failure = Some(why),
        }
        let back = due + self.event.deed.back_after().unwrap_or_default();
        if outcome.failure.is_none() && self.comes_back() && self.course.waits_until(back) {
            match self.back() {
                Ok(ready) => outcome.ready = Some(ready),
                Err(why) => outcome.failure = Some(format!("it did not come back: {why}")),
            }
        }
        outcome
    }

    /// The same in the words of the record, on a scenario's clock.
    fn record(&self, scenario: usize, due: Instant, outcome: &Outcome) -> EventRecord {
        let since = |when: Instant| self.marker.since(scenario, when);
        let deed = &self.event.deed;
        let mut record = EventRecord::new(action(deed), deed.to_string());
        record.backend = deed.backend().map(str::to_owned);
        record.planned = Some(match scenario == self.scenario {
            true => self.event.at,
            false => since(due),
        });
        record.done = outcome.done.map(since);
        record.ready = outcome.ready.map(since);
        record.failure.clone_from(&outcome.failure);
        record
    }

    /// When so much of the measuring is over; `None` when the load is before.
    fn due(&self, at: Duration) -> Option<Instant> {
        while !self.marker.begun(LONG) {
            if self.marker.is_over() {
                return None;
            }
        }
        self.marker.due(self.scenario, at)
    }

    fn comes_back(&self) -> bool {
        let deed = &self.event.deed;
        deed.back_after().is_some() || matches!(deed, Deed::Restart { .. })
    }

    fn fleet(&self) -> Result<&Fleet, String> {
        let fleet = self.fleet.as_deref();
        fleet.ok_or_else(|| "the run started no servers".to_owned())
    }

    fn deed(&self) -> Result<Instant, String> {
        match &self.event.deed {
            Deed::Kill { backend, .. } => self.fleet()?.kill(backend),
            Deed::Freeze { backend, .. } => self.fleet()?.freeze(backend),
            Deed::Drain { backend, .. } | Deed::Restart { backend } => self.fleet()?.drain(backend),
            Deed::Exec(command) => deed::exec(command, || self.course.is_over()),
            Deed::Http(_) => match &self.request {
                Some(request) => request.send(),
                None => Err("there is no request".to_owned()),
            },
            // Nothing is done but to note it.
            _ => Ok(now()),
        }
    }

    fn back(&self) -> Result<Instant, String> {
        match &self.event.deed {
            Deed::Freeze { backend, .. } => self.fleet()?.thaw(backend),
            other => self
                .fleet()?
                .bring_back(other.backend().unwrap_or_default()),
        }
    }
}

/// The scenarios beside its own that an event is one of: those that are run with the server that it is done to.
fn others(plan: &Plan, own: usize, backend: Option<&str>) -> Vec<usize> {
    let is_run_with = |scenario: &ScenarioPlan| {
        backend.is_some_and(|name| scenario.backends.iter().any(|it| it == name))
    };
    let all = plan.scenarios.iter().enumerate();
    all.filter(|(number, scenario)| *number != own && is_run_with(scenario))
        .map(|(number, _)| number)
        .collect()
}

fn action(deed: &Deed) -> EventAction {
    match deed {
        Deed::Kill { .. } => EventAction::Kill,
        Deed::Restart { .. } => EventAction::Restart,
        Deed::Freeze { .. } => EventAction::Freeze,
        Deed::Drain { .. } => EventAction::Drain,
        Deed::Http(_) => EventAction::Http,
        Deed::Exec(_) => EventAction::Exec,
        _ => EventAction::Mark,
    }
}
