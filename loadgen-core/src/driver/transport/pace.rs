//! Even spacing of the messages of a step.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::alarm::{Alarm, Alarms};
use crate::clock::{Nanos, nanos};

/// Even spacing: the n-th message is due n intervals after the first, however late those before
/// it were.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Nanos,
    due_at: Nanos,
    alarm: Alarm,
}

impl Pace {
    /// The first message is due now.
    pub(crate) fn new(every: Duration, now: Nanos, alarms: &Alarms) -> Self {
        Self {
            every: nanos(every),
            due_at: now,
            alarm: alarms.alarm(),
        }
    }

    /// When the next message is due.
    pub(crate) fn due_at(&self) -> Nanos {
        self.due_at
    }

    /// Ready when the next message is due.
    pub(crate) fn poll_due(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.alarm.poll_until(self.due_at, cx)
    }

    /// The one that was due went out.
    pub(crate) fn next(&mut self) {
        self.due_at = self.due_at.saturating_add(self.every);
    }
}
