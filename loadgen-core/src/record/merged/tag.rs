//! All scenarios with a tag, taken together.
//!
//! Owns which seconds of theirs belong together and what is looked at over windows of these. The figures
//! are the scenarios' own, added.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pauses::Pauses;
use super::windows::{Seen, Watcher};
use super::{RunRecord, ScenarioRecord};
use crate::condition::Tag;
use crate::record::{Watch, WindowRecord};

/// The scenarios of a run that have a tag.
///
/// Their time begins when the first of them begins to be measured, and ends when the last iteration of any
/// of them does. Seconds of each are counted from its own beginning, and are the tag's so many whole seconds
/// later as that is after the tag's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TagRecord {
    /// The tag.
    pub tag: Tag,
    /// Those that have it, in the order of the run's scenarios.
    pub members: Vec<TagMember>,
    /// What was found over windows of time, where that was asked for.
    #[serde(default)]
    pub(crate) windows: Vec<WindowRecord>,
}

/// A scenario that has a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TagMember {
    /// Its place among the run's scenarios.
    pub scenario: usize,
    /// How long after the first with this tag it begins to be measured.
    pub from: Duration,
}

impl TagMember {
    /// A scenario by its place, and how long after the first of the tag it begins to be measured.
    #[must_use]
    pub fn new(scenario: usize, from: Duration) -> Self {
        Self { scenario, from }
    }
}

impl TagRecord {
    /// The scenarios of a tag; nothing was looked at over windows.
    #[must_use]
    pub fn new(tag: Tag, members: Vec<TagMember>) -> Self {
        Self {
            tag,
            members,
            windows: Vec::new(),
        }
    }

    /// What these scenarios measured together: counts and histograms added, steps of the same name and part
    /// of a life, and servers of the same name, taken as one. Of what only a whole scenario has (targets,
    /// custom metrics, silences, the run over time), there is nothing.
    pub(crate) fn merged<'a>(
        &self,
        scenario: impl Fn(usize) -> Option<&'a ScenarioRecord>,
    ) -> ScenarioRecord {
        let mut merged = ScenarioRecord::empty(&self.tag.to_string(), "", false, &[]);
        let mut are_known = true;
        for member in &self.members {
            let Some(record) = scenario(member.scenario) else {
                continue;
            };
            are_known &= !record.servers.is_empty();
            merged.add_servers(&record.servers);
            merged.open |= record.open;
            merged.add_counted(record);
            merged.add_steps(&record.steps);
            if !record.elapsed.is_zero() {
                merged.elapsed = merged.elapsed.max(member.from + record.elapsed);
            }
        }
        if !are_known {
            merged.servers.clear();
        }
        merged.windows.clone_from(&self.windows);
        merged
    }

    /// Adds what another process found. Windows that it did not look at are a bound only.
    pub(super) fn merge(&mut self, other: &Self) {
        WindowRecord::merge_all(&mut self.windows, &other.windows);
    }
}

impl RunRecord {
    /// The scenarios with this tag; `None` where there are none.
    #[must_use]
    pub fn tag(&self, tag: &Tag) -> Option<&TagRecord> {
        self.tags.iter().find(|it| it.tag == *tag)
    }

    /// What the scenarios of a tag measured together.
    pub(crate) fn merged(&self, tag: &TagRecord) -> ScenarioRecord {
        tag.merged(|scenario| self.scenarios.get(scenario))
    }
}

/// Follows the scenarios of a tag while a run is under way.
#[derive(Debug)]
pub(crate) struct TagMerger {
    record: TagRecord,
    watchers: Vec<Watcher>,
}

impl TagMerger {
    /// Follows these over windows of time.
    pub(crate) fn new(record: TagRecord, watches: impl IntoIterator<Item = Watch>) -> Self {
        Self {
            record,
            watchers: watches.into_iter().map(Watcher::new).collect(),
        }
    }

    /// Everything so far.
    pub(crate) fn record(&self) -> &TagRecord {
        &self.record
    }

    /// Adds what a worker saw of a scenario, which may be none of the tag's.
    pub(crate) fn add(&mut self, scenario: usize, seen: &Seen<'_>) {
        let mut members = self.record.members.iter();
        if let Some(member) = members.find(|it| it.scenario == scenario) {
            let later = member.from.as_secs();
            self.watchers.iter_mut().for_each(|it| it.add(seen, later));
        }
    }

    /// Looks at the windows that lie within so many whole seconds; of each scenario these are the pauses.
    pub(crate) fn look(&mut self, seconds: u64, of_scenario: impl Fn(usize) -> Pauses) {
        if self.watchers.is_empty() {
            return;
        }
        let mut pauses = Pauses::default();
        for member in &self.record.members {
            pauses.add(of_scenario(member.scenario), member.from.as_secs());
        }
        let looked = self.watchers.iter_mut().map(|watcher| {
            watcher.look(seconds, pauses.clone());
            watcher.found()
        });
        self.record.windows = looked.collect();
    }

    /// What was found over windows in which none of them was paused.
    pub(crate) fn unpaused_windows(&self) -> Vec<WindowRecord> {
        self.watchers.iter().map(Watcher::found_unpaused).collect()
    }

    /// The whole; so many whole seconds are the load's.
    pub(crate) fn finish(mut self, seconds: u64) -> TagRecord {
        let watchers = self.watchers.into_iter();
        self.record.windows = watchers.map(|it| it.finish(seconds)).collect();
        self.record
    }
}
