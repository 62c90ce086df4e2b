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

/// When a user may open its streams again.
pub(super) struct Reopening {
    clock: Clock,
    backoff: Backoff,
    not_before: Nanos,
    began_at: Nanos,
}

impl Reopening {
    pub(super) fn new(clock: Clock, seed: u64, user: UserId) -> Self {
        Self {
            clock,
            backoff: Backoff::new(seed ^ (u64::from(user.0) << 16)),
            not_before: 0,
            began_at: 0,
        }
    }

    /// An iteration begins. A rest before it is our own choice, and nobody's latency.
    pub(super) async fn begin(&mut self, iteration: &Iteration<'_>) {
        let rest = self.not_before.saturating_sub(self.clock.now());
        if rest > 0 {
            iteration.observer().backed_off(rest);
            iteration.pause(Duration::from_nanos(rest)).await;
        }
        self.began_at = self.clock.now();
    }

    /// The iteration ended.
    pub(super) fn end(&mut self, outcome: Outcome) {
        let now = self.clock.now();
        if outcome.is_ok() || now.saturating_sub(self.began_at) > nanos(STEADY) {
            self.backoff.reset();
        }
        self.not_before = match outcome {
            Outcome::Ok => 0,
            Outcome::Failed(_) => now.saturating_add(nanos(self.backoff.next())),
        };
    }
}
