//! Suites as the command line reads them: YAML, several files, values that are set.

mod common;

use std::fs;
use std::path::Path;

use common::{Said, loadgen, say};
use serde_json::Value;
use test_case::test_case;

const YAML: &str = "\u{feff}# greets\r
defaults: { timeout: 3s }\r
scenarios:\r
  - name: greet\r
    targets: ['127.0.0.1:50051']\r
    load: { closed: { users: 3, iterations: 30 } }\r
    steps: [{ name: hello, grpc: { method: loadgen.v1.Greeter/Hello, message: { name: world } } }]\r
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("the file is written");
    }
    folder
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    let path: &Path = &folder.path().join(name);
    path.to_str().expect("a name").to_owned()
}

fn printed(flags: &[&str]) -> Value {
    let said = say(flags);
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).expect("JSON")
}

#[test]
fn yaml_is_checked_and_printed_as_json_that_says_the_same() {
    let folder = folder(&[("a.yaml", YAML)]);
    let file = path(&folder, "a.yaml");
    let said = say(&["validate", &file]);
    assert_eq!(
        said.stdout,
        format!("{file}: 1 scenario, valid\n"),
        "{said:?}"
    );
    let from_yaml = printed(&["validate", "--print", &file]);
    fs::write(folder.path().join("b.json"), from_yaml.to_string()).expect("written");
    let from_json = printed(&["validate", "--print", &path(&folder, "b.json")]);
    assert_eq!(from_yaml, from_json);
    assert_eq!(from_yaml["scenarios"][0]["timeout"], "3s");
}

#[test]
fn yaml_comes_without_a_name() {
    let folder = folder(&[("a.conf", YAML)]);
    let input = fs::File::open(folder.path().join("a.conf")).expect("it is there");
    let output = loadgen(&["validate", "-"]).stdin(input).output();
    let said: Said = output.expect("loadgen starts").into();
    assert_eq!(
        said.stdout, "standard input: 1 scenario, valid\n",
        "{said:?}"
    );
}

#[test]
fn a_value_is_set_and_checked() {
    let folder = folder(&[("a.yaml", YAML)]);
    let file = path(&folder, "a.yaml");
    let rate = "scenarios.greet.load={\"open\": {\"rate\": \"5/s\", \"duration\": \"1s\"}}";
    let name = "scenarios.greet.steps.hello.grpc.message.name=x";
    let printed = printed(&["validate", "--print", &file, "--set", rate, "--set", name]);
    let scenario = &printed["scenarios"][0];
    assert_eq!(scenario["load"]["open"]["rate"], "5/s");
    assert_eq!(scenario["steps"][0]["grpc"]["message"]["name"], "x");
    // The same checks hold, those of the message among them.
    let wrong = "scenarios.greet.steps.hello.grpc.message.nmae=x";
    let said = say(&["validate", &file, "--set", wrong]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(said.stderr.contains("did you mean `name`?"), "{said:?}");
}

#[test_case(&["--set", "scenarios.gret.timeout=1s"], 104, "--set: scenarios.gret: found no `gret`"; "a name that is not there")]
#[test_case(&["--set", "scenarios.greet.timeout"], 2, "expected PATH=VALUE, such as scenarios.greet.load.open.rate=200/s"; "no value")]
#[test_case(&["--set", "a..b=1"], 2, "the path is wrong at character 2"; "no path")]
fn what_cannot_be_set(flags: &[&str], code: i32, told: &str) {
    let folder = folder(&[("a.yaml", YAML)]);
    for command in ["validate", "run"] {
        let file = path(&folder, "a.yaml");
        let said = say(&[&[command, file.as_str()], flags].concat());
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.stderr.contains(told), "{said:?}");
    }
}

#[test]
fn a_shipped_scenario_is_run_with_what_is_set() {
    let said = say(&[
        "run",
        "--scenario",
        "hello_light",
        "--json",
        "--set",
        "scenarios.hello_light.load.closed.iterations=25",
        "--set",
        "scenarios.hello_light.steps.hello.grpc.message.name=set",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(document["scenarios"][0]["ledger"]["planned"], 25);
    let plan = document["run"]["plan"].to_string();
    assert!(plan.contains("\"name\":\"set\""), "{plan}");
}

#[test]
fn a_file_that_is_included_is_named_where_it_is_wrong() {
    let main = "include: [b.json]\nscenarios: []\n";
    let folder = folder(&[
        ("a.yaml", main),
        ("b.json", "{\"defaults\": {\"timeot\": 5}}"),
    ]);
    let said = say(&["validate", &path(&folder, "a.yaml")]);
    assert_eq!(said.code, Some(104), "{said:?}");
    let told = format!(
        "{}: defaults.timeot: found an unknown field",
        path(&folder, "b.json")
    );
    assert!(said.stderr.contains(&told), "{said:?}");
    fs::write(folder.path().join("b.json"), "{").expect("written");
    let said = say(&["validate", &path(&folder, "a.yaml")]);
    assert_eq!(said.code, Some(104), "{said:?}");
    let told = format!("{}: line 1, column 1: ", path(&folder, "b.json"));
    assert!(said.stderr.contains(&told), "{said:?}");
}

/// What was asked for and is not had is said, with the call that stands in the way.
#[test]
fn a_codec_that_does_not_make_all_calls_says_so() {
    let suite = r#"{ "scenarios": [{
        "name": "odd",
        "load": { "closed": { "users": 1, "iterations": 5 } },
        "steps": [
            { "name": "hello", "grpc": { "method": "loadgen.v1.Greeter/Hello" } },
            { "name": "packed", "grpc": { "method": "loadgen.v1.Greeter/Hello", "compression": "gzip" } }
        ]
    }] }"#;
    let folder = folder(&[("odd.json", suite)]);
    let file = path(&folder, "odd.json");
    let said = say(&["run", &file, "--codec", "own", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(document["scenarios"][0]["codec"], "h2");
    let notice = "odd: `codec` is `h2` for all calls: `own` does not make the call of `steps[1].grpc`: it compresses";
    assert!(said.stderr.contains(notice), "{said:?}");
}
