//! The result document: what a run found, for programs to read.
//!
//! Owns the document's types, their JSON Schema, how a [`RunRecord`](crate::record::RunRecord)
//! becomes a document and how one is read back, how conditions are judged, and the rules of the verdict;
//! and what of a document people are shown, as [text](Document::text) behind the feature `text`. Nothing here prints, and
//! nothing here measures.

mod build;
mod document;
#[cfg(feature = "text")]
mod export;
mod judge;
mod phrase;
mod read;
#[cfg(feature = "text")]
mod text;
mod verdict;
#[cfg(feature = "text")]
mod view;
mod worker_load;

pub use build::{Context, Expected, build};
pub use document::{
    Address, Answer, Backend, BackendCount, Cause, Change, Check, Confidence, Connections, Custom,
    Delivery, Document, Ejection, EndedRun, Event, Expectation, Failover, FailureClass, Farewell,
    Generator, History, Host, LoadModel, Messages, Method, Moment, Move, Point, PointStatistics,
    Ramp, Retries, Run, Scenario, SchemaVersion, Silence, SinkKind, Stands, StandsBy, Statistics,
    Status, Stay, Step, Stickiness, StickyBy, Streams, Switched, Target, ThresholdResult,
    ThresholdWindow, Total, Verdict, Worker, new_run_id, schema,
};
pub use judge::{judge, judge_tags};
pub use read::{ReadError, read};
#[cfg(feature = "text")]
pub use text::TextOptions;
pub use verdict::verdict;
