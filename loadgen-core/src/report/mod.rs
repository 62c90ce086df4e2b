//! The result document: what a run found, for programs to read.
//!
//! Owns the document's types, their JSON Schema, how a [`RunRecord`](crate::record::RunRecord)
//! becomes a document, how conditions are judged, and the rules of the verdict; and what of a document
//! people are shown, as [text](Document::text) behind the feature `text`. Nothing here prints, and
//! nothing here measures.

mod build;
mod confidence;
mod document;
mod environment;
mod judge;
mod phrase;
mod scenario;
mod schema;
mod statistics;
#[cfg(feature = "text")]
mod text;
mod throttling;
mod verdict;
#[cfg(feature = "text")]
mod view;
mod worker_load;

pub use build::{Context, build};
pub use confidence::{Confidence, Method};
pub use document::{
    Delivery, Document, Generator, Run, SchemaVersion, SinkKind, Status, Total, Verdict, Worker,
};
pub use environment::{Host, new_run_id};
pub use judge::judge;
pub use scenario::{
    Backend, Connections, Custom, FailureClass, LoadModel, Messages, Point, Scenario, Silence,
    Step, Target, ThresholdResult,
};
pub use schema::schema;
pub use statistics::{PointStatistics, Statistics};
#[cfg(feature = "text")]
pub use text::TextOptions;
pub use verdict::verdict;
