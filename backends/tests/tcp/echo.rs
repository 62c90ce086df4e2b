//! Bytes come back as they are, and connections end as they should.

use std::time::{Duration, Instant};

use loadgen_backends::{Faults, ServerConfig, TcpOptions, start_tcp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{ID, config, connect, receive, rest, serve};

/// Bytes that repeat late.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 31 % 251).unwrap())
        .collect()
}

#[tokio::test]
async fn bytes_come_back_as_they_are() {
    let server = serve(TcpOptions::default(), Faults::default());
    let mut client = connect(&server).await;
    for sent in [&b"identity\n"[..], b"close\n", b"\0", &pattern(3_000)] {
        client.write_all(sent).await.unwrap();
        assert_eq!(receive(&mut client, sent.len()).await, sent);
    }
}

#[tokio::test]
async fn a_half_closed_connection_gets_the_rest_and_then_the_end() {
    let server = serve(TcpOptions::default(), Faults::default());
    let client = connect(&server).await;
    let sent = pattern(8 << 20);
    let (mut reading, mut writing) = client.into_split();
    let expected = sent.clone();
    let write = tokio::spawn(async move {
        writing.write_all(&sent).await.unwrap();
        // Ends the sending side, and only that.
        writing.shutdown().await.unwrap();
        writing
    });
    assert!(rest(&mut reading).await == expected);
    write.await.unwrap();
}

#[tokio::test]
async fn a_half_close_with_nothing_said_is_answered_by_the_end() {
    let server = serve(TcpOptions::default(), Faults::default());
    let mut client = connect(&server).await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"");
}

#[tokio::test]
async fn who_does_not_read_is_not_read_from_and_holds_up_nobody() {
    let server = serve(TcpOptions::default(), Faults::default());
    let mut deaf = connect(&server).await;
    let chunk = pattern(1 << 20);
    let mut sent = 0;
    // At some point the buffers between are full.
    while let Ok(written) =
        timeout(Duration::from_millis(500), deaf.write(&chunk[sent % 251..])).await
    {
        sent += written.unwrap();
        assert!(sent < 1 << 30, "the server keeps all that it is sent");
    }
    for _ in 0..4 {
        let mut other = connect(&server).await;
        other.write_all(b"x").await.unwrap();
        assert_eq!(receive(&mut other, 1).await, b"x");
    }
    // Nothing was lost meanwhile.
    let mut left = sent;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        left -= timeout(Duration::from_secs(10), deaf.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn every_connection_can_begin_with_the_identity() {
    let options = TcpOptions {
        identity_on_connect: true,
        ..TcpOptions::default()
    };
    let server = serve(options, Faults::default());
    let mut client = connect(&server).await;
    let expected = format!("{ID}\n");
    assert_eq!(
        receive(&mut client, expected.len()).await,
        expected.as_bytes()
    );
    client.write_all(b"x").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"x");
}

#[tokio::test]
async fn a_shutdown_answers_what_has_come_and_ends_connections() {
    let server = start_tcp(config(), TcpOptions::default()).unwrap();
    let mut client = connect(&server).await;
    client.write_all(b"before").await.unwrap();
    assert_eq!(receive(&mut client, 6).await, b"before");
    let ending = std::thread::spawn(move || server.shutdown());
    assert_eq!(rest(&mut client).await, b"");
    drop(client);
    ending.join().unwrap();
}

#[tokio::test]
async fn a_thousand_connections_open_at_once_and_work() {
    let server = serve(TcpOptions::default(), Faults::default());
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(connect(&server).await);
    }
    for client in &mut clients {
        client.write_all(b"ping").await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(receive(client, 4).await, b"ping");
    }
}

#[tokio::test]
async fn what_it_does_is_counted() {
    let measured = ServerConfig {
        measure: true,
        ..config()
    };
    let server = start_tcp(measured, TcpOptions::default()).unwrap();
    let mut client = connect(&server).await;
    for _ in 0..3 {
        client.write_all(b"x").await.unwrap();
        receive(&mut client, 1).await;
    }
    client.shutdown().await.unwrap();
    rest(&mut client).await;
    drop(client);
    let patience = Instant::now();
    loop {
        let activity = server.activity().unwrap();
        if activity.connections_open == 0 {
            assert_eq!((activity.requests, activity.failed), (3, 0));
            assert_eq!(activity.connections_opened, 1);
            break;
        }
        assert!(patience.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
