//! Repeated runs, and runs that are held against earlier ones.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Deserializer, Value};

use crate::common::{Guard, Proxy, Said, Server, finish, loadgen, pipe_in, signal};
use crate::support::Stored;

const SOON: Duration = Duration::from_secs(30);

/// A small run in a folder of its own, with these flags.
fn run(stored: &Stored, flags: &[&str]) -> Said {
    stored.say(&[&["run", "-s", "hello_light", "-n", "200"], flags].concat())
}

#[test]
fn each_run_has_files_of_its_own_and_all_are_summed_up() {
    let stored = Stored::with(0, 0, 1.0);
    let said = run(
        &stored,
        &["--repeat", "3", "--out", "json=r.json", "--out", "json=all"],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut ids: Vec<Value> = ["r.1.json", "r.2.json", "r.3.json"]
        .map(|name| {
            let document: Value = serde_json::from_str(&stored.read(name)).expect("a document");
            document["run"]["id"].clone()
        })
        .into();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each is a run of its own");
    assert!(stored.path("all.2").exists() && !stored.path("r.json").exists());
    assert_eq!(
        said.stdout.matches("  hello_light in ").count(),
        3,
        "{said:?}"
    );
    let (_, spread) = said
        .stdout
        .split_once("hello_light over 3 runs\n")
        .expect("the spread");
    for word in [
        "median",
        "variation",
        "throughput",
        "error rate",
        "response p50",
    ] {
        assert!(spread.contains(word), "{said:?}");
    }
    for nth in 1..=3 {
        assert!(
            said.stderr.contains(&format!("run {nth} of 3\n")),
            "{said:?}"
        );
    }
}

#[test]
fn the_worst_end_counts() {
    let stored = Stored::with(0, 0, 1.0);
    let suite = r#"{"scenarios": [{
        "name": "s",
        "load": {"closed": {"users": 1, "iterations": 20}},
        "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}}}],
        "thresholds": ["throughput < 1/s"]
    }]}"#;
    stored.write("s.json", suite);
    let said = stored.say(&["run", "s.json", "--repeat", "2", "-q"]);
    assert_eq!(said.code, Some(99), "{said:?}");
}

