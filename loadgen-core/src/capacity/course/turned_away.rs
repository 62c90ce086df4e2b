//! A service that turns away what is above a rate, asked by one user alone.

use super::{Course, Seen};
use crate::report::{Trial, TrialResult};
use crate::units::Rate;
use crate::units::human;

/// One user alone who was turned away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeldBack {
    /// How many iterations a second it starts since then, at the most.
    to: Rate,
    /// How many a second completed before.
    pub(super) completed_per_s: f64,
}

impl Course {
    /// How many iterations a second one user alone starts at the most; `None` where it comes again as soon as it is done.
    pub(in crate::capacity) fn held_to(&self) -> Option<Rate> {
        self.held_back.map(|it| it.to)
    }

    /// Whether one user alone, who was too much, is to be tried once more, held to the lowest rate: a service that turns
    /// away what is above a rate does so quickly, and so is asked at a multiple of it. Not where goals on time broke, all
    /// failed, or it asked no faster than that.
    pub(super) fn hold_back(&mut self, alone: &Trial, seen: &Seen) -> bool {
        let failed = alone.error_rate.unwrap_or_default();
        let is_partly = failed > 0.0 && failed < 1.0;
        let is_of_failures = seen.breach.as_ref().is_some_and(|it| it.outcome.is_some());
        let broke = alone.result == TrialResult::Broke;
        if !broke || !is_partly || !is_of_failures {
            return false;
        }
        if let Some(held_back) = self.held_back {
            self.notes.push(format!(
                "held to {}, {} of the user's iterations failed: a lower `--from` may be what the service takes; of those \
                 at once {} completed",
                held_back.to,
                human::percent(failed),
                human::rate(held_back.completed_per_s)
            ));
            return false;
        }
        // Those that failed are none of the completed.
        let asked_per_s = alone.completed_per_s / (1.0 - failed);
        let what = format!(
            "one user alone made {}, and {} of them failed",
            human::rate(asked_per_s),
            human::percent(failed)
        );
        let Some(lowest) = self.plan.from else {
            self.notes.push(format!(
                "{what}; if the service turns away what is above a rate, a `--from RATE` below it holds the user to that"
            ));
            return false;
        };
        if lowest.per_second() >= asked_per_s {
            return false;
        }
        self.notes.push(format!(
            "{what}; it was then held to {lowest}, and no more users were tried"
        ));
        self.held_back = Some(HeldBack {
            to: lowest,
            completed_per_s: alone.completed_per_s,
        });
        true
    }
}
