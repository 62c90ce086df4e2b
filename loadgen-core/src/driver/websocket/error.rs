//! Why a WebSocket scenario cannot be run, found before the run.

use crate::driver::mistake::{Mistake, lines};
use crate::driver::sources::SourceError;
use crate::driver::transport::endpoints::EndpointError;

/// Why a WebSocket scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Its targets cannot be connected to at all.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// Expressions or test data are wrong.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
    /// The request that opens a connection cannot be written.
    #[error("the upgrade request for `{path}` cannot be sent: {problem}")]
    Request {
        /// The path asked for.
        path: String,
        /// What is wrong with it.
        problem: http::Error,
    },
    /// A header field's name is none.
    #[error("headers: `{name}` is not the name of a header field")]
    HeaderName {
        /// What was given.
        name: String,
    },
    /// A header field has no value to send.
    #[error("headers.{name}: {problem}")]
    Header {
        /// The field's name.
        name: String,
        /// Why there is none.
        problem: SourceError,
    },
    /// A message cannot carry an id.
    #[error(
        "{path}: the message must be an object with room for `{field}`, which is filled in: \
         objects on the way to it, and nothing there"
    )]
    NoRoomForId {
        /// The step's place in the scenario: `steps[0].websocket.send.json`.
        path: String,
        /// The field for the id.
        field: String,
    },
    /// No message could be told to have the mark of a reply.
    #[error("{path}: the value that marks a reply must be a text, a number, true, false or null")]
    Mark {
        /// The step's place in the scenario: `steps[0].websocket.reply.equals`.
        path: String,
    },
}

impl From<Vec<Mistake>> for DriverError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(mistakes)
    }
}
