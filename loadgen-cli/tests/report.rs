//! `loadgen report`: what it tells of a run that is over, and what it does not take for one.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Said, loadgen, say};
use tempfile::TempDir;

/// A run that is over: what it printed, and its document in a file.
struct Ran {
    folder: TempDir,
    said: Said,
}

impl Ran {
    fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let said = loadgen(&["run", "-s", "hello_light", "--out", "json=result.json"])
            .args(flags)
            .current_dir(&folder)
            .output()
            .expect("loadgen starts");
        let said = Said::from(said);
        Self { folder, said }
    }

    fn result(&self) -> PathBuf {
        self.folder.path().join("result.json")
    }

    fn written(&self) -> String {
        fs::read_to_string(self.result()).expect("the file")
    }

    fn report(&self, flags: &[&str]) -> Said {
        let said = loadgen(&["report", "result.json"])
            .args(flags)
            .current_dir(&self.folder)
            .output();
        said.expect("loadgen starts").into()
    }
}

/// A file of this content, and what is said of it.
fn report_of(content: &str) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("r.json"), content).expect("the file is written");
    let said = loadgen(&["report", "r.json"]).current_dir(&folder).output();
    said.expect("loadgen starts").into()
}

#[test]
fn the_summary_is_the_one_that_the_run_printed() {
    let ran = Ran::with(&[]);
    let said = ran.report(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, ran.said.stdout);
    assert_eq!(said.stderr, "");
    let narrow = loadgen(&["report", "result.json"])
        .env("COLUMNS", "50")
        .current_dir(&ran.folder)
        .output();
    let narrow = Said::from(narrow.expect("loadgen starts"));
    assert!(
        narrow.stdout.lines().all(|it| it.chars().count() <= 50),
        "{narrow:?}"
    );
}

#[test]
fn the_document_is_the_one_that_the_run_wrote() {
    let ran = Ran::with(&[]);
    let said = ran.report(&["--json", "--out", "json=copy.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, ran.written());
    let copy = fs::read_to_string(ran.folder.path().join("copy.json")).expect("the copy");
    assert_eq!(copy, ran.written());
}

#[test]
fn a_failed_run_is_told_of_with_success() {
    let ran = Ran::with(&[
        "--set",
        r#"scenarios.hello_light.thresholds=["error_rate > 50%"]"#,
    ]);
    assert_eq!(ran.said.code, Some(99), "{:?}", ran.said);
    let said = ran.report(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, ran.said.stdout);
}

#[test]
fn quiet_writes_files_only() {
    let ran = Ran::with(&["-q"]);
    let said = ran.report(&["-q", "-o", "json=copy.json"]);
    assert_eq!((said.code, &*said.stdout, &*said.stderr), (Some(0), "", ""));
    let copy = fs::read_to_string(ran.folder.path().join("copy.json")).expect("the copy");
    assert_eq!(copy, ran.written());
}

#[test]
fn a_result_on_standard_input() {
    let ran = Ran::with(&[]);
    let said = loadgen(&["report", "-"])
        .stdin(Stdio::from(fs::File::open(ran.result()).expect("the file")))
        .output();
    let said = Said::from(said.expect("loadgen starts"));
    assert_eq!((said.code, said.stdout), (Some(0), ran.said.stdout));
}

/// One message each, with exit code 2.
#[test]
fn what_is_no_result_is_refused() {
    let whole = Ran::with(&["-q"]).written();
    let cut_off = &whole[..whole.len() / 2];
    let other_version = whole.replacen("loadgen.result/1", "loadgen.result/2", 1);
    let wrong_type = whole.replacen("\"planned\": ", "\"planned\": -", 1);
    for (content, expected) in [
        ("", "it is empty; expected a result document"),
        (
            "{\n  \"schema\": oops\n}",
            "it is no JSON: line 2, column 13: ",
        ),
        (cut_off, "it is cut off: it ends at line "),
        (
            r#"{ "scenarios": [] }"#,
            "it is no result of a run: it has no `schema`",
        ),
        (
            &other_version,
            "it is of another version: its `schema` is `loadgen.result/2`, expected `loadgen.result/1`",
        ),
        (&wrong_type, "it is no whole result: line "),
    ] {
        let said = report_of(content);
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
        let begin = format!("error: failed to read the result r.json: {expected}");
        assert!(said.stderr.starts_with(&begin), "`{expected}`: {said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    }
}

#[test]
fn what_cannot_be_read_or_written_is_refused() {
    let ran = Ran::with(&["-q"]);
    let none = say(&["report", "no/such/result.json"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    let expected = "error: failed to read the result no/such/result.json: No such file";
    assert!(none.stderr.starts_with(expected), "{none:?}");

    let folder = say(&["report", &Path::new("/").display().to_string()]);
    assert_eq!(folder.code, Some(2), "{folder:?}");
    assert!(
        folder
            .stderr
            .contains("/ is a folder without a journal of a run"),
        "{folder:?}"
    );

    let nowhere = ran.report(&["-o", "json=no/such/copy.json"]);
    assert_eq!(
        (nowhere.code, &*nowhere.stdout),
        (Some(2), ""),
        "{nowhere:?}"
    );
    let expected = "error: cannot write the result to no/such/copy.json: ";
    assert!(nowhere.stderr.starts_with(expected), "{nowhere:?}");

    let kind = ran.report(&["-o", "xml=copy"]);
    assert_eq!(kind.code, Some(2), "{kind:?}");
    assert!(kind.stderr.contains("unknown kind `xml`"), "{kind:?}");
}

/// The same from the run itself and from its document.
#[test]
fn files_of_every_kind() {
    let kinds = ["csv", "hlog", "junit", "markdown"];
    let flags = |name: &str| {
        let of = |kind: &&str| format!("--out={kind}={name}.{kind}");
        kinds.iter().map(of).collect::<Vec<String>>()
    };
    let (by_run, by_report) = (flags("run"), flags("report"));
    let by_run: Vec<&str> = by_run.iter().map(String::as_str).collect();
    let ran = Ran::with(&by_run);
    let by_report: Vec<&str> = by_report.iter().map(String::as_str).collect();
    let said = ran.report(&by_report);
    assert_eq!(said.code, Some(0), "{said:?}");
    let read = |name: &str, kind: &str| {
        let path = ran.folder.path().join(format!("{name}.{kind}"));
        fs::read_to_string(path).expect("the file")
    };
    for (kind, begins) in kinds.iter().zip([
        "span,scenario,protocol,step,t_s,",
        "#[Histogram log format version 1.3]\n",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ",
        "## ",
    ]) {
        assert!(read("run", kind).starts_with(begins), "{kind}");
        assert_eq!(read("run", kind), read("report", kind), "{kind}");
    }
}
