//! Generator processor time per echoed message, next to a loop that does nothing but echo.

use loadgen_benches::{Server, ServerProcess};
use serde_json::json;

use super::bare;
use super::peer::{self, Peer, ROUNDS, Scratch, words};

const CONNECTIONS: u64 = 64;
/// Messages of one iteration where several are in flight.
const MESSAGES_PER_ITERATION: u64 = 1600;
/// What each round sends is a multiple of this, so that every peer sends exactly as much.
const UNIT: u64 = CONNECTIONS * MESSAGES_PER_ITERATION;

/// Bytes of a message and how many of them are unanswered at a time, on each connection.
struct Shape {
    bytes: u64,
    in_flight: u64,
}

const SHAPES: [Shape; 4] = [
    Shape {
        bytes: 64,
        in_flight: 1,
    },
    Shape {
        bytes: 1024,
        in_flight: 1,
    },
    Shape {
        bytes: 64,
        in_flight: 16,
    },
    Shape {
        bytes: 1024,
        in_flight: 16,
    },
];

impl Shape {
    /// Messages of a round: several together cost far less each.
    fn messages(&self) -> u64 {
        if self.in_flight == 1 {
            4 * UNIT
        } else {
            20 * UNIT
        }
    }
}

const PEERS: [Peer<Shape>; 3] = [
    Peer {
        name: "bare loop",
        amount: Shape::messages,
        command: |scratch, address, shape, messages| {
            words(&format!(
                "{} {} {address} {CONNECTIONS} {} {} {} 0",
                scratch.own.display(),
                bare::ROLE,
                shape.in_flight,
                shape.bytes,
                messages / CONNECTIONS,
            ))
        },
    },
    Peer {
        name: "loadgen",
        amount: Shape::messages,
        command: |scratch, address, shape, messages| {
            let repeat = if shape.in_flight == 1 {
                1
            } else {
                MESSAGES_PER_ITERATION
            };
            scratch.loadgen(&json!({
                "name": "compare",
                "targets": [address],
                "load": { "closed": { "users": CONNECTIONS, "iterations": messages / repeat } },
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
        amount: |_| 2 * UNIT,
        command: |scratch, address, shape, messages| {
            let script = format!(
                "import ws from 'k6/ws';\n\
                 const message = 'x'.repeat({bytes});\n\
                 export const options = {{ vus: {CONNECTIONS}, iterations: {CONNECTIONS} }};\n\
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
                bytes = shape.bytes,
                in_flight = shape.in_flight,
                each = messages / CONNECTIONS,
            );
            let script = scratch.write("echo.js", script.as_bytes());
            words(&format!("k6 run --quiet {script}"))
        },
    },
];

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Websocket.role(), scratch.server_processor());
    println!(
        "Generator processor time per message sent and echoed, {CONNECTIONS} connections, one"
    );
    println!("generator thread; median of {ROUNDS} rounds, peers in turn; ratio to a bare");
    println!(
        "fastwebsockets loop round by round. Bytes of a message x unanswered on a connection.\n"
    );
    println!(
        "{:<10} {:>12} {:>10} {:>12} {:>8}",
        "generator", "shape", "us/message", "messages/s", "ratio"
    );
    for shape in &SHAPES {
        let name = format!("{} B x {}", shape.bytes, shape.in_flight);
        peer::compare(scratch, &server.address, &PEERS, shape, &name);
    }
    peer::name_missing(&PEERS);
}
