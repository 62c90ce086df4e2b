//! Waiting to tens of microseconds, where the system can: the runtime's own timer is late by up to two
//! milliseconds, which would be most of what a queue or a proxy may be off.

use tokio::time::Instant;

/// A timer for one wait at a time. It takes a descriptor once it is needed.
#[derive(Debug, Default)]
pub(crate) struct Timer(imp::Fine);

impl Timer {
    /// Waits until then, or a little less: whoever waits looks at the clock.
    pub(crate) async fn until(&mut self, at: Instant) {
        if !self.0.until(at).await {
            tokio::time::sleep_until(at).await;
        }
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
    use tokio::time::Instant;

    #[derive(Debug, Default)]
    pub(super) struct Fine(Option<AsyncFd<OwnedFd>>);

    impl Fine {
        /// Whether it could.
        pub(super) async fn until(&mut self, at: Instant) -> bool {
            self.wait(at).await.is_ok()
        }

        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that may close; an `OwnedFd` does not"
        )]
        fn timer(&mut self) -> io::Result<&AsyncFd<OwnedFd>> {
            Ok(match &mut self.0 {
                Some(timer) => timer,
                empty => {
                    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                    empty.insert(AsyncFd::with_interest(timer, Interest::READABLE)?)
                }
            })
        }

        async fn wait(&mut self, at: Instant) -> io::Result<()> {
            let timer = self.timer()?;
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let expiry = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: left.as_secs().cast_signed(),
                    tv_nsec: i64::from(left.subsec_nanos()),
                },
            };
            timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &expiry)?;
            // Readiness is edge-triggered and setting the timer resets its count, so what it would deliver need
            // not be read. A stale edge only costs one more look at the clock.
            timer.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use tokio::time::Instant;

    #[derive(Debug, Default)]
    pub(super) struct Fine;

    impl Fine {
        /// Whether it could.
        pub(super) async fn until(&mut self, _: Instant) -> bool {
            false
        }
    }
}
