//! Results of runs, for tests.

use serde_json::{Value, json};

use super::super::document::Statistics;
use super::{CompareError, CompareOptions, Comparison, NamedRun, compare};
use crate::record::{Histogram, new_histogram};
use crate::report::Document;

/// The n-th run of a small scenario, changed as told.
pub(super) fn run(nth: u32, change: impl FnOnce(&mut Value)) -> Document {
    let times = json!({
        "count": 5000, "mean": 1012.3, "min": 210.0, "p50": 910.0, "p90": 1210.0, "p95": 1402.0,
        "p99": 2310.0, "max": 8110.0,
    });
    let sums = json!({
        "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0, "interrupted": 0,
            "dropped": 0, "late": 0},
        "throughput_per_s": 48076.923,
        "response_time_us": times,
        "service_time_us": times,
        "outcomes": {"ok": 5000},
        "bytes": {"sent": 310_000, "received": 530_000},
        "connections": {"opened": 2, "failed": 0, "dropped": 0},
    });
    let mut scenario = json!({
        "name": "hello_high",
        "protocol": "grpc",
        "load_model": "closed",
        "duration_s": 0.104,
        "saturated_samples": 0,
        "failures": [],
        "steps": [{"name": "hello", "response_time_us": times, "outcomes": {"ok": 5000}}],
        "backends": [{"id": "embedded", "requests": 5000, "share": 1.0, "failed": 0}],
        "thresholds": [],
        "series": [],
    });
    for (field, value) in sums.as_object().unwrap() {
        scenario[field] = value.clone();
    }
    let mut document = json!({
        "schema": "loadgen.result/1",
        "run": {
            "id": format!("20261129T{nth:06}Z-000000"),
            "started_at": "2026-11-29T19:32:18.123Z",
            "duration_s": 0.104,
            "version": "0.1.0",
            "host": {"os": "linux", "arch": "x86_64", "cores": 2, "cpu": "Xeon",
                "memory_bytes": 8_000_000_000_u64, "hostname": "here"},
            "plan": {"scenarios": [{
                "name": "hello_high",
                "targets": [format!("127.0.0.1:{}", 40_000 + nth)],
                "load": {"closed": {"users": 100, "iterations": 5000}},
                "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
                "thresholds": ["error_rate < 1%"],
            }]},
            "generator": {"workers": 1, "cpu_busy": 0.5, "saturated": false, "pacing": "exact",
                "per_worker": []},
            "stopped": false,
        },
        "verdict": {"status": "pass", "reasons": [], "warnings": []},
        "scenarios": [scenario],
        "total": sums,
    });
    change(&mut document);
    serde_json::from_value(document).unwrap()
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
