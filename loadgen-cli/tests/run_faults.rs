//! Servers that are not there, are not what was expected, fail, or go away.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Proxy, Said, Server, assert_balances, finish, loadgen, pipe_in, say};
use rustix::process::Signal;
use test_case::test_case;

const SOON: Duration = Duration::from_secs(40);

fn unreachable(target: &str, flags: &[&str]) -> Said {
    let child = loadgen(&["run", "-s", "hello_light", "--grpc-target", target])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(101), "{said:?}");
    assert_eq!(said.stdout, "");
    assert!(
        said.stderr.contains("no target could be reached"),
        "{said:?}"
    );
    said
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let said = unreachable(&address, &[]);
    assert!(said.stderr.contains(&address), "{said:?}");
    assert!(said.stderr.to_lowercase().contains("refused"), "{said:?}");
}

/// Some balancers turn connections away, and that is what a run is to measure.
#[test_case("grpc", "", &["loadgen.v1.Greeter/Hello"]; "grpc, by reflection")]
#[test_case("websocket", "/echo", &["--send", "hello"]; "websocket")]
fn the_first_connections_are_turned_away(protocol: &str, path: &str, what: &[&str]) {
    let server = Server::serve(protocol, &["--address", "127.0.0.1:0"]);
    let proxy = Proxy::turning_away(2, &server.address);
    let target = format!("{}{path}", proxy.address);
    let flags = ["-c", "1", "-n", "5", "--workers", "1", "--json"];
    let said = say(&[&[protocol, &target], what, &flags].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.json()["scenarios"][0]["ledger"]["completed"], 5);
}

#[test]
fn a_name_that_is_none() {
    let said = unreachable("no-such-host.invalid:50051", &[]);
    assert!(said.stderr.contains("no-such-host.invalid"), "{said:?}");
}

#[test]
fn a_server_of_another_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    unreachable(&address, &[]);
}

#[test]
fn plain_text_against_tls_and_the_reverse() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let tls = Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    let plain = Server::start(&[]);
    let port = tls.address.rsplit_once(':').expect("an address").1;
    let by_name = format!("https://localhost:{port}");

    unreachable(&tls.address, &[]);
    unreachable(
        &format!("https://{}", plain.address),
        &["--insecure-skip-verify"],
    );
    unreachable(&by_name, &[]);
    unreachable(&format!("https://{}", tls.address), &["--tls-ca", &cert]);

    let run = ["run", "-s", "hello_light", "--grpc-target", &by_name];
    let trusted = say(&[&run[..], &["--tls-ca", &cert]].concat());
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    // It comes once, and is asked for by the command line, a check and the driver.
    let pipe = pipe_in(folder.path());
    let (from, to) = (cert, pipe.clone());
    let writer = std::thread::spawn(move || std::fs::copy(from, to));
    let piped = say(&[&run[..], &["--tls-ca", &pipe.display().to_string()]].concat());
    assert_eq!(piped.code, Some(0), "{piped:?}");
    writer.join().expect("no panic").expect("it is read");
    let anyone = say(&[&run[..], &["--insecure-skip-verify"]].concat());
    assert_eq!(anyone.code, Some(0), "{anyone:?}");
    assert!(anyone.stderr.contains("WARNING"), "said loudly: {anyone:?}");
    assert!(
        anyone.stdout.contains("any certificate was accepted"),
        "{anyone:?}"
    );
    let quiet = say(&[&run[..], &["--insecure-skip-verify", "-q"]].concat());
    assert!(quiet.stderr.contains("WARNING"), "also then: {quiet:?}");
}

/// A device without end once took all memory.
#[test_case("ca_file"; "authorities")]
#[test_case("cert_file"; "a certificate")]
#[test_case("key_file"; "a key")]
fn certificates_without_end_are_refused(field: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = folder.path().join("suite.json");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let own = folder.path().join("own.pem");
    std::fs::write(&own, made.cert.pem() + &made.signing_key.serialize_pem()).expect("written");
    let mut tls = serde_json::json!({ "cert_file": own, "key_file": own });
    tls[field] = "/dev/zero".into();
    let text = serde_json::json!({ "scenarios": [{
        "name": "greet",
        "targets": ["https://127.0.0.1:1"],
        "tls": tls,
        "load": { "closed": { "users": 1, "iterations": 1 } },
        "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }],
    }]});
    std::fs::write(&suite, text.to_string()).expect("written");
    let said = say(&["run", suite.to_str().expect("a path")]);
    assert_eq!(said.code, Some(104), "{said:?}");
    let expected = format!("`tls.{field}` /dev/zero: it is longer than 64 MiB");
    assert!(said.stderr.contains(&expected), "{said:?}");
}

