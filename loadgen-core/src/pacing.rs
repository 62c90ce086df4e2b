//! How the last stretch of a wait is spent: asleep, or looking at the clock.
//!
//! Owns the choice and its bounds. Waiting itself is the pacer's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::process;
use crate::units::{UnitError, format_duration, parse_duration};

/// How the pacer spends the last stretch of a wait for an arrival that is due.
///
/// Busy polling takes processor time for exactness: how long it takes a processor to wake up is
/// then in no figure. Between two looks at the clock whatever else a worker has to do is done. It
/// only concerns open models: in a closed one nothing is due at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pacing {
    busy: Duration,
}

impl Pacing {
    /// Asleep until the moment has come, as exactly as the system wakes.
    pub const EXACT: Self = Self {
        busy: Duration::ZERO,
    };
    /// Busy polling for as long as waking takes on most machines: 50 µs.
    pub const BUSY: Self = Self {
        busy: Duration::from_micros(50),
    };
    /// The shortest stretch that can be spent awake.
    pub const SHORTEST: Duration = Duration::from_micros(1);
    /// The longest: what wakes up later than this is held up by something else than its sleep.
    pub const LONGEST: Duration = Duration::from_millis(1);

    /// Busy polling for this last stretch of each wait, from [`SHORTEST`](Self::SHORTEST) to
    /// [`LONGEST`](Self::LONGEST).
    ///
    /// # Errors
    /// When it is shorter or longer than that.
    pub fn busy(stretch: Duration) -> Result<Self, PacingError> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&stretch) {
            Ok(Self { busy: stretch })
        } else {
            Err(PacingError::OutOfRange {
                found: format_duration(stretch),
            })
        }
    }

    /// The stretch that is spent awake; zero where all of the wait is slept.
    #[must_use]
    pub fn stretch(self) -> Duration {
        self.busy
    }

    /// Whether some of the wait is spent awake.
    #[must_use]
    pub fn is_busy(self) -> bool {
        !self.busy.is_zero()
    }

    /// Makes sure that the calling thread, and those that it starts, can wait like this.
    ///
    /// # Errors
    /// When it is to wait awake and has real-time priority: the kernel stops such threads for
    /// tens of milliseconds when they leave nothing to others.
    pub fn check(self) -> Result<(), RealTimeError> {
        match process::real_time_policy() {
            Some(policy) if self.is_busy() => Err(RealTimeError {
                pacing: self,
                policy,
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Pacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_busy() {
            f.pad(&format!("busy={}", format_duration(self.busy)))
        } else {
            f.pad("exact")
        }
    }
}

impl FromStr for Pacing {
    type Err = PacingError;

    fn from_str(text: &str) -> Result<Self, PacingError> {
        match text.split_once('=') {
            None if text == "exact" => Ok(Self::EXACT),
            None if text == "busy" => Ok(Self::BUSY),
            Some(("busy", stretch)) => Self::busy(parse_duration(stretch)?),
            _ => Err(PacingError::Unknown {
                found: text.chars().take(40).collect(),
            }),
        }
    }
}

/// What is no pacing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacingError {
    /// Another word.
    #[error("`{found}` is no pacing; expected `exact`, `busy`, or `busy=TIME` like `busy=50us`")]
    Unknown {
        /// What was found.
        found: String,
    },
    /// No duration behind `busy=`.
    #[error(transparent)]
    Duration(#[from] UnitError),
    /// Too short or too long.
    #[error("busy polling for `{found}` is out of range; expected from 1us to 1ms")]
    OutOfRange {
        /// What was found.
        found: String,
    },
}

/// Busy polling with real-time priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "pacing `{pacing}` and the scheduling policy {policy} do not go together: the kernel stops \
     real-time threads that never sleep, for tens of milliseconds at a time \
     (`kernel.sched_rt_runtime_us`); leave out the real-time priority (`chrt`), or pace `exact`"
)]
pub struct RealTimeError {
    pacing: Pacing,
    policy: &'static str,
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("exact" => Ok(0))]
    #[test_case("busy" => Ok(50_000))]
    #[test_case("busy=50us" => Ok(50_000))]
    #[test_case("busy=1us" => Ok(1_000); "shortest")]
    #[test_case("busy=1ms" => Ok(1_000_000); "longest")]
    #[test_case("busy=999ns" => Err("busy polling for `999ns` is out of range; expected from 1us to 1ms".to_owned()); "too short")]
    #[test_case("busy=1.001ms" => Err("busy polling for `1.001ms` is out of range; expected from 1us to 1ms".to_owned()); "too long")]
    #[test_case("busy=50" => Err("`50` has no unit; expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"".to_owned()); "no unit")]
    #[test_case("exact=1us" => Err("`exact=1us` is no pacing; expected `exact`, `busy`, or `busy=TIME` like `busy=50us`".to_owned()); "a stretch asleep")]
    #[test_case("" => Err("`` is no pacing; expected `exact`, `busy`, or `busy=TIME` like `busy=50us`".to_owned()); "nothing")]
    fn reads(text: &str) -> Result<u128, String> {
        let pacing: Result<Pacing, _> = text.parse();
        if let Ok(pacing) = pacing {
            assert_eq!(pacing.to_string().parse(), Ok(pacing));
        }
        pacing
            .map(|it| it.stretch().as_nanos())
            .map_err(|error| error.to_string())
    }
}
