//! Whole runs whose connections come from several addresses of this machine, in all protocols.
#![cfg(all(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and its servers have threads of their own"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use loadgen_backends::{
    RunningServer, ServerConfig, TcpOptions, start_grpc, start_http, start_tcp, start_websocket,
};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{Plan, Suite};
use serde_json::{Value, json};
use test_case::test_case;

/// Hands connections on, and says where they came from.
struct Gate {
    address: SocketAddr,
    from: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Gate {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let from = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let told = Arc::clone(&from);
        thread::spawn(move || {
            while let Ok((client, peer)) = listener.accept() {
                *told.lock().unwrap().entry(peer.ip()).or_default() += 1;
                let server = TcpStream::connect(server).unwrap();
                let ways = [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ];
                for (mut one, mut other) in ways {
                    thread::spawn(move || {
                        let _ = io::copy(&mut one, &mut other);
                        let _ = other.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { address, from }
    }

    fn seen(&self) -> BTreeMap<String, usize> {
        let from = self.from.lock().unwrap();
        from.iter().map(|(ip, n)| (ip.to_string(), *n)).collect()
    }
}

fn server(word: &str) -> RunningServer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ServerConfig::new(any);
    match word {
        "grpc" => start_grpc(config),
        "websocket" => start_websocket(config),
        "http" => start_http(config),
        _ => start_tcp(config, TcpOptions::default()),
    }
    .unwrap()
}

fn step(word: &str) -> Value {
    match word {
        "grpc" => json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }),
        "websocket" => json!({ "websocket": { "path": "/echo", "send": { "text": "a" } } }),
        "http" => json!({ "http": { "path": "/hello" } }),
        _ => json!({ "tcp": { "send": { "text": "a\n" }, "receive": { "until": "\n" } } }),
    }
}

fn plan(word: &str, address: SocketAddr, fields: &Value) -> Plan {
    let mut scenario = json!({
        "name": word,
        "targets": [address.to_string()],
        "load": { "closed": { "users": 6, "iterations_per_user": 4 } },
        "steps": [step(word)],
    });
    let own = scenario.as_object_mut().unwrap();
    own.extend(fields.as_object().unwrap().clone());
    let text = json!({ "scenarios": [scenario] }).to_string();
    let suite = Suite::parse("suite", &text, None, None);
    let suite = suite.unwrap_or_else(|error| panic!("{error}"));
    Plan::new(suite.scenarios())
}

fn run(plan: &Plan) -> ScenarioRecord {
    let options = Options::default().workers(2).seed(1);
    let record = assemble(plan, options).unwrap().execute().unwrap();
    let [scenario] = <[_; 1]>::try_from(record.scenarios).unwrap();
    scenario
}

#[test_case("grpc", &json!({ "connection_per": "user" }); "gRPC")]
#[test_case("grpc", &json!({ "connections": 6 }); "gRPC over shared connections")]
#[test_case("http", &json!({ "http_version": "2", "connections": 6 }); "HTTP 2")]
#[test_case("websocket", &json!({}); "WebSocket")]
#[test_case("http", &json!({}); "HTTP")]
#[test_case("tcp", &json!({}); "TCP")]
fn connections_come_from_each_address_in_turn(word: &str, fields: &Value) {
    let server = server(word);
    let gate = Gate::before(server.local_addr());
    let mut fields = fields.clone();
    fields["bind"] = json!(["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    let record = run(&plan(word, gate.address, &fields));
    assert_eq!(
        (record.ledger.completed, record.ledger.failed),
        (24, 0),
        "{:?}",
        record.examples
    );
    let seen = gate.seen();
    let each = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|it| (it.to_owned(), 2));
    assert_eq!(seen, BTreeMap::from(each));
}

/// Said before the load begins, and of the run's machine: the suite itself is valid.
#[test]
fn an_address_of_another_machine() {
    let server = server("tcp");
    let fields = json!({ "bind": ["127.0.0.1", "192.0.2.7"] });
    let plan = plan("tcp", server.local_addr(), &fields);
    loadgen_core::check(&plan.scenarios[0]).unwrap();
    let error = assemble(&plan, Options::default()).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("bind: 192.0.2.7 is no address of this machine"),
        "{told}"
    );
}
