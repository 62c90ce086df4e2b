//! One scenario written for several.

use serde_json::{Value, json};
use test_case::test_case;

use super::*;
use crate::scenario::to_json;

fn matrix() -> Suite {
    parse(&suite_of(&json!({
        "tags": { "team": "a" },
        "for_each": { "version": ["v1.1", "v2.1"], "zone": ["eu north", "us"] },
    })))
    .unwrap()
}

#[test]
fn each_combination_is_a_scenario() {
    let suite = matrix();
    let names: Vec<&str> = suite
        .scenarios()
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "s-v1.1-eu_north",
            "s-v1.1-us",
            "s-v2.1-eu_north",
            "s-v2.1-us"
        ]
    );
    for plan in suite.scenarios() {
        assert_eq!(plan.written_name(), "s");
    }
    let first = &suite.scenarios()[0];
    let tags: Vec<_> = first.tags.iter().collect();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let (team, version) = (pair("team", "a"), pair("version", "v1.1"));
    let zone = pair("zone", "eu north");
    let expected = [&team, &version, &zone].map(|(key, value)| (key, value));
    assert_eq!(tags, expected);
    assert_eq!(first.for_each, [version, zone]);
}

#[test]
fn it_prints_as_what_it_is() {
    let suite = matrix();
    let printed = to_json(suite.scenarios());
    assert_eq!(printed["scenarios"][1]["name"], "s");
    assert_eq!(
        printed["scenarios"][1]["for_each"],
        json!({ "version": ["v1.1"], "zone": ["us"] })
    );
    assert_eq!(printed["scenarios"][1]["tags"], json!({ "team": "a" }));
    assert_eq!(parse(&printed).unwrap(), suite);
    for plan in suite.scenarios() {
        assert!(plan.clone().checked().is_ok());
    }
}

#[test_case("s", 4; "all of them")]
#[test_case("s-v2.1-us", 1; "one of them")]
fn names_choose(name: &str, count: usize) {
    let plan = matrix().select(&[name], None).unwrap();
    assert_eq!(plan.scenarios.len(), count);
}

#[test]
fn a_slip_in_a_name_is_told() {
    let error = matrix().select(&["s-v2.1-uss"], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown scenario `s-v2.1-uss`; did you mean `s-v2.1-us`?"
    );
}

#[test]
fn conditions_on_their_tags_are_judged() {
    let mut suite = suite_of(&json!({ "for_each": { "version": ["v1", "v2"] } }));
    suite["thresholds"] = json!(["tags.version.v1.error_rate == 0%"]);
    let plan = parse(&suite).unwrap().select::<&str>(&[], None).unwrap();
    assert_eq!(plan.unjudged().count(), 0);
}

#[test_case(&json!({ "for_each": {} }), "for_each: found an empty object, expected names with their values, such as {\"version\": [\"v1\", \"v2\"]}"; "no names")]
#[test_case(&json!({ "for_each": { "v": [] } }), "for_each.v: found an empty array, expected at least one value"; "no values")]
#[test_case(&json!({ "for_each": { "v": ["a", "b", "a"] } }), "for_each.v[2]: found \"a\" once more, expected each value once"; "twice the same")]
#[test_case(&json!({ "for_each": { "user": ["a"] } }), "for_each: found the name `user`, expected a name that means nothing in expressions yet; `user` is one of the language's own"; "a variable")]
#[test_case(&json!({ "for_each": { "uuid": ["a"] } }), "for_each: found the name `uuid`, expected a name that means nothing in expressions yet; `uuid` is one of the language's own"; "a function")]
#[test_case(&json!({ "for_each": { "true": ["a"] } }), "for_each: found the name `true`, expected a name that means nothing in expressions yet; `true` is one of the language's own"; "a constant")]
#[test_case(&json!({ "for_each": { "a-b": ["a"] } }), "for_each: found the name \"a-b\", expected a name that expressions can use: letters, digits and `_`, no digit first"; "no identifier")]
#[test_case(&json!({ "for_each": { "v": ["a", 1] } }), "for_each.v[1]: found 1, expected a text of 1 to 100 characters, none of them a control character"; "a number")]
#[test_case(&json!({ "for_each": { "v": [""] } }), "for_each.v[0]: found \"\", expected a text of 1 to 100 characters, none of them a control character"; "nothing")]
#[test_case(&json!({ "for_each": { "v": ["a/b", "a b"] } }), "for_each: found values that make the name `s-a_b` twice, expected values that make names of their own; what cannot stand in a name is `_` there"; "the same name")]
#[test_case(&json!({ "for_each": { "v": ["a"] }, "tags": { "v": "b" } }), "for_each: found the name `v`, which is one of `tags`, too, expected names that are no tags: each is one by itself"; "a tag")]
#[test_case(&json!({ "matrix": { "v": ["a"] } }), "matrix: found an unknown field, expected a field of a scenario; a scenario is written for several with `for_each`"; "as others call it")]
fn says_of_values(fields: &Value, message: &str) {
    let told = problems_of(fields).join("\n");
    assert_eq!(told, format!("scenarios[0].{message}"));
}

#[test]
fn there_are_not_too_many() {
    let values: Vec<String> = (0..11).map(|it| it.to_string()).collect();
    let fields = json!({ "for_each": { "a": values, "b": values } });
    assert_eq!(
        problems_of(&fields),
        ["scenarios[0].for_each: found 121 combinations, expected at most 100"]
    );
    let long = json!({ "for_each": { "a": ["x".repeat(100)] } });
    let told = problems_of(&long).join("\n");
    assert!(
        told.ends_with("expected names of at most 100 characters"),
        "{told}"
    );
}

/// Two may be written under one name, as long as what they are called differs.
#[test]
fn what_is_called_the_same_is_told() {
    let mut suite = suite_of(&json!({ "for_each": { "v": ["a", "b"] } }));
    let again = suite["scenarios"][0].clone();
    suite["scenarios"].as_array_mut().unwrap().push(again);
    suite["scenarios"][1]["for_each"] = json!({ "v": ["c", "b"] });
    let error = parse(&suite).unwrap_err();
    let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "scenarios[1].name: found the name `s-b`, which scenarios[0] has too, expected a name of its own for each scenario of a protocol"
        ]
    );
}
