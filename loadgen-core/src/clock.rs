//! The run's clock: nanoseconds since an epoch that all workers share.
//!
//! Owns the one place that reads the time while measuring. A reading is a plain `u64`, so that
//! everything that computes with times can be given them and tested without waiting.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the run's epoch, or a span of nanoseconds. 584 years fit.
pub type Nanos = u64;

/// The monotonic clock of one run. Cheap to copy; all copies share the epoch.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Nanos,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: monotonic() }
    }

    /// Nanoseconds since the epoch.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        monotonic() - self.epoch
    }

    /// The same moment on the system's monotonic clock, which absolute timers take.
    #[must_use]
    pub fn to_monotonic(&self, at: Nanos) -> Duration {
        Duration::from_nanos(self.epoch + at)
    }
}

#[inline]
fn monotonic() -> Nanos {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// A duration as nanoseconds, saturating after 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
