//! The exit codes, all of them. `docs/src/command-line.md` repeats this table.

use std::process::{self, ExitCode};

use loadgen_backends::ServeError;
use loadgen_backends::balance::http::manage::ManagementError;
use loadgen_backends::proxy::ProxyError;
use loadgen_core::driver::grpc::{DescribeError, DriverError};

use crate::backend::ServerError;
use crate::comparing::ComparingError;
use crate::coordinate::{CoordinateError, Refusal};
use crate::error::Error;
use crate::init::InitError;
use crate::output;
use crate::results::ResultError;
use crate::run::{self, RunError};
use crate::screen::keys;
use crate::settings::SettingsError;
use crate::sinks::SinkError;
use crate::ui::UiError;

/// What the process says to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well; a run passed. Help and version too.
    Pass = 0,
    /// Something unexpected: the system refused something, a result could not be written, a
    /// workload panicked.
    Unexpected = 1,
    /// Wrong usage: flags, environment, output paths, a file that is no result of a run, or more connections than files or
    /// local ports allow, or more memory than there is.
    Usage = 2,
    /// A threshold or expectation failed.
    Threshold = 99,
    /// The run is invalid and `--strict` was given.
    Invalid = 100,
    /// No target could be reached.
    Unreachable = 101,
    /// A step of a scenario's `setup` failed.
    Setup = 102,
    /// The shards of a run did not come together: one is missing, or has no place in it, or the coordinator cannot be
    /// reached. A shard that is started again after the load has begun ends so, too.
    Apart = 103,
    /// A scenario is invalid, unknown, or its file cannot be read.
    Scenario = 104,
    /// Stopped by a signal; the report covers what ran.
    Stopped = 105,
}

impl Exit {
    /// This one, or the other where that is worse: a signal goes before what could not be measured, and that before
    /// what was and failed.
    pub(crate) fn or_worse(self, other: Self) -> Self {
        if other as u8 > self as u8 {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Error> for Exit {
    /// The exit code that says what kind of error this is.
    fn from(error: &Error) -> Self {
        match error {
            Error::Load(_) | Error::Check { .. } => Self::Scenario,
            Error::Init(InitError::Terminal(_) | InitError::Write { .. }) => Self::Unexpected,
            Error::Result(ResultError::Write(_)) | Error::Comparing(ComparingError::Write(_)) => {
                Self::Unexpected
            }
            Error::AdHoc(_)
            | Error::Client(_)
            | Error::Init(_)
            | Error::Result(_)
            | Error::Merge(_)
            | Error::Kubernetes(_)
            | Error::Comparing(_)
            | Error::History(_) => Self::Usage,
            Error::Describe(DescribeError::Driver(DriverError::Unreachable(_))) => {
                Self::Unreachable
            }
            Error::Describe(_) => Self::Scenario,
            Error::InFlags { error, .. } => Self::from(&**error),
            Error::Ui(UiError::Thread { .. }) => Self::Unexpected,
            Error::Ui(_) => Self::Usage,
            Error::Settings(error) => of_settings(error),
            Error::Run(error) => of_run(error),
            Error::Coordinate(error) => of_coordinator(error),
            Error::Server(error) => of_server(error),
            Error::Print(_) | Error::Signals(_) => Self::Unexpected,
        }
    }
}

fn of_settings(error: &SettingsError) -> Exit {
    match error {
        SettingsError::Select(_) => Exit::Scenario,
        SettingsError::Coordinate(error) => of_coordinator(error),
        _ => Exit::Usage,
    }
}

/// What kept one shard from beginning kept all.
fn of_coordinator(error: &CoordinateError) -> Exit {
    match error {
        CoordinateError::Refused {
            kind: Refusal::Unreachable,
            ..
        } => Exit::Unreachable,
        CoordinateError::Refused {
            kind: Refusal::Setup,
            ..
        } => Exit::Setup,
        CoordinateError::Start(_) => Exit::Unexpected,
        CoordinateError::CalledOff => Exit::Stopped,
        error if error.is_usage() => Exit::Usage,
        _ => Exit::Apart,
    }
}

fn of_sink(error: &SinkError) -> Exit {
    match error {
        SinkError::Names(_) => Exit::Scenario,
        _ => Exit::Usage,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Pacing(_)
        | RunError::Limit(_)
        | RunError::Ports(_)
        | RunError::Memory(_)
        | RunError::Output(_)
        | RunError::Baseline(_)
        | RunError::Capacity(_)
        | RunError::Whole(_)
        | RunError::Journal(_) => Exit::Usage,
        RunError::Sink(error) => of_sink(error),
        RunError::Assemble(_) | RunError::Event(_) => Exit::Scenario,
        RunError::Unreachable(_) => Exit::Unreachable,
        RunError::Setup(_) => Exit::Setup,
        RunError::Apart(error) => of_coordinator(error),
        RunError::StoppedEarly => Exit::Stopped,
        RunError::Embedded(_)
        | RunError::Fleet(_)
        | RunError::Engine(_)
        | RunError::Panicked(_)
        | RunError::Print(_)
        | RunError::WriteOutput(_) => Exit::Unexpected,
    }
}

/// The system's doing, or what was asked for.
fn of_server(error: &ServerError) -> Exit {
    match error {
        ServerError::Serve(ServeError::Worker { .. })
        | ServerError::Management(ManagementError::Serve(ServeError::Worker { .. }))
        | ServerError::Proxy(ProxyError::Serve(ServeError::Worker { .. }))
        | ServerError::Stdin(_) => Exit::Unexpected,
        ServerError::Sink(error) => of_sink(error),
        ServerError::Serve(_)
        | ServerError::Environment(_)
        | ServerError::Resolve { .. }
        | ServerError::Config(_)
        | ServerError::Store(_)
        | ServerError::Management(_)
        | ServerError::Proxy(_)
        | ServerError::NoBackends
        | ServerError::DuplicateBackend { .. }
        | ServerError::OverlappingChecks => Exit::Usage,
    }
}

/// Ends the process without another word, and leaves no file and no command that was under way.
pub(crate) fn stop_at_once() -> ! {
    run::kill_commands();
    output::remove_unfinished();
    keys::leave();
    process::exit(i32::from(Exit::Stopped as u8));
}
