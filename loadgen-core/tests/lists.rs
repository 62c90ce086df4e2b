//! Whole runs over connections of users' own, to lists of addresses that change meanwhile.
#![cfg(all(feature = "websocket", feature = "http", feature = "tcp"))]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and its servers have threads and a clock of their own"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use loadgen_backends::{RunningServer, ServerConfig, start_websocket};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::record::{AddressRecord, ScenarioRecord};
use loadgen_core::scenario::{Plan, Suite};
use serde_json::{Value, json};
use test_case::test_case;

/// A server that answers requests over HTTP/1.1 and lines alike, and counts them.
struct Counting {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    host: Arc<Mutex<String>>,
}

impl Counting {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            connections: Arc::default(),
            host: Arc::default(),
        };
        let (asked, connections) = (Arc::clone(&this.asked), Arc::clone(&this.connections));
        let host = Arc::clone(&this.host);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (asked, host) = (Arc::clone(&asked), Arc::clone(&host));
                thread::spawn(move || serve(&connection, &asked, &host));
            }
        });
        this
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(mut connection: &TcpStream, asked: &AtomicU64, host: &Mutex<String>) {
    let lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let mut is_http = false;
    for line in lines.map_while(Result::ok) {
        is_http |= line.starts_with("GET ");
        if let Some(named) = line.to_ascii_lowercase().strip_prefix("host: ") {
            named.clone_into(&mut host.lock().unwrap());
        }
        let answer = match (is_http, line.as_str()) {
            (true, "") => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            (true, _) => continue,
            (false, _) => "hi\n",
        };
        asked.fetch_add(1, Ordering::Relaxed);
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Whoever reads it sees one list or the other.
fn write(path: &Path, addresses: &[SocketAddr]) {
    let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let beside = path.with_extension("new");
    fs::write(&beside, lines.join("\n")).unwrap();
    fs::rename(beside, path).unwrap();
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}

fn plan(target: &str, fields: &Value) -> Plan {
    let mut scenario = json!({
        "name": "lists",
        "targets": [target],
        "resolve_every": "100ms",
        "load": { "closed": { "users": 6, "iterations_per_user": 100, "rate_limit": "200/s" } },
    });
    for (key, value) in fields.as_object().unwrap() {
        scenario[key] = value.clone();
    }
    let suite = json!({ "scenarios": [scenario] }).to_string();
    let suite = Suite::parse("suite.json", &suite, None, None).unwrap();
    Plan::new(suite.scenarios().to_vec())
}

fn run(plan: &Plan) -> ScenarioRecord {
    let options = Options::default().workers(2).seed(1);
    let record = assemble(plan, options).unwrap().execute().unwrap();
    let [scenario] = <[_; 1]>::try_from(record.scenarios).unwrap();
    assert!(scenario.ledger.balances(), "{:?}", scenario.ledger);
    scenario
}

fn of(record: &ScenarioRecord, address: SocketAddr) -> &AddressRecord {
    let address = address.to_string();
    let mut rows = record.addresses.iter();
    rows.find(|it| it.address == address).unwrap()
}

const HTTP: &str = r#"{"authority": "shop.example", "steps": [{"http": {"path": "/"}}]}"#;
const HTTP_ANEW: &str = r#"{"authority": "shop.example", "connection_per": "iteration",
    "steps": [{"http": {"path": "/"}}]}"#;
const TCP: &str = r#"{"steps": [{"tcp": {"send": {"text": "a\n"}, "receive": {"until": "\n"}}}]}"#;

#[test_case(HTTP => "shop.example"; "http")]
#[test_case(HTTP_ANEW => "shop.example"; "http with a connection for each iteration")]
#[test_case(TCP => ""; "tcp")]
fn who_comes_and_goes_during_a_run_is_met(fields: &str) -> String {
    let servers = [Counting::start(), Counting::start(), Counting::start()];
    let [goes, stays, comes] = &servers;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[goes.address, stays.address]);
    let plan = plan(
        &format!("file:{}", path.display()),
        &serde_json::from_str(fields).unwrap(),
    );
    let running = thread::spawn(move || run(&plan));
    until(|| goes.asked() > 50 && stays.asked() > 50);
    assert_eq!(comes.asked(), 0);
    write(&path, &[stays.address, comes.address]);
    until(|| comes.asked() > 0);
    // What was sent before the list was known to both workers has been answered.
    thread::sleep(Duration::from_millis(200));
    let before = goes.asked();
    let record = running.join().unwrap();
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    assert_eq!(record.connections.counts.dropped, 0);
    assert_eq!(goes.asked(), before);
    for server in &servers {
        let row = of(&record, server.address);
        assert_eq!(row.completed, server.asked());
        assert!(row.completed > 20, "{row:?}");
        let connections = server.connections.load(Ordering::Relaxed);
        assert_eq!(row.connections, connections);
    }
    let [goes, stays, comes] = servers.each_ref().map(|it| of(&record, it.address));
    assert_eq!((stays.since, stays.gone_at()), (Some(Duration::ZERO), None));
    assert!(goes.gone_at().unwrap() < Duration::from_secs(3));
    assert!(comes.since.unwrap() > Duration::ZERO);
    servers[2].host.lock().unwrap().clone()
}

fn websocket(id: &str) -> RunningServer {
    let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into());
    config.id = Some(id.to_owned());
    start_websocket(config).unwrap()
}

/// By the servers' own word.
#[test]
fn users_of_websocket_leave_who_is_gone() {
    let [goes, stays, comes] = ["b1", "b2", "b3"].map(websocket);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[goes.local_addr(), stays.local_addr()]);
    let step = json!({ "websocket": { "path": "/echo", "send": { "text": "a" } } });
    let plan = plan(
        &format!("file:{}", path.display()),
        &json!({ "authority": "shop.example", "steps": [step] }),
    );
    let addresses = [&goes, &stays, &comes].map(RunningServer::local_addr);
    let running = thread::spawn(move || run(&plan));
    thread::sleep(Duration::from_secs(1));
    write(&path, &addresses[1..]);
    let record = running.join().unwrap();
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    assert_eq!(record.connections.counts.dropped, 0);
    for (id, address) in ["b1", "b2", "b3"].into_iter().zip(addresses) {
        let row = of(&record, address);
        let mut backends = record.backends.iter();
        let named = backends.find(|it| it.id == id).unwrap();
        assert_eq!(
            (row.completed, row.connections),
            (named.requests, named.connections)
        );
        assert!(row.completed > 20, "{row:?}");
    }
    let gone = of(&record, addresses[0]).gone_at().unwrap().as_secs_f64();
    assert!((0.8..2.0).contains(&gone), "{gone}");
}

#[test]
fn the_host_of_a_name_is_the_name() {
    let server = Counting::start();
    let target = format!("dns:///localhost:{}", server.address.port());
    let steps = json!({ "steps": [{ "http": { "path": "/" } }] });
    let record = run(&plan(&target, &steps));
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    let host = server.host.lock().unwrap().clone();
    assert_eq!(format!("dns:///{host}"), target);
}
