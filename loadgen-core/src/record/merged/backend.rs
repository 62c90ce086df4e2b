//! One server's share.

use crate::record::Sparse;

/// One server's share.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackendRecord {
    /// What it calls itself.
    pub id: String,
    /// Requests it answered, failed ones included.
    pub requests: u64,
    /// Of these, answered with a failure.
    pub failed: u64,
    /// Response times of its requests.
    pub response_time: Sparse,
}

impl BackendRecord {
    /// A server that has answered nothing yet.
    #[must_use]
    pub fn empty(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            requests: 0,
            failed: 0,
            response_time: Sparse::default(),
        }
    }
}
