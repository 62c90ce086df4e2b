//! The result document: what a run found, for programs to read.
//!
//! Owns the document's types, their JSON Schema, how a [`RunRecord`](crate::record::RunRecord)
//! becomes a document and how one is read back, how conditions are judged, the rules of the verdict, and how
//! runs are held against each other ([`compare`]); and what of a document people are shown, as
//! [text](Document::text) behind the feature `text` and as a [page] behind the feature `page`. Nothing here
//! prints, and nothing here measures.

mod build;
pub mod compare;
mod document;
#[cfg(feature = "text")]
mod export;
mod judge;
#[cfg(feature = "page")]
pub mod page;
mod phrase;
mod read;
#[cfg(test)]
mod sample;
#[cfg(feature = "text")]
mod text;
mod verdict;
#[cfg(feature = "text")]
mod view;
mod worker_load;

#[cfg(feature = "page")]
pub(crate) use build::build_so_far;
pub use build::{Context, Expected, build};
pub(crate) use document::were_stopped;
pub use document::{
    Address, Answer, Backend, BackendCount, Breach, BreachCause, Capacity, CapacityEnd,
    CapacityGoal, Cause, Change, Check, ClockOffset, Confidence, Connections, Custom, DataDigest,
    Delivery, Document, Ejection, EndedRun, Event, Expectation, Failover, FailureClass, Farewell,
    Generator, History, Host, LoadModel, MergedShard, Messages, Method, Moment, Move, Point,
    PointStatistics, Ramp, Retries, Run, Scalability, Scenario, SchemaVersion, ShardPart, Shards,
    Silence, SinkKind, Stands, StandsBy, Statistics, Status, Stay, Step, StepPoint, Stickiness,
    StickyBy, Streams, Survivors, Switched, Target, ThresholdResult, ThresholdWindow, Total, Trial,
    TrialCount, TrialPurpose, TrialResult, Verdict, Worker, new_run_id, schema,
};
pub use judge::{judge, judge_tags};
pub use read::{ReadError, read};
#[cfg(feature = "text")]
pub use text::TextOptions;
pub(crate) use verdict::hindrance;
pub use verdict::verdict;
#[cfg(feature = "page")]
pub(crate) use view::Progress;
