//! The WebSocket backend over real sockets, spoken to by tokio-tungstenite's client.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

mod activity;
#[path = "../common/certificate.rs"]
mod certificate;
mod faults;
mod handshake;
mod lifecycle;
mod paths;
mod tls;

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use loadgen_backends::{Faults, IDENTITY_METADATA, RunningServer, ServerConfig, start_websocket};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

const ID: &str = "blue-1";

type Client = WebSocketStream<TcpStream>;

/// A configuration for a free loopback port.
fn config() -> ServerConfig {
    ServerConfig {
        id: Some(ID.to_owned()),
        threads: Some(2),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap())
    }
}

fn serve(faults: Faults) -> RunningServer {
    start_websocket(ServerConfig { faults, ..config() }).unwrap()
}

async fn open(address: SocketAddr, path: &str) -> (Client, Response) {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}{path}"), stream)
        .await
        .unwrap()
}

async fn connect(server: &RunningServer, path: &str) -> Client {
    let (client, response) = open(server.local_addr(), path).await;
    assert_eq!(response.headers()[IDENTITY_METADATA], ID);
    client
}

async fn receive(client: &mut Client) -> Message {
    client.next().await.unwrap().unwrap()
}

async fn receive_json(client: &mut Client) -> Value {
    serde_json::from_str(receive(client).await.to_text().unwrap()).unwrap()
}

async fn ask(client: &mut Client, request: &str) -> Value {
    client.send(Message::text(request)).await.unwrap();
    receive_json(client).await
}

/// Waits for the server's close frame, takes part in closing, and gives the code.
async fn closed(client: &mut Client) -> CloseCode {
    let Message::Close(Some(frame)) = receive(client).await else {
        panic!("no close frame");
    };
    assert!(
        client.next().await.is_none(),
        "nothing comes after the close"
    );
    frame.code
}
