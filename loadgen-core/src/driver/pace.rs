//! Even spacing of the messages of a step.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Even spacing: the n-th message is due n intervals after the first, however late those before
/// it were.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    sleep: Pin<Box<Sleep>>,
    due: Instant,
}

impl Pace {
    /// The first message is due now.
    pub(crate) fn new(every: Duration) -> Self {
        let due = Instant::now();
        Self {
            every,
            sleep: Box::pin(tokio::time::sleep_until(due)),
            due,
        }
    }

    /// Ready when the next message is due.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }

    /// The one that was due went out.
    pub(crate) fn next(&mut self) {
        self.due += self.every;
        self.sleep.as_mut().reset(self.due);
    }
}
