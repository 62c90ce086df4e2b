//! The published JSON Schema.

use std::path::Path;

use serde_json::json;
use test_case::test_case;

use super::*;

/// `LOADGEN_UPDATE_SCHEMA=1 cargo test -p loadgen-core schema` writes it anew.
#[test]
fn the_published_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/scenario.schema.json");
    let generated = format!(
        "{}\n",
        serde_json::to_string_pretty(&super::schema()).unwrap()
    );
    if std::env::var_os("LOADGEN_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == generated,
        "{} is stale; run this test with LOADGEN_UPDATE_SCHEMA=1",
        path.display()
    );
}

fn violations(value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&super::schema()).unwrap();
    validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect()
}

#[test]
fn what_is_shipped_and_what_is_printed_follows_the_schema() {
    for (_, text) in super::SHIPPED
        .into_iter()
        .chain(super::SHIPPED_WITH_SERVERS)
    {
        let shipped: Value = serde_json::from_str(text).unwrap();
        assert_eq!(violations(&shipped), [""; 0]);
    }
    let example = include_str!("../../../../scenarios/example.yaml");
    let example = super::reader::text::parse("a.yaml", example, &Default::default());
    assert_eq!(violations(&example.unwrap()), [""; 0]);
    let several = json!({ "include": ["a.yaml"], "scenarios": [] });
    assert_eq!(violations(&several), [""; 0]);
    assert!(!violations(&json!({ "include": "a.yaml" })).is_empty());
    assert_eq!(violations(&to_json(super::shipped().scenarios())), [""; 0]);
    let open = plan_of(&json!({
        "load": { "open": { "stages": [{ "for": "1s", "rate": "5/s" }] } },
        "tls": { "insecure_skip_verify": true },
        "tags": { "a": "b" },
    }));
    assert_eq!(violations(&to_json(&[open])), [""; 0]);
    let websocket = plan_of(&json!({
        "targets": ["wss://a"],
        "headers": { "x-a": "b" },
        "subprotocols": ["a.b"],
        "connection_per": "iteration",
        "connect_rate": "5/s",
        "steps": [
            { "websocket": { "path": "/a?b=[c]", "send": { "json": null }, "reply": "none" } },
            { "name": "b", "websocket": { "send": { "json": {} }, "match_id": "id", "in_flight": 2 } },
            { "name": "c", "websocket": { "send": { "binary": "AA==" }, "every": "1s" } },
            { "name": "d", "websocket": { "stream": { "for": "1s", "sequence": "n" } } },
            { "name": "e", "websocket": { "path": "/e", "send": { "json": {} }, "match_id": "a.b", "reply": { "field": "c.d", "equals": null }, "greeting": 2, "pushes": true } },
        ],
    }));
    assert_eq!(violations(&to_json(&[websocket])), [""; 0]);
}

#[test_case(&json!({ "lod": {} }); "unknown field")]
#[test_case(&json!({ "timeout": "5 s" }); "malformed duration")]
#[test_case(&json!({ "connections": 0 }); "number out of bounds")]
#[test_case(&json!({ "load": {} }); "no load model")]
#[test_case(&json!({ "load": { "open": { "rate": "5", "duration": "1s" } } }); "rate without a unit")]
#[test_case(&json!({ "load": { "open": { "arrivals": "x" } } }); "unknown word")]
#[test_case(&json!({ "steps": [{ "grpc": {} }] }); "no method")]
#[test_case(&json!({ "steps": [{}] }); "no action")]
#[test_case(&json!({ "steps": [{ "websocket": {} }] }); "no exchange")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": false } }] }); "no ping")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true, "path": "a" } }] }); "no path")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true, "path": "/a b" } }] }); "blank in a path")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true, "send": { "text": "a" } } }] }); "ping and send")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true, "stream": { "messages": 1 } } }] }); "ping and stream")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": {} } }] }); "nothing to send")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "text": "a", "json": 1 } } }] }); "two things to send")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "text": "a", "as": "text" } } }] }); "a text as a text")]
#[test_case(&json!({ "steps": [{ "websocket": { "stream": { "messages": 1, "for": "1s" } } }] }); "two ends of a stream")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "text": "a" }, "reply": "two" } }] }); "another word for a reply")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "text": "a" }, "reply": { "field": "a" } } }] }); "half a mark")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "text": "a" }, "reply": { "field": "a", "equals": [] } } }] }); "a mark with parts")]
#[test_case(&json!({ "steps": [{ "websocket": { "send": { "json": {} }, "match_id": "a..b" } }] }); "an empty name in a path")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true, "greeting": 0 } }] }); "no greeting")]
#[test_case(&json!({ "steps": [{ "websocket": { "ping": true }, "pause": "1s" }] }); "two actions")]
#[test_case(&json!({ "subprotocols": ["a b"] }); "no token")]
fn the_schema_refuses_what_the_parser_refuses(fields: &Value) {
    assert!(!violations(&suite_of(fields)).is_empty());
    assert!(!problems_of(fields).is_empty());
}
