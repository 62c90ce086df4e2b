//! `loadgen balance http` with its services managed while they are served: flags, the file, signals, and an end
//! without a word. What the management answers is tested where it is made.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{ChildStderr, Stdio};

use common::{Guard, Server, listening, loadgen, say, signal};
use rustix::process::Signal;
use serde_json::{Value, json};

const NONE: &str = r#"{ "services": [] }"#;

struct Balancer {
    process: Guard,
    http: String,
    management: String,
    stderr: BufReader<ChildStderr>,
}

fn start(file: &Path, flags: &[&str]) -> Balancer {
    let mut child = loadgen(&["balance", "http", "--listen", "127.0.0.1:0", "--config"])
        .arg(file)
        .args(["--management", "127.0.0.1:0"])
        .args(flags)
        .env("MANAGEMENT_TOKEN", "s3cr3t")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let process = Guard(child);
    let (_, http) = listening(&mut stdout);
    let (line, management) = listening(&mut stdout);
    assert!(line.starts_with("management listening on "), "{line}");
    Balancer {
        process,
        http,
        management,
        stderr,
    }
}

/// The status and the body of an answer.
fn ask(address: &str, method: &str, path: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it connects");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {head}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer[9..12].parse().expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    (status, body.to_owned())
}

fn document(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("the file is there");
    serde_json::from_str(&text).expect("the file is whole")
}

fn service(backend: &str) -> String {
    json!({ "routes": [{ "path": "/**" }], "backends": [{ "address": backend }], "health": "off" })
        .to_string()
}

impl Balancer {
    /// Waits for a line that has this in it.
    fn tells(&mut self, what: &str) -> String {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            let read = self.stderr.read_line(&mut line).expect("a line");
            assert_ne!(read, 0, "it never told {what}");
        }
        line
    }
}

#[test]
fn a_service_that_is_added_is_served_and_outlives_a_kill() {
    let flags = ["--address", "127.0.0.1:0", "--id", "one"];
    let one = Server::serve("http", &flags);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lb.json");
    fs::write(&file, NONE).expect("it is written");
    let mut balancer = start(&file, &[]);
    assert_eq!(ask(&balancer.http, "GET", "/services/hello", "", "").0, 404);
    // Called like a path of the management's, which has an address of its own.
    let added = ask(
        &balancer.management,
        "POST",
        "/services/services",
        "",
        &service(&one.address),
    );
    assert_eq!(added.0, 201, "{}", added.1);
    let line = balancer.tells("the service was created");
    assert!(
        line.contains("service=\"services\"") && line.contains("from=127.0.0.1:"),
        "{line}"
    );
    assert_eq!(ask(&balancer.http, "GET", "/services/hello", "", "").0, 200);
    let status = ask(
        &balancer.management,
        "GET",
        "/services/services/status",
        "",
        "",
    );
    let status: Value = serde_json::from_str(&status.1).expect("JSON");
    assert_eq!(status["backends"][0]["state"], "up", "{status}");

    balancer.process.0.kill().expect("it is killed");
    balancer.process.0.wait().expect("it ends");
    assert_eq!(document(&file)["services"][0]["name"], "services");
    let balancer = start(&file, &[]);
    assert_eq!(ask(&balancer.http, "GET", "/services/hello", "", "").0, 200);
    assert_eq!(
        ask(&balancer.management, "DELETE", "/services/services", "", "").0,
        204
    );
    assert_eq!(ask(&balancer.http, "GET", "/services/hello", "", "").0, 404);
    assert_eq!(document(&file), json!({ "services": [] }));
}

#[test]
fn a_hang_up_and_the_management_do_not_lose_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lb.json");
    fs::write(&file, NONE).expect("it is written");
    let mut balancer = start(&file, &[]);
    assert_eq!(
        ask(
            &balancer.management,
            "PUT",
            "/services/a",
            "",
            &service("127.0.0.1:1")
        )
        .0,
        201
    );
    let edited = fs::read_to_string(&file)
        .expect("a file")
        .replace(":1\"", ":2\"");
    fs::write(&file, edited).expect("it is written");
    let refused = ask(
        &balancer.management,
        "PUT",
        "/services/b",
        "",
        &service("127.0.0.1:1"),
    );
    assert_eq!(refused.0, 409, "{}", refused.1);
    signal(&balancer.process.0, Signal::HUP);
    balancer.tells("was read again and holds from now on");
    assert_eq!(
        ask(
            &balancer.management,
            "PUT",
            "/services/b",
            "",
            &service("127.0.0.1:1")
        )
        .0,
        201
    );
    let services = &document(&file)["services"];
    assert_eq!(services[0]["backends"][0]["address"], "127.0.0.1:2");
    assert_eq!(services[1]["name"], "b");
    signal(&balancer.process.0, Signal::TERM);
    assert!(balancer.process.0.wait().expect("it ends").success());
}

