//! The figures that the project was founded with, what users cost, and what two protocols in one
//! run cost.
//!
//! Arguments are the parts to measure, `grpc`, `websocket` and `together`; without any, all of
//! them. A server is a process of its own, the generator is this one, all on this machine.

mod grpc;
mod together;
mod websocket;

use std::process::ExitCode;
use std::time::Duration;

use loadgen_benches::{Server, process_cpu, raise_open_files};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::record::{Histogram, ScenarioRecord};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

fn closed(users: u32, seconds: u64, rate_limit: Option<Rate>) -> Load {
    let mut load = Load::closed(users).for_(Duration::from_secs(seconds));
    load.rate_limit = rate_limit;
    load.into()
}

/// What one run measured, and the processor seconds it took. Nothing may fail in it.
fn run(scenarios: Vec<ScenarioPlan>) -> (Vec<ScenarioRecord>, f64) {
    let plan = Plan::new(scenarios);
    let options = Options::default().workers(1).seed(1);
    let run = assemble(&plan, options).expect("the reference services are known");
    let before = process_cpu();
    let record = run.execute().expect("the server is there");
    let used = process_cpu() - before;
    for scenario in &record.scenarios {
        assert_eq!(scenario.ledger.failed, 0, "{:?}", scenario.examples);
    }
    (record.scenarios, used.as_secs_f64())
}

/// The same of a single scenario.
fn one(scenario: ScenarioPlan) -> (ScenarioRecord, f64) {
    let (mut records, used) = run(vec![scenario]);
    (records.remove(0), used)
}

fn ms(histogram: &Histogram, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e6
}

/// A part of the figures.
fn part(name: &str) -> Option<fn()> {
    match name {
        "grpc" => Some(grpc::figures),
        "websocket" => Some(websocket::figures),
        "together" => Some(together::figures),
        _ => None,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role] = &arguments[..]
        && let Some(server) = Server::of_role(role)
    {
        if let Err(error) = server.serve() {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    let parts: Option<Vec<fn()>> = arguments.iter().map(|name| part(name)).collect();
    let Some(mut parts) = parts else {
        eprintln!("the parts are `grpc`, `websocket` and `together`");
        return ExitCode::from(2);
    };
    if parts.is_empty() {
        parts = vec![grpc::figures, websocket::figures, together::figures];
    }
    raise_open_files();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            println!();
        }
        part();
    }
    ExitCode::SUCCESS
}
