//! What a scenario says of the search for its capacity.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::units::Rate;

fn searched(capacity: &Value) -> Value {
    json!({ "capacity": capacity })
}

#[test]
fn everything_is_read() {
    let plan = plan_of(&searched(&json!({
        "goals": ["response_time.p99 < 20ms", "error_rate < 0.1%"],
        "from": "100/s", "to": "50000/s", "width": "5%", "budget": "2m",
    })));
    let search = plan.capacity.unwrap();
    let goals: Vec<&str> = search.goals.iter().map(|it| it.expression()).collect();
    assert_eq!(goals, ["response_time.p99 < 20ms", "error_rate < 0.1%"]);
    assert_eq!(search.from, Rate::new(100.0).ok());
    assert_eq!(search.to, Rate::new(50_000.0).ok());
    assert_eq!(
        (search.width, search.budget),
        (0.05, Duration::from_secs(120))
    );
}

#[test]
fn what_is_not_said_is_the_search_s() {
    assert_eq!(plan_of(&json!({})).capacity, None);
    let search = plan_of(&searched(&json!({ "to": "50/s" })))
        .capacity
        .unwrap();
    let unless_given = CapacityPlan {
        to: Rate::new(50.0).ok(),
        ..CapacityPlan::default()
    };
    assert_eq!(search, unless_given);
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let written =
        json!({ "goals": ["response_time.p99 < 20ms"], "from": "100/s", "width": "0.5%" });
    let suite = parse(&suite_of(&searched(&written))).unwrap();
    let printed = to_json(suite.scenarios());
    let capacity = &printed["scenarios"][0]["capacity"];
    assert_eq!(
        *capacity,
        json!({ "goals": ["response_time.p99 < 20ms"], "from": "100/s", "width": "0.5%", "budget": "5m" })
    );
    let again = parse(&printed).unwrap();
    assert_eq!(again.scenarios(), suite.scenarios());
}

#[test_case(&json!({ "goals": ["response_time.p99 < 20ms over any 10s"] }) => vec!["scenarios[0].capacity.goals[0]: found `response_time.p99 < 20ms over any 10s`, expected a condition without a window: each trial is judged as a whole"]; "a window")]
#[test_case(&json!({ "goals": ["error_rate < 1%", "tags.tier.gold.error_rate < 1%"] }) => vec!["scenarios[0].capacity.goals[1]: found `tags.tier.gold.error_rate < 1%`, expected a condition on this scenario; a condition on all scenarios with `tags.tier.gold` stands in the `thresholds` beside `scenarios`"]; "a tag")]
#[test_case(&json!({ "goals": ["steps.helo.response_time.p99 < 20ms"] }) => vec!["scenarios[0].capacity.goals[0]: found the unknown step `helo`, expected the name of a step; did you mean `hello`?"]; "an unknown step")]
#[test_case(&json!({ "goals": [{ "expression": "error_rate < 1%", "abort": true }] }) => vec!["scenarios[0].capacity.goals[0]: found `error_rate < 1%`, expected a condition that does not `abort`: a trial whose end is certain ends by itself"]; "one that ends a run")]
#[test_case(&json!({ "goals": ["failover.lost == 0"] }) => vec!["scenarios[0].capacity.goals[0]: found `failover.lost == 0`, expected a condition on the load: nothing is done to servers during a search"]; "of a failover")]
#[test_case(&json!({ "from": "100/s", "to": "100/s" }) => vec!["scenarios[0].capacity.from: found 100/s, expected a rate below `to`, which is 100/s"]; "from is to")]
#[test_case(&json!({ "from": "200/s", "to": "100/s" }) => vec!["scenarios[0].capacity.from: found 200/s, expected a rate below `to`, which is 100/s"]; "from above to")]
#[test_case(&json!({ "from": "0/s" }) => vec!["scenarios[0].capacity.from: found \"0/s\", expected at least 0.000001/s"]; "no rate")]
#[test_case(&json!({ "width": "0%" }) => vec!["scenarios[0].capacity.width: found \"0%\", expected a percentage such as \"2%\", above 0% and below 100%"]; "no width")]
#[test_case(&json!({ "width": "60%" }) => vec!["scenarios[0].capacity.width: found 60%, expected a percentage above 0.05%, at most 50%"]; "too wide")]
#[test_case(&json!({ "budget": "1s" }) => vec!["scenarios[0].capacity.budget: found 1s, expected at least 15s: there are some twenty trials in a search"]; "too little time")]
#[test_case(&json!({ "goal": "error_rate < 1%" }) => vec!["scenarios[0].capacity.goal: found an unknown field, expected a field of a search such as {\"goals\": [\"response_time.p99 < 20ms\"]}; goals are a list: `goals`"]; "a slip")]
#[test_case(&json!({ "thresholds": [] }) => vec!["scenarios[0].capacity.thresholds: found an unknown field, expected a field of a search such as {\"goals\": [\"response_time.p99 < 20ms\"]}; what has to hold is `goals`"]; "the word of scenarios")]
#[test_case(&json!({ "goals": ["steps.helo.response_time.p99 < 20ms", "response_time.p99 < 20ms over any 10s"], "from": "2/s", "to": "1/s", "width": "0%", "budget": "1s" }) => vec![
    "scenarios[0].capacity.width: found \"0%\", expected a percentage such as \"2%\", above 0% and below 100%",
    "scenarios[0].capacity.goals[0]: found the unknown step `helo`, expected the name of a step; did you mean `hello`?",
    "scenarios[0].capacity.goals[1]: found `response_time.p99 < 20ms over any 10s`, expected a condition without a window: each trial is judged as a whole",
    "scenarios[0].capacity.from: found 2/s, expected a rate below `to`, which is 1/s",
    "scenarios[0].capacity.budget: found 1s, expected at least 15s: there are some twenty trials in a search",
]; "all of it")]
fn problems(capacity: &Value) -> Vec<String> {
    problems_of(&searched(capacity))
}

#[test]
fn goals_beside_the_search_are_told_where_they_belong() {
    let told = problems_of(&json!({ "goals": ["error_rate < 1%"] }));
    assert!(
        told[0].contains("they belong to a search: `capacity.goals`"),
        "{told:?}"
    );
}
