//! How arrivals are waited for: asleep, looking at the clock for the last stretch, or asleep to a grid.
//!
//! Owns the choice and its bounds. Waiting itself is the pacer's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::process;
use crate::units::{UnitError, format_duration, parse_duration};

/// How the pacer waits for an arrival that is due. It only concerns open models: in a closed one nothing
/// is due at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pacing(Way);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Exact,
    Busy(Duration),
    Grid(Duration),
    Auto,
}

impl Pacing {
    /// Asleep until the moment has come, as exactly as the system wakes.
    pub const EXACT: Self = Self(Way::Exact);
    /// Busy polling for as long as waking takes on most machines: 50 µs.
    pub const BUSY: Self = Self(Way::Busy(Duration::from_micros(50)));
    /// Asleep until the next tick of a grid of 100 µs.
    pub const GRID: Self = Self(Way::Grid(Duration::from_micros(100)));
    /// A grid of 100 to 250 µs where waking for each arrival would take a large part of a processor, else
    /// exact.
    ///
    /// Each worker thread decides for itself, by the rate that it is to start arrivals at and by what waking up costs
    /// it; never beside a closed model, nor where what it receives has no stamps of the system's. The rules are in the
    /// book, under "A grid". What a workload of one's own receives is not looked at: beside one of loadgen's on the
    /// same worker its times would have up to a tick in them.
    pub const AUTO: Self = Self(Way::Auto);
    /// The shortest stretch that can be spent awake.
    pub const SHORTEST: Duration = Duration::from_micros(1);
    /// The longest: what wakes up later than this is held up by something else than its sleep.
    pub const LONGEST: Duration = Duration::from_millis(1);
    /// The finest grid: what is due within this is waited for together anyway.
    pub const FINEST: Duration = Duration::from_micros(25);
    /// The coarsest: what starts later than this is late.
    pub const COARSEST: Duration = Duration::from_millis(1);

    /// Busy polling for this last stretch of each wait, from [`SHORTEST`](Self::SHORTEST) to
    /// [`LONGEST`](Self::LONGEST).
    ///
    /// It takes processor time for exactness: how long it takes a processor to wake up is then in no
    /// figure. Between two looks at the clock whatever else a worker has to do is done.
    ///
    /// # Errors
    /// When it is shorter or longer than that.
    pub fn busy(stretch: Duration) -> Result<Self, PacingError> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&stretch) {
            Ok(Self(Way::Busy(stretch)))
        } else {
            Err(PacingError::OutOfRange {
                found: format_duration(stretch),
            })
        }
    }

    /// Asleep until the next tick of a grid, so far apart, from [`FINEST`](Self::FINEST) to
    /// [`COARSEST`](Self::COARSEST).
    ///
    /// It gives exactness for processor time: a worker thread whose scenarios all have open models wakes
    /// up once for whatever fell due and came since the tick before. Up to a tick is start lag then, and
    /// where the system does not stamp what it receives, as on UNIX sockets, in the service time, too.
    /// Linux only.
    ///
    /// # Errors
    /// When it is finer or coarser than that.
    pub fn grid(ticks_apart: Duration) -> Result<Self, PacingError> {
        if (Self::FINEST..=Self::COARSEST).contains(&ticks_apart) {
            Ok(Self(Way::Grid(ticks_apart)))
        } else {
            Err(PacingError::GridOutOfRange {
                found: format_duration(ticks_apart),
            })
        }
    }

    /// The stretch that is spent awake; zero where all of the wait is slept.
    #[must_use]
    pub fn stretch(self) -> Duration {
        match self.0 {
            Way::Busy(stretch) => stretch,
            _ => Duration::ZERO,
        }
    }

    /// Whether some of the wait is spent awake.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self.0, Way::Busy(_))
    }

    /// How far apart the ticks are of the grid that was asked for, where one was.
    #[must_use]
    pub fn ticks_apart(self) -> Option<Duration> {
        match self.0 {
            Way::Grid(apart) => Some(apart),
            _ => None,
        }
    }

    /// Makes sure that the calling thread, and those that it starts, can wait like this.
    ///
    /// # Errors
    /// When it is to wait awake and has real-time priority: the kernel stops such threads for
    /// tens of milliseconds when they leave nothing to others. When it is to sleep to a grid on a system
    /// that has none.
    pub fn check(self) -> Result<(), UnfitPacing> {
        if self.ticks_apart().is_some() && !cfg!(target_os = "linux") {
            return Err(UnfitPacing::NoGrid { pacing: self });
        }
        match process::real_time_policy() {
            Some(policy) if self.is_busy() => Err(UnfitPacing::RealTime {
                pacing: self,
                policy,
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Pacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Way::Exact => f.pad("exact"),
            Way::Auto => f.pad("auto"),
            Way::Busy(stretch) => f.pad(&format!("busy={}", format_duration(stretch))),
            Way::Grid(apart) => f.pad(&format!("grid={}", format_duration(apart))),
        }
    }
}

impl FromStr for Pacing {
    type Err = PacingError;

    fn from_str(text: &str) -> Result<Self, PacingError> {
        match text.split_once('=') {
            None if text == "auto" => Ok(Self::AUTO),
            None if text == "exact" => Ok(Self::EXACT),
            None if text == "busy" => Ok(Self::BUSY),
            None if text == "grid" => Ok(Self::GRID),
            Some(("busy", stretch)) => Self::busy(parse_duration(stretch)?),
            Some(("grid", apart)) => Self::grid(parse_duration(apart)?),
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
    #[error(
        "`{found}` is no pacing; expected `auto`, `exact`, `grid`, `busy`, or the latter two with a time \
         like `grid=250us` and `busy=50us`"
    )]
    Unknown {
        /// What was found.
        found: String,
    },
    /// No duration behind `busy=` or `grid=`.
    #[error(transparent)]
    Duration(#[from] UnitError),
    /// Too short or too long.
    #[error("busy polling for `{found}` is out of range; expected from 1us to 1ms")]
    OutOfRange {
        /// What was found.
        found: String,
    },
    /// Too fine or too coarse.
    #[error(
        "a grid with ticks `{found}` apart is out of range; expected from 25us, below which it spares \
         nothing, to 1ms, from which on arrivals are late"
    )]
    GridOutOfRange {
        /// What was found.
        found: String,
    },
}

