//! Whole runs against real servers: what they print, write and how they end.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Said, Server, assert_balances, finish, loadgen, pipe_in, say};
use serde_json::Value;

fn suite(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    fs::write(&path, content).expect("the file is written");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_shipped_scenario_against_the_embedded_backend() {
    let said = say(&["run", "--scenario", "hello_light"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Where others take the processor, it is invalid, and says at length why.
    let is_pass = said.stdout.starts_with("PASS  hello_light in ");
    let is_invalid = said.stdout.starts_with("INVALID  hello_light in ");
    assert!(is_pass || is_invalid, "{said:?}");
    assert!(is_invalid || said.stdout.lines().count() <= 24, "{said:?}");
    let first = said.stderr.lines().next().unwrap_or_default();
    assert!(
        first.contains("the embedded backend answers on 127.0.0.1:"),
        "{said:?}"
    );
    assert!(
        !said.stdout.contains('\x1b') && !said.stderr.contains('\x1b'),
        "{said:?}"
    );
}

#[test]
fn the_document_on_stdout_and_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let out = format!("json={}", path.display());
    let said = say(&["run", "-s", "hello_light", "--json", "--out", &out]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_eq!(document["schema"], "loadgen.result/1");
    assert_balances(&document);
    assert_eq!(document["scenarios"][0]["backends"][0]["id"], "embedded");
    let written: Value = serde_json::from_slice(&fs::read(&path).expect("the file")).expect("JSON");
    assert_eq!(written, document);
    let schema = say(&["schema", "result"]).json();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let problems: Vec<String> = validator
        .iter_errors(&document)
        .map(|it| it.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// A name that is not UTF-8 is one all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_not_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let said: Said = loadgen(&["run", "-s", "hello_light", "-q", "--out"])
        .arg(OsStr::from_bytes(b"json=o\xff.json"))
        .current_dir(&folder)
        .output()
        .expect("loadgen starts")
        .into();
    assert_eq!(said.code, Some(0), "{said:?}");
    let path = folder.path().join(OsStr::from_bytes(b"o\xff.json"));
    let document = serde_json::from_slice(&fs::read(path).expect("the file")).expect("JSON");
    assert_balances(&document);
}

/// Whoever reads the pipe gets all of it, and no end before.
#[test]
fn a_document_through_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = pipe_in(folder.path());
    let from = pipe.clone();
    let reader = std::thread::spawn(move || fs::read(from));
    let out = format!("json={}", pipe.display());
    let said = say(&["run", "-s", "hello_light", "-q", "--out", &out]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let read = reader.join().expect("no panic").expect("it is read");
    assert_balances(&serde_json::from_slice(&read).expect("JSON"));
}

#[test]
fn overrides_replace_what_they_contradict() {
    let server = Server::start(&["--id", "mine"]);
    let run = |flags: &[&str]| {
        let mut args = vec![
            "run",
            "-s",
            "hello_light",
            "--json",
            "--grpc-target",
            &server.address,
        ];
        args.extend(flags);
        say(&args)
    };
    let counted = run(&["--requests", "50", "--concurrency", "5"]);
    assert_eq!(counted.code, Some(0), "{counted:?}");
    assert_eq!(counted.json()["scenarios"][0]["ledger"]["completed"], 50);
    assert_eq!(counted.json()["scenarios"][0]["backends"][0]["id"], "mine");

    let bounded = run(&[
        "--requests",
        "50",
        "--concurrency",
        "5",
        "--duration",
        "300s",
    ]);
    assert_eq!(bounded.code, Some(0), "{bounded:?}");
    assert_eq!(bounded.json()["scenarios"][0]["ledger"]["completed"], 50);
    assert!(
        bounded.stderr.contains("whichever comes first"),
        "{bounded:?}"
    );

    let timed = run(&["--duration", "300ms"]);
    assert_eq!(timed.code, Some(0), "{timed:?}");
    assert!(
        timed.json()["scenarios"][0]["duration_s"].as_f64() >= Some(0.3),
        "{timed:?}"
    );
    assert!(
        !timed.stderr.is_empty(),
        "it says what it changed: {timed:?}"
    );

    let open = run(&["--rate", "200/s", "--duration", "1s"]);
    let document = open.json();
    assert_eq!(document["scenarios"][0]["load_model"], "open", "{open:?}");
    assert_eq!(
        document["scenarios"][0]["ledger"]["planned"], 200,
        "{open:?}"
    );
    assert!(
        open.stderr.contains("open"),
        "it says what it changed: {open:?}"
    );
}

#[test]
fn flags_go_before_the_scenario_and_that_before_the_environment() {
    let flag = Server::start(&["--id", "flag"]);
    let file = Server::start(&["--id", "file"]);
    let environment = Server::start(&["--id", "environment"]);
    let (host, port) = environment.address.rsplit_once(':').expect("an address");
    let (_folder, path) = suite(&format!(
        r#"{{ "scenarios": [ {{ "name": "greet", "targets": ["{}"],
            "load": {{ "closed": {{ "users": 1, "iterations": 5 }} }},
            "steps": [ {{ "name": "hello", "grpc": {{ "method": "loadgen.v1.Greeter/Hello" }} }} ] }} ] }}"#,
        file.address
    ));
    let answered_by = |args: &[&str]| {
        let said: Said = loadgen(&["run", "--json", "-n", "5"])
            .args(args)
            .envs([("GRPC_HOST", host), ("GRPC_PORT", port)])
            .output()
            .expect("loadgen starts")
            .into();
        let id = &said.json()["scenarios"][0]["backends"][0]["id"];
        id.as_str().expect("an id").to_owned()
    };
    assert_eq!(
        answered_by(&["--config", &path, "--grpc-target", &flag.address]),
        "flag"
    );
    assert_eq!(answered_by(&["--config", &path]), "file");
    assert_eq!(answered_by(&["-s", "hello_light"]), "environment");
}

