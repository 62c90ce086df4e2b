//! Workers, users, lifecycle, cancellation and the event stream.
//!
//! Owns everything that happens between a [`ScenarioSpec`] and a
//! [`RunRecord`](crate::record::RunRecord): each worker is a thread with a single-threaded runtime
//! whose users, connections and histograms are its own. Knows workloads only by their trait and
//! names no driver.

mod closed;
mod collect;
mod control;
mod event;
mod files;
mod grid;
mod heartbeat;
mod lane;
mod marker;
mod open;
mod run;
mod slot;
mod spec;
mod stopper;
mod umpire;
mod usage;
mod worker;

pub use crate::record::{LifePart, StepSpec, TimelineSpec};
pub use control::{Change, Control, LONGEST_NOTE, Refused, Standing, TargetStanding};
pub use event::{
    Event, GeneratorSnapshot, Phase, ScenarioSnapshot, ScenarioSoFar, Snapshot, SoFar,
};
pub use marker::Marker;
pub use run::{Run, RunError};
pub(crate) use spec::workers;
pub use spec::{MOST_IN_LINE, Options, ScenarioSpec};
pub use stopper::Stopper;
