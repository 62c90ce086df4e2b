//! What was recorded up to a second: written as the record itself, without the points of its series that
//! an entry before has already.

use std::io;
use std::time::{Duration, SystemTime};

use rmp_serde::decode;
use serde::de::Error as _;
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
    /// Of each step that is kept over time.
    #[serde(default)]
    steps: Vec<SeriesPart>,
}

/// What a writer remembers from one entry to the next.
#[derive(Debug)]
pub(super) struct Pen {
    secrets: Secrets,
    early_end: Option<EarlyEnd>,
    /// How far each scenario was followed, and its steps.
    followed: Vec<(Followed, Vec<Followed>)>,
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
            .resize_with(so_far.scenarios.len(), Default::default);
        let secrets = &self.secrets;
        let scenarios = so_far.scenarios.iter().zip(&mut self.followed);
        let scenarios = scenarios.map(|(scenario, (followed, steps))| {
            steps.resize_with(scenario.step_series.len(), Followed::default);
            let of_steps = scenario.step_series.iter().zip(steps);
            let events = scenario.events.iter();
            Kept {
                record: scenario.record,
                elapsed: scenario.elapsed,
                events: events.map(|it| masked(it, secrets)).collect(),
                series: scenario.series.since(followed),
                steps: of_steps.map(|(it, followed)| it.since(followed)).collect(),
            }
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

/// An event without secrets.
pub(super) fn masked(event: &EventRecord, secrets: &Secrets) -> EventRecord {
    let mut masked = EventRecord {
        said: secrets.masked(&event.said),
        failure: event.failure.as_deref().map(|it| secrets.masked(it)),
        ..event.clone()
    };
    if let Some(switch) = &mut masked.switched {
        switch.target = secrets.masked(&switch.target);
    }
    masked
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
            codec,
            codec_elsewhere,
            open,
            steps,
            ..
        } = names;
        let mut record = ScenarioRecord::empty(scenario, protocol, *open, steps);
        record.codec.clone_from(codec);
        record.codec_elsewhere.clone_from(codec_elsewhere);
        record.late_after = names.late_after;
        Kept {
            record,
            elapsed: Duration::ZERO,
            events: Vec::new(),
            series: SeriesPart::default(),
            steps: Vec::new(),
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
    /// The points of each scenario, and of its steps.
    series: Vec<(Vec<SeriesPoint>, Vec<Vec<SeriesPoint>>)>,
    last: Option<Entry<ScenarioRecord, TagRecord>>,
}

impl Reader {
    /// Reads the next entry.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn read(&mut self, content: &[u8]) -> Result<(), decode::Error> {
        let mut entry: Entry<ScenarioRecord, TagRecord> = rmp_serde::from_slice(content)?;
        if self.last.is_none() {
            self.series
                .resize_with(entry.scenarios.len(), Default::default);
        }
        if entry.scenarios.len() != self.series.len() {
            return Err(decode::Error::custom("its entries are of other scenarios"));
        }
        for ((points, of_steps), scenario) in self.series.iter_mut().zip(&mut entry.scenarios) {
            let part = std::mem::take(&mut scenario.series);
            part.add_to(points).map_err(decode::Error::custom)?;
            of_steps.resize_with(scenario.steps.len(), Vec::new);
            for (points, part) in of_steps.iter_mut().zip(scenario.steps.drain(..)) {
                part.add_to(points).map_err(decode::Error::custom)?;
            }
        }
        self.last = Some(entry);
        Ok(())
    }

    /// The record of a run that was cut off after the last entry; `None` where there was none.
    pub(super) fn finish(self) -> Option<RunRecord> {
        let entry = self.last?;
        let scenarios = entry.scenarios.into_iter().zip(self.series);
        let scenarios = scenarios.map(|(kept, (points, of_steps))| {
            let mut record = kept.record;
            for (step, points) in record.steps.iter_mut().zip(of_steps) {
                step.series = SeriesPart::finished(points, kept.elapsed);
            }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Sparse, new_histogram};
    use crate::report::{self, Context};

    /// An entry of two scenarios with so many points each from this second on, as a run writes it.
    fn entry(from_s: u64, points: u64) -> Vec<u8> {
        let scenarios = ["a", "b"].map(|name| {
            let mut record = ScenarioRecord::empty(name, "grpc", true, &["hello".into()]);
            let mut times = new_histogram();
            times.saturating_record_n(3_000_000, 40);
            times.saturating_record_n(9_000_000, 2);
            record.ledger.completed = 42;
            record.response_time = times.clone();
            record.steps[0].response_time = times.clone();
            let points = (from_s..from_s + points).map(|t_s| {
                let mut point = SeriesPoint::empty(t_s, 1);
                point.completed = 21;
                point.response_time = Sparse::coarse(&times);
                point
            });
            Kept {
                record,
                elapsed: Duration::from_secs(2),
                events: Vec::new(),
                series: SeriesPart {
                    width: 1,
                    from_s,
                    points: points.collect(),
                },
                steps: Vec::new(),
            }
        });
        let entry: Entry<ScenarioRecord, TagRecord> = Entry {
            started_at: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(2),
            scenarios: scenarios.into(),
            tags: Vec::new(),
            generator: GeneratorRecord::default(),
            stopped: false,
            early_end: None,
        };
        rmp_serde::to_vec_named(&entry).unwrap()
    }

    /// The document of what these entries come to.
    fn read(entries: &[Vec<u8>]) -> Result<report::Document, String> {
        let mut reader = Reader::default();
        for entry in entries {
            reader.read(entry).map_err(|it| it.to_string())?;
        }
        let record = reader.finish().ok_or("no entry")?;
        Ok(report::build(&record, Context::new()))
    }

    #[test]
    fn entries_come_to_one_series() {
        let document = read(&[entry(0, 2), entry(1, 2)]).unwrap();
        let seconds = document.scenarios[1].series.iter().map(|it| it.t_s);
        assert_eq!(seconds.collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn entries_that_do_not_fit_together_are_refused() {
        let refused = |entries: &[Vec<u8>]| read(entries).unwrap_err();
        let misfit = "a series that does not fit together";
        assert_eq!(refused(&[entry(0, 2), entry(5, 1)]), misfit);
        assert_eq!(refused(&[entry(1, 1)]), misfit);
        let mut nothing = Vec::new();
        write_nothing(&mut nothing, &[Names::default()]).unwrap();
        assert_eq!(
            refused(&[nothing, entry(0, 1)]),
            "its entries are of other scenarios"
        );
    }

    proptest! {
        /// A checksum keeps out what was damaged, and not what somebody made up.
        #[test]
        fn whatever_is_in_an_entry_is_an_answer(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
            second in any::<bool>(),
        ) {
            let mut entries = vec![entry(0, 2), entry(1, 2)];
            let changed = &mut entries[usize::from(second)];
            for (place, byte) in changes {
                let place = place.index(changed.len());
                changed[place] = byte;
            }
            if let Some(cut) = cut {
                changed.truncate(cut.index(changed.len()));
            }
            // Whether it is refused or not, it comes to an end.
            let _ = read(&entries);
        }
    }
}
