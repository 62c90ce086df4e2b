//! Waiting until a moment, to tens of microseconds.
//!
//! The runtime's own timer rounds to a millisecond; on Linux an absolute high-resolution timer is
//! registered with the runtime instead, elsewhere the runtime's timer brings us near and a short
//! spin does the rest. Where [`Pacing`] says so, the last stretch is spent awake, or the whole thread
//! sleeps to a grid. Owns waiting only: what is due is the schedule's business.

pub(crate) mod grid;

use std::cell::Cell;
use std::io;
use std::time::Duration;

use crate::clock::{Clock, Nanos, nanos};

pub use crate::pacing::{Pacing, PacingError, UnfitPacing};

/// What follows each other closer than this is waited for together: one timer, one wake.
pub(crate) const TOGETHER: Nanos = 25_000;

/// Waits until moments of a run's clock. One per task: two waits at a time on one pacer would
/// overwrite each other's timer.
#[derive(Debug)]
pub struct Pacer {
    clock: Clock,
    timer: imp::Timer,
    /// The last stretch of a wait, which is spent awake.
    awake: Nanos,
}

impl Pacer {
    /// A pacer on the current thread's runtime that sleeps until the moment has come.
    ///
    /// # Errors
    /// When the system refuses a timer (too many open files).
    pub fn new(clock: Clock) -> io::Result<Self> {
        Ok(Self {
            clock,
            timer: imp::Timer::new()?,
            awake: 0,
        })
    }

    /// The same, with the last stretch of each wait spent like this.
    #[must_use]
    pub fn paced(self, pacing: Pacing) -> Self {
        Self {
            awake: nanos(pacing.stretch()),
            ..self
        }
    }

    /// Whether the last stretch of a wait is spent awake.
    pub(crate) fn is_busy(&self) -> bool {
        self.awake > 0
    }

    /// Waits until `due`, never less; returns at once when that has passed. On a thread that sleeps to a
    /// grid, until the first tick from there on. Safe to drop midway.
    ///
    /// # Errors
    /// When the system refuses to set the timer, which it has no reason to.
    pub async fn until(&mut self, due: Nanos) -> io::Result<()> {
        let asleep_until = due.saturating_sub(self.awake);
        loop {
            let now = self.clock.now();
            if now >= due {
                return Ok(());
            }
            if now < asleep_until {
                let tick = grid::tick_at(asleep_until);
                self.timer.wait(&self.clock, tick).await?;
            } else {
                // Replies are read meanwhile, and whoever they wake up runs.
                tokio::task::yield_now().await;
                count_idle(&self.clock, now, self.clock.now());
            }
        }
    }
}

/// Others had something to do when it took longer than this from one look at the clock to the next.
/// Asking the system for events, of which there are none, takes about a microsecond.
const IDLE_LOOK: Nanos = 5_000;

thread_local! {
    /// Until when on the system's clock, and how long in all, this thread looked at the clock.
    static IDLE: Cell<(Nanos, Nanos)> = const { Cell::new((0, 0)) };
}

/// Counts the time between two looks at the clock if nobody used it. Where several pacers of a
/// thread wait at once, each moment counts once.
fn count_idle(clock: &Clock, from: Nanos, to: Nanos) {
    let on_the_system = |at| nanos(clock.to_monotonic(at));
    let (until, all) = IDLE.get();
    let to = on_the_system(to);
    let between = to.saturating_sub(on_the_system(from).max(until));
    let unused = if between <= IDLE_LOOK { between } else { 0 };
    IDLE.set((to, all + unused));
}

/// How long this thread has looked at the clock because of its [`Pacing`] and had nothing else to
/// do. It was running then, and had time to spare.
pub(crate) fn idle_while_awake() -> Duration {
    Duration::from_nanos(IDLE.get().1)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::fd::OwnedFd;

    use std::num::NonZero;

    use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
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
            let expiry = Itimerspec {
                it_interval: Timespec::default(),
                it_value: on_the_system(clock, due),
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &expiry)?;
            // Readiness is edge-triggered and setting the timer resets its count, so the eight
            // bytes it would deliver need not be read. A stale edge only costs one more look at
            // the clock.
            self.0.readable().await?.clear_ready();
            Ok(())
        }
    }

    fn on_the_system(clock: &Clock, at: Nanos) -> Timespec {
        let at = clock.to_monotonic(at);
        Timespec {
            tv_sec: at.as_secs().cast_signed(),
            tv_nsec: i64::from(at.subsec_nanos()),
        }
    }

    /// The thread itself sleeps until then, or until a signal.
    pub(super) fn sleep_until(clock: &Clock, at: Nanos) {
        // Whoever is woken early has one look more at what there is to do.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &on_the_system(clock, at));
    }

    /// Sleeps of this thread end when they are to, and not up to 50 µs later so that the processor may wake
    /// up for several at once.
    pub(super) fn wake_sharply() {
        // Refused, they end some time later.
        let _ = set_current_timer_slack(Some(NonZero::<u64>::MIN));
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

    /// There are no grids: what is received has no stamps, which makes sleep a part of every time.
    pub(super) fn sleep_until(_: &Clock, _: Nanos) {}

    pub(super) fn wake_sharply() {}
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use test_case::test_case;

    use super::*;

    #[test_case(Pacing::EXACT; "asleep")]
    #[test_case(Pacing::BUSY; "the last stretch awake")]
    #[test_case(Pacing::busy(Pacing::LONGEST).unwrap(); "all of it awake")]
    fn no_wait_ends_early(pacing: Pacing) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (clock, before) = (Clock::start(), idle_while_awake());
        runtime.block_on(async {
            let mut pacer = Pacer::new(clock).unwrap().paced(pacing);
            for wait in (0..40).map(|nth| nth * 25_000) {
                let due = clock.now() + wait;
                pacer.until(due).await.unwrap();
                assert!(clock.now() >= due);
            }
        });
        assert_eq!(idle_while_awake() > before, pacing.is_busy());
    }

    #[test]
    fn others_run_while_the_clock_is_looked_at() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let clock = Clock::start();
        runtime.block_on(async {
            let pacing = Pacing::busy(Pacing::LONGEST).unwrap();
            let mut pacer = Pacer::new(clock).unwrap().paced(pacing);
            // Once in some tries this thread is not held up for all of the wait.
            let lets_others_run = (0..100).any(|_| {
                let due = clock.now() + 900_000;
                pacer.until(due).now_or_never().is_none()
            });
            assert!(lets_others_run);
        });
    }

    #[test]
    fn a_moment_counts_once_and_work_does_not() {
        let clock = Clock::start();
        // Moments to come, so that what other waits of this thread counted is before them.
        let (began, before) = (clock.now() + 1_000_000_000, idle_while_awake());
        count_idle(&clock, began, began + 1_000);
        count_idle(&clock, began + 500, began + 1_500);
        count_idle(&clock, began + 1_000, began + 2_000);
        count_idle(&clock, began + 2_000, began + 2_001 + IDLE_LOOK);
        let counted = idle_while_awake() - before;
        assert_eq!(counted, Duration::from_nanos(2_000));
    }
}
