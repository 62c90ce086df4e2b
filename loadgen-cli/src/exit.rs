//! The exit codes, all of them. `docs/src/command-line.md` repeats this table.

use std::process::ExitCode;

/// What the process says to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well; a run passed. Help and version too.
    Pass = 0,
    /// Something unexpected: the system refused something, a result could not be written, a
    /// workload panicked.
    Unexpected = 1,
    /// Wrong usage: flags, environment, output paths, or more connections than files or
    /// local ports allow, or more memory than there is.
    Usage = 2,
    /// A threshold or expectation failed.
    Threshold = 99,
    /// The run is invalid and `--strict` was given.
    Invalid = 100,
    /// No target could be reached.
    Unreachable = 101,
    /// A scenario is invalid, unknown, or its file cannot be read.
    Scenario = 104,
    /// Stopped by a signal; the report covers what ran.
    Stopped = 105,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
