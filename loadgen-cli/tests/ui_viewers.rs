//! `loadgen run --ui`: what those see who look, however they behave, and what the run does that they ask for.

mod common;
mod shown;

use std::fs;
use std::io::{Read as _, Write as _};
use std::iter;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use shown::{Shown, Viewer};
use test_case::test_case;
use tokio_tungstenite::tungstenite::Message;

const LONG: [&str; 6] = ["-s", "hello_light", "-r", "20/s", "-d", "120s"];

/// A point without its percentiles, which depend on those before it.
fn counted(point: &Value) -> [u64; 3] {
    ["t_s", "started", "completed"].map(|it| point[it].as_u64().expect(it))
}

/// Ends the run, and waits for the end.
fn stop(run: Shown, mut viewer: Viewer) -> String {
    let answer = viewer.change(&json!({"change": "stop"}));
    assert!(answer["done"].is_string(), "{answer}");
    viewer.until(|it| it.phase() == "over");
    while viewer.take().is_none() {}
    run.finish().1
}

#[test]
fn whoever_looks_sees_the_run_and_in_the_end_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let out = format!("json={}", path.display());
    let run = Shown::start(&[
        "-s",
        "hello_light",
        "-r",
        "100/s",
        "-d",
        "5s",
        "--out",
        &out,
    ]);
    let mut first = run.look();
    let mut second = run.look();
    first.until(|it| !it.points().is_empty());
    assert_eq!(first.phase(), "running");
    assert!(
        first.header.contains("RUNNING") && !first.header.contains("PASS"),
        "{}",
        first.header
    );
    assert!(
        first.header.contains("There is no verdict before the end"),
        "{}",
        first.header
    );
    let title = first.last["title"].as_str().unwrap();
    assert!(
        title.starts_with("hello_light, ") && title.ends_with(" of 5 s: RUNNING"),
        "{title}"
    );
    let thresholds = first.chapters["thresholds"].as_str().unwrap();
    assert!(
        thresholds.contains("Thresholds as they stand so far"),
        "{thresholds}"
    );
    let names: Vec<&str> = first.chapters.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["thresholds", "scenario-0", "generator", "plan", "machine"]
    );
    first.until(|it| it.points().len() > 2);
    let seen = first.points()[..1].iter().map(counted).collect::<Vec<_>>();
    for viewer in [&mut first, &mut second] {
        viewer.until(|it| it.phase() == "over");
        let closed = std::iter::from_fn(|| Some(viewer.take())).flatten().next();
        assert_eq!(closed, Some(1000));
        assert_eq!(viewer.standing, Value::Null);
    }
    run.finish();
    let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let series = document["scenarios"][0]["series"].as_array().unwrap();
    assert_eq!(
        seen,
        [counted(&series[0])],
        "what was shown while it was under way"
    );
    for viewer in [&first, &second] {
        assert_eq!(viewer.last["over"]["result"], document);
        let report = viewer.last["over"]["report"].as_str().unwrap();
        assert_eq!(
            loadgen_core::report::page::embedded(report)
                .map(|it| serde_json::from_str::<Value>(&it).unwrap()),
            Some(document.clone())
        );
        let thresholds = viewer.chapters["thresholds"].as_str().unwrap();
        assert!(!thresholds.contains("so far"), "{thresholds}");
    }
}

#[test]
fn whoever_comes_again_has_all_points() {
    let run = Shown::start(&LONG);
    let mut viewer = run.look();
    viewer.until(|it| it.points().len() >= 3);
    let before: Vec<_> = viewer.points()[..2].iter().map(counted).collect();
    drop(viewer);
    wait(2_500);
    let mut again = run.look();
    again.until(|it| it.points().len() >= 5);
    let points: Vec<_> = again.points().iter().map(counted).collect();
    assert_eq!(points[..2], before);
    let seconds: Vec<u64> = points.iter().map(|it| it[0]).collect();
    assert_eq!(seconds, (0..points.len() as u64).collect::<Vec<_>>());
    assert!(
        points[..points.len() - 2]
            .iter()
            .all(|it| (15..=25).contains(&it[1])),
        "{points:?}"
    );
    stop(run, again);
}

#[test]
fn whoever_takes_nothing_holds_up_nobody() {
    let run = Shown::start(&LONG);
    let idle: Vec<Viewer> = (0..3).map(|_| run.look_narrowly()).collect();
    let mut viewer = run.look();
    viewer.until(|it| it.points().len() >= 4);
    let began = SystemTime::now();
    stop(run, viewer);
    let took = began.elapsed().unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
    for mut viewer in idle {
        // The report had no room on its way to them.
        let mut seen = iter::from_fn(|| viewer.socket.read().ok());
        let is_over = |it: &Message| it.to_text().is_ok_and(|it| it.contains("\"over\":{"));
        assert!(!seen.any(|it| is_over(&it)), "they took all of it");
    }
}

