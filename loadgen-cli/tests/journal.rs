//! Journals: what is left of runs that are killed, and of those that are not.

mod common;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Guard, Said, assert_balances, finish, loadgen, say};
use test_case::test_case;

const SOON: Duration = Duration::from_secs(30);
/// How many iterations a second there are.
const RATE: u64 = 200;

/// A run of a minute whose journal is in this folder.
fn long_run(folder: &Path, flags: &[&str]) -> Guard {
    let rate = format!("{RATE}/s");
    let mut command = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-r",
        &rate,
        "-d",
        "60s",
        "--journal",
    ]);
    command.arg(folder).args(flags);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Guard(child.expect("loadgen starts"))
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "journal"));
    paths.sort();
    paths
}

fn wait(ms: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test waits for another process"
    )]
    thread::sleep(Duration::from_millis(ms));
}

/// Waits until there are so many journals.
fn wait_for_journals(folder: &Path, number: usize) -> Vec<PathBuf> {
    for _ in 0..3_000 {
        let found = journals(folder);
        if found.len() == number {
            return found;
        }
        wait(10);
    }
    panic!("there were never {number} journals in {}", folder.display());
}

fn report(path: &Path, flags: &[&str]) -> Said {
    let mut command = loadgen(&["report"]);
    let output = command.arg(path).args(flags).output();
    output.expect("loadgen starts").into()
}

fn kill(run: &mut Guard) {
    run.0.kill().expect("it is there");
    run.0.wait().expect("it ends");
}

/// Stands for StatsD, which loadgen tells of what has come since it told last: what had completed by each of
/// these moments.
fn completed_by_second(socket: &UdpSocket) -> Vec<u64> {
    socket.set_nonblocking(true).expect("a socket");
    let mut sums = vec![0];
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        for line in String::from_utf8_lossy(&buffer[..length]).lines() {
            if let Some(value) = line.strip_prefix("loadgen.hello_light.completed:") {
                let more: u64 = value.trim_end_matches("|c").parse().expect("a count");
                sums.push(sums[sums.len() - 1] + more);
            }
        }
    }
    sums
}

/// Kills a run at any moment, and holds its journal against what had been sent to StatsD by then.
fn kill_after(ms: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let statsd = socket.local_addr().expect("an address").to_string();
    let mut run = long_run(folder.path(), &["--statsd", &statsd]);
    wait_for_journals(folder.path(), 1);
    wait(ms);
    kill(&mut run);
    let said = report(folder.path(), &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_eq!(document["run"]["cut_off"], true, "{document}");
    assert_ne!(document["verdict"]["status"], "pass", "{document}");
    assert_balances(&document);
    let scenario = &document["scenarios"][0];
    let completed = scenario["ledger"]["completed"].as_u64().expect("completed");
    let told = completed_by_second(&socket);
    // A journal is written at the moment at which StatsD is told: the kill may have come between the two.
    let last = told.iter().rev().take(2);
    let is_known = last.clone().any(|it| *it == completed);
    let most = told[told.len() - 1] + RATE * 2;
    let is_next = completed > told[told.len() - 1] && completed < most;
    assert!(
        is_known || is_next,
        "after {ms} ms: {completed} of {told:?}"
    );
    let lasted = document["run"]["duration_s"].as_f64().expect("a duration");
    assert_eq!(lasted > 0.0, completed > 0, "{document}");
    let points = scenario["series"].as_array().expect("a series");
    let in_points = points.iter().filter_map(|it| it["completed"].as_u64());
    assert_eq!(in_points.sum::<u64>(), completed, "{document}");
}

/// `just test-kills` does it fifty times.
#[test]
fn a_run_that_is_killed_leaves_what_it_had_counted() {
    let times = std::env::var("LOADGEN_KILLS");
    let times: u64 = times.map_or(5, |it| it.parse().expect("a number"));
    for time in 0..times {
        // Spread over more than four seconds, and never at the same moment of one.
        kill_after(time * 1_618 % 4_243);
    }
}

#[test]
fn the_summary_says_that_it_was_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("notes.txt"), "mine").expect("a file");
    let mut run = long_run(folder.path(), &[]);
    let journal = wait_for_journals(folder.path(), 1).remove(0);
    wait(2_500);
    kill(&mut run);
    for path in [&journal, folder.path()] {
        let said = report(path, &[]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.stdout.starts_with("CUT OFF  hello_light in "),
            "{said:?}"
        );
        assert!(
            said.stdout.contains("because the run was cut off"),
            "{said:?}"
        );
        assert_eq!(said.stderr, "");
    }
    let result = folder.path().join("r.json");
    let to = format!("json={}", result.display());
    assert_eq!(report(folder.path(), &["-o", &to, "--quiet"]).code, Some(0));
    // Of the document made of it the same is told.
    assert_eq!(report(&result, &[]).stdout, report(&journal, &[]).stdout);
}

#[test]
fn a_run_under_way_is_told_of_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = long_run(folder.path(), &[]);
    let journal = wait_for_journals(folder.path(), 1).remove(0);
    let said = report(&journal, &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr
            .contains("is still under way; this is what there is of it now"),
        "{said:?}"
    );
    assert_eq!(said.json()["run"]["cut_off"], true);
    kill(&mut run);
}

#[test]
fn two_runs_keep_theirs_in_the_same_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut runs = [long_run(folder.path(), &[]), long_run(folder.path(), &[])];
    let journals = wait_for_journals(folder.path(), 2);
    runs.iter_mut().for_each(kill);
    let said = report(folder.path(), &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let both = journals
        .iter()
        .map(|it| format!("\n  loadgen report {}", it.display()));
    let expected = format!(
        "error: {} has the journals of 2 runs; say which:{}\n",
        folder.path().display(),
        both.collect::<String>()
    );
    assert_eq!(said.stderr, expected);
    for journal in &journals {
        assert_eq!(report(journal, &[]).code, Some(0));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|it| it.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|it| it.into_string().expect("a text")).collect();
    names.sort();
    names
}

