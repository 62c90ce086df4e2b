//! The gRPC backend over real sockets, spoken to by tonic's own client.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

mod activity;
mod calls;
#[path = "../common/certificate.rs"]
mod certificate;
mod faults;
mod lifecycle;
mod standard;
mod tls;

use loadgen_backends::proto::greeter_client::GreeterClient;
use loadgen_backends::{Faults, IDENTITY_METADATA, RunningServer, ServerConfig, start_grpc};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

const ID: &str = "blue-1";

/// A configuration for a free loopback port.
fn config() -> ServerConfig {
    ServerConfig {
        id: Some(ID.to_owned()),
        threads: Some(2),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap())
    }
}

fn serve(faults: Faults) -> RunningServer {
    start_grpc(ServerConfig { faults, ..config() }).unwrap()
}

async fn channel(server: &RunningServer) -> Channel {
    Endpoint::from_shared(format!("http://{}", server.local_addr()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn client(server: &RunningServer) -> GreeterClient<Channel> {
    GreeterClient::new(channel(server).await)
}

/// Who sent this, by the metadata.
fn sender(metadata: &MetadataMap) -> &str {
    metadata
        .get(IDENTITY_METADATA)
        .map_or("nobody", |id| id.to_str().unwrap())
}
