//! Starting, stopping, and what prevents either.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures::stream;
use loadgen_backends::proto::{HelloRequest, StreamRequest};
use loadgen_backends::{Faults, ServerConfig, start_grpc};

use super::{client, config, serve};

#[tokio::test]
async fn port_zero_is_a_port_of_its_own() {
    let (one, two) = (serve(Faults::default()), serve(Faults::default()));
    assert_ne!(one.local_addr().port(), 0);
    assert_ne!(one.local_addr(), two.local_addr());
    for server in [&one, &two] {
        let request = HelloRequest::default();
        client(server).await.hello(request).await.unwrap();
    }
}

#[test]
fn without_an_id_it_makes_one() {
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    let (one, two) = (
        start_grpc(config.clone()).unwrap(),
        start_grpc(config).unwrap(),
    );
    assert_ne!(one.id(), two.id());
}

#[test]
fn an_address_in_use_is_named() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let error = start_grpc(ServerConfig {
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
fn another_machines_address_is_named() {
    let config = ServerConfig::new("192.0.2.1:0".parse().unwrap());
    let error = start_grpc(config).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot listen on 192.0.2.1:0: "),
        "{error}"
    );
}

#[test]
fn an_id_that_metadata_cannot_carry_is_refused() {
    let error = start_grpc(ServerConfig {
        id: Some("two words".to_owned()),
        ..config()
    })
    .unwrap_err();
    insta::assert_snapshot!(error, @r#"the id "two words" must be 1 to 128 visible ASCII characters"#);
}

#[tokio::test]
async fn shutdown_lets_a_running_stream_finish_and_takes_nothing_new() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let request = StreamRequest {
        count: 20,
        interval_us: 10_000,
        payload_bytes: 10,
    };
    let response = client(&server).await.stream(request).await.unwrap();
    let mut incoming = response.into_inner();
    let mut received = 0;
    assert!(incoming.message().await.unwrap().is_some());
    received += 1;
    let stopping = tokio::task::spawn_blocking(move || server.shutdown());
    while incoming.message().await.unwrap().is_some() {
        received += 1;
    }
    assert_eq!(received, 20);
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn shutdown_waits_no_longer_than_its_grace() {
    let grace = Duration::from_millis(50);
    let server = start_grpc(ServerConfig { grace, ..config() }).unwrap();
    let endless = client(&server).await.chat(stream::pending()).await;
    let mut endless = endless.unwrap().into_inner();
    let started = Instant::now();
    tokio::task::spawn_blocking(move || server.shutdown())
        .await
        .unwrap();
    assert!(started.elapsed() >= grace);
    assert!(endless.message().await.is_err());
}

#[tokio::test]
async fn stop_does_not_wait_even_for_a_shutdown_under_way() {
    let grace = Duration::from_secs(3600);
    let server = start_grpc(ServerConfig { grace, ..config() }).unwrap();
    let server = std::sync::Arc::new(server);
    let endless = client(&server).await.chat(stream::pending()).await;
    let mut endless = endless.unwrap().into_inner();
    let shutting_down = {
        let server = server.clone();
        std::thread::spawn(move || server.shutdown())
    };
    let stopping = std::thread::spawn(move || server.stop());
    assert!(endless.message().await.is_err());
    shutting_down.join().unwrap();
    stopping.join().unwrap();
}

#[tokio::test]
async fn dropping_it_ends_it() {
    let server = serve(Faults::default());
    let address = server.local_addr();
    let mut client = client(&server).await;
    drop(server);
    assert!(client.hello(HelloRequest::default()).await.is_err());
    assert!(TcpStream::connect(address).is_err());
    // The port is free again at once, old connections or not.
    start_grpc(ServerConfig {
        address,
        ..config()
    })
    .unwrap();
}

#[tokio::test]
async fn what_does_not_speak_http2_ends_alone() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let server = serve(Faults::default());
    let mut stranger = tokio::net::TcpStream::connect(server.local_addr())
        .await
        .unwrap();
    stranger
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    // It ends, in whatever way.
    let _ = stranger.read_to_end(&mut rest).await;
    let request = HelloRequest::default();
    client(&server).await.hello(request).await.unwrap();
}
