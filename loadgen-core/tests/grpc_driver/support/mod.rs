//! What these tests share: plans, scripted servers.

pub(crate) use crate::common::http2 as server;
use std::time::Duration;

use loadgen_core::driver::grpc::{DriverError, GrpcFactory, GrpcWorkload};
use loadgen_core::scenario::{
    Action, Codec, GrpcCall, GrpcPlan, ProtocolPlan, ScenarioPlan, Step, Target,
};
use loadgen_core::schedule::Load;
use loadgen_core::workload::WorkerContext;

use crate::common::Planned;
pub(crate) use crate::common::{run, until, whole};

pub(crate) type Driver = crate::common::Driver<GrpcWorkload>;

impl Planned for GrpcWorkload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self {
        factory(plan).expect("a valid plan").workload(context)
    }
}

pub(crate) fn factory(plan: &ScenarioPlan) -> Result<GrpcFactory, DriverError> {
    match &plan.protocol {
        ProtocolPlan::Grpc(grpc) => GrpcFactory::new(plan, grpc),
        other => panic!("not gRPC: {other:?}"),
    }
}

pub(crate) fn check(plan: &ScenarioPlan) -> Result<Vec<String>, DriverError> {
    match &plan.protocol {
        ProtocolPlan::Grpc(grpc) => GrpcFactory::check(plan, grpc),
        other => panic!("not gRPC: {other:?}"),
    }
}

/// A scenario of one call.
pub(crate) fn plan(targets: &[std::net::SocketAddr], method: &str) -> ScenarioPlan {
    let load = Load::closed(1).iterations(1);
    let mut plan = ScenarioPlan::new("test", GrpcPlan::new([step("call", call(method))]), load);
    plan.targets = targets
        .iter()
        .map(|address| Target {
            host: address.ip().to_string(),
            port: address.port(),
            tls: false,
        })
        .collect();
    plan.graceful_stop = Duration::from_secs(1);
    plan.timeout = Duration::from_secs(5);
    plan.thresholds = Vec::new();
    grpc(&mut plan).codec = codec();
    plan
}

/// Who speaks in these tests where nothing else is said.
pub(crate) const CODEC: &str = "LOADGEN_TESTS_CODEC";

fn codec() -> Option<Codec> {
    let codec = std::env::var(CODEC).ok();
    codec.map(|it| it.parse().expect("a codec"))
}

/// What a plan says of gRPC.
pub(crate) fn grpc(plan: &mut ScenarioPlan) -> &mut GrpcPlan {
    match &mut plan.protocol {
        ProtocolPlan::Grpc(grpc) => grpc,
        other => panic!("not gRPC: {other:?}"),
    }
}

pub(crate) fn step(name: &str, call: GrpcCall) -> Step<GrpcCall> {
    Step::new(name, call)
}

pub(crate) fn call(method: &str) -> GrpcCall {
    GrpcCall::new(
        format!("loadgen.v1.Greeter/{method}"),
        serde_json::json!({}),
    )
}

/// The call of a scenario of one call.
pub(crate) fn the_call(plan: &mut ScenarioPlan) -> &mut GrpcCall {
    match &mut grpc(plan).steps[0].action {
        Action::Speak(call) => call,
        other => panic!("not a call: {other:?}"),
    }
}
