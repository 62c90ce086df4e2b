//! What is refused before anything runs, with its message and exit code.

mod common;

use std::fs;

use common::{Said, loadgen, say};

fn refused(said: &Said, code: i32, expected: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.stdout, "", "a refusal is not a result");
    for part in expected {
        assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
    }
}

#[test]
fn help_and_version_are_fine() {
    for flags in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let said = say(flags);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(!said.stdout.is_empty());
    }
}

#[test]
fn no_command_is_wrong_usage() {
    let said = say(&[]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("Usage: loadgen"), "{said:?}");
}

#[test]
fn numbers_that_are_none() {
    for (flag, values) in [
        (
            "--requests",
            &["0", "-1", "NaN", "1e3", "99999999999999999999"][..],
        ),
        ("--concurrency", &["0", "-1", "NaN", "4294967296"]),
        ("--connections", &["0", "-1", "NaN", "4294967296"]),
        ("--workers", &["0", "-1", "NaN", "100000"]),
        (
            "--duration",
            &[
                "0s",
                "-1s",
                "NaN",
                "inf",
                "1e300s",
                "99999999999999h",
                "soon",
            ],
        ),
        ("--timeout", &["0s", "-1s", "NaN", "soon"]),
        ("--rate", &["0", "0/s", "-1/s", "NaN", "inf", "1e400/s"]),
        ("--seed", &["-1", "x"]),
    ] {
        for value in values {
            let said = say(&["run", "--scenario", "hello_light", flag, value]);
            refused(&said, 2, &["error: invalid value", flag]);
        }
    }
}

#[test]
fn unknown_flags_and_kinds() {
    refused(&say(&["run", "--scenaro", "x"]), 2, &["'--scenario'"]);
    refused(
        &say(&["run", "--scenario", "hello_light", "--out", "xml=x"]),
        2,
        &["unknown kind `xml`", "json"],
    );
    refused(
        &say(&[
            "run",
            "--scenario",
            "hello_light",
            "--protocol",
            "websocket",
        ]),
        104,
        &["no scenario that speaks websocket to run"],
    );
}

/// Where real-time priority may be had, which takes root mostly.
#[test]
fn busy_polling_with_real_time_priority() {
    let chrt = |args: &[&str]| std::process::Command::new("chrt").args(args).output();
    if !chrt(&["-f", "1", "true"]).is_ok_and(|it| it.status.success()) {
        return;
    }
    let program = env!("CARGO_BIN_EXE_loadgen");
    let run = ["run", "--scenario", "hello_light", "--rate", "9/s"];
    for (flag, policy) in [("-f", "SCHED_FIFO"), ("-r", "SCHED_RR")] {
        let pacing = ["--pacing", "busy"];
        let line = [&[flag, "1", program], &run[..], &pacing].concat();
        let said: Said = chrt(&line).expect("chrt starts").into();
        let parts = ["`busy=50us`", policy, "leave out", "`exact`"];
        refused(&said, 2, &parts);
    }
}

#[test]
fn targets_that_are_none() {
    for flag in ["--grpc-target", "--websocket-target"] {
        for target in ["localhost", "h:0", "h:99999", "ftp://h:1", "a b:1", "::1:1"] {
            let said = say(&["run", "--scenario", "hello_light", flag, target]);
            refused(&said, 2, &["invalid target", target]);
        }
    }
}

#[test]
fn nonsense_in_the_environment() {
    for (variable, value) in [
        ("GRPC_PORT", "banana"),
        ("GRPC_PORT", "0"),
        ("GRPC_PORT", "70000"),
        ("GRPC_HOST", "http://x"),
        ("GRPC_HOST", "a b"),
    ] {
        let said: Said = loadgen(&["run", "--scenario", "hello_light"])
            .env(variable, value)
            .output()
            .expect("loadgen starts")
            .into();
        refused(&said, 2, &[variable, value, "expected"]);
    }
}

