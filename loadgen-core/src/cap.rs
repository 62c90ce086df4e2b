//! A cap on how often something happens. Caps only: a bucket of tokens has no due times, so it
//! never paces an open model.

use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::units::Rate;

/// A cap that all workers share.
#[derive(Debug)]
pub(crate) struct Cap(DefaultDirectRateLimiter);

impl Cap {
    /// A cap at this rate. Its burst covers 10 ms, and two at least, so that the runtime's timer
    /// waking somebody a millisecond late does not lower the rate.
    pub(crate) fn new(rate: Rate) -> Self {
        let period = Duration::from_secs_f64(1.0 / rate.per_second());
        let burst = (rate.per_second() / 100.0)
            .ceil()
            .clamp(2.0, f64::from(u32::MAX)) as u32;
        let burst = std::num::NonZeroU32::new(burst).expect("at least 2");
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
            .expect("not a period of zero")
            .allow_burst(burst);
        Self(RateLimiter::direct(quota))
    }

    /// Takes a turn, or says how long to wait before asking again.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.0
            .check()
            .map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }
}
