//! What HTTP/1.1 looks like on the wire: many requests at once, ends, and what is refused.

use loadgen_backends::{Faults, ServerConfig, start_http};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{answer, config, connect, ends, get, send, serve};

const CONFLICT: &str = "a request has a Content-Length or a Transfer-Encoding, not both\n";

#[tokio::test]
async fn many_requests_at_once_are_answered_in_order() {
    let server = serve(Faults::default());
    let (mut reading, mut writing) = connect(&server).await.into_split();
    let requests: String = (0..5_000)
        .map(|number| format!("GET /hello?name={number} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .collect();
    let write = tokio::spawn(async move {
        writing.write_all(requests.as_bytes()).await.unwrap();
        writing
    });
    for number in 0..5_000 {
        let expected = format!("{{\"message\":\"Hello, {number}!\"}}");
        assert_eq!(answer(&mut reading).await.said(), (200, expected.as_str()));
    }
    write.await.unwrap();
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    client.set_nodelay(true).unwrap();
    for byte in b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut client).await.said(), (200, "ok"));
}

#[tokio::test]
async fn a_half_closed_connection_gets_all_its_answers() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let requests = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /compute?rounds=200000 HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut client, requests).await;
    client.shutdown().await.unwrap();
    assert_eq!(answer(&mut client).await.status, 200);
    assert_eq!(answer(&mut client).await.status, 200);
    assert!(ends(&mut client).await);
}

#[test_case("HTTP/1.1\r\nHost: x\r\nConnection: close", true; "close")]
#[test_case("HTTP/1.0", true; "an old client")]
#[test_case("HTTP/1.0\r\nConnection: keep-alive", false; "an old client that stays")]
#[tokio::test]
async fn connections_stay_or_end_as_asked(head: &str, closes: bool) {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    send(&mut client, format!("GET /hello {head}\r\n\r\n")).await;
    assert_eq!(answer(&mut client).await.said().0, 200);
    if closes {
        assert!(ends(&mut client).await);
    } else {
        assert_eq!(get(&mut client, "/hello").await.status, 200);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_a_large_answer_and_holds_up_nobody() {
    let server = start_http(ServerConfig {
        threads: Some(1),
        ..config()
    })
    .unwrap();
    let mut slow = connect(&server).await;
    let request = "GET /stream?count=2000&payload_bytes=20000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send(&mut slow, request).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut other = connect(&server).await;
    assert_eq!(get(&mut other, "/hello").await.status, 200);
    let stream = answer(&mut tokio::io::BufReader::new(&mut slow)).await;
    assert_eq!(stream.text().matches("data: ").count(), 2_000);
}

#[tokio::test]
async fn who_waits_to_send_is_told_to_go_on() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let head =
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    send(&mut client, head).await;
    let mut go_on = [0; 25];
    client.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut client, "ok").await;
    assert_eq!(answer(&mut client).await.said(), (200, "ok"));
}

#[test_case("Content-Length: 3\r\nTransfer-Encoding: chunked"; "length first")]
#[test_case("Transfer-Encoding: chunked\r\nContent-Length: 3"; "encoding first")]
#[test_case("transfer-encoding: chunked\r\nA: b\r\nCONTENT-LENGTH: 3"; "in other letters")]
#[tokio::test]
async fn two_ways_to_say_a_length_are_refused(headers: &str) {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    // What is hidden in the body must not be answered.
    let hidden = "GET /status/299 HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{hidden}");
    send(&mut client, request).await;
    assert_eq!(answer(&mut client).await.said(), (400, CONFLICT));
    assert!(ends(&mut client).await);
}

#[test_case("Content-Length: 3\r\nContent-Length: 4", 400; "two lengths")]
#[test_case("Content-Length: x", 400; "no length")]
#[test_case("Content-Length: -1", 400; "a negative length")]
#[test_case("Transfer-Encoding: gzip", 400; "an encoding without an end")]
#[test_case("Transfer-Encoding : chunked", 400; "a blank before the colon")]
#[test_case("no colon", 400; "no header")]
#[tokio::test]
async fn nonsense_is_refused(headers: &str, status: u16) {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nabc");
    send(&mut client, request).await;
    assert_eq!(answer(&mut client).await.status, status);
    assert!(ends(&mut client).await);
    assert_eq!(get(&mut connect(&server).await, "/hello").await.status, 200);
}

#[tokio::test]
async fn a_chunked_request_beside_one_with_a_length_is_well() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let chunked =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let sized = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok";
    send(&mut client, [chunked, sized, chunked].concat()).await;
    for _ in 0..3 {
        assert_eq!(answer(&mut client).await.said(), (200, "ok"));
    }
}

#[test_case(17 << 10; "above the limit")]
#[test_case(4 << 20; "without an end")]
#[tokio::test]
async fn an_oversized_head_is_refused(bytes: usize) {
    let server = serve(Faults::default());
    let (mut reading, mut writing) = connect(&server).await.into_split();
    let end = if bytes > 1 << 20 { "" } else { "\r\n\r\n" };
    let request = format!(
        "GET /hello HTTP/1.1\r\nHost: x\r\nA: {}{end}",
        "x".repeat(bytes)
    );
    let write = tokio::spawn(async move {
        // It may be refused before all of it is sent.
        let _ = writing.write_all(request.as_bytes()).await;
        writing
    });
    assert_eq!(answer(&mut reading).await.status, 431);
    write.await.unwrap();
}

#[tokio::test]
async fn an_oversized_body_is_refused_when_nobody_said_its_length() {
    let server = serve(Faults::default());
    let (mut reading, mut writing) = connect(&server).await.into_split();
    let write = tokio::spawn(async move {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        writing.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        for _ in 0..80 {
            // It may be refused before all of it is sent.
            if writing.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
        }
        writing
    });
    let refused = answer(&mut reading).await;
    assert_eq!(refused.said().0, 413);
    assert_eq!(refused.header("connection"), Some("close"));
    write.await.unwrap();
}

#[tokio::test]
async fn an_oversized_body_is_refused_before_it_is_sent() {
    let server = serve(Faults::default());
    let mut client = connect(&server).await;
    let length = (64 << 20) + 1;
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    send(&mut client, head).await;
    let expected = "a body may have 67108864 bytes\n";
    assert_eq!(answer(&mut client).await.said(), (413, expected));
    assert!(ends(&mut client).await);
}
