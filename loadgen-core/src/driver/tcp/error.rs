//! Why a TCP scenario cannot be run, found before the run.

use crate::driver::mistake::{Mistake, lines};
use crate::driver::transport::endpoints::EndpointError;

/// Why a TCP scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Its targets cannot be connected to at all.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// What is sent or received, expressions or test data are wrong.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
}

impl From<Vec<Mistake>> for DriverError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(mistakes)
    }
}
