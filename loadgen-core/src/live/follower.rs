//! Whoever listens to a run and copies what was recorded, for a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::allowance::Allowance;
use crate::engine::{Event, SoFar};
use crate::process::thread_time;
use crate::record::{
    EarlyEnd, EventRecord, Followed, GeneratorRecord, ScenarioRecord, SeriesPart, TagRecord,
};

/// A page may take one part in this many of a processor: 1 %, where what is usual takes a tenth of that.
const ONE_IN: i64 = 100;

/// Copies what was recorded, once a second. It is for [`Run::listen`](crate::engine::Run::listen).
#[derive(Debug)]
pub struct Follower {
    allowance: Allowance,
    /// Processor time that was spent elsewhere on what was copied, in nanoseconds.
    spent: Arc<AtomicU64>,
    early_end: Option<EarlyEnd>,
    followed: Vec<Followed>,
}

/// What was recorded up to a second, without the points of series that were copied before.
#[derive(Debug)]
pub struct Recorded {
    pub(super) at: Duration,
    pub(super) started_at: SystemTime,
    pub(super) elapsed: Duration,
    pub(super) scenarios: Vec<RecordedScenario>,
    pub(super) tags: Vec<TagRecord>,
    pub(super) generator: GeneratorRecord,
    pub(super) stopped: bool,
    pub(super) early_end: Option<EarlyEnd>,
}

#[derive(Debug)]
pub(super) struct RecordedScenario {
    pub(super) record: ScenarioRecord,
    pub(super) elapsed: Duration,
    pub(super) events: Vec<EventRecord>,
    pub(super) series: SeriesPart,
}

impl Follower {
    pub(super) fn new(spent: Arc<AtomicU64>) -> Self {
        Self {
            allowance: Allowance::one_in(ONE_IN),
            spent,
            early_end: None,
            followed: Vec::new(),
        }
    }

    /// Hears what happens in the run. What was recorded is copied where somebody `wants` it, and what showing it
    /// has cost so far lets it be; it is then for [`Dashboard::advance`](super::Dashboard::advance), in the order in
    /// which it came and none left out.
    pub fn hear(&mut self, event: &Event<'_>, wants: impl FnOnce() -> bool) -> Option<Recorded> {
        match event {
            Event::Ending(end) => {
                self.early_end = Some((*end).clone());
                None
            }
            Event::SoFar(so_far) => {
                let spent = self.spent.swap(0, Ordering::Relaxed);
                self.allowance.spend(Duration::from_nanos(spent));
                let may = self.allowance.earn(so_far.at);
                (may && wants()).then(|| self.copy(so_far))
            }
            _ => None,
        }
    }

    fn copy(&mut self, so_far: &SoFar<'_>) -> Recorded {
        let began = thread_time();
        self.followed
            .resize_with(so_far.scenarios.len(), Followed::default);
        let scenarios = so_far.scenarios.iter().zip(&mut self.followed);
        let scenarios = scenarios.map(|(scenario, followed)| RecordedScenario {
            record: scenario.record.clone(),
            elapsed: scenario.elapsed,
            events: scenario.events.clone(),
            series: scenario.series.since(followed),
        });
        let recorded = Recorded {
            at: so_far.at,
            started_at: so_far.started_at,
            elapsed: so_far.elapsed,
            scenarios: scenarios.collect(),
            tags: so_far.tags.iter().map(|it| (*it).clone()).collect(),
            generator: so_far.generator.clone(),
            stopped: so_far.stopped,
            early_end: self.early_end.clone(),
        };
        self.allowance.spend(thread_time().saturating_sub(began));
        recorded
    }
}
