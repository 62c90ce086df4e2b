//! `loadgen doctor` on the machine that the tests run on, whatever that is.

mod common;

use common::{loadgen, say};

const CHECKS: [&str; 16] = [
    "open_files",
    "local_ports",
    "time_wait",
    "conntrack",
    "backlog",
    "buffers",
    "memory",
    "cpus",
    "cpu_quota",
    "governor",
    "idle_states",
    "halt_poll",
    "clock",
    "timer",
    "other_load",
    "build",
];

#[test]
fn text_has_every_check_and_fits_a_terminal() {
    let said = say(&["doctor"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    assert!(!said.stdout.contains('\x1b'), "no colour in a pipe");
    for name in CHECKS {
        let name = name.replace('_', " ");
        assert!(said.stdout.contains(&name), "`{name}` is not in {said:?}");
    }
    for line in said.stdout.lines().filter(|it| !it.contains("$ ")) {
        assert!(line.chars().count() < 80, "{line}");
    }
    let narrow = loadgen(&["doctor"]).env("COLUMNS", "60").output();
    let narrow = String::from_utf8(narrow.expect("loadgen starts").stdout).expect("UTF-8");
    // Commands and lines of files are as long as they are.
    let is_prose = |line: &&str| {
        let is_line_of_file = line.starts_with("  ") && !line.starts_with("   ");
        !is_line_of_file && !line.contains("$ ") && !line.contains("/etc/")
    };
    for line in narrow.lines().filter(is_prose) {
        assert!(line.chars().count() < 60, "{line}");
    }
}

#[test]
fn json_has_name_status_and_figures_of_every_check() {
    let said = say(&["doctor", "--json"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    let document = said.json();
    assert_eq!(document["schema"], "loadgen.doctor/1");
    let checks = document["checks"].as_array().expect("checks");
    let names: Vec<_> = checks.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, CHECKS);
    for check in checks {
        let status = check["status"].as_str().expect("a status");
        assert!(
            ["ok", "note", "warning", "unknown"].contains(&status),
            "{check}"
        );
        assert!(check["found"].is_object(), "{check}");
        assert!(check["limits"].is_string(), "{check}");
        let mut commands = check["commands"].as_array().expect("commands").iter();
        assert!(commands.all(serde_json::Value::is_string), "{check}");
        for keep in check["permanent"].as_array().expect("permanent") {
            assert!(keep["file"].is_string() && keep["line"].is_string());
        }
    }
    assert!(document["summary"]["text"].is_string());
    let found = |name: &str| {
        let check = checks.iter().find(|it| it["name"] == name);
        &check.expect("it is there")["found"]
    };
    assert!(found("clock")["ns_per_read"].as_f64().expect("measured") > 0.0);
    let late = &found("timer")["late_us"];
    let us = |key: &str| late[key].as_f64().expect(key);
    assert!(us("p50") <= us("p99") && us("p99") <= us("max"), "{late}");
}

#[test]
fn a_low_limit_of_open_files_is_found() {
    let program = env!("CARGO_BIN_EXE_loadgen");
    let said: common::Said = std::process::Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -n 512; exec '{program}' doctor --json"),
        ])
        .output()
        .expect("sh starts")
        .into();
    assert_eq!(said.code, Some(0), "whatever is found");
    let document = said.json();
    let files = &document["checks"][0];
    assert_eq!(files["status"], "warning");
    assert_eq!(files["found"]["hard"], 512);
    assert_eq!(files["commands"][0], "ulimit -n 1048576");
    assert_eq!(document["summary"]["first_limit"], "open_files");
}

#[test]
fn it_takes_no_arguments() {
    let said: common::Said = loadgen(&["doctor", "me"])
        .output()
        .expect("loadgen starts")
        .into();
    assert_eq!(said.code, Some(2), "{said:?}");
}
