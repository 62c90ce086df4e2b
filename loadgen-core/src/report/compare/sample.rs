//! Results of runs, for tests.

use serde_json::{Value, json};

use super::super::document::Statistics;
use super::{CompareError, CompareOptions, Comparison, NamedRun, compare};
use crate::record::{Histogram, new_histogram};
use crate::report::Document;
use crate::report::sample::document;

/// The n-th run of a small scenario, changed as told.
pub(super) fn run(nth: u32, change: impl FnOnce(&mut Value)) -> Document {
    document(|json| {
        json["run"]["id"] = format!("20261129T{nth:06}Z-000000").into();
        json["run"]["host"] = json!({"os": "linux", "arch": "x86_64", "cores": 2, "cpu": "Xeon",
            "memory_bytes": 8_000_000_000_u64, "hostname": "here"});
        json["run"]["plan"] = json!({"scenarios": [{
            "name": "hello_high",
            "targets": [format!("127.0.0.1:{}", 40_000 + nth)],
            "load": {"closed": {"users": 100, "iterations": 5000}},
            "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
            "thresholds": ["error_rate < 1%"],
        }]});
        json["scenarios"][0]["thresholds"] = json!([]);
        change(json);
    })
}

/// These times, in microseconds.
pub(super) fn histogram(times: impl IntoIterator<Item = f64>) -> Histogram {
    let mut histogram = new_histogram();
    for time in times {
        histogram.saturating_record((time * 1e3) as u64);
    }
    histogram
}

/// Their figures.
pub(super) fn statistics(times: impl IntoIterator<Item = f64>) -> Statistics {
    Statistics::of(&histogram(times))
}

/// Runs held against each other, each called by its number: `base/1`.
pub(super) fn compared(
    base: &[Document],
    new: &[Document],
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let [base, new] = [("base", base), ("new", new)].map(|(group, documents)| {
        let named = documents.iter().zip(1..).map(|(document, nth)| NamedRun {
            source: format!("{group}/{nth}"),
            document,
        });
        named.collect::<Vec<_>>()
    });
    compare(&base, &new, options)
}
