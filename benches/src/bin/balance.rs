//! The layer-4 balancer against HAProxy in TCP mode and against no balancer at all: what a connection, a
//! message and a byte cost, what is held for 1,000 connections, and what is added at 10,000/s.
//!
//! `LOADGEN` names the binary under test, which is also the backend and the witness; `haproxy` is taken
//! from the PATH and left out where it is not. Parts are `costs`, `memory` and `latency`, all of them where none
//! is named. Both balancers have one thread. Everything is on this
//! machine, and the rounds alternate, so that its moods meet all of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use loadgen_benches::{median, on_path, raise_open_files};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{self, Instant};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 1_000;
const RATE: u32 = 10_000;

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Processor seconds so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()));
        let stat = stat.expect("the process is there");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks
            .map(|it| it.parse::<f64>().expect("ticks"))
            .sum::<f64>()
            / 100.0
    }

    /// MiB of memory: what is resident (`VmRSS`), what of that is its own (`RssAnon`), the most there was
    /// (`VmHWM`).
    fn memory(&self, key: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("the process is there");
        let line = status
            .lines()
            .find_map(|it| it.strip_prefix(key)?.strip_prefix(':'));
        let kib = line.and_then(|it| it.split_whitespace().next());
        kib.and_then(|it| it.parse::<f64>().ok()).expect("a figure") / 1024.0
    }
}

fn loadgen() -> String {
    std::env::var("LOADGEN").expect("LOADGEN names the binary: `just bench-balance` sets it")
}

/// Starts loadgen and reads where it listens.
fn listening(args: &[&str]) -> (Process, SocketAddr) {
    let mut child = Command::new(loadgen())
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line
        .split_whitespace()
        .nth(3)
        .and_then(|it| it.parse().ok());
    (Process(child), address.expect("an address"))
}

fn free_port() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A way to the backends: a balancer's process, if there is one.
struct Way {
    name: &'static str,
    process: Option<Process>,
    address: SocketAddr,
}

fn haproxy(backends: &[SocketAddr]) -> Way {
    let address = free_port();
    let servers: String = backends
        .iter()
        .enumerate()
        .map(|(at, it)| format!("  server b{at} {it} check inter 2s\n"))
        .collect();
    let path = std::env::temp_dir().join(format!("loadgen-bench-{}.cfg", address.port()));
    let mut file = std::fs::File::create(&path).expect("a file");
    write!(
        file,
        "global\n  nbthread 1\n  maxconn 5000\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1h\n  \
         timeout server 1h\nlisten all\n  bind {address}\n  balance roundrobin\n{servers}"
    )
    .expect("it is written");
    let child = Command::new("haproxy")
        .args(["-db", "-f"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy starts");
    Way {
        name: "haproxy",
        process: Some(Process(child)),
        address,
    }
}

fn ours(backends: &[SocketAddr]) -> Way {
    let backends: Vec<_> = backends
        .iter()
        .map(|it| format!("--backend={it}"))
        .collect();
    let mut args = vec![
        "balance",
        "tcp",
        "--listen",
        "127.0.0.1:0",
        "--threads",
        "1",
    ];
    args.extend(backends.iter().map(String::as_str));
    let (process, address) = listening(&args);
    Way {
        name: "loadgen",
        process: Some(process),
        address,
    }
}

fn ways(backends: &[SocketAddr]) -> Vec<Way> {
    let mut ways = vec![
        Way {
            name: "none",
            process: None,
            address: backends[0],
        },
        ours(backends),
    ];
    if on_path("haproxy") {
        ways.push(haproxy(backends));
    }
    ways
}

/// One connection with one answer, over and over; how many.
async fn churn(address: SocketAddr) -> u64 {
    let until = Instant::now() + SPAN;
    let one = move || async move {
        let mut count = 0;
        while Instant::now() < until {
            let mut stream = TcpStream::connect(address).await.expect("it connects");
            stream.write_all(b"x").await.expect("it is sent");
            stream.read_exact(&mut [0]).await.expect("it is answered");
            // So that no port waits for the other side.
            stream.shutdown().await.expect("it ends");
            let rest = stream.read(&mut [0]).await.expect("the end");
            assert_eq!(rest, 0);
            count += 1;
        }
        count
    };
    side_by_side(8, one).await
}

/// Small messages there and back on connections that stay; how many.
async fn messages(address: SocketAddr) -> u64 {
    let until = Instant::now() + SPAN;
    let one = move || async move {
        let mut stream = TcpStream::connect(address).await.expect("it connects");
        stream.set_nodelay(true).expect("it is set");
        let mut buffer = [7; 64];
        let mut count = 0;
        while Instant::now() < until {
            stream.write_all(&buffer).await.expect("it is sent");
            stream.read_exact(&mut buffer).await.expect("an answer");
            count += 1;
        }
        count
    };
    side_by_side(64, one).await
}

/// As many bytes as go through, both ways; how many came back.
async fn bulk(address: SocketAddr) -> u64 {
    let until = Instant::now() + SPAN;
    let one = move || async move {
        let stream = TcpStream::connect(address).await.expect("it connects");
        let (mut reader, mut writer) = stream.into_split();
        let writes = tokio::spawn(async move {
            let chunk = vec![7; 64 << 10];
            while Instant::now() < until {
                writer.write_all(&chunk).await.expect("it is sent");
            }
            writer.shutdown().await.expect("it ends");
            writer
        });
        let mut buffer = vec![0; 64 << 10];
        let mut count = 0;
        loop {
            match reader.read(&mut buffer).await.expect("bytes") {
                0 => break,
                read => count += read as u64,
            }
        }
        drop(writes.await.expect("it ends"));
        count
    };
    side_by_side(4, one).await
}

async fn side_by_side<F: Future<Output = u64> + Send + 'static>(
    count: usize,
    one: impl Fn() -> F,
) -> u64 {
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(one())).collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("it ends");
    }
    total
}

