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
        "load": { "closed": { "users": 6, "iterations_per_user": 100, "rate_limit": "200/s" } },
    });
    // One address is no list, and asked for nothing.
    if target.parse::<SocketAddr>().is_err() {
        scenario["resolve_every"] = json!("100ms");
    }
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
    // Where the name has another address of the other family, nobody listens there.
    let steps = json!({ "bind": ["127.0.0.1"], "steps": [{ "http": { "path": "/" } }] });
    let record = run(&plan(&target, &steps));
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    let host = server.host.lock().unwrap().clone();
    assert_eq!(format!("dns:///{host}"), target);
}

/// A server that sends everybody elsewhere.
fn redirecting(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{to}/echo\r\ncontent-length: 0\r\n\r\n");
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let lines = BufReader::new(connection.try_clone().unwrap()).lines();
                for line in lines.map_while(Result::ok) {
                    if line.is_empty() && connection.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Once whoever stood behind a redirection was an address of the target's, and what was judged of a balancer
/// was another thing.
#[test]
fn who_a_redirection_leads_to_is_no_address_of_the_target() {
    let other = Counting::start();
    let target = redirecting(other.address);
    let steps = json!({ "redirects": 1, "steps": [{ "http": { "path": "/" } }] });
    let record = run(&plan(&target.to_string(), &steps));
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    assert_eq!(other.asked(), 600);
    let addresses: Vec<_> = record.addresses.iter().map(|it| &it.address).collect();
    assert_eq!(addresses, [&target.to_string()]);
    assert!(!record.is_divided());
}

/// Once each iteration took its connection for one to an address that was gone, and opened another.
#[test]
fn users_stay_where_a_redirection_led_them() {
    let other = websocket("b1");
    let target = redirecting(other.local_addr());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[target]);
    let step = json!({ "websocket": { "path": "/echo", "send": { "text": "a" } } });
    let plan = plan(
        &format!("file:{}", path.display()),
        &json!({ "authority": "shop.example", "redirects": 1, "steps": [step] }),
    );
    let record = run(&plan);
    assert_eq!(record.ledger.completed, 600, "{:?}", record.examples);
    assert_eq!(record.connections.counts.opened, 6);
    assert_eq!(record.backends[0].connections, 6);
    assert_eq!(record.addresses.len(), 1, "{:?}", record.addresses);
}

/// Once who stood in line for `connect_rate` had chosen where to go before that.
#[test]
fn who_stands_in_line_goes_to_who_is_on_the_list_then() {
    let [goes, stays] = [Counting::start(), Counting::start()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[goes.address, stays.address]);
    let mut fields: Value = serde_json::from_str(HTTP_ANEW).unwrap();
    fields["connect_rate"] = json!("5/s");
    fields["timeout"] = json!("20s");
    fields["load"] = json!({ "closed": { "users": 8, "iterations_per_user": 3 } });
    let plan = plan(&format!("file:{}", path.display()), &fields);
    let running = thread::spawn(move || run(&plan));
    until(|| goes.asked() > 2 && stays.asked() > 2);
    write(&path, &[stays.address]);
    // By then it is known to both workers.
    thread::sleep(Duration::from_millis(400));
    let before = goes.asked();
    let record = running.join().unwrap();
    assert_eq!(record.ledger.completed, 24, "{:?}", record.examples);
    assert_eq!(goes.asked(), before);
}

/// Once the moment was that when a user asked for something the next time, if one did.
#[test]
fn when_an_address_went_is_known_where_nobody_asks() {
    let [goes, stays] = [Counting::start(), Counting::start()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[goes.address, stays.address]);
    let mut fields: Value = serde_json::from_str(HTTP).unwrap();
    fields["load"] = json!({ "closed": { "users": 4, "duration": "3s", "think_time": "10s" } });
    let plan = plan(&format!("file:{}", path.display()), &fields);
    let running = thread::spawn(move || run(&plan));
    until(|| goes.asked() > 0 && stays.asked() > 0);
    write(&path, &[stays.address]);
    let record = running.join().unwrap();
    let gone = of(&record, goes.address).gone_at().unwrap();
    assert!(gone < Duration::from_millis(1_500), "{gone:?}");
}

const WEBSOCKET: &str = r#"{"authority": "shop.example",
    "steps": [{"websocket": {"path": "/echo", "send": {"text": "a"}}}]}"#;
const WEBSOCKET_FILLED_IN: &str = r#"{"authority": "shop.example",
    "steps": [{"websocket": {"path": "/echo?{{ user }}", "send": {"text": "a"}}}]}"#;

/// Once it did where another target took connections, and users of the list failed in each iteration.
#[test_case(HTTP; "http")]
#[test_case(TCP; "tcp")]
#[test_case(WEBSOCKET; "websocket")]
#[test_case(WEBSOCKET_FILLED_IN; "websocket with a path that is filled in")]
fn no_run_begins_without_a_list(fields: &str) {
    let (counting, other) = (Counting::start(), websocket("b1"));
    let there = match fields.contains("websocket") {
        true => other.local_addr(),
        false => counting.address,
    };
    let mut fields: Value = serde_json::from_str(fields).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, &[]);
    let list = format!("file:{}", path.display());
    fields["targets"] = json!([there.to_string(), list]);
    let options = Options::default().workers(2).seed(1);
    let run = assemble(&plan("", &fields), options).unwrap();
    let refused = run.execute().unwrap_err().to_string();
    let expected = format!("{list}: its addresses are not known (there is no address in it)");
    assert!(refused.contains(&expected), "{refused}");
}
