//! From a client to a backend that takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::balance::dial::dial;
use crate::balance::endpoint::{Endpoint, Lease};
use crate::balance::pool::Pool;

/// Why a client gets no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// None is up.
    NoBackend,
    /// All that are up were tried.
    Unreachable,
}

/// A connection to the next backend that takes one, each of them tried once, for `limit` at the most.
pub(super) async fn connect(pool: &Pool, limit: Duration) -> Result<(Lease, TcpStream), Refusal> {
    let mut tried: Vec<Arc<Endpoint>> = Vec::new();
    while let Some(lease) = pool.pick(&tried) {
        let endpoint = lease.endpoint();
        if let Some(stream) = dial(pool, endpoint, limit).await {
            return Ok((lease, stream));
        }
        tried.push(Arc::clone(endpoint));
    }
    Err(if tried.is_empty() {
        Refusal::NoBackend
    } else {
        Refusal::Unreachable
    })
}
