//! `loadgen capacity --ui`: a search that is looked at, and ended from there.

mod common;
mod shown;

use std::fs;

use common::Server;
use serde_json::{Value, json};
use shown::{Shown, Viewer};
use tempfile::TempDir;

/// Each call takes 20 ms on one of four streams: no more than 200 in a second.
struct Search {
    _server: Server,
    folder: TempDir,
    run: Shown,
}

impl Search {
    fn start(budget: &str) -> Self {
        let server = Server::start(&["--delay", "20ms"]);
        let folder = TempDir::new().expect("a folder");
        let scenario = json!({
            "name": "greet",
            "targets": [&*server.address],
            "connections": 1,
            "streams_per_connection": 4,
            "load": {"open": {"rate": "1/s", "duration": "1s"}},
            "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}],
            "capacity": {"goals": ["response_time.p90 < 40ms"], "budget": budget, "width": "20%"},
        });
        let suite = folder.path().join("suite.json");
        fs::write(&suite, json!({"scenarios": [scenario]}).to_string()).expect("a file");
        let flags = [
            "--config".to_owned(),
            suite.display().to_string(),
            "--out".to_owned(),
            format!("json={}", folder.path().join("result.json").display()),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self {
            run: Shown::start_as("capacity", &flags),
            _server: server,
            folder,
        }
    }

    /// Waits for its end: the exit code, what it said, and its result.
    fn finish(self) -> (Option<i32>, String, Value) {
        let (code, said) = self.run.finish();
        let text = fs::read_to_string(self.folder.path().join("result.json")).expect("a result");
        (code, said, serde_json::from_str(&text).expect("JSON"))
    }
}

fn trials(viewer: &Viewer) -> &[Value] {
    let trials = viewer.capacity["trials"].as_array();
    trials.map_or(&[], Vec::as_slice)
}

fn html<'a>(viewer: &'a Viewer, id: &str) -> &'a str {
    viewer
        .chapters
        .get(id)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[test]
fn bounds_and_points_come_and_in_the_end_the_report() {
    let search = Search::start("20s");
    let mut viewer = search.run.look();
    viewer.until(|it| trials(it).len() >= 2);
    assert_eq!(viewer.phase(), "running");
    assert!(viewer.header.contains("SEARCHING"), "{}", viewer.header);
    assert!(viewer.header.contains("of 20 s used"), "{}", viewer.header);
    assert_eq!(trials(&viewer)[0]["purpose"], "idle");
    assert_eq!(
        viewer.standing,
        json!([]),
        "it takes an end and nothing else"
    );
    let mut counts = vec![trials(&viewer).len()];
    viewer.until(|it| trials(it).iter().any(|it| it.get("rate_per_s").is_some()));
    counts.push(trials(&viewer).len());
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(html(&viewer, "capacity").contains("data-chart=\"capacity\""));
    viewer.until(|it| !it.points().is_empty());
    assert!(
        html(&viewer, "scenario-0").contains("trial "),
        "whose figures these are"
    );
    viewer.until(|it| it.capacity.get("lower_per_s").is_some());
    viewer.until(|it| it.phase() == "over");
    let run_id = viewer.runs.clone();
    assert_eq!(run_id.len(), 1, "all trials are of one search: {run_id:?}");
    let result = viewer.last["over"]["result"].clone();
    assert!(html(&viewer, "capacity").contains("<dt>found</dt>"));
    drop(viewer);
    let (code, said, written) = search.finish();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(result, written);
    assert_eq!(result["run"]["id"], *run_id[0]);
}

#[test]
fn stop_ends_it_with_what_is_known_and_nothing_else_is_taken() {
    let search = Search::start("5m");
    let mut viewer = search.run.look();
    viewer.until(|it| trials(it).iter().any(|it| it.get("rate_per_s").is_some()));
    for change in [
        json!({"change": "rate", "rate": "50/s"}),
        json!({"change": "users", "users": 3}),
        json!({"change": "pause"}),
        json!({"change": "note", "text": "now"}),
    ] {
        let answer = viewer.change(&change);
        let why = answer["refused"].as_str().unwrap_or_default();
        assert!(why.contains("expected `stop`"), "{change}: {answer}");
    }
    let answer = viewer.change(&json!({"change": "stop", "at_once": false}));
    let done = "stopping: the search ends with what is known so far";
    assert_eq!(answer["done"], done);
    // It is told apart from what stands on the page.
    viewer.until(|it| it.phase() == "over" && it.standing.is_null());
    drop(viewer);
    let (code, said, known) = search.finish();
    assert_eq!(code, Some(105), "{said}");
    assert!(said.contains(&format!("from the page: {done}")), "{said}");
    assert_eq!(known["capacity"]["end"], "stopped");
    assert!(
        known["capacity"]["trials"]
            .as_array()
            .expect("trials")
            .len()
            >= 3
    );
}
