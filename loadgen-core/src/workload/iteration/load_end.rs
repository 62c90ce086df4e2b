//! The end of the load, for iterations that last until then.

use std::cell::Cell;

use tokio::sync::Notify;

use crate::clock::Nanos;

/// Tells iterations when nothing new starts any more.
///
/// The engine has one for each scenario and worker; the test of a workload may have one.
#[derive(Debug, Default)]
pub struct LoadEnd {
    since: Cell<Option<Nanos>>,
    came: Notify,
}

impl LoadEnd {
    /// The load is over, since this moment of the run's clock. Only the first call counts.
    pub fn come(&self, now: Nanos) {
        if self.since.get().is_none() {
            self.since.set(Some(now));
            self.came.notify_waiters();
        }
    }

    /// Since when it is over.
    #[must_use]
    pub fn since(&self) -> Option<Nanos> {
        self.since.get()
    }

    /// Waits until it is over.
    pub async fn wait(&self) {
        while self.since.get().is_none() {
            self.came.notified().await;
        }
    }
}
