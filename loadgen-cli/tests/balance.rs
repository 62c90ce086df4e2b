//! `loadgen balance`: what it refuses, what it says, and what signals do. What it does with connections is
//! tested where it is made.

mod common;

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{Guard, Server, listening, loadgen, say, signal};
use rustix::process::Signal;
use test_case::test_case;

#[test_case(&[], "error: nothing to balance between: give each backend with `--backend HOST:PORT`, or all in a file with `--config FILE`\n"; "no backend")]
#[test_case(&["--backend", "a:1", "--backend", "A:1,weight=2"], "error: the backend a:1 is given twice; give it once, with the weight of both, like `--backend a:1,weight=2`\n"; "twice")]
#[test_case(&["--backend", "a:1", "--health-interval", "100ms", "--health-timeout", "1s"], "error: a health check may take at most as long as from one check to the next: `--health-timeout` is above `--health-interval`\n"; "overlapping checks")]
#[test_case(&["--config", "/nowhere/lb.json"], "error: cannot read /nowhere/lb.json: No such file or directory (os error 2)\n"; "no file")]
fn what_makes_no_balancer_is_told(flags: &[&str], told: &str) {
    let said = say(&[&["balance", "tcp"], flags].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(2), told));
    assert_eq!(said.stdout, "");
}

#[test_case("--backend", "a", "expected HOST:PORT with a port from 1 to 65535"; "no port")]
#[test_case("--algorithm", "random", "expected one of round_robin, weighted_round_robin, least_connections"; "algorithm")]
#[test_case("--resolve-interval", "1ms", "expected a duration from 100ms to 1h"; "resolve")]
#[test_case("--proxy-protocol", "v3", "expected `v1` or `v2`"; "proxy")]
fn values_are_refused_with_what_was_expected(flag: &str, value: &str, expected: &str) {
    let said = say(&["balance", "tcp", flag, value]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains(expected), "{}", said.stderr);
}

#[test]
fn everything_that_is_wrong_with_a_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.json");
    let text = r#"{ "algoritm": "x", "backends": [{ "address": "a:1", "weight": 0 }] }"#;
    std::fs::write(&path, text).expect("it is written");
    let path = path.to_str().expect("UTF-8");
    let said = say(&["balance", "tcp", "--config", path]);
    let told = format!(
        "error: {path}: 2 problems\n  \
         algoritm: found an unknown field, expected a field that has a meaning here; did you mean `algorithm`?\n  \
         backends[0].weight: found 0, expected a whole number from 1 to 65535\n"
    );
    assert_eq!((said.code, said.stderr), (Some(2), told));
}

/// The line with which a connection begins.
fn name(address: &str) -> String {
    let stream = TcpStream::connect(address).expect("it connects");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

fn next_line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    line
}

#[test]
fn a_hang_up_has_the_file_read_again_and_flags_still_win() {
    let flags = ["--address", "127.0.0.1:0", "--identity-on-connect", "--id"];
    let one = Server::serve("tcp", &[&flags[..], &["one"]].concat());
    let two = Server::serve("tcp", &[&flags[..], &["two"]].concat());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.json");
    let write = |backend: &str| {
        // The flag says otherwise, before and after.
        let text = format!(
            r#"{{ "listen": "127.0.0.1:1", "health": "off", "backends": [{{ "address": "{backend}" }}] }}"#
        );
        std::fs::write(&path, text).expect("it is written");
    };
    write(&one.address);
    let mut child: Child = loadgen(&["balance", "tcp", "--listen", "127.0.0.1:0", "--config"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut balancer = Guard(child);
    let (line, address) = listening(&mut stdout);
    let port = address.rsplit_once(':').expect("a port").1;
    assert_eq!(line, format!("tcp listening on {address} id=tcp-{port}\n"));
    assert_eq!(name(&address), "one");
    let mut held = TcpStream::connect(&address).expect("it connects");
    held.read_exact(&mut [0; 4]).expect("a name");

    write(&two.address);
    signal(&balancer.0, Signal::HUP);
    let told = loop {
        // What happens to backends is told beside.
        let line = next_line(&mut stderr);
        if line.starts_with(path.to_str().expect("UTF-8")) {
            break line;
        }
    };
    assert!(
        told.ends_with("was read again and holds from now on\n"),
        "{told}"
    );
    assert_eq!(name(&address), "two");
    std::fs::write(&path, "{").expect("it is written");
    signal(&balancer.0, Signal::HUP);
    let told = loop {
        let line = next_line(&mut stderr);
        if line.starts_with("the configuration stays as it is: ") {
            break line;
        }
    };
    assert!(told.contains("line 1, column "), "{told}");
    assert_eq!(name(&address), "two");
    held.write_all(b"still there").expect("it is sent");
    let mut echo = [0; 11];
    held.read_exact(&mut echo).expect("it comes back");
    assert_eq!(&echo, b"still there");

    signal(&balancer.0, Signal::TERM);
    drop(held);
    assert!(balancer.0.wait().expect("it ends").success());
}
