//! Shards of a run, each a process of its own, and what merging their results makes of them.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Guard, Said, Server, assert_balances, loadgen, say};
use loadgen_core::record::Sparse;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_case::test_case;

/// A suite of an open and of a closed model, with conditions that are of the whole.
fn suite(target: &str) -> String {
    let hello = json!([{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}]);
    json!({"scenarios": [
        {
            "name": "arrive", "targets": [target], "steps": hello, "connections": 4,
            "load": {"open": {"rate": "403/s", "duration": "2s"}},
            "thresholds": ["error_rate < 1%", "throughput > 350/s", "planned == 806"],
        },
        {
            "name": "count", "targets": [target], "steps": hello,
            "load": {"closed": {"users": 6, "iterations": 1001}},
            "thresholds": ["completed == 1001", "response_time.p99 < 10s"],
        },
    ]})
    .to_string()
}

/// A folder with that suite, and a server for it.
fn stage() -> (TempDir, Server) {
    let server = Server::start(&["--id", "one"]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("suite.json"), suite(&server.address)).expect("it is written");
    (folder, server)
}

/// Carries out these shards at the same time, each with its result in `out/INDEX.json`.
fn carry_out(folder: &Path, indexes: &[u32], count: u32) {
    fs::create_dir_all(folder.join("out")).expect("a folder");
    let spawn = |index: &u32| {
        let (shard, out) = (format!("{index}/{count}"), format!("json=out/{index}.json"));
        let mut command = loadgen(&[
            "run",
            "suite.json",
            "--workers",
            "1",
            "--shard",
            &shard,
            "--out",
            &out,
        ]);
        let command = command.current_dir(folder);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        child.expect("loadgen starts")
    };
    let children: Vec<_> = indexes.iter().map(spawn).collect();
    for child in children {
        let said = Said::from(child.wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(0), "{said:?}");
        // No condition is judged of a part.
        assert!(!said.stdout.starts_with("PASS"), "{said:?}");
        let told = "the verdict is of the whole run: `loadgen merge` of the results of all shards tells it";
        assert!(said.stderr.lines().any(|it| it == told), "{said:?}");
    }
}

fn in_folder(folder: &TempDir, args: &[&str]) -> Said {
    let said = loadgen(args).current_dir(folder).output();
    said.expect("loadgen starts").into()
}

fn document(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the file");
    serde_json::from_str(&text).expect("a document")
}

/// The buckets of a histogram in a document, and how many samples each has.
fn buckets(histogram: &Value) -> BTreeMap<u64, u64> {
    let text = histogram.as_str().expect("a histogram");
    let sparse = Sparse::from_text(text).expect("a histogram's text");
    sparse.counts().collect()
}

fn number(of: &Value) -> u64 {
    of.as_u64().unwrap_or_else(|| panic!("{of} is no count"))
}

