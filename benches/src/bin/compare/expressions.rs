//! What expressions cost: generator processor time per gRPC request, with them and without.

use loadgen_benches::{Server, ServerProcess};
use serde_json::{Value, json};

use super::peer::{self, Peer, ROUNDS, Scratch};

/// The reference service, as one whose message has ten fields: it reads the first and skips the others.
const PROTO: &str = "syntax = \"proto3\";
package loadgen.v1;
service Greeter { rpc Hello(Ten) returns (Reply); }
message Ten {
  string name = 1; int64 account = 21; string city = 22; uint32 age = 23; bool active = 24;
  double balance = 25; string email = 26; repeated string tags = 27; bytes picture = 28; sint32 delta = 29;
}
message Reply { string message = 1; }
";

/// Connections and streams on each.
const CONNECTIONS: u32 = 4;
const STREAMS: u32 = 16;

const PEERS: [Peer<()>; 4] = [
    Peer {
        name: "loadgen, constant",
        amount: |()| 800_000,
        did: None,
        command: |scratch, address, (), requests| {
            command(scratch, address, requests, &message("world"), json!({}))
        },
    },
    Peer {
        name: "loadgen, a template",
        amount: |()| 800_000,
        did: None,
        command: |scratch, address, (), requests| {
            let message = message("user {{ user }}");
            command(scratch, address, requests, &message, json!({}))
        },
    },
    Peer {
        name: "loadgen, a number",
        amount: |()| 800_000,
        did: None,
        command: |scratch, address, (), requests| {
            let mut message = message("world");
            message["account"] = json!("{{ iteration }}");
            command(scratch, address, requests, &message, json!({}))
        },
    },
    Peer {
        name: "loadgen, check, save",
        amount: |()| 800_000,
        did: None,
        command: |scratch, address, (), requests| {
            let after = json!({
                "check": ["reply.message == 'Hello, world!'"],
                "save": { "message": "reply.message" },
            });
            command(scratch, address, requests, &message("world"), after)
        },
    },
];

fn message(name: &str) -> Value {
    json!({
        "name": name, "account": "4711471147114711", "city": "Reykjavik", "age": 42, "active": true,
        "balance": 1234.5, "email": "world@example.com", "tags": ["one", "two"], "picture": "AQIDBAUGBwg=",
        "delta": -7,
    })
}

/// A run of one step that has these fields besides.
fn command(
    scratch: &Scratch,
    address: &str,
    requests: u64,
    message: &Value,
    besides: Value,
) -> Vec<String> {
    let mut step = besides;
    step["name"] = json!("hello");
    step["grpc"] = json!({ "method": "loadgen.v1.Greeter/Hello", "message": message });
    scratch.loadgen(&json!({
        "name": "compare",
        "targets": [address],
        "protos": [scratch.write("ten.proto", PROTO.as_bytes())],
        "connections": CONNECTIONS,
        "streams_per_connection": STREAMS,
        "load": { "closed": { "users": CONNECTIONS * STREAMS, "iterations": requests } },
        "steps": [step],
    }))
}

pub(crate) fn compare(scratch: &Scratch) {
    let server = ServerProcess::spawn(Server::Grpc.role(), scratch.server_processor());
    println!(
        "Generator processor time per unary request with a message of ten fields, one generator"
    );
    println!(
        "thread; median of {ROUNDS} rounds, in turn; ratio to a constant message round by round.\n"
    );
    println!(
        "{:<20} {:>14} {:>10} {:>12} {:>8}",
        "what", "shape", "us/request", "requests/s", "ratio"
    );
    let shape = format!("{CONNECTIONS} x {STREAMS}");
    peer::compare(scratch, &server.address, &PEERS, &(), &shape);
}
