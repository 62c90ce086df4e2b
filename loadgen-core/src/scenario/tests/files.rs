//! Suites of several files, in both languages, and what is set in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use test_case::test_case;

use super::*;

/// Files by their paths; the first is the suite.
fn read_with(files: &[(&str, &str)], set: &[&str], profile: Option<&str>) -> Result<Suite, String> {
    let known: BTreeMap<_, _> = files.iter().copied().collect();
    let from = |path: &Path| match known.get(path.to_str().unwrap()) {
        Some(text) => Ok((*text).to_owned()),
        None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let set: Vec<Assignment> = set.iter().map(|it| it.parse().unwrap()).collect();
    let (name, text) = files[0];
    let base_dir = Path::new(name).parent();
    let source = SuiteSource::new(name, text)
        .base_dir(base_dir)
        .profile(profile);
    Suite::read(&source.set(&set).files(&from)).map_err(|error| error.to_string())
}

fn refused(files: &[(&str, &str)]) -> String {
    read_with(files, &[], None).unwrap_err()
}

fn names(suite: &Suite) -> Vec<&str> {
    suite
        .scenarios()
        .iter()
        .map(|it| it.name.as_str())
        .collect()
}

const LOAD: &str = "load: {closed: {users: 1, iterations: 10}}";
const STEPS: &str = "steps: [{grpc: {method: loadgen.v1.Greeter/Hello}}]";

#[test]
fn the_including_file_counts_more_and_a_later_one_more_than_one_before() {
    const ONE: &str = r#"{"$schema": "x", "defaults": {"timeout": "2s", "connect_timeout": "2s", "late_after": "2ms"},
        "profiles": {"ci": {"warm_up": "2s", "start_after": "2s"}, "other": {}}}"#;
    let files = [
        (
            "suites/main.yaml",
            "include: [shared/one.json, shared/two.yml]\ndefaults: {timeout: 1s}\nprofiles: {ci: {warm_up: 1s}}\nscenarios: [{name: own, load: {closed: {users: 1, iterations: 10}}}]",
        ),
        ("suites/shared/one.json", ONE),
        ("suites/shared/deep/../one.json", ONE),
        (
            "suites/shared/two.yml",
            "include: [deep/three.yaml]\ndefaults: {connect_timeout: 3s, protos: [a.proto, /b.proto]}\nscenarios: [{name: theirs, load: {closed: {users: 2, iterations: 10}}}]",
        ),
        (
            "suites/shared/deep/three.yaml",
            "include: [../one.json]\ndefaults: {steps: [{grpc: {method: a.B/C}}], tls: {ca_file: ca.pem}, targets: ['https://a']}",
        ),
    ];
    let suite = read_with(&files, &[], Some("ci")).unwrap();
    assert_eq!(names(&suite), ["theirs", "own"]);
    let own = &suite.scenarios()[1];
    let seconds = |it: std::time::Duration| it.as_secs();
    assert_eq!(seconds(own.timeout), 1);
    assert_eq!(seconds(own.connect_timeout), 3);
    assert_eq!(own.late_after.as_millis(), 2);
    assert_eq!((seconds(own.warm_up), seconds(own.start_after)), (1, 2));
    // Paths are relative to the file that has them.
    let ProtocolPlan::Grpc(grpc) = &own.protocol else {
        panic!("{own:?}");
    };
    let protos = ["suites/shared/a.proto", "/b.proto"].map(PathBuf::from);
    assert_eq!(grpc.protos, protos);
    let ca_file = own.tls.as_ref().unwrap().ca_file.clone();
    assert_eq!(ca_file.unwrap(), Path::new("suites/shared/deep/ca.pem"));
}

