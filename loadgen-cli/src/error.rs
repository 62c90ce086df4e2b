//! Whatever ends a command before its work is done, and the exit code that stands for it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use loadgen_backends::ServeError;
use loadgen_core::AssembleError;
use loadgen_core::engine::RunError;
use loadgen_core::pacer::RealTimeError;
use loadgen_core::scenario;

use crate::commands::serve;
use crate::exit::Exit;
use crate::{doctor, embedded, env, human, limits, output, settings, sinks};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Flags that contradict one another or the scenario.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// A pacing that does not go together with how this process is scheduled.
    #[error(transparent)]
    Pacing(#[from] RealTimeError),
    /// A target on the command line.
    #[error("invalid target: {0}")]
    Target(#[from] scenario::TargetError),
    /// A variable of the environment.
    #[error(transparent)]
    Environment(#[from] env::EnvError),
    /// Where metrics were to go.
    #[error("failed to send metrics to StatsD at {address}: {source}")]
    Statsd {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Names that StatsD could not tell apart, or no socket for it.
    #[error(transparent)]
    StatsdNames(#[from] loadgen_core::sink::statsd::StatsdError),
    /// Where metrics or marks were to go, or be scraped.
    #[error(transparent)]
    Sink(#[from] sinks::SinkError),
    /// The open-file limit.
    #[error(transparent)]
    Limit(#[from] limits::LimitError),
    /// The local ports.
    #[error(transparent)]
    Ports(#[from] doctor::PortError),
    /// The memory.
    #[error(transparent)]
    Memory(#[from] doctor::MemoryError),
    /// An output path.
    #[error(transparent)]
    Output(#[from] output::OutputError),
    /// A suite that is not valid; every problem at once.
    #[error(transparent)]
    Suite(#[from] scenario::SuiteError),
    /// A scenario name that is not there.
    #[error("{}", with_hint(.0))]
    Select(#[from] scenario::SelectError),
    /// Scenarios that read well and name what is not there; every one of them.
    #[error("{file}: {}", listed(problems))]
    Check {
        /// What the file is called.
        file: String,
        /// What is wrong with each scenario.
        problems: Vec<AssembleError>,
    },
    /// A suite file that cannot be read.
    #[error("failed to read scenarios from {}: {source}", path.display())]
    ReadSuite {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded backend did not come up.
    #[error(transparent)]
    Embedded(#[from] embedded::EmbeddedError),
    /// The embedded backend was gone before the load was over.
    #[error("the embedded backend ended before the load did ({0})")]
    EmbeddedEnded(ExitStatus),
    /// Reference servers could not be started.
    #[error("failed to serve: {0}")]
    Serve(ServeError),
    /// An address to listen on that is none.
    #[error("failed to serve: cannot listen on {address}: {reason}")]
    Resolve {
        /// As it was given.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A plan could not be turned into a run: a method or file that it names is not there.
    #[error("failed to prepare the run: {0}")]
    Assemble(AssembleError),
    /// The engine could not start.
    #[error("failed to start the run: {0}")]
    Engine(RunError),
    /// No target could be reached.
    #[error("no target could be reached: {0}")]
    Unreachable(String),
    /// A signal came before anything was measured.
    #[error("stopped before the load began; nothing was measured")]
    StoppedEarly,
    /// A result that could not be written although its path was ready.
    #[error(transparent)]
    WriteOutput(output::OutputError),
    /// Everything else.
    #[error("{doing}: {source}")]
    Unexpected {
        /// What was being done, as "failed to …".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a name is looked for that no other is like.
fn with_hint(error: &scenario::SelectError) -> String {
    let hint = match error {
        scenario::SelectError::Unknown { names } if names.iter().any(|it| it.nearest.is_none()) => {
            "; `loadgen list` shows them all, and those of a file need `loadgen run FILE`"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

fn listed(problems: &[AssembleError]) -> String {
    let lines: String = problems.iter().map(|it| format!("\n  {it}")).collect();
    human::counted(problems.len() as u64, "problem") + &lines
}

impl Error {
    /// The exit code that says what kind of error this is.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_)
            | Self::Pacing(_)
            | Self::Target(_)
            | Self::Environment(_)
            | Self::Statsd { .. }
            | Self::Sink(_)
            | Self::Limit(_)
            | Self::Ports(_)
            | Self::Memory(_)
            | Self::Resolve { .. }
            | Self::Output(_) => Exit::Usage,
            Self::Suite(_)
            | Self::Select(_)
            | Self::Check { .. }
            | Self::ReadSuite { .. }
            | Self::StatsdNames(_)
            | Self::Assemble(_) => Exit::Scenario,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::StoppedEarly => Exit::Stopped,
            Self::Serve(error) => serve::exit_of(error),
            Self::WriteOutput(_)
            | Self::Embedded(_)
            | Self::EmbeddedEnded(_)
            | Self::Engine(_)
            | Self::Unexpected { .. } => Exit::Unexpected,
        }
    }
}
