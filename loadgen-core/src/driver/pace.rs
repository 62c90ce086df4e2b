//! Even spacing of the messages of a step.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::clock::{Nanos, nanos};

/// Even spacing: the n-th message is due n intervals after the first, however late those before
/// it were.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    sleep: Pin<Box<Sleep>>,
    due: Instant,
    due_at: Nanos,
}

impl Pace {
    /// The first message is due now, which is `now` on the run's clock.
    pub(crate) fn new(every: Duration, now: Nanos) -> Self {
        let due = Instant::now();
        Self {
            every,
            sleep: Box::pin(tokio::time::sleep_until(due)),
            due,
            due_at: now,
        }
    }

    /// When the next message is due, on the run's clock.
    pub(crate) fn due_at(&self) -> Nanos {
        self.due_at
    }

    /// Ready when the next message is due.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }

    /// The one that was due went out.
    pub(crate) fn next(&mut self) {
        self.due += self.every;
        self.due_at = self.due_at.saturating_add(nanos(self.every));
        self.sleep.as_mut().reset(self.due);
    }
}
