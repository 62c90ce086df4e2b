//! What flags may change in a scenario, and why they may not.

use std::time::Duration;

use super::protocol::Codec;
use super::reader::problem::SuiteError;
use super::value::target::Target;
use super::value::{Connections, Iterations, Users};
use crate::units::{MAX_DURATION, Rate, format_duration};

/// What to change in a scenario; what is `None` or empty stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// Iterations in all. Takes the place of a duration, unless both are given: then whichever
    /// comes first ends the load.
    pub requests: Option<u64>,
    /// Users; in an open model the most users.
    pub concurrency: Option<u32>,
    /// How long. Takes the place of an iteration count, unless `requests` are given too.
    pub duration: Option<Duration>,
    /// A constant rate. Turns a closed model into an open one.
    pub rate: Option<Rate>,
    /// Connections over all workers (gRPC).
    pub connections: Option<u32>,
    /// Who speaks HTTP/2 (gRPC).
    pub codec: Option<Codec>,
    /// The longest an iteration may take.
    pub timeout: Option<Duration>,
    /// Where to send, instead of the scenario's own targets.
    pub targets: Vec<Target>,
}

/// Why a scenario cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideError {
    /// Overrides that contradict one another.
    #[error("{flags} contradict one another: {reason}")]
    Conflict {
        /// The flags.
        flags: &'static str,
        /// Why they do.
        reason: String,
    },
    /// A value outside of its bounds.
    #[error("{flag} is {found}; expected {expected}")]
    OutOfBounds {
        /// The flag.
        flag: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// More iterations than a scenario may take time for.
    #[error("{requests} iterations at {rate} take more than 30 days")]
    TooLong {
        /// The iterations.
        requests: u64,
        /// The rate.
        rate: String,
    },
    /// So many iterations of what lasts for as long as the load: neither would end.
    #[error(
        "--requests {requests} gives its load no end in time, and its streams last as long as that; expected --duration, \
         beside it or in its place"
    )]
    Endless {
        /// The iterations.
        requests: u64,
    },
    /// The scenario would be impossible with them.
    #[error("the scenario would not be valid: {0}")]
    Impossible(#[from] SuiteError),
}

impl Overrides {
    /// Whether each value is one that a scenario may have.
    pub(in crate::scenario) fn check_bounds(&self) -> Result<(), OverrideError> {
        let number =
            |flag, value: Option<u64>, allowed: fn(u64) -> bool, expected: fn() -> String| {
                match value.filter(|value| !allowed(*value)) {
                    Some(value) => Err(OverrideError::OutOfBounds {
                        flag,
                        found: value.to_string(),
                        expected: expected(),
                    }),
                    None => Ok(()),
                }
            };
        let time = |flag, value: Option<Duration>| match value
            .filter(|value| value.is_zero() || *value > MAX_DURATION)
        {
            Some(value) => Err(OverrideError::OutOfBounds {
                flag,
                found: format_duration(value),
                expected: "a duration above zero, at most 30 days".to_owned(),
            }),
            None => Ok(()),
        };
        number(
            "--requests",
            self.requests,
            Iterations::allows,
            Iterations::expected,
        )?;
        number(
            "--concurrency",
            self.concurrency.map(u64::from),
            Users::allows,
            Users::expected,
        )?;
        number(
            "--connections",
            self.connections.map(u64::from),
            Connections::allows,
            Connections::expected,
        )?;
        time("--duration", self.duration)?;
        time("--timeout", self.timeout)
    }
}
