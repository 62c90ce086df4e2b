//! Requests: the founding figures of gRPC, and what users cost.

use loadgen_benches::{Server, ServerProcess, median, open};
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{GrpcCall, GrpcPlan, ScenarioPlan};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use serde_json::{Value, json};

use super::{ROUNDS, closed, ms, one};

/// What one run of one scenario measured, and the processor time it took per iteration.
fn run(
    target: &str,
    method: &str,
    message: Value,
    load: Load,
    connections: u32,
) -> (ScenarioRecord, f64) {
    let method = format!("loadgen.v1.Greeter/{method}");
    let mut grpc = GrpcPlan::new([GrpcCall::new(method, message).into()]);
    grpc.connections = Some(connections);
    let mut scenario = ScenarioPlan::new("figure", grpc, load);
    scenario.targets = vec![target.parse().expect("an address of our own")];
    let (scenario, used) = one(scenario);
    let cost = used * 1e6 / scenario.ledger.completed as f64;
    (scenario, cost)
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

pub(crate) fn figures() {
    let server = ServerProcess::spawn(Server::Grpc.role(), None);
    let target = server.address.as_str();
    let hello = || json!({ "name": "world" });
    // 1 KiB as protobuf's JSON form writes bytes: base64.
    let kilobyte = json!({ "payload": "YWJj".repeat(341) });

    println!("gRPC; one generator thread, one server thread, median of {ROUNDS}");
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