#[test]
fn a_failed_threshold_is_99_and_says_which() {
    let (_folder, path) = suite(
        r#"{ "scenarios": [ { "name": "greet", "thresholds": ["response_time.max < 1us"],
            "load": { "closed": { "users": 1, "iterations": 20 } },
            "steps": [ { "name": "hello", "grpc": { "method": "loadgen.v1.Greeter/Hello" } } ] } ] }"#,
    );
    let said = say(&["run", "--config", &path]);
    assert_eq!(said.code, Some(99), "{said:?}");
    assert!(said.stdout.starts_with("FAIL"), "{said:?}");
    assert!(
        said.stdout.contains("FAIL response_time.max < 1us"),
        "{said:?}"
    );
}

/// A run of a minute that a condition ends: said when it happens, and the report is as whole as any other.
#[test]
fn a_threshold_that_ends_the_run_is_99_with_its_document() {
    let (folder, path) = suite(
        r#"{ "scenarios": [ { "name": "greet",
            "thresholds": [
                "response_time.max < 1m over any 1s",
                { "expression": "response_time.p50 < 1us", "abort": true, "after": "1s" },
                { "expression": "error_rate < 100%", "abort": true } ],
            "load": { "closed": { "users": 1, "duration": "1m" } },
            "steps": [ { "grpc": { "method": "loadgen.v1.Greeter/Hello" } } ] } ] }"#,
    );
    let written = folder.path().join("result.json");
    let out = format!("json={}", written.display());
    let said = say(&["run", "--config", &path, "--out", &out]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let ending = "ending the run: greet: `response_time.p50 < 1us` does not hold, ";
    assert_eq!(said.stderr.matches(ending).count(), 1, "{said:?}");
    let failed = "FAIL response_time.p50 < 1us";
    assert!(said.stdout.contains(failed), "{said:?}");

    let document: Value =
        serde_json::from_slice(&fs::read(&written).expect("the file")).expect("JSON");
    assert_balances(&document);
    assert_eq!(document["run"]["stopped"], true);
    let scenario = &document["scenarios"][0];
    assert_eq!(
        scenario["ledger"]["interrupted"], 0,
        "what was under way finished"
    );
    let [windowed, ending, held] = scenario["thresholds"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("{scenario:#}");
    };
    assert_eq!(
        (&windowed["pass"], &windowed["abort"]),
        (&Value::from(true), &Value::Null)
    );
    assert!(windowed["window"]["to_s"].as_u64() >= Some(1), "{windowed}");
    assert_eq!(
        (&ending["pass"], &ending["abort"]),
        (&Value::from(false), &Value::from(true))
    );
    let at = ending["ended_run"]["at_s"].as_f64().expect("when");
    assert!((1.0..50.0).contains(&at), "{ending}");
    assert_eq!(
        (&held["pass"], &held["ended_run"]),
        (&Value::from(true), &Value::Null)
    );
}