/// MiB before, with connections that all have had an answer and are idle, and what of these is its own.
async fn held(way: &Way) -> Option<[f64; 3]> {
    let process = way.process.as_ref()?;
    let before = process.memory("VmRSS");
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(way.address).await.expect("it connects");
        stream.write_all(&[7; 16 << 10]).await.expect("it is sent");
        stream
            .read_exact(&mut [0; 16 << 10])
            .await
            .expect("an answer");
        streams.push(stream);
    }
    time::sleep(Duration::from_millis(500)).await;
    Some([before, process.memory("VmRSS"), process.memory("RssAnon")])
}

/// What each way does, and what the balancer's process takes for it.
fn costs(
    runtime: &tokio::runtime::Runtime,
    ways: &[Way],
    what: &str,
    unit: &str,
    scale: f64,
    load: impl AsyncFn(SocketAddr) -> u64,
) {
    let mut figures = vec![(Vec::new(), Vec::new()); ways.len()];
    for _ in 0..ROUNDS {
        for (way, (rates, costs)) in ways.iter().zip(&mut figures) {
            let before = way.process.as_ref().map(Process::cpu);
            let done = runtime.block_on(load(way.address)) as f64 / scale;
            rates.push(done / SPAN.as_secs_f64());
            if let (Some(process), Some(before)) = (&way.process, before) {
                costs.push((process.cpu() - before) * 1e6 / done);
            }
        }
    }
    println!("{what}");
    for (way, (rates, costs)) in ways.iter().zip(&figures) {
        print!("  {:8} {:>10.0} {unit}/s", way.name, median(rates));
        match costs.is_empty() {
            true => println!(),
            false => println!("   {:>8.2} µs of its processor for each", median(costs)),
        }
    }
    if let [_, (_, ours), (_, theirs)] = &figures[..] {
        println!("  loadgen / haproxy: {:.2}", median(ours) / median(theirs));
    }
}

/// What loadgen says of one run of [`latency`].
struct Witnessed {
    /// Of a message's round trip from when it was due, in microseconds.
    p50: f64,
    p99: f64,
    sent: u64,
    received: u64,
    /// What did not end well: failed iterations, and connections that ended early.
    lost: u64,
}

/// Each user keeps its connection, and its messages are due at even times from a beginning of its own, when all
/// connections have been open for a while: opening a thousand at once is not what is measured.
fn scenario(address: SocketAddr) -> Value {
    let each = RATE / CONNECTIONS as u32;
    let messages = u64::from(each) * SPAN.as_secs();
    json!({ "scenarios": [{
        "name": "balanced",
        "targets": [address.to_string()],
        "load": { "closed": { "users": CONNECTIONS, "iterations_per_user": 1 } },
        "steps": [
            { "pause": { "between": ["2s", "3s"] } },
            { "tcp": {
                "send": { "size": "64B" },
                "receive": { "bytes": 64 },
                "repeat": messages,
                "every": format!("{}ms", 1_000 / each),
            } },
        ],
        "thresholds": [],
    }] })
}

