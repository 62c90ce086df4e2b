//! Users that log in over another protocol, as the command line aims them.

mod common;

use std::fs;

use common::{Server, assert_balances, say};
use serde_json::{Value, json};

const TOKEN: &str = "ticket-of-the-day";

fn file(folder: &tempfile::TempDir) -> String {
    let suite = json!({ "scenarios": [{
        "name": "greet",
        "load": { "closed": { "users": 3, "iterations": 30 } },
        "begin": [{
            "name": "login",
            "http": { "method": "POST", "path": "/echo", "body": { "json": { "token": TOKEN } } },
            "check": ["status == 200"],
            "save": { "token": "reply.token" },
        }],
        "steps": [{
            "name": "hello",
            "grpc": {
                "method": "loadgen.v1.Greeter/Hello",
                "metadata": { "authorization": "Bearer {{ saved.token }}" },
            },
        }],
    }] });
    let path = folder.path().join("login.json");
    fs::write(&path, suite.to_string()).expect("written");
    path.to_str().expect("a name").to_owned()
}

fn logins(document: &Value) -> &Value {
    let steps = document["scenarios"][0]["steps"].as_array();
    let mut steps = steps.expect("steps").iter();
    let login = steps.find(|it| it["name"] == "login").expect("it");
    assert_eq!(login["part"], "begin");
    &login["outcomes"]
}

#[test]
fn the_embedded_backend_answers_all_that_is_spoken() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(&["run", &file(&folder), "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let document = said.json();
    assert_balances(&document);
    assert_eq!(*logins(&document), json!({ "ok": 3 }), "{document}");
    let servers = &document["run"]["plan"]["scenarios"][0]["elsewhere"]["http"];
    assert!(servers["targets"][0].is_string(), "{document}");
    assert!(said.stderr.contains("grpc on ") && said.stderr.contains("http on "));
    // What a user was given is in no output.
    assert!(!said.stdout.contains(TOKEN) && !said.stderr.contains(TOKEN));
}

#[test]
fn each_protocol_is_aimed_by_its_own_flag() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, server) = (file(&folder), Server::start(&[]));
    let target = ["--grpc-target", &server.address];
    // The embedded backend says nothing of a user that another service would know.
    let said = say(&[&["run", &file][..], &target].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains(
            "scenario `greet`: `elsewhere.http.targets`: nothing says where its steps go that speak \
             `http`; expected targets there, or `--http-target`"
        ),
        "{said:?}"
    );
    let http = Server::serve("http", &["--address", "127.0.0.1:0"]);
    let both = [&target[..], &["--http-target", &http.address, "--json"]].concat();
    let said = say(&[&["run", &file][..], &both].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(*logins(&said.json()), json!({ "ok": 3 }));
}
