//! Changing a run while it is under way.
//!
//! Owns what may be changed ([`Change`]), whether a scenario can be told that now and telling it (`scene`), and what
//! its lanes see of it ([`steering`]). What lanes do then is theirs.

mod change;
mod scene;
mod standing;
pub(super) mod steering;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use change::listed;
pub use change::{Change, LONGEST_NOTE, Refused};
use scene::{Deed, Scene};
pub use standing::{Standing, TargetStanding};
pub(super) use steering::Steering;

use super::marker::Marker;
use super::spec::ScenarioSpec;
use super::stopper::{Stop, Stopper};
use crate::clock::{Clock, Nanos};
use crate::nearest::did_you_mean;
use crate::record::EventRecord;
use crate::text;
use crate::units::human;
use crate::workload::Switches;

/// Changes a run from another thread. Cheap to clone. From [`Run::control`](super::Run::control).
///
/// ```no_run
/// use loadgen_core::engine::Change;
///
/// # fn example(run: loadgen_core::engine::Run) -> Result<(), loadgen_core::engine::RunError> {
/// let control = run.control();
/// let marker = run.marker();
/// std::thread::spawn(move || {
///     if marker.begun(std::time::Duration::from_secs(60)) {
///         let change = Change::Rate { scenario: None, rate: "500/s".parse().expect("a rate") };
///         match control.change(&change) {
///             Ok(done) => println!("{done}"),
///             Err(refused) => eprintln!("{refused}"),
///         }
///     }
/// });
/// let record = run.execute()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Mutex<State>>,
    stopper: Stopper,
    marker: Marker,
}

#[derive(Debug, Default)]
struct State {
    /// The run's clock, and its scenarios; once it has begun.
    under_way: Option<(Clock, Vec<Scene>)>,
}

/// What lanes of a scenario, and whoever changes it, share.
pub(super) struct Steered {
    pub(super) spec: Arc<ScenarioSpec>,
    pub(super) steering: Arc<Steering>,
    pub(super) switches: Switches,
}

impl Control {
    pub(super) fn new(stopper: Stopper, marker: Marker) -> Self {
        Self {
            shared: Arc::default(),
            stopper,
            marker,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it has changed it wholly or not at all.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's load begins at `start`.
    pub(super) fn begin(&self, clock: Clock, start: Nanos, scenarios: &[Steered]) {
        let scenes = scenarios.iter();
        let scenes = scenes.map(|it| Scene::new(it, scenarios, start)).collect();
        self.state().under_way = Some((clock, scenes));
    }

    /// Has the run do it, in all the scenarios that it is about or in none. What was done and when, in words. A rate
    /// and a pause of arrivals begin some 50 ms later, so that all workers turn at the same moment.
    ///
    /// Each change is an [event](EventRecord) of the scenarios that it is about.
    ///
    /// # Errors
    /// [`Refused`] where nothing can be changed, and why.
    pub fn change(&self, change: &Change) -> Result<String, Refused> {
        if matches!(change, Change::Note { text, .. } if text.trim().is_empty()) {
            return Err(Refused::new("the note is empty; write what happens"));
        }
        let mut state = self.state();
        if self.marker.is_over() {
            return Err(Refused::new("the run is over"));
        }
        let Some((clock, scenes)) = state.under_way.as_mut() else {
            if let Change::Stop { at_once } = change {
                self.stop(*at_once);
                return Ok("stopped before the load began".to_owned());
            }
            return Err(Refused::new(
                "the load has not begun; try again once it has",
            ));
        };
        if let Change::Stop { at_once } = change
            && self.is_stopping(*at_once)
        {
            return Err(Refused::new("the run is stopping already"));
        }
        let now = clock.now();
        let concerned = concerned(scenes, change, now)?;
        let mut told = None;
        for (place, scene) in scenes.iter_mut().enumerate() {
            if !concerned.contains(&place) {
                continue;
            }
            let deed = scene.tell(change, now);
            let since = deed.at.saturating_sub(scene.measure_from());
            if !scene.is_through() {
                self.note(place, scene.measure_from(), &deed);
            }
            told.get_or_insert((deed.said, Duration::from_nanos(since)));
        }
        if let Change::Stop { at_once } = change {
            self.stop(*at_once);
        }
        let (said, at) = told.expect("one scenario at least is concerned");
        let at = human::micros(at.as_secs_f64() * 1e6);
        if concerned.len() == scenes.len() {
            return Ok(format!("{said} at {at}"));
        }
        let names = concerned.iter().map(|it| scenes[*it].name());
        Ok(format!("{said} at {at} in {}", listed(names)))
    }

    /// How each scenario stands by what it was told, in the order they were added; none before the load begins.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        let state = self.state();
        let scenes = state.under_way.iter();
        let each = scenes.flat_map(|(clock, scenes)| {
            let now = clock.now();
            scenes.iter().map(move |it| it.standing(now))
        });
        each.collect()
    }

    /// Whether it is on its way to its end already, as fast as this.
    fn is_stopping(&self, at_once: bool) -> bool {
        let asked = if at_once { Stop::Abort } else { Stop::Drain };
        self.stopper.asked() >= asked
    }

    fn stop(&self, at_once: bool) {
        match at_once {
            true => self.stopper.abort(),
            false => self.stopper.drain(),
        }
    }

    /// Puts it into the record.
    fn note(&self, scenario: usize, measure_from: Nanos, deed: &Deed) {
        let mut event = EventRecord::new(deed.action, deed.said.clone());
        event.effect = deed.effect;
        event.switched.clone_from(&deed.switched);
        let since = deed.at.saturating_sub(measure_from);
        let since = Duration::from_nanos(since);
        match measure_from.checked_sub(deed.at) {
            None | Some(0) => event.done = Some(since),
            Some(before) => event.before = Some(Duration::from_nanos(before)),
        }
        self.marker.record(scenario, event);
    }
}

/// The places of the scenarios that a change is about, at least one.
fn concerned(scenes: &[Scene], change: &Change, now: Nanos) -> Result<Vec<usize>, Refused> {
    let Some(name) = change.scenario() else {
        let refusals: Vec<_> = scenes.iter().map(|it| it.refusal(change, now)).collect();
        let places = (0..scenes.len()).filter(|it| refusals[*it].is_none());
        let places: Vec<_> = places.collect();
        if !places.is_empty() {
            return Ok(places);
        }
        let mut whys: Vec<String> = Vec::new();
        for (scene, why) in scenes.iter().zip(refusals.into_iter().flatten()) {
            whys.push(format!("`{}` {why}", scene.name()));
        }
        if whys.is_empty() {
            return Err(Refused::new("the run has no scenario"));
        }
        // More would be read by nobody, and each can be asked for by itself.
        let more = whys.len().saturating_sub(3);
        whys.truncate(3);
        let rest = match more {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Err(Refused::new(whys.join("; ") + &rest));
    };
    let names = || scenes.iter().map(Scene::name);
    let Some(place) = names().position(|it| it == name) else {
        let instead =
            did_you_mean(name, names()).unwrap_or_else(|| format!("it has {}", listed(names())));
        return Err(Refused::new(format!(
            "the run has no scenario `{}`; {instead}",
            text::short(name)
        )));
    };
    match scenes[place].refusal(change, now) {
        None => Ok(vec![place]),
        Some(why) => Err(Refused::new(format!("`{name}` {why}"))),
    }
}
