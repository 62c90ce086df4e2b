//! Generator processor time per gRPC request.

use loadgen_benches::{Server, ServerProcess};
use serde_json::{Value, json};

use super::peer::{self, Peer, ROUNDS, Scratch, words};

/// Connections and streams on each.
type Shape = (u32, u32);

const SHAPES: [Shape; 4] = [(1, 64), (8, 8), (4, 16), (64, 1)];

const PEERS: [Peer<Shape>; 6] = [
    Peer {
        name: "h2load",
        amount: |_| 800_000,
        did: None,
        command: |scratch, address, &(connections, streams), requests| {
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
        amount: |_| 800_000,
        did: None,
        command: |scratch, address, &shape, requests| {
            scratch.loadgen(&scenario(address, shape, requests, "own"))
        },
    },
    Peer {
        name: "loadgen, codec h2",
        amount: |_| 400_000,
        did: None,
        command: |scratch, address, &shape, requests| {
            scratch.loadgen(&scenario(address, shape, requests, "h2"))
        },
    },
    Peer {
        name: "ghz",
        amount: |_| 40_000,
        did: None,
        command: |_, address, &(connections, streams), requests| {
            words(&format!(
                "ghz --insecure --call loadgen.v1.Greeter/Hello -d {{\"name\":\"world\"}} \
                 --connections {connections} -c {} -n {requests} {address}",
                connections * streams
            ))
        },
    },
    Peer {
        name: "k6",
        amount: |_| 20_000,
        did: None,
        command: |scratch, address, &(connections, streams), requests| {
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
        amount: |_| 40_000,
        did: None,
        command: |_, address, &(connections, streams), requests| {
            // fortio has no calls of one's own: it asks the health service.
            words(&format!(
                "fortio load -grpc -qps 0 -c {connections} -s {streams} -n {requests} {address}"
            ))
        },
    },
];

fn scenario(address: &str, (connections, streams): Shape, requests: u64, codec: &str) -> Value {
    json!({
        "name": "compare",
        "targets": [address],
        "connections": connections,
        "streams_per_connection": streams,
        "codec": codec,
        "load": { "closed": { "users": connections * streams, "iterations": requests } },
        "steps": [{ "name": "hello", "grpc": {
            "method": "loadgen.v1.Greeter/Hello", "message": { "name": "world" },
        } }],
    })
}

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Grpc.role(), scratch.server_processor());
    println!("Generator processor time per unary request, tiny message, one generator thread;");
    println!("median of {ROUNDS} rounds, peers in turn; ratio to h2load round by round.");
    println!("Connections x streams on each.\n");
    println!(
        "{:<20} {:>14} {:>10} {:>12} {:>8}",
        "generator", "shape", "us/request", "requests/s", "ratio"
    );
    for shape in &SHAPES {
        let name = format!("{} x {}", shape.0, shape.1);
        peer::compare(scratch, &server.address, &PEERS, shape, &name);
    }
    peer::name_missing(&PEERS);
}
