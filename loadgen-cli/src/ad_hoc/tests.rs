//! Flags, and the scenario that they make.

use clap::Parser as _;
use test_case::test_case;

use super::*;
use crate::args::{Args, Command};

/// The scenario file of a line, or what is wrong with it.
fn file_of(line: &[&str]) -> Result<Value, String> {
    let line = ["loadgen"].iter().chain(line);
    let args = Args::try_parse_from(line).map_err(|error| error.to_string())?;
    let ad_hoc = match args.command {
        Command::Grpc(args) => AdHoc::of_grpc(&args),
        Command::Websocket(args) => AdHoc::of_websocket(&args),
        Command::Http(args) => AdHoc::of_http(&args),
        Command::Tcp(args) => AdHoc::of_tcp(&args),
        other => panic!("{other:?}"),
    };
    let ad_hoc = ad_hoc.map_err(|error| error.to_string())?;
    let settled = ad_hoc
        .settle(1)
        .map_err(|error| in_flags(error).to_string())?;
    Ok(ad_hoc.file(&settled))
}

fn scenario_of(line: &[&str]) -> Value {
    file_of(line).unwrap()["scenarios"][0].clone()
}

const CALL: [&str; 3] = ["grpc", "localhost:50051", "shop.v1.Shop/PlaceOrder"];

