//! How thoroughly a search is made.

use std::time::Duration;

use crate::units::format_duration;

/// The shortest trial: below, what a trial says is more chance than service.
const SHORTEST_TRIAL: Duration = Duration::from_millis(100);
/// The longest rest after a bad trial.
const MOST_REST: Duration = Duration::from_secs(10);
/// How much of a trial's length is load before it, within bounds.
const WARM_UP_PART: u32 = 10;
const LEAST_WARM_UP: Duration = Duration::from_millis(100);
const MOST_WARM_UP: Duration = Duration::from_secs(2);

/// How long there is load before a trial of this length that is not measured.
pub(super) fn warm_up(duration: Duration) -> Duration {
    (duration / WARM_UP_PART).clamp(LEAST_WARM_UP, MOST_WARM_UP)
}

/// How long trials are, how many decide, and how close the bounds are to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// The duration of the trials that find where the bounds may be.
    pub initial_duration: Duration,
    /// The duration of the trials that decide: full-length ones.
    pub final_duration: Duration,
    /// A load is a bound when its trials have lasted so long together, or when what is missing could not
    /// change anything.
    pub duration_sum: Duration,
    /// The part of these durations that bad trials may make up at a lower bound, 0 to below 1.
    pub exceed_ratio: f64,
    /// How far the bounds may be apart in the end, as a share of the upper one.
    pub width: f64,
    /// The duration of the trial that confirms the lower bound, longer than any other.
    pub confirmation_duration: Duration,
    /// A bound is settled only when trials that were held and not held at random, evenly, would look as
    /// much like a bound no more often than this; 1 asks for nothing beyond `duration_sum`.
    pub doubt: f64,
    /// How long the service is left alone after a bad trial before a full-length one.
    pub rest: Duration,
    /// How long the search may take, cool-downs included.
    pub budget: Duration,
}

/// Why a method is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// The width is none.
    #[error(
        "the width {found} is out of range; expected more than 0.05 % and at most 50 %, such as 2 %"
    )]
    Width {
        /// What was asked for, as a percentage.
        found: String,
    },
    /// There is not enough time.
    #[error(
        "a budget of {} is too short for a search; expected at least {}", format_duration(*.found), format_duration(*.least)
    )]
    Budget {
        /// What was asked for.
        found: Duration,
        /// What a search takes at least.
        least: Duration,
    },
    /// The exceed ratio is none.
    #[error("the exceed ratio {found} is out of range; expected 0 to less than 1, such as 0.5")]
    ExceedRatio {
        /// What was asked for.
        found: f64,
    },
    /// The doubt is none.
    #[error("the doubt {found} is out of range; expected more than 0 and at most 1")]
    Doubt {
        /// What was asked for.
        found: f64,
    },
    /// A duration is shorter than the one it cannot be shorter than.
    #[error(
        "{name}, {}, is too short; expected at least {}, {least_name}", format_duration(*.found), format_duration(*.least)
    )]
    Duration {
        /// Which duration.
        name: &'static str,
        /// What it is.
        found: Duration,
        /// What it has to be at least.
        least: Duration,
        /// What that is.
        least_name: &'static str,
    },
}

impl Method {
    /// The budget of a search unless told.
    pub const BUDGET: Duration = Duration::from_secs(300);
    /// The shortest budget that there is a method for.
    pub const LEAST_BUDGET: Duration = Duration::from_secs(15);
    /// The width between bounds unless told.
    pub const WIDTH: f64 = 0.02;
    /// The greatest width between bounds: further apart they are no answer.
    pub const MOST_WIDTH: f64 = 0.5;
    /// What a width has to be above: rates are rounded, and no trial tells loads so close apart.
    pub const LEAST_WIDTH: f64 = 0.0005;