#[test]
fn a_server_that_fails_half_of_its_calls() {
    let server = Server::start(&["--error-rate", "50%", "--error-code", "INTERNAL"]);
    let said = say(&[
        "run",
        "-s",
        "hello_light",
        "--json",
        "--grpc-target",
        &server.address,
    ]);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    let failed = &document["scenarios"][0]["outcomes"]["grpc.INTERNAL"];
    assert!(failed.as_u64() > Some(0), "{document}");
}

#[test]
fn a_server_killed_during_the_run() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server.address);
    let child = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-d",
        "2s",
        "--json",
        "--grpc-target",
    ])
    .arg(&proxy.address)
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    proxy.wait_for_requests();
    common::signal(&server.process.0, Signal::KILL);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    assert!(
        document["scenarios"][0]["ledger"]["failed"].as_u64() > Some(0),
        "{document}"
    );
}

#[test]
fn a_server_frozen_during_the_run() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server.address);
    let child = loadgen(&[
        "run",
        "-s",
        "hello_light",
        "-d",
        "1s",
        "--timeout",
        "500ms",
        "--json",
    ])
    .args(["--grpc-target", &proxy.address])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    proxy.wait_for_requests();
    common::signal(&server.process.0, Signal::STOP);
    let said = finish(child, SOON);
    assert_eq!(said.code, Some(99), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    assert!(
        document["scenarios"][0]["outcomes"]["timeout"].as_u64() > Some(0),
        "{document}"
    );
}

#[test]
fn a_server_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let said = unreachable(&address, &[]);
    assert!(said.stderr.contains("no answer within 5s"), "{said:?}");
}

/// In what ends a run before it begins.
#[test]
fn a_token_that_a_server_repeats_is_not_repeated_by_us() {
    const TOKEN: &str =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.SflKxw";
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let body = format!("bad token: {TOKEN}");
            let head = format!(
                "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = client.write_all((head + &body).as_bytes());
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let suite = folder.path().join("suite.json");
    let text = serde_json::json!({ "scenarios": [{
        "name": "asks",
        "targets": [address],
        "headers": { "authorization": format!("Bearer {TOKEN}") },
        "load": { "closed": { "users": 1, "iterations": 1 } },
        "steps": [{ "websocket": { "path": "/", "send": { "text": "a" } } }],
    }]});
    std::fs::write(&suite, text.to_string()).expect("it is writable");
    let said = say(&["run", suite.to_str().expect("a path")]);
    assert_eq!(said.code, Some(101), "{said:?}");
    // However much of it is read and shown, less than five characters of it are.
    assert!(said.stderr.contains("(it says \"bad token: "), "{said:?}");
    assert!(!said.stderr.contains(&TOKEN[..5]), "{said:?}");
}

/// What has to be done before the load failed: which step, how, and what was seen.
#[test]
fn a_setup_that_fails() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let suite = folder.path().join("suite.json");
    let hello = |name: &str, checks: &[&str]| {
        serde_json::json!({
            "name": name,
            "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "name": name } },
            "check": checks,
        })
    };
    let text = serde_json::json!({ "scenarios": [{
        "name": "asks",
        "targets": [server.address],
        "setup": [hello("first", &["reply.message != ''"]), hello("prime", &["reply.message == 'never'"])],
        "load": { "closed": { "users": 2, "iterations": 2 } },
        "steps": [hello("get", &[])],
    }]});
    std::fs::write(&suite, text.to_string()).expect("it is writable");
    let said = say(&["run", suite.to_str().expect("a path")]);
    assert_eq!(said.code, Some(102), "{said:?}");
    let expected = "error: scenario `asks`: setup failed in step `prime` with `check`: setup[1]: \
                    `reply.message == 'never'`: ";
    assert!(said.stderr.contains(expected), "{said:?}");
    assert!(!said.stderr.contains("reached"), "{said:?}");
    assert_eq!(said.stdout, "");
}
