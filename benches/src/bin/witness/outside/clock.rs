//! The real-time clock, in which the kernel stamps what it receives.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since 1970, or a span of them.
pub(super) type Nanos = u64;

pub(super) const MICROSECOND: Nanos = 1_000;
pub(super) const MILLISECOND: Nanos = 1_000_000;
pub(super) const SECOND: Nanos = 1_000_000_000;

/// The time.
pub(super) fn now() -> Nanos {
    let now = clock_gettime(ClockId::Realtime);
    of(now.tv_sec, now.tv_nsec)
}

/// A time as the system says it.
pub(super) fn of(seconds: i64, nanoseconds: i64) -> Nanos {
    seconds.unsigned_abs() * SECOND + nanoseconds.unsigned_abs()
}
