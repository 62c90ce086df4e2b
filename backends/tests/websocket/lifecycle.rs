//! Starting, many connections, stopping.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use loadgen_backends::{Faults, ServerConfig, start_websocket};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{closed, config, connect, receive, receive_json, serve};

#[test]
fn an_address_in_use_is_named() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let error = start_websocket(ServerConfig {
        address,
        ..config()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{address} is already in use; choose another port, or 0 for any free one")
    );
}

#[test]
fn without_an_id_it_makes_one() {
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    let one = start_websocket(config.clone()).unwrap();
    let two = start_websocket(config).unwrap();
    assert_ne!(one.id(), two.id());
}

#[tokio::test]
async fn a_thousand_connections_open_at_once_and_work() {
    let server = serve(Faults::default());
    let opening = (0..1_000).map(|_| connect(&server, "/echo"));
    let mut clients = futures::future::join_all(opening).await;
    for client in &mut clients {
        client.send(Message::text("x")).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(receive(client).await, Message::text("x"));
    }
}

#[tokio::test]
async fn a_client_that_closes_gets_its_close_back() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/echo").await;
    client.feed(Message::text("x")).await.unwrap();
    client.close(None).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::text("x"));
    assert!(receive(&mut client).await.is_close());
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn shutdown_says_that_it_goes_away_and_takes_nothing_new() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let mut clients = Vec::new();
    for path in ["/echo", "/compute", "/stream", "/ping"] {
        clients.push(connect(&server, path).await);
    }
    // One that is not even let in yet does not hold it up.
    let unasked = TcpStream::connect(address).unwrap();
    let started = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || server.shutdown());
    for client in &mut clients {
        assert_eq!(closed(client).await, CloseCode::Away);
    }
    stopping.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(TcpStream::connect(address).is_err());
    drop(unasked);
}

#[tokio::test]
async fn shutdown_lets_a_running_stream_finish() {
    let server = serve(Faults::default());
    let mut client = connect(&server, "/stream").await;
    let request = r#"{"count": 20, "interval_us": 10000}"#;
    client.send(Message::text(request)).await.unwrap();
    receive(&mut client).await;
    let stopping = tokio::task::spawn_blocking(move || server.shutdown());
    for sequence in 1..20 {
        assert_eq!(receive_json(&mut client).await["sequence"], sequence);
    }
    assert_eq!(closed(&mut client).await, CloseCode::Away);
    stopping.await.unwrap();
}

#[tokio::test]
async fn shutdown_waits_for_a_silent_peer_no_longer_than_its_grace() {
    let grace = Duration::from_millis(50);
    let server = start_websocket(ServerConfig { grace, ..config() }).unwrap();
    let client = connect(&server, "/echo").await;
    let started = Instant::now();
    tokio::task::spawn_blocking(move || server.shutdown())
        .await
        .unwrap();
    assert!(started.elapsed() >= grace);
    drop(client);
}

#[tokio::test]
async fn dropping_it_ends_it() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let mut client = connect(&server, "/echo").await;
    drop(server);
    // It ends, with or without a word.
    while let Some(Ok(message)) = client.next().await {
        assert!(message.is_close(), "{message}");
    }
    assert!(TcpStream::connect(address).is_err());
}
