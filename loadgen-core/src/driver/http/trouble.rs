//! Why an answer could not be had.

use crate::outcome::Failure;

/// Why an answer could not be had.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) detail: String,
    /// Whether nothing of the request was looked at.
    pub(super) is_unsent: bool,
    /// Whether the connection ended, and not the answer alone is at fault.
    pub(super) is_end: bool,
}

impl Trouble {
    /// The answer is none, or not what it should be.
    pub(super) fn protocol(detail: String) -> Self {
        Self {
            failure: Failure::Protocol,
            detail,
            is_unsent: false,
            is_end: false,
        }
    }

    /// There is no connection.
    pub(super) fn connect(detail: String) -> Self {
        Self {
            failure: Failure::Connect,
            ..Self::protocol(detail)
        }
    }
}
