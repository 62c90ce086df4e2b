//! Whether the figures are true: start lag on an idle machine, times on a grid, timeouts, a server
//! frozen for a second, a generator frozen for 300 ms. With the name of one of these, only that.
//!
//! The frozen ones are processes of their own (this program again), stopped and continued with
//! signals, as a virtual machine's host or a debugger would.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use loadgen_backends::{Delay, Faults, RunningServer, ServerConfig, start_grpc};
use loadgen_benches::{ServerProcess, median, open, raise_open_files, serve_until_input_ends};
use loadgen_core::assemble;
use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::pacer::Pacing;
use loadgen_core::record::{Histogram, RunRecord};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::Load;
use loadgen_core::workload::{Iteration, UserId, Workload};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Nothing;

impl Workload for Nothing {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
        Outcome::Ok
    }
}

fn one_worker() -> Options {
    Options::default().workers(1).seed(1)
}

fn us(histogram: &Histogram, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

fn start_lag() {
    println!("Start lag, one worker, 5 s each (figures to reach: p50 60 us, p99 250 us)");
    for (rate, pacing) in [
        (1000.0, Pacing::EXACT),
        (10_000.0, Pacing::EXACT),
        (1000.0, Pacing::BUSY),
        (10_000.0, Pacing::BUSY),
        (20_000.0, Pacing::BUSY),
    ] {
        let options = one_worker().pacing(pacing);
        let record = Run::new(options)
            .scenario(ScenarioSpec::new("lag", open(rate, 5, 100)), |_| Nothing)
            .execute()
            .expect("nothing to prepare");
        let (scenario, worker) = (&record.scenarios[0], &record.generator.workers[0]);
        println!(
            "  {rate:>6}/s, {pacing:>9}: p50 {:>5.0} us, p99 {:>5.0} us, max {:>6.0} us; generator \
             busy {:.1} %, waiting awake {:.1} %",
            us(&scenario.parts.start_lag, 0.5),
            us(&scenario.parts.start_lag, 0.99),
            us(&scenario.parts.start_lag, 1.0),
            worker.cpu_busy * 100.0,
            worker.cpu_waiting * 100.0,
        );
    }
}

/// Asks a server that takes connections and never says a word.
struct Unanswered(SocketAddr);

impl Workload for Unanswered {
    type Session = TcpStream;

    async fn open(&self, _: UserId) -> Result<TcpStream, Failure> {
        TcpStream::connect(self.0)
            .await
            .map_err(|_| Failure::Connect)
    }

    async fn iterate(&self, stream: &mut TcpStream, _: &Iteration<'_>) -> Outcome {
        let mut answer = [0; 1];
        match stream.read(&mut answer).await {
            Ok(_) => Outcome::Ok,
            Err(_) => Failure::Connection.into(),
        }
    }
}

fn timeouts() {
    println!("\nTimeouts at a server that never answers, one worker, 3 s each (to reach: 2 %)");
    raise_open_files();
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("it is bound");
    std::thread::spawn(move || server.incoming().collect::<Vec<_>>());
    for timeout in [1000, 100, 10, 1].map(Duration::from_millis) {
        // Users that time out at as many different moments, and a thousand that do together.
        let apart = open(211.0, 3, 1000);
        let together = Load::from(Load::closed(1000).for_(Duration::from_secs(3)));
        for (load, which) in [(apart, "apart"), (together, "1,000 together")] {
            let mut spec = ScenarioSpec::new("unanswered", load);
            spec.timeout = timeout;
            let record = Run::new(one_worker())
                .scenario(spec, move |_| Unanswered(address))
                .execute()
                .expect("nothing to prepare");
            let scenario = &record.scenarios[0];
            println!(
                "  {timeout:>6?}, {which:>14}: p50 {:>9.0} us, p99 {:>9.0} us, max {:>9.0} us; {} \
                 of them, generator busy {:.1} %",
                us(&scenario.service_time, 0.5),
                us(&scenario.service_time, 0.99),
                us(&scenario.service_time, 1.0),
                scenario.ledger.failed,
                record.generator.workers[0].cpu_busy * 100.0,
            );
        }
    }
}

/// Stops a process for a while, `after` some time.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of a benchmark that does nothing but wait"
)]
fn freeze(pid: u32, after: Duration, length: Duration) -> std::thread::JoinHandle<()> {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a child has a process id");
    std::thread::spawn(move || {
        std::thread::sleep(after);
        kill_process(pid, Signal::STOP).expect("the child is ours");
        std::thread::sleep(length);
        kill_process(pid, Signal::CONT).expect("the child is ours");
    })
}

fn hello(target: &str, load: Load) -> ScenarioPlan {
    let mut plan = ScenarioPlan::grpc(
        "frozen",
        "loadgen.v1.Greeter/Hello",
        serde_json::json!({"name": "world"}),
        load,
    );
    plan.targets = vec![target.parse().expect("an address of our own")];
    plan
}

fn execute(plan: ScenarioPlan) -> RunRecord {
    execute_paced(plan, Pacing::EXACT)
}

fn execute_paced(plan: ScenarioPlan, pacing: Pacing) -> RunRecord {
    let plan = Plan::new(vec![plan]);
    assemble(&plan, one_worker().pacing(pacing))
        .expect("the reference service is known")
        .execute()
        .expect("the server is there")
}

