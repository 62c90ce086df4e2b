//! Generator processor time per request of an open model: paced exactly, and to a grid.

use loadgen_benches::{Server, ServerProcess, median};
use serde_json::{Value, json};

use super::peer::{self, ROUNDS, Scratch};

const RATES: [u64; 3] = [5_000, 20_000, 100_000];
const SECONDS: u64 = 5;
/// The first is what the others are held against.
const PACINGS: [&str; 4] = ["exact", "auto", "grid=100us", "grid=250us"];

/// What one run says.
struct Round {
    cpu_us: f64,
    /// Percentiles in microseconds.
    lag_p50: f64,
    lag_p99: f64,
    service_p50: f64,
}

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Grpc.role(), scratch.server_processor());
    println!(
        "Generator processor time per unary request of an open model, tiny message, 4 connections,"
    );
    println!(
        "one generator thread; median of {ROUNDS} rounds in turn; ratio to exact pacing round by round.\n"
    );
    println!(
        "{:<12} {:>10} {:>10} {:>6} {:>12} {:>12} {:>14}",
        "pacing", "rate/s", "us/request", "ratio", "lag p50, us", "lag p99, us", "service p50, us"
    );
    for rate in RATES {
        let mut rounds: [Vec<Round>; PACINGS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (pacing, rounds) in PACINGS.iter().zip(&mut rounds) {
                rounds.push(measure(scratch, &server.address, rate, pacing));
            }
        }
        for (pacing, own) in PACINGS.iter().zip(&rounds) {
            let pairs = own.iter().zip(&rounds[0]);
            let ratios: Vec<f64> = pairs.map(|(own, base)| own.cpu_us / base.cpu_us).collect();
            let all = |of: fn(&Round) -> f64| median(&own.iter().map(of).collect::<Vec<_>>());
            println!(
                "{pacing:<12} {rate:>10} {:>10.2} {:>6.2} {:>12.0} {:>12.0} {:>14.0}",
                all(|it| it.cpu_us),
                median(&ratios),
                all(|it| it.lag_p50),
                all(|it| it.lag_p99),
                all(|it| it.service_p50),
            );
        }
    }
}

fn measure(scratch: &Scratch, address: &str, rate: u64, pacing: &str) -> Round {
    let mut command = scratch.loadgen(&json!({
        "name": "compare",
        "targets": [address],
        "connections": 4,
        "load": { "open": { "rate": format!("{rate}/s"), "duration": format!("{SECONDS}s") } },
        "steps": [{ "name": "hello", "grpc": {
            "method": "loadgen.v1.Greeter/Hello", "message": { "name": "world" },
        } }],
        // How well it went is for the reader to judge.
        "thresholds": [],
    }));
    command.extend([
        "--pacing".to_owned(),
        pacing.to_owned(),
        "--quiet".to_owned(),
    ]);
    let printed = scratch.write("printed.txt", b"");
    let (cpu, _) = peer::run(&scratch.pinned(&command), &printed);
    let document = std::fs::read_to_string(&printed).expect("it was written just now");
    let document: Value =
        serde_json::from_str(&document).expect("`--json` prints the document alone");
    let scenario = &document["scenarios"][0];
    let completed = scenario["ledger"]["completed"].as_f64().expect("a count");
    let us = |series: &str, quantile: &str| scenario[series][quantile].as_f64().unwrap_or(f64::NAN);
    Round {
        cpu_us: cpu / completed * 1e6,
        lag_p50: us("start_lag_us", "p50"),
        lag_p99: us("start_lag_us", "p99"),
        service_p50: us("service_time_us", "p50"),
    }
}
