//! What the tests of events share: suites, runs, and how processes stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Said, say};

/// A suite of these servers and one scenario, in a file that is gone with the folder.
pub(crate) fn suite(backends: &Value, scenario: &Value) -> (TempDir, PathBuf) {
    let mut whole = json!({
        "name": "s",
        "load": { "open": { "rate": "50/s", "duration": "3s" } },
        "timeout": "500ms",
        "graceful_stop": "1s",
        "steps": [{ "name": "hello", "http": { "path": "/hello" } }],
        "thresholds": [],
    });
    for (field, value) in scenario.as_object().expect("fields") {
        whole[field] = value.clone();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    let text = json!({ "backends": backends, "scenarios": [whole] }).to_string();
    fs::write(&path, text).expect("the file is written");
    (folder, path)
}

pub(crate) fn run(file: &Path, flags: &[&str]) -> Said {
    let file = file.display().to_string();
    say(&[&["run", &file, "--json"], flags].concat())
}

pub(crate) fn two() -> Value {
    json!({ "serve": "http", "b1": {}, "b2": {} })
}

pub(crate) fn event(document: &Value, index: usize) -> &Value {
    &document["scenarios"][0]["events"][index]
}

pub(crate) fn seconds(event: &Value, field: &str) -> f64 {
    event[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field} of {event}"))
}

/// That no event is a reason of the verdict; a busy machine may be.
pub(crate) fn assert_no_event_failed(document: &Value) {
    let reasons = document["verdict"]["reasons"].to_string();
    assert!(!reasons.contains("event"), "{reasons}");
}

/// The processes of the servers that a run says it has started.
pub(crate) fn processes(stderr: &str) -> Vec<u32> {
    let ids = stderr
        .lines()
        .filter_map(|line| line.split("(process ").nth(1));
    ids.map(|rest| rest.trim_end_matches(')').parse().expect("a number"))
        .collect()
}

/// How a process stands: `T` is stopped; `None` and `Z` are gone.
pub(crate) fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

pub(crate) fn is_gone(process: u32) -> bool {
    matches!(state(process), None | Some('Z'))
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes are waited for, which have no other clock"
)]
pub(crate) fn waits_until(within: Duration, what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < until, "{what} within {within:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