/// A pacing that does not fit where it is to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitPacing {
    /// Busy polling with real-time priority.
    #[error(
        "pacing `{pacing}` and the scheduling policy {policy} do not go together: the kernel stops \
         real-time threads that never sleep, for tens of milliseconds at a time \
         (`kernel.sched_rt_runtime_us`); leave out the real-time priority (`chrt`), or pace `exact`"
    )]
    RealTime {
        /// The pacing.
        pacing: Pacing,
        /// The policy of the scheduler.
        policy: &'static str,
    },
    /// A grid where the system does not stamp what it receives, which every time would then be part of.
    #[error(
        "pacing `{pacing}` is for Linux only: this system does not tell when it received an answer, and \
         each would seem to take until the next tick; pace `exact`"
    )]
    NoGrid {
        /// The pacing.
        pacing: Pacing,
    },
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const UNKNOWN: &str = "is no pacing; expected `auto`, `exact`, `grid`, `busy`, or the latter two with a \
                           time like `grid=250us` and `busy=50us`";

    #[test_case("auto" => Ok("auto".to_owned()))]
    #[test_case("exact" => Ok("exact".to_owned()))]
    #[test_case("busy" => Ok("busy=50us".to_owned()))]
    #[test_case("busy=1us" => Ok("busy=1us".to_owned()); "shortest")]
    #[test_case("busy=1ms" => Ok("busy=1ms".to_owned()); "longest")]
    #[test_case("busy=999ns" => Err("busy polling for `999ns` is out of range; expected from 1us to 1ms".to_owned()); "too short")]
    #[test_case("busy=1.001ms" => Err("busy polling for `1.001ms` is out of range; expected from 1us to 1ms".to_owned()); "too long")]
    #[test_case("busy=50" => Err("`50` has no unit; expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"".to_owned()); "no unit")]
    #[test_case("grid" => Ok("grid=100us".to_owned()))]
    #[test_case("grid=250us" => Ok("grid=250us".to_owned()))]
    #[test_case("grid=25us" => Ok("grid=25us".to_owned()); "finest")]
    #[test_case("grid=1ms" => Ok("grid=1ms".to_owned()); "coarsest")]
    #[test_case("grid=0us" => Err(out_of_grid("0s")); "no grid")]
    #[test_case("grid=24us" => Err(out_of_grid("24us")); "too fine")]
    #[test_case("grid=2ms" => Err(out_of_grid("2ms")); "too coarse")]
    #[test_case("grid=abc" => Err("`abc` is not a duration; expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"".to_owned()); "no time")]
    #[test_case("exact=1us" => Err(format!("`exact=1us` {UNKNOWN}")); "a stretch asleep")]
    #[test_case("auto=1us" => Err(format!("`auto=1us` {UNKNOWN}")); "chosen in part")]
    #[test_case("busy,grid" => Err(format!("`busy,grid` {UNKNOWN}")); "both")]
    #[test_case("" => Err(format!("`` {UNKNOWN}")); "nothing")]
    fn reads(text: &str) -> Result<String, String> {
        let pacing: Result<Pacing, _> = text.parse();
        if let Ok(pacing) = pacing {
            assert_eq!(pacing.to_string().parse(), Ok(pacing));
        }
        pacing
            .map(|it| it.to_string())
            .map_err(|error| error.to_string())
    }

    fn out_of_grid(found: &str) -> String {
        format!(
            "a grid with ticks `{found}` apart is out of range; expected from 25us, below which it spares \
             nothing, to 1ms, from which on arrivals are late"
        )
    }

    #[test]
    fn times_are_those_of_the_way() {
        assert_eq!(Pacing::BUSY.stretch(), Duration::from_micros(50));
        assert_eq!(Pacing::GRID.ticks_apart(), Some(Duration::from_micros(100)));
        for other in [Pacing::EXACT, Pacing::AUTO] {
            assert_eq!(
                (other.stretch(), other.ticks_apart()),
                (Duration::ZERO, None)
            );
        }
        assert_eq!(Pacing::GRID.check().is_ok(), cfg!(target_os = "linux"));
    }
}