const TAGGED: &str = r#"{
    "thresholds": [
        "tags.tier.gold.started < 50",
        "tags.tier.gold.response_time.max < 1us",
        "tags.tier.gold.response_time.max < 1m over any 1s",
        "tags.tier.tin.error_rate < 1%"
    ],
    "defaults": { "steps": [ { "grpc": { "method": "loadgen.v1.Greeter/Hello" } } ] },
    "scenarios": [
        { "name": "a", "load": { "closed": { "users": 1, "iterations": 30 } }, "tags": { "tier": "gold" } },
        { "name": "b", "load": { "open": { "rate": "20/s", "duration": "2s" } }, "tags": { "tier": "gold" } },
        { "name": "c", "load": { "closed": { "users": 1, "iterations": 30 } }, "tags": { "tier": "tin" } }
    ] }"#;

/// Neither scenario starts 50 by itself.
#[test]
fn a_failed_threshold_on_a_tag_is_99_and_says_which() {
    let (folder, path) = suite(TAGGED);
    let written = folder.path().join("result.json");
    let out = format!("json={}", written.display());
    let said = say(&[
        "run", "--config", &path, "-s", "a", "-s", "b", "--out", &out,
    ]);
    assert_eq!(said.code, Some(99), "{said:?}");
    assert!(said.stdout.starts_with("FAIL"), "{said:?}");
    for line in [
        "FAIL tags.tier.gold.started < 50",
        "because `tags.tier.gold.started < 50` does not hold, observed 70",
        "FAIL tags.tier.gold.response_time.max < 1us",
        "ok   tags.tier.gold.response_time.max < 1m over any 1s",
    ] {
        assert!(said.stdout.contains(line), "{line}: {said:?}");
    }
    let notice = "`tags.tier.tin.error_rate < 1%` will not be judged: none of the chosen scenarios has the tag";
    assert!(said.stderr.contains(notice), "{said:?}");
    let document: Value =
        serde_json::from_slice(&fs::read(&written).expect("the file")).expect("JSON");
    assert_balances(&document);
    let [started, _, windowed] = document["total"]["thresholds"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("{document:#}");
    };
    assert_eq!(
        (&started["observed"], &started["pass"]),
        (&70.0.into(), &false.into())
    );
    assert!(windowed["window"]["to_s"].as_u64() >= Some(1), "{windowed}");
    let warnings = document["verdict"]["warnings"].to_string();
    assert!(
        warnings.contains(
            "`tags.tier.tin.error_rate < 1%` was not judged: no scenario of this run has the tag"
        ),
        "{warnings}"
    );
    // What was run is a file that does the same.
    let plan = folder.path().join("plan.json");
    fs::write(&plan, document["run"]["plan"].to_string()).expect("the file is written");
    let plan = plan.display().to_string();
    let printed = say(&["validate", &plan, "--print"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(
        printed.json()["thresholds"].as_array().map(Vec::len),
        Some(3)
    );
}

/// A run of a minute that a condition on a tag ends.
#[test]
fn a_threshold_on_a_tag_ends_the_run() {
    let ending = r#"thresholds=[{"expression": "tags.tier.gold.response_time.p50 < 1us", "abort": true, "after": "1s"}]"#;
    let (_folder, path) = suite(TAGGED);
    let said = say(&[
        "run", "--config", &path, "-s", "a", "-s", "b", "-d", "1m", "--set", ending,
    ]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let told = "ending the run: `tags.tier.gold.response_time.p50 < 1us` does not hold, ";
    assert_eq!(said.stderr.matches(told).count(), 1, "{said:?}");
    assert!(said.stdout.contains("and ended the run)"), "{said:?}");
}

/// What the flags make of a load is held to conditions on tags before the run, too.
#[test]
fn a_window_longer_than_the_loads_of_a_tag_is_told_before_the_run() {
    let (_folder, path) = suite(TAGGED);
    let said = say(&[
        "run",
        "--config",
        &path,
        "-s",
        "b",
        "-d",
        "500ms",
        "--set",
        "thresholds[0]=tags.tier.gold.failed < 5",
    ]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let told = "thresholds[2]: found windows of 1s, expected windows no longer than the load; the load lasts 500ms";
    assert!(said.stderr.contains(told), "{said:?}");
}

#[test]
fn list_and_validate_print_the_conditions_on_tags_that_are_left() {
    let (_folder, path) = suite(TAGGED);
    let printed = say(&["validate", &path, "--print"]).json();
    assert_eq!(printed["thresholds"].as_array().map(Vec::len), Some(4));
    let listed = say(&["list", &path, "--json"]).json();
    assert_eq!(listed["thresholds"], printed["thresholds"]);
    let none = say(&["list", &path, "--json", "--protocol", "websocket"]).json();
    assert_eq!(none.get("thresholds"), None, "{none}");
}

#[test]
fn quiet_says_nothing_of_a_pass() {
    let said = say(&["run", "-s", "hello_light", "--quiet"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
}

#[test]
fn a_closed_stdout_loses_nothing_that_was_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let out = format!("json={}", path.display());
    let mut child = loadgen(&["run", "-s", "hello_light", "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    drop(child.stdout.take());
    let said = finish(child, Duration::from_secs(60));
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = serde_json::from_slice(&fs::read(&path).expect("the file")).expect("JSON");
    assert_balances(&document);
}

#[test]
fn a_document_that_nobody_took_is_an_error() {
    let mut child = loadgen(&["run", "-s", "hello_light", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    drop(child.stdout.take());
    let said = finish(child, Duration::from_secs(60));
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = "failed to write to standard output";
    assert!(said.stderr.contains(expected), "{said:?}");
}

#[test]
fn the_embedded_backend_ends_with_the_run() {
    let said = say(&["run", "-s", "hello_light"]);
    let line = said.stderr.lines().next().unwrap_or_default();
    let process = line.rsplit("process ").next().expect("a process");
    let pid = process.trim_end_matches(')').parse().expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("not 0");
    assert!(rustix::process::test_kill_process(pid).is_err(), "{said:?}");
}

#[test]
fn an_http_scenario_against_the_embedded_backend() {
    let (_folder, path) = suite(
        r#"{ "scenarios": [ {
        "name": "hello",
        "load": { "closed": { "users": 4, "iterations": 200 } },
        "steps": [
            { "http": { "path": "/hello", "query": { "name": "u{{ user }}" } },
              "check": ["status == 200", "reply.message == 'Hello, u' ~ user ~ '!'"] },
            { "name": "gone", "http": { "path": "/status/404" }, "check": ["status == 404"] },
            { "http": { "path": "/stream?count=3" } }
        ]
    } ] }"#,
    );
    let said = say(&["run", "--config", &path, "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    let scenario = &document["scenarios"][0];
    assert_eq!(scenario["protocol"], "http");
    assert_eq!(scenario["backends"][0]["id"], "embedded");
    assert_eq!(
        scenario["steps"][2]["messages"]["received"], 600,
        "{scenario}"
    );
}

/// The scheme is gRPC's too, which nothing here speaks.
#[test]
fn a_target_of_http_is_for_what_speaks_http() {
    let server = Server::serve("http", &["--address", "127.0.0.1:0"]);
    let (_folder, path) = suite(
        r#"{ "scenarios": [ {
        "name": "hello",
        "load": { "closed": { "users": 1, "iterations": 10 } },
        "steps": [ { "http": { "path": "/hello" } } ]
    } ] }"#,
    );
    let target = format!("http://{}", server.address);
    let said = say(&["run", "--config", &path, "--target", &target, "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_balances(&said.json());
}
