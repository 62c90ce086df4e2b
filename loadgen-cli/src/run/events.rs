//! Events: at their times, each on a thread of its own, told to the engine with the times that were measured.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use loadgen_core::engine::Marker;
use loadgen_core::record::{EventAction, EventEffect, EventRecord};
use loadgen_core::scenario::{BackendRole, Deed, EventPlan, Plan};

use super::deed::{self, Request};
use crate::backend::Fleet;
use crate::moment::now;

/// How long a thread waits at a time for the load to begin.
const LONG: Duration = Duration::from_secs(60);
/// How long threads may take to notice that the load is over.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the load is, for those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Under way, or not begun.
    #[default]
    Load,
    /// It is to end: nothing is begun any more, and what was done is undone.
    Ending,
    /// Over.
    Over,
}

#[derive(Debug, Default)]
struct Course {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Course {
    fn state(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reaches(&self, stage: Stage) {
        let mut state = self.state();
        *state = stage.max(*state);
        drop(state);
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        *self.state() == Stage::Over
    }

    /// Waits for this moment. False when the load reaches this stage before.
    fn waits_until(&self, moment: Instant, before: Stage) -> bool {
        let mut stage = self.state();
        while *stage < before {
            let rest = moment.saturating_duration_since(now());
            if rest.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(stage, rest);
            stage = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// Has no event begin any more.
#[derive(Debug, Clone)]
pub(super) struct Restraint(Arc<Course>);

impl Restraint {
    /// The load is to end before its time.
    pub(super) fn begin_no_more(&self) {
        self.0.reaches(Stage::Ending);
    }
}

/// What the engine did not take any more of an event, by the number of its scenario.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) scenario: usize,
    pub(super) event: EventRecord,
    /// What of it was cut off by the end of the load: a failure, unless the load was ended early.
    pub(super) cut_off: Option<String>,
}

/// The events of a run, waiting for their times.
#[derive(Debug)]
pub(super) struct Events {
    course: Arc<Course>,
    fleet: Option<Arc<Fleet>>,
    /// Those whose threads have ended, by their places, with what the engine no longer took.
    ended: Receiver<(usize, Vec<Late>)>,
    /// Those that have not been heard of.
    all: Vec<Option<Arc<Doing>>>,
}

/// One event, on its thread.
#[derive(Debug)]
struct Doing {
    /// The scenario that it is written in.
    scenario: usize,
    /// What it is to that one and to the others that it concerns.
    concerns: Vec<Concern>,
    event: EventPlan,
    request: Option<Request>,
    fleet: Option<Arc<Fleet>>,
    marker: Marker,
    course: Arc<Course>,
}

/// What an event is to one scenario.
#[derive(Debug)]
struct Concern {
    scenario: usize,
    /// Whether the scenario does not ask what it is done to.
    is_elsewhere: bool,
    /// The servers that answer behind what it is done to, where that does not answer itself: those that are gone with
    /// it, or all where none is.
    behind: Vec<String>,
    effect: EventEffect,
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
            all: Vec::new(),
        };
        for (scenario, of) in plan.scenarios.iter().enumerate() {
            for event in &of.events {
                let said = event.deed.to_string();
                let failed = |why: String| format!("{}: the event `{said}`: {why}", of.name);
                let request = match &event.deed {
                    Deed::Http(deed) => Some(Request::of(deed).map_err(failed)?),
                    _ => None,
                };
                let doing = Arc::new(Doing {
                    scenario,
                    concerns: concerns(plan, scenario, event),
                    event: event.clone(),
                    request,
                    fleet: event.deed.backend().and(fleet.cloned()),
                    marker: marker.clone(),
                    course: Arc::clone(&course),
                });
                let place = this.all.len();
                this.all.push(Some(Arc::clone(&doing)));
                let sender: Sender<(usize, Vec<Late>)> = sender.clone();
                thread::Builder::new()
                    .name("event".to_owned())
                    .spawn(move || {
                        let late = doing.carry_out();
                        let _ = sender.send((place, late));
                    })
                    .map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(this)
    }

    /// Has no event begin any more, from wherever that is known.
    pub(super) fn restraint(&self) -> Restraint {
        Restraint(Arc::clone(&self.course))
    }

    /// The load is over: what has not been done is not done any more. Returns what came too late for the
    /// engine to take, and what never came.
    pub(super) fn end(mut self) -> Vec<Late> {
        self.course.reaches(Stage::Over);
        if let Some(fleet) = &self.fleet {
            fleet.hurry();
        }
        let mut late = Vec::new();
        let until = now() + PATIENCE;
        while self.all.iter().any(Option::is_some) {
            let rest = until.saturating_duration_since(now());
            // All senders are gone where a thread has panicked.
            let Ok((place, of)) = self.ended.recv_timeout(rest) else {
                break;
            };
            self.all[place] = None;
            late.extend(of);
        }
        let silent = self.all.iter().flatten();
        late.extend(silent.flat_map(|it| it.never_ended()));
        late
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.course.reaches(Stage::Over);
    }
}

/// What became of an event.
#[derive(Default)]
struct Outcome {
    done: Option<Instant>,
    ready: Option<Instant>,
    failure: Option<String>,
    /// Why it did not end, where the end of the load is the reason.
    cut_off: Option<String>,
}

impl Doing {
    /// Does it when it is due. Returns what the engine no longer took.
    fn carry_out(&self) -> Vec<Late> {
        let Some(due) = self.due(self.event.at) else {
            return Vec::new();
        };
        let outcome = self.outcome(due);
        let told = self.told(due, &outcome);
        told.filter(|it| !self.marker.record(it.scenario, it.event.clone()))
            .collect()
    }

    /// What there is to say of it when it is not heard of any more.
    fn never_ended(&self) -> Vec<Late> {
        let Some(due) = self.marker.due(self.scenario, self.event.at) else {
            return Vec::new();
        };
        let outcome = Outcome {
            cut_off: Some("it had not ended when the load was over".to_owned()),
            ..Outcome::default()
        };
        self.told(due, &outcome).collect()
    }

    /// What each scenario that it is one of is told of it.
    fn told(&self, due: Instant, outcome: &Outcome) -> impl Iterator<Item = Late> {
        self.concerns.iter().map(move |concern| Late {
            scenario: concern.scenario,
            event: self.record(concern, due, outcome),
            cut_off: outcome.cut_off.clone(),
        })
    }

    fn outcome(&self, due: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if !self.course.waits_until(due, Stage::Ending) {
            return outcome;
        }
        match self.deed() {
            Ok(done) => outcome.done = Some(done),
            Err(why) => self.fails(&mut outcome, why),
        }
        let back = due + self.event.deed.back_after().unwrap_or_default();
        if outcome.done.is_some() && self.comes_back() && self.course.waits_until(back, Stage::Over)
        {
            match self.back() {
                Ok(ready) => outcome.ready = Some(ready),
                Err(why) => self.fails(&mut outcome, format!("it did not come back: {why}")),
            }
        }
        outcome
    }

    /// What is not done when the load is over may be so for that reason alone.
    fn fails(&self, outcome: &mut Outcome, why: String) {
        let why = Some(why);
        match self.course.is_over() {
            true => outcome.cut_off = why,
            false => outcome.failure = why,
        }
    }

    /// The same in the words of the record, on a scenario's clock.
    fn record(&self, concern: &Concern, due: Instant, outcome: &Outcome) -> EventRecord {
        let scenario = concern.scenario;
        let since = |when: Instant| self.marker.since(scenario, when);
        let is_in = |when: &Instant| self.marker.before(scenario, *when).is_none();
        let deed = &self.event.deed;
        let mut record = EventRecord::new(action(deed), deed.to_string());
        record.effect = concern.effect;
        record.backend = deed.backend().map(str::to_owned);
        record.behind.clone_from(&concern.behind);
        record.elsewhere = concern.is_elsewhere;
        record.planned = match scenario == self.scenario {
            true => Some(self.event.at),
            false => Some(due).filter(is_in).map(since),
        };
        record.done = outcome.done.filter(is_in).map(since);
        let before = |when| self.marker.before(scenario, when);
        record.before = outcome.done.and_then(before);
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
            Deed::Fault {
                backend, faults, ..
            } => self.fleet()?.fault(backend, faults),
            Deed::Exec(command) => deed::exec(command, || self.course.is_over()),
            Deed::Http(_) => match &self.request {
                Some(request) => request.send(|| self.course.is_over()),
                None => Err("there is no request".to_owned()),
            },
            // Nothing is done but to note it.
            _ => Ok(now()),
        }
    }

    fn back(&self) -> Result<Instant, String> {
        match &self.event.deed {
            Deed::Freeze { backend, .. } => self.fleet()?.thaw(backend),
            Deed::Fault { backend, .. } => self.fleet()?.heal(backend),
            other => self
                .fleet()?
                .bring_back(other.backend().unwrap_or_default()),
        }
    }
}

/// What an event is to the scenario that it is written in, and to the others that it concerns.
fn concerns(plan: &Plan, own: usize, event: &EventPlan) -> Vec<Concern> {
    let all = 0..plan.scenarios.len();
    all.filter(|it| plan.concerns(event, own, *it))
        .map(|it| Concern::of(plan, it, event))
        .collect()
}

impl Concern {
    fn of(plan: &Plan, scenario: usize, event: &EventPlan) -> Self {
        let name = event.deed.backend();
        let server = name.and_then(|it| plan.backend(it));
        let front = server.filter(|it| !matches!(it.role, BackendRole::Serve(_)));
        let mut effect = effect(&event.deed);
        let mut behind = Vec::new();
        if let Some(front) = front {
            behind = plan.only_behind(scenario, &front.name);
            // Where others lead to the same servers, nobody is away.
            if behind.is_empty() {
                behind = plan.answering_behind(&front.name);
                effect = match effect {
                    EventEffect::Lasts => EventEffect::Momentary,
                    other => other,
                };
            }
        }
        Self {
            scenario,
            is_elsewhere: name.is_some_and(|it| !plan.asks(scenario, it)),
            behind: behind.into_iter().map(str::to_owned).collect(),
            effect,
        }
    }
}

fn effect(deed: &Deed) -> EventEffect {
    match deed {
        Deed::Fault { faults, .. } if faults.is_harmless() => EventEffect::Ends,
        Deed::Fault { faults, .. } if faults.is_done_once() => EventEffect::Momentary,
        _ => EventEffect::Lasts,
    }
}

fn action(deed: &Deed) -> EventAction {
    match deed {
        Deed::Kill { .. } => EventAction::Kill,
        Deed::Restart { .. } => EventAction::Restart,
        Deed::Freeze { .. } => EventAction::Freeze,
        Deed::Drain { .. } => EventAction::Drain,
        Deed::Fault { .. } => EventAction::Fault,
        Deed::Http(_) => EventAction::Http,
        Deed::Exec(_) => EventAction::Exec,
        _ => EventAction::Mark,
    }
}
