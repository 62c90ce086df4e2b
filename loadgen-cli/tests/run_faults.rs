//! Servers that are not there, are not what was expected, fail, or go away.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Proxy, Said, Server, assert_balances, finish, loadgen, say};
use rustix::process::Signal;

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
