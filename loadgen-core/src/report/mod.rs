//! The result document: what a run found, for programs to read.
//!
//! Owns the document's types, their JSON Schema, how a [`RunRecord`](crate::record::RunRecord)
//! becomes a document, and the rules of the verdict. Everything a person is shown is made from
//! the document elsewhere; nothing here prints, and nothing here measures.

mod build;
mod confidence;
mod document;
mod environment;
mod judge;
mod phrase;
mod scenario;
mod schema;
mod statistics;
mod throttling;
mod verdict;
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
pub use verdict::verdict;