#[test]
fn a_path_that_cannot_be_written_to_is_found_before_the_first_run() {
    let stored = Stored::with(0, 0, 1.0);
    fs::create_dir(stored.path("r.2.json")).expect("the folder is made");
    let said = run(&stored, &["--repeat", "2", "--out", "json=r.json"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("r.2.json: it is a directory"),
        "{said:?}"
    );
    assert!(!said.stderr.contains("run 1 of 2"), "{said:?}");
    assert!(!stored.path("r.1.json").exists());
}

/// A pipe was once opened, closed, and waited for until somebody else would read it.
#[test]
fn what_takes_no_several_results_is_refused() {
    let stored = Stored::with(0, 0, 1.0);
    fs::create_dir(stored.path("all")).expect("the folder is made");
    let pipe = pipe_in(stored.0.path());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::null()).spawn();
    let _reader = Guard(reader.expect("there is cat"));
    for (path, why) in [
        (
            "pipe",
            "it is a named pipe, which takes the result of one run",
        ),
        ("all", "it is a directory"),
    ] {
        let child = loadgen(&["run", "-s", "hello_light", "-n", "9", "--repeat", "2"])
            .args(["--out", &format!("json={path}")])
            .current_dir(stored.0.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let said = finish(child.expect("loadgen starts"), SOON);
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
        let expected = format!("cannot write the result to {path}: {why}");
        assert!(said.stderr.contains(&expected), "{said:?}");
        assert!(!said.stderr.contains("run 1 of 2"), "{said:?}");
    }
}

#[test]
fn a_signal_ends_the_series_with_what_there_is() {
    let stored = Stored::with(0, 0, 1.0);
    let server = Server::start(&["--delay", "50ms"]);
    let proxy = Proxy::start(&server.address);
    let out = format!("json={}", stored.path("r.json").display());
    let child = loadgen(&["run", "-s", "hello_light", "-d", "60s", "--repeat", "3"])
        .args(["--out", &out, "--grpc-target", &proxy.address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    proxy.wait_for_requests();
    signal(&child, Signal::INT);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(105), "{said:?}");
    assert!(
        said.stderr
            .contains("stopped: 1 of 3 runs were carried out"),
        "{said:?}"
    );
    assert!(said.stdout.contains("hello_light over 1 run\n"), "{said:?}");
    assert!(stored.path("r.1.json").exists() && !stored.path("r.2.json").exists());
}

#[test]
fn a_run_is_held_against_a_baseline() {
    let stored = Stored::with(0, 0, 1.0);
    assert_eq!(
        run(&stored, &["-q", "--out", "json=base.json"]).code,
        Some(0)
    );
    let said = run(&stored, &["--baseline", "base.json", "--force=invalid"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let (summary, comparison) = said
        .stdout
        .split_once("base        1 run, base.json")
        .expect("it");
    assert!(summary.contains("  hello_light in "), "{said:?}");
    assert!(
        comparison.contains("new         1 run, this run"),
        "{said:?}"
    );
    let limit = [
        "--force=invalid",
        "--baseline",
        "base.json",
        "--fail-on",
        "response_time.p999 > +10%",
    ];
    let said = run(&stored, &limit);
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(
        said.stderr.contains(
            "`response_time.p999 > +10%` cannot be judged: no run in the base has such a figure"
        ),
        "{said:?}"
    );
}

/// Nobody wants to load a service for an hour to hear of it.
#[test]
fn a_limit_that_single_runs_do_not_tell_is_refused_before_the_load() {
    let stored = Stored::with(0, 0, 1.0);
    let out = ["-q", "--out", "json=base.json"];
    assert_eq!(run(&stored, &out).code, Some(0));
    let flags = ["--force=invalid", "--baseline", "base.json", "--fail-on"];
    let limited = |limit: &str| run(&stored, &[&flags[..], &[limit]].concat());
    let said = limited("service_time.p50 > +10%");
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(
        said.stderr.contains(
            "`service_time.p50 > +10%` cannot be judged: with 1 run in the base and 1 new"
        ),
        "{said:?}"
    );
    let said = limited("steps.helo.response_time.p50 > +10%");
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(said.stderr.contains("no step `helo`"), "{said:?}");
}

#[test]
fn all_repeated_runs_are_held_against_a_baseline() {
    let stored = Stored::with(0, 0, 1.0);
    assert_eq!(
        run(
            &stored,
            &["-q", "--repeat", "4", "--out", "json=base/r.json"]
        )
        .code,
        Some(2)
    );
    fs::create_dir(stored.path("base")).expect("the folder is made");
    let base = run(
        &stored,
        &["-q", "--repeat", "4", "--out", "json=base/r.json"],
    );
    assert_eq!(base.code, Some(0), "{base:?}");
    let flags = ["--repeat", "4", "--baseline", "base", "--json", "--force"];
    let said = run(&stored, &flags);
    assert_eq!(said.code, Some(0), "{said:?}");
    let documents = Deserializer::from_str(&said.stdout).into_iter::<Value>();
    let schemas: Vec<Value> = documents
        .map(|it| it.expect("JSON")["schema"].clone())
        .collect();
    let mut expected = vec!["loadgen.result/1"; 4];
    expected.push("loadgen.comparison/1");
    assert_eq!(schemas, expected);
}

#[test]
fn another_plan_is_refused_before_the_load() {
    let stored = Stored::with(0, 0, 1.0);
    assert_eq!(
        run(&stored, &["-q", "--out", "json=base.json"]).code,
        Some(0)
    );
    let said = run(
        &stored,
        &[
            "-c",
            "3",
            "--baseline",
            "base.json",
            "--out",
            "json=new.json",
        ],
    );
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(
        said.stderr.contains("plan: `scenarios.hello_light.load."),
        "{said:?}"
    );
    assert!(!stored.path("new.json").exists());
    assert!(!stored.path("new.json.journal").exists());
    let said = run(&stored, &["-c", "3", "--baseline", "base.json", "--force"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("\nFORCED  These runs are not alike"),
        "{said:?}"
    );
}

/// Who answers is known only then.
#[test]
fn what_the_load_shows_to_be_unlike_is_not_compared_and_told_all_the_same() {
    let stored = Stored::with(0, 0, 1.0);
    assert_eq!(
        run(&stored, &["-q", "--out", "json=base.json"]).code,
        Some(0)
    );
    let server = Server::start(&["--id", "canary"]);
    let target = ["--grpc-target", &server.address];
    let baseline = ["--baseline", "base.json", "--force=invalid"];
    let said = run(&stored, &[&target[..], &baseline].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stdout.contains("  hello_light in "), "{said:?}");
    assert!(
        said.stderr
            .contains("plan: `scenarios.hello_light.targets[0]` is"),
        "{said:?}"
    );
}

#[test]
fn a_baseline_is_read_before_the_run() {
    let stored = Stored::with(0, 0, 1.0);
    let said = run(&stored, &["--baseline", "gone.json"]);
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(
        said.stderr.contains("failed to read the result gone.json"),
        "{said:?}"
    );
    let said = run(&stored, &["--fail-on", "throughput < -5%"]);
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(
        said.stderr.contains("`--fail-on` says how to compare"),
        "{said:?}"
    );
}

#[test]
fn numbers_of_runs() {
    let stored = Stored::with(0, 0, 1.0);
    for repeat in ["0", "-1", "1001", "x"] {
        let said = run(&stored, &["--repeat", repeat]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.stderr
                .contains("expected a whole number from 1 to 1000"),
            "{said:?}"
        );
    }
}
