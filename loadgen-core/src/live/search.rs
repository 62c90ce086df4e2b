//! A search for a capacity that goes on, in the words that its page has for it.

use std::time::Duration;

use crate::capacity::{Offered, Step};
use crate::report::page::purpose;
use crate::report::{Capacity, Progress};
use crate::units::human;

/// A search for a capacity that goes on: what is known, and what is being done.
#[derive(Debug, Clone)]
pub struct Search {
    pub(super) known: Capacity,
    step: Option<Step>,
    /// How long it had gone on, in seconds, when that was known.
    since_s: f64,
}

impl Search {
    /// What would be found were it stopped now, and the step that it takes by now; none between two of them.
    #[must_use]
    pub fn new(known: &Capacity, step: Option<Step>) -> Self {
        Self {
            since_s: known.took_s,
            known: known.clone(),
            step,
        }
    }

    /// The step has gone on for so long.
    pub(super) fn goes_on(&mut self, at: Duration) {
        self.known.took_s = self.since_s + at.as_secs_f64();
    }

    /// What is being done.
    pub(super) fn now(&self) -> String {
        match self.step {
            Some(Step::Trial(trial)) => {
                let time = human::duration(trial.duration);
                let what = purpose(trial.purpose);
                format!("{} for {time}, {what}", self.called())
            }
            Some(Step::CoolDown(_)) => {
                "rest: one user alone is asked for until it is answered as before all load"
                    .to_owned()
            }
            Some(Step::Rest(_)) => "rest: the service is left alone".to_owned(),
            Some(Step::Done) | None => "the next trial is chosen".to_owned(),
        }
    }

    /// What its trial is called: `trial 9, 460/s`.
    pub(super) fn called(&self) -> String {
        let nth = self.known.trials.len() + 1;
        let Some(Step::Trial(trial)) = self.step else {
            return format!("trial {nth}");
        };
        let offered = match trial.offered {
            Offered::Users(users) => human::counted(users.into(), "user"),
            Offered::Rate(per_second) => human::rate(per_second),
        };
        format!("trial {nth}, {offered}")
    }

    /// How far the search of what is called so has come.
    pub(super) fn progress(&self, name: &str) -> Progress {
        let time = |s: f64| human::duration(Duration::from_secs(s.max(0.0) as u64));
        let (took, budget) = (time(self.known.took_s), time(self.known.budget_s));
        Progress {
            sentence: "There is no answer before the end: bounds move as trials come.",
            whole: Some(format!("{}; {took} of {budget} used", self.now())),
            ..Progress::running(
                "SEARCHING",
                format!("{name}, capacity {}", self.known.bounds()),
            )
        }
    }
}
