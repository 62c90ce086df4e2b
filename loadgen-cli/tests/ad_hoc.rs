//! Load in one line, what a server offers, and a first scenario file.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use common::{Said, Server, assert_balances, finish, loadgen, say};
use serde_json::Value;

const HELLO: &str = "loadgen.v1.Greeter/Hello";

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn a_call_in_one_line_is_a_run() {
    let server = Server::start(&[]);
    let data = r#"{"name": "one line"}"#;
    let line = [
        "grpc",
        &server.address,
        HELLO,
        "--data",
        data,
        "-n",
        "20",
        "-c",
        "2",
    ];
    let said = say(&[&line[..], &["--json"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = json(&said);
    assert_balances(&document);
    assert_eq!(document["scenarios"][0]["name"], "hello");
    assert_eq!(document["scenarios"][0]["ledger"]["completed"], 20);
    assert_eq!(
        document["run"]["plan"]["scenarios"][0]["steps"][0]["grpc"]["message"]["name"],
        "one line"
    );
    // A threshold that does not hold.
    let said = say(&[&line[..], &["--threshold", "response_time.p50 < 1ns"]].concat());
    assert_eq!(said.code, Some(99), "{said:?}");
    assert!(said.stdout.contains("20 planned"), "{said:?}");
}

#[test]
fn websocket_messages_in_one_line_are_a_run() {
    let server = Server::serve("websocket", &["--address", "127.0.0.1:0"]);
    let url = format!("ws://{}/echo", server.address);
    let said = say(&[
        "websocket",
        &url,
        "--send",
        "hi",
        "-n",
        "10",
        "-r",
        "1000",
        "--json",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = json(&said);
    assert_balances(&document);
    assert_eq!(document["scenarios"][0]["load_model"], "open");
    assert_eq!(document["scenarios"][0]["ledger"]["completed"], 10);
}

/// A run of the printed file is the run of the line.
#[test]
fn the_printed_scenario_does_the_same() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let line = [
        "grpc",
        &server.address,
        HELLO,
        "-n",
        "7",
        "-H",
        "x-tenant: blue",
        "--timeout",
        "3s",
    ];
    let printed = say(&[&line[..], &["--print-scenario"]].concat());
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let file = folder.path().join("hello.json");
    fs::write(&file, &printed.stdout).expect("a file");
    let plan = |said: Said| json(&said)["run"]["plan"].clone();
    let of_file = plan(say(&["run", &file.display().to_string(), "--json"]));
    let of_line = plan(say(&[&line[..], &["--json"]].concat()));
    assert_eq!(of_file, of_line);
    assert_eq!(of_line["scenarios"][0]["timeout"], "3s");
}

/// What is printed is passed around.
#[test]
fn a_printed_scenario_has_no_secret() {
    let line = [
        "grpc",
        "h:1",
        HELLO,
        "-H",
        "authorization: Bearer PLANTED-1",
        "--print-scenario",
    ];
    let said = say(&line);
    assert_eq!(
        json(&said)["scenarios"][0]["metadata"]["authorization"],
        "***"
    );
    assert!(said.stderr.contains("--show-secrets"), "{said:?}");
    let said = say(&[&line[..], &["--show-secrets"]].concat());
    assert!(said.stdout.contains("Bearer PLANTED-1"), "{said:?}");
}

#[test]
fn what_was_decided_is_said() {
    let server = Server::start(&[]);
    let mut child = loadgen(&["grpc", &server.address, HELLO, "-c", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("it says something");
    assert_eq!(line, "1 user for 10s; -n and -d say otherwise\n");
    common::signal(&child, rustix::process::Signal::INT);
    let said = finish(child, Duration::from_secs(30));
    assert_eq!(said.code, Some(105), "{said:?}");
}

#[test]
fn a_message_may_come_from_standard_input() {
    let server = Server::start(&[]);
    let mut child = loadgen(&[
        "grpc",
        &server.address,
        "loadgen.v1.Greeter/Collect",
        "--data",
        "@-",
        "-n",
        "1",
        "--json",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"{} {}\n{}").expect("is read");
    drop(stdin);
    let said = finish(child, Duration::from_secs(30));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        json(&said)["scenarios"][0]["steps"][0]["messages"]["sent"],
        3
    );
}

#[test]
fn mistakes_are_told_in_words_of_flags() {
    let server = Server::start(&[]);
    for (method, flags, code, expected) in [
        (
            HELLO,
            &["--data", r#"{"nme": 1}"#][..],
            104,
            "--data.nme: `loadgen.v1.HelloRequest` has no field `nme`; did you mean `name`?",
        ),
        (
            "loadgen.v1.Greeter/Helo",
            &[],
            104,
            "METHOD: found `loadgen.v1.Greeter/Helo`",
        ),
        (
            "grpc.health.v1.Health/Chek",
            &[],
            104,
            "METHOD: there is no method `grpc.health.v1.Health/Chek`; did you mean `grpc.health.v1.Health/Check`?",
        ),
        (
            HELLO,
            &["-d", "{}"],
            2,
            "expected a duration, like `30s`; a message goes into `--data`",
        ),
        (HELLO, &["-H", "nonsense"], 2, "expected KEY: VALUE"),
        (
            HELLO,
            &["--proto", "/no/such.proto"],
            104,
            "--proto /no/such.proto: there is no such file",
        ),
        (
            HELLO,
            &["--threshold", "p99 < 1s"],
            104,
            "--threshold: found \"p99 < 1s\"",
        ),
        (
            "list",
            &["--proto", "/no/such.proto"],
            104,
            "--proto /no/such.proto: there is no such file",
        ),
    ] {
        let said = say(&[&["grpc", &server.address, method], flags].concat());
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(
            said.stderr.contains(expected),
            "{expected} is not in {said:?}"
        );
        assert!(!said.stderr.contains("scenarios["), "{said:?}");
    }
    for method in [HELLO, "list", "describe"] {
        let said = say(&["grpc", "127.0.0.1:1", method, "--proto", "/dev/null"]);
        assert_ne!(said.code, Some(0), "{said:?}");
        let said = say(&["grpc", "127.0.0.1:1", method]);
        assert_eq!(said.code, Some(101), "{said:?}");
        assert!(
            said.stderr.contains("the connection was refused"),
            "{said:?}"
        );
    }
}

#[test]
fn a_server_says_what_it_offers() {
    let server = Server::start(&[]);
    let grpc = |args: &[&str]| say(&[&["grpc", &server.address], args].concat());
    let said = grpc(&["list"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in [
        "loadgen.v1.Greeter\n",
        "  Stream ",
        "server stream",
        "grpc.health.v1.Health\n",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    let services = json(&grpc(&["list", "--json"]))["services"].clone();
    let greeter = services
        .as_array()
        .expect("services")
        .iter()
        .find(|it| it["name"] == "loadgen.v1.Greeter");
    let methods = greeter.expect("it is there")["methods"]
        .as_array()
        .expect("methods");
    let chat = methods
        .iter()
        .find(|it| it["name"] == "loadgen.v1.Greeter/Chat")
        .expect("is there");
    assert_eq!(chat["kind"], "bidirectional");

    let said = grpc(&["describe", HELLO]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in [
        "loadgen.v1.Greeter/Hello  unary",
        "  name  1  string",
        "--data '{\"name\":\"\"}'",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    let said = grpc(&["describe", "loadgen.v1.Greeter/Chat"]);
    let times = said.stdout.matches("\nloadgen.v1.ChatMessage\n").count();
    assert_eq!(times, 1, "asked and answered alike: {said:?}");
    let method = json(&grpc(&["describe", HELLO, "--json"]))["method"].clone();
    // What is shown can be sent.
    let example = method["request_message"]["example"].to_string();
    let said = grpc(&[HELLO, "--data", &example, "-n", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");

    let message = json(&grpc(&["describe", "loadgen.v1.HelloRequest", "--json"]));
    assert_eq!(message["message"]["fields"][0]["type"], "string");
    let said = grpc(&["describe", "loadgen.v1.Greeter.Helo"]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(
        said.stderr
            .contains("did you mean `loadgen.v1.Greeter/Hello`?"),
        "{said:?}"
    );
    // Where a name is too long for the rest, the rest is below it.
    let narrow: Said = loadgen(&["grpc", &server.address, "describe"])
        .env("COLUMNS", "60")
        .output()
        .expect("starts")
        .into();
    for line in narrow.stdout.lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
}

/// What expressions make of secrets: on the screen, in the result, in an example, in a trace; sent, and said
/// again by the server.
#[test]
fn nothing_shows_what_is_made_of_secrets() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let (suite, out) = (
        folder.path().join("suite.json"),
        folder.path().join("result.json"),
    );
    std::fs::write(
        folder.path().join("people.csv"),
        "name,password\nann,Hunter22\n",
    )
    .expect("written");
    let plan = serde_json::json!({ "scenarios": [ {
        "name": "greet", "targets": [server.address],
        "load": { "closed": { "users": 2, "iterations": 6 } },
        "data": { "people": { "file": "people.csv" } },
        "metadata": { "x-mark": "{{ sha256(env.PLANTED_KEY ~ user) }}" },
        "steps": [
            { "name": "login",
              "grpc": { "method": HELLO, "message": { "name": "{{ base64('u:' ~ env['PLANTED_KEY']) }}" } },
              "save": { "token": "reply.message", "mine": "env.PLANTED_KEY[2:]" } },
            { "name": "hello",
              "grpc": { "method": HELLO, "message": {
                  "name": "{{ saved.token|upper }} {{ saved.mine|lower }} {{ row.password|lower }} {{ env.PLANTED_PIN }} {{ row.name }}"
              } },
              "check": ["reply.message == 'no ' ~ row.name"] }
        ]
    } ] });
    std::fs::write(&suite, plan.to_string()).expect("written");
    let (suite, out_path) = (suite.display().to_string(), out.display());
    let child = loadgen(&[
        "run",
        &suite,
        "--trace",
        "9",
        "--out",
        &format!("json={out_path}"),
    ])
    .env("PLANTED_KEY", "PlantedKey77")
    .env("PLANTED_PIN", "zq9x")
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("loadgen starts");
    let said = finish(child, Duration::from_secs(60));
    let result = std::fs::read_to_string(&out);
    let result = result.unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let example = serde_json::from_str::<serde_json::Value>(&result).expect("JSON");
    let example = example["scenarios"][0]["steps"][1]["checks"][0]["example"].clone();
    let example = example.as_str().expect("a check that failed").to_owned();
    assert!(example.contains("*** *** *** *** ann"), "{example}");
    let all = format!("{}{}{result}", said.stdout, said.stderr);
    assert!(said.stderr.contains("*** *** *** *** ann"), "{said:?}");
    for secret in [
        "PlantedKey77",
        "antedKey77",
        "antedkey77",
        "dTpQbGFudGVkS2V5Nzc",
        "DTPQBGFUDGVKS2V5NZC",
        "Hunter22",
        "hunter22",
        "zq9x",
        // Of the first and the second user.
        "fb5df5c4f9ba",
        "b54207389e00",
    ] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn a_first_file_without_a_terminal() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("first.yaml");
    let file = file.to_str().expect("a path");
    let init = |flags: &[&str]| say(&[&["init", file], flags].concat());
    let said = init(&[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("give `--target` and `--method`"),
        "{said:?}"
    );
    assert!(!fs::exists(file).expect("a folder"));

    let answers = [
        "--target",
        &server.address,
        "--method",
        HELLO,
        "-r",
        "50/s",
        "-d",
        "1s",
        "--threshold",
        "error_rate < 5%",
    ];
    let said = init(&answers);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(say(&["validate", file]).code, Some(0));
    let said = say(&["run", file, "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(json(&said)["scenarios"][0]["ledger"]["planned"], 50);

    let before = fs::read_to_string(file).expect("the file");
    let said = init(&answers);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr
            .contains("is there already; --force replaces it"),
        "{said:?}"
    );
    assert_eq!(fs::read_to_string(file).expect("the file"), before);
    assert_eq!(init(&[&answers[..], &["--force"]].concat()).code, Some(0));
}

/// What was printed without its secrets must not be sent without them.
#[test]
fn a_mask_is_not_sent_as_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("printed.json");
    let path = file.to_str().expect("a path");
    let print = |flags: &[&str]| {
        let line = [
            "grpc",
            "127.0.0.1:1",
            HELLO,
            "-H",
            "authorization: Bearer abcdef",
            "--print-scenario",
        ];
        let said = say(&[&line[..], flags].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        fs::write(&file, said.stdout).expect("a file");
    };
    print(&[]);
    for command in ["validate", "run"] {
        let said = say(&[command, path]);
        assert_eq!(said.code, Some(104), "{said:?}");
        let place = "scenarios[0].metadata.authorization: found `***`";
        for part in [place, "`--show-secrets`", "`{\"env\": \"NAME\"}`"] {
            assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
        }
    }
    print(&["--show-secrets"]);
    let said = say(&["validate", path]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn slips_on_the_command_line_are_told_with_what_to_write() {
    let twice = ["grpc", "127.0.0.1:1", HELLO, "--data", "{}", "--data", "{}"];
    let word = ["grpc", "127.0.0.1:1", "lst"];
    for (line, expected) in [
        (
            &twice[..],
            "'--data <JSON|@FILE>' cannot be used multiple times",
        ),
        (&word[..], "did you mean `list`?"),
    ] {
        let said = say(line);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
}

/// It is told before anything is asked.
#[test]
fn a_first_file_has_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("none/first.yaml");
    let file = file.to_str().expect("a path");
    let said = say(&["init", file, "--target", "127.0.0.1:1", "--send", "x"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("there is no folder"), "{said:?}");
}