#[test]
fn problems_name_the_file_that_they_are_in() {
    let own = format!(
        "include: [b.yaml]\nscenarios:\n  - {{name: x, {LOAD}, {STEPS}, warm_pu: 1s}}\n  - {{name: same, {LOAD}, {STEPS}}}"
    );
    let theirs = format!(
        "scenrios: []\ndefaults: {{timeout: 5}}\nprofiles: {{'a b': 5}}\nscenarios:\n  - {{name: same, {LOAD}, {STEPS}}}\n  - {{name: y, {STEPS}}}\n  - {{name: y, {LOAD}, {STEPS}}}\n  - {{name: z, name: z, {LOAD}, steps: [{{grpc: {{method: loadgen.v1.Greeter/Helo}}}}]}}"
    );
    let told = refused(&[("suites/a.yaml", &own), ("suites/b.yaml", &theirs)]);
    insta::assert_snapshot!(told, @r#"
    suites/a.yaml: 9 problems
      suites/b.yaml: scenarios[3].name: found the field a second time, expected each field once
      suites/b.yaml: scenrios: found an unknown field, expected a field of a suite; did you mean `scenarios`?
      scenarios[0].warm_pu: found an unknown field, expected a field of a scenario; did you mean `warm_up`?
      suites/b.yaml: defaults.timeout: found 5, expected a duration as a text, such as "1.5s"
      suites/b.yaml: profiles["a b"]: found 5, expected a scenario
      suites/b.yaml: scenarios[1].load: found nothing, expected a load, such as {"closed": {"users": 10, "iterations": 1000}}
      suites/b.yaml: scenarios[3].steps[0].grpc.method: found `loadgen.v1.Greeter/Helo`, expected a method of loadgen.v1.Greeter; did you mean `loadgen.v1.Greeter/Hello`?
      suites/b.yaml: scenarios[2].name: found the name `y`, which scenarios[1] of suites/b.yaml has too, expected a name of its own for each scenario of a protocol
      scenarios[1].name: found the name `same`, which scenarios[0] of suites/b.yaml has too, expected a name of its own for each scenario of a protocol
    "#);
}

#[test_case(&[("a.yaml", "include: x.yaml")] => "a.yaml: 2 problems\n  include: found \"x.yaml\", expected an array\n  scenarios: found nothing, expected an array of scenarios; the compact form has `grpc_scenarios` and `websocket_scenarios` instead"; "no list")]
#[test_case(&[("s/a.yaml", "include: [x.yaml]")] => "s/a.yaml: 1 problem\n  include[0]: found \"x.yaml\", expected a scenario file that can be read; s/x.yaml: entity not found"; "a file that is not there")]
#[test_case(&[("a.yaml", "include: [b.json]"), ("b.json", "{\"include\": [\"a.yaml\"]}")] => "a.yaml: 1 problem\n  a.yaml: include[0]: found \"b.json\", expected files that do not include one another in a circle; b.json includes a.yaml includes b.json"; "a circle")]
#[test_case(&[("a.yaml", "include: [b.yaml]"), ("b.yaml", "é: [")] => "b.yaml: line 1, column 6: no value where one is expected"; "a file that cannot be understood")]
#[test_case(&[("a.yaml", "include: [b.yaml]"), ("b.yaml", "[]")] => "a.yaml: 2 problems\n  b.yaml: top level: found an array, expected a suite\n  scenarios: found nothing, expected an array of scenarios; the compact form has `grpc_scenarios` and `websocket_scenarios` instead"; "no suite")]
#[test_case(&[("a.yaml", "include: [b.yaml]\nscenarios: []"), ("b.yaml", "scenarios: {}\nprofiles: []\ndefaults:")] => "a.yaml: 4 problems\n  b.yaml: scenarios: found an object, expected an array\n  b.yaml: profiles: found an array, expected an object\n  b.yaml: defaults: found null, expected an object\n  scenarios: found an empty array, expected at least one scenario"; "of another kind")]
#[test_case(&[("a.yaml", "include: [b.yaml]\nscenarios: []"), ("b.yaml", "grpc_scenarios: []")] => matches it if it.contains("b.yaml: grpc_scenarios: found the compact form, expected `scenarios` in a file that is included; `loadgen validate --print` rewrites the compact form into the full one"); "the compact form in a file that is included")]
#[test_case(&[("a.yaml", "include: [b.yaml]\ngrpc_scenarios: []"), ("b.yaml", "defaults: {}")] => matches it if it.contains("\n  include: found files to include beside `grpc_scenarios`, expected `scenarios` in a file that includes others; `loadgen validate --print` rewrites"); "the compact form in the file that includes")]
#[test_case(&[("a.yaml", "scenarios: [{include: [b.yaml]}]")] => matches it if it.contains("scenarios[0].include: found an unknown field, expected a field of a scenario; it belongs to the top level, beside `scenarios`"); "in a scenario")]
fn what_cannot_be_included(files: &[(&str, &str)]) -> String {
    refused(files)
}

#[test]
fn files_do_not_include_one_another_without_end() {
    let text = "include: [a/x.yaml]".to_owned();
    let from = |_: &Path| Ok(text.clone());
    let source = SuiteSource::new("x.yaml", &text).files(&from);
    let told = Suite::read(&source).unwrap_err().to_string();
    assert!(told.contains("found \"a/x.yaml\", expected at most 1000 files, and 16 that include one another in a row; a/a/"), "{told}");
}

#[test]
fn files_are_read_from_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let main = format!("include: [./b.yaml, .]\nscenarios: [{{name: x, {LOAD}, {STEPS}}}]");
    std::fs::write(at("a.yaml"), &main).unwrap();
    std::fs::write(at("b.yaml"), "include: [../dir/a.yaml]").unwrap();
    std::fs::create_dir(at("dir")).unwrap();
    let file = at("a.yaml");
    let name = file.to_str().unwrap();
    let read = || Suite::parse(name, &main, file.parent(), None);
    let told = read().unwrap_err().to_string();
    assert!(told.contains("it is a folder; expected a file"), "{told}");
    assert!(told.contains("No such file or directory"), "{told}");
    std::fs::write(at("b.yaml"), "include: [dir/../a.yaml]").unwrap();
    let told = read().unwrap_err().to_string();
    assert!(told.contains("in a circle; "), "{told}");
    // A file counts once, whoever includes it by whatever path.
    std::fs::write(at("b.yaml"), "include: [c.yaml, dir/../c.yaml]").unwrap();
    std::fs::write(
        at("c.yaml"),
        format!("scenarios: [{{name: y, {LOAD}, {STEPS}}}]"),
    )
    .unwrap();
    let main = main.replace("./b.yaml, .", "c.yaml, b.yaml");
    let suite = Suite::parse(name, &main, file.parent(), None).unwrap();
    assert_eq!(names(&suite), ["y", "x"]);
}

