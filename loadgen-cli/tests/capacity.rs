//! Looking for a capacity: what is found, what stood in the way, and what is refused.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Said, Server, assert_balances, finish, loadgen, say, signal};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_case::test_case;

/// What no search here takes.
const AT_MOST: Duration = Duration::from_secs(90);

/// A file with one scenario of the greeter at this address, with these fields.
fn suite(folder: &TempDir, address: &str, fields: &Value) -> PathBuf {
    let mut scenario = json!({
        "name": "greet",
        "targets": [address],
        "load": {"closed": {"users": 4, "duration": "1s"}},
        "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}],
    });
    for (field, value) in fields.as_object().expect("fields") {
        scenario[field] = value.clone();
    }
    let path = folder.path().join("suite.json");
    fs::write(&path, json!({"scenarios": [scenario]}).to_string()).expect("a file");
    path
}

fn searched(path: &Path, flags: &[&str]) -> Said {
    let mut command = loadgen(&["capacity", "--json", "--config"]);
    command.arg(path).args(flags);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    finish(child.expect("loadgen starts"), AT_MOST)
}

/// One stream at a time, each of 20 ms: no more than fifty in a second, and it is not the service that is slow.
#[test]
fn what_waits_for_streams_is_told_apart() {
    let server = Server::start(&["--delay", "20ms"]);
    let folder = TempDir::new().expect("a folder");
    let fields = json!({
        "connections": 1,
        "streams_per_connection": 1,
        "capacity": {"goals": ["response_time.p90 < 60ms"], "budget": "30s", "width": "20%"},
    });
    let path = suite(&folder, &server.address, &fields);
    let said = searched(&path, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    let capacity = &document["capacity"];
    let lower = capacity["lower_per_s"].as_f64().expect("a bound");
    assert!((20.0..=56.0).contains(&lower), "{capacity}");
    let breach = &capacity["breaks_first"];
    assert_eq!(breach["cause"], "streams", "{breach}");
    assert_eq!(breach["goal"]["expression"], "response_time.p90 < 60ms");
    // What is not said of failures is said for whoever asks for speed alone.
    let goals = capacity["goals"].as_array().expect("goals");
    assert_eq!(goals[1]["expression"], "error_rate < 1%");
    let purposes = capacity["trials"].as_array().expect("trials").iter();
    let purposes: Vec<&str> = purposes.filter_map(|it| it["purpose"].as_str()).collect();
    assert_eq!(&purposes[..2], ["idle", "ramp"]);
    assert!(purposes.contains(&"refine"), "{purposes:?}");
}

/// Two users at the most, each busy for 20 ms.
#[test]
fn what_waits_for_users_is_told_apart() {
    let server = Server::start(&["--delay", "20ms"]);
    let folder = TempDir::new().expect("a folder");
    let fields = json!({
        "load": {"open": {"rate": "1/s", "duration": "1s", "users": {"max": 2}}},
    });
    let path = suite(&folder, &server.address, &fields);
    let flags = [
        "--goal",
        "response_time.p90 < 60ms",
        "--budget",
        "30s",
        "--width",
        "20%",
    ];
    let said = searched(&path, &flags);
    let document = said.json();
    let capacity = &document["capacity"];
    assert_eq!(capacity["breaks_first"]["cause"], "users", "{capacity}");
    let lower = capacity["lower_per_s"].as_f64().expect("a bound");
    assert!((40.0..=112.0).contains(&lower), "{capacity}");
}

#[test]
fn the_highest_rate_to_be_tried_may_hold() {
    let server = Server::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let flags = [
        "--goal",
        "response_time.p50 < 500ms",
        "--to",
        "50/s",
        "--budget",
        "15s",
    ];
    let said = searched(&path, &flags);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_eq!(document["capacity"]["end"], "to");
    assert_eq!(document["capacity"]["lower_per_s"], 50.0);
    assert_eq!(document["capacity"]["confirmed"], true);
    assert_eq!(document["verdict"]["status"], "pass");
    let scenario = &document["scenarios"][0];
    let planned = scenario["ledger"]["planned"].as_f64().expect("a count");
    let lasted = document["capacity"]["trials"].as_array().expect("trials");
    let longest = lasted.last().expect("a trial")["duration_s"].as_f64();
    // The figures are those of the trial that confirms it.
    assert!((planned - 50.0 * longest.expect("seconds")).abs() <= 1.0);
}

/// Told at once, with what one user alone got.
#[test]
fn a_goal_that_fails_alone_ends_it() {
    let server = Server::start(&["--delay", "20ms"]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let said = searched(
        &path,
        &["--goal", "response_time.p50 < 10ms", "--budget", "15s"],
    );
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    let capacity = &document["capacity"];
    assert_eq!(capacity["end"], "idle");
    assert_eq!(capacity["trials"].as_array().map(Vec::len), Some(1));
    let reason = document["verdict"]["reasons"][0]
        .as_str()
        .expect("a reason");
    assert!(reason.contains("one user alone"), "{reason}");
}

/// A service that turns away what is above 200/s is asked too much by one user alone, but for one who asks no faster than
/// the search begins.
#[test]
fn one_user_who_is_turned_away_asks_no_faster_than_the_lowest_rate() {
    let server = Server::start(&["--throttle", "200"]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let flags = ["--goal", "error_rate < 1%", "--budget", "20s"];
    let said = searched(&path, &flags);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    assert_eq!(document["capacity"]["end"], "idle");
    let notes = document["capacity"]["notes"].to_string();
    assert!(notes.contains("`--from RATE` below it"), "{notes}");

    let said = searched(
        &path,
        &[&flags[..], &["--from", "50/s", "--to", "400/s"]].concat(),
    );
    let document = said.json();
    assert_balances(&document);
    let capacity = &document["capacity"];
    assert_ne!(capacity["end"], "idle");
    let notes = capacity["notes"].to_string();
    assert!(notes.contains("it was then held to 50/s"), "{notes}");
    let purposes = capacity["trials"].as_array().expect("trials").iter();
    assert_eq!(purposes.filter(|it| it["purpose"] == "ramp").count(), 0);
    // In a trial of a fifth of a second what the service lets through at once is a good part.
    let lower = capacity["lower_per_s"].as_f64().expect("a lower bound");
    assert!((150.0..320.0).contains(&lower), "{capacity}");
}

/// A search at ten to forty a second, of which so many trials have been told.
fn under_way(path: &Path, budget: &str, trials: usize) -> Child {
    let mut command = loadgen(&["capacity", "--json", "--config"]);
    command
        .arg(path)
        .args(["--from", "10/s", "--to", "40/s", "--budget", budget]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("loadgen starts");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let (sender, told) = mpsc::channel();
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let is_trial = |line: &String| line.contains("held");
    let mut lines = std::iter::from_fn(|| told.recv_timeout(AT_MOST).ok()).filter(is_trial);
    assert!(lines.nth(trials - 1).is_some(), "it is over before");
    child
}

#[test]
fn a_server_that_dies_leaves_what_is_known() {
    let server = Server::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let child = under_way(&path, "30s", 3);
    drop(server);
    let said = finish(child, AT_MOST);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    assert_eq!(document["capacity"]["end"], "died");
    let notes = document["capacity"]["notes"].to_string();
    assert!(notes.contains("not back within"), "{notes}");
}

#[test]
fn a_signal_ends_it_with_what_is_known() {
    let server = Server::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let child = under_way(&path, "2m", 3);
    signal(&child, Signal::INT);
    let said = finish(child, AT_MOST);
    assert_eq!(said.code, Some(105), "{said:?}");
    let document = said.json();
    assert_eq!(document["capacity"]["end"], "stopped");
    assert_eq!(document["run"]["stopped"], true);
    // More may have been told by the time that the signal came; the one under way then does not count.
    let capacity = &document["capacity"];
    let trials = capacity["trials"].as_array().expect("trials");
    assert!(trials.len() >= 3, "{capacity}");
    let seconds = |of: &Value, field: &str| of[field].as_f64().expect("seconds");
    let last = trials.last().expect("a trial");
    let ended = seconds(last, "from_s") + seconds(last, "duration_s");
    assert!(ended <= seconds(capacity, "took_s"), "{capacity}");
}

const HELLO: [&str; 3] = ["capacity", "--scenario", "hello_high"];

#[test_case(&["--goal", "respons < 2"], "did you mean `response_time`"; "no condition")]
#[test_case(&["--goal", "response_time.p99 < 20ms over any 10s"], "without a window"; "a window")]
#[test_case(&["--goal", "tags.tier.gold.error_rate < 1%"], "on the scenario itself"; "a tag")]
#[test_case(&["--goal", "steps.nope.error_rate < 1%"], "the steps are"; "an unknown step")]
#[test_case(&["--from", "100/s", "--to", "50/s"], "a rate below `to`"; "from above to")]
#[test_case(&["--width", "0%"], "above 0.05%, at most 50%"; "no width")]
#[test_case(&["--width", "60%"], "above 0.05%, at most 50%"; "too wide")]
#[test_case(&["--budget", "1s"], "at least 15s"; "too little time")]
#[test_case(&["--requests", "100"], "`--requests` is of a run"; "requests")]
#[test_case(&["--duration", "10s"], "`--budget` for how long"; "a duration")]
#[test_case(&["--rate", "10/s"], "`--rate` is of a run"; "a rate")]
#[test_case(&["--shard", "0/2"], "made by one process"; "a shard")]
#[test_case(&["--statsd", "127.0.0.1:1"], "--out json=PATH"; "statsd")]
fn refuses(flags: &[&str], expected: &str) {
    let said = say(&[&HELLO, flags].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains(expected), "{said:?}");
    assert_eq!(said.stdout, "");
}

#[test]
fn one_scenario_at_a_time() {
    let said = say(&["capacity", "--goal", "error_rate < 1%"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("`--scenario NAME` chooses it"),
        "{said:?}"
    );
}

/// Known once one user alone has been there.
#[test]
fn a_goal_that_nothing_measures() {
    let server = Server::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let path = suite(&folder, &server.address, &json!({}));
    let said = searched(
        &path,
        &["--goal", "backends.b2.share < 10%", "--budget", "15s"],
    );
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("no server named itself `b2`"),
        "{said:?}"
    );
}

#[test]
fn commands_without_a_file_look_for_one_where_a_goal_is_given() {
    let server = Server::start(&[]);
    let flags = [
        "--goal",
        "response_time.p50 < 500ms",
        "--to",
        "40/s",
        "--budget",
        "15s",
        "--json",
    ];
    let call = ["grpc", &server.address, "loadgen.v1.Greeter/Hello"];
    let said = say(&[&call[..], &flags].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()["capacity"]["end"], "to");
    let refused = say(&[&call[..], &flags, &["-n", "10"]].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
