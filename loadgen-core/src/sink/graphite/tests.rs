//! What arrives at a receiver of the tests' own.

use std::sync::mpsc;

use super::*;
use crate::report::{Context, build};
use crate::sink::samples::{Receiver, Request, names, nobody, run_record};

const LONG: Duration = Duration::from_secs(30);

fn url(address: std::net::SocketAddr) -> Url {
    format!("http://{address}/graphite/").parse().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn event(request: &Request) -> Value {
    assert_eq!(request.target, "POST /graphite/events/");
    assert_eq!(request.headers["content-type"], "application/json");
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn both_ends_are_marked() {
    let receiver = Receiver::start(|| (200, Vec::new()));
    let mut marks = Marks::new(&url(receiver.address), "run-7", "team.load").unwrap();
    let other = Names {
        scenario: "größe".to_owned(),
        protocol: "grpc".to_owned(),
        ..Names::default()
    };
    marks.started(&[names(), other], at(1_700_000_000));
    let mut document = build(&run_record(5), Context::new());
    document.verdict.status = Status::Pass;
    marks.ended(&document, at(1_700_000_009));
    assert_eq!(marks.wait(LONG), Vec::<String>::new());
    let start = json!({
        "what": "loadgen run run-7 started: s (custom), größe (grpc)",
        "tags": ["loadgen", "run-start", "run-7", "team.load", "team:start"],
        "when": 1_700_000_000,
        "data": "s (custom), größe (grpc)",
    });
    assert_eq!(event(&receiver.next()), start);
    let end = event(&receiver.next());
    assert_eq!(end["what"], "loadgen run run-7 ended: pass");
    let tags = [
        "loadgen",
        "run-end",
        "run-7",
        "team.load",
        "pass",
        "team:pass",
    ];
    assert_eq!(end["tags"], json!(tags));
    assert_eq!(end["when"], 1_700_000_009);
    let data = end["data"].as_str().unwrap();
    assert!(
        data.starts_with("s (custom): 5 completed, 0 failed, 0 dropped, 0 late, "),
        "{data}"
    );
}

#[test]
fn each_verdict_has_its_word() {
    let receiver = Receiver::start(|| (200, Vec::new()));
    let mut marks = Marks::new(&url(receiver.address), "run-7", "loadgen").unwrap();
    let mut document = build(&run_record(5), Context::new());
    for (status, word) in [(Status::Fail, "fail"), (Status::Invalid, "invalid")] {
        document.verdict.status = status;
        marks.ended(&document, at(0));
        let end = event(&receiver.next());
        assert_eq!(end["what"], format!("loadgen run run-7 ended: {word}"));
        assert_eq!(end["tags"][4], word);
        assert_eq!(end["tags"][5], format!("loadgen:{word}"));
    }
}

#[test]
fn a_long_list_is_cut_where_the_table_ends() {
    let receiver = Receiver::start(|| (200, Vec::new()));
    let mut marks = Marks::new(&url(receiver.address), "run-7", "loadgen").unwrap();
    marks.started(&vec![names(); 100], at(0));
    assert_eq!(marks.wait(LONG), Vec::<String>::new());
    let event = event(&receiver.next());
    assert_eq!(
        event["what"].as_str().unwrap().chars().count(),
        LONGEST_SENTENCE
    );
    assert_eq!(
        event["data"]
            .as_str()
            .unwrap()
            .matches("s (custom)")
            .count(),
        100
    );
}

#[test]
fn what_goes_wrong_is_told() {
    let mut answers = [500, 200].into_iter();
    let receiver = Receiver::start(move || (answers.next().unwrap(), b"<html>".to_vec()));
    let mut marks = Marks::new(&url(receiver.address), "run-7", "loadgen").unwrap();
    marks.started(&[names()], at(0));
    marks.started(&[names()], at(0));
    assert_eq!(marks.wait(LONG), ["it answered 500 Internal Server Error"]);
    let mut marks = Marks::new(&url(nobody()), "run-7", "loadgen").unwrap();
    marks.started(&[names()], at(0));
    let wrong = marks.wait(LONG);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].contains("refused"), "{wrong:?}");
}

#[test]
fn who_does_not_answer_is_given_up() {
    let (_go, wait) = mpsc::channel::<()>();
    let receiver = Receiver::start(move || {
        let _ = wait.recv_timeout(LONG);
        (200, Vec::new())
    });
    let mut marks = Marks::new(&url(receiver.address), "run-7", "loadgen").unwrap();
    marks.started(&[names()], at(0));
    receiver.next();
    assert_eq!(marks.wait(Duration::ZERO), ["no answer"]);
}
