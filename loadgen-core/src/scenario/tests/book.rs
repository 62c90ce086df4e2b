//! The examples in the scenario reference and the tutorial are what they claim to be.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::condition::Threshold;

const REFERENCE: &str = include_str!("../../../../docs/src/scenario-reference.md");
const SECRETS: &str = include_str!("../../../../docs/src/secrets.md");
const TUTORIAL: &str = include_str!("../../../../docs/src/tutorial-websocket.md");

fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    blocks_of(REFERENCE, language)
}

fn blocks_of(page: &'static str, language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn every_json_example_is_valid() {
    let (mut suites, mut loads) = (0, 0);
    for block in blocks("json") {
        let value: Value = serde_json::from_str(block).unwrap();
        let suite = if value.get("closed").or(value.get("open")).is_some() {
            loads += 1;
            suite_of(&json!({ "load": value }))
        } else {
            suites += 1;
            value
        };
        if let Err(error) = parse(&suite) {
            panic!("{error}\n{block}");
        }
    }
    assert_eq!((suites, loads), (30, 2));
}

#[test]
fn every_yaml_example_is_valid() {
    let blocks: Vec<&str> = blocks("yaml").collect();
    let [whole, including, included] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len());
    };
    Suite::parse("whole.yaml", whole, None, None).unwrap();
    let files = |path: &Path| {
        assert_eq!(path, Path::new("shared/limits.yaml"));
        Ok((*included).to_owned())
    };
    let source = SuiteSource::new("suite.yaml", including).files(&files);
    let suite = Suite::read(&source.profile(Some("staging"))).unwrap();
    let [greet] = suite.scenarios() else {
        panic!("{suite:?}");
    };
    assert_eq!(greet.timeout.as_secs(), 2);
    let ca_file = greet.tls.as_ref().unwrap().ca_file.as_deref();
    assert_eq!(ca_file, Some(Path::new("shared/staging.pem")));
}

#[test]
fn the_example_in_yaml_is_valid() {
    let text = include_str!("../../../../scenarios/example.yaml");
    let suite = Suite::parse("example.yaml", text, None, Some("smoke")).unwrap();
    assert_eq!(suite.scenarios().len(), 2);
    let printed = to_json(suite.scenarios());
    let text = &printed["scenarios"][1]["steps"][0]["websocket"]["send"]["text"];
    assert_eq!(text, "Hello,\nis anybody there?\n");
    assert_eq!(printed["scenarios"][0]["load"]["open"]["rate"], "10/s");
}

#[test]
fn every_scenario_of_the_tutorial_is_valid() {
    let mut suites = 0;
    for block in blocks_of(TUTORIAL, "json") {
        if let Err(error) = parse(&serde_json::from_str(block).unwrap()) {
            panic!("{error}\n{block}");
        }
        suites += 1;
    }
    assert_eq!(suites, 9);
}

#[test]
fn every_scenario_about_secrets_is_valid() {
    let suites = blocks_of(SECRETS, "json").map(|block| {
        if let Err(error) = parse(&serde_json::from_str(block).unwrap()) {
            panic!("{error}\n{block}");
        }
    });
    assert!(suites.count() >= 3);
}

#[test]
fn the_slips_of_the_tutorial_are_told_as_it_says() {
    let first = blocks_of(TUTORIAL, "json").next().unwrap();
    let slip = first
        .replace(r#""duration": "5s""#, r#""duration": "5""#)
        .replace(r#""path""#, r#""pat""#);
    let told = parse(&serde_json::from_str(&slip).unwrap()).unwrap_err();
    let shown = blocks_of(TUTORIAL, "text")
        .find(|block| block.starts_with("error: slip.json"))
        .unwrap();
    for line in told.to_string().lines().skip(1) {
        assert!(shown.contains(line), "{line}");
    }
}

#[test]
fn every_threshold_example_is_valid() {
    let example = blocks("text")
        .find(|block| block.starts_with("error_rate"))
        .unwrap();
    for line in example.lines() {
        let parsed = line.parse::<Threshold>();
        assert!(parsed.is_ok(), "{parsed:?}");
    }
    assert!(example.lines().count() >= 6);
}

#[test]
fn the_errors_shown_are_the_errors_told() {
    let mut suite = suite_of(&json!({
        "load": { "closed": { "users": 0, "iterations": 1 } },
        "warm_pu": "1s",
    }));
    suite["scenarios"][0]["steps"][0]["grpc"]["method"] = json!("loadgen.v1.Greeter/Helo");
    let told = parse(&suite).unwrap_err().to_string();
    let shown = blocks("text")
        .find(|block| block.starts_with("suite.json"))
        .unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&told), sorted(shown));
}
