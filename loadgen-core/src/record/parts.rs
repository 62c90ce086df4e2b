//! What times are made of, each part in a histogram.

use serde::{Deserialize, Serialize};

use super::{Histogram, new_coarse_histogram, new_histogram};
use crate::clock::Nanos;
use crate::workload::Split;

/// The parts of a series of times. Those of a scenario are kept to three digits, those of a step,
/// of which there may be many, to two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parts {
    /// From due until a user was free.
    pub queue_wait: Histogram,
    /// The rest until the start: the generator's lateness.
    pub start_lag: Histogram,
    /// From the start until the system took the request's last byte.
    pub send_lag: Histogram,
    /// From the reply's receipt until the generator saw it, where that is known.
    pub read_lag: Histogram,
    /// Start lag, send lag and read lag of the same request together.
    pub generator: Histogram,
    /// Response times without start lag and send lag.
    pub undelayed: Histogram,
    /// How many are [in doubt](Split::is_in_doubt).
    pub in_doubt: u64,
    /// How much too long those may be, in nanoseconds, all together.
    pub doubt: Nanos,
}

impl Parts {
    pub(crate) fn of_scenario() -> Self {
        Self::made_by(new_histogram)
    }

    pub(in crate::record) fn of_step() -> Self {
        Self {
            // Compared with the response time, it must be as fine.
            undelayed: new_histogram(),
            ..Self::made_by(new_coarse_histogram)
        }
    }

    fn made_by(new: fn() -> Histogram) -> Self {
        Self {
            queue_wait: new(),
            start_lag: new(),
            send_lag: new(),
            read_lag: new(),
            generator: new(),
            undelayed: new(),
            in_doubt: 0,
            doubt: 0,
        }
    }

    fn each(&self) -> [&Histogram; 6] {
        [
            &self.queue_wait,
            &self.start_lag,
            &self.send_lag,
            &self.read_lag,
            &self.generator,
            &self.undelayed,
        ]
    }

    fn each_mut(&mut self) -> [&mut Histogram; 6] {
        [
            &mut self.queue_wait,
            &mut self.start_lag,
            &mut self.send_lag,
            &mut self.read_lag,
            &mut self.generator,
            &mut self.undelayed,
        ]
    }

    /// Records what came before the start.
    #[inline]
    pub(in crate::record) fn started(&mut self, queue_wait: Nanos, start_lag: Nanos) {
        self.queue_wait.saturating_record(queue_wait);
        self.start_lag.saturating_record(start_lag);
    }

    /// Records what came after the start, and all parts together.
    #[inline]
    pub(in crate::record) fn ended(&mut self, split: &Split) {
        self.send_lag.saturating_record(split.send_lag);
        if let Some(read_lag) = split.read_lag {
            self.read_lag.saturating_record(read_lag);
        }
        self.generator.saturating_record(split.generator());
        self.undelayed.saturating_record(split.undelayed());
        if split.is_in_doubt() {
            self.in_doubt += 1;
            self.doubt = self.doubt.saturating_add(split.doubt);
        }
    }

    pub(in crate::record) fn add(&mut self, other: &Self) {
        for (sum, more) in self.each_mut().into_iter().zip(other.each()) {
            sum.add(more);
        }
        self.in_doubt += other.in_doubt;
        self.doubt = self.doubt.saturating_add(other.doubt);
    }

    pub(in crate::record) fn reset(&mut self) {
        for histogram in self.each_mut() {
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
        self.in_doubt = 0;
        self.doubt = 0;
    }
}
