//! The ledger: every planned iteration, accounted for.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every planned iteration, accounted for.
///
/// `planned = started + dropped` and `started = completed + failed + interrupted`, once the
/// run has ended; while it is under way `in_flight` is the difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Arrivals that fell due (open) or iterations handed out (closed).
    pub planned: u64,
    /// Iterations that a user began.
    pub started: u64,
    /// Iterations that ended ok.
    pub completed: u64,
    /// Iterations that ended in a failure.
    pub failed: u64,
    /// Iterations cut off by the end of the run.
    pub interrupted: u64,
    /// Arrivals that were due and never started.
    pub dropped: u64,
    /// Iterations that started with a start lag above the tolerance; part of `started`.
    pub late: u64,
    /// Arrivals that were due, and never started, because somebody had paused the run; part of `dropped`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub withheld: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Ledger {
    /// Iterations begun and not yet ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started
            .saturating_sub(self.completed + self.failed + self.interrupted)
    }

    /// What was planned and nobody withheld: what a rate promised of it is held to.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.planned.saturating_sub(self.withheld)
    }

    /// Of that, what never started.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.dropped.saturating_sub(self.withheld)
    }

    /// Whether the two equations of the ledger hold, as they must when a run has ended.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.planned == self.started + self.dropped
            && self.started == self.completed + self.failed + self.interrupted
    }

    /// What failed or was left unanswered, as a share of what completed, failed or was left
    /// unanswered; `None` where there was none of these.
    #[must_use]
    pub fn error_rate(&self, unanswered: u64) -> Option<f64> {
        let bad = self.failed + unanswered;
        let all = self.completed + bad;
        (all > 0).then(|| bad as f64 / all as f64)
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.planned = self.planned.saturating_add(other.planned);
        self.started = self.started.saturating_add(other.started);
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
        self.interrupted = self.interrupted.saturating_add(other.interrupted);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.late = self.late.saturating_add(other.late);
        self.withheld = self.withheld.saturating_add(other.withheld);
    }
}
