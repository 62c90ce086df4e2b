//! `loadgen capacity` on a server whose capacity is known, beside what people do by hand: halving an interval with
//! runs of ten seconds, and a ramp of a minute. How far each is off, and what it takes.
//!
//! The server is a queue (M/D/1) of 5,000/s in a process of its own, arrivals come at random, and theory says up to
//! which rate their p99 is below the goal. `LOADGEN` names the binary under test. Arguments, all optional: `search`,
//! `bisection`, `ramp` (all three unless one is named), how often each is done (20), and the goal in milliseconds, as
//! in `goal=20`. Rounds alternate, so that the machine's moods meet all of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use loadgen_backends::{Capacity, Probability, Queue, ServiceTimes, theory};
use loadgen_benches::median;
use serde_json::{Value, json};

/// What the server can serve.
const SERVED_PER_S: f64 = 5_000.0;
/// What a search may take.
const BUDGET: &str = "90s";
/// How far apart bounds may be.
const WIDTH: f64 = 0.02;
/// By hand: how long each run of an interval that is halved, between which rates.
const RUN_S: u64 = 10;
const BETWEEN: (f64, f64) = (100.0, 10_000.0);
/// How long a ramp to the higher of these takes.
const RAMP_S: u64 = 60;
/// Within this part of what theory says an answer is right.
const RIGHT: f64 = 0.03;

type Answer = Result<(), Box<dyn std::error::Error>>;

/// A way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Search,
    Bisection,
    Ramp,
}

impl Way {
    const ALL: [Self; 3] = [Self::Search, Self::Bisection, Self::Ramp];

    fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Bisection => "bisection",
            Self::Ramp => "ramp",
        }
    }
}

/// A server that ends with this.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> Answer {
    let named = |way: &Way| arguments.iter().any(|it| it == way.name());
    let mut ways: Vec<Way> = Way::ALL.into_iter().filter(named).collect();
    if ways.is_empty() {
        ways = Way::ALL.to_vec();
    }
    let rounds: usize = arguments
        .iter()
        .find_map(|it| it.parse().ok())
        .unwrap_or(20);
    let goal = arguments
        .iter()
        .find_map(|it| it.strip_prefix("goal=")?.parse().ok());
    let goal_ms: u64 = goal.unwrap_or(20);
    let queue = Queue {
        capacity: Capacity::new(SERVED_PER_S)?,
        service_times: ServiceTimes::Constant,
    };
    let within = Duration::from_millis(goal_ms);
    let truth = theory::capacity_for(queue, Probability::new(0.99)?, within);
    let truth = truth.ok_or("no rate holds such a goal")?;
    let server = serve()?;
    println!(
        "M/D/1 of {SERVED_PER_S}/s, response_time.p99 < {goal_ms}ms: {truth:.0}/s by theory\n"
    );
    let mut answers: Vec<(Way, f64, f64)> = Vec::new();
    for round in 1..=rounds {
        for &way in &ways {
            let began = now();
            let (answer, said) = match way {
                Way::Search => search(&server, goal_ms)?,
                Way::Bisection => bisection(&server, goal_ms)?,
                Way::Ramp => ramp(&server, goal_ms)?,
            };
            let took = began.elapsed().as_secs_f64();
            let off = (answer / truth - 1.0) * 100.0;
            println!(
                "{round:>2} {:<9} {answer:>6.0}/s {off:>+6.1}% {took:>5.0} s  {said}",
                way.name()
            );
            answers.push((way, answer, took));
        }
    }
    println!("\nway        median off  most off  spread  within 3%  median time  most");
    for way in ways {
        let of_way = || answers.iter().filter(move |it| it.0 == way);
        let off: Vec<f64> = of_way().map(|it| it.1 / truth - 1.0).collect();
        let took: Vec<f64> = of_way().map(|it| it.2).collect();
        let most_off = off
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()));
        let (least, most) = off.iter().fold((f64::MAX, f64::MIN), |(least, most), it| {
            (least.min(*it), most.max(*it))
        });
        let right = off.iter().filter(|it| it.abs() <= RIGHT).count();
        println!(
            "{:<9} {:>+10.1}% {:>+8.1}% {:>6.1}% {right:>6} of {:<2} {:>10.0} s {:>4.0} s",
            way.name(),
            median(&off) * 100.0,
            most_off.unwrap_or_default() * 100.0,
            (most - least) * 100.0,
            off.len(),
            median(&took),
            took.iter().copied().fold(0.0, f64::max),
        );
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a way takes is by the wall clock"
)]
fn now() -> Instant {
    Instant::now()
}

