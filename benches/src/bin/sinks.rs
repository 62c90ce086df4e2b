//! What each sink costs the generator, and what a StatsD that does not answer does to the load.
//!
//! One gRPC load, again and again, with StatsD in each of its states, in turn; a server and the one who reads
//! are processes of their own, the generator is this one, all on this machine. The optional argument
//! is the rate, 100,000 requests a second unless told.

use std::net::{TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadgen_benches::{Server, ServerProcess, median, open, process_cpu};
use loadgen_core::assemble;
use loadgen_core::engine::{Event, Options, Run};
use loadgen_core::journal::{Journal, JournalError, Place};
use loadgen_core::record::RunRecord;
use loadgen_core::report::Context;
use loadgen_core::scenario::{GrpcCall, GrpcPlan, Plan, ScenarioPlan};
use loadgen_core::sink::RunInfo;
use loadgen_core::sink::otlp::OtlpSink;
use loadgen_core::sink::prometheus::PrometheusSink;
use loadgen_core::sink::statsd::{Prefix, StatsdSink, Unsent};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
const READER: &str = "read-udp";

/// Processor time of the thread that calls this, in nanoseconds.
fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// What one run came to.
#[derive(Debug)]
struct Figures {
    /// Processor time of the process, and of it the sink's, in seconds.
    cpu: f64,
    sink: f64,
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    refused: u64,
    short: u64,
}

/// Where figures go in a run.
enum To {
    Nowhere,
    /// StatsD at this address.
    Statsd(String),
    /// An endpoint that nobody scrapes: what is measured is the run's side.
    Prometheus,
    /// A journal in a folder of its own.
    Journal,
    /// A receiver that is not there: the post is tried each second, on a thread of its own.
    Otlp(String),
}

type Listener = Box<dyn FnMut(&Event<'_>) + Send>;

/// A listener for a run, and what StatsD did not take.
fn sink(run: &Run, to: &To) -> Option<(Listener, Option<Unsent>)> {
    let names = run.names();
    let info = RunInfo::new("bench", env!("CARGO_PKG_VERSION"));
    Some(match to {
        To::Nowhere => return None,
        To::Statsd(address) => {
            let sink = StatsdSink::new(address.as_str(), &Prefix::default(), &names);
            let mut sink = sink.expect("an address of our own");
            let unsent = sink.unsent();
            (
                Box::new(move |event: &Event<'_>| sink.hear(event)),
                Some(unsent),
            )
        }
        To::Prometheus => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let sink = PrometheusSink::new(listener, &names, &info);
            let mut sink = sink.expect("a thread");
            (Box::new(move |event: &Event<'_>| sink.hear(event)), None)
        }
        To::Journal => {
            let folder = std::env::temp_dir().join(format!("loadgen-bench-{}", std::process::id()));
            let context = Context::new();
            let place = Place::reserve(&folder, &context.run_id).expect("a folder of our own");
            let ended = |error: &JournalError| panic!("{error}");
            let begun = Journal::begin(place, &context, &names, ended);
            let (journal, mut follower) = begun.expect("a folder of our own");
            let mut journal = Some(journal);
            let hear = move |event: &Event<'_>| {
                follower.hear(event);
                if let Event::Finished(_) = event
                    && let Some(journal) = journal.take()
                {
                    journal.remove().expect("it is there");
                }
            };
            (Box::new(hear), None)
        }
        To::Otlp(url) => {
            let url = url.parse().expect("a URL");
            let sink = OtlpSink::new(url, Vec::new(), &names, &info);
            let mut sink = sink.expect("a thread");
            (Box::new(move |event: &Event<'_>| sink.hear(event)), None)
        }
    })
}

fn run(target: &str, rate: f64, to: &To) -> Figures {
    let load = open(rate, SECONDS, 2_000);
    let message = json!({ "name": "world" });
    let hello = GrpcCall::new("loadgen.v1.Greeter/Hello", message);
    let mut grpc = GrpcPlan::new([hello.into()]);
    grpc.connections = Some(4);
    let mut scenario = ScenarioPlan::new("figure", grpc, load);
    scenario.targets = vec![target.parse().expect("an address of our own")];
    let plan = Plan::new(vec![scenario]);
    let options = Options::default().workers(1).seed(1);
    let mut run = assemble(&plan, options).expect("the reference services are known");
    let spent = Arc::new(AtomicU64::new(0));
    let mut unsent = None;
    if let Some((mut hear, not_taken)) = sink(&run, to) {
        unsent = not_taken;
        let spent = Arc::clone(&spent);
        run = run.listen(move |event: &Event<'_>| {
            let from = thread_cpu();
            hear(event);
            spent.fetch_add(thread_cpu() - from, Ordering::Relaxed);
        });
    }
    let before = process_cpu();
    let record: RunRecord = run.execute().expect("the server is there");
    let cpu = (process_cpu() - before).as_secs_f64();
    let scenario = &record.scenarios[0];
    assert_eq!(scenario.ledger.failed, 0, "{:?}", scenario.examples);
    let us = |quantile| scenario.service_time.value_at_quantile(quantile) as f64 / 1e3;
    Figures {
        cpu,
        sink: Duration::from_nanos(spent.load(Ordering::Relaxed)).as_secs_f64(),
        rate: scenario.ledger.completed as f64 / scenario.elapsed.as_secs_f64(),
        p50_us: us(0.5),
        p99_us: us(0.99),
        refused: unsent.as_ref().map_or(0, |it| it.datagrams()),
        short: unsent.as_ref().map_or(0, |it| it.counters()),
    }
}

/// Listens at an address for every other 700 ms, and never reads.
fn come_and_go(address: String) {
    std::thread::spawn(move || {
        loop {
            let socket = UdpSocket::bind(&address);
            std::thread::park_timeout(Duration::from_millis(700));
            drop(socket);
            std::thread::park_timeout(Duration::from_millis(700));
        }
    });
}

/// Reads datagrams until its input ends: what StatsD's socket is to the kernel.
fn read_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    println!("{}", socket.local_addr().expect("it has one"));
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while socket.recv(&mut buffer).is_ok() {}
    });
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some(READER) => {
            read_udp();
            return ExitCode::SUCCESS;
        }
        Some(role) if Server::of_role(role).is_some() => {
            let server = Server::of_role(role).expect("just asked");
            if let Err(error) = server.serve() {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let rate = match argument.as_deref().map(str::parse::<f64>) {
        None => 100_000.0,
        Some(Ok(rate)) if rate > 0.0 => rate,
        Some(_) => {
            eprintln!("the argument is a rate, requests a second");
            return ExitCode::from(2);
        }
    };
    let server = ServerProcess::spawn(Server::Grpc.role(), None);
    let reader = ServerProcess::spawn(READER, None);
    let unread = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let black_hole = unread.local_addr().expect("it has one").to_string();
    // Free, and not taken by anyone else within this run.
    let free = || {
        let socket = UdpSocket::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        socket.expect("a port").to_string()
    };
    let (nobody, now_and_then) = (free(), free());
    come_and_go(now_and_then.clone());
    let states = [
        ("none", To::Nowhere),
        ("StatsD reads", To::Statsd(reader.address.clone())),
        ("a black hole", To::Statsd(black_hole)),
        ("is not there", To::Statsd(nobody)),
        ("comes and goes", To::Statsd(now_and_then)),
        ("Prometheus", To::Prometheus),
        ("a journal", To::Journal),
        ("OTLP to nobody", To::Otlp(format!("http://{}", free()))),
    ];
    println!(
        "{rate} requests/s of gRPC for {SECONDS} s; one generator thread, one server thread, median of {ROUNDS}"
    );
    let mut rounds: Vec<Vec<Figures>> = states.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, to), figures) in states.iter().zip(&mut rounds) {
            figures.push(run(&server.address, rate, to));
        }
    }
    println!(
        "  sink              rate      CPU     of it the sink   service p50     p99   refused   short"
    );
    for ((state, _), figures) in states.iter().zip(&rounds) {
        let of =
            |figure: fn(&Figures) -> f64| median(&figures.iter().map(figure).collect::<Vec<_>>());
        println!(
            "  {state:<16} {:>6.0}/s {:>6.3} s {:>8.2} ms {:>5.2} % {:>8.0} us {:>6.0} us {:>7} {:>7}",
            of(|it| it.rate),
            of(|it| it.cpu),
            of(|it| it.sink) * 1e3,
            of(|it| it.sink / it.cpu) * 1e2,
            of(|it| it.p50_us),
            of(|it| it.p99_us),
            of(|it| it.refused as f64),
            of(|it| it.short as f64),
        );
    }
    ExitCode::SUCCESS
}
