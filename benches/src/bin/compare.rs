//! Generator processor time per gRPC request, side by side with peers: the same server, the same
//! connections and streams, in turn, in one run.
//!
//! Needs `target/release/loadgen` (or `LOADGEN=PATH`), and takes each of h2load, ghz, k6 and fortio
//! that is on the PATH. With `taskset` the server has processor 0 and the generator processor 1.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use loadgen_backends::{GrpcConfig, start_grpc};
use loadgen_benches::{ServerProcess, median};

/// Connections and streams on each.
const SHAPES: [(u32, u32); 3] = [(1, 64), (8, 8), (4, 16)];
const ROUNDS: usize = 5;

/// A generator that can be asked for a number of requests.
struct Peer {
    name: &'static str,
    /// Requests in a round: about as long for each peer.
    requests: u64,
    /// Its arguments for an address and a shape.
    command: fn(&Scratch, address: &str, shape: (u32, u32), requests: u64) -> Vec<String>,
}

/// Files that peers read.
struct Scratch {
    folder: PathBuf,
    loadgen: PathBuf,
}

impl Scratch {
    fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).expect("the scratch folder can be written");
        path.display().to_string()
    }
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "h2load",
        requests: 400_000,
        command: |scratch, address, (connections, streams), requests| {
            // A length-prefixed HelloRequest { name: "world" }.
            let body = scratch.write("hello.bin", b"\0\0\0\0\x07\x0a\x05world");
            words(&format!(
                "h2load -t 1 -n {requests} -c {connections} -m {streams} -d {body} \
                 -H content-type:application/grpc -H te:trailers \
                 http://{address}/loadgen.v1.Greeter/Hello"
            ))
        },
    },
    Peer {
        name: "loadgen",
        requests: 400_000,
        command: |scratch, address, (connections, streams), requests| {
            let suite = serde_json::json!({ "scenarios": [{
                "name": "compare",
                "targets": [address],
                "connections": connections,
                "streams_per_connection": streams,
                "load": { "closed": { "users": connections * streams, "iterations": requests } },
                "steps": [{ "name": "hello", "grpc": {
                    "method": "loadgen.v1.Greeter/Hello", "message": { "name": "world" },
                } }],
            }] });
            let suite = scratch.write("suite.json", suite.to_string().as_bytes());
            words(&format!(
                "{} run --config {suite} --workers 1 --json",
                scratch.loadgen.display()
            ))
        },
    },
    Peer {
        name: "ghz",
        requests: 40_000,
        command: |_, address, (connections, streams), requests| {
            words(&format!(
                "ghz --insecure --call loadgen.v1.Greeter/Hello -d {{\"name\":\"world\"}} \
                 --connections {connections} -c {} -n {requests} {address}",
                connections * streams
            ))
        },
    },
    Peer {
        name: "k6",
        requests: 20_000,
        command: |scratch, address, (connections, streams), requests| {
            let users = connections * streams;
            let script = format!(
                "import grpc from 'k6/net/grpc';\n\
                 const client = new grpc.Client();\n\
                 export const options = {{ vus: {users}, iterations: {requests} }};\n\
                 export default () => {{\n\
                   if (__ITER == 0) client.connect('{address}', {{ plaintext: true, reflect: true }});\n\
                   client.invoke('loadgen.v1.Greeter/Hello', {{ name: 'world' }});\n\
                 }};\n"
            );
            words(&format!(
                "k6 run {}",
                scratch.write("hello.js", script.as_bytes())
            ))
        },
    },
    Peer {
        name: "fortio",
        requests: 40_000,
        command: |_, address, (connections, streams), requests| {
            // fortio has no calls of one's own: it asks the health service.
            words(&format!(
                "fortio load -grpc -qps 0 -c {connections} -s {streams} -n {requests} {address}"
            ))
        },
    },
];

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// Processor seconds that a command used, children included, by the shell's own account, and the
/// seconds it took.
#[expect(
    clippy::disallowed_methods,
    reason = "times a whole process from outside"
)]
fn run(pin: bool, command: &[String]) -> (f64, f64) {
    let mut line = words(if pin { "taskset -c 1" } else { "" });
    line.extend_from_slice(command);
    let started = Instant::now();
    let output = Command::new("sh")
        .args(["-c", "\"$@\" >/dev/null 2>&1 || exit 1; times", "sh"])
        .args(&line)
        .stderr(Stdio::inherit())
        .output()
        .expect("a shell");
    let wall = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{line:?} failed");
    let times = String::from_utf8_lossy(&output.stdout).into_owned();
    let children = times.lines().nth(1).expect("`times` prints two lines");
    (children.split_whitespace().map(seconds).sum(), wall)
}

/// `0m1.250s` as seconds.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.split_once('m').expect("minutes and seconds");
    let number = |text: &str| text.trim_end_matches('s').parse::<f64>().expect("a number");
    number(minutes) * 60.0 + number(seconds)
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        let address = "127.0.0.1:0".parse().expect("a constant address");
        let server = start_grpc(GrpcConfig {
            threads: Some(1),
            ..GrpcConfig::new(address)
        });
        loadgen_benches::serve_until_input_ends(&server.expect("a free port"));
        return;
    }
    let loadgen =
        std::env::var_os("LOADGEN").map_or("target/release/loadgen".into(), PathBuf::from);
    if !Path::new(&loadgen).is_file() {
        eprintln!(
            "no {}: build it with `cargo build --release`",
            loadgen.display()
        );
        std::process::exit(2);
    }
    let folder = std::env::temp_dir().join(format!("loadgen-compare-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let scratch = Scratch { folder, loadgen };
    let pin = on_path("taskset");
    let server = ServerProcess::spawn("serve", pin.then_some(0));

    println!("Generator processor time per unary request, tiny message, one generator thread;");
    println!("median of {ROUNDS} rounds, peers in turn; ratio to h2load round by round.\n");
    println!(
        "{:<10} {:>9} {:>12} {:>12} {:>8}",
        "generator", "shape", "us/request", "requests/s", "ratio"
    );
    let here = |peer: &&Peer| peer.name == "loadgen" || on_path(peer.name);
    let peers: Vec<&Peer> = PEERS.iter().filter(here).collect();
    for shape in SHAPES {
        let mut costs = vec![Vec::new(); peers.len()];
        let mut rates = vec![Vec::new(); peers.len()];
        for _ in 0..ROUNDS {
            for (index, peer) in peers.iter().enumerate() {
                let command = (peer.command)(&scratch, &server.address, shape, peer.requests);
                let (cpu, wall) = run(pin, &command);
                costs[index].push(cpu / peer.requests as f64 * 1e6);
                rates[index].push(peer.requests as f64 / wall);
            }
        }
        for (index, peer) in peers.iter().enumerate() {
            let ratio = (peers[0].name == "h2load").then(|| {
                let pairs = costs[index].iter().zip(&costs[0]);
                median(&pairs.map(|(own, base)| own / base).collect::<Vec<_>>())
            });
            println!(
                "{:<10} {:>9} {:>12.2} {:>12.0} {:>8}",
                peer.name,
                format!("{} x {}", shape.0, shape.1),
                median(&costs[index]),
                median(&rates[index]),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            );
        }
    }
    let missing: Vec<_> = PEERS.iter().filter(|p| !here(p)).map(|p| p.name).collect();
    if !missing.is_empty() {
        println!(
            "\nNot on the PATH, so not measured: {}.",
            missing.join(", ")
        );
    }
    let _ = std::fs::remove_dir_all(&scratch.folder);
}