#[test]
fn outputs_that_cannot_be_written_are_found_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = format!("json={}/no/such/folder/x", folder.path().display());
    let is_folder = format!("json={}", folder.path().display());
    for (out, reason) in [(missing, "No such file"), (is_folder, "it is a directory")] {
        // A target that nothing answers on: were the run to start, it would end with 101.
        let said = say(&[
            "run",
            "--scenario",
            "hello_light",
            "--grpc-target",
            "127.0.0.1:1",
            "--out",
            &out,
        ]);
        refused(&said, 2, &["cannot write the result", reason]);
    }
    let kept = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(kept, 0, "nothing is left behind");
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_said_before_the_run() {
    let program = env!("CARGO_BIN_EXE_loadgen");
    let command = format!(
        "ulimit -n 128; exec '{program}' run --scenario hello_light --connections 500 \
         --grpc-target 127.0.0.1:1"
    );
    let said: Said = std::process::Command::new("sh")
        .args(["-c", &command])
        .output()
        .expect("sh starts")
        .into();
    refused(
        &said,
        2,
        &["500 connections", "may have 128", "ulimit -n 5"],
    );
}

#[test]
fn run_alone_has_a_line_to_try() {
    for (flags, scenario) in [
        (&["run"][..], "hello_high"),
        (&["run", "--protocol", "websocket"], "echo_stress"),
    ] {
        let said = say(flags);
        let line = format!(
            "; try:\n  {} run --scenario {scenario} -d 5s\n",
            env!("CARGO_BIN_EXE_loadgen")
        );
        refused(&said, 2, &["error: name a FILE or a --scenario", &line]);
        assert_eq!(said.stderr.lines().count(), 2, "{said:?}");
    }
}

#[test]
fn run_with_a_target_alone_is_not_sent_elsewhere() {
    for flags in [
        ["run", "--target", "http://localhost:1"],
        ["run", "--tcp-target", "localhost:1"],
    ] {
        let said = say(&flags);
        refused(
            &said,
            2,
            &["error: name a FILE or a --scenario", "need neither"],
        );
        assert!(!said.stderr.contains("try"), "{said:?}");
    }
}

/// The shape of the file that the original framework read.
const ORIGINAL: &str = r#"{ "grpc_scenarios": [
    { "name": "tiny", "total_requests": 10, "concurrency": 2, "test_type": "hello" }
] }"#;

#[test]
fn a_protocol_alone_runs_the_test_config_of_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |flags: &[&str]| -> Said {
        loadgen(&["run"])
            .args(flags)
            .current_dir(folder.path())
            .output()
            .expect("loadgen starts")
            .into()
    };
    let said = run(&["--target", "both"]);
    refused(
        &said,
        2,
        &["no test-config.json", "run --scenario hello_high"],
    );

    fs::write(folder.path().join("test-config.json"), ORIGINAL).expect("a file");
    let notice = "running test-config.json of this folder";
    for flags in [&["--target", "both"], &["--protocol", "grpc"]] {
        let said = run(flags);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("10 planned"), "{said:?}");
        assert!(said.stderr.contains(notice), "{said:?}");
    }
    let said = run(&["--target", "both", "--quiet"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    // Only where nothing else is said.
    for flags in [&[][..], &["--target", "both", "--scenario", "tiny"]] {
        let said = run(flags);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(!said.stderr.contains(notice), "{said:?}");
    }
}

#[test]
fn unknown_scenarios_get_the_nearest_names() {
    let said = say(&["run", "--scenario", "hello_hihg"]);
    refused(&said, 104, &["hello_hihg", "hello_high"]);
    assert!(!said.stderr.contains("loadgen list"), "{said:?}");
    let said = say(&["run", "--scenario", "zzz"]);
    refused(&said, 104, &["zzz", "`loadgen list` shows them all"]);
}

/// Terminals are recorded by whatever runs the command.
#[test]
fn an_address_is_refused_without_its_secrets() {
    for (flag, variable) in [
        ("--otlp", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("--graphite", "GRAPHITE_URL"),
    ] {
        let given = "http://me:hunter22@a:1/?token=SECRET";
        let shown = "http://***@a:1/?token=***";
        let said = say(&["run", "-s", "hello_light", &format!("{flag}={given}")]);
        refused(&said, 2, &[flag, shown, "without user and password"]);
        let mut child = loadgen(&["run", "-s", "hello_light"]);
        let said = Said::from(child.env(variable, given).output().expect("loadgen starts"));
        refused(&said, 2, &[variable, shown, "without user and password"]);
    }
    for (given, shown) in [
        ("https://h:1/?token=SECRETSECRET", "https://h:1/?token=***"),
        ("http://me:hunter22@h:1", "http://***@h:1"),
    ] {
        let said = say(&["run", "-s", "hello_light", "--target", given]);
        refused(&said, 2, &["invalid target", shown]);
        assert!(!said.stderr.contains("SECRETSECRET"), "{said:?}");
        assert!(!said.stderr.contains("hunter22"), "{said:?}");
    }
}
