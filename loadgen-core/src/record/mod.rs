//! What was measured: recorders, histograms, snapshots, merging and the ledger.
//!
//! A worker's [`Recorder`] fills one tick's figures without locks; the collector takes a tick a
//! second from each worker and merges them exactly. Owns no time and no threads.

mod histogram;
mod interval;
mod ledger;
mod merge;
mod outside;
mod parts;
mod recent;
mod recorder;
mod result;
mod series;
mod silence;
mod tick;

pub use histogram::{HIGHEST_NS, Histogram, Samples, Sparse, new_coarse_histogram, new_histogram};
pub use interval::{Interval, StepInterval};
pub use ledger::Ledger;
pub use merge::Merger;
pub use outside::Outside;
pub use parts::Parts;
pub use recent::Recent;
pub use recorder::{Ended, Muted, Recorder, Started, Unanswered};
pub use result::{
    BackendRecord, ByteCount, ConnectionCounts, ConnectionRecord, CustomRecord, GeneratorRecord,
    Overrun, RunRecord, ScenarioRecord, SeriesPoint, StepRecord, TargetRecord, WorkerRecord,
};
pub use silence::{LONG_SILENCE, Silence, Stretch};
pub use tick::{Names, Tick};
