//! What was measured: recorders, histograms, snapshots, merging and the ledger.

mod ledger;
mod result;

pub use ledger::Ledger;
pub use result::{
    BackendRecord, ByteCount, ConnectionRecord, CustomRecord, GeneratorRecord, RunRecord,
    ScenarioRecord, SeriesPoint, StepRecord, WorkerRecord,
};

/// A histogram of nanoseconds: 3 significant digits, 1 ns to one hour.
pub type Histogram = hdrhistogram::Histogram<u64>;
