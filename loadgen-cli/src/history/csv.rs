//! A history for other programs: a line for each scenario of each result.

use super::{Figures, History, Past};

/// What each column is called.
const COLUMNS: [&str; 24] = [
    "file",
    "run_id",
    "started_at",
    "version",
    "verdict",
    "scenario",
    "protocol",
    "duration_s",
    "planned",
    "started",
    "completed",
    "failed",
    "interrupted",
    "dropped",
    "unanswered",
    "throughput_per_s",
    "error_rate",
    "response_time_p50_us",
    "response_time_p95_us",
    "response_time_p99_us",
    "response_time_p999_us",
    "response_time_max_us",
    "capacity_lower_per_s",
    "capacity_upper_per_s",
];

impl History {
    /// Comma-separated values under a line of headings. What is not known is empty.
    pub(crate) fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.results.iter().flat_map(|past| {
            let scenarios = past.scenarios.iter();
            scenarios.map(move |it| row(past, it))
        });
        let headings = COLUMNS.map(str::to_owned);
        for row in std::iter::once(headings).chain(rows) {
            // To memory, and all rows are as long.
            let _ = writer.write_record(row);
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn row(past: &Past, figures: &Figures) -> [String; COLUMNS.len()] {
    let ledger = figures.ledger;
    let times = &figures.response_time_us;
    let capacity = figures.capacity.as_ref();
    let known = |value: Option<f64>| value.map_or_else(String::new, |it| it.to_string());
    [
        past.file.clone(),
        past.id.clone(),
        past.started_at.clone(),
        past.version.clone(),
        past.verdict.to_lowercase().replace(' ', "_"),
        figures.name.clone(),
        figures.protocol.clone(),
        figures.duration_s.to_string(),
        ledger.planned.to_string(),
        ledger.started.to_string(),
        ledger.completed.to_string(),
        ledger.failed.to_string(),
        ledger.interrupted.to_string(),
        ledger.dropped.to_string(),
        figures.unanswered.to_string(),
        figures.per_s.to_string(),
        known(figures.error_rate()),
        known(times.p50),
        known(times.p95),
        known(times.p99),
        known(times.p999),
        known(times.max),
        known(capacity.and_then(|it| it.lower_per_s)),
        known(capacity.and_then(|it| it.upper_per_s)),
    ]
}
