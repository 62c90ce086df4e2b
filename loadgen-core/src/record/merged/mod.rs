//! Results: what all workers measured together, as it is read.

mod address;
mod backend;
mod event;
mod interval;
mod merge;
mod merger;
mod pauses;
mod recent;
mod retries;
mod run;
mod scenario;
mod series;
mod signs;
mod silence;
mod stays;
mod step;
mod stored;
mod tag;
mod timeline;
mod windows;

pub use address::AddressRecord;
pub use backend::{BackendPoint, BackendRecord, BackendSeries};
pub(crate) use event::outlasts_warm_up;
pub use event::{EventAction, EventEffect, EventRecord, TargetSwitch};
pub use interval::{Interval, StepInterval};
pub use merge::MergeError;
pub(crate) use merger::Merger;
pub(crate) use pauses::Pauses;
pub use recent::Recent;
pub use retries::Retries;
pub use run::{EarlyEnd, GeneratorRecord, GridRecord, Overrun, RunRecord, WorkerRecord};
pub use scenario::{ConnectionRecord, CustomRecord, ScenarioRecord, TargetRecord, Unit};
pub use series::{Followed, Misfit, Series, SeriesPart, SeriesPoint};
pub use silence::{LONG_SILENCE, Silence, Stretch};
pub use step::{CheckRecord, MOST_STEPS_OVER_TIME, StepRecord};
pub(crate) use tag::TagMerger;
pub use tag::{TagMember, TagRecord};
pub use timeline::{Timeline, TimelineCell, TimelineSpec};

#[cfg(test)]
mod tests;