#[test]
fn whoever_says_good_bye_is_answered() {
    let run = Shown::start(&LONG);
    let mut viewer = run.look();
    viewer.socket.close(None).unwrap();
    let closed = loop {
        match viewer.socket.read().expect("an answer") {
            Message::Close(frame) => break frame,
            _ => continue,
        }
    };
    assert_eq!(closed, None, "as it was said");
    stop_anew(run);
}

#[test]
fn whoever_asks_without_end_is_let_go() {
    let run = Shown::start(&LONG);
    let mut viewer = run.look();
    for _ in 0..200 {
        // It may be closed already.
        let _ = viewer.socket.send(Message::text("no JSON"));
    }
    let closed = iter::from_fn(|| Some(viewer.take())).flatten().next();
    assert_eq!(closed, Some(1008));
    assert!(viewer.answers.len() <= 150, "{}", viewer.answers.len());
    stop_anew(run);
}

#[test]
fn whoever_comes_after_the_load_is_shown_the_report() {
    let run = Shown::start(&[
        "-s",
        "hello_light",
        "-n",
        "50",
        "--prometheus=0",
        "--prometheus-wait",
        "60s",
    ]);
    // Nobody looks at its end.
    wait(4_000);
    let mut viewer = run.look();
    viewer.until(|it| it.phase() == "over");
    assert!(viewer.last["over"]["result"].is_object());
}

#[test]
fn a_failure_after_the_result_leaves_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let within = folder.path().join("within");
    fs::create_dir(&within).unwrap();
    let out = format!("json={}", within.join("r.json").display());
    let run = Shown::start(&["-s", "hello_light", "-r", "20/s", "-d", "4s", "--out", &out]);
    let mut viewer = run.look();
    viewer.until(|it| !it.points().is_empty());
    fs::remove_dir_all(&within).unwrap();
    while viewer.take().is_none() {}
    assert_eq!(viewer.phase(), "over");
    let (code, said) = run.finish();
    assert!(code != Some(0) && said.contains("r.json"), "{said}");
}

#[test]
fn a_run_that_cannot_begin_after_another_one_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let out = format!("json={}", folder.path().join("r.json").display());
    let run = Shown::start(&[
        "-s",
        "hello_light",
        "-r",
        "20/s",
        "-d",
        "4s",
        "--repeat",
        "2",
        "--out",
        &out,
    ]);
    let mut viewer = run.look();
    viewer.until(|it| !it.points().is_empty());
    let second = folder.path().join("r.2.json");
    let _ = fs::remove_file(&second);
    fs::create_dir(&second).unwrap();
    viewer.until(|it| it.phase() == "over");
    while viewer.take().is_none() {}
    assert_eq!(viewer.phase(), "failed");
    assert!(viewer.header.contains("r.2.json"), "{}", viewer.header);
    run.finish();
}

#[test]
fn so_many_may_look_and_no_more() {
    let run = Shown::start(&LONG);
    let cookie = run.cookie();
    let look = || run.open(&[("cookie", &cookie)]);
    let mut viewers: Vec<Viewer> = (0..32).map(|_| look().expect("there is room")).collect();
    assert_eq!(look().err(), Some(503));
    assert_eq!(run.get("/", &[("cookie", &cookie)]).status(), 200);
    for viewer in &mut viewers {
        viewer.until(|it| !it.points().is_empty());
    }
    drop(viewers.split_off(1));
    wait(500);
    let mut viewer = look().expect("there is room again");
    viewer.until(|it| it.phase() == "running");
    stop(run, viewer);
}

#[test_case(Message::binary(vec![1, 2, 3]), 1003; "not text")]
#[test_case(Message::text("x".repeat(20_000)), 1009; "too long")]
fn what_is_not_taken_is_refused(message: Message, code: u16) {
    let run = Shown::start(&LONG);
    let mut viewer = run.look();
    viewer.send(message);
    let closed = std::iter::from_fn(|| Some(viewer.take())).flatten().next();
    assert_eq!(closed, Some(code));
    stop_anew(run);
}

/// Bytes that are no frames.
#[test_case(&[0xf1, 0x80, 0, 0, 0, 0]; "reserved bits")]
#[test_case(&[0x81, 0x01, b'x']; "not masked")]
#[test_case(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]; "endless")]
#[test_case(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]; "no UTF-8")]
#[test_case(b"GET / HTTP/1.1\r\n\r\n"; "HTTP")]
fn garbage_ends_the_connection_and_not_the_run(bytes: &[u8]) {
    let run = Shown::start(&LONG);
    let mut viewer = run.look();
    let stream = viewer.socket.get_mut();
    stream.write_all(bytes).expect("it is sent");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    stop_anew(run);
}

fn stop_anew(run: Shown) {
    let mut viewer = run.look();
    viewer.until(|it| !it.points().is_empty());
    stop(run, viewer);
}

