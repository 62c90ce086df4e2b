//! Waking tasks of a worker at moments, to tens of microseconds, with one timer for all of them.
//!
//! The runtime's own timer rounds to a millisecond, and a timer of the system's for each user would
//! be a descriptor for each. Owns waiting only: what is due is for others to say.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::clock::{Clock, Nanos};
use crate::pacer::Pacer;

/// The alarms of one worker. Shared under a lock that nobody contends for, because some of those who
/// wait must be able to be sent.
#[derive(Debug, Clone)]
pub struct Alarms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    set: Mutex<Set>,
    /// Tells the one who wakes that there is an earlier one.
    earlier: Notify,
}

/// Who is to be woken when, and by which number.
#[derive(Debug, Default)]
struct Set {
    waiting: BTreeMap<(Nanos, u64), Waker>,
    next_number: u64,
}

impl Alarms {
    /// Alarms on this clock. They go off while [`ring`](Self::ring) is polled.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            set: Mutex::default(),
            earlier: Notify::new(),
        }))
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has alarms go off for as long as it is polled. Its timer is made when the first is set.
    ///
    /// # Errors
    /// When the system refuses a timer.
    pub async fn ring(&self) -> io::Result<Infallible> {
        self.0.earlier.notified().await;
        let mut pacer = Pacer::new(self.0.clock)?;
        loop {
            let first = self.set().waiting.keys().next().map(|(due, _)| *due);
            let earlier = self.0.earlier.notified();
            match first {
                None => earlier.await,
                Some(due) => tokio::select! {
                    waited = pacer.until(due) => {
                        waited?;
                        self.go_off();
                        // However many there are, others run before the next.
                        tokio::task::yield_now().await;
                    }
                    () = earlier => {}
                },
            }
        }
    }

    /// Wakes all whose time has come.
    fn go_off(&self) {
        let now = self.0.clock.now();
        let mut set = self.set();
        while let Some(first) = set.waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            first.remove().wake();
        }
    }

    /// An alarm that is not set.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        Alarm {
            alarms: self.clone(),
            set_to: None,
        }
    }
}

/// One alarm. Dropping it ends the wait.
#[derive(Debug)]
pub struct Alarm {
    alarms: Alarms,
    set_to: Option<(Nanos, u64)>,
}

impl Alarm {
    /// Ready at `due`, never before.
    pub fn poll_until(&mut self, due: Nanos, cx: &Context<'_>) -> Poll<()> {
        self.end();
        if self.alarms.0.clock.now() >= due {
            return Poll::Ready(());
        }
        let mut set = self.alarms.set();
        let key = (due, set.next_number);
        set.next_number += 1;
        let is_first = set.waiting.keys().next().is_none_or(|first| key < *first);
        set.waiting.insert(key, cx.waker().clone());
        drop(set);
        self.set_to = Some(key);
        if is_first {
            self.alarms.0.earlier.notify_one();
        }
        Poll::Pending
    }

    fn end(&mut self) {
        if let Some(key) = self.set_to.take() {
            self.alarms.set().waiting.remove(&key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::future::join_all;

    use super::*;

    /// Waits with several alarms, the last one first.
    #[tokio::test]
    async fn each_goes_off_and_never_early() {
        let clock = Clock::start();
        let alarms = Alarms::new(clock);
        let start = clock.now();
        let wait = async |due| {
            let mut alarm = alarms.alarm();
            poll_fn(|cx| alarm.poll_until(due, cx)).await;
            let now = clock.now();
            assert!(now >= due, "{now} {due}");
        };
        let all = join_all([3, 1, 2].map(|ms| wait(start + ms * 1_000_000)));
        tokio::select! {
            _ = all => {}
            ended = alarms.ring() => panic!("{ended:?}"),
        }
        assert!(alarms.set().waiting.is_empty());
    }

    #[tokio::test]
    async fn one_that_is_dropped_wakes_nobody() {
        let alarms = Alarms::new(Clock::start());
        let mut alarm = alarms.alarm();
        let cx = Context::from_waker(Waker::noop());
        assert!(alarm.poll_until(Nanos::MAX, &cx).is_pending());
        assert!(
            alarm.poll_until(Nanos::MAX, &cx).is_pending(),
            "asked again"
        );
        assert_eq!(alarms.set().waiting.len(), 1);
        drop(alarm);
        assert!(alarms.set().waiting.is_empty());
    }
}
