//! Tests of the scenario language as a whole.

mod bind;
mod book;
mod capacity;
mod checking;
mod choosing;
mod elsewhere;
mod errors;
mod events;
mod expecting;
mod files;
mod for_each;
mod http;
mod lists;
mod overriding;
mod reading;
mod resilience;
mod round_trip;
mod schema;
mod tagged;
mod tcp;
mod websocket;

use serde_json::{Value, json};

use super::*;

fn parse(value: &Value) -> Result<Suite, SuiteError> {
    Suite::parse("suite.json", &value.to_string(), None, None)
}

/// The only scenario of a suite whose scenario has these fields beside name, load and steps.
fn plan_of(fields: &Value) -> ScenarioPlan {
    let suite = parse(&suite_of(fields)).unwrap();
    let [plan] = suite.scenarios() else {
        panic!("one scenario was given");
    };
    plan.clone()
}

/// What a plan says of gRPC.
fn grpc(plan: &ScenarioPlan) -> &GrpcPlan {
    match &plan.protocol {
        ProtocolPlan::Grpc(grpc) => grpc,
        other => panic!("not gRPC: {other:?}"),
    }
}

/// What a plan says of WebSocket.
fn websocket(plan: &ScenarioPlan) -> &WebsocketPlan {
    match &plan.protocol {
        ProtocolPlan::Websocket(websocket) => websocket,
        other => panic!("not WebSocket: {other:?}"),
    }
}

fn problems_of(fields: &Value) -> Vec<String> {
    match parse(&suite_of(fields)) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn suite_of(fields: &Value) -> Value {
    let mut scenario = json!({
        "name": "s",
        "load": { "closed": { "users": 10, "iterations": 1000 } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
    });
    for (key, value) in fields.as_object().unwrap() {
        scenario[key] = value.clone();
    }
    json!({ "scenarios": [scenario] })
}
