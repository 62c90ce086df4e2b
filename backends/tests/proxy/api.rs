//! The API: what it takes, what it says to what it does not, and who may ask.

use loadgen_backends::balance::http::manage::TokenSource;
use loadgen_backends::proxy::start_proxy;
use serde_json::{Value, json};
use test_case::test_case;
use tokio::net::TcpListener;

use super::{Stage, ask, settings};

#[tokio::test]
async fn faults_are_shown_replaced_changed_and_removed() {
    let stage = Stage::set(json!({ "latency": "5ms" })).await;
    let shown = stage.ask("GET", "/faults", None).await;
    assert_eq!(shown, (200, json!({ "latency": "5ms" })));
    stage
        .put(json!({ "rate": { "down": "1MiB/s" }, "refuse": true }))
        .await;
    let patch = r#"{"refuse": null, "latency": {"up": "1s"}, "reset_new": "25%"}"#;
    let changed =
        json!({ "latency": { "up": "1s" }, "rate": { "down": "1MiB/s" }, "reset_new": 0.25 });
    let patched = stage.ask("PATCH", "/faults", Some(patch)).await;
    assert_eq!(patched, (200, changed.clone()));
    assert_eq!(stage.ask("GET", "/faults", None).await, (200, changed));
    assert_eq!(stage.ask("DELETE", "/faults", None).await, (200, json!({})));
    assert_eq!(stage.ask("GET", "/faults", None).await, (200, json!({})));
}

#[tokio::test]
async fn connections_are_counted() {
    let stage = Stage::set(json!({})).await;
    let _pair = stage.connect().await;
    let (status, counts) = stage.ask("GET", "/connections", None).await;
    assert_eq!(status, 200);
    let wanted = json!({
        "accepted": 1, "open": 1, "completed": 0, "broken": 0, "reset": 0, "cut": 0, "half_open": 0,
        "unreachable": 0, "stopped": 0, "bytes_up": 0, "bytes_down": 0,
    });
    assert_eq!(counts, wanted);
}

#[test_case("PUT", "/faults", r#"{"latncy": "1s", "rate": 5}"#, 422, "2 problems; nothing was changed"; "two problems")]
#[test_case("PATCH", "/faults", r#"{"jitter": "1s"}"#, 422, "1 problem; nothing was changed"; "with what holds")]
#[test_case("PATCH", "/faults", r#"{"refuse": true, "refuse": false}"#, 422, "1 problem; nothing was changed"; "twice")]
#[test_case("PUT", "/faults", "{", 400, "the body is no JSON: line 1, column 1"; "no json")]
#[test_case("POST", "/faults", "{}", 405, "this path does not answer this method"; "method")]
#[test_case("GET", "/fault", "", 404, "there is nothing at this path; there are /faults and /connections"; "path")]
#[tokio::test]
async fn bad_input_is_told_and_changes_nothing(
    method: &str,
    path: &str,
    body: &str,
    status: u16,
    detail: &str,
) {
    let stage = Stage::set(json!({ "latency": "5ms" })).await;
    let (told, problem) = stage.ask(method, path, Some(body)).await;
    assert_eq!(told, status, "{problem}");
    let said = problem["detail"].as_str().unwrap();
    assert!(said.contains(detail), "{said}");
    assert_eq!(problem["status"], status);
    let holds = stage.ask("GET", "/faults", None).await;
    assert_eq!(holds.1, json!({ "latency": "5ms" }));
}

#[tokio::test]
async fn each_problem_has_its_place() {
    let stage = Stage::set(json!({})).await;
    let body = r#"{"latncy": "1s", "half_open": {"closed": "both"}}"#;
    let (_, problem) = stage.ask("PUT", "/faults", Some(body)).await;
    let wanted = json!([
        {
            "path": "latncy", "found": "an unknown field",
            "expected": "a field that has a meaning here", "help": "did you mean `latency`?",
        },
        {
            "path": "half_open.closed", "found": "\"both\"",
            "expected": "one of \"client\", \"server\"",
        },
    ]);
    assert_eq!(problem["problems"], wanted);
}

#[test_case("content-type: text/plain", 415; "another type")]
#[test_case("content-type: application/json\r\norigin: https://evil.example", 403; "another page")]
#[tokio::test]
async fn who_asks_otherwise_is_refused(header: &str, status: u16) {
    let stage = Stage::set(json!({})).await;
    let address = stage.proxy.manage_addr().unwrap();
    let (told, problem) = ask(address, "PUT", "/faults", header, Some("{}")).await;
    assert_eq!(told, status, "{problem}");
}

#[tokio::test]
async fn a_token_is_asked_for_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cr3t\n").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(&server, &json!({}));
    let manage = settings.manage.as_mut().unwrap();
    manage.token = Some(TokenSource::File(file));
    let proxy = start_proxy(settings).unwrap();
    let address = proxy.manage_addr().unwrap();
    for (header, status) in [
        ("x: y", 401),
        ("authorization: Bearer wrong", 401),
        ("authorization: Bearer s3cr3t", 200),
    ] {
        let (told, _): (u16, Value) = ask(address, "GET", "/faults", header, None).await;
        assert_eq!(told, status, "{header}");
    }
}

#[tokio::test]
async fn beyond_this_machine_it_needs_a_token() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(&server, &json!({}));
    settings.manage.as_mut().unwrap().listen = "0.0.0.0:0".parse().unwrap();
    let told = start_proxy(settings).unwrap_err().to_string();
    assert_eq!(
        told,
        "changing faults at 0.0.0.0:0, which other machines can reach, needs a token: give one with \
         `--management-token-file` or `--management-token-env`, or listen on 127.0.0.1"
    );
}
