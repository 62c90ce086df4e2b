//! Keys that are pressed while a run is watched, at a terminal of its own.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::Guard;
use serde_json::{Value, json};

/// What a terminal shows.
struct Shown {
    pieces: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Shown {
    #[expect(
        clippy::disallowed_methods,
        reason = "another process is waited for, which has no other clock"
    )]
    fn until(&mut self, wanted: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.text.contains(wanted) {
            let rest = until.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(rest);
            let piece = piece.unwrap_or_else(|_| panic!("no `{wanted}` in {:?}", self.text));
            self.text.push_str(&String::from_utf8_lossy(&piece));
        }
    }
}

#[test]
fn a_key_sets_a_mark_and_the_terminal_is_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, out) = (
        folder.path().join("suite.json"),
        folder.path().join("out.json"),
    );
    let suite = json!({
        "backends": { "serve": "http", "b1": {} },
        "scenarios": [{
            "name": "s",
            "load": { "open": { "rate": "50/s", "duration": "4s" } },
            "steps": [{ "http": { "path": "/hello" } }],
        }],
    });
    fs::write(&file, suite.to_string()).expect("the file is written");
    let command = format!(
        "'{}' run '{}' --out json='{}'; stty -a",
        env!("CARGO_BIN_EXE_loadgen"),
        file.display(),
        out.display()
    );
    // It has a terminal for whom it runs, and hands on what comes in.
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is `script`, of bsdutils");
    let mut keys = child.stdin.take().expect("a pipe");
    let mut output = child.stdout.take().expect("a pipe");
    let (sender, pieces) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let _ = sender.send(buffer[..count].to_vec());
        }
    });
    let _child = Guard(child);
    let mut shown = Shown {
        pieces,
        text: String::new(),
    };
    shown.until("m sets a mark");
    keys.write_all(b"xm").expect("somebody reads");
    shown.until("mark 1 at ");
    keys.write_all(b"M").expect("somebody reads");
    shown.until("mark 2 at ");
    shown.until("icanon");
    shown.until("echoe");
    let after = shown.text.rsplit("speed ").next().expect("what stty says");
    assert!(
        !after.contains("-icanon") && !after.contains("-echo "),
        "{after}"
    );
    let text = fs::read_to_string(&out).expect("the result");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let events = document["scenarios"][0]["events"]
        .as_array()
        .expect("events");
    let said: Vec<&str> = events
        .iter()
        .filter_map(|it| it["event"].as_str())
        .collect();
    assert_eq!(said, ["mark 1", "mark 2"]);
    for event in events {
        assert_eq!(event["action"], "mark");
        assert!(
            (0.0..4.5).contains(&event["done_s"].as_f64().expect("a time")),
            "{event}"
        );
        assert!(event.get("at_s").is_none(), "{event}");
    }
}