#[test]
fn a_call_is_a_short_file() {
    let flags = [
        "--data",
        "{\"item\": \"tea\", \"price\": 1.10}",
        "-H",
        "X-Tenant: blue",
    ];
    let file = file_of(&[&CALL[..], &flags].concat()).unwrap();
    insta::assert_snapshot!(crate::output::json(&file), @r#"
    {
      "scenarios": [
        {
          "name": "place_order",
          "targets": [
            "localhost:50051"
          ],
          "metadata": {
            "x-tenant": "blue"
          },
          "load": {
            "closed": {
              "users": 10,
              "duration": "10s"
            }
          },
          "steps": [
            {
              "grpc": {
                "method": "shop.v1.Shop/PlaceOrder",
                "message": {
                  "item": "tea",
                  "price": 1.10
                }
              }
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn what_is_sent_over_websocket_is_a_short_file_too() {
    let line = [
        "websocket",
        "wss://h/feed?a=1",
        "--send-json",
        "{\"b\": 1}",
        "--receive",
        "5s",
        "-r",
        "9",
        "--warm-up",
        "1s",
        "--threshold",
        "response_time.p99 < 20ms",
    ];
    let file = file_of(&line).unwrap();
    insta::assert_snapshot!(crate::output::json(&file), @r#"
    {
      "scenarios": [
        {
          "name": "feed",
          "targets": [
            "wss://h"
          ],
          "warm_up": "1s",
          "load": {
            "open": {
              "rate": "9/s",
              "duration": "10s"
            }
          },
          "steps": [
            {
              "websocket": {
                "path": "/feed?a=1",
                "send": {
                  "json": {
                    "b": 1
                  }
                },
                "stream": {
                  "for": "5s"
                }
              }
            }
          ],
          "thresholds": [
            "response_time.p99 < 20ms"
          ]
        }
      ]
    }
    "#);
}

#[test_case(&["http", "http://h:1/a?b=c"] => json!({"http": {"path": "/a?b=c"}}); "a request")]
#[test_case(&["http", "h:1", "--body", "x", "--check", "status == 201"] => json!({"http": {"method": "POST", "path": "/", "body": {"text": "x"}}, "check": ["status == 201"]}); "with a body it is posted")]
#[test_case(&["http", "h:1/a", "-X", "PUT", "--body-json", "{\"b\": 1}"] => json!({"http": {"method": "PUT", "path": "/a", "body": {"json": {"b": 1}}}}); "unless another method is said")]
#[test_case(&["http", "h:1/a", "--form", "b=1", "--form", "c=d=e"] => json!({"http": {"method": "POST", "path": "/a", "body": {"form": {"b": "1", "c": "d=e"}}}}); "a form")]
#[test_case(&["http", "h:1/a", "--body-size", "1KiB", "--receive", "5"] => json!({"http": {"method": "POST", "path": "/a", "body": {"size": "1KiB"}, "stream": {"messages": 5}}}); "noise, and events")]
#[test_case(&["tcp", "h:1", "--send", "PING\\r\\n", "--until", "\\r\\n"] => json!({"tcp": {"send": {"text": "PING\r\n"}, "receive": {"until": "\r\n"}}}); "a line")]
#[test_case(&["tcp", "h:1", "--send", "\\xff\\0", "--bytes", "2", "--repeat", "3", "--in-flight", "2"] => json!({"tcp": {"send": {"hex": "ff00"}, "receive": {"bytes": 2}, "repeat": 3, "in_flight": 2}}); "bytes")]
#[test_case(&["tcp", "h:1", "--send-size", "64B", "--length-prefix", "4", "--every", "10ms"] => json!({"tcp": {"send": {"size": "64B"}, "receive": {"length_prefix": {"bytes": 4}}, "every": "10ms"}}); "noise, and a length")]
#[test_case(&["tcp", "h:1", "--send-hex", "0a", "--shutdown", "--until-close"] => json!({"tcp": {"send": {"hex": "0a"}, "receive": "end", "shutdown": true}}); "to the end")]
fn steps(line: &[&str]) -> Value {
    scenario_of(line)["steps"][0].clone()
}

#[test_case(&[] => json!({"closed": {"users": 10, "duration": "10s"}}))]
#[test_case(&["-c", "3"] => json!({"closed": {"users": 3, "duration": "10s"}}))]
#[test_case(&["-n", "7"] => json!({"closed": {"users": 7, "iterations": 7}}); "no more users than iterations")]
#[test_case(&["-n", "700", "-d", "2s"] => json!({"closed": {"users": 10, "iterations": 700, "max_duration": "2s"}}); "whichever comes first")]
#[test_case(&["-r", "500"] => json!({"open": {"rate": "500/s", "duration": "10s"}}))]
#[test_case(&["-r", "100/s", "-n", "50", "-c", "4"] => json!({"open": {"rate": "100/s", "duration": "500ms", "users": {"max": 4}}}))]
fn loads(flags: &[&str]) -> Value {
    scenario_of(&[&CALL[..], flags].concat())["load"].clone()
}

#[test_case("localhost:50051" => "localhost:50051")]
#[test_case("dns:///localhost:50051" => "localhost:50051")]
#[test_case("dns:localhost:50051" => "localhost:50051")]
#[test_case("dns:localhost" => "dns:localhost"; "a name without a port")]
#[test_case("https://shop" => "https://shop")]
#[test_case("unix:/run/shop.sock" => "unix:/run/shop.sock")]
fn grpc_targets(given: &str) -> String {
    grpc::target(given).to_owned()
}

#[test_case("ws://h:1/echo" => ("ws://h:1", "/echo"))]
#[test_case("wss://h" => ("wss://h", ""))]
#[test_case("h:1/a/b?c=/d" => ("h:1", "/a/b?c=/d"))]
#[test_case("ws://h?c" => ("ws://h", "?c"))]
#[test_case("unix:/run/a.sock" => ("unix:/run/a.sock", ""))]
#[test_case("unix:/run/a.sock:/b?c" => ("unix:/run/a.sock", "/b?c"))]
fn addresses(url: &str) -> (&str, &str) {
    url::address(url)
}

#[test]
fn files_and_flags_go_into_the_file_wherever_it_lies() {
    let flags = [
        "--proto",
        "shop.proto",
        "--import-path",
        "/protos",
        "--timeout",
        "2s",
        "--connections",
        "4",
        "--insecure-skip-verify",
    ];
    let scenario = scenario_of(&[&CALL[..], &flags].concat());
    let here = std::env::current_dir().unwrap().join("shop.proto");
    assert_eq!(scenario["protos"], json!([here, "/protos"]));
    assert_eq!(scenario["timeout"], "2s");
    assert_eq!(scenario["connections"], 4);
    assert_eq!(scenario["tls"], json!({"insecure_skip_verify": true}));
    assert_eq!(scenario.get("max_message"), None);
}

#[test_case(&["--data", "{\"a\":1}{\"a\":2}"] => json!([{"a": 1}, {"a": 2}]); "one after the other")]
#[test_case(&["--data", "[{\"a\":1}]"] => json!([{"a": 1}]); "in an array")]
#[test_case(&["--data", "{\"a\":123456789012345678901234567890}"] => serde_json::from_str::<Value>("{\"a\":123456789012345678901234567890}").unwrap(); "digits as they are")]
fn messages(flags: &[&str]) -> Value {
    scenario_of(&[&CALL[..], flags].concat())["steps"][0]["grpc"]["message"].clone()
}

#[test_case(&["grpc", "h:1", "a.B/C", "--data", "{\"a\":}"] => "`--data`: line 1, column 6: expected value; expected JSON, or @ and the name of a file that holds it"; "no JSON")]
#[test_case(&["grpc", "h:1", "a.B/C", "--data", "@/no/such"] => "`--data @/no/such`: failed to read it: No such file or directory (os error 2)"; "no file")]
#[test_case(&["grpc", "h:1", "a.B/C", "--data", "1"] => "the command line: 1 problem\n  --data: found 1, expected the message as an object"; "no message")]
#[test_case(&["grpc", "h", "a.B/C"] => "the command line: 1 problem\n  TARGET: found \"h\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; the port is missing"; "no port")]
#[test_case(&["grpc", "h:1", "a.B/C", "-H", "x: 1", "-H", "X: 2"] => "`-H x: …` is given twice; a scenario sends one value of each name"; "twice")]
#[test_case(&["grpc", "h:1", "a.B/C", "-H", "grpc-timeout: 1S"] => "the command line: 1 problem\n  -H: found the name \"grpc-timeout\", expected the name of a piece of metadata; it belongs to the protocol, which sets it itself"; "a name that is none")]
#[test_case(&["grpc", "h:1", "a.B/C", "-n", "5", "-c", "9"] => "the command line: 1 problem\n  -n: found 5 for 9 users, expected at least one iteration for each user"; "more users than iterations")]
#[test_case(&["grpc", "http://h:1", "a.B/C", "--tls-server-name", "x"] => "`http://h:1` is plain text and `--tls-server-name` turns TLS on; write https:// or leave the flag out"; "plain and not")]
#[test_case(&["websocket", "h:1/a"] => "say what to do on the connection: `--send TEXT`, `--send-json JSON`, `--ping`, or `--receive N|TIME` to listen"; "nothing to do")]
#[test_case(&["websocket", "ws://h:1/a", "--ping", "--threshold", "p99 < 1ms"] => "the command line: 1 problem\n  --threshold: found \"p99 < 1ms\", expected a metric such as `response_time.p95`, `error_rate` or `throughput` at column 1; unknown metric `p99`; did you mean `response_time.p99`?"; "no condition")]
#[test_case(&["http", "h:1/a", "--form", "a=1", "--form", "a=2"] => "`--form a=…` is given twice; a form here has one value of each name"; "a field twice")]
#[test_case(&["http", "h:1/a", "--method", "GIT"] => "the command line: 1 problem\n  --method: found \"GIT\", expected a method in capitals: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE"; "no method of http")]
#[test_case(&["http", "h:1/a", "--body-json", "{} {}"] => "`--body-json`: found 2 JSON values, expected one"; "two bodies")]
#[test_case(&["tcp", "h:1"] => "say what to do on the connection: `--send TEXT`, `--send-hex HEX` or `--send-size SIZE`; and where the reply ends, or what comes by itself: `--until TEXT`, `--bytes N`, `--length-prefix N`, `--regex PATTERN` or `--until-close`"; "nothing to do over tcp")]
#[test_case(&["tcp", "h:1", "--send", "a\\q"] => "`--send a\\q`: expected `\\r`, `\\n`, `\\t`, `\\0`, `\\xHH` or `\\\\` where there is a backslash"; "no escape")]
#[test_case(&["tcp", "h:1", "--send-hex", "0g"] => "the command line: 1 problem\n  --send-hex: found \"0g\", expected hexadecimal, two digits for each byte, such as \"0a1f\""; "no hex")]
#[test_case(&["tcp", "h:1", "--send-size", "1"] => "the command line: 1 problem\n  --send-size: found \"1\", expected a number with a unit (B, KB, MB, GB of a thousand, KiB, MiB, GiB of 1024), such as \"64B\" or \"4KiB\"; the unit is missing"; "no size")]
#[test_case(&["tcp", "h:1", "--send", "a", "-H", "a: b"] => "the command line: 1 problem\n  -H: found a field of WebSocket and HTTP in a TCP scenario, expected fields of TCP only; all that TCP sends is `tcp.send`"; "header fields over tcp")]
#[test_case(&["tcp", "h:1", "--send", "a", "--regex", "("] => "the command line: 1 problem\n  --regex: found \"(\", expected a regular expression such as \"\\\\r\\\\n$\"; unclosed group"; "no pattern")]
#[test_case(&["tcp", "h:1", "--send", "a", "--length-prefix", "3"] => "the command line: 1 problem\n  --length-prefix: found 3, expected 1, 2, 4 or 8"; "no length")]
fn refused(line: &[&str]) -> String {
    file_of(line).unwrap_err()
}

#[test_case("a.B.C" => "; did you mean `a.B/C`?"; "points throughout")]
#[test_case("lst" => "; did you mean `list`?"; "a slip")]
#[test_case("List" => "; did you mean `list`?"; "upper case")]
#[test_case("desc" => "; did you mean `describe`?"; "cut short")]
#[test_case("Hello" => ""; "no service")]
#[test_case("..x" => ""; "nothing before a point")]
fn no_method(given: &str) -> String {
    let said = refuse_no_method(given).unwrap_err().to_string();
    let expected = "expected `list`, `describe`, or a method such as `package.Service/Method`";
    let all_but_hint = format!("METHOD: found `{given}`, {expected}");
    said.strip_prefix(&all_but_hint).unwrap().to_owned()
}

#[test]
fn the_version_of_http_is_the_scenarios() {
    let scenario = scenario_of(&["http", "h:1/a", "--http-version", "2", "--cookies"]);
    assert_eq!(scenario["http_version"], "2");
    assert_eq!(scenario["cookies"], true);
    let told = file_of(&["http", "h:1/a", "--http-version", "3"]).unwrap_err();
    assert!(told.contains("possible values: 1.1, 2"), "{told}");
}
