//! After a trial: whether the service is as it was before all load.

use std::time::Duration;

use super::{Course, Phase};
use crate::report::{CapacityEnd, Trial};
use crate::units::human;

/// It is back when its median is no more than so many times what it was, and a little that is nobody's.
const BACK: f64 = 1.5;
const NOBODYS: f64 = 100.0;

/// What one user alone found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// Answers, with this median in microseconds.
    Answered(f64),
    /// Answers, and most of them failures.
    Failing,
    /// Nobody.
    Gone,
}

/// A service that is looked at after a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CoolingDown {
    since: Duration,
    /// The worst that was found since.
    away: Option<Away>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Away {
    Failing,
    Gone,
}

impl Away {
    fn words(self) -> &'static str {
        match self {
            Self::Failing => "one user alone had mostly failures",
            Self::Gone => "the service was gone",
        }
    }
}

impl Course {
    /// The service is looked at until it is as before.
    pub(super) fn cool_down(&mut self, since: Duration) {
        self.cooling = Some(CoolingDown { since, away: None });
    }

    /// One user alone was looked at.
    pub fn cooled(&mut self, look: Look, elapsed: Duration) {
        let Some(cooling) = &mut self.cooling else {
            return;
        };
        let rested = elapsed.saturating_sub(cooling.since);
        let (p50_us, away) = match look {
            Look::Answered(p50_us) => (Some(p50_us), None),
            Look::Failing => (None, Some(Away::Failing)),
            Look::Gone => (None, Some(Away::Gone)),
        };
        cooling.away = cooling.away.max(away);
        let cooling = *cooling;
        let usual = self.idle_p50().map_or(0.0, |it| it.as_secs_f64() * 1e6);
        let is_back = p50_us.is_some_and(|it| it <= usual * BACK + NOBODYS);
        // When nothing comes after it one look is enough, unless nobody was there.
        let is_enough = p50_us.is_some() && self.is_over(elapsed);
        if !is_back && !is_enough && rested < self.longest_rest {
            return;
        }
        self.cooling = None;
        let last = self.trials.last();
        let after = last.map_or_else(String::new, Trial::load);
        let time = human::duration(rested);
        if is_back {
            if let Some(last) = self.trials.last_mut() {
                last.cool_down_s = Some(super::super::conclude::round(rested.as_secs_f64()));
            }
            if let Some(away) = cooling.away {
                let note = format!("after {after} {}, and back after {time}", away.words());
                self.notes.push(note);
            }
            return;
        }
        let Some(p50_us) = p50_us else {
            let away = cooling.away.unwrap_or(Away::Gone).words();
            let note = format!("after {after} {away}, and not back within {time}");
            self.notes.push(note);
            self.phase = Phase::Done(CapacityEnd::Died);
            return;
        };
        let (now, before) = (human::micros(p50_us), human::micros(usual));
        self.notes.push(format!(
            "{time} after {after} one user alone was still answered in {now}, and in {before} before all load"
        ));
    }

    /// The service was not there for what was next.
    pub fn gone(&mut self, elapsed: Duration) {
        self.asked = None;
        match self.cooling {
            Some(_) => self.cooled(Look::Gone, elapsed),
            None => {
                self.cooling = Some(CoolingDown {
                    since: elapsed,
                    away: Some(Away::Gone),
                });
            }
        }
    }
}