/// Whoever is told to have the file read again has done so, and wonders.
#[test]
fn a_file_that_could_not_be_read_again_is_the_reason_of_a_refusal() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lb.json");
    fs::write(&file, NONE).expect("it is written");
    let mut balancer = start(&file, &[]);
    let put = |balancer: &Balancer| {
        let service = service("127.0.0.1:1");
        ask(&balancer.management, "PUT", "/services/b", "", &service)
    };
    fs::write(&file, r#"{ "services": 1 }"#).expect("it is written");
    let (status, told) = put(&balancer);
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("have it read again (SIGHUP)"), "{told}");
    signal(&balancer.process.0, Signal::HUP);
    balancer.tells("the configuration stays as it is");
    let (status, told) = put(&balancer);
    assert_eq!(status, 409, "{told}");
    let why = "that failed, and what it says does not hold: ";
    let problem = "services: found 1, expected an array";
    assert!(told.contains(why) && told.contains(problem), "{told}");
    assert!(told.contains("have it read again (SIGHUP)"), "{told}");
    // Once it was mended, that is the reason no more.
    let mended = NONE.to_owned() + "\n";
    fs::write(&file, mended).expect("it is written");
    let (status, told) = put(&balancer);
    assert_eq!(status, 409, "{told}");
    assert!(!told.contains(problem), "{told}");
    fs::write(&file, NONE).expect("it is written");
    signal(&balancer.process.0, Signal::HUP);
    balancer.tells("was read again and holds from now on");
    assert_eq!(put(&balancer).0, 201);
}

#[test]
fn beyond_this_machine_a_token_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lb.json");
    fs::write(&file, NONE).expect("it is written");
    let path = file.to_str().expect("UTF-8");
    let flags = [
        "balance",
        "http",
        "--listen",
        "127.0.0.1:0",
        "--config",
        path,
        "--management",
        "0.0.0.0:0",
    ];
    let said = say(&flags);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    let told = "error: failed to serve: managing services at 0.0.0.0:0, which other machines can reach, needs a token: ";
    assert!(said.stderr.starts_with(told), "{}", said.stderr);
    assert!(
        said.stderr.contains("--management-token-file"),
        "{}",
        said.stderr
    );
    let said = say(&[
        &flags[..],
        &["--management-token-env", "LOADGEN_NO_SUCH_TOKEN"],
    ]
    .concat());
    assert_eq!(said.code, Some(2));
    assert!(
        said.stderr.contains("`LOADGEN_NO_SUCH_TOKEN`"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_token_is_shown_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lb.json");
    fs::write(&file, NONE).expect("it is written");
    let flags = [
        "--management-token-env",
        "MANAGEMENT_TOKEN",
        "--log-level",
        "debug",
    ];
    let mut balancer = start(&file, &flags);
    let put = |token: &str| {
        let head = format!("authorization: Bearer {token}\r\n");
        ask(
            &balancer.management,
            "PUT",
            "/services/a",
            &head,
            &service("127.0.0.1:1"),
        )
    };
    assert_eq!(put("wr0ng").0, 401);
    assert_eq!(put("s3cr3t").0, 201);
    signal(&balancer.process.0, Signal::TERM);
    let mut told = String::new();
    balancer.stderr.read_to_string(&mut told).expect("text");
    assert!(
        told.contains("refused: this token is not the right one"),
        "{told}"
    );
    assert!(told.contains("the service was created"), "{told}");
    assert!(
        !told.contains("s3cr3t") && !told.contains("wr0ng"),
        "{told}"
    );
    assert!(
        !fs::read_to_string(&file)
            .expect("a file")
            .contains("s3cr3t")
    );
}
