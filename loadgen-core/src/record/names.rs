//! The names of what a scenario records.

use std::time::Duration;

/// The names of what a scenario records.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The scenario's own.
    pub scenario: String,
    /// What it speaks.
    pub protocol: String,
    /// Whether its load model is open.
    pub open: bool,
    /// Its steps, pauses left out.
    pub steps: Vec<String>,
    /// Its custom counters.
    pub counters: Vec<String>,
    /// Its custom gauges.
    pub gauges: Vec<String>,
    /// Its custom timings.
    pub timings: Vec<String>,
    /// Its labels, for metrics: name and value.
    pub tags: Vec<(String, String)>,
    /// Its targets.
    pub targets: Vec<String>,
    /// Start lag above this counts as late.
    pub late_after: Duration,
}