fn witnessed(address: SocketAddr) -> Witnessed {
    let path = std::env::temp_dir().join(format!("loadgen-bench-{}.json", std::process::id()));
    std::fs::write(&path, scenario(address).to_string()).expect("it is written");
    let output = Command::new(loadgen())
        .args(["run", "--json", "--workers", "1", "--config"])
        .arg(&path)
        .output()
        .expect("loadgen runs");
    let _ = std::fs::remove_file(&path);
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let scenario = &document["scenarios"][0];
    let step = &scenario["steps"][0];
    let count = |it: &Value| it.as_u64().expect("a count");
    let figure = |name: &str| step["round_trip_us"][name].as_f64().unwrap_or(f64::NAN);
    Witnessed {
        p50: figure("p50"),
        p99: figure("p99"),
        sent: count(&step["messages"]["sent"]),
        received: count(&step["messages"]["received"]),
        lost: count(&scenario["ledger"]["failed"]) + count(&scenario["connections"]["dropped"]),
    }
}

/// 10,000 messages a second on 1,000 connections at once, as loadgen measures them, and what the balancers'
/// processes hold meanwhile. What is added is told from the runs of one round.
fn latency(ways: &[Way]) {
    let mut figures: Vec<Vec<Witnessed>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (way, figures) in ways.iter().zip(&mut figures) {
            figures.push(witnessed(way.address));
        }
    }
    println!("{RATE} messages/s of 64 bytes on {CONNECTIONS} connections at once, by loadgen");
    for (way, of) in ways.iter().zip(&figures) {
        let all = |figure: fn(&Witnessed) -> f64| of.iter().map(figure).collect::<Vec<_>>();
        let added = |figure: fn(&Witnessed) -> f64| {
            let direct = figures[0].iter().map(figure);
            let added = all(figure)
                .into_iter()
                .zip(direct)
                .map(|(way, direct)| way - direct);
            median(&added.collect::<Vec<_>>())
        };
        let sum = |count: fn(&Witnessed) -> u64| of.iter().map(count).sum::<u64>();
        print!(
            "  {:8} p50 {:>6.0} µs ({:+.0})   p99 {:>6.0} µs ({:+.0})   {} of {} answered, {} lost",
            way.name,
            median(&all(|it| it.p50)),
            added(|it| it.p50),
            median(&all(|it| it.p99)),
            added(|it| it.p99),
            sum(|it| it.received),
            sum(|it| it.sent),
            sum(|it| it.lost),
        );
        match &way.process {
            Some(process) => println!("   at most {:.1} MiB", process.memory("VmHWM")),
            None => println!(),
        }
    }
}

/// What a connection, a message and a byte cost.
fn all_costs(runtime: &tokio::runtime::Runtime, ways: &[Way]) {
    let what = "connections: opened, one byte there and back, closed";
    costs(runtime, ways, what, "conn", 1.0, churn);
    let what = "messages of 64 bytes there and back, 64 connections";
    costs(runtime, ways, what, "msg", 1.0, messages);
    let what = "bytes there and back, 4 connections";
    costs(runtime, ways, what, "MiB", f64::from(1 << 20), bulk);
}

fn memory(runtime: &tokio::runtime::Runtime, ways: &[Way]) {
    println!(
        "memory with {CONNECTIONS} connections that have carried 16 KiB each way and are idle"
    );
    for way in ways {
        if let Some([before, with, own]) = runtime.block_on(held(way)) {
            println!(
                "  {:8} {with:.1} MiB ({before:.1} before), {own:.1} MiB of it its own",
                way.name
            );
        }
    }
}

/// A part of the comparison.
type Part = fn(&tokio::runtime::Runtime, &[Way]);

fn part(name: &str) -> Option<Part> {
    match name {
        "costs" => Some(all_costs),
        "memory" => Some(memory),
        "latency" => Some(|_, ways| latency(ways)),
        _ => None,
    }
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let every = ["costs", "memory", "latency"].map(str::to_owned);
    let names = if names.is_empty() { &every[..] } else { &names };
    let Some(parts) = names.iter().map(|it| part(it)).collect::<Option<Vec<_>>>() else {
        eprintln!("the parts are `costs`, `memory` and `latency`");
        return ExitCode::from(2);
    };
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tcp = ["serve", "tcp", "--address", "127.0.0.1:0", "--threads", "1"];
    let (_one, first) = listening(&tcp);
    let (_two, second) = listening(&tcp);
    for part in parts {
        // Each part has balancers that have done nothing before.
        let ways = ways(&[first, second]);
        // Time for a first round of health checks, and for haproxy to listen.
        std::thread::park_timeout(Duration::from_secs(1));
        part(&runtime, &ways);
    }
    ExitCode::SUCCESS
}
