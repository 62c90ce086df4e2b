//! What these tests share: plans, scripted servers.

pub(crate) mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen_core::driver::grpc::{GrpcFactory, GrpcWorkload};
use loadgen_core::scenario::{
    Action, ConnectionPer, GrpcCall, Protocol, ScenarioPlan, StepPlan, Target,
};
use loadgen_core::schedule::{ClosedModel, Limit, Load};
use loadgen_core::workload::WorkerContext;

use crate::common::Planned;
pub(crate) use crate::common::{run, until, whole};

pub(crate) type Driver = crate::common::Driver<GrpcWorkload>;

impl Planned for GrpcWorkload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self {
        let factory = GrpcFactory::new(plan).expect("a valid plan");
        factory.workload(context)
    }
}

/// A scenario of one call.
pub(crate) fn plan(targets: &[std::net::SocketAddr], method: &str) -> ScenarioPlan {
    ScenarioPlan {
        name: "test".to_owned(),
        description: None,
        protocol: Protocol::Grpc,
        targets: targets
            .iter()
            .map(|address| Target {
                host: address.ip().to_string(),
                port: address.port(),
                tls: false,
            })
            .collect(),
        connections: None,
        streams_per_connection: None,
        connection_per: ConnectionPer::User,
        connect_rate: None,
        load: Load::Closed(ClosedModel {
            users: 1,
            limit: Limit::Iterations(1),
            max_duration: None,
            think_time: None,
            rate_limit: None,
        }),
        start_after: Duration::ZERO,
        warm_up: Duration::ZERO,
        graceful_stop: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        late_after: Duration::from_millis(1),
        max_message: 64 << 20,
        keepalive: None,
        authority: None,
        tls: None,
        metadata: Vec::new(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        tags: BTreeMap::new(),
        protos: Vec::new(),
        steps: vec![step("call", call(method))],
        thresholds: Vec::new(),
    }
}

pub(crate) fn step(name: &str, call: GrpcCall) -> StepPlan {
    StepPlan {
        name: name.to_owned(),
        action: Action::Grpc(call),
    }
}

pub(crate) fn call(method: &str) -> GrpcCall {
    GrpcCall {
        method: format!("loadgen.v1.Greeter/{method}"),
        message: serde_json::json!({}),
        repeat: 1,
        every: None,
        in_flight: 1,
        stream: None,
        metadata: Vec::new(),
        gzip: false,
    }
}

/// The call of a scenario of one call.
pub(crate) fn the_call(plan: &mut ScenarioPlan) -> &mut GrpcCall {
    match &mut plan.steps[0].action {
        Action::Grpc(call) => call,
        other => panic!("not a call: {other:?}"),
    }
}
