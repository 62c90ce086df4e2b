//! `expect`: what balancers are held to, from the file to the exit code.

mod common;

use common::{Server, say};
use serde_json::{Value, json};

/// Runs a scenario against two servers, `v1a` and `v2a`, of which each gets the requests of one connection.
fn expecting(expect: &Value) -> common::Said {
    let servers = ["v1a", "v2a"].map(|id| Server::start(&["--id", id]));
    let targets = servers.each_ref().map(|it| it.address.clone());
    let suite = json!({ "scenarios": [{
        "name": "lb",
        "targets": targets,
        "connections": 2,
        "tags": { "version": "v1.2" },
        "load": { "closed": { "users": 2, "iterations": 4000 } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
        "expect": expect,
    }] });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    std::fs::write(&path, suite.to_string()).expect("it is written");
    say(&["run", path.to_str().expect("UTF-8"), "--json"])
}

fn verdicts(document: &Value) -> Vec<(String, String)> {
    let all = document["scenarios"][0]["expectations"].as_array();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    all.expect("there are expectations")
        .iter()
        .map(|it| (text(&it["expression"]), text(&it["verdict"])))
        .collect()
}

/// With servers of its own, and with a proxy of somebody else that does not route.
#[test]
fn versions_are_routed_or_not() {
    let short = [
        "run",
        "--scenario",
        "version_routing",
        "--json",
        "--set",
        "scenarios.version_routing.load.closed.duration=1500ms",
        "--set",
        "scenarios.version_routing.steps[0].grpc.every=100ms",
    ];
    let said = say(&[&short[..], &["--set", "backends.v2b.log_streams=true"]].concat());
    let document = said.json();
    assert_eq!(said.code, Some(0), "{said:?}");
    let scenarios = document["scenarios"].as_array().expect("scenarios");
    assert_eq!(scenarios.len(), 4);
    for scenario in scenarios {
        let [route] = scenario["expectations"].as_array().expect("one").as_slice() else {
            panic!("{scenario}");
        };
        assert_eq!(route["verdict"], "holds", "{route}");
        let answered = scenario["backends"].as_array().expect("backends").iter();
        let answered: u64 = answered.filter_map(|it| it["requests"].as_u64()).sum();
        assert!(answered >= 3, "{scenario}");
    }
    // One of two servers says so of each of its streams, and nobody else does.
    let lines: Vec<&str> = said
        .stderr
        .lines()
        .filter(|it| it.contains("[SERVER_"))
        .collect();
    let opened =
        |it: &&&str| it.starts_with("[SERVER_v2/v2b] Stream opened from agent-id=agent-v2.");
    assert_eq!(lines.iter().filter(opened).count(), 3, "{said:?}");
    assert!(
        lines.iter().all(|it| it.starts_with("[SERVER_v2/v2b] ")),
        "{said:?}"
    );
    let other = Server::start(&["--id", "v1a"]);
    let said = say(&[&short[..], &["--grpc-target", &other.address]].concat());
    assert_eq!(said.code, Some(99), "{said:?}");
    let verdicts = said.json()["scenarios"].as_array().map(|all| {
        let verdict = |it: &Value| it["expectations"][0]["verdict"].clone();
        all.iter().map(verdict).collect::<Vec<_>>()
    });
    assert_eq!(
        verdicts,
        Some(["holds", "holds", "fails", "fails"].map(Value::from).into())
    );
    assert!(!said.stderr.contains("grpc server on"), "{said:?}");
}

#[test]
fn what_is_as_expected_passes() {
    let said = expecting(&json!({
        "distribution": { "weights": { "v1a": 1, "v2a": 1 }, "within": "20%", "per": "request" },
        "route": { "version": { "v1.*": "v*" } },
        "sticky": "connection",
    }));
    let document = said.json();
    let holds = |expression: &str| (expression.to_owned(), "holds".to_owned());
    assert_eq!(
        verdicts(&document),
        [
            holds("distribution v1a 1, v2a 1 within 20% per request"),
            holds("route version v1.2 to v*"),
            holds("sticky connection"),
        ]
    );
    assert_eq!(said.code, Some(0), "{}", said.stderr);
}

#[test]
fn a_leak_and_an_uneven_share_fail_by_name() {
    let said = expecting(&json!({
        "distribution": { "weights": { "v1a": "90%", "v2a": "10%" }, "within": "5%" },
        "route": { "version": { "v1.*": "v1*", "v2.*": "v2*" } },
        "failover": { "lost": "== 0" },
    }));
    let document = said.json();
    assert_eq!(said.code, Some(99));
    let fails = |it: &(String, String)| it.1 == "fails";
    assert!(verdicts(&document).iter().all(fails), "{document}");
    let all = &document["scenarios"][0]["expectations"];
    let observed = |index: usize| all[index]["observed"].as_str().expect("a text");
    assert!(observed(1).contains("went elsewhere: v2a "), "{all}");
    assert_eq!(observed(2), "no server went away unannounced");
    // What a busy machine does to the generator is a reason of its own, and of no scenario.
    let reasons = document["verdict"]["reasons"].as_array().expect("reasons");
    let of_it = |it: &&Value| it.as_str().is_some_and(|it| it.starts_with("`lb`: "));
    assert_eq!(reasons.iter().filter(of_it).count(), 3, "{reasons:?}");
}
