//! Whole runs against servers that name themselves as other people's do (`identify`).
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

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use loadgen_backends::{
    RunningServer, ServerConfig, TcpOptions, start_grpc, start_tcp, start_websocket,
};
use loadgen_core::assemble;
use loadgen_core::engine::Options;
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{Identify, Plan, Suite, to_json};
use serde_json::{Value, json};
use test_case::test_case;

/// A server that says something first on each connection, and then something to whatever comes; both are told
/// the connection's number.
fn says<A: AsRef<[u8]>>(
    first: fn(usize) -> String,
    answer: impl Fn(usize) -> A + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (nth, connection) in listener.incoming().enumerate() {
            let Ok(mut connection) = connection else {
                return;
            };
            let answer = answer.clone();
            std::thread::spawn(move || {
                let _ = connection.write_all(first(nth).as_bytes());
                let mut room = [0; 4096];
                while connection.read(&mut room).is_ok_and(|read| read > 0) {
                    if connection.write_all(answer(nth).as_ref()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn nothing(_: usize) -> String {
    String::new()
}

/// A plan of two users with ten iterations each; it is the same once it was printed.
fn plan(address: SocketAddr, identify: &Value, step: &Value) -> Plan {
    let suite = json!({ "scenarios": [{
        "name": "named",
        "targets": [address.to_string()],
        "identify": identify,
        "load": { "closed": { "users": 2, "iterations_per_user": 10 } },
        "steps": [step],
    }] });
    let suite = Suite::parse("suite.json", &suite.to_string(), None, None).unwrap();
    let printed = to_json(suite.scenarios()).to_string();
    let again = Suite::parse("printed.json", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), suite.scenarios());
    Plan::new(suite.scenarios().to_vec())
}

fn run(plan: &Plan) -> ScenarioRecord {
    let options = Options::default().workers(1).seed(1);
    let record = assemble(plan, options).unwrap().execute().unwrap();
    let [scenario] = <[_; 1]>::try_from(record.scenarios).unwrap();
    assert_eq!(scenario.ledger.started, 20);
    scenario
}

/// Each server with its requests, failures and messages, by name; what is nobody's comes last.
fn rows(record: &ScenarioRecord) -> Vec<(&str, u64, u64, u64)> {
    let mut rows: Vec<_> = record
        .all_backends()
        .map(|it| (it.id.as_str(), it.requests, it.failed, it.messages))
        .collect();
    let named = rows.len() - 1;
    rows[..named].sort_unstable();
    rows
}

fn in_header(nth: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nx-served-by: b{nth}\r\ncontent-length: 2\r\n\r\nhi")
}

fn in_trailer(nth: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-served-by\r\n\r\n2\r\nhi\r\n0\r\nx-served-by: b{nth}\r\n\r\n"
    )
}

fn in_body(nth: usize) -> String {
    let body = format!(r#"{{"meta":{{"server":"b{nth}"}}}}"#);
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn in_array(nth: usize) -> String {
    let body = format!(r#"["b{nth}",null]"#);
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Who refuses has a name, too.
fn in_refusal(nth: usize) -> String {
    let body = format!("b{nth} is busy");
    let length = body.len();
    format!("HTTP/1.1 503 Service Unavailable\r\ncontent-length: {length}\r\n\r\n{body}")
}

// The connection with which it is seen whether the server is there is the first user's.
#[test_case(&json!({ "header": "X-Served-By" }), in_header, 0; "a header")]
#[test_case(&json!({ "trailer": "x-served-by" }), in_trailer, 0; "a trailer")]
#[test_case(&json!({ "field": "meta.server" }), in_body, 0; "a field")]
#[test_case(&json!({ "pattern": "(b[0-9]+)" }), in_body, 0; "a pattern")]
#[test_case(&json!({ "pattern": r#"^\["(b[0-9]+)",null\]$"# }), in_array, 0; "a pattern in an array")]
#[test_case(&json!({ "pattern": "^(b[0-9]+) is busy" }), in_refusal, 10; "a pattern in a refusal")]
fn over_http(identify: &Value, answer: fn(usize) -> String, failed: u64) {
    let address = says(nothing, answer);
    let plan = plan(address, identify, &json!({ "http": { "path": "/" } }));
    let record = run(&plan);
    assert_eq!(
        rows(&record),
        [
            ("b0", 10, failed, 0),
            ("b1", 10, failed, 0),
            ("(unknown)", 0, 0, 0)
        ]
    );
}

/// The header of loadgen's own servers is nothing to servers that are known by another.
#[test]
fn another_header_is_in_the_place_of_ours() {
    let address = says(nothing, |_| {
        "HTTP/1.1 200 OK\r\nx-loadgen-backend: a\r\ncontent-length: 2\r\n\r\nhi".to_owned()
    });
    let step = json!({ "http": { "path": "/" } });
    let record = run(&plan(address, &json!({ "header": "x-served-by" }), &step));
    assert_eq!(rows(&record), [("(unknown)", 20, 0, 0)]);
}

/// A body that cannot be unpacked is looked at for the name alone, and so has none; the answer is what it is.
#[test_case("200 OK", "gzip" => (0, vec!["ok".to_owned()]); "no gzip")]
#[test_case("200 OK", "br" => (0, vec!["ok".to_owned()]); "what we do not know")]
#[test_case("503 Service Unavailable", "gzip" => (20, vec!["http.503".to_owned()]); "in a refusal")]
fn over_http_in_a_body_that_does_not_unpack(status: &str, coding: &str) -> (u64, Vec<String>) {
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: 2\r\n\r\nb0");
    let address = says(nothing, move |_| answer.clone());
    let step = json!({ "http": { "path": "/" } });
    let record = run(&plan(address, &json!({ "pattern": "(b[0-9]+)" }), &step));
    let failed = record.ledger.failed;
    assert_eq!(rows(&record), [("(unknown)", 20, failed, 0)]);
    let outcomes = record.outcomes.iter().filter(|(_, count)| *count > 0);
    (failed, outcomes.map(|(it, _)| it.to_string()).collect())
}

/// What is no text is matched as it came.
#[test]
fn a_tcp_server_that_speaks_in_bytes() {
    let address = says(nothing, |nth| {
        [&b"\xff\x00b"[..], nth.to_string().as_bytes(), b"\n"].concat()
    });
    let identify = json!({ "pattern": r"(?-u)^\xff\x00(b[0-9]+)$" });
    let step = json!({ "tcp": { "send": { "text": "a" }, "receive": { "until": "\n" } } });
    let record = run(&plan(address, &identify, &step));
    let mut wanted = vec![("b0", 10, 0, 10), ("b1", 10, 0, 10)];
    wanted.push(("(unknown)", 0, 0, 0));
    assert_eq!(rows(&record), wanted);
}

/// The line that comes first is no answer, and what fails is the server's, too.
#[test]
fn a_tcp_server_that_greets() {
    let greets = |nth| format!("220 mail{nth}.example ESMTP\r\n");
    let address = says(greets, |nth| match nth {
        0 => "250 OK\r\n".to_owned(),
        _ => "451 later\r\n".to_owned(),
    });
    let identify = json!({ "greeting": "^220 ([^ ]+)" });
    let step = json!({
        "tcp": { "send": { "text": "NOOP\r\n" }, "receive": { "until": "\r\n" } },
        "check": ["reply.text is startingwith('250')"],
    });
    let record = run(&plan(address, &identify, &step));
    assert_eq!(record.steps[0].message_faults.iter().sum::<u64>(), 0);
    assert_eq!(
        rows(&record),
        [
            ("mail0.example", 10, 0, 10),
            ("mail1.example", 10, 10, 10),
            ("(unknown)", 0, 0, 0)
        ]
    );
}

#[test]
fn a_tcp_server_that_is_to_greet_and_does_not() {
    let address = says(nothing, nothing);
    let mut plan = plan(
        address,
        &json!({ "greeting": "(.+)" }),
        &json!({ "tcp": { "send": { "text": "a" } } }),
    );
    plan.scenarios[0].connect_timeout = std::time::Duration::from_millis(200);
    let run = assemble(&plan, Options::default().workers(1)).unwrap();
    let told = run.execute().unwrap_err().to_string();
    let wanted = "no answer within 200ms while waiting for the line that the server says first; does it say \
                  one (`identify.greeting`)?";
    assert!(told.contains(wanted), "{told}");
}

fn named(id: &str) -> ServerConfig {
    let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into());
    config.id = Some(id.to_owned());
    config
}

/// On request by a line, as loadgen's own server has it: what other replies say is no name.
#[test]
fn a_tcp_server_that_says_it_when_asked() {
    let options = TcpOptions {
        lines: true,
        ..TcpOptions::default()
    };
    let server: RunningServer = start_tcp(named("b7"), options).unwrap();
    let line =
        |text: &str| json!({ "tcp": { "send": { "text": text }, "receive": { "until": "\n" } } });
    let both = json!({ "repeat": { "times": 1, "steps": [
        { "name": "who", "tcp": line("identity\n")["tcp"] },
        { "name": "work", "tcp": line("work\n")["tcp"] },
    ] } });
    let identify = json!({ "pattern": "^(b[0-9]+)$" });
    let record = run(&plan(server.local_addr(), &identify, &both));
    // Each step is a request, and the connection says whose the second one is.
    assert_eq!(rows(&record), [("b7", 40, 0, 20), ("(unknown)", 0, 0, 20)]);
}

#[test_case(&json!({ "header": "x-loadgen-backend" }), "b7"; "metadata")]
#[test_case(&json!({ "field": "backend.id" }), "b7"; "a field of the message")]
#[test_case(&json!({ "trailer": "grpc-status" }), "0"; "a trailer")]
fn over_grpc(identify: &Value, name: &str) {
    let server = start_grpc(named("b7")).unwrap();
    let step = json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } });
    let record = run(&plan(server.local_addr(), identify, &step));
    assert_eq!(rows(&record), [(name, 20, 0, 0), ("(unknown)", 0, 0, 0)]);
}

/// A reply that is not as it is described is looked at for the name alone, and so has none.
#[test_case(&json!([]) => (0, 20); "looked at for the name")]
#[test_case(&json!(["reply.status == 'x'"]) => (20, 0); "looked at by a check, too")]
fn over_grpc_in_a_reply_that_is_not_as_described(check: &Value) -> (u64, u64) {
    let server = start_grpc(named("b7")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let proto = "syntax = \"proto3\"; package grpc.health.v1; message Request {} \
                 message Response { string status = 1; } \
                 service Health { rpc Check(Request) returns (Response); }";
    std::fs::write(folder.path().join("health.proto"), proto).unwrap();
    let mut step = json!({ "grpc": { "method": "grpc.health.v1.Health/Check" } });
    if check != &json!([]) {
        step["check"] = check.clone();
    }
    let suite = json!({ "scenarios": [{
        "name": "named",
        "targets": [server.local_addr().to_string()],
        "protos": ["health.proto"],
        "identify": { "field": "status" },
        "load": { "closed": { "users": 2, "iterations_per_user": 10 } },
        "steps": [step],
    }] });
    let folder = Some(folder.path());
    let suite = Suite::parse("suite.json", &suite.to_string(), folder, None).unwrap();
    let record = run(&Plan::new(suite.scenarios().to_vec()));
    assert!(record.backends.is_empty());
    (record.ledger.failed, record.ledger.completed)
}

#[test_case("backend.idd", "scenario `named`: identify.field: `reply.backend.idd` is unknown; did you mean `id`?"; "a slip")]
#[test_case("backend.id.x", "scenario `named`: identify.field: `reply.backend.id.x` is unknown; `reply.backend.id` has no fields"; "beyond the end")]
fn a_field_that_no_reply_has(field: &str, wanted: &str) {
    let step = json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } });
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let plan = plan(nobody, &json!({ "field": field }), &step);
    let told = assemble(&plan, Options::default()).map(drop).unwrap_err();
    assert_eq!(told.to_string(), wanted);
}

#[test_case(&json!({ "header": "x-loadgen-backend" }), "/echo", "hello"; "the upgrade's header")]
#[test_case(&json!({ "pattern": "of (b7)" }), "/echo", "a word of b7"; "a pattern")]
#[test_case(&json!({ "field": "backend.id" }), "/echo?identify=1", "hello"; "a field")]
fn over_websocket(identify: &Value, path: &str, text: &str) {
    let server = start_websocket(named("b7")).unwrap();
    let step = json!({ "websocket": { "path": path, "send": { "text": text } } });
    let record = run(&plan(server.local_addr(), identify, &step));
    assert_eq!(rows(&record), [("b7", 20, 0, 20), ("(unknown)", 0, 0, 0)]);
}

#[test_case(&json!({ "path": "/echo", "send": { "text": "b7" }, "reply": "none" }); "none is waited for")]
#[test_case(&json!({ "path": "/echo", "ping": true }); "a pong is none")]
fn over_websocket_without_a_reply(exchange: &Value) {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let step = json!({ "websocket": exchange });
    let plan = plan(nobody, &json!({ "pattern": "(b7)" }), &step);
    let told = assemble(&plan, Options::default()).map(drop).unwrap_err();
    let wanted =
        "scenario `named`: identify.pattern: no step waits for a reply, in which it could be";
    assert_eq!(told.to_string(), wanted);
}

/// What all scenarios have in common is for those that it fits.
#[test]
fn defaults_are_for_scenarios_that_have_such_a_thing() {
    let load = json!({ "closed": { "users": 1, "iterations": 1 } });
    let suite = json!({
        "defaults": { "identify": { "header": "x-served-by" }, "load": load },
        "scenarios": [
            { "name": "web", "steps": [{ "http": { "path": "/" } }] },
            { "name": "raw", "steps": [{ "tcp": { "send": { "text": "a" } } }] },
        ],
    });
    let suite = Suite::parse("suite.json", &suite.to_string(), None, None).unwrap();
    let said: Vec<_> = suite
        .scenarios()
        .iter()
        .map(|it| it.identify.clone())
        .collect();
    assert_eq!(
        said,
        [Some(Identify::Header("x-served-by".to_owned())), None]
    );
}

/// A profile hides nothing that fits where it does not fit itself.
#[test]
fn the_nearest_that_fits_counts() {
    let load = json!({ "closed": { "users": 1, "iterations": 1 } });
    let suite = json!({
        "defaults": { "identify": { "header": "x-served-by" }, "load": load },
        "profiles": { "mail": { "identify": { "greeting": "^220 ([^ ]+)" } } },
        "scenarios": [
            { "name": "web", "steps": [{ "http": { "path": "/" } }] },
            { "name": "raw", "steps": [{ "tcp": { "send": { "text": "a" } } }] },
        ],
    });
    let suite = Suite::parse("suite.json", &suite.to_string(), None, Some("mail")).unwrap();
    let said = suite.scenarios().iter().map(|it| it.identify.clone());
    let header = Identify::Header("x-served-by".to_owned());
    let greeting = Identify::Greeting("^220 ([^ ]+)".to_owned());
    assert_eq!(said.collect::<Vec<_>>(), [Some(header), Some(greeting)]);
}
