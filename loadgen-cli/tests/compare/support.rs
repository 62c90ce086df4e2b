//! What the tests of comparing share: results of runs that never were, in files.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Said, loadgen};

/// The n-th result of a small run whose times are so much of what they would be.
pub(crate) fn result(nth: u32, factor: f64) -> Value {
    // Runs differ by some parts of a hundred.
    let times = |base: f64| base * factor * (1.0 + f64::from(nth % 10) / 400.0);
    let statistics = json!({
        "count": 5000, "mean": times(1000.0), "min": times(200.0), "p50": times(900.0), "p90": times(1200.0),
        "p95": times(1400.0), "p99": times(2300.0), "max": times(8000.0),
    });
    let sums = json!({
        "ledger": {"planned": 5000, "started": 5000, "completed": 5000, "failed": 0, "interrupted": 0,
            "dropped": 0, "late": 0},
        "throughput_per_s": 1e8 / times(2000.0),
        "response_time_us": statistics,
        "service_time_us": statistics,
        "outcomes": {"ok": 5000},
        "bytes": {"sent": 310_000, "received": 530_000},
        "connections": {"opened": 2, "failed": 0, "dropped": 0},
    });
    let steps = ["hello", "compute"]
        .map(|it| json!({"name": it, "response_time_us": statistics, "outcomes": {"ok": 5000}}));
    let mut scenario = json!({
        "name": "greet",
        "protocol": "grpc",
        "load_model": "closed",
        "duration_s": 0.104,
        "saturated_samples": 0,
        "failures": [],
        "steps": steps,
        "backends": [{"id": "embedded", "requests": 5000, "share": 1.0, "failed": 0}],
        "thresholds": [],
        "series": [],
    });
    for (field, value) in sums.as_object().expect("fields") {
        scenario[field] = value.clone();
    }
    json!({
        "schema": "loadgen.result/1",
        "run": {
            "id": format!("20261129T{nth:06}Z-000000"),
            "started_at": format!("2026-11-29T19:32:{:02}.123Z", nth % 60),
            "duration_s": 0.104,
            "version": "0.1.0",
            "host": {"os": "linux", "arch": "x86_64", "cores": 2, "hostname": "here"},
            "plan": {"scenarios": [{
                "name": "greet",
                "targets": [format!("127.0.0.1:{}", 40_000 + nth)],
                "load": {"closed": {"users": 100, "iterations": 5000}},
            }]},
            "generator": {"workers": 1, "cpu_busy": 0.5, "saturated": false, "pacing": "exact",
                "per_worker": []},
            "stopped": false,
        },
        "verdict": {"status": "pass", "reasons": [], "warnings": []},
        "scenarios": [scenario],
        "total": sums,
    })
}

/// A folder with results in it: `base/1.json` and so on, `new/11.json` and so on.
pub(crate) struct Stored(pub(crate) TempDir);

impl Stored {
    /// So many of each, the new ones with times that are so much of the others'.
    pub(crate) fn with(base: u32, new: u32, factor: f64) -> Self {
        let this = Self(tempfile::tempdir().expect("a folder"));
        for nth in 1..=base {
            this.put(&format!("base/{nth}.json"), &result(nth, 1.0));
        }
        for nth in 11..11 + new {
            this.put(&format!("new/{nth}.json"), &result(nth, factor));
        }
        this
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: &Value) {
        self.write(name, &content.to_string());
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        fs::write(path, content).expect("the file is written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the file")
    }

    /// What `loadgen` says with these arguments, in the folder.
    pub(crate) fn say(&self, args: &[&str]) -> Said {
        self.say_in(200, args)
    }

    /// The same in so many columns.
    pub(crate) fn say_in(&self, columns: usize, args: &[&str]) -> Said {
        let output = loadgen(args)
            .env("COLUMNS", columns.to_string())
            .current_dir(&self.0)
            .output();
        output.expect("loadgen starts").into()
    }
}
