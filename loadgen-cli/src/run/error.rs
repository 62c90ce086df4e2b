//! Why a run could not be measured, or not be told of.

use loadgen_core::AssembleError;
use loadgen_core::capacity::CapacityError;
use loadgen_core::engine;
use loadgen_core::journal::JournalError;
use loadgen_core::pacer::UnfitPacing;

use crate::backend::{EmbeddedError, FleetError};
use crate::comparing::ComparingError;
use crate::coordinate::CoordinateError;
use crate::doctor::{MemoryError, PortError};
use crate::limits::LimitError;
use crate::output::{OutputError, PrintError};
use crate::results::ResultError;
use crate::sinks::SinkError;

/// Why a run could not be measured, or not be told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// A pacing that does not go together with how this process is scheduled.
    #[error(transparent)]
    Pacing(#[from] UnfitPacing),
    /// The open-file limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The local ports.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// The memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Earlier runs that this one could not be held against.
    #[error(transparent)]
    Baseline(#[from] ComparingError),
    /// Where metrics or marks were to go, or be scraped.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A path that a result cannot be written to.
    #[error(transparent)]
    Output(OutputError),
    /// A journal that was asked for.
    #[error("{0}; name another folder, or keep none (`--no-journal`)")]
    Journal(JournalError),
    /// The embedded backend.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The suite's servers.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// An event that could not be got ready.
    #[error("{0}")]
    Event(String),
    /// A plan could not be turned into a run: a method or file that it names is not there.
    #[error("failed to prepare the run: {0}")]
    Assemble(AssembleError),
    /// The engine could not start.
    #[error("failed to start the run: {0}")]
    Engine(engine::RunError),
    /// No target could be reached.
    #[error("no target could be reached: {0}")]
    Unreachable(String),
    /// What has to be done before the load failed.
    #[error("{0}")]
    Setup(String),
    /// What is looked for is no capacity, or none of this scenario.
    #[error(transparent)]
    Capacity(CapacityError),
    /// The shards of the run did not come together.
    #[error(transparent)]
    Apart(#[from] CoordinateError),
    /// The results of all shards, which make none of the whole.
    #[error(transparent)]
    Whole(ResultError),
    /// A signal came before anything was measured.
    #[error("stopped before the load began; nothing was measured")]
    StoppedEarly,
    /// A workload panicked; what it had measured has been told.
    #[error("a workload panicked: {0}")]
    Panicked(String),
    /// Standard output.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// A result that could not be written although its path was ready.
    #[error(transparent)]
    WriteOutput(OutputError),
}
