//! Choosing scenarios by name and protocol.

use serde_json::json;
use test_case::test_case;

use super::*;

fn suite() -> Suite {
    parse(&json!({
        "grpc_scenarios": [
            { "name": "hello_high", "total_requests": 5, "concurrency": 1, "test_type": "hello" },
            { "name": "echo", "total_requests": 5, "concurrency": 1, "test_type": "echo" },
        ],
        "websocket_scenarios": [
            { "name": "echo", "total_connections": 5, "messages_per_conn": 1, "test_type": "echo" },
            { "name": "ping", "total_connections": 5, "messages_per_conn": 1, "test_type": "ping" },
        ],
    }))
    .unwrap()
}

#[test_case(&["hello_high"], None => Ok(vec!["grpc/hello_high".to_owned()]); "by name")]
#[test_case(&["echo", "hello_high", "echo"], Some("grpc") => Ok(vec!["grpc/hello_high".to_owned(), "grpc/echo".to_owned()]); "in the order of the file, each once")]
#[test_case(&[], Some("grpc") => Ok(vec!["grpc/hello_high".to_owned(), "grpc/echo".to_owned()]); "all of a protocol")]
#[test_case(&["helo_high"], None => Err("unknown scenario `helo_high`; did you mean `hello_high`?".to_owned()); "a slip")]
#[test_case(&["pong", "zzz"], None => Err("unknown scenario `pong`; did you mean `ping`?\nunknown scenario `zzz`".to_owned()); "two unknown names")]
#[test_case(&["ping"], None => Ok(vec!["websocket/ping".to_owned()]); "by name, of WebSocket")]
#[test_case(&["echo"], None => Ok(vec!["grpc/echo".to_owned(), "websocket/echo".to_owned()]); "every scenario of a name")]
#[test_case(&["echo"], Some("websocket") => Ok(vec!["websocket/echo".to_owned()]); "a name within a protocol")]
#[test_case(&[], None => Ok(["grpc/hello_high", "grpc/echo", "websocket/echo", "websocket/ping"].map(str::to_owned).to_vec()); "all of everything")]
#[test_case(&["ping"], Some("grpc") => Err("no scenario that speaks grpc to run".to_owned()); "of another protocol")]
fn selects(names: &[&str], protocol: Option<&str>) -> Result<Vec<String>, String> {
    suite()
        .select(names, protocol)
        .map(|plan| {
            let named = |plan: &ScenarioPlan| format!("{}/{}", plan.protocol(), plan.name);
            plan.scenarios.iter().map(named).collect()
        })
        .map_err(|error| error.to_string())
}

#[test]
fn a_file_comes_before_what_is_shipped() {
    let suite = suite().or(shipped());
    let plan = suite.select(&["hello_high", "hello_light"], None).unwrap();
    let users: Vec<_> = plan
        .scenarios
        .iter()
        .map(|plan| plan.load.max_users())
        .collect();
    assert_eq!(users, [1, 25]);
}

#[test]
fn a_file_replaces_what_is_shipped_of_its_protocol_only() {
    let file = parse(&json!({ "websocket_scenarios": [
        { "name": "stress_all", "total_connections": 5, "messages_per_conn": 1, "test_type": "echo" },
    ] }))
    .unwrap();
    let plan = file.or(shipped()).select(&["stress_all"], None).unwrap();
    let chosen: Vec<_> = plan
        .scenarios
        .iter()
        .map(|plan| (plan.protocol(), plan.load.max_users()))
        .collect();
    assert_eq!(chosen, [(Protocol::Websocket, 5), (Protocol::Grpc, 200)]);
}

/// Once there were two of one name.
#[test]
fn a_file_replaces_one_of_several_that_are_written_as_one() {
    let file = parse(&json!({ "scenarios": [{
        "name": "version_routing-v1.1",
        "load": { "closed": { "users": 9, "iterations": 9 } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
    }] }))
    .unwrap();
    let suite = file.or(shipped());
    let users = |name: &str| -> Vec<_> {
        let plan = suite.select(&[name], None).unwrap();
        let users = plan.scenarios.iter().map(|it| it.load.max_users());
        users.collect()
    };
    assert_eq!(users("version_routing-v1.1"), [9]);
    assert_eq!(users("version_routing-v1.2"), [3]);
    assert_eq!(users("version_routing"), [3; 3]);
}
