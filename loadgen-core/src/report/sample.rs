//! The result document that tests begin with.

use serde_json::{Value, json};

use super::Document;

/// A small passing run, changed as told.
pub(super) fn document(change: impl FnOnce(&mut Value)) -> Document {
    let statistics = json!({
        "count": 5000, "mean": 1012.3, "min": 210.0, "p50": 910.0, "p90": 1210.0, "p95": 1402.0,
        "p99": 2310.0, "max": 8110.0,
    });
    let mut json = json!({
        "schema": "loadgen.result/1",
        "run": {
            "id": "20261120T193218Z-0001",
            "started_at": "2026-11-20T19:32:18.123Z",
            "duration_s": 0.104,
            "version": "0.1.0",
            "host": {"os": "linux", "arch": "x86_64"},
            "plan": {},
            "generator": {"workers": 2, "cpu_busy": 0.45, "saturated": false, "pacing": "exact", "per_worker": []},
            "stopped": false,
        },
        "verdict": {"status": "pass", "reasons": [], "warnings": []},
        "scenarios": [{
            "name": "hello_high",
            "protocol": "grpc",
            "load_model": "closed",
            "duration_s": 0.104,
            "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0,
                "interrupted": 0, "dropped": 0, "late": 0},
            "throughput_per_s": 48076.923,
            "response_time_us": statistics,
            "service_time_us": statistics,
            "saturated_samples": 0,
            "outcomes": {"ok": 5000},
            "failures": [],
            "bytes": {"sent": 310_000, "received": 530_000},
            "connections": {"opened": 2, "failed": 0, "dropped": 0},
            "steps": [{"name": "hello", "response_time_us": statistics, "outcomes": {"ok": 5000}}],
            "backends": [{"id": "embedded", "requests": 5000, "share": 1.0, "failed": 0}],
            "thresholds": [{"expression": "error_rate < 1%", "unit": "%", "observed": 0.0, "pass": true}],
            "series": [],
        }],
        "total": {
            "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0,
                "interrupted": 0, "dropped": 0, "late": 0},
            "throughput_per_s": 48076.923,
            "response_time_us": statistics,
            "service_time_us": statistics,
            "outcomes": {"ok": 5000},
            "bytes": {"sent": 310_000, "received": 530_000},
            "connections": {"opened": 2, "failed": 0, "dropped": 0},
        },
    });
    change(&mut json);
    for scenario in json["scenarios"].as_array_mut().unwrap() {
        for step in scenario["steps"].as_array_mut().unwrap() {
            let outcomes = step.as_object_mut().unwrap().entry("outcomes");
            outcomes.or_insert(json!({"ok": 5000}));
        }
    }
    serde_json::from_value(json).unwrap()
}
