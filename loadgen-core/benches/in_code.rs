//! `cargo bench` of a service: the summary of the command line, and a failure where a threshold fails. The
//! page "In code" shows it whole.

use std::error::Error;
use std::time::Duration;

use loadgen_backends::{ServerConfig, start_grpc};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::report::{Context, Status, build};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::Load;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let server = start_grpc(ServerConfig::new("127.0.0.1:0".parse()?))?;
    let load = Load::closed(16).for_(Duration::from_secs(3));
    let message = json!({ "name": "{{ uuid() }}" });
    let mut scenario = ScenarioPlan::grpc("greet", "loadgen.v1.Greeter/Hello", message, load);
    scenario.targets = vec![server.local_addr().to_string().parse()?];
    scenario.warm_up = Duration::from_secs(1);
    scenario.thresholds.push("response_time.p99 < 1s".parse()?);
    let plan = Plan::new(vec![scenario.checked()?]);
    let record = assemble(&plan, Options::default())?.execute()?;
    let document = build(&record, Context::of(&plan));
    println!("{document}");
    match document.verdict.status {
        Status::Fail => Err("a threshold does not hold".into()),
        _ => Ok(()),
    }
}