/// A server that takes 2 ms for each call, by its timer's millisecond.
fn slow_server() -> RunningServer {
    let address = "127.0.0.1:0".parse().expect("a constant address");
    let faults = Faults {
        delay: Some(Delay::fixed(Duration::from_millis(2))),
        ..Faults::default()
    };
    start_grpc(ServerConfig {
        threads: Some(1),
        faults,
        ..ServerConfig::new(address)
    })
    .expect("a free port")
}

fn grids() {
    const ROUNDS: usize = 5;
    println!(
        "\nA server that takes 2 to 3 ms, asked 5,000 times a second for 3 s; medians of {ROUNDS} rounds in turn"
    );
    println!(
        "(to reach: the service times of exact pacing within 5 %, and start lag up to the grid)"
    );
    let server = slow_server();
    let address = server.local_addr().to_string();
    // No part of a millisecond: on such a grid calls would come at the same few moments of each of the
    // server's milliseconds, and it is by chance which.
    let grid = |us| Pacing::grid(Duration::from_micros(us)).expect("it is in range");
    let pacings = [Pacing::EXACT, grid(90), grid(230)];
    let mut rounds: [Vec<[f64; 5]>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (pacing, rounds) in pacings.iter().zip(&mut rounds) {
            let record = execute_paced(hello(&address, open(5_000.0, 3, 200)), *pacing);
            let scenario = &record.scenarios[0];
            rounds.push([
                us(&scenario.service_time, 0.5),
                us(&scenario.service_time, 0.99),
                us(&scenario.response_time, 0.5),
                us(&scenario.parts.start_lag, 0.5),
                us(&scenario.parts.start_lag, 0.99),
            ]);
        }
    }
    for (pacing, own) in pacings.iter().zip(&rounds) {
        let of = |figure: usize| median(&own.iter().map(|it| it[figure]).collect::<Vec<_>>());
        let pairs = own.iter().zip(&rounds[0]);
        let ratios: Vec<f64> = pairs.map(|(own, exact)| own[0] / exact[0]).collect();
        println!(
            "  {pacing:>10}: service p50 {:>5.0} us ({:.3} of exact), p99 {:>5.0} us; response p50 {:>5.0} us; \
             start lag p50 {:>4.0} us, p99 {:>4.0} us",
            of(0),
            median(&ratios),
            of(1),
            of(2),
            of(3),
            of(4),
        );
    }
}

fn frozen_server() {
    println!("\nA server frozen for 1 s in a 10 s run at 1,000/s");
    println!("(truth: planned 10,000, dropped 0, p95 500 ms, p99 900 ms, each within 10 %)");
    for users in [50, 2000] {
        let server = ServerProcess::spawn("serve", None);
        let thread = freeze(server.id(), Duration::from_secs(5), Duration::from_secs(1));
        let record = execute(hello(&server.address, open(1000.0, 10, users)));
        thread.join().expect("the freezer does not panic");
        let scenario = &record.scenarios[0];
        println!(
            "  up to {users} users: planned {}, dropped {}, response p95 {:.0} ms, p99 {:.0} ms, \
             max {:.0} ms; service p95 {:.1} ms, p99 {:.1} ms",
            scenario.ledger.planned,
            scenario.ledger.dropped,
            us(&scenario.response_time, 0.95) / 1000.0,
            us(&scenario.response_time, 0.99) / 1000.0,
            us(&scenario.response_time, 1.0) / 1000.0,
            us(&scenario.service_time, 0.95) / 1000.0,
            us(&scenario.service_time, 0.99) / 1000.0,
        );
    }
}

fn frozen_generator() {
    println!("\nThe generator frozen for 300 ms in a 5 s run at 1,000/s");
    let generator = std::process::Command::new(std::env::current_exe().expect("a path"))
        .arg("generate")
        .spawn()
        .expect("this program can be started again");
    let thread = freeze(
        generator.id(),
        Duration::from_secs(2),
        Duration::from_millis(300),
    );
    generator.wait_with_output().expect("the child ends");
    thread.join().expect("the freezer does not panic");
}

fn server() -> RunningServer {
    let address = "127.0.0.1:0".parse().expect("a constant address");
    start_grpc(ServerConfig {
        threads: Some(1),
        ..ServerConfig::new(address)
    })
    .expect("a free port")
}

/// The child that is a generator.
fn generate() {
    let server = server();
    let plan = hello(&server.local_addr().to_string(), open(1000.0, 5, 100));
    let record = execute(plan);
    let scenario = &record.scenarios[0];
    println!(
        "  late {} of {}, start lag max {:.0} ms, longest stall {:.0} ms",
        scenario.ledger.late,
        scenario.ledger.started,
        us(&scenario.parts.start_lag, 1.0) / 1000.0,
        record.generator.workers[0].longest_stall.as_secs_f64() * 1000.0,
    );
    let document = loadgen_core::report::build(&record, loadgen_core::report::Context::default());
    println!("  verdict: {:?}", document.verdict.status);
    for reason in &document.verdict.reasons {
        println!("  {reason}");
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve_until_input_ends(&server()),
        Some("generate") => generate(),
        Some("start-lag") => start_lag(),
        Some("grids") => grids(),
        Some("timeouts") => timeouts(),
        Some("frozen") => {
            frozen_server();
            frozen_generator();
        }
        _ => {
            start_lag();
            grids();
            timeouts();
            frozen_server();
            frozen_generator();
        }
    }
}