const SET: &str = "
defaults:
  timeout: 1s
  metadata: { authorization: Bearer s3cr3t-1 }
profiles:
  ci: { load: { open: { rate: 1/s, duration: 1s } } }
scenarios:
  - name: greet
    load: { open: { rate: 20/s, duration: 20s } }
    steps:
      - { name: first, grpc: { method: loadgen.v1.Greeter/Hello, message: { name: a } } }
      - pause: 1s
      - { grpc: { method: loadgen.v1.Greeter/Echo } }
  - name: other
    load: { open: { rate: 20/s, duration: 20s } }
    steps: [{ grpc: { method: loadgen.v1.Greeter/Hello } }]
";

fn printed(set: &[&str], profile: Option<&str>) -> Value {
    let suite = read_with(&[("a.yaml", SET)], set, profile).unwrap();
    to_json(suite.scenarios())
}

#[test_case("scenarios.greet.load.open.rate=200/s", "/scenarios/0/load/open/rate" => json!("200/s"); "by name")]
#[test_case("scenarios[1].load.open.rate=200/s", "/scenarios/1/load/open/rate" => json!("200/s"); "by number")]
#[test_case("scenarios.1.load.open.rate=200/s", "/scenarios/1/load/open/rate" => json!("200/s"); "by number without brackets")]
#[test_case("scenarios.greet.steps.first.grpc.message.name=x", "/scenarios/0/steps/0/grpc/message/name" => json!("x"); "in a step by name")]
#[test_case("scenarios.greet.steps.echo.grpc.message={\"payload\": \"eA==\"}", "/scenarios/0/steps/2/grpc/message" => json!({"payload": "eA=="}); "in a step by what it is called after")]
#[test_case("scenarios.greet.steps[1].pause=2s", "/scenarios/0/steps/1/pause" => json!("2s"); "in a step by number")]
#[test_case("scenarios.greet.warm_up=2s", "/scenarios/0/warm_up" => json!("2s"); "a field of its own")]
#[test_case("scenarios.greet.metadata[\"x.y\"]=z", "/scenarios/0/metadata" => json!({"authorization": "Bearer s3cr3t-1", "x.y": "z"}); "into what it has from the defaults")]
#[test_case("scenarios.greet.tls.server_name=a", "/scenarios/0/tls/server_name" => json!("a"); "into what is nowhere")]
#[test_case("defaults.timeout=5s", "/scenarios/1/timeout" => json!("5s"); "a default")]
#[test_case("scenarios.greet.timeout=\"5s\"", "/scenarios/0/timeout" => json!("5s"); "a text as JSON")]
fn what_is_set(set: &str, pointer: &str) -> Value {
    printed(&[set], None).pointer(pointer).unwrap().clone()
}

