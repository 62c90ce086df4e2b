//! What was measured.
//!
//! Two halves: what a worker thread enters into (`local`), without locks and out of anybody else's
//! sight, and what was made of that (`merged`), which is what reports, sinks and listeners read. The
//! collector takes a tick a second from each worker and merges them exactly. Owns no time and no
//! threads.

mod counts;
mod farewell;
mod histogram;
mod ledger;
mod local;
mod merged;
mod names;
mod parts;
mod standing;
mod stickiness;
mod watch;

pub use counts::{ByteCount, ConnectionCounts, Decisions, StreamCount};
pub use farewell::{FarewellCount, Farewells};
pub use histogram::{
    HIGHEST_NS, Histogram, HistogramError, Samples, Sparse, new_coarse_histogram, new_histogram,
};
pub use ledger::Ledger;
pub(crate) use local::{Ended, Muted, Outside, Recorder, Started, Tick, Unanswered, Via, Waited};
pub use merged::{
    AddressRecord, BackendPoint, BackendRecord, BackendSeries, CheckRecord, ConnectionRecord,
    CustomRecord, EarlyEnd, EventAction, EventEffect, EventRecord, Followed, GeneratorRecord,
    GridRecord, Interval, LONG_SILENCE, MOST_STEPS_OVER_TIME, MergeError, Misfit, Overrun, Recent,
    Retries, RunRecord, ScenarioRecord, Series, SeriesPart, SeriesPoint, Silence, StepInterval,
    StepRecord, Stretch, TagMember, TagRecord, TargetRecord, TargetSwitch, Timeline, TimelineCell,
    TimelineSpec, Unit, WorkerRecord,
};
pub(crate) use merged::{Merger, Pauses, TagMerger, outlasts_warm_up};
pub(crate) use names::is_single;
pub use names::{LifePart, Names, StepSpec};
pub use parts::Parts;
pub(in crate::record) use standing::MOST_STANDINGS;
pub use standing::StandingRecord;
pub use stickiness::{KeyRecord, Move, Stickiness, StickyBy};
pub(crate) use watch::{
    Count, Extreme, Figure, Reading, StepCount, Times, TimesOf, Watch, WindowRecord, Worst,
};
