//! How much processor time this thread has had and how much it went without.

use std::time::Duration;

use super::grid::{Account, GridKeeper};
use crate::pacer::idle_while_awake;
use crate::process::thread_time;

/// Processor time of the calling thread since it began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Running.
    pub(super) busy: Duration,
    /// Ready to run, and no processor was free.
    pub(super) starved: Duration,
    /// Running, but only to wait awake for what is due.
    pub(super) idle: Duration,
    /// Asleep to a grid.
    pub(super) grid: Account,
}

impl Usage {
    /// The calling thread's, whose grid is kept there.
    pub(super) fn of_this_thread(keeper: &GridKeeper) -> Self {
        Self {
            busy: thread_time(),
            starved: run_delay().unwrap_or_default(),
            idle: idle_while_awake(),
            grid: keeper.account(),
        }
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            starved: self.starved.saturating_sub(earlier.starved),
            idle: self.idle.saturating_sub(earlier.idle),
            grid: self.grid.since(earlier.grid),
        }
    }
}

/// Linux counts it as the second number of a thread's `schedstat`, in nanoseconds; elsewhere, and
/// where the kernel was built without it, it is not known.
fn run_delay() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let waited = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(waited))
}
