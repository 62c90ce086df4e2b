//! The machine's own clock, for what is done to other processes.
//!
//! A run's clock is its engine's. What happens beside the load is stamped with this one, and the run's marker puts
//! that on its own.

use std::time::Instant;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "processes are waited for and stamped outside of the engine"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