fn loadgen() -> String {
    std::env::var("LOADGEN").expect("LOADGEN names the binary: `just bench-capacity` sets it")
}

fn serve() -> Result<Server, Box<dyn std::error::Error>> {
    let capacity = format!("{SERVED_PER_S}/s");
    let mut child = Command::new(loadgen())
        .args(["serve", "grpc", "--address", "127.0.0.1:0", "--id", "queue"])
        .args(["--threads", "1", "--capacity", &capacity])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("its output is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line
        .split_whitespace()
        .nth(3)
        .ok_or("it says where it listens")?;
    Ok(Server {
        address: address.to_owned(),
        child,
    })
}

/// What loadgen says as JSON of this load on the server.
fn said(
    server: &Server,
    command: &str,
    open: &Value,
    flags: &[&str],
) -> Result<Value, Box<dyn std::error::Error>> {
    let suite = json!({"scenarios": [{
        "name": "queue",
        "targets": [server.address],
        "load": {"open": open},
        "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}],
        "graceful_stop": "2s",
    }]});
    let path = std::env::temp_dir().join(format!("loadgen-capacity-{}.json", std::process::id()));
    std::fs::write(&path, suite.to_string())?;
    let output = Command::new(loadgen())
        .args([command, "--json", "--quiet", "--workers", "1", "--config"])
        .arg(&path)
        .args(flags)
        .output()?;
    std::fs::remove_file(&path)?;
    let document = serde_json::from_slice(&output.stdout);
    Ok(document.map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?)
}

/// The middle of the interval.
fn search(server: &Server, goal_ms: u64) -> Result<(f64, String), Box<dyn std::error::Error>> {
    let goal = format!("response_time.p99 < {goal_ms}ms");
    let open = json!({"rate": "1/s", "duration": "1s", "arrivals": "poisson"});
    let document = said(
        server,
        "capacity",
        &open,
        &["--goal", &goal, "--budget", BUDGET],
    )?;
    let capacity = &document["capacity"];
    let rate = |which: &str| capacity[which].as_f64();
    // MLRsearch's result is the conditional rate; there is none where no full-length trial was made at the lower bound.
    let answer = rate("conditional_per_s").or(rate("lower_per_s"));
    let trials = capacity["trials"].as_array().map_or(0, Vec::len);
    let summary = capacity["summary"].as_str().unwrap_or_default();
    let answer = answer.unwrap_or_default();
    Ok((answer, format!("{summary} ({trials} trials)")))
}

/// Halves the interval by one run each until it is as narrow as a search's.
fn bisection(server: &Server, goal_ms: u64) -> Result<(f64, String), Box<dyn std::error::Error>> {
    let (mut low, mut high) = BETWEEN;
    let mut runs = 0;
    while (high - low) / high > WIDTH {
        let middle = f64::midpoint(low, high);
        let open = json!({
            "rate": format!("{middle}/s"), "duration": format!("{RUN_S}s"), "arrivals": "poisson",
        });
        let document = said(server, "run", &open, &[])?;
        runs += 1;
        let p99_us = document["scenarios"][0]["response_time_us"]["p99"].as_f64();
        match p99_us.is_some_and(|it| it < goal_ms as f64 * 1e3) {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok((
        f64::midpoint(low, high),
        format!("{low:.0} to {high:.0}/s ({runs} runs)"),
    ))
}

/// The rate of a ramp in the first second whose p99 is above the goal.
fn ramp(server: &Server, goal_ms: u64) -> Result<(f64, String), Box<dyn std::error::Error>> {
    let (from, to) = BETWEEN;
    let open = json!({
        "arrivals": "poisson",
        "stages": [
            {"for": "1s", "rate": format!("{from}/s")},
            {"for": format!("{RAMP_S}s"), "rate": format!("{to}/s")},
        ],
    });
    let document = said(server, "run", &open, &[])?;
    let series = document["scenarios"][0]["series"].as_array();
    let slow = series.into_iter().flatten().find(|it| {
        let p99 = it["response_time_us"]["p99"].as_f64();
        let largest = it["response_time_us"]["max"].as_f64();
        p99.or(largest).is_some_and(|it| it >= goal_ms as f64 * 1e3)
    });
    let second = slow
        .and_then(|it| it["t_s"].as_f64())
        .unwrap_or(RAMP_S as f64 + 1.0);
    let rate = from + (to - from) * (second - 1.0 + 0.5) / RAMP_S as f64;
    Ok((rate, format!("slow from {second} s on")))
}
