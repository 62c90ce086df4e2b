//! When the messages of a stream are due.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

/// Due times at a fixed distance. Each follows from the one due before, not from when that was
/// sent, so a late message does not put off the next.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    next: Pin<Box<Sleep>>,
}

impl Pace {
    /// The first time is due at once. None where there is nothing to wait for.
    pub(crate) fn new(interval_us: u32) -> Option<Self> {
        (interval_us > 0).then(|| Self {
            interval: Duration::from_micros(u64::from(interval_us)),
            next: Box::pin(tokio::time::sleep(Duration::ZERO)),
        })
    }

    /// Ready when the next time is due, which moves on to the one after.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.next.as_mut().poll(context));
        let following = self.next.deadline() + self.interval;
        self.next.as_mut().reset(following);
        Poll::Ready(())
    }
}
