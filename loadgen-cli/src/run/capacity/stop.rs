//! Ending a search with what is known, for whoever has a person's word: signals, keys, and the live page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use loadgen_core::engine::Stopper;

/// What is said when a search is told to stop.
pub(crate) const STOPPING: &str = "stopping: the search ends with what is known so far";

/// Ends a search. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchStop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_asked: AtomicBool,
    /// The run that is under way, or was last.
    under_way: Mutex<Option<Stopper>>,
}

impl SearchStop {
    /// Ends the search, and cuts off the run of it that is under way. Whether nobody had asked for that before.
    pub(crate) fn ask(&self) -> bool {
        let is_first = !self.0.is_asked.swap(true, Ordering::SeqCst);
        if let Some(stopper) = &*self.under_way() {
            stopper.abort();
        }
        is_first
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::SeqCst)
    }

    /// This run of it is next.
    pub(super) fn put(&self, stopper: Stopper) {
        let mut under_way = self.under_way();
        if self.is_asked() {
            stopper.abort();
        }
        *under_way = Some(stopper);
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, Option<Stopper>> {
        self.0
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
