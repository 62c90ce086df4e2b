//! No secret is shown, whatever way it takes: not on the screen, in a trace, in a result or in an example.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Said, Server, finish, loadgen};
use serde_json::{Value, json};

const HELLO: &str = "loadgen.v1.Greeter/Hello";

/// The people of the test data: secrets by their names, at all depths, and of all kinds.
const PEOPLE: &str = r#"[{
    "name": "annabel",
    "password": "Hunter22",
    "word": "plain",
    "pass": "sesame",
    "pin": {"key": 4711, "sid": "q7z"},
    "login": {"user": "wolfgang", "password": "Zauber77"},
    "logins": [{"user": "joseph", "token": "Schoepfung"}]
}]"#;

/// What a run of these steps says, and all that it says and leaves.
fn everything(server: &Server, scenario: &Value) -> (Said, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("people.json"), PEOPLE).expect("written");
    let mut plan = json!({
        "name": "secrets", "targets": [server.address],
        "load": { "closed": { "users": 2, "iterations": 4 } },
        "data": { "people": { "file": "people.json" } },
    });
    let fields = scenario.as_object().expect("fields").clone();
    plan.as_object_mut().expect("fields").extend(fields);
    let suite = folder.path().join("suite.json");
    fs::write(&suite, json!({ "scenarios": [plan] }).to_string()).expect("written");
    let out = folder.path().join("result.json");
    let flags = ["--trace", "9", "--out", &format!("json={}", out.display())];
    let child = loadgen(&[&["run", &suite.display().to_string()], &flags[..]].concat())
        .env("PLANTED_KEY", "PlantedKey77")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    let said = finish(child, Duration::from_secs(60));
    let result = fs::read_to_string(&out);
    let result = result.unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let all = format!("{}{}{result}", said.stdout, said.stderr);
    (said, all)
}

/// None of them is there; what is no secret is.
fn shows(all: &str, secrets: &[&str], others: &[&str]) {
    for secret in secrets {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    let words = all.split_whitespace().collect::<Vec<_>>().join(" ");
    for other in others {
        assert!(words.contains(other), "{other}: {all}");
    }
}

/// A secret goes through names, loops and conditions, and the server says it again.
#[test]
fn secrets_that_statements_carry_on_are_masked() {
    let server = Server::start(&[]);
    let text = "{% set x = row.password|upper %}{{ row.name }} {{ x }}; \
                {% for c in row.password|lower %}{{ c }}{% endfor %}; \
                {% for l in row.logins %}{{ l.user }} {{ l.token|upper }}{% endfor %}; \
                {% if row.login.password == 'x' %}a{% else %}{% set y = row.login.user|upper %}{% endif %}{{ y }}; \
                {{ row.login.password|upper }}; {{ env.PLANTED_KEY[::-1] }}";
    let (_, all) = everything(
        &server,
        &json!({ "steps": [{
            "name": "hello",
            "grpc": { "method": HELLO, "message": { "name": text } },
            "check": ["reply.message == ''"],
        }] }),
    );
    shows(
        &all,
        &[
            "HUNTER22",
            "hunter22",
            "SCHOEPFUNG",
            "ZAUBER77",
            "77yeKdetnalP",
            "Hunter22",
        ],
        &["annabel ***; ***; joseph ***; WOLFGANG; ***; ***"],
    );
}

/// Values of messages are masked as a whole, whatever they look like; what only looks like them is not.
#[test]
fn short_secrets_words_and_numbers_are_masked_in_traces() {
    let server = Server::serve("websocket", &["--address", "127.0.0.1:0"]);
    let message = json!({
        "a": "{{ row['pass'] }}", "b": "{{ row.pin.sid }}", "c": "{{ row.pin.key }}",
        "d": ["{{ row['pass'] ~ 's' }}"], "e": "opensesame q7zq", "f": 47_112, "g": "{{ row.word }}",
    });
    let (said, all) = everything(
        &server,
        &json!({ "steps": [{
            "name": "echo",
            "websocket": { "path": "/echo", "send": { "json": message } },
            "check": ["reply.c == 5", "reply.a == 'x'"],
        }] }),
    );
    shows(
        &all,
        &[
            "\"sesame\"",
            "\"q7z\"",
            ":4711,",
            ": 4711,",
            "is 4711",
            "&quot;sesame&quot;",
        ],
        &[],
    );
    let trace: String = said.stderr.split_whitespace().collect();
    for arrow in ["->message", "<-message"] {
        let shown = r#"{"a":"***","b":"***","c":"***","d":["***"],"e":"opensesameq7zq","f":47112,"g":"plain"}"#;
        assert!(trace.contains(&format!("{arrow}{shown}")), "{said:?}");
    }
}

/// What a reply has under a secret's name is one, under whatever name it is saved.
#[test]
fn what_is_saved_of_a_secret_field_is_masked() {
    let server = Server::serve("http", &["--address", "127.0.0.1:0"]);
    let (_, all) = everything(
        &server,
        &json!({ "steps": [
            {
                "name": "login",
                "http": {
                    "path": "/echo", "method": "POST",
                    "body": { "json": { "user": { "name": "clara", "password": "Tr4eumerei" }, "id": 815 } },
                },
                "save": { "mine": "reply.user.password", "user": "reply.user" },
            },
            {
                "name": "again",
                "http": {
                    "path": "/echo?q={{ saved.mine|lower }}", "method": "POST",
                    "body": { "text": "{{ saved.user.name }} {{ saved.user.password|upper }}" },
                },
                "check": ["reply.text == ''"],
            },
        ] }),
    );
    shows(
        &all,
        &["Tr4eumerei", "tr4eumerei", "TR4EUMEREI"],
        &["clara ***"],
    );
}

/// Text is shown, bytes are told by how many they are; neither with a secret in it.
#[test]
fn secrets_in_messages_of_tcp_are_masked() {
    let server = Server::serve("tcp", &["--address", "127.0.0.1:0", "--lines"]);
    let text = "{% set x = row.password|upper %}{{ row.name }} {{ x }} {{ row.pin.key }}\n";
    let bytes = "{{ base64('\\u0001' ~ row.login.password ~ '\\n') }}";
    let asks = |send: Value| json!({ "send": send, "receive": { "until": "\n" } });
    let (said, all) = everything(
        &server,
        &json!({ "steps": [
            {
                "name": "text", "tcp": asks(json!({ "text": text })),
                "check": ["reply.text == ''"],
            },
        ] }),
    );
    shows(
        &all,
        &["HUNTER22", "Hunter22", "4711"],
        &[
            r#"-> message "annabel *** ***\n""#,
            r#"<- message "annabel *** ***""#,
        ],
    );
    assert!(said.stderr.contains("at tcp://127.0.0.1:"), "{said:?}");
    let (_, all) = everything(
        &server,
        &json!({ "steps": [{ "name": "bytes", "tcp": asks(json!({ "base64": bytes })) }] }),
    );
    // `Zauber77` in hex and in base64.
    shows(
        &all,
        &[
            "Zauber77",
            "5a61756265723737",
            "WmF1YmVyNzc",
            "AVphdWJlcjc3",
        ],
        &[
            "-> message 10 bytes with a secret among them",
            "<- message 9 bytes with a secret among them",
        ],
    );
}
