//! Folders of results, and what is told of them.

use std::time::{Duration, UNIX_EPOCH};

use loadgen_core::record::{GeneratorRecord, RunRecord, ScenarioRecord};
use loadgen_core::report::Context;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::flow;
use crate::paint::Paint;

/// The result of a run on the n-th day of 2026: so many iterations, each of so many milliseconds.
fn document(day: u64, completed: u64, ms: u64, users: u64) -> Document {
    let mut scenario = ScenarioRecord::empty("hello_high", "grpc", false, &["hello".into()]);
    scenario.elapsed = Duration::from_secs(10);
    scenario.ledger.planned = completed;
    scenario.ledger.started = completed;
    scenario.ledger.completed = completed;
    scenario.outcomes = vec![(loadgen_core::outcome::Outcome::Ok, completed)];
    for _ in 0..completed {
        scenario.response_time.saturating_record(ms * 1_000_000);
    }
    let began = UNIX_EPOCH + Duration::from_secs(1_767_225_600 + (day - 1) * 86_400);
    let elapsed = Duration::from_secs(10);
    let record = RunRecord::new(began, elapsed, vec![scenario], GeneratorRecord::default());
    let mut context = Context::new();
    context.version = "0.1.0".to_owned();
    context.plan = json!({"scenarios": [{
        "name": "hello_high",
        "targets": [format!("127.0.0.1:{}", 40_000 + day)],
        "load": {"closed": {"users": users}},
        "steps": [{"name": "hello", "grpc": {}}],
    }]});
    report::build(&record, context)
}

fn write(folder: &TempDir, name: &str, document: &Document) {
    let text = serde_json::to_string_pretty(document).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
}

/// Three results, the names of whose files are in another order, and what is none.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "c.json", &document(1, 10_000, 10, 5));
    write(&folder, "b.json", &document(2, 5_000, 20, 5));
    write(&folder, "a.json", &document(3, 2_500, 40, 50));
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    fs::write(folder.path().join("other.json"), "{}").unwrap();
    fs::create_dir(folder.path().join("within")).unwrap();
    folder
}

fn table(folder: &TempDir, columns: usize) -> String {
    let text = History::of(folder.path())
        .unwrap()
        .table(columns, Paint::OFF);
    text.replace(&folder.path().display().to_string(), "results")
}

