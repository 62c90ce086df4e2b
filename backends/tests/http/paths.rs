//! What each path answers.

use loadgen_backends::{Faults, limits};
use serde_json::Value;
use test_case::test_case;
use tokio::io::AsyncReadExt as _;

use super::{answer, connect, get, head, send, serve};

#[tokio::test]
async fn hello_greets() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    for (path, message) in [
        ("/hello", "Hello, world!"),
        ("/hello?name=J%C3%BCrgen+%22J%22", "Hello, Jürgen \"J\"!"),
        ("/hello?other=1&name=", "Hello, !"),
    ] {
        let answer = get(&mut client, path).await;
        let expected = serde_json::json!({ "message": message }).to_string();
        assert_eq!(answer.said(), (200, expected.as_str()));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let length = expected.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
    }
}

#[test_case("GET", ""; "get")]
#[test_case("POST", "content-type: application/json\r\n"; "post")]
#[test_case("PUT", "content-encoding: gzip\r\n"; "put")]
#[test_case("DELETE", ""; "delete")]
#[test_case("PATCH", ""; "patch")]
#[test_case("OPTIONS", ""; "options")]
#[test_case("BREW", ""; "a method of one's own")]
#[tokio::test]
async fn echo_answers_any_method(method: &str, headers: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let request =
        format!("{method} /echo HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 4\r\n\r\n");
    send(&mut client, request + "{\"\"}").await;
    let echoed = answer(&mut client).await;
    assert_eq!(echoed.said(), (200, "{\"\"}"));
    let expected = headers.trim_end().split_once(": ");
    for name in ["content-type", "content-encoding"] {
        let sent = expected
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        assert_eq!(echoed.header(name), sent);
    }
    // The connection stays.
    assert_eq!(get(&mut client, "/health").await.said(), (200, "ok\n"));
}

#[tokio::test]
async fn echo_takes_chunks_and_large_bodies() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    send(&mut client, chunked).await;
    assert_eq!(answer(&mut client).await.said(), (200, "abcde"));
    let body = "large ".repeat(1 << 20);
    let length = body.len();
    let request =
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    send(&mut client, request).await;
    assert!(answer(&mut client).await.said() == (200, body.as_str()));
}

#[tokio::test]
async fn compute_works_and_says_how_long() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let mut results = Vec::new();
    for path in [
        "/compute?rounds=1000",
        "/compute?rounds=1000",
        "/compute?rounds=1001",
    ] {
        let said = get(&mut client, path).await;
        let said: Value = serde_json::from_str(said.said().1).unwrap();
        assert!(said["elapsed_us"].is_u64());
        results.push(said["result"].as_str().unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(results[0], results[1]);
    assert_ne!(results[0], results[2]);
}

#[tokio::test]
async fn a_stream_is_events() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let path = "/stream?count=2&interval_us=1000&payload_bytes=2";
    let answer = get(&mut client, path).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let expected = "id: 0\ndata: {\"sequence\":0,\"payload\":\"xx\"}\n\n\
                    id: 1\ndata: {\"sequence\":1,\"payload\":\"xx\"}\n\n";
    assert_eq!(answer.said(), (200, expected));
    let events = get(&mut client, "/stream?count=10000").await;
    assert_eq!(events.text().matches("data: ").count(), 10_000);
    assert_eq!(get(&mut client, "/stream?count=0").await.said(), (200, ""));
}

#[tokio::test]
async fn the_first_event_does_not_wait_for_the_next() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let endless = "GET /stream?interval_us=60000000 HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut client, endless).await;
    assert_eq!(head(&mut client).await.status, 200);
    let mut seen = Vec::new();
    while !seen.ends_with(b"}\n\n") {
        seen.push(client.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn statuses_come_as_asked() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    for (path, status, text) in [
        ("/status/200", 200, "200 OK\n"),
        ("/status/404", 404, "404 Not Found\n"),
        ("/status/503", 503, "503 Service Unavailable\n"),
        ("/status/599", 599, "599 <unknown status code>\n"),
        ("/status/204", 204, ""),
        ("/status/304", 304, ""),
    ] {
        assert_eq!(get(&mut client, path).await.said(), (status, text));
    }
    let moved = get(&mut client, "/status/302").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (302, Some("/hello"))
    );
    let moved = get(&mut client, "/status/308?location=%2Fstatus%2F307").await;
    assert_eq!(moved.header("location"), Some("/status/307"));
    send(
        &mut client,
        "POST /status/500 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    )
    .await;
    assert_eq!(answer(&mut client).await.status, 500);
    assert_eq!(get(&mut client, "/hello").await.status, 200);
}

#[test_case("/status/99", "a status is a number from 200 to 599, such as /status/404\n"; "status below")]
#[test_case("/status/600", "a status is a number from 200 to 599, such as /status/404\n"; "status above")]
#[test_case("/status/", "a status is a number from 200 to 599, such as /status/404\n"; "no status")]
#[test_case("/status/x/404", "a status is a number from 200 to 599, such as /status/404\n"; "a longer path")]
#[test_case("/status/301?location=%0A", "location cannot stand in a header\n"; "location")]
#[test_case("/hello?name=%FF", "name is no UTF-8\n"; "name")]
#[test_case("/compute", "say how much, such as ?rounds=1000\n"; "no rounds")]
#[test_case("/compute?rounds=x", "rounds is a number from 0 to 100000000, such as rounds=1\n"; "rounds")]
#[test_case("/compute?rounds=100000001", "rounds is 100000001, at most 100000000 is allowed\n"; "many rounds")]
#[test_case("/stream?count=10000001", "count is 10000001, at most 10000000 is allowed\n"; "many events")]
#[test_case("/stream?interval_us=-1", "interval_us is a number from 0 to 60000000, such as interval_us=1\n"; "interval")]
#[tokio::test]
async fn what_cannot_be_answered_is_told(path: &str, reason: &str) {
    assert_eq!(limits::COMPUTE_ROUNDS, 100_000_000);
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    assert_eq!(get(&mut client, path).await.said(), (400, reason));
    assert_eq!(get(&mut client, "/hello").await.status, 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let expected = "there is no /hello/ here; there are /hello, /echo, /compute, /stream, /status/N and /health\n";
    assert_eq!(get(&mut client, "/hello/").await.said(), (404, expected));
    for path in ["/hello", "/compute", "/stream", "/health"] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
        send(&mut client, post).await;
        let refused = answer(&mut client).await;
        let expected = format!("{path} takes GET and HEAD, not POST\n");
        assert_eq!(refused.said(), (405, expected.as_str()));
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
}

#[tokio::test]
async fn head_gets_what_get_would_without_the_body() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    for (path, length) in [
        ("/hello", Some("27")),
        ("/stream", None),
        ("/nothing", Some("93")),
    ] {
        send(
            &mut client,
            format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        )
        .await;
        let answer = head(&mut client).await;
        assert_eq!(answer.header("content-length"), length, "{path}");
        assert_eq!(answer.said().1, "");
    }
    assert_eq!(get(&mut client, "/health").await.said(), (200, "ok\n"));
}
