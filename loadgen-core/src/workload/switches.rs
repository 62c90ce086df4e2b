//! Which targets somebody has switched off while a run is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::TargetIndex;

/// Which of a scenario's targets are sent to: all, until somebody switches one off. Shared by all workers; cheap to
/// clone.
///
/// A workload that heeds it says so in
/// [`ScenarioSpec::switches_targets`](crate::engine::ScenarioSpec::switches_targets).
#[derive(Debug, Clone, Default)]
pub struct Switches(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    off: Vec<AtomicBool>,
    /// Rises with each switch: mostly nobody needs to know more.
    changes: AtomicU64,
}

impl Switches {
    /// For so many targets, all of them on.
    #[must_use]
    pub fn new(targets: usize) -> Self {
        Self(Arc::new(Inner {
            off: (0..targets).map(|_| AtomicBool::new(false)).collect(),
            changes: AtomicU64::new(0),
        }))
    }

    /// Whether new work may be sent to the target. One that nobody knows of is on.
    #[inline]
    #[must_use]
    pub fn is_on(&self, target: TargetIndex) -> bool {
        let off = self.0.off.get(target);
        off.is_none_or(|off| !off.load(Ordering::Relaxed))
    }

    /// Switches a target on or off.
    pub fn set(&self, target: TargetIndex, on: bool) {
        if let Some(off) = self.0.off.get(target) {
            off.store(!on, Ordering::Relaxed);
            self.0.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// How often something was switched. As long as that is 0, all are on.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_on_and_stays_on() {
        let switches = Switches::new(2);
        let seen = switches.clone();
        switches.set(1, false);
        switches.set(7, false);
        let on = [0, 1, 7].map(|it| seen.is_on(it));
        assert_eq!((on, seen.changes()), ([true, false, true], 1));
        switches.set(1, true);
        assert!(seen.is_on(1));
    }
}