#[test]
fn the_run_does_what_it_is_told_and_says_why_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let out = format!("json={}", path.display());
    let run = Shown::start(&[&LONG[..], &["--out", &out]].concat());
    let mut viewer = run.look();
    let mut other = run.look();
    viewer.until(|it| !it.points().is_empty());
    let note = viewer.change(&json!({"change": "note", "text": "a deploy"}));
    assert!(
        note["done"]
            .as_str()
            .is_some_and(|it| it.starts_with("a deploy at ")),
        "{note}"
    );
    for (change, why) in [
        (json!({"change": "paus"}), "did you mean `pause`?"),
        (
            json!({"change": "users", "users": 3}),
            "has no number of users: it is an open model",
        ),
        (
            json!({"change": "rate", "rate": "fast"}),
            "`fast` is not a rate",
        ),
        (json!("pause"), "expected an object of JSON"),
    ] {
        let answer = viewer.change(&change);
        let refused = answer["refused"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(refused.contains(why), "{refused}");
    }
    viewer.send("no JSON");
    viewer.until(|it| it.answers.len() == 6);
    assert_eq!(viewer.answers[5]["id"], 0, "{}", viewer.answers[5]);
    let answer = viewer.change_as(7, &json!({"change": "pause"}));
    assert!(answer["done"].is_string(), "{answer}");
    for viewer in [&mut viewer, &mut other] {
        viewer.until(|it| it.standing[0]["paused"] == true);
        viewer.until(|it| it.header.contains("PAUSED"));
    }
    let answer = viewer.change_as(8, &json!({"change": "resume"}));
    assert!(answer["done"].is_string(), "{answer}");
    let answer = viewer.change_as(9, &json!({"change": "stop", "at_once": true}));
    assert!(answer["done"].is_string(), "{answer}");
    other.until(|it| it.phase() == "over");
    while viewer.take().is_none() {}
    let (_, said) = run.finish();
    for words in [
        "a deploy at ",
        "pause at ",
        "resume at ",
        "stopping at once",
    ] {
        assert!(said.contains(&format!("from the page: {words}")), "{said}");
    }
    let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let events = document["scenarios"][0]["events"].as_array().unwrap();
    let mut words: Vec<&str> = events
        .iter()
        .filter_map(|it| it["event"].as_str())
        .collect();
    // Arrivals turn some 50 ms after they were told.
    words.sort_unstable();
    assert_eq!(words, ["a deploy", "pause", "resume", "stop at once"]);
}

#[test]
fn each_of_repeated_runs_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let out = format!("json={}", folder.path().join("r.json").display());
    let run = Shown::start(&[
        "-s",
        "hello_light",
        "-r",
        "50/s",
        "-d",
        "3s",
        "--repeat",
        "2",
        "--out",
        &out,
    ]);
    let mut viewer = run.look();
    let mut reports = Vec::new();
    let mut late = None;
    loop {
        if viewer.take().is_some() {
            break;
        }
        let seconds = viewer.points().iter().map(|it| counted(it)[0]);
        assert!(
            seconds.eq(0..viewer.points().len() as u64),
            "{:?}",
            viewer.points()
        );
        if viewer.phase() == "over" && reports.last() != viewer.runs.last() {
            reports.extend(viewer.runs.last().cloned());
        }
        if viewer.runs.len() == 2 && late.is_none() {
            assert!(viewer.phase() != "over");
            late = Some(run.look());
        }
    }
    assert_eq!(reports.len(), 2);
    assert_eq!(reports, viewer.runs);
    // Whoever loads the page then is told where the first one's report lies.
    let mut late = late.expect("the second one was seen to begin");
    while late.take().is_none() {}
    assert_eq!(late.runs, reports[1..]);
    let first = folder.path().join("r.1.json");
    let earlier = json!([{"run": reports[0], "files": [first.display().to_string()]}]);
    assert_eq!((&late.earlier, &viewer.earlier), (&earlier, &earlier));
    let document: Value = serde_json::from_str(&fs::read_to_string(first).unwrap()).unwrap();
    assert_eq!(document["run"]["id"], reports[0]);
    let (code, _) = run.finish();
    assert!(code.is_some());
}

#[test]
fn a_run_that_cannot_be_carried_out_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let run = Shown::start(&[
        "-s",
        "echo_light",
        "--protocol",
        "websocket",
        "--target",
        &target,
    ]);
    let mut viewer = run.look();
    viewer.until(|it| it.phase() == "connecting");
    assert!(
        viewer.header.contains("No load has begun"),
        "{}",
        viewer.header
    );
    // Nobody will answer those that have connected, nor others.
    drop(listener);
    while viewer.take().is_none() {}
    assert_eq!(viewer.phase(), "failed");
    assert!(
        viewer.header.contains("no target could be reached"),
        "{}",
        viewer.header
    );
    assert_eq!(run.finish().0, Some(101));
}

fn wait(ms: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test waits for another process"
    )]
    thread::sleep(Duration::from_millis(ms));
}
