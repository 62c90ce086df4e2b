//! Why an HTTP scenario cannot be run, found before the run.

use crate::driver::mistake::{Mistake, lines};
use crate::driver::sources::SourceError;
use crate::driver::transport::endpoints::EndpointError;

/// Why an HTTP scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Its targets cannot be connected to at all.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// Expressions or test data are wrong.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
    /// A request cannot be written.
    #[error("{path}: the request cannot be sent: {problem}")]
    Request {
        /// The step's place in the scenario: `steps[0].http`.
        path: String,
        /// What is wrong with it.
        problem: http::Error,
    },
    /// A header field has no value to send.
    #[error("{path}: {problem}")]
    Header {
        /// The field's place in the scenario: `headers.authorization`.
        path: String,
        /// Why there is none.
        problem: SourceError,
    },
}

impl From<Vec<Mistake>> for DriverError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(mistakes)
    }
}