#[test]
fn a_screen_shows_the_course_of_each_scenario() {
    insta::assert_snapshot!(table(&folder(), 80), @r"
    3 results in results; 2 other files are no results

    hello_high (grpc)
      rate    █▄▂  250/s to 1,000/s
      p99     ▂▄█  10 ms to 40 ms
      errors  ▁▁▁  0%
      began (UTC)       verdict     rate    p50    p99  errors  version  file
      2026-01-01 00:00  PASS     1,000/s  10 ms  10 ms      0%  0.1.0    c.json
      2026-01-02 00:00  PASS       500/s  20 ms  20 ms      0%  0.1.0    b.json
      2026-01-03 00:00  PASS*      250/s  40 ms  40 ms      0%  0.1.0    a.json

    * not the scenario that it was in the run before
    ");
}

#[test_case::test_case(60)]
#[test_case::test_case(80)]
#[test_case::test_case(200)]
fn every_line_fits(columns: usize) {
    let folder = folder();
    for day in 4..300 {
        write(
            &folder,
            &format!("{day}.json"),
            &document(day, 10 * day, day, 5),
        );
    }
    let table = table(&folder, columns);
    for line in table.lines() {
        assert!(flow::columns(line) <= columns, "{line}");
    }
    assert!(table.contains("began (UTC)       verdict"), "{table}");
    assert_eq!(table.contains("a.json"), columns > 60, "{table}");
}

#[test]
fn others_read_it_as_comma_separated_values() {
    let history = History::of(folder().path()).unwrap().csv();
    let mut lines = history.lines();
    let heading = lines.next().unwrap();
    assert!(
        heading.starts_with("file,run_id,started_at,version,verdict,scenario,"),
        "{heading}"
    );
    let first = lines.next().unwrap();
    assert!(first.starts_with("c.json,"), "{first}");
    assert!(first.contains(",2026-01-01T00:00:00.000000Z,0.1.0,pass,hello_high,grpc,10,10000,10000,10000,0,0,0,0,1000,0,"), "{first}");
    assert_eq!(lines.count(), 2);
}

#[test]
fn a_run_that_is_there_twice_counts_once() {
    let folder = TempDir::new().unwrap();
    let same = document(1, 100, 10, 5);
    write(&folder, "a.json", &same);
    write(&folder, "copy.json", &same);
    let history = History::of(folder.path()).unwrap();
    assert_eq!(history.results.len(), 1);
    assert_eq!(history.others, 0);
}

#[test]
fn what_a_scenario_was_changed_from_is_marked() {
    let changed = |change: fn(&mut Document)| {
        let folder = TempDir::new().unwrap();
        write(&folder, "a.json", &document(1, 100, 10, 5));
        let mut other = document(2, 100, 10, 5);
        change(&mut other);
        write(&folder, "b.json", &other);
        table(&folder, 80).contains("PASS*")
    };
    fn scenario(it: &mut Document, field: &str, value: serde_json::Value) {
        it.run.plan["scenarios"][0][field] = value;
    }
    assert!(!changed(|_| {}), "an embedded backend's port is no change");
    assert!(!changed(|it| scenario(it, "thresholds", json!([]))));
    assert!(changed(|it| scenario(
        it,
        "load",
        json!({"closed": {"users": 6}})
    )));
    assert!(changed(|it| scenario(it, "targets", json!(["other:1"]))));
}

#[test]
fn of_nothing_one_thing_is_said() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = |path: &Path| History::of(path).unwrap_err().to_string();
    let at = folder.path().display();
    assert_eq!(
        error(&missing),
        format!("failed to read the folder {at}/missing: No such file or directory (os error 2)")
    );
    let nothing = |files| {
        format!(
            "there is no result in {at}, which has {files}; `loadgen run --out json=FILE` writes one"
        )
    };
    assert_eq!(error(folder.path()), nothing("0 files"));
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert_eq!(error(folder.path()), nothing("1 file"));
}

/// A search of the same scenario that found these bounds.
fn search(day: u64, lower: f64, upper: f64) -> Document {
    let mut document = document(day, lower as u64 * 10, 10, 5);
    let load =
        json!({"open": {"rate": format!("{lower}/s"), "duration": "10s", "arrivals": "uniform"}});
    document.run.plan["scenarios"][0]["load"] = load;
    let capacity = json!({
        "lower_per_s": lower, "upper_per_s": upper, "wanted_width": 0.02, "end": "settled", "summary": "",
        "at_lower": {"held": 1, "of": 1}, "confirmed": true, "goals": [], "trials": [], "budget_s": 60, "took_s": 30,
    });
    document.capacity = Some(serde_json::from_value(capacity).unwrap());
    document
}

#[test]
fn a_capacity_has_a_column_and_a_course() {
    let folder = TempDir::new().unwrap();
    write(&folder, "run.json", &document(1, 10_000, 10, 5));
    write(&folder, "s1.json", &search(2, 4_120.0, 4_200.0));
    write(&folder, "s2.json", &search(3, 3_700.0, 3_770.0));
    insta::assert_snapshot!(table(&folder, 100), @"
    3 results in results

    hello_high (grpc)
      holds   ·██  3,700/s to 4,120/s
      rate    █··  1,000/s
      p99     █··  10 ms
      errors  ▁··  0%
      began (UTC)       verdict          capacity     rate    p50    p99  errors  version  file
      2026-01-01 00:00  PASS                    -  1,000/s  10 ms  10 ms      0%  0.1.0    run.json
      2026-01-02 00:00  PASS*    4,120 to 4,200/s  4,120/s  10 ms  10 ms      0%  0.1.0    s1.json
      2026-01-03 00:00  PASS     3,700 to 3,770/s  3,700/s  10 ms  10 ms      0%  0.1.0    s2.json

    * not the scenario that it was in the run before
    ");
    let csv = History::of(folder.path()).unwrap().csv();
    let ends: Vec<String> = csv
        .lines()
        .map(|it| it.rsplitn(3, ',').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        ends,
        [
            "capacity_upper_per_s capacity_lower_per_s",
            " ",
            "4200 4120",
            "3770 3700"
        ]
    );
}