    /// The method that ends well within a budget: what it leaves is for cooling down between trials, for
    /// a ramp before them, and for services that are hard to tell.
    ///
    /// # Errors
    /// [`MethodError`] for a budget below 15 s, or a width that is not above 0.05 % and at most 50 %.
    pub fn within(budget: Duration, width: f64) -> Result<Self, MethodError> {
        if budget < Self::LEAST_BUDGET {
            return Err(MethodError::Budget {
                found: budget,
                least: Self::LEAST_BUDGET,
            });
        }
        let final_duration = budget / 30;
        let method = Self {
            initial_duration: final_duration / 3,
            final_duration,
            duration_sum: final_duration * 3,
            exceed_ratio: 0.5,
            width,
            confirmation_duration: final_duration * 2,
            doubt: 0.125,
            rest: MOST_REST.min(budget / 18),
            budget,
        };
        method.check()?;
        Ok(method)
    }

    /// Whether a search can be made by it.
    ///
    /// # Errors
    /// [`MethodError`] for the first field that is out of range.
    pub fn check(&self) -> Result<(), MethodError> {
        if !(self.width > Self::LEAST_WIDTH && self.width <= Self::MOST_WIDTH) {
            return Err(MethodError::Width {
                found: format!("{} %", self.width * 100.0),
            });
        }
        if !(0.0..1.0).contains(&self.exceed_ratio) {
            return Err(MethodError::ExceedRatio {
                found: self.exceed_ratio,
            });
        }
        if !(self.doubt > 0.0 && self.doubt <= 1.0) {
            return Err(MethodError::Doubt { found: self.doubt });
        }
        let durations = [
            ("the shortest trial", SHORTEST_TRIAL),
            ("the initial trial duration", self.initial_duration),
            ("the final trial duration", self.final_duration),
            ("the duration sum", self.duration_sum),
        ];
        for pair in durations.windows(2) {
            let [(least_name, least), (name, found)] = [pair[0], pair[1]];
            if found < least {
                return Err(MethodError::Duration {
                    name,
                    found,
                    least,
                    least_name,
                });
            }
        }
        if self.confirmation_duration < self.final_duration {
            return Err(MethodError::Duration {
                name: "the confirmation duration",
                found: self.confirmation_duration,
                least: self.final_duration,
                least_name: "the final trial duration",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn method() -> Method {
        Method::within(Duration::from_secs(90), 0.02).unwrap()
    }

    #[test]
    fn trials_are_a_part_of_the_budget() {
        let method = method();
        assert_eq!(method.final_duration, Duration::from_secs(3));
        assert_eq!(method.initial_duration, Duration::from_secs(1));
        assert_eq!(method.rest, Duration::from_secs(5));
        assert!(method.confirmation_duration > method.final_duration);
    }

    #[test_case(10, 0.02 => "a budget of 10s is too short for a search; expected at least 15s")]
    #[test_case(90, 0.0 => "the width 0 % is out of range; expected more than 0.05 % and at most 50 %, such as 2 %"; "no width")]
    #[test_case(90, 0.6 => "the width 60 % is out of range; expected more than 0.05 % and at most 50 %, such as 2 %"; "wide")]
    #[test_case(90, f64::NAN => "the width NaN % is out of range; expected more than 0.05 % and at most 50 %, such as 2 %"; "no number")]
    fn refused(budget_s: u64, width: f64) -> String {
        Method::within(Duration::from_secs(budget_s), width)
            .unwrap_err()
            .to_string()
    }

    #[test_case(&Method { exceed_ratio: 1.0, ..method() } => "the exceed ratio 1 is out of range; expected 0 to less than 1, such as 0.5")]
    #[test_case(&Method { doubt: 0.0, ..method() } => "the doubt 0 is out of range; expected more than 0 and at most 1")]
    #[test_case(&Method { initial_duration: Duration::ZERO, ..method() } => "the initial trial duration, 0s, is too short; expected at least 100ms, the shortest trial")]
    #[test_case(&Method { final_duration: Duration::from_millis(500), ..method() } => "the final trial duration, 500ms, is too short; expected at least 1s, the initial trial duration")]
    #[test_case(&Method { duration_sum: Duration::from_secs(2), ..method() } => "the duration sum, 2s, is too short; expected at least 3s, the final trial duration")]
    #[test_case(&Method { confirmation_duration: Duration::from_secs(2), ..method() } => "the confirmation duration, 2s, is too short; expected at least 3s, the final trial duration")]
    fn unfit(method: &Method) -> String {
        method.check().unwrap_err().to_string()
    }
}
