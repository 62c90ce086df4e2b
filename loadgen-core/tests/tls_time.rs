//! How long TLS handshakes took, whatever is spoken over them, with the reference servers.
#![cfg(all(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp",
    feature = "text"
))]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and what it puts in between has threads of its own"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use loadgen_backends::{
    RunningServer, ServeError, ServerConfig, TcpOptions, TlsFiles, start_grpc, start_http,
    start_tcp, start_websocket,
};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::report::{Context, Document, build};
use loadgen_core::scenario::Suite;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_case::test_case;

/// How long a server's first word is held up.
const HELD_UP: Duration = Duration::from_millis(30);

/// Passes on what is said, the first that the server says later. To a client of TLS that is the handshake.
fn hold_up(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(server).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass_on(from, to, Duration::ZERO));
            std::thread::spawn(move || pass_on(server, client, HELD_UP));
        }
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, after: Duration) {
    let mut room = [0; 8192];
    let mut wait = after;
    while let Ok(count @ 1..) = from.read(&mut room) {
        std::thread::sleep(std::mem::take(&mut wait));
        if to.write_all(&room[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A server that speaks TLS where there is a folder to put a certificate in.
fn start(
    serve: fn(ServerConfig) -> Result<RunningServer, ServeError>,
    folder: Option<&TempDir>,
) -> RunningServer {
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    config.tls = folder.map(|folder| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = |name: &str, content: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        TlsFiles {
            certificate: file("cert.pem", made.cert.pem()),
            key: file("key.pem", made.signing_key.serialize_pem()),
        }
    });
    serve(config).unwrap()
}

/// What becomes of four users who take this step.
fn document(address: SocketAddr, folder: Option<&TempDir>, step: &Value) -> Document {
    let mut scenario = json!({
        "name": "s",
        "targets": [address.to_string()],
        "load": { "closed": { "users": 4, "iterations_per_user": 5 } },
        "thresholds": ["error_rate < 1%", "tls_time.max >= 30ms"],
        "steps": [step],
    });
    if let Some(folder) = folder {
        scenario["tls"] =
            json!({ "ca_file": folder.path().join("cert.pem"), "server_name": "localhost" });
    }
    let suite = json!({ "scenarios": [scenario] }).to_string();
    let suite = Suite::parse("suite.json", &suite, None, None).unwrap();
    let plan = suite.select::<&str>(&[], None).unwrap();
    let run = assemble(&plan, Options::default().workers(2).seed(1)).unwrap();
    build(&run.execute().unwrap(), Context::of(&plan))
}

fn tcp(config: ServerConfig) -> Result<RunningServer, ServeError> {
    start_tcp(config, TcpOptions::default())
}

#[test_case(start_grpc, &json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": {} } }), false; "grpc")]
#[test_case(start_websocket, &json!({ "websocket": { "path": "/echo", "send": { "text": "x" } } }), true; "websocket")]
#[test_case(start_http, &json!({ "http": { "path": "/hello" } }), true; "http")]
#[test_case(tcp, &json!({ "tcp": { "send": { "text": "x" }, "receive": { "bytes": 1 } } }), true; "tcp")]
fn the_handshake_is_a_figure_of_its_own(
    serve: fn(ServerConfig) -> Result<RunningServer, ServeError>,
    step: &Value,
    is_shown: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(serve, Some(&folder));
    let document = document(hold_up(server.local_addr()), Some(&folder), step);
    let scenario = &document.scenarios[0];
    assert_eq!(scenario.ledger.completed, 20, "{:?}", scenario.failures);
    let connections = &scenario.connections;
    let connect = connections.connect_time_us.as_ref().unwrap();
    let tls = connections.tls_time_us.as_ref().unwrap();
    assert_eq!(
        (connect.count, tls.count),
        (connections.opened, connections.opened)
    );
    assert!(tls.min >= Some(30_000.0), "{tls:?}");
    assert!(
        tls.min <= connect.min && tls.max <= connect.max,
        "{tls:?} of {connect:?}"
    );
    assert_eq!(document.total.connections.tls_time_us.as_ref(), Some(tls));
    assert!(
        scenario.thresholds.iter().all(|it| it.pass),
        "{:?}",
        scenario.thresholds
    );
    let shown = document.to_string();
    let row = shown.lines().any(|line| line.starts_with("TLS "));
    assert_eq!(row, is_shown, "{shown}");
}

#[test]
fn without_tls_there_is_none() {
    let server = start(start_http, None);
    let step = json!({ "http": { "path": "/hello" } });
    let document = document(hold_up(server.local_addr()), None, &step);
    let scenario = &document.scenarios[0];
    assert_eq!(scenario.ledger.completed, 20, "{:?}", scenario.failures);
    assert!(scenario.connections.connect_time_us.is_some());
    assert_eq!(scenario.connections.tls_time_us, None);
    // Nothing was measured that it could hold of.
    let [_, of_tls] = scenario.thresholds.as_slice() else {
        panic!("two thresholds: {:?}", scenario.thresholds);
    };
    assert!(!of_tls.pass);
    let shown = document.to_string();
    assert!(
        !shown.lines().any(|line| line.starts_with("TLS ")),
        "{shown}"
    );
}
