//! Starting, stopping, counting.

use std::time::Duration;

use loadgen_backends::{Delay, Faults, ServerConfig, start_http};

use super::{answer, config, connect, ends, get, send, serve};

#[test]
fn an_address_in_use_is_named() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let again = start_http(ServerConfig {
        address,
        ..config()
    });
    assert_eq!(
        again.unwrap_err().to_string(),
        format!("{address} is already in use; choose another port, or 0 for any free one")
    );
}

#[tokio::test]
async fn a_shutdown_answers_what_was_begun() {
    let server = serve(Faults {
        delay: Some(Delay::fixed(Duration::from_millis(300))),
        ..Faults::default()
    });
    let mut idle = connect(&server).await;
    get(&mut idle, "/hello").await;
    let mut silent = connect(&server).await;
    let mut busy = connect(&server).await;
    get(&mut busy, "/health").await;
    send(&mut busy, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ending = std::thread::spawn(move || server.shutdown());
    let last = answer(&mut busy).await;
    assert_eq!(last.said().0, 200);
    assert_eq!(last.header("connection"), Some("close"));
    for client in [&mut busy, &mut idle, &mut silent] {
        assert!(ends(client).await);
    }
    drop((busy, idle, silent));
    ending.join().unwrap();
}

#[tokio::test]
async fn a_lame_duck_is_not_well_and_serves_whoever_comes() {
    let server = serve(Faults::default());
    let mut before = connect(&server).await;
    let well = get(&mut before, "/health").await;
    assert_eq!(
        (well.said(), well.header("connection")),
        ((200, "ok\n"), None)
    );
    server.lame_duck();
    // The word is heard by another thread.
    let mut told = connect(&server).await;
    while get(&mut told, "/health").await.status == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(ends(&mut told).await);
    for (path, status) in [("/hello", 200), ("/health", 503), ("/status/404", 404)] {
        let mut client = connect(&server).await;
        let answer = get(&mut client, path).await;
        assert_eq!(answer.said().0, status, "{path}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
        assert!(ends(&mut client).await, "{path}");
    }
    let last = get(&mut before, "/health").await;
    assert_eq!(last.said(), (503, "about to end\n"));
    assert!(ends(&mut before).await);
}

#[tokio::test]
async fn what_it_does_is_counted() {
    let server = start_http(ServerConfig {
        measure: true,
        ..config()
    })
    .unwrap();
    let mut client = connect(&server).await;
    for path in [
        "/hello",
        "/status/404",
        "/status/302",
        "/stream?count=3&interval_us=1000",
        "/stream?count=0",
        "/compute?rounds=10",
        "/nothing",
        "/health",
    ] {
        get(&mut client, path).await;
    }
    send(&mut client, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    super::head(&mut client).await;
    drop(client);
    server.shutdown();
    let activity = server.activity().unwrap();
    assert_eq!((activity.requests, activity.failed), (8, 2));
    assert_eq!(activity.connections_opened, 1);
    assert_eq!(activity.handling_time.len(), 8);
    assert!(activity.handling_time.max() >= 2_000_000);
}
