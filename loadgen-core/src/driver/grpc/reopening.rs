//! Resting before a stream is opened again that is to last and did not.
//!
//! Owns the rests of one user. A connection that breaks has rests of its own; this is for streams that break
//! on one that goes on, such as one to a proxy whose server is gone: without, its user would open the next at
//! once, and again.

use std::time::Duration;

use crate::clock::{Clock, Nanos, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::outcome::Outcome;
use crate::workload::{Iteration, UserId};

/// An iteration that lasted longer than this was a good one: the back-off starts over.
const STEADY: Duration = Duration::from_secs(1);

/// How long a user rests before it opens its streams again.
pub(super) struct Reopening {
    clock: Clock,
    backoff: Backoff,
    began_at: Nanos,
}

impl Reopening {
    pub(super) fn new(clock: Clock, seed: u64, user: UserId) -> Self {
        Self {
            clock,
            backoff: Backoff::new(seed ^ (u64::from(user.0) << 16)),
            began_at: 0,
        }
    }

    /// An iteration begins.
    pub(super) fn begin(&mut self) {
        self.began_at = self.clock.now();
    }

    /// The iteration ended. A rest behind it is our own choice and nobody's latency, and over with the load:
    /// no stream is opened after that.
    pub(super) async fn end(&mut self, outcome: Outcome, iteration: &Iteration<'_>) {
        let took = self.clock.now().saturating_sub(self.began_at);
        if outcome.is_ok() || took > nanos(STEADY) {
            self.backoff.reset();
        }
        if !outcome.is_ok() {
            iteration.conclude(outcome);
            iteration.rest_after(self.backoff.next()).await;
        }
    }
}