/// A short run with its result in `r.json` of this folder.
fn short_run(folder: &Path, flags: &[&str]) -> Said {
    let result = format!("json={}", folder.join("r.json").display());
    say(&[
        &["run", "-s", "hello_light", "-n", "50", "-q", "-o", &result],
        flags,
    ]
    .concat())
}

#[test]
fn once_the_result_stands_the_journal_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = short_run(folder.path(), &[]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
    assert_eq!(names(folder.path()), ["r.json"]);
    let journals = folder.path().join("journals");
    fs::create_dir(&journals).expect("a folder");
    fs::write(journals.join("notes.txt"), "mine").expect("a file");
    let flags = ["--journal", journals.to_str().expect("a text")];
    assert_eq!(short_run(folder.path(), &flags).code, Some(0));
    assert_eq!(names(&journals), ["notes.txt"]);
}

/// A report carries the result, and is read as one.
#[test_case("json", "r.json"; "the document")]
#[test_case("html", "r.html"; "a report")]
fn the_journal_of_a_killed_run_is_beside_its_result(kind: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join(name);
    let to = format!("{kind}={}", result.display());
    let mut command = loadgen(&["run", "-s", "hello_light", "-d", "60s", "-q", "-o", &to]);
    let mut run = Guard(command.spawn().expect("loadgen starts"));
    let beside = folder.path().join(format!("{name}.journal"));
    wait_for_journals(&beside, 1);
    kill(&mut run);
    assert_eq!(report(&beside, &["--json"]).json()["run"]["cut_off"], true);
    let said = report(&result, &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let expected = format!(
        "error: there is no result {}, but a journal of its run: `loadgen report {}`\n",
        result.display(),
        beside.display()
    );
    assert_eq!(said.stderr, expected);
    // The next run says so too, and leaves it.
    let said = say(&["run", "-s", "hello_light", "-n", "50", "-o", &to]);
    assert!(
        said.stderr
            .contains("a run that was cut off left its journal: `loadgen report "),
        "{said:?}"
    );
    assert_eq!(journals(&beside).len(), 1);
    let mut names = names(folder.path());
    // What the killed run had made ready for its result.
    names.retain(|it| !it.ends_with(".part"));
    assert_eq!(names, [name.to_owned(), format!("{name}.journal")]);
}

#[test]
fn without_a_file_of_results_the_journal_has_the_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let within = folder.path().join("journals");
    let flags = ["--json", "--journal", within.to_str().expect("a text")];
    let ran = say(&[&["run", "-s", "hello_light", "-n", "50", "-q"][..], &flags].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let said = report(&within, &["--json"]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
    assert_eq!(said.json(), ran.json());
    assert_eq!(said.json()["run"].get("cut_off"), None);
}

#[test]
fn none_is_kept_where_none_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = format!("json={}", folder.path().join("r.json").display());
    let flags = [
        "run",
        "-s",
        "hello_light",
        "-d",
        "60s",
        "-q",
        "--no-journal",
        "-o",
        &to,
    ];
    let mut run = Guard(loadgen(&flags).spawn().expect("loadgen starts"));
    wait(2_000);
    kill(&mut run);
    assert!(!folder.path().join("r.json.journal").exists());
    let said = say(&[
        "run",
        "-s",
        "hello_light",
        "-n",
        "1",
        "--no-journal",
        "--journal",
        "x",
    ]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

/// What cannot be had is told before the run.
#[test_case(&["file"], "it is a file; expected a folder"; "a file")]
#[test_case(&["file", "within"], "Not a directory (os error 20)"; "within a file")]
#[test_case(&["/proc", "loadgen"], "No such file or directory (os error 2)"; "where nothing can be made")]
fn a_folder_that_cannot_be_had_is_refused(parts: &[&str], why: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "mine").expect("a file");
    let path = parts
        .iter()
        .fold(folder.path().to_owned(), |path, it| path.join(it));
    let output = loadgen(&["run", "-s", "hello_light", "-n", "1", "--journal"])
        .arg(&path)
        .output();
    let said = Said::from(output.expect("loadgen starts"));
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    let expected = format!(
        "error: cannot keep a journal in {}: {why}; name another folder, or keep none (`--no-journal`)\n",
        path.display()
    );
    assert_eq!(said.stderr, expected);
}

/// As on a disk that is full: the limit holds for files, and not for the pipe that the result goes to.
fn with_room(blocks: u32, folder: &Path) -> Child {
    let script = format!(
        "ulimit -f {blocks}; exec \"$0\" run -s hello_light -r 200/s -d 4s --json --journal \"$1\""
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .arg(env!("CARGO_BIN_EXE_loadgen"))
        .arg(folder);
    command.env_remove("COLUMNS").stdin(Stdio::null());
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.expect("there is a shell")
}

/// Whether it is full before the run or becomes so.
#[test_case(0)]
#[test_case(24)]
fn a_full_disk_ends_the_journal_and_not_the_run(blocks: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let said = finish(with_room(blocks, folder.path()), SOON);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()["scenarios"][0]["ledger"]["completed"], 4 * RATE);
    let warnings = said.stderr.matches("the run goes on without one").count();
    assert_eq!(warnings, 1, "{said:?}");
    assert!(said.stderr.contains("File too large"), "{said:?}");
}

#[test]
fn a_folder_without_a_journal_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("r.json"), "{}").expect("a file");
    let said = report(folder.path(), &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.ends_with("is a folder without a journal of a run; expected a result document, a journal, or the folder of one\n"),
        "{said:?}"
    );
}
