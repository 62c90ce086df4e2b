//! Waiting until a moment, to tens of microseconds.
//!
//! The runtime's own timer rounds to a millisecond; on Linux an absolute high-resolution timer is
//! registered with the runtime instead, elsewhere the runtime's timer brings us near and a short
//! spin does the rest. Owns waiting only: what is due is the schedule's business.

use std::io;

use crate::clock::{Clock, Nanos};

/// Waits until moments of a run's clock. One per task: two waits at a time on one pacer would
/// overwrite each other's timer.
#[derive(Debug)]
pub struct Pacer {
    clock: Clock,
    timer: imp::Timer,
}

impl Pacer {
    /// A pacer on the current thread's runtime.
    ///
    /// # Errors
    /// When the system refuses a timer (too many open files).
    pub fn new(clock: Clock) -> io::Result<Self> {
        Ok(Self {
            clock,
            timer: imp::Timer::new()?,
        })
    }

    /// Waits until `due`, never less; returns at once when that has passed. Safe to drop midway.
    ///
    /// # Errors
    /// When the system refuses to set the timer, which it has no reason to.
    pub async fn until(&mut self, due: Nanos) -> io::Result<()> {
        while self.clock.now() < due {
            self.timer.wait(&self.clock, due).await?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::clock::{Clock, Nanos};

    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that may close; an `OwnedFd` does not"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let fd = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            Ok(Self(AsyncFd::with_interest(fd, Interest::READABLE)?))
        }

        pub(super) async fn wait(&mut self, clock: &Clock, due: Nanos) -> io::Result<()> {
            let at = clock.to_monotonic(due);
            let expiry = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: at.as_secs().cast_signed(),
                    tv_nsec: i64::from(at.subsec_nanos()),
                },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &expiry)?;
            // Readiness is edge-triggered and setting the timer resets its count, so the eight
            // bytes it would deliver need not be read. A stale edge only costs one more look at
            // the clock.
            self.0.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::time::Duration;

    use crate::clock::{Clock, Nanos};

    /// How early the runtime's timer is asked to fire, to leave the rest to spinning.
    const SPIN: Nanos = 2_000_000;

    #[derive(Debug)]
    pub(super) struct Timer;

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn wait(&mut self, clock: &Clock, due: Nanos) -> io::Result<()> {
            let left = due.saturating_sub(clock.now());
            if left > SPIN {
                tokio::time::sleep(Duration::from_nanos(left - SPIN)).await;
            } else {
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    }
}
