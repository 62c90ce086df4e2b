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

#[test_case(&["hello_high"], None => Ok(vec!["hello_high".to_owned()]); "by name")]
#[test_case(&["echo", "hello_high", "echo"], Some("grpc") => Ok(vec!["hello_high".to_owned(), "echo".to_owned()]); "in the order of the file, each once")]
#[test_case(&[], Some("grpc") => Ok(vec!["hello_high".to_owned(), "echo".to_owned()]); "all of a protocol")]
#[test_case(&["helo_high"], None => Err("unknown scenario `helo_high`; did you mean `hello_high`?".to_owned()); "a slip")]
#[test_case(&["pong", "zzz"], None => Err("unknown scenario `pong`; did you mean `ping`?\nunknown scenario `zzz`".to_owned()); "two unknown names")]
#[test_case(&["ping"], None => Err("scenario `ping` speaks websocket, and this version speaks gRPC only; choose others by name or with `--protocol grpc`".to_owned()); "not in this version")]
#[test_case(&[], None => Err("scenario `echo` speaks websocket, and this version speaks gRPC only; choose others by name or with `--protocol grpc`\nscenario `ping` speaks websocket, and this version speaks gRPC only; choose others by name or with `--protocol grpc`".to_owned()); "all of everything")]
#[test_case(&["ping"], Some("grpc") => Err("no scenario that speaks grpc to run".to_owned()); "of another protocol")]
fn selects(names: &[&str], protocol: Option<&str>) -> Result<Vec<String>, String> {
    suite()
        .select(names, protocol)
        .map(|plan| plan.scenarios.into_iter().map(|plan| plan.name).collect())
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
