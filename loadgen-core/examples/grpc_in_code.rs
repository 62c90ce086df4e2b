//! A gRPC scenario built in code, run, and judged: the same engine and report as the command line.

use std::time::Duration;

use loadgen_backends::{ServerConfig, start_grpc};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::report::{Context, build};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::{Load, Spacing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = start_grpc(ServerConfig::new("127.0.0.1:0".parse()?))?;

    let load = Load::open("500/s".parse()?)
        .for_(Duration::from_secs(2))
        .spacing(Spacing::Poisson);
    let message = serde_json::json!({ "name": "world" });
    let mut scenario = ScenarioPlan::grpc("greet", "loadgen.v1.Greeter/Hello", message, load);
    scenario.targets = vec![server.local_addr().to_string().parse()?];
    scenario.thresholds.push("response_time.p99 < 1s".parse()?);

    let plan = Plan::new(vec![scenario]);
    let record = assemble(&plan, Options::default())?.execute()?;
    println!("{}", build(&record, Context::of(&plan)));
    Ok(())
}
