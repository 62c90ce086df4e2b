//! Leaving targets alone that fail call after call, as it is written and as it is in a plan.

use std::time::Duration;

use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Entry, object};
use crate::scenario::value::{Bounded, PositiveSpan};

/// When a target that fails call after call is left alone, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    /// So many failures in a row open it: the target gets no new calls. At least 1.
    pub failures: u32,
    /// For so long. Then it is half open.
    pub open_for: Duration,
    /// While it is half open, so many calls go to the target. It closes once they were ok, and opens again with the
    /// first that is not. At least 1.
    pub trials: u32,
}

impl CircuitBreaker {
    /// One that opens after so many failures in a row, for so long, and closes after one call that is ok.
    #[must_use]
    pub fn new(failures: u32, open_for: Duration) -> Self {
        Self {
            failures,
            open_for,
            trials: 1,
        }
    }
}

object! {
    /// Leaves a target alone that fails call after call.
    RawCircuitBreaker is "a circuit breaker such as {\"failures\": 5, \"open_for\": \"5s\"}" {
        /// So many failures in a row open it.
        "failures" [required] failures: Bounded<1, 1_000_000>,
        /// How long it is open.
        "open_for" [required] open_for: PositiveSpan,
        /// So many calls are tried then, and close it if all are ok. 1 unless given.
        "trials" trials: Bounded<1, 1000>,
    }
    hints {
        "consecutive_failures" => "that is `failures`",
        "threshold" => "that is `failures`",
        "timeout" => "that is `open_for`",
        "half_open" => "that is `trials`",
        "success_threshold" => "that is `trials`",
    }
}

impl Layers<'_> {
    /// When a target is left alone; `None` where what is said of it is wrong.
    pub(super) fn circuit_breaker(&self) -> Option<Option<CircuitBreaker>> {
        let picked = self.pick("circuit_breaker", |raw| &raw.circuit_breaker);
        picked.entry.or(Some(None), |raw| {
            Some(Some(CircuitBreaker {
                failures: raw.failures.given()?.small(),
                open_for: raw.open_for.given()?.0,
                trials: raw.trials.or(1, |count| count.small())?,
            }))
        })?
    }
}

/// A breaker as it is written.
pub(super) fn print(breaker: &CircuitBreaker) -> RawCircuitBreaker {
    RawCircuitBreaker {
        failures: Entry::Given(Bounded::of(breaker.failures)),
        open_for: Entry::Given(PositiveSpan(breaker.open_for)),
        trials: Entry::Given(Bounded::of(breaker.trials)),
    }
}
