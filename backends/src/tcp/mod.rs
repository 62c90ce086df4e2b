//! The TCP backend: it says back what it is told.
//!
//! Owns the start and what it can be told to do otherwise ([`TcpOptions`]); `session` is the life of
//! one connection.
//!
//! Bytes come back as they come, whatever they are, so that any protocol's framing can be tried on
//! it: a delimiter, a length in front. A peer that ends its sending side gets all that it has sent,
//! and then our end. One that sends without reading is not read from any more once the buffers between
//! are full.
//!
//! With [`TcpOptions::lines`] a line comes back when it is whole, with its `\n` (and `\r`) as it came.
//! What is left without an end when the peer ends its sending side counts as a line, too. Two lines
//! are not said back but done:
//!
//! | line | what happens |
//! |---|---|
//! | `identity` | the backend's id comes, and `\n` |
//! | `close` | the backend ends the connection once everything before is answered |
//!
//! A line may have [`limits::LINE_BYTES`](crate::limits::LINE_BYTES): more is answered by a line that
//! begins with `error:`, and the end of the connection.
//!
//! With [`TcpOptions::identity_on_connect`] the id, and `\n`, are what every connection begins with.
//!
//! What faults call a call is a line; without lines, what was there to read at once. An error on
//! purpose ends the connection in good order in place of the answer, and so does throttling. Both come
//! after the answers to what was sent before. A server that shuts down ends connections once
//! everything that has arrived is answered.

mod session;

use std::future::ready;
use std::sync::Arc;

use crate::serve::activity::Tally;
use crate::serve::connection::Connection;
use crate::serve::error::ServeError;
use crate::serve::faults::{FaultState, WorkerFaults};
use crate::serve::identity::Identity;
use crate::serve::server::{self, Drain, Protocol, RunningServer, ServerConfig, Setup};

use session::Session;

/// How a TCP backend answers. Unless told, with the bytes that come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Answers whole lines, and does what the lines `identity` and `close` say.
    pub lines: bool,
    /// Begins every connection with the backend's id and `\n`.
    pub identity_on_connect: bool,
}

/// Starts a TCP backend on threads of its own. When this returns, it listens.
///
/// # Errors
/// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, the id cannot
/// be sent, or a thread cannot be started.
pub fn start_tcp(config: ServerConfig, options: TcpOptions) -> Result<RunningServer, ServeError> {
    let setup = Setup::new(config, &[])?;
    let (identity, faults) = (setup.identity.clone(), setup.faults.clone());
    let make = |tally| {
        let faults = faults.as_ref().map(FaultState::on_worker);
        Tcp(Arc::new(Shared::new(&identity, options, faults, tally)))
    };
    server::start(setup, make, ready(()), ready(()))
}

/// One worker's TCP server.
struct Tcp(Arc<Shared>);

/// What all connections of a worker share.
struct Shared {
    options: TcpOptions,
    /// The id as a line.
    identity: String,
    faults: Option<Arc<WorkerFaults>>,
    tally: Option<Tally>,
}

impl Shared {
    fn new(
        identity: &Identity,
        options: TcpOptions,
        faults: Option<Arc<WorkerFaults>>,
        tally: Option<Tally>,
    ) -> Self {
        Self {
            options,
            identity: format!("{}\n", identity.id()),
            faults,
            tally,
        }
    }
}

impl Protocol for Tcp {
    async fn serve(&self, connection: Connection, drain: Drain) {
        Session::new(connection, Arc::clone(&self.0))
            .serve(drain)
            .await;
    }
}
