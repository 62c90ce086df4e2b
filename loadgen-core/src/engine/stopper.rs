//! Stopping a run from outside.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::record::EarlyEnd;

/// What a run was asked to do. Only ever rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Go on.
    No,
    /// Start nothing new.
    Drain,
    /// Cut off what is under way.
    Abort,
}

/// Stops a run from another thread. Cheap to clone. Workers notice within 10 ms.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// A [`Stop`].
    stop: AtomicU8,
    /// What was found elsewhere, where that is why.
    early_end: OnceLock<EarlyEnd>,
}

impl Stopper {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Starts nothing new and lets what is under way finish within the graceful stop.
    pub fn drain(&self) {
        self.rise(Stop::Drain);
    }

    /// Cuts off what is under way. The record still comes.
    pub fn abort(&self) {
        self.rise(Stop::Abort);
    }

    /// The same as [`drain`](Self::drain), where a condition ended the run on another shard: this one is then no run
    /// that somebody stopped, but one that the condition ended. Nothing is said to a run that is stopping already.
    pub fn end_early(&self, end: EarlyEnd) {
        // Known before it is looked for.
        if self.asked() == Stop::No && self.0.early_end.set(end).is_ok() {
            self.rise(Stop::Drain);
        }
    }

    /// What ended it elsewhere.
    pub(super) fn early_end(&self) -> Option<&EarlyEnd> {
        self.0.early_end.get()
    }

    pub(super) fn asked(&self) -> Stop {
        match self.0.stop.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::Drain,
            _ => Stop::Abort,
        }
    }

    fn rise(&self, to: Stop) {
        self.0.stop.fetch_max(to as u8, Ordering::AcqRel);
    }
}
