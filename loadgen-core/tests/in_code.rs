//! A regression test of a service: it fails where a threshold does. The page "In code" shows it whole.
#![cfg(feature = "grpc")]

use std::error::Error;
use std::num::NonZeroU32;

use loadgen_backends::{ServerConfig, start_grpc};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::report::{Context, Document, Status, build};
use loadgen_core::scenario::{GrpcCall, GrpcPlan, Plan, ScenarioPlan, Step};
use loadgen_core::schedule::Load;
use serde_json::json;

/// Users that greet by the name they began with, for as many iterations as given.
fn greeting(target: &str, thresholds: &[&str]) -> Result<Plan, Box<dyn Error>> {
    let hello = |name| GrpcCall::new("loadgen.v1.Greeter/Hello", json!({ "name": name }));
    let mut grpc = GrpcPlan::new([
        Step::new("greet", hello("{{ saved.greeting }}")).check("reply.message != ''")
    ]);
    grpc.begin =
        vec![Step::new("login", hello("user-{{ user }}")).save("greeting", "reply.message")];
    let load = Load::closed(10).iterations(500);
    let mut scenario = ScenarioPlan::new("greeting", grpc, load);
    scenario.targets = vec![target.parse()?];
    for threshold in thresholds {
        scenario.thresholds.push(threshold.parse()?);
    }
    Ok(Plan::new(vec![scenario.checked()?]))
}

/// A run takes its own threads: beside a runtime it is carried out where it may block.
async fn carried_out(plan: Plan) -> Result<Document, Box<dyn Error>> {
    let run = assemble(&plan, Options::default().workers(1))?;
    let record = tokio::task::spawn_blocking(|| run.execute()).await??;
    Ok(build(&record, Context::of(&plan)))
}

#[tokio::test]
async fn greets_in_time() -> Result<(), Box<dyn Error>> {
    let server = start_grpc(ServerConfig::new("127.0.0.1:0".parse()?))?;
    let plan = greeting(
        &server.local_addr().to_string(),
        &["response_time.p95 < 2s"],
    )?;
    let document = carried_out(plan).await?;
    // On a machine that is busy with something else it may be `Invalid`, which says nothing of the service.
    assert_ne!(document.verdict.status, Status::Fail, "{document}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_fails_is_noticed() -> Result<(), Box<dyn Error>> {
    let mut config = ServerConfig::new("127.0.0.1:0".parse()?);
    // One call a second is answered.
    config.faults.throttle = NonZeroU32::new(1);
    let server = start_grpc(config)?;
    let plan = greeting(&server.local_addr().to_string(), &["error_rate < 1%"])?;
    let document = carried_out(plan).await?;
    assert_eq!(document.verdict.status, Status::Fail, "{document}");
    Ok(())
}
