//! Generator processor time per echoed message, next to a loop that does nothing but echo.

use loadgen_benches::{Server, ServerProcess};
use serde_json::json;

use super::bare;
use super::peer::{self, Peer, ROUNDS, Scratch, words};

/// Messages of one iteration where several are in flight.
const MESSAGES_PER_ITERATION: u64 = 1600;

/// Connections, bytes of a message, and how many messages are unanswered at a time on each.
struct Shape {
    connections: u64,
    bytes: u64,
    in_flight: u64,
    /// Messages that a connection sends in a round. Where several are in flight, a multiple of
    /// those of an iteration.
    each: u64,
}

const fn shape(connections: u64, bytes: u64, in_flight: u64, each: u64) -> Shape {
    Shape {
        connections,
        bytes,
        in_flight,
        each,
    }
}

const SHAPES: [Shape; 5] = [
    shape(64, 64, 1, 6400),
    shape(64, 1024, 1, 6400),
    shape(5000, 64, 1, 160),
    shape(64, 64, 16, 64_000),
    shape(64, 1024, 16, 32_000),
];

impl Shape {
    fn messages(&self) -> u64 {
        self.connections * self.each
    }
}

const PEERS: [Peer<Shape>; 3] = [
    Peer {
        name: "bare loop",
        amount: Shape::messages,
        did: None,
        command: |scratch, address, shape, messages| {
            words(&format!(
                "{} {} {address} {} {} {} {} 0",
                scratch.own.display(),
                bare::ROLE,
                shape.connections,
                shape.in_flight,
                shape.bytes,
                messages / shape.connections,
            ))
        },
    },
    Peer {
        name: "loadgen",
        amount: Shape::messages,
        did: None,
        command: |scratch, address, shape, messages| {
            let repeat = if shape.in_flight == 1 {
                1
            } else {
                MESSAGES_PER_ITERATION
            };
            scratch.loadgen(&json!({
                "name": "compare",
                "targets": [address],
                "load": { "closed": { "users": shape.connections, "iterations": messages / repeat } },
                "steps": [{ "name": "echo", "websocket": {
                    "path": "/echo",
                    "send": { "size": format!("{}B", shape.bytes) },
                    "repeat": repeat,
                    "in_flight": shape.in_flight,
                } }],
            }))
        },
    },
    Peer {
        name: "k6",
        amount: |shape| 200_000 / shape.connections * shape.connections,
        did: None,
        command: |scratch, address, shape, messages| {
            let script = format!(
                "import ws from 'k6/ws';\n\
                 const message = 'x'.repeat({bytes});\n\
                 export const options = {{ vus: {vus}, iterations: {vus} }};\n\
                 export default () => {{\n\
                   ws.connect('ws://{address}/echo', (socket) => {{\n\
                     let sent = 0, answered = 0;\n\
                     const send = () => {{ if (sent < {each}) {{ sent++; socket.send(message); }} }};\n\
                     socket.on('open', () => {{ for (let i = 0; i < {in_flight}; i++) send(); }});\n\
                     socket.on('message', () => {{\n\
                       answered++;\n\
                       if (answered < {each}) send(); else socket.close();\n\
                     }});\n\
                   }});\n\
                 }};\n",
                vus = shape.connections,
                bytes = shape.bytes,
                in_flight = shape.in_flight,
                each = messages / shape.connections,
            );
            let script = scratch.write("echo.js", script.as_bytes());
            words(&format!("k6 run --quiet {script}"))
        },
    },
];

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Websocket.role(), scratch.server_processor());
    println!("Generator processor time per message sent and echoed, one generator thread, opening");
    println!("and closing included; median of {ROUNDS} rounds, peers in turn; ratio to a bare");
    println!("fastwebsockets loop round by round. Connections x unanswered on each, bytes.\n");
    println!(
        "{:<20} {:>14} {:>10} {:>12} {:>8}",
        "generator", "shape", "us/message", "messages/s", "ratio"
    );
    for shape in &SHAPES {
        let name = format!(
            "{} x {}, {}",
            shape.connections, shape.in_flight, shape.bytes
        );
        peer::compare(scratch, &server.address, &PEERS, shape, &name);
    }
    peer::name_missing(&PEERS);
}