#[test]
fn what_is_set_counts_more_than_the_profile_and_only_where_it_is() {
    let set = [
        "scenarios.greet.load.open.rate=9/s",
        "scenarios.greet.load.open.duration=9s",
    ];
    let printed = printed(&set, Some("ci"));
    let load = |index: usize| &printed["scenarios"][index]["load"]["open"];
    assert_eq!(
        (&load(0)["rate"], &load(0)["duration"]),
        (&json!("9/s"), &json!("9s"))
    );
    assert_eq!(
        (&load(1)["rate"], &load(1)["duration"]),
        (&json!("1/s"), &json!("1s"))
    );
}

#[test]
fn a_profile_is_set_and_what_is_wrong_is_mended() {
    let broken = SET.replace("20/s", "20");
    let set = [
        "profiles.ci.load.open.rate=7/s",
        "scenarios.greet.load.open.rate=8/s",
        "scenarios.other.load.open.rate=8/s",
        "scenarios.other.load.open.rate=9/s",
    ];
    let rate = |profile| {
        let suite = read_with(&[("a.yaml", &broken)], &set, profile).unwrap();
        to_json(suite.scenarios())["scenarios"][1]["load"]["open"]["rate"].clone()
    };
    assert_eq!(rate(None), json!("9/s"));
    let suite = read_with(&[("a.yaml", SET)], &set[..1], Some("ci")).unwrap();
    assert_eq!(
        to_json(suite.scenarios())["scenarios"][1]["load"]["open"]["rate"],
        json!("7/s")
    );
}

#[test_case("scenarios.gret.warm_up=1s" => "--set: scenarios.gret: found no `gret`, expected the name of an item, or its number, below 2; did you mean `greet`?"; "an unknown scenario")]
#[test_case("scenarios[2].warm_up=1s" => "--set: scenarios[2]: found no item 2, expected the name of an item, or its number, below 2; the names are greet, other"; "a number too many")]
#[test_case("scenarios.greet.steps.frist.grpc.method=a" => "--set: scenarios.greet.steps.frist: found no `frist`, expected the name of an item, or its number, below 3; did you mean `first`?"; "an unknown step")]
#[test_case("scenarios.greet.warm_pu=1s" => "--set: scenarios.greet.warm_pu: found an unknown field, expected a field of a scenario; did you mean `warm_up`?"; "an unknown field")]
#[test_case("scenarios.greet.load.open.rate=20x" => "--set: scenarios.greet.load.open.rate: found \"20x\", expected a number per second, minute or hour, such as \"500/s\", \"0.5/s\" or \"30/m\""; "a value that is none")]
#[test_case("scenarios.greet.load.rate=5/s" => matches it if it.starts_with("--set: scenarios.greet.load.rate: found an unknown field"); "a field too high up")]
#[test_case("scenarios.greet=5" => "--set: scenarios.greet: found a path that ends here, expected a field of one of them: `scenarios.NAME.FIELD`"; "a whole scenario")]
#[test_case("defaults=5" => "--set: defaults: found a path that ends here, expected a field of them: `defaults.FIELD`"; "all defaults")]
#[test_case("profiles.cu.warm_up=1s" => "--set: profiles.cu: found no such profile, expected the name of a profile; did you mean `ci`?"; "an unknown profile")]
#[test_case("scenario.greet.warm_up=1s" => "--set: scenario: found no part of a suite that can be set, expected `scenarios`, `defaults`, `profiles`, `backends` or `thresholds`; did you mean `scenarios`?"; "an unknown beginning")]
#[test_case("include.x=1s" => "--set: include: found no part of a suite that can be set, expected `scenarios`, `defaults`, `profiles`, `backends` or `thresholds`"; "what cannot be set")]
#[test_case("scenarios.greet.metadata.authorization.x=1" => "--set: scenarios.greet.metadata.authorization: found a text, expected an object or an array to go on in"; "below a secret")]
#[test_case("scenarios.greet.load[0]=1" => "--set: scenarios.greet.load: found an object, expected an array, whose items have numbers"; "a number in an object")]
#[test_case("defaults.targets[0]=a:1" => "--set: defaults.targets: found nothing, expected an array to set an item of; set all of it, as JSON: [ … ]"; "an item of nothing")]
#[test_case("defaults.metadata.authorization=[\"s3cr3t-2\"]" => "--set: defaults.metadata.authorization: found an array, expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\""; "a secret that is none")]
#[test_case("grpc_scenarios.a.name=b" => "--set: grpc_scenarios: found nothing, expected a field that the file has"; "of the other form")]
fn what_cannot_be_set(set: &str) -> String {
    let told = read_with(&[("a.yaml", SET)], &[set], None).unwrap_err();
    told.strip_prefix("a.yaml: 1 problem\n  ")
        .unwrap_or(&told)
        .to_owned()
}

