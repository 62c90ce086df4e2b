//! Memory that a generator holds for an open connection in use, of WebSocket and of gRPC.
//!
//! Every connection sends a message a second, of 64 bytes over WebSocket, or makes a call. What the same generator
//! holds with a few connections is subtracted.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use loadgen_benches::{Server, ServerProcess, median};
use serde_json::{Value, json};

use super::bare;
use super::peer::{Peer, Scratch, words};

const FEW: u64 = 10;
const COUNTS: [u64; 3] = [1000, 5000, 10_000];
const SECONDS: u64 = 10;
/// How often a generator's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many connections; the amount that a peer is asked for is seconds.
type Connections = u64;

const WEBSOCKET: [Peer<Connections>; 3] = [
    Peer {
        name: "bare loop",
        amount: |_| SECONDS,
        did: None,
        command: |scratch, address, connections, seconds| {
            words(&format!(
                "{} {} {address} {connections} 1 64 {seconds} 1000",
                scratch.own.display(),
                bare::ROLE,
            ))
        },
    },
    Peer {
        name: "loadgen",
        amount: |_| SECONDS,
        did: None,
        command: |scratch, address, connections, seconds| {
            scratch.loadgen(&json!({
                "name": "memory",
                "targets": [address],
                "load": { "closed": {
                    "users": connections,
                    "duration": format!("{seconds}s"),
                    "think_time": "1s",
                } },
                "steps": [{ "name": "echo", "websocket": {
                    "path": "/echo", "send": { "size": "64B" },
                } }],
            }))
        },
    },
    Peer {
        name: "k6",
        amount: |_| SECONDS,
        did: None,
        command: |scratch, address, connections, seconds| {
            let script = format!(
                "import ws from 'k6/ws';\n\
                 const message = 'x'.repeat(64);\n\
                 export const options = {{ vus: {connections}, iterations: {connections} }};\n\
                 export default () => {{\n\
                   ws.connect('ws://{address}/echo', (socket) => {{\n\
                     socket.on('open', () => socket.setInterval(() => socket.send(message), 1000));\n\
                     socket.setTimeout(() => socket.close(), {seconds} * 1000);\n\
                   }});\n\
                 }};\n"
            );
            let script = scratch.write("memory.js", script.as_bytes());
            words(&format!("k6 run --quiet {script}"))
        },
    },
];

const GRPC: [Peer<Connections>; 2] = [
    Peer {
        name: "loadgen",
        amount: |_| SECONDS,
        did: None,
        command: |scratch, address, &connections, seconds| {
            scratch.loadgen(&calls(address, connections, seconds, "own"))
        },
    },
    Peer {
        name: "loadgen, codec h2",
        amount: |_| SECONDS,
        did: None,
        command: |scratch, address, &connections, seconds| {
            scratch.loadgen(&calls(address, connections, seconds, "h2"))
        },
    },
];

/// A call a second on each connection.
fn calls(address: &str, connections: Connections, seconds: u64, codec: &str) -> Value {
    json!({
        "name": "memory",
        "targets": [address],
        "connections": connections,
        "streams_per_connection": 1,
        "codec": codec,
        "load": { "closed": {
            "users": connections,
            "duration": format!("{seconds}s"),
            "think_time": "1s",
        } },
        "steps": [{ "name": "hello", "grpc": {
            "method": "loadgen.v1.Greeter/Hello", "message": { "name": "world" },
        } }],
    })
}

/// What became of one run of one generator.
struct Held {
    /// KiB in the middle of it.
    resident: f64,
    /// KiB at most, opening and closing all connections included.
    most: f64,
    output: Vec<u8>,
}

/// Runs a generator and looks at its memory until it ends.
#[expect(
    clippy::disallowed_methods,
    reason = "watches a whole process from outside"
)]
fn watch(scratch: &Scratch, line: &[String]) -> Held {
    let output = scratch.write("output", b"");
    let (program, arguments) = line.split_first().expect("a command");
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(File::create(&output).expect("the scratch folder can be written"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the generator can be started");
    let status = format!("/proc/{}/status", child.id());
    let mut resident = Vec::new();
    let mut most = 0.0_f64;
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("a child of ours") {
            break ended;
        }
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        // Neither is there while the process ends.
        resident.extend(kib(&status, "VmRSS:"));
        most = most.max(kib(&status, "VmHWM:").unwrap_or(0.0));
        std::thread::sleep(LOOK_EVERY);
    };
    assert!(ended.success(), "{line:?} failed");
    let (from, to) = (resident.len() / 2, resident.len() * 4 / 5);
    Held {
        resident: median(&resident[from..to.max(from + 1)]),
        most,
        output: std::fs::read(output).unwrap_or_default(),
    }
}

/// This line of `/proc/PID/status`.
fn kib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What loadgen says of its connections.
fn stability(output: &[u8]) -> String {
    let document: Value = serde_json::from_slice(output).unwrap_or_default();
    let connections = &document["scenarios"][0]["connections"];
    format!(
        "{} opened, {} dropped",
        connections["opened"], connections["dropped"]
    )
}

pub(crate) fn compare(scratch: &Scratch) {
    println!(
        "Memory of the generator for each open connection, a message of 64 B or a unary call a"
    );
    println!(
        "second on each; resident in the middle of the run, and the most there was, less what"
    );
    println!("there is with {FEW} connections.\n");
    println!(
        "{:<18} {:<10} {:>12} {:>10} {:>10} {:>10}",
        "generator", "protocol", "connections", "KiB each", "most", "with few"
    );
    hold(scratch, ("WebSocket", Server::Websocket), &WEBSOCKET);
    hold(scratch, ("gRPC", Server::Grpc), &GRPC);
    super::peer::name_missing(&WEBSOCKET);
}

fn hold(scratch: &Scratch, (protocol, server): (&str, Server), peers: &[Peer<Connections>]) {
    let server = ServerProcess::spawn(server.role(), scratch.server_processor());
    for peer in peers.iter().filter(|peer| peer.is_here()) {
        let run = |connections: u64| {
            let amount = (peer.amount)(&connections);
            let command = (peer.command)(scratch, &server.address, &connections, amount);
            watch(scratch, &scratch.pinned(&command))
        };
        let few = run(FEW);
        for connections in COUNTS {
            let many = run(connections);
            let each = |many: f64, few: f64| (many - few) / (connections - FEW) as f64;
            let note = if peer.name.starts_with("loadgen") {
                stability(&many.output)
            } else {
                String::new()
            };
            println!(
                "{:<18} {protocol:<10} {connections:>12} {:>10.1} {:>10.1} {:>10.0}  {note}",
                peer.name,
                each(many.resident, few.resident),
                each(many.most, few.most),
                few.resident,
            );
        }
    }
}
