//! The WebSocket backend: four paths to play against, without extensions.
//!
//! Owns the start. `handshake` lets a connection in or turns it away,
//! `session` is the life of one that is in, `answers` is what each path says, `json` its form.
//!
//! | path | takes | answers |
//! |---|---|---|
//! | `/echo` | any message | the same message |
//! | `/compute` | `{"rounds": 1000}` | `{"result": "1234", "elapsed_us": 11}`. The result is a string, because 64 bits do not fit into the numbers of many JSON readers |
//! | `/stream` | `{"count": 10, "interval_us": 0, "payload_bytes": 0}`; these are what holds where a field is left out | so many times `{"sequence": 0, "payload": "xxx"}`, counted from 0; without a payload of 0 bytes |
//! | `/ping` | any text | `{"pong": "the text", "time_us": 1700000000000000}`, the server's time in microseconds since 1970 |
//!
//! Requests and answers but `/echo`'s are JSON objects in text messages; fields that are not known
//! here are ignored. Answers come in the order of the requests. An `id` in a request, whatever its
//! value, stands in each of its answers. What cannot be answered is answered by `{"error": "…"}`,
//! and the connection stays. Pings of the protocol are answered on every path, also while a stream
//! is being sent. What may be asked for is bounded by [`limits`](crate::limits); a message may have
//! 64 MiB, or the connection is closed with 1009.
//!
//! The response to every handshake names the backend in the header
//! [`x-loadgen-backend`](crate::IDENTITY_METADATA). With `?identify=1` after the path every answer
//! does, too: a field `"backend": {"id": "…", "host": "…", "version": "…"}`. An echo then has the
//! form of the other answers, `{"text": "…", "backend": {…}}`, or `{"bytes": 64, "backend": {…}}`
//! for a binary message of so many bytes.
//!
//! With `?greet=2` a new connection is greeted with so many messages, `{"greeting": 0}` and on. With
//! `?push=1` so many come before each answer, `{"push": 0}` and on, which nobody asked for. At most
//! [`limits::UNASKED_MESSAGES`](crate::limits::UNASKED_MESSAGES) of each.
//!
//! Of the subprotocols that a client offers the first is taken. Another path is answered with 404
//! and what there is, a request that is no WebSocket handshake with 426.
//!
//! Two faults look different from gRPC's: an error closes the connection with 1011 in place of an
//! answer, throttling with 1013. Both come after the answers to what was sent before. A server that
//! shuts down closes with 1001 once everything that has arrived is answered.

mod answers;
mod handshake;
mod json;
mod path;
mod session;

use std::future::ready;
use std::sync::Arc;

use http::HeaderValue;
use serde_json::value::RawValue;

use crate::serve::activity::Tally;
use crate::serve::connection::Connection;
use crate::serve::error::ServeError;
use crate::serve::faults::{FaultState, WorkerFaults};
use crate::serve::identity::Identity;
use crate::serve::server::{self, Drain, Protocol, RunningServer, ServerConfig, Setup};

use session::Session;

/// Starts a WebSocket backend on threads of its own. When this returns, it listens.
///
/// # Errors
/// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, the id cannot
/// be sent, or a thread cannot be started.
pub fn start_websocket(config: ServerConfig) -> Result<RunningServer, ServeError> {
    let setup = Setup::new(config, &[b"http/1.1"])?;
    let (identity, faults) = (setup.identity.clone(), setup.faults.clone());
    let make = |tally| {
        let faults = faults.as_ref().map(FaultState::on_worker);
        Websocket(Arc::new(Shared::new(&identity, faults, tally)))
    };
    server::start(setup, make, ready(()), ready(()))
}

/// One worker's WebSocket server.
struct Websocket(Arc<Shared>);

/// What all connections of a worker share.
struct Shared {
    /// The identity as a header.
    header: HeaderValue,
    /// The identity as JSON.
    backend: Box<RawValue>,
    faults: Option<Arc<WorkerFaults>>,
    tally: Option<Tally>,
}

impl Shared {
    fn new(identity: &Identity, faults: Option<Arc<WorkerFaults>>, tally: Option<Tally>) -> Self {
        Self {
            header: identity.header(),
            backend: json::backend(identity),
            faults,
            tally,
        }
    }
}

impl Protocol for Websocket {
    async fn serve(&self, mut connection: Connection, mut drain: Drain) {
        let upgraded = tokio::select! {
            biased;
            () = drain.begun() => None,
            upgraded = handshake::accept(&mut connection, &self.0.header) => upgraded,
        };
        if let Some(upgraded) = upgraded {
            let shared = Arc::clone(&self.0);
            let session = Session::new(connection, upgraded.early, shared).await;
            answers::serve(session, upgraded.path, upgraded.manner, drain).await;
        }
    }
}
