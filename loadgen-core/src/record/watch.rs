//! What somebody asks to have looked at over windows of time.
//!
//! Owns the words for it; the figures are [`merged`](super::merged)'s.

use serde::{Deserialize, Serialize};

use crate::workload::{MessageFault, SampleKind};

/// A figure of every window of a length, of which the worst is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub(crate) figure: Figure,
    /// Whole seconds, at least one.
    pub(crate) length_s: u64,
    /// Which is the worst.
    pub(crate) worst: Extreme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Extreme {
    Highest,
    Lowest,
}

/// What is figured out of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Figure {
    /// In nanoseconds.
    Times(Times, Reading),
    Count(Count),
    /// A count over the window's length, per second.
    Rate(Count),
    /// So many of so many, in percent.
    Share {
        part: Vec<Count>,
        whole: Vec<Count>,
    },
}

/// What is read from samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reading {
    Mean,
    Least,
    Largest,
    /// The smallest value that at least this share, 0 to 1, does not exceed.
    At(f64),
}

/// Times, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Times {
    Scenario(TimesOf),
    Step(String, TimesOf),
    /// The response times of a server, by the name that it gives itself.
    Backend(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TimesOf {
    ResponseTime,
    /// Response times without the generator's part.
    Undelayed,
    ServiceTime,
    StartLag,
    QueueWait,
    SendLag,
    ReadLag,
    Generator,
    ConnectTime,
    TlsTime,
    Sample(SampleKind),
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Count {
    Planned,
    /// What was planned and nobody withheld.
    Wanted,
    Started,
    Completed,
    Failed,
    Interrupted,
    Dropped,
    Late,
    Unanswered,
    /// Iterations that ended with this key.
    Outcome(String),
    ConnectionsOpened,
    ConnectionsFailed,
    ConnectionsDropped,
    /// Requests of iterations that ended, of all steps.
    Requests,
    OfStep(String, StepCount),
    /// Requests that a server answered, by the name that it gives itself.
    BackendRequests(String),
    /// Of these, those that it answered with a failure.
    BackendFailed(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StepCount {
    Ok,
    Failed,
    Unanswered,
    /// Those that ended with this key.
    Outcome(String),
    Sent,
    Received,
    Fault(MessageFault),
}

/// What was found over all windows of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowRecord {
    pub(crate) watch: Watch,
    /// `None` where there was no window, or none with anything in it.
    pub(crate) worst: Option<Worst>,
    /// The whole seconds that were looked at.
    pub(crate) seconds: u64,
    /// Of several processes each was looked at by itself: what all of them saw in a window is no worse.
    pub(crate) is_bound: bool,
}

/// The worst window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worst {
    /// When it begins, in seconds from the start of measuring.
    pub(crate) from_s: u64,
    pub(crate) value: f64,
    /// Of times, how many there are in it.
    pub(crate) samples: u64,
}

impl Extreme {
    pub(crate) fn is_worse(self, one: f64, than: f64) -> bool {
        match self {
            Self::Highest => one > than,
            Self::Lowest => one < than,
        }
    }
}

impl WindowRecord {
    /// Nothing yet.
    pub(crate) fn empty(watch: Watch) -> Self {
        Self {
            watch,
            worst: None,
            seconds: 0,
            is_bound: false,
        }
    }

    /// Adds what another process saw; what it did not look at is a bound only.
    pub(in crate::record) fn merge_all(these: &mut [Self], others: &[Self]) {
        for window in these {
            match others.iter().find(|it| it.watch == window.watch) {
                Some(other) => window.merge(other),
                None => window.is_bound = true,
            }
        }
    }

    /// Adds what another process saw. What both saw in a window together is not known any more, but that
    /// it is no worse than this: a percentile, a mean or a share of both lies between those of each, and
    /// the most that a window has is no more than the most of each together.
    fn merge(&mut self, other: &Self) {
        let adds_up = matches!(self.watch.figure, Figure::Count(_) | Figure::Rate(_));
        self.worst = match (self.worst, other.worst) {
            (Some(one), Some(other)) => {
                let is_worse = self.watch.worst.is_worse(other.value, one.value);
                let worse = if is_worse { other } else { one };
                let value = if adds_up {
                    one.value + other.value
                } else {
                    worse.value
                };
                Some(Worst { value, ..worse })
            }
            (one, other) => one.or(other),
        };
        self.seconds = self.seconds.max(other.seconds);
        self.is_bound = true;
    }
}
