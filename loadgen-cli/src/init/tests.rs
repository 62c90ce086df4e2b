//! Answers, and what is written.

use std::io::Cursor;

use test_case::test_case;

use super::*;

/// What is said and written when these are the answers.
fn answered(args: &InitArgs, answers: &str) -> (String, Result<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let args = InitArgs {
        file: folder.path().join(&args.file),
        ..args.clone()
    };
    let mut said = Vec::new();
    let mut dialog = Dialog::new(Cursor::new(answers.to_owned()), &mut said);
    let made = scenario(&args, Some(&mut dialog), 1)
        .and_then(|made| write(&args.file, &made, 1))
        .map_err(|error| error.to_string());
    let written = made.map(|()| fs::read_to_string(&args.file).unwrap());
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(written.is_ok()), "no half file");
    let folder = folder.path().display().to_string();
    let written = written.map(|text| text.replace(&format!("{folder}/"), ""));
    (String::from_utf8(said).unwrap(), written)
}

fn file(name: &str) -> InitArgs {
    InitArgs {
        file: name.into(),
        ..InitArgs::default()
    }
}

#[test]
fn what_is_proposed_is_a_scenario() {
    let (said, written) = answered(&file("a.yaml"), "websocket\n\n\n\n\n\n");
    insta::assert_snapshot!(said, @"What does the service speak, grpc, websocket, http or tcp [grpc]: Where is it, with its path [ws://127.0.0.1:8080/]: Text to send, which one message answers [hello]: Load: so many users, like 10, or a rate, like 500/s [10]: For how long [30s]: Goal, like response_time.p99 < 50ms [error_rate < 1%]: ");
    insta::assert_snapshot!(written.unwrap(), @r#"
    # `loadgen run a.yaml` runs this; the scenario reference of loadgen's book has every field.
    scenarios:
      - name: "websocket"
        # Where to send; with https:// or wss:// in front with TLS.
        targets:
          - "ws://127.0.0.1:8080"
        load:
          # Users who start again when they are done; `open: { rate: 500/s, duration: 30s }` sends at a rate.
          closed:
            users: 10
            duration: "30s"
        # What one iteration does, one step after the other.
        steps:
          - websocket:
              path: "/"
              send:
                text: "hello"
        # What must hold; where something does not, the exit code is 99.
        thresholds:
          - "error_rate < 1%"
    "#);
}

#[test]
fn a_request_and_bytes_are_scenarios_too() {
    let (_, written) = answered(&file("a.json"), "http\nhttps://shop/cart\n5/s\n\n\n");
    let written: serde_json::Value = serde_json::from_str(&written.unwrap()).unwrap();
    let scenario = &written["scenarios"][0];
    assert_eq!(scenario["targets"], serde_json::json!(["https://shop"]));
    assert_eq!(
        scenario["steps"],
        serde_json::json!([{ "http": { "path": "/cart" } }])
    );

    let (said, written) = answered(&file("a.json"), "tcp\n\nPING\\r\\n\n\\r\\n\n\n\n\n");
    assert!(said.contains("What ends the reply [\\n]"), "{said}");
    let written: serde_json::Value = serde_json::from_str(&written.unwrap()).unwrap();
    let step = serde_json::json!({
        "tcp": { "send": { "text": "PING\r\n" }, "receive": { "until": "\r\n" } }
    });
    assert_eq!(written["scenarios"][0]["steps"], serde_json::json!([step]));
}

#[test_case("h:1", None, None => None; "nothing said")]
#[test_case("http://h:1", None, None => None; "a target that may be one of gRPC")]
#[test_case("http://h:1/cart", None, None => Some(Protocol::Http); "a page")]
#[test_case("https://h", Some("x"), None => Some(Protocol::Http); "something to post")]
#[test_case("ws://h:1/echo", None, None => Some(Protocol::Websocket); "a url of websocket")]
#[test_case("h:1", Some("x"), None => Some(Protocol::Websocket); "a text")]
#[test_case("tls://h:1", Some("x"), None => Some(Protocol::Tcp); "a target of tcp")]
#[test_case("h:1", Some("x"), Some("y") => Some(Protocol::Tcp); "an end of replies")]
fn protocols_that_are_said(
    target: &str,
    send: Option<&str>,
    until: Option<&str>,
) -> Option<Protocol> {
    let mut args = file("a.yaml");
    args.target = Some(target.to_owned());
    (args.send, args.until) = (send.map(str::to_owned), until.map(str::to_owned));
    said(&args)
}

#[test]
fn answers_that_nobody_asked_for_are_refused() {
    let mut args = file("a.yaml");
    args.target = Some("http://h:1/a".to_owned());
    args.until = Some("x".to_owned());
    args.protocol = Some(Protocol::Http);
    let (_, told) = answered(&args, "");
    assert_eq!(
        told.unwrap_err(),
        "`--until` says nothing of a scenario that speaks http"
    );
}

/// Nobody listens there, so that the method is asked for without a list.
#[test]
fn a_method_that_nothing_describes_can_be_named() {
    let mut args = file("b.json");
    args.target = Some("127.0.0.1:1".to_owned());
    let answers = "\nB.C\na.B/C\n0\n50/s\nsoon\n5s\np99 < 1\nresponse_time.p99 < 50ms\n";
    let (said, written) = answered(&args, answers);
    for problem in [
        "could not connect to 127.0.0.1:1",
        "expected a method such as package.Service/Method",
        "expected a number of users, like 10, or a rate, like 500/s",
        "`soon` is not a duration",
        "unknown metric `p99`",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    insta::assert_snapshot!(written.unwrap(), @r#"
    {
      "scenarios": [
        {
          "name": "c",
          "targets": [
            "127.0.0.1:1"
          ],
          "load": {
            "open": {
              "rate": "50/s",
              "duration": "5s"
            }
          },
          "steps": [
            {
              "grpc": {
                "method": "a.B/C"
              }
            }
          ],
          "thresholds": [
            "response_time.p99 < 50ms"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn who_says_nothing_more_gets_nothing() {
    let (_, written) = answered(&file("c.yaml"), "websocket\n");
    assert_eq!(
        written,
        Err("the answers ended; nothing was written".to_owned())
    );
}

#[test_case(&["-c", "5"] => Err("standard input is no terminal, so that nothing can be asked: give `--target` and `--method`".to_owned()); "nothing")]
#[test_case(&["--protocol", "websocket", "--target", "ws://h:1/"] => Err("standard input is no terminal, so that nothing can be asked: give `--send`".to_owned()); "no text")]
#[test_case(&["--target", "ws://h:1/", "--send", "x"] => Ok(()); "enough")]
#[test_case(&["--target", "h", "--send", "x"] => Err("the command line: 1 problem\n  TARGET: found \"h\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; the port is missing".to_owned()); "no target")]
fn without_a_terminal(flags: &[&str]) -> Result<(), String> {
    use clap::Parser as _;
    let line = ["loadgen", "init"].iter().chain(flags);
    let crate::args::Command::Init(args) = crate::args::Args::try_parse_from(line).unwrap().command
    else {
        panic!("another command");
    };
    let nobody = None::<&mut Dialog<Cursor<String>, Vec<u8>>>;
    let made = scenario(&args, nobody, 1);
    made.map(|_| ()).map_err(|error| error.to_string())
}
