//! Targets that are lists of addresses.

use std::path::Path;
use std::time::Duration;

use test_case::test_case;

use super::*;

const HTTP: &str = r#"[{"http": {"path": "/"}}]"#;
const WEBSOCKET: &str = r#"[{"websocket": {"path": "/", "send": {"text": "a"}}}]"#;
const TCP: &str = r#"[{"tcp": {"send": {"text": "a"}}}]"#;

fn with_steps(steps: &str, fields: Value) -> Value {
    let mut fields = fields;
    fields["steps"] = serde_json::from_str(steps).unwrap();
    fields
}

#[test]
fn a_list_is_a_target_and_printed_as_it_is_written() {
    let plan = plan_of(&json!({
        "targets": ["dns:///shop.example:443", "127.0.0.1:1", "etcd://127.0.0.1:2379/shop/"],
        "resolve_every": "200ms",
    }));
    let [name, plain, etcd] = plan.targets.as_slice() else {
        panic!("{:?}", plan.targets);
    };
    let shop = AddressList::Dns {
        name: "shop.example",
    };
    assert_eq!(
        (name.list(), name.port, plain.list()),
        (Some(shop), 443, None)
    );
    let authority = "127.0.0.1:2379";
    let prefix = "shop/";
    assert_eq!(etcd.list(), Some(AddressList::Etcd { authority, prefix }));
    assert_eq!(plan.resolve_every, Duration::from_millis(200));
    let printed = to_json(std::slice::from_ref(&plan));
    assert_eq!(
        printed["scenarios"][0]["targets"][0],
        "dns:///shop.example:443"
    );
    assert_eq!(printed["scenarios"][0]["resolve_every"], "200ms");
    assert_eq!(parse(&printed).unwrap().scenarios(), [plan]);
}

#[test]
fn where_there_is_no_list_nothing_is_said_of_when_it_is_asked_for() {
    let plan = plan_of(&json!({ "targets": ["127.0.0.1:1"] }));
    assert_eq!(plan.resolve_every, Duration::from_secs(5));
    let printed = to_json(&[plan]);
    assert_eq!(printed["scenarios"][0].get("resolve_every"), None);
}

#[test]
fn a_list_in_a_file_is_relative_to_the_suite() {
    let suite = suite_of(&json!({ "targets": ["file:lists/a", "file:/b"] })).to_string();
    let suite = Suite::parse("suite.json", &suite, Some(Path::new("suites")), None).unwrap();
    let targets = suite.scenarios()[0].targets.iter();
    let targets: Vec<_> = targets.map(ToString::to_string).collect();
    assert_eq!(targets, ["file:suites/lists/a", "file:/b"]);
}

/// Of all, a scenario may take one and not the other.
#[test]
fn how_often_all_ask_is_for_those_that_have_lists() {
    let mut whole = suite_of(&json!({}));
    whole["defaults"] = json!({ "targets": ["a:1"], "resolve_every": "1s" });
    let mut other = whole["scenarios"][0].clone();
    other["name"] = json!("other");
    other["targets"] = json!(["dns:///b:1"]);
    whole["scenarios"].as_array_mut().unwrap().push(other);
    let suite = parse(&whole).unwrap_or_else(|error| panic!("{error}"));
    let every = suite.scenarios().iter().map(|it| it.resolve_every);
    assert!(every.eq([Duration::from_secs(1); 2]));
}

#[test_case(&with_steps(HTTP, json!({ "targets": ["dns:///a:1"] })) => ""; "a name over HTTP 1")]
#[test_case(&with_steps(HTTP, json!({ "targets": ["file:a"] })) => "scenarios[0].targets[0]: found `file:a` without `authority`, expected `authority`: the host that requests name, whichever address they go to; such as \"authority\": \"shop.example\""; "no host over HTTP 1")]
#[test_case(&with_steps(HTTP, json!({ "targets": ["file:a"], "authority": "shop.example" })) => ""; "a host over HTTP 1")]
#[test_case(&with_steps(HTTP, json!({ "targets": ["file:a"], "http_version": "2" })) => ""; "over HTTP 2")]
#[test_case(&with_steps(WEBSOCKET, json!({ "targets": ["a:1", "etcd://a:1/b"] })) => "scenarios[0].targets[1]: found `etcd://a:1/b` without `authority`, expected `authority`: the host that requests name, whichever address they go to; such as \"authority\": \"shop.example\""; "no host over WebSocket")]
#[test_case(&with_steps(TCP, json!({ "targets": ["consul://a:1/b"] })) => ""; "over TCP")]
#[test_case(&json!({ "targets": ["a:1", "dns:///a:1"], "resolve_every": "1s" }) => ""; "one that is a list")]
#[test_case(&json!({ "targets": ["a:1"], "resolve_every": "1s" }) => "scenarios[0].resolve_every: found it beside targets that are no lists of addresses, expected a list among the `targets`, such as \"dns:///host:50051\""; "no list")]
#[test_case(&json!({ "resolve_every": "50ms" }) => "scenarios[0].resolve_every: found 50ms, expected 100ms at the least; whoever is asked has others to answer, too"; "too often")]
#[test_case(&json!({ "targets": ["dns://8.8.8.8/a:1"] }) => "scenarios[0].targets[0]: found \"dns://8.8.8.8/a:1\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; it is the system's resolver that is asked, and no name server of its own: write `dns:///NAME:PORT`"; "a name server")]
#[test_case(&json!({ "targets": ["ectd://a:1/b"] }) => "scenarios[0].targets[0]: found \"ectd://a:1/b\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; there is no such scheme; did you mean `etcd://`?"; "a slip")]
#[test_case(&json!({ "begin": [{ "http": { "path": "/" } }], "elsewhere": { "http": { "targets": ["dns:///a:1"], "http_version": "2" } } }) => "scenarios[0].elsewhere.http.targets: found `dns:///a:1`, expected addresses; lists of addresses are met among a scenario's own `targets`"; "elsewhere")]
fn wrong(fields: &Value) -> String {
    problems_of(fields).join("\n")
}
