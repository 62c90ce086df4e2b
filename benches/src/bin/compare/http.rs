//! Generator processor time per HTTP request on connections that are kept.

use loadgen_benches::{Server, ServerProcess};
use serde_json::json;

use super::peer::{self, Peer, ROUNDS, Scratch, words};

/// Connections, with one request at a time on each.
type Shape = u32;

const SHAPES: [Shape; 1] = [64];

const PEERS: [Peer<Shape>; 4] = [
    Peer {
        name: "wrk",
        // Seconds: it takes no number of requests.
        amount: |_| 2,
        did: Some(|printed| {
            let line = printed.lines().find(|it| it.contains(" requests in "))?;
            line.split_whitespace().next()?.parse().ok()
        }),
        command: |_, address, connections, seconds| {
            words(&format!(
                "wrk -t1 -c{connections} -d{seconds}s http://{address}/hello"
            ))
        },
    },
    Peer {
        name: "loadgen",
        amount: |_| 200_000,
        did: None,
        command: |scratch, address, connections, requests| {
            scratch.loadgen(&json!({
                "name": "compare",
                "targets": [address],
                "load": { "closed": { "users": connections, "iterations": requests } },
                "steps": [{ "name": "hello", "http": { "path": "/hello" } }],
            }))
        },
    },
    Peer {
        name: "hey",
        amount: |_| 40_000,
        did: None,
        command: |_, address, connections, requests| {
            words(&format!(
                "hey -cpus 1 -n {requests} -c {connections} http://{address}/hello"
            ))
        },
    },
    Peer {
        name: "k6",
        amount: |_| 10_000,
        did: None,
        command: |scratch, address, users, requests| {
            let script = format!(
                "import http from 'k6/http';\n\
                 export const options = {{ vus: {users}, iterations: {requests} }};\n\
                 export default () => {{ http.get('http://{address}/hello'); }};\n"
            );
            words(&format!(
                "k6 run {}",
                scratch.write("get.js", script.as_bytes())
            ))
        },
    },
];

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Http.role(), scratch.server_processor());
    println!(
        "Generator processor time per GET over HTTP/1.1, a small answer, one generator thread;"
    );
    println!("median of {ROUNDS} rounds, peers in turn; ratio to wrk round by round.\n");
    println!(
        "{:<20} {:>14} {:>10} {:>12} {:>8}",
        "generator", "connections", "us/request", "requests/s", "ratio"
    );
    for shape in &SHAPES {
        peer::compare(scratch, &server.address, &PEERS, shape, &shape.to_string());
    }
    peer::name_missing(&PEERS);
}
