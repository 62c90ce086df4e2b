//! What a page is told is, put together, what a document of the whole says.

mod search;

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::follower::RecordedScenario;
use super::*;
use crate::record::{
    GeneratorRecord, ScenarioRecord, SeriesPart, SeriesPoint, Sparse, new_histogram,
};
use crate::report::{self, Document};
use crate::scenario::{GrpcCall, GrpcPlan};
use crate::schedule::Load;

const SECONDS: u64 = 60;

fn plan() -> ScenarioPlan {
    let call = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({}));
    let load = Load::closed(3).for_(Duration::from_secs(SECONDS));
    ScenarioPlan::new("greet", GrpcPlan::new([call.into()]), load)
}

/// A second in which so many completed.
fn point(t_s: u64, seconds: u64, completed: u64) -> SeriesPoint {
    let mut times = new_histogram();
    times.saturating_record_n(1_000_000 + t_s * 1_000, completed);
    let mut point = SeriesPoint::empty(t_s, seconds);
    point.started = completed;
    point.completed = completed;
    point.response_time = Sparse::coarse(&times);
    point
}

fn record(completed: u64) -> ScenarioRecord {
    let mut record = ScenarioRecord::empty("greet", "grpc", false, &[]);
    record.ledger.planned = completed + 1;
    record.ledger.started = completed + 1;
    record.ledger.completed = completed;
    record
        .response_time
        .saturating_record_n(1_000_000, completed);
    record
}

/// What was recorded up to a second, of which these points are new.
fn recorded(at_s: u64, completed: u64, series: SeriesPart) -> Recorded {
    let elapsed = Duration::from_secs(at_s);
    let scenario = RecordedScenario {
        record: record(completed),
        elapsed,
        events: Vec::new(),
        series,
    };
    Recorded {
        at: elapsed,
        started_at: UNIX_EPOCH,
        elapsed,
        scenarios: vec![scenario],
        tags: Vec::new(),
        generator: GeneratorRecord::default(),
        stopped: false,
        early_end: None,
    }
}

fn part(width: u64, from_s: u64, points: Vec<SeriesPoint>) -> SeriesPart {
    SeriesPart {
        width,
        from_s,
        points,
    }
}

fn read(message: &str) -> Value {
    serde_json::from_str(message).expect("JSON")
}

fn dashboard() -> Dashboard {
    follow(&[plan()], Context::new()).1
}

fn points(message: &Value) -> &[Value] {
    let points = message["scenarios"][0]["points"].as_array();
    points.map_or(&[], Vec::as_slice)
}

/// The points of a document of all these.
fn whole(points: Vec<SeriesPoint>) -> Value {
    let mut scenario = record(0);
    scenario.series = points;
    let record = crate::record::RunRecord::new(
        UNIX_EPOCH,
        Duration::from_secs(SECONDS),
        vec![scenario],
        GeneratorRecord::default(),
    );
    let document = report::build(&record, Context::new());
    serde_json::to_value(&document).expect("JSON")["scenarios"][0]["series"].take()
}

/// The page of one shard, where somebody knows of the others.
#[test]
fn all_shards_are_a_line_above_the_figures_of_one() {
    let mut dashboard = dashboard();
    dashboard.begin();
    let header = |dashboard: &mut Dashboard, at_s| {
        let series = part(1, at_s - 1, vec![point(at_s - 1, 1, 50)]);
        let told = read(&dashboard.advance(recorded(at_s, 50 * at_s, series), false));
        told["header"].as_str().expect("it is another").to_owned()
    };
    assert!(!header(&mut dashboard, 1).contains("shards"));
    dashboard.tells_of_all(Some("all 3 shards: 299/s & more".to_owned()));
    let second = header(&mut dashboard, 2);
    assert!(
        second.contains("all 3 shards: 299&#x2f;s &amp; more"),
        "{second}"
    );
    dashboard.tells_of_all(None);
    assert!(!header(&mut dashboard, 3).contains("shards"));
}

#[test]
fn only_what_has_changed_is_told() {
    let mut dashboard = dashboard();
    assert_eq!(read(&dashboard.whole())["phase"], "connecting");
    dashboard.begin();
    assert_eq!(read(&dashboard.whole())["phase"], "running");
    let all: Vec<SeriesPoint> = (0..20).map(|it| point(it, 1, 50)).collect();
    let first = dashboard.advance(recorded(19, 950, part(1, 0, all[..19].to_vec())), false);
    let first = read(&first);
    assert_eq!(points(&first).len(), 19);
    assert!(
        first["header"]
            .as_str()
            .unwrap()
            .contains("greet, 19 s of 60 s")
    );
    let second = dashboard.advance(recorded(20, 1_000, part(1, 18, all[18..].to_vec())), false);
    let second = read(&second);
    assert_eq!(second["scenarios"][0]["from_s"], 18);
    assert_eq!(points(&second).len(), 2);
    let told = |id: &str| {
        let chapters = second["chapters"].as_array().unwrap();
        let chapter = chapters.iter().find(|it| it["id"] == id);
        chapter
            .unwrap_or_else(|| panic!("{id}"))
            .get("html")
            .is_some()
    };
    assert!(told("scenario-0") && told("machine"));
    assert!(!told("plan") && !told("thresholds") && !told("generator"));
    assert!(
        second["scenarios"][0]["fields"]
            .get("service_time_us")
            .is_none()
    );
    // A point's percentiles may be of those before it, told long ago.
    let whole = whole(all);
    assert_eq!(points(&second), &whole.as_array().unwrap()[18..]);
    assert_eq!(points(&read(&dashboard.whole())), whole.as_array().unwrap());
}

#[test]
fn wider_points_are_all_told_anew() {
    let mut dashboard = dashboard();
    let narrow: Vec<SeriesPoint> = (0..4).map(|it| point(it, 1, 50)).collect();
    dashboard.advance(recorded(4, 200, part(1, 0, narrow)), false);
    let message = dashboard.advance(recorded(5, 250, part(2, 4, vec![point(4, 1, 50)])), false);
    let message = read(&message);
    let seconds: Vec<_> = points(&message).iter().map(|it| &it["t_s"]).collect();
    assert_eq!(seconds, [0, 2, 4]);
    assert_eq!(points(&message)[0]["completed"], 100);
}

#[test]
fn a_run_that_is_over_is_its_report() {
    let mut dashboard = dashboard();
    dashboard.advance(recorded(1, 50, part(1, 0, vec![point(0, 1, 50)])), false);
    let record = crate::record::RunRecord::new(
        UNIX_EPOCH,
        Duration::from_secs(1),
        vec![record(50)],
        GeneratorRecord::default(),
    );
    let document: Document = report::build(&record, Context::new());
    dashboard.conclude(&document);
    let message = read(&dashboard.whole());
    assert_eq!(message["phase"], "over");
    assert_eq!(message["scenarios"], json!([]));
    let result: Document = serde_json::from_value(message["over"]["result"].clone()).unwrap();
    assert_eq!(result, document);
    let report = message["over"]["report"].as_str().unwrap();
    assert_eq!(report, report::page::html(&document));
    dashboard.fail("a file could not be written");
    assert_eq!(
        read(&dashboard.whole())["phase"],
        "over",
        "there is a result"
    );
}

#[test]
fn a_run_without_a_result_says_why() {
    let mut dashboard = dashboard();
    dashboard.fail("nobody answers at <b>");
    let message = read(&dashboard.whole());
    assert_eq!(message["phase"], "failed");
    let header = message["header"].as_str().unwrap();
    assert!(
        header.contains("greet: nobody answers at &lt;b&gt;"),
        "{header}"
    );
}
