//! Conditions on all scenarios with a tag, as a suite has them.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use test_case::test_case;

use super::*;
use crate::condition::{Tag, Threshold};
use crate::schedule::Load;

/// `fast` and `slow` are gold, `slow` and `other` are in the east; only `other` is closed.
fn suite(thresholds: &Value) -> Value {
    let step = json!([{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }]);
    let open =
        |seconds: u64| json!({ "open": { "rate": "5/s", "duration": format!("{seconds}s") } });
    json!({
        "thresholds": thresholds,
        "scenarios": [
            { "name": "fast", "load": open(20), "steps": step, "tags": { "tier": "gold" } },
            { "name": "slow", "load": open(20), "steps": step, "start_after": "5s", "warm_up": "5s",
              "tags": { "tier": "gold", "region.of": "the east" } },
            { "name": "other", "load": { "closed": { "users": 1, "duration": "20s" } }, "steps": step,
              "tags": { "tier": "tin", "region.of": "the east" } },
        ],
    })
}

fn told(thresholds: &Value) -> String {
    let told = parse(&suite(thresholds)).unwrap_err().to_string();
    let told = told
        .strip_prefix("suite.json: 1 problem\n  ")
        .unwrap_or(&told);
    told.to_owned()
}

#[test_case(&json!("tags.teir.gold.error_rate < 1%") => "thresholds[0]: found the unknown tag `teir`, expected a tag of a scenario; did you mean `tier`?"; "an unknown tag")]
#[test_case(&json!("tags.colour.red.error_rate < 1%") => "thresholds[0]: found the unknown tag `colour`, expected a tag of a scenario; the tags are region.of, tier"; "a tag like none")]
#[test_case(&json!("tags.tier.glod.error_rate < 1%") => "thresholds[0]: found the tag `tier` with the unknown value `glod`, expected a value that a scenario has; did you mean `gold`?"; "an unknown value")]
#[test_case(&json!("tags.tier.silver.error_rate < 1%") => "thresholds[0]: found the tag `tier` with the unknown value `silver`, expected a value that a scenario has; the values are gold, tin"; "a value like none")]
#[test_case(&json!("error_rate < 1%") => "thresholds[0]: found `error_rate < 1%`, expected a condition on all scenarios with a tag: `tags.KEY.VALUE.METRIC`; one on each scenario belongs to its `thresholds`, or to those of `defaults`"; "no tag")]
#[test_case(&json!("tags.tier.gold.eror_rate < 1%") => "thresholds[0]: found \"tags.tier.gold.eror_rate < 1%\", expected a metric such as `response_time.p95`, `error_rate` or `throughput` at column 16; unknown metric `eror_rate`; did you mean `error_rate`?"; "an unknown metric")]
#[test_case(&json!("tags.tier.gold.steps.helo.error_rate < 1%") => "thresholds[0]: found the unknown step `helo`, expected the name of a step of a scenario with the tag; did you mean `hello`?"; "an unknown step")]
#[test_case(&json!("tags.tier.tin.start_lag.p99 < 1ms") => "thresholds[0]: found `tags.tier.tin.start_lag.p99 < 1ms` of scenarios with closed loads, expected something that closed loads have; start lag and queue wait are of open models only"; "of open models only")]
#[test_case(&json!("tags.tier.gold.error_rate < 1% over any 31s") => "thresholds[0]: found windows of 31s, expected windows no longer than the load; the load lasts 30s"; "a long window")]
#[test_case(&json!({ "expression": "tags.tier.gold.error_rate < 1%", "abort": true, "after": "30s" }) => "thresholds[0].after: found `tags.tier.gold.error_rate < 1%` to end the run after 30s at the earliest, expected a time before the load is over; the load lasts 30s"; "too late to abort")]
#[test_case(&json!({ "expression": "tags.tier.gold.error_rate < 1%", "after": "3s", "abort": false }) => "thresholds[0].after: found a time without `\"abort\": true`, expected `after` beside it, or neither; it says when the condition may end the run at the earliest"; "no abort")]
fn refused(threshold: &Value) -> String {
    told(&json!([threshold]))
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    insta::assert_snapshot!(told(&json!(["error_rate < 1%", 5, "tags.tier.lead.failed < 5", "p99 < 5ms"])), @r#"
    suite.json: 4 problems
      thresholds[1]: found 5, expected a condition such as "response_time.p95 < 5ms", or an object with it as its `expression`
      thresholds[3]: found "p99 < 5ms", expected a metric such as `response_time.p95`, `error_rate` or `throughput` at column 1; unknown metric `p99`; did you mean `response_time.p99`?
      thresholds[0]: found `error_rate < 1%`, expected a condition on all scenarios with a tag: `tags.KEY.VALUE.METRIC`; one on each scenario belongs to its `thresholds`, or to those of `defaults`
      thresholds[2]: found the tag `tier` with the unknown value `lead`, expected a value that a scenario has; the values are gold, tin
    "#);
    assert_eq!(
        told(&json!({})),
        "thresholds: found an object, expected an array"
    );
}

/// Which tags there are is not known where a scenario could not be read.
#[test]
fn tags_are_not_guessed_at() {
    let mut broken = suite(&json!(["tags.tier.silver.error_rate < 1%"]));
    broken["scenarios"][0]["warm_up"] = json!(5);
    let told = parse(&broken).unwrap_err();
    assert_eq!(told.problems().len(), 1, "{told}");
    assert_eq!(told.problems()[0].path, "scenarios[0].warm_up");
}

#[test]
fn where_they_stand() {
    let mut own = suite(&json!([]));
    own["scenarios"][0]["thresholds"] = json!(["tags.tier.gold.failed < 5"]);
    own["defaults"] = json!({ "thresholds": ["tags.tier.gold.failed < 6"] });
    insta::assert_snapshot!(parse(&own).unwrap_err(), @"
    suite.json: 2 problems
      scenarios[0].thresholds[0]: found `tags.tier.gold.failed < 5`, expected a condition on this scenario; a condition on all scenarios with `tags.tier.gold` stands in the `thresholds` beside `scenarios`
      defaults.thresholds[0]: found `tags.tier.gold.failed < 6`, expected a condition on this scenario; a condition on all scenarios with `tags.tier.gold` stands in the `thresholds` beside `scenarios`
    ");
    let compact = json!({
        "thresholds": ["tags.tier.gold.failed < 5"],
        "grpc_scenarios": [{"name": "a", "total_requests": 50, "concurrency": 5, "test_type": "hello"}],
    });
    insta::assert_snapshot!(parse(&compact).unwrap_err(), @"
    suite.json: 1 problem
      thresholds: found a field of the full form beside the compact form, expected one form in a file; `loadgen validate --print` rewrites the compact form into the full one
    ");
    let mut untagged = suite_of(&json!({}));
    untagged["thresholds"] = json!(["tags.tier.gold.failed < 5"]);
    insta::assert_snapshot!(parse(&untagged).unwrap_err(), @"
    suite.json: 1 problem
      thresholds[0]: found `tags.tier.gold`, expected a tag of a scenario; no scenario has `tags`
    ");
}

const ALL: &[&str] = &[
    "tags.tier.gold.response_time.p99 < 20ms over any 10s",
    "tags.'region.of'.'the east'.error_rate < 1%",
];

fn expressions(thresholds: &[Threshold]) -> Vec<&str> {
    thresholds.iter().map(Threshold::expression).collect()
}

/// A profile's tags are the scenarios' where it is chosen.
#[test]
fn tags_of_a_profile() {
    let mut value = suite(&json!(["tags.stage.test.failed < 5"]));
    value["profiles"] = json!({ "test": { "tags": { "stage": "test" } } });
    let text = value.to_string();
    assert!(Suite::parse("x", &text, None, None).is_err());
    let suite = Suite::parse("x", &text, None, Some("test")).unwrap();
    assert_eq!(
        expressions(suite.thresholds()),
        ["tags.stage.test.failed < 5"]
    );
}

#[test]
fn files_join_theirs_and_name_the_place() {
    let inner = suite(&json!([ALL[0]])).to_string();
    let read = |own: &str| {
        let text = json!({ "include": ["in.json"], "thresholds": [own] }).to_string();
        let files = |_: &Path| Ok(inner.clone());
        Suite::read(&SuiteSource::new("own.json", &text).files(&files))
    };
    assert_eq!(expressions(read(ALL[1]).unwrap().thresholds()), ALL);
    assert_eq!(
        read("tags.tier.glod.failed < 5").unwrap_err().to_string(),
        "own.json: 1 problem\n  thresholds[0]: found the tag `tier` with the unknown value `glod`, expected a value that a scenario has; did you mean `gold`?"
    );
    let broken = inner.replace("gold.response", "glod.response");
    let text = json!({ "include": ["in.json"], "thresholds": [ALL[1]] }).to_string();
    let files = |_: &Path| Ok(broken.clone());
    let told = Suite::read(&SuiteSource::new("own.json", &text).files(&files)).unwrap_err();
    assert_eq!(
        told.to_string(),
        "own.json: 1 problem\n  in.json: thresholds[0]: found the tag `tier` with the unknown value `glod`, expected a value that a scenario has; did you mean `gold`?"
    );
}

#[test_case("thresholds=[\"tags.tier.tin.failed < 5\"]" => Ok(vec!["tags.tier.tin.failed < 5".to_owned()]); "all")]
#[test_case("thresholds[0]=tags.tier.tin.failed < 5" => Ok(vec!["tags.tier.tin.failed < 5".to_owned(), ALL[1].to_owned()]); "one")]
#[test_case("thresholds[2]=tags.tier.tin.failed < 5" => Err("--set: thresholds[2]: found no item 2, expected the number of an item, below 2".to_owned()); "one too many")]
#[test_case("thresholds[1]=tags.tier.ten.failed < 5" => Err("--set: thresholds[1]: found the tag `tier` with the unknown value `ten`, expected a value that a scenario has; did you mean `tin`?".to_owned()); "an unknown value")]
fn set(assignment: &str) -> Result<Vec<String>, String> {
    let text = suite(&json!(ALL)).to_string();
    let set = [assignment.parse().unwrap()];
    let read = Suite::read(&SuiteSource::new("own.json", &text).set(&set));
    match read {
        Ok(suite) => Ok(suite.thresholds().iter().map(ToString::to_string).collect()),
        Err(error) => Err(error.problems()[0].to_string()),
    }
}

#[test]
fn a_choice_has_those_on_tags_of_others_and_does_not_judge_them() {
    let suite = parse(&suite(&json!(ALL))).unwrap();
    let plan = suite.select(&["fast"], None).unwrap();
    assert_eq!(expressions(&plan.thresholds), ALL);
    let unjudged: Vec<&str> = plan.unjudged().map(Threshold::expression).collect();
    assert_eq!(unjudged, ALL[1..]);
    assert_eq!(plan.check_thresholds(), Ok(()));
    let judged = plan.judged();
    assert_eq!(expressions(&judged.thresholds), ALL[..1]);
    let printed = judged.to_json().to_string();
    let again = Suite::parse("printed", &printed, None, None).unwrap();
    assert_eq!(again.thresholds(), judged.thresholds);
}

/// What flags make of the loads is held to the conditions, too.
#[test]
fn shorter_loads_have_no_such_windows() {
    let suite = parse(&suite(&json!(ALL))).unwrap();
    let mut plan = suite.select::<&str>(&[], None).unwrap();
    for scenario in &mut plan.scenarios {
        scenario.start_after = Duration::ZERO;
        scenario.warm_up = Duration::ZERO;
        scenario.load = Load::closed(1).for_(Duration::from_secs(5)).into();
    }
    assert_eq!(
        plan.check_thresholds().unwrap_err().to_string(),
        "the conditions on tags: 1 problem\n  thresholds[0]: found windows of 10s, expected windows no longer than the load; the load lasts 5s"
    );
}

proptest! {
    #[test]
    fn plans_with_conditions_on_tags_print_as_what_they_are(
        key in "[A-Za-z0-9_.-]{1,9}",
        value in "[^\\x00-\\x1f\\x7f\"]{1,9}",
        abort in proptest::option::of(0_u64..10),
    ) {
        let tag = Tag::new(&key, &value);
        let threshold: Threshold = format!("{tag}.failed < 5 over any 2s").parse().unwrap();
        prop_assert_eq!(threshold.tag(), Some(&tag));
        let mut plan = parse(&suite_of(&json!({}))).unwrap().select::<&str>(&[], None).unwrap();
        plan.scenarios[0].tags.insert(key, value);
        plan.thresholds = vec![match abort {
            Some(after) => threshold.aborting(Duration::from_secs(after)),
            None => threshold,
        }];
        let text = plan.to_json().to_string();
        let suite = Suite::parse("printed", &text, None, None).unwrap();
        prop_assert_eq!(suite.select::<&str>(&[], None).unwrap(), plan);
        prop_assert_eq!(suite.to_json().to_string(), text);
    }
}
