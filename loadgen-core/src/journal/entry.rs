//! What was recorded up to a second: written as the record itself, without the points of its series that
//! an entry before has already.

use std::io;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::engine::SoFar;
use crate::record::{
    EarlyEnd, EventRecord, Followed, GeneratorRecord, Names, RunRecord, ScenarioRecord, SeriesPart,
    SeriesPoint, TagRecord,
};
use crate::secrets::Secrets;

/// An entry as it is written, and with owned parts as it is read.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<Record, Tag> {
    started_at: SystemTime,
    elapsed: Duration,
    scenarios: Vec<Kept<Record>>,
    tags: Vec<Tag>,
    generator: GeneratorRecord,
    stopped: bool,
    early_end: Option<EarlyEnd>,
}

/// What is kept of a scenario.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<Record> {
    record: Record,
    elapsed: Duration,
    events: Vec<EventRecord>,
    series: SeriesPart,
}

/// What a writer remembers from one entry to the next.
#[derive(Debug)]
pub(super) struct Pen {
    secrets: Secrets,
    early_end: Option<EarlyEnd>,
    followed: Vec<Followed>,
}

impl Pen {
    /// One that masks these in what it writes down.
    pub(super) fn masking(secrets: Secrets) -> Self {
        Self {
            secrets,
            early_end: None,
            followed: Vec::new(),
        }
    }

    /// A condition ends the run.
    pub(super) fn ends(&mut self, end: &EarlyEnd) {
        self.early_end = Some(end.clone());
    }

    /// The next entry does not stand on those before it.
    pub(super) fn begin_anew(&mut self) {
        self.followed.clear();
    }

    /// Appends what was recorded.
    ///
    /// # Errors
    /// What has no form to be written in.
    pub(super) fn write(&mut self, into: &mut Vec<u8>, so_far: &SoFar<'_>) -> io::Result<()> {
        self.followed
            .resize_with(so_far.scenarios.len(), Followed::default);
        let secrets = &self.secrets;
        let scenarios = so_far.scenarios.iter().zip(&mut self.followed);
        let scenarios = scenarios.map(|(scenario, followed)| Kept {
            record: scenario.record,
            elapsed: scenario.elapsed,
            events: scenario
                .events
                .iter()
                .map(|it| masked(it, secrets))
                .collect(),
            series: scenario.series.since(followed),
        });
        let entry = Entry {
            started_at: so_far.started_at,
            elapsed: so_far.elapsed,
            scenarios: scenarios.collect(),
            tags: so_far.tags.clone(),
            generator: so_far.generator.clone(),
            stopped: so_far.stopped,
            early_end: self.early_end.clone(),
        };
        rmp_serde::encode::write_named(into, &entry).map_err(io::Error::other)
    }
}

fn masked(event: &EventRecord, secrets: &Secrets) -> EventRecord {
    EventRecord {
        said: secrets.masked(&event.said),
        failure: event.failure.as_deref().map(|it| secrets.masked(it)),
        ..event.clone()
    }
}

/// Appends the entry of a run that has not begun.
///
/// # Errors
/// What has no form to be written in.
pub(super) fn write_nothing(into: &mut Vec<u8>, names: &[Names]) -> io::Result<()> {
    let scenarios = names.iter().map(|names| {
        let Names {
            scenario,
            protocol,
            open,
            steps,
            ..
        } = names;
        let mut record = ScenarioRecord::empty(scenario, protocol, *open, steps);
        record.late_after = names.late_after;
        Kept {
            record,
            elapsed: Duration::ZERO,
            events: Vec::new(),
            series: SeriesPart::default(),
        }
    });
    let entry: Entry<ScenarioRecord, TagRecord> = Entry {
        started_at: SystemTime::now(),
        elapsed: Duration::ZERO,
        scenarios: scenarios.collect(),
        tags: Vec::new(),
        generator: GeneratorRecord::default(),
        stopped: false,
        early_end: None,
    };
    rmp_serde::encode::write_named(into, &entry).map_err(io::Error::other)
}

/// What the entries of a journal come to.
#[derive(Debug, Default)]
pub(super) struct Reader {
    series: Vec<Vec<SeriesPoint>>,
    last: Option<Entry<ScenarioRecord, TagRecord>>,
}

impl Reader {
    /// Reads the next entry.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn read(&mut self, content: &[u8]) -> Result<(), rmp_serde::decode::Error> {
        let mut entry: Entry<ScenarioRecord, TagRecord> = rmp_serde::from_slice(content)?;
        self.series.resize_with(entry.scenarios.len(), Vec::new);
        for (points, scenario) in self.series.iter_mut().zip(&mut entry.scenarios) {
            std::mem::take(&mut scenario.series).add_to(points);
        }
        self.last = Some(entry);
        Ok(())
    }

    /// The record of a run that was cut off after the last entry; `None` where there was none.
    pub(super) fn finish(self) -> Option<RunRecord> {
        let entry = self.last?;
        let scenarios = entry.scenarios.into_iter().zip(self.series);
        let scenarios = scenarios.map(|(kept, points)| {
            let mut record = kept.record;
            record.elapsed = kept.elapsed;
            record.series = SeriesPart::finished(points, kept.elapsed);
            record.happened(kept.events);
            record
        });
        let scenarios = scenarios.collect();
        let mut record =
            RunRecord::new(entry.started_at, entry.elapsed, scenarios, entry.generator);
        record.tags = entry.tags;
        record.stopped = entry.stopped;
        record.early_end = entry.early_end;
        record.cut_off();
        Some(record)
    }
}
