//! The results in a folder, one after the other: how a service has done over time.
//!
//! Owns which files are taken and what is kept of each. How that is shown is `table`'s, and `csv`'s for other
//! programs.

mod csv;
mod sparkline;
mod table;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use loadgen_core::record::Ledger;
use loadgen_core::report::compare::ScenarioPlan;
use loadgen_core::report::{self, Document, Scenario, Statistics, Status};
use loadgen_core::{input, units};

/// Why there is no history to tell of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HistoryError {
    /// A folder that cannot be read.
    #[error("failed to read the folder {}: {source}", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without a result.
    #[error(
        "there is no result in {}, which has {}; `loadgen run --out json=FILE` writes one",
        folder.display(), units::human::counted(*files, "file")
    )]
    NoResults {
        /// Which folder.
        folder: PathBuf,
        /// How many other files it has.
        files: u64,
    },
}

/// The results in a folder.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    /// The oldest first.
    results: Vec<Past>,
    /// Files that are no results.
    others: u64,
}

/// What is kept of a result.
#[derive(Debug)]
struct Past {
    file: String,
    id: String,
    /// RFC 3339, UTC.
    started_at: String,
    version: String,
    verdict: &'static str,
    scenarios: Vec<Figures>,
}

/// The figures of a scenario.
#[derive(Debug)]
struct Figures {
    name: String,
    protocol: String,
    /// What of the plan its figures depend on.
    plan: ScenarioPlan,
    duration_s: f64,
    ledger: Ledger,
    unanswered: u64,
    per_s: f64,
    response_time_us: Statistics,
    /// Of a search.
    capacity: Option<Found>,
}

/// The capacity that a search found.
#[derive(Debug)]
struct Found {
    bounds: String,
    lower_per_s: Option<f64>,
    upper_per_s: Option<f64>,
}

impl History {
    /// The results in a folder. Of a run that is there more than once, as a page beside its document say, one
    /// is taken.
    ///
    /// # Errors
    /// [`HistoryError`] where it cannot be read, or none is there.
    pub(crate) fn of(folder: &Path) -> Result<Self, HistoryError> {
        let failed = |source| HistoryError::Folder {
            folder: folder.to_owned(),
            source,
        };
        let mut history = Self {
            folder: folder.to_owned(),
            results: Vec::new(),
            others: 0,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        for path in paths.iter().filter(|it| it.is_file()) {
            history.add(path);
        }
        if history.results.is_empty() {
            return Err(HistoryError::NoResults {
                folder: history.folder,
                files: history.others,
            });
        }
        history
            .results
            .sort_by(|a, b| a.started_at.cmp(&b.started_at));
        Ok(history)
    }

    fn add(&mut self, path: &Path) {
        match read(path) {
            Some(document) if self.results.iter().any(|it| it.id == document.run.id) => {}
            Some(document) => self.results.push(Past::of(path, document)),
            None => self.others += 1,
        }
    }
}

/// The result in a file; `None` where it is none.
fn read(path: &Path) -> Option<Document> {
    // Whatever is long and no result is not read.
    let mut begins = [0; 64];
    let length = File::open(path).ok()?.read(&mut begins).ok()?;
    let first = begins[..length]
        .iter()
        .find(|it| !it.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'<') {
        return None;
    }
    report::read(&input::read_text(path).ok()?).ok()
}

impl Past {
    fn of(path: &Path, document: Document) -> Self {
        let file = path.file_name().unwrap_or_default();
        let verdict = verdict(&document);
        let scenarios = document.scenarios.iter();
        let scenarios = scenarios.map(|it| Figures::of(it, &document)).collect();
        let run = document.run;
        Self {
            file: file.to_string_lossy().into_owned(),
            id: run.id,
            started_at: run.started_at,
            version: run.version,
            verdict,
            scenarios,
        }
    }
}

/// The word that the summary begins with.
fn verdict(document: &Document) -> &'static str {
    let run = &document.run;
    match document.verdict.status {
        Status::Fail => "FAIL",
        _ if run.cut_off => "CUT OFF",
        Status::Invalid => "INVALID",
        Status::Pass if run.stopped => "STOPPED",
        Status::Pass if run.shard.is_some() => "PART",
        Status::Pass => "PASS",
    }
}

impl Figures {
    fn of(scenario: &Scenario, document: &Document) -> Self {
        // A folder may have hundreds, and nobody looks at their samples.
        let mut times = scenario.response_time_us.clone();
        times.histogram = None;
        Self {
            name: scenario.name.clone(),
            protocol: scenario.protocol.clone(),
            plan: ScenarioPlan::of(document, scenario),
            duration_s: scenario.duration_s,
            ledger: scenario.ledger,
            unanswered: scenario.unanswered,
            per_s: scenario.throughput_per_s,
            response_time_us: times,
            capacity: document.capacity.as_ref().map(|it| Found {
                bounds: it.bounds(),
                lower_per_s: it.lower_per_s,
                upper_per_s: it.upper_per_s,
            }),
        }
    }

    fn error_rate(&self) -> Option<f64> {
        self.ledger.error_rate(self.unanswered)
    }
}

#[cfg(test)]
mod tests;