#[test]
fn scenarios_of_files_that_are_included_are_set_by_their_names() {
    let files = [("a.json", r#"{"include": ["b.yaml"]}"#), ("b.yaml", SET)];
    let suite = read_with(&files, &["scenarios.other.timeout=7s"], None).unwrap();
    assert_eq!(suite.scenarios()[1].timeout.as_secs(), 7);
}

#[test]
fn the_compact_form_is_set_too() {
    let text = r#"{"grpc_scenarios": [{"name": "a", "total_requests": 50, "concurrency": 5, "test_type": "hello"}]}"#;
    let set = ["grpc_scenarios.a.concurrency=7"];
    let suite = read_with(&[("a.json", text)], &set, None).unwrap();
    assert_eq!(suite.scenarios()[0].load.max_users(), 7);
}

#[test]
fn shipped_scenarios_are_set_where_the_file_has_none_of_the_name() {
    let set = |text: &str| vec![text.parse::<Assignment>().unwrap()];
    let timeout_of = |suite: &Suite, name: &str| {
        let mut plans = suite.scenarios().iter();
        plans.find(|it| it.name == name).unwrap().timeout.as_secs()
    };
    let hello = set("scenarios.hello_high.timeout=7s");
    let suite = shipped_with(&hello).unwrap();
    assert_eq!(timeout_of(&suite, "hello_high"), 7);
    assert_eq!(suite.scenarios().len(), shipped().scenarios().len());
    let suite = Suite::read(&SuiteSource::new("a.yaml", SET).over_shipped().set(&hello)).unwrap();
    assert_eq!(timeout_of(&suite, "hello_high"), 7);
    assert_eq!(timeout_of(&suite, "greet"), 1);
    let told = shipped_with(&set("scenarios.helo_high.timeout=7s")).unwrap_err();
    let told = told.to_string();
    assert!(told.ends_with("did you mean `hello_high`?"), "{told}");
}

/// One of several that are written as one is no place to set something in.
#[test]
fn what_is_written_for_several_is_set_for_all_of_them() {
    let set = |text: &str| vec![text.parse::<Assignment>().unwrap()];
    let told = shipped_with(&set(r#"scenarios["version_routing-v1.1"].timeout=7s"#)).unwrap_err();
    let told = told.to_string();
    assert!(
        told.ends_with("set it for all of `version_routing`"),
        "{told}"
    );
    let suite = shipped_with(&set("scenarios.version_routing.timeout=37s")).unwrap();
    let routed = suite.scenarios().iter();
    let routed = routed.filter(|it| it.written_name() == "version_routing");
    assert!(routed.clone().all(|it| it.timeout.as_secs() == 37));
    assert_eq!(routed.count(), 4);
}

/// What is the same in both languages is the same.
#[test]
fn yaml_prints_the_json_that_is_equal() {
    let all = super::super::SHIPPED.into_iter();
    for (_, text) in all.chain(super::super::SHIPPED_WITH_SERVERS) {
        let json = Suite::parse("a.json", text, None, None).unwrap();
        let yaml = to_yaml(&serde_json::from_str(text).unwrap());
        let yaml = Suite::parse("a.yaml", &yaml, None, None).unwrap();
        let text = |suite: &Suite| to_json(suite.scenarios()).to_string();
        assert_eq!(text(&yaml), text(&json));
    }
}

#[test]
fn numbers_in_messages_stay_as_they_are_written() {
    let text = format!(
        "scenarios: [{{name: a, {LOAD}, steps: [{{websocket: {{path: /, send: {{json: [1.10, 123456789012345678901234567890, 1E5, -0]}}}}}}]}}]"
    );
    let suite = Suite::parse("a.yaml", &text, None, None).unwrap();
    let printed = to_json(suite.scenarios()).to_string();
    assert!(
        printed.contains("[1.10,123456789012345678901234567890,1E5,-0]"),
        "{printed}"
    );
}
