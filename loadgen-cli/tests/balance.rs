//! `loadgen balance`: what it refuses, what it says, and what signals do. What it does with connections is
//! tested where it is made.

mod common;

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

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

/// The first metric that a balancer with this file and these flags tells a StatsD, which is at `STATSD`.
fn first_metric(file: &str, flags: &[&str]) -> String {
    let statsd = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    statsd
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    let address = statsd.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.json");
    std::fs::write(&path, file.replace("STATSD", &address)).expect("it is written");
    let flags: Vec<_> = flags
        .iter()
        .map(|it| it.replace("STATSD", &address))
        .collect();
    let child = loadgen(&["balance", "tcp", "--listen", "127.0.0.1:0", "--config"])
        .arg(&path)
        .args(["--backend", "127.0.0.1:1", "--no-health"])
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("loadgen starts");
    let _balancer = Guard(child);
    let mut datagram = [0; 2048];
    let length = statsd.recv(&mut datagram).expect("metrics come");
    String::from_utf8_lossy(&datagram[..length]).into_owned()
}

/// The file has no backends: flags have them.
#[test_case("{}", &["--statsd", "STATSD"], "loadgen.balancer.tcp-"; "all by flags")]
#[test_case(r#"{ "statsd": { "address": "127.0.0.1:1", "prefix": "lb" } }"#, &["--statsd", "STATSD"], "lb.balancer.tcp-"; "the address by flag")]
#[test_case(r#"{ "statsd": { "address": "STATSD", "prefix": "lb" } }"#, &["--statsd-prefix", "other"], "other.balancer.tcp-"; "the prefix by flag")]
#[test_case(r#"{ "statsd": { "address": "STATSD", "prefix": "lb" } }"#, &[], "lb.balancer.tcp-"; "all by the file")]
fn flags_and_the_file_say_together_where_metrics_go(file: &str, flags: &[&str], name: &str) {
    let metric = first_metric(file, flags);
    assert!(metric.starts_with(name), "{metric}");
}

#[test]
fn a_prefix_for_nobody_is_told() {
    let child = loadgen(&["balance", "tcp", "--listen", "127.0.0.1:0"])
        .args(["--backend", "127.0.0.1:1", "--statsd-prefix", "x"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut balancer = Guard(child);
    let mut stderr = BufReader::new(balancer.0.stderr.take().expect("it is piped"));
    let told = "--statsd-prefix changes nothing: no metrics are sent without --statsd or `statsd` in the configuration\n";
    assert_eq!(next_line(&mut stderr), told);
}

/// Backends of a file that has them are judged, whoever takes their place.
#[test]
fn a_files_backends_are_read_where_flags_win() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.json");
    std::fs::write(&path, r#"{ "backends": [{ "address": "a" }] }"#).expect("it is written");
    let path = path.to_str().expect("UTF-8");
    let said = say(&["balance", "tcp", "--backend", "a:1", "--config", path]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.stderr.contains("backends[0].address: found \"a\""),
        "{}",
        said.stderr
    );
}

/// What a balancer of HTTP answers, from the status on.
fn answer(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn services_are_served_and_a_hang_up_has_them_read_again() {
    let server = Server::serve("http", &["--address", "127.0.0.1:0", "--id", "one"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("services.json");
    let write = |name: &str| {
        let text = format!(
            r#"{{ "listen": "127.0.0.1:1", "services": [{{ "name": "{name}", "routes": [{{ "path": "/**" }}],
                "backends": [{{ "address": "{}" }}], "health": "off" }}] }}"#,
            server.address
        );
        std::fs::write(&path, text).expect("it is written");
    };
    write("before");
    let mut child: Child = loadgen(&["balance", "http", "--listen", "127.0.0.1:0", "--config"])
        .arg(&path)
        .args(["--log-level", "debug"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut balancer = Guard(child);
    let (line, address) = listening(&mut stdout);
    let port = address.rsplit_once(':').expect("a port").1;
    assert_eq!(
        line,
        format!("http listening on {address} id=http-{port}\n")
    );
    assert!(answer(&address, "/before/hello").starts_with("HTTP/1.1 200 "));
    let logged = loop {
        let line = next_line(&mut stderr);
        if line.contains("path=") {
            break line;
        }
    };
    assert!(logged.contains("/before/hello"), "{logged}");
    write("after");
    signal(&balancer.0, Signal::HUP);
    while !next_line(&mut stderr).ends_with("was read again and holds from now on\n") {}
    assert!(answer(&address, "/before/hello").starts_with("HTTP/1.1 404 "));
    assert!(answer(&address, "/after/hello").starts_with("HTTP/1.1 200 "));
    signal(&balancer.0, Signal::TERM);
    assert!(balancer.0.wait().expect("it ends").success());
}

#[test]
fn everything_that_is_wrong_with_services_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("services.json");
    let text = r#"{ "services": [{ "name": "a", "routes": [{ "path": "a" }], "backends": [{ "address": "a:1" }] }],
        "limits": { "connections": 0 } }"#;
    std::fs::write(&path, text).expect("it is written");
    let path = path.to_str().expect("UTF-8");
    let said = say(&["balance", "http", "--config", path]);
    assert_eq!(said.code, Some(2));
    let begins = format!(
        "error: {path}: 2 problems\n  services[0].routes[0].path: found \"a\", expected a path like"
    );
    assert!(said.stderr.starts_with(&begins), "{}", said.stderr);
    assert!(
        said.stderr
            .ends_with("limits.connections: found 0, expected a whole number from 1 to 1000000\n"),
        "{}",
        said.stderr
    );
}

/// The last one of a service is told apart from one of many.
#[test]
fn a_service_that_has_no_backend_left_is_told_of_and_when_it_has_one_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("services.json");
    // Nobody listens on it before it is asked for again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let text = format!(
        r#"{{ "services": [{{ "name": "shop", "routes": [{{ "path": "/**" }}], "backends": [{{ "address": "{address}" }}],
            "health": {{ "interval": "50ms", "timeout": "50ms", "rise": 1, "fall": 1 }} }}] }}"#
    );
    std::fs::write(&path, text).expect("it is written");
    let child = loadgen(&["balance", "http", "--listen", "127.0.0.1:0", "--config"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut balancer = Guard(child);
    let mut stderr = BufReader::new(balancer.0.stderr.take().expect("it is piped"));
    let mut told = |wanted: &str| {
        let line = next_line(&mut stderr);
        let is_it = line.contains(wanted) && line.contains("service=\"shop\"");
        assert!(is_it, "{line}, and not {wanted}");
    };
    told("the backend is down");
    told("no backend is left that takes work");
    let server = std::net::TcpListener::bind(address).expect("the port is still free");
    told("the backend is up");
    told("there is a backend again that takes work");
    drop(server);
}

#[test_case(
    "tcp",
    r#"{ "services": [] }"#,
    "top level: found a configuration of the HTTP balancer: `services`, expected one of the layer-4 balancer; `loadgen balance http --config FILE` takes it"
)]
#[test_case(
    "http",
    r#"{ "backends": [] }"#,
    "top level: found a configuration of the layer-4 balancer: `backends` and no `services`, expected one of the HTTP balancer; `loadgen balance tcp --config FILE` takes it; here backends belong to a service"
)]
fn the_file_of_the_other_balancer_is_met_with_its_command(which: &str, text: &str, wanted: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.json");
    std::fs::write(&path, text).expect("it is written");
    let path = path.to_str().expect("UTF-8");
    let said = say(&["balance", which, "--config", path]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.stderr.contains(&format!("1 problem\n  {wanted}\n")),
        "{}",
        said.stderr
    );
}
