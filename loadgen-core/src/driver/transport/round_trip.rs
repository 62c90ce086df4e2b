//! A message and the reply to it, and which part of the time between them was the generator's.

use crate::clock::Nanos;
use crate::workload::{Iteration, SampleKind};

/// The moments of a message that was answered, on the run's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundTrip {
    /// When it was due, where messages have due times.
    pub(crate) due: Option<Nanos>,
    /// Since when nothing but the generator kept it from leaving.
    pub(crate) ready: Nanos,
    /// Just before the kernel took its last byte.
    pub(crate) sent_at: Nanos,
    /// When the kernel received the reply's last byte.
    pub(crate) reply_at: Nanos,
}

impl RoundTrip {
    /// How late it left, by the generator's doing.
    pub(crate) fn lag(self) -> Nanos {
        self.sent_at.saturating_sub(self.ready)
    }

    /// Records it on a step's account. With a due time its round trip counts from then: one that
    /// waits for room behind a service that has stopped was kept waiting by the service. Without
    /// one it counts from when it left. Says how long it took.
    #[inline]
    pub(crate) fn record(self, step: usize, iteration: &Iteration<'_>) -> Nanos {
        let took = self
            .reply_at
            .saturating_sub(self.due.unwrap_or(self.sent_at));
        iteration.sample_nanos(step, SampleKind::RoundTrip, took);
        if self.due.is_some() {
            let lag = self.lag();
            let undelayed = took.saturating_sub(lag);
            iteration.sample_nanos(step, SampleKind::MessageLag, lag);
            iteration.sample_nanos(step, SampleKind::UndelayedRoundTrip, undelayed);
        }
        took
    }
}
