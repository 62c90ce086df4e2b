//! A connection to one backend, and what its failure says of the backend.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time;

use super::endpoint::Endpoint;
use super::pool::Pool;

/// Asks for a sign of life where nothing has come for a minute, and gives up a minute later: a peer that is gone
/// without a word does not keep its connection for ever.
pub(crate) fn keep_alive(socket: &SockRef<'_>) -> io::Result<()> {
    const IDLE: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_secs(10);
    const RETRIES: u32 = 6;
    let keepalive = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(RETRIES);
    socket.set_tcp_keepalive(&keepalive)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A system that cannot do it does all the rest.
    let _ = keep_alive(&SockRef::from(&socket));
    socket.connect(address).await
}

/// A connection to a backend, within `limit`; `None` where there is none, which the pool then knows.
pub(crate) async fn dial(pool: &Pool, endpoint: &Endpoint, limit: Duration) -> Option<TcpStream> {
    let stream = connect(pool, endpoint, limit).await?;
    pool.reached(endpoint);
    Some(stream)
}

/// The same where a connection alone does not say that the backend is well.
pub(crate) async fn connect(
    pool: &Pool,
    endpoint: &Endpoint,
    limit: Duration,
) -> Option<TcpStream> {
    let connecting = open(endpoint.address());
    let failure = match time::timeout(limit, connecting).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(_) => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {}", humantime::format_duration(limit)),
        ),
    };
    if is_ours(&failure) {
        tracing::warn!(backend = endpoint.name(), reason = %failure, "this machine can open no connection");
    } else {
        pool.unreachable(endpoint, failure.to_string());
    }
    None
}

/// Whether a failure says nothing about the backend: this machine lacks ports, files or memory.
fn is_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        TimedOut,
    };
    !matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | HostUnreachable
            | NetworkUnreachable
            | TimedOut
    )
}
