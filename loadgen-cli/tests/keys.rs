//! Keys that are pressed while a run is watched, at a terminal of its own.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{Guard, assert_balances};
use serde_json::{Value, json};
use signal_hook::consts::SIGQUIT;
use tempfile::TempDir;

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

/// A run that is watched at a terminal, by a shell that gives it the terminal and asks for its modes after each of its
/// jobs; nothing but the run puts them back.
struct Watched {
    keys: ChildStdin,
    shown: Shown,
    _child: Guard,
    _folder: TempDir,
    out: PathBuf,
}

impl Watched {
    /// `then` is what the shell does after the run, or when that was stopped.
    fn run(duration: &str, then: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, out) = (
            folder.path().join("suite.json"),
            folder.path().join("out.json"),
        );
        let suite = json!({
            "backends": { "serve": "http", "b1": { "delay": "1s" } },
            "scenarios": [{
                "name": "s",
                "load": { "open": { "rate": "50/s", "duration": duration } },
                "steps": [{ "http": { "path": "/hello" } }],
            }],
        });
        fs::write(&file, suite.to_string()).expect("the file is written");
        let command = format!(
            "set -m; '{}' run '{}' --out json='{}'; echo \"ended $?\"; {then}",
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
        let keys = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..count].to_vec());
            }
        });
        let mut this = Self {
            keys,
            shown: Shown {
                pieces,
                text: String::new(),
            },
            _child: Guard(child),
            _folder: folder,
            out,
        };
        this.shown.until("measuring");
        this
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("somebody reads");
    }

    /// Forgets what was shown so far.
    fn forget(&mut self) {
        self.shown.text.clear();
    }

    /// What the shell's next `stty -a` must say.
    #[track_caller]
    fn is_as_it_was(&mut self) {
        self.shown.until("icanon");
        self.shown.until("echoe");
        let said = self.shown.text.rsplit("speed ").next();
        let after = said.expect("what stty says");
        assert!(
            !after.contains("-icanon") && !after.contains("-echo "),
            "{after}"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for, which has no other clock"
)]
fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn a_key_sets_a_mark_and_the_terminal_is_as_it_was() {
    let mut run = Watched::run("4s", "stty -a");
    // What is typed for a shell is no mark, nor is what an arrow says.
    run.press(b"make mm\x1b[1;2m");
    pause(300);
    run.press(b"x");
    pause(300);
    run.press(b"m");
    run.shown.until("mark 1 at ");
    run.press(b"M");
    run.shown.until("mark 2 at ");
    run.shown.until("ended 0");
    run.is_as_it_was();
    let text = fs::read_to_string(&run.out).expect("the result");
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

#[test]
fn keys_change_the_run() {
    let mut run = Watched::run("60s", "stty -a");
    let mut press = |keys: &[u8], shown: &str| {
        run.press(keys);
        run.shown.until(shown);
        run.forget();
    };
    press(b"?", "hides this");
    press(b"?", "all keys");
    press(b"p", "pause at ");
    press(b"", "paused");
    press(b"p", "resume at ");
    press(b"+", "rate 55/s at ");
    press(b"", "55/s as told");
    press(b"1", "not done: ");
    press(b"n", "note: ");
    press(
        b"deploy of b2, p and s\x7f\x7f\x7f\x7f\x7f\x7f",
        "deploy of b2, p▏",
    );
    press(b"\r", "deploy of b2, p at ");
    press(b"s", "stop?");
    press(b"q", "all keys");
    press(b"s", "stop?");
    press(b"y", "stopping: what is under way may finish");
    run.shown.until("ended 105");
    run.is_as_it_was();
    let text = fs::read_to_string(&run.out).expect("the result");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_balances(&document);
    assert_eq!(document["run"]["stopped"], true);
    let events = document["scenarios"][0]["events"].as_array().expect("some");
    let said: Vec<_> = events
        .iter()
        .map(|it| (&it["action"], &it["event"]))
        .collect();
    let expected = [
        ("pause", "pause"),
        ("resume", "resume"),
        ("rate", "rate 55/s"),
        ("mark", "deploy of b2, p"),
        ("stop", "stop"),
    ];
    let expected = expected.map(|(action, event)| (json!(action), json!(event)));
    assert_eq!(
        said,
        expected.each_ref().map(|(action, event)| (action, event))
    );
}

#[test]
fn the_terminal_is_as_it_was_after_the_third_ctrl_c() {
    // Those that come at once are one, and after the second the run soon ends by itself.
    let mut attempts = (0..20).map(|nth| {
        let mut run = Watched::run("30s", "stty -a");
        run.press(b"\x03");
        run.shown.until("stopping: ");
        run.press(b"\x03");
        pause(1 + nth % 5);
        run.press(b"\x03");
        run.shown.until("ended 105");
        run
    });
    // Only the third leaves no result.
    let ended = attempts.find(|run| !run.out.exists());
    ended.expect("one that the third ended").is_as_it_was();
}

#[test]
fn the_terminal_is_as_it_was_after_ctrl_backslash() {
    // Tests that run in a shell's background would hand down that it is ignored; what is caught here is as usual there.
    signal_hook::flag::register(SIGQUIT, Arc::default()).expect("it may be caught");
    let mut run = Watched::run("30s", "stty -a");
    run.press(b"\x1c");
    // Ended by signal 3.
    run.shown.until("ended 131");
    run.is_as_it_was();
}

#[test]
fn the_terminal_is_as_it_was_while_the_run_is_stopped() {
    let mut run = Watched::run("6s", "stty -a; fg; echo \"again $?\"; stty -a");
    run.press(b"\x1a");
    // Stopped by some signal.
    run.shown.until("ended 1");
    run.is_as_it_was();
    run.forget();
    // It goes on, and takes keys again.
    run.shown.until("measuring");
    run.press(b"m");
    run.shown.until("mark 1 at ");
    run.shown.until("again 0");
    run.is_as_it_was();
}
