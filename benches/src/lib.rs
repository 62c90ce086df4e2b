//! What the benchmark programs share: processor time, medians, tables.
//!
//! Every program here uses `loadgen-core` as a user's own crate would, prints its table on stdout,
//! and judges nothing: the figures to reach stand in `docs/src/performance.md`.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this process so far, all threads together.
#[must_use]
pub fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The median of some figures; the upper one of an even number.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
