//! The TCP backend over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

#[path = "../common/certificate.rs"]
mod certificate;
mod echo;
mod faults;
mod lines;
mod tls;

use loadgen_backends::{Faults, RunningServer, ServerConfig, TcpOptions, start_tcp};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;

const ID: &str = "blue-1";

const LINES: TcpOptions = TcpOptions {
    lines: true,
    identity_on_connect: false,
};

/// A configuration for a free loopback port.
fn config() -> ServerConfig {
    ServerConfig {
        id: Some(ID.to_owned()),
        threads: Some(2),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap())
    }
}

fn serve(options: TcpOptions, faults: Faults) -> RunningServer {
    start_tcp(ServerConfig { faults, ..config() }, options).unwrap()
}

async fn connect(server: &RunningServer) -> TcpStream {
    TcpStream::connect(server.local_addr()).await.unwrap()
}

/// So many bytes of what comes.
async fn receive(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut received = vec![0; length];
    stream.read_exact(&mut received).await.unwrap();
    received
}

/// All that comes until the server ends its side in good order.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}
