//! Stopping a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
pub struct Stopper(Arc<AtomicU8>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(Stop::No as u8)))
    }

    /// Starts nothing new and lets what is under way finish within the graceful stop.
    pub fn drain(&self) {
        self.0.fetch_max(Stop::Drain as u8, Ordering::Relaxed);
    }

    /// Cuts off what is under way. The record still comes.
    pub fn abort(&self) {
        self.0.fetch_max(Stop::Abort as u8, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> Stop {
        match self.0.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::Drain,
            _ => Stop::Abort,
        }
    }
}
