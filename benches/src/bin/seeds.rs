//! The figures that the project was founded with, and what users cost.
//!
//! One server process, one generator process (this one), both on this machine.

use std::time::Duration;

use loadgen_backends::{GrpcConfig, start_grpc};
use loadgen_benches::{ServerProcess, median, process_cpu, serve_until_input_ends};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::record::{Histogram, ScenarioRecord};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::{ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, WhenBusy};
use loadgen_core::units::Rate;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

fn closed(users: u32, seconds: u64, rate_limit: Option<Rate>) -> Load {
    Load::Closed(ClosedModel {
        users,
        limit: Limit::Duration(Duration::from_secs(seconds)),
        max_duration: None,
        think_time: None,
        rate_limit,
    })
}

fn open(rate: f64, seconds: u64, max_users: u32) -> Load {
    Load::Open(OpenModel {
        stages: vec![RateStage {
            duration: Duration::from_secs(seconds),
            from: rate,
            to: rate,
        }],
        spacing: Spacing::Uniform,
        max_users,
        when_busy: WhenBusy::Queue,
    })
}

/// What one run of one scenario measured, and the processor time it took per iteration.
fn run(
    target: &str,
    method: &str,
    message: Value,
    load: Load,
    connections: u32,
) -> (ScenarioRecord, f64) {
    let method = format!("loadgen.v1.Greeter/{method}");
    let mut scenario = ScenarioPlan::grpc("figure", method, message, load);
    scenario.targets = vec![target.parse().expect("an address of our own")];
    scenario.connections = Some(connections);
    let plan = Plan {
        scenarios: vec![scenario],
    };
    let options = Options {
        workers: Some(1),
        seed: 1,
    };
    let run = assemble(&plan, options).expect("the reference service is known");
    let before = process_cpu();
    let mut record = run.execute().expect("the server is there");
    let used = process_cpu() - before;
    let scenario = record.scenarios.remove(0);
    assert_eq!(scenario.ledger.failed, 0, "{:?}", scenario.examples);
    let cost = used.as_secs_f64() * 1e6 / scenario.ledger.completed as f64;
    (scenario, cost)
}

fn ms(histogram: &Histogram, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e6
}

fn throughput(name: &str, figure: &str, run: impl Fn() -> ScenarioRecord) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| run()).collect();
    let rate = |r: &ScenarioRecord| r.ledger.completed as f64 / r.elapsed.as_secs_f64();
    let rates: Vec<f64> = rounds.iter().map(rate).collect();
    let p95: Vec<f64> = rounds.iter().map(|r| ms(&r.response_time, 0.95)).collect();
    println!(
        "  {name:<28} {:>9.0}/s, p95 {:>6.2} ms   (figure: {figure})",
        median(&rates),
        median(&p95)
    );
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        let address = "127.0.0.1:0".parse().expect("a constant address");
        let server = start_grpc(GrpcConfig {
            threads: Some(1),
            ..GrpcConfig::new(address)
        });
        serve_until_input_ends(&server.expect("a free port"));
        return;
    }
    let server = ServerProcess::spawn("serve", None);
    let target = server.address.as_str();
    let hello = || json!({ "name": "world" });
    // 1 KiB as protobuf's JSON form writes bytes: base64.
    let kilobyte = json!({ "payload": "YWJj".repeat(341) });

    println!("Founding figures; one generator thread, one server thread, median of {ROUNDS}");
    throughput("hello, 50 users", ">= 10,000/s, p95 < 5 ms", || {
        run(target, "Hello", hello(), closed(50, 3, None), 4).0
    });
    throughput("echo of 1 KiB, 50 users", ">= 8,000/s", || {
        run(target, "Echo", kilobyte.clone(), closed(50, 3, None), 4).0
    });
    let stream = json!({ "count": 20, "interval_us": 50_000, "payload_bytes": 64 });
    let (streams, _) = run(target, "Stream", stream, closed(500, 3, None), 4);
    let busiest = streams.series.iter().map(|point| point.users).max();
    println!(
        "  server streams               {} at once, {} messages each of {} streams   (figure: 500)",
        busiest.unwrap_or(0),
        streams.steps[0].messages_received / streams.ledger.completed,
        streams.ledger.completed,
    );

    println!(
        "\nProcessor time per request at 5,000/s, by users (figure: <= 1.3 times from 10 to 10,000)"
    );
    let rate = Rate::new(5000.0).expect("a rate");
    for (name, load) in [
        (
            "open",
            &(|users| open(5000.0, 4, users)) as &dyn Fn(u32) -> Load,
        ),
        ("closed, rate-limited", &|users| {
            closed(users, 4, Some(rate))
        }),
    ] {
        let mut costs = vec![Vec::new(); 2];
        for _ in 0..ROUNDS {
            for (index, users) in [10, 10_000].into_iter().enumerate() {
                costs[index].push(run(target, "Hello", hello(), load(users), 4).1);
            }
        }
        let ratios: Vec<f64> = costs[1].iter().zip(&costs[0]).map(|(b, a)| b / a).collect();
        println!(
            "  {name:<22} 10 users {:>6.1} us, 10,000 users {:>6.1} us, ratio {:.2}",
            median(&costs[0]),
            median(&costs[1]),
            median(&ratios),
        );
    }
}