/// `wait` for others, in a test.
fn wait(ms: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test waits for another process"
    )]
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn what_is_merged_is_the_sum_of_the_shards() {
    let (folder, _server) = stage();
    carry_out(folder.path(), &[0, 1, 2, 3], 4);
    let said = in_folder(
        &folder,
        &[
            "merge",
            "out",
            "--json",
            "--out",
            "json=whole.json",
            "--out",
            "html=whole.html",
        ],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let merged = said.json();
    assert_eq!(document(&folder.path().join("whole.json")), merged);
    // A machine that is busy with other tests may be in the way.
    assert_ne!(merged["verdict"]["status"], "fail", "{}", merged["verdict"]);
    assert_balances(&merged);
    // What is passed over of a folder is told, but for whoever asked for errors only.
    fs::copy(
        folder.path().join("whole.json"),
        folder.path().join("out/whole.json"),
    )
    .expect("a copy");
    fs::write(folder.path().join("out/other.json"), "{}").expect("it is written");
    let passing = in_folder(&folder, &["merge", "out", "--json"]);
    for file in [
        "whole.json: it was merged already",
        "other.json: it is no result",
    ] {
        let what = format!("passing over out/{file}");
        assert!(passing.stderr.contains(&what), "{passing:?}");
    }
    let quiet = in_folder(&folder, &["merge", "out", "-q"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let shards: Vec<Value> = (0..4)
        .map(|it| document(&folder.path().join(format!("out/{it}.json"))))
        .collect();
    for (index, shard) in shards.iter().enumerate() {
        let part = &shard["run"]["shard"];
        assert_eq!((&part["index"], &part["count"]), (&json!(index), &json!(4)));
        assert_eq!(shard["scenarios"][0]["thresholds"], json!([]));
    }
    for place in 0..2 {
        let of = |it: &Value| it["scenarios"][place].clone();
        let whole = of(&merged);
        for word in [
            "planned",
            "started",
            "completed",
            "failed",
            "interrupted",
            "dropped",
            "late",
        ] {
            let sum: u64 = shards
                .iter()
                .map(|it| number(&of(it)["ledger"][word]))
                .sum();
            assert_eq!(number(&whole["ledger"][word]), sum, "{word}");
        }
        for shard in &shards {
            // By the plan, to the arrival and the iteration.
            let slice = &shard["run"]["shard"]["slices"][place];
            assert_eq!(slice["planned"], of(shard)["ledger"]["planned"], "{slice}");
        }
        for times in ["response_time_us", "service_time_us"] {
            let mut sum: BTreeMap<u64, u64> = BTreeMap::new();
            for shard in &shards {
                for (bucket, count) in buckets(&of(shard)[times]["histogram"]) {
                    *sum.entry(bucket).or_default() += count;
                }
            }
            assert_eq!(buckets(&whole[times]["histogram"]), sum, "{times}");
        }
        let points = |it: &Value, word: &str| -> u64 {
            let series = it["series"].as_array().expect("a series");
            series.iter().map(|it| number(&it[word])).sum()
        };
        let sum: u64 = shards.iter().map(|it| points(&of(it), "completed")).sum();
        assert_eq!(points(&whole, "completed"), sum);
        assert_eq!(whole["backends"][0]["id"], "one");
        assert_eq!(
            whole["backends"][0]["completed"],
            whole["ledger"]["completed"]
        );
    }
    let conditions = merged["scenarios"][0]["thresholds"]
        .as_array()
        .expect("conditions");
    assert_eq!(conditions.len(), 3);
    assert!(
        conditions.iter().all(|it| it["pass"] == true),
        "{conditions:?}"
    );
    assert_eq!(
        merged["scenarios"][0]["connections"]["opened"], 4,
        "of 4 in the plan each has one"
    );
    let of_run = &merged["run"]["shards"];
    assert_eq!(
        (&of_run["count"], &of_run["missing_share"]),
        (&json!(4), &json!(0.0))
    );
    assert_eq!(of_run["merged"].as_array().map(Vec::len), Some(4));
    assert_eq!(merged["run"]["generator"]["workers"], 4);
    // What is merged is a result as any other.
    let summary = in_folder(&folder, &["report", "whole.html"]);
    assert!(summary.stdout.contains("shards"), "{summary:?}");
    assert!(summary.stdout.contains("all 4 merged"), "{summary:?}");
    let compared = in_folder(
        &folder,
        &["compare", "--force=invalid", "whole.json", "whole.html"],
    );
    assert_eq!(compared.code, Some(0), "{compared:?}");
    let unlike = in_folder(&folder, &["compare", "whole.json", "out/0.json"]);
    assert!(
        unlike
            .stderr
            .contains("`shard` is not there in whole.json and 0 of 4 in out/0.json"),
        "{unlike:?}"
    );
}

#[test]
fn a_lost_shard_is_in_the_verdict() {
    let (folder, _server) = stage();
    carry_out(folder.path(), &[0, 2, 3], 4);
    let said = in_folder(&folder, &["merge", "out", "--json"]);
    let merged = said.json();
    let reasons = merged["verdict"]["reasons"].to_string();
    assert!(
        reasons.contains("shard 1 of 4 is missing, and with it 2"),
        "{reasons}"
    );
    assert_eq!(merged["run"]["shards"]["missing"], json!([1]));
    assert_eq!(merged["verdict"]["status"], "invalid", "{reasons}");
    // A count that is too low for want of it does not hold all the same.
    assert_eq!(said.code, Some(99), "{said:?}");
    let strict = in_folder(&folder, &["merge", "out", "--strict", "--quiet"]);
    assert_eq!(
        (strict.code, strict.stdout.as_str()),
        (Some(100), ""),
        "{strict:?}"
    );
}

/// What it had measured is in its journal.
#[test]
fn a_shard_that_was_killed_is_merged_from_its_journal() {
    let (folder, _server) = stage();
    fs::create_dir_all(folder.path().join("out")).expect("a folder");
    let shard = |index: u32| {
        let shard = format!("{index}/2");
        let out = format!("json=out/{index}.json");
        let args = [
            "run",
            "suite.json",
            "-s",
            "arrive",
            "-d",
            "4s",
            "--workers",
            "1",
            "--shard",
            &shard,
            "--out",
            &out,
        ];
        let mut command = loadgen(&args);
        let child = command
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Guard(child.expect("loadgen starts"))
    };
    let (mut killed, mut other) = (shard(0), shard(1));
    wait(2_700);
    killed.0.kill().expect("it is there");
    killed.0.wait().expect("it ends");
    assert!(other.0.wait().expect("it ends").success());
    let named = ["merge", "out/1.json", "out/0.json.journal", "--json"];
    let merged = in_folder(&folder, &named).json();
    let of_folder = in_folder(&folder, &["merge", "out", "--json"]).json();
    assert_eq!(of_folder["scenarios"], merged["scenarios"]);
    // What came of it may lie beside what it was made of.
    let written = ["merge", "out", "-q", "-o", "json=out/whole.json"];
    assert_eq!(in_folder(&folder, &written).stdout, "");
    // A journal that was left behind by an earlier run is none of this one.
    let left = folder.path().join("out/1.json.journal");
    fs::create_dir(&left).expect("a folder");
    for journal in fs::read_dir(folder.path().join("out/0.json.journal")).expect("it is there") {
        let journal = journal.expect("it is there");
        fs::copy(journal.path(), left.join(journal.file_name())).expect("it is copied");
    }
    let again = in_folder(&folder, &["merge", "out", "--json"]);
    assert_eq!(again.json()["scenarios"], merged["scenarios"]);
    assert!(
        again.stderr.contains("it was merged already"),
        "{}",
        again.stderr
    );
    assert_eq!(
        merged["verdict"]["status"], "invalid",
        "{}",
        merged["verdict"]
    );
    let reasons = merged["verdict"]["reasons"].to_string();
    assert!(reasons.contains("shard 0 was cut off"), "{reasons}");
    assert!(
        reasons.contains("of the planned load is missing"),
        "{reasons}"
    );
    let ledger = &merged["scenarios"][0]["ledger"];
    let other =
        number(&document(&folder.path().join("out/1.json"))["scenarios"][0]["ledger"]["planned"]);
    assert!(number(&ledger["planned"]) > other, "{ledger}");
    let share = merged["run"]["shards"]["missing_share"]
        .as_f64()
        .expect("a share");
    assert!((0.05..0.5).contains(&share), "{share}");
    assert_balances(&merged);
}

/// Of two users the third shard has none.
#[test]
fn more_shards_than_users() {
    let server = Server::start(&[]);
    let args = [
        "grpc",
        &server.address,
        "loadgen.v1.Greeter/Hello",
        "-c",
        "2",
        "-n",
        "10",
        "--shard",
        "2/3",
        "--json",
    ];
    let said = say(&args);
    assert_eq!(said.code, Some(0), "{said:?}");
    let idle = "nothing of it is made by shard 2/3: it has 2 users, and there are 3 shards";
    assert!(said.stderr.contains(idle), "{said:?}");
    let document = said.json();
    assert_eq!(document["verdict"]["status"], "pass", "{document}");
    assert_eq!(document["scenarios"][0]["ledger"]["planned"], 0);
    assert_eq!(document["scenarios"][0]["connections"]["opened"], 0);
}

#[test_case("4/4" => "there is no shard 4 of 4: they are counted from 0, and the last one is 3/4")]
#[test_case("0/0" => "there cannot be 0 shards: expected 1 to 65536")]
#[test_case("x" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4; or `auto`")]
#[test_case("-1/4" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4; or `auto`"; "below the first")]
fn no_shard(shard: &str) -> String {
    let said = say(&["run", "-s", "hello_light", "--shard", shard]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    let told = said.stderr.lines().next().unwrap_or_default().to_owned();
    let (_, told) = told.split_once("': ").unwrap_or_else(|| panic!("{said:?}"));
    told.to_owned()
}

#[test]
fn whoever_starts_the_shards_says_which_it_is() {
    let auto = |variables: &[(&str, &str)]| {
        let args = [
            "run",
            "-s",
            "hello_light",
            "-n",
            "40",
            "--shard",
            "auto",
            "--json",
        ];
        let said = loadgen(&args).envs(variables.iter().copied()).output();
        Said::from(said.expect("loadgen starts"))
    };
    let nobody = auto(&[]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    for variable in [
        "JOB_COMPLETION_INDEX",
        "SLURM_PROCID",
        "OMPI_COMM_WORLD_RANK",
        "PMI_RANK",
    ] {
        assert!(nobody.stderr.contains(variable), "{nobody:?}");
    }
    let contradicting = [
        ("SLURM_PROCID", "0"),
        ("SLURM_NTASKS", "2"),
        ("PMI_RANK", "1"),
        ("PMI_SIZE", "2"),
    ];
    let contradicting = auto(&contradicting);
    assert_eq!(contradicting.code, Some(2), "{contradicting:?}");
    assert!(
        contradicting.stderr.contains("make this shard 0/2"),
        "{contradicting:?}"
    );
    let fourth = auto(&[("JOB_COMPLETION_INDEX", "3"), ("LOADGEN_SHARDS", "4")]);
    assert_eq!(fourth.code, Some(0), "{fourth:?}");
    let document = fourth.json();
    assert_eq!(document["run"]["shard"]["index"], 3);
    assert_eq!(document["scenarios"][0]["ledger"]["planned"], 10);
}

#[test]
fn a_suite_that_starts_servers_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = json!({"backends": {"serve": "grpc", "b1": {}}, "scenarios": [{
        "name": "s",
        "load": {"closed": {"users": 1, "iterations": 1}},
        "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
    }]});
    fs::write(folder.path().join("suite.json"), suite.to_string()).expect("it is written");
    let said = in_folder(&folder, &["run", "suite.json", "--shard", "0/2"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr
            .contains("the suite starts servers of its own (`backends`: b1)"),
        "{said:?}"
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |out: &str, flags: &[&str]| {
        let args = [
            "run",
            "-s",
            "hello_light",
            "-n",
            "20",
            "--quiet",
            "--out",
            out,
        ];
        let said = in_folder(&folder, &[&args[..], flags].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    make("json=0.json", &["--shard", "0/2"]);
    make("json=1.json", &["--shard", "1/2"]);
    make("json=seed.json", &["--shard", "1/2", "--seed", "7"]);
    make("json=plan.json", &["--shard", "1/2", "-c", "3"]);
    make("json=whole.json", &[]);
    let refused = |files: &[&str]| {
        let said = in_folder(&folder, &[&["merge"], files].concat());
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
        said.stderr
    };
    let expect = |files: &[&str], part: &str| {
        let told = refused(files);
        assert!(told.contains(part), "`{part}` is not in {told}");
    };
    // Each with an embedded backend of its own: where that listened is no other plan.
    let said = in_folder(&folder, &["merge", "0.json", "1.json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    expect(
        &["0.json", "0.json"],
        "0.json and 0.json are both of shard 0 of 2",
    );
    expect(
        &["0.json", "seed.json"],
        "`run.shard.seed` is 0 in 0.json and 7 in seed.json",
    );
    expect(
        &["0.json", "plan.json"],
        "`scenarios.hello_light.load.closed.users` is",
    );
    expect(
        &["0.json", "whole.json"],
        "whole.json is of a whole run and of no shard",
    );
    expect(
        &["0.json", "nowhere.json"],
        "failed to read the result nowhere.json",
    );
    expect(&[], "required arguments were not provided");
    let text = fs::read_to_string(folder.path().join("1.json")).expect("the file");
    fs::write(folder.path().join("cut.json"), &text[..text.len() / 2]).expect("it is written");
    expect(
        &["0.json", "cut.json"],
        "failed to read the result cut.json: it is cut off",
    );
    let other = text.replace("loadgen.result/1", "loadgen.result/2");
    fs::write(folder.path().join("other.json"), other).expect("it is written");
    expect(&["0.json", "other.json"], "it is of another version");
    let mut spoilt: Value = serde_json::from_str(&text).expect("a document");
    spoilt["run"]["shard"]["record"] = json!("AAAA");
    fs::write(folder.path().join("spoilt.json"), spoilt.to_string()).expect("it is written");
    expect(
        &["0.json", "spoilt.json"],
        "spoilt.json: its `run.shard.record` is spoilt",
    );
}
