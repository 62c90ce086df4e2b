//! How much a service can take: the search for the highest rate at which it meets its goals.
//!
//! [`Search`] says which trial is next, is told what became of it, and ends with an [`Answer`]: a lower
//! bound, an upper bound and the conditional rate. It is the method of the IETF's MLRsearch
//! (draft-ietf-bmwg-mlrsearch) for open-loop rates: loads are classified from all their trials
//! (`tally`), of which up to an exceed ratio may be bad, short trials find the place and long ones
//! decide. [`Scalability`] is the curve through what was measured on the way.
//!
//! Pure: no clock, no I/O, no chance. Who makes the trials, judges goals and cools down between them is
//! somebody else.
//!
//! ```
//! use std::time::Duration;
//! use loadgen_core::capacity::{End, Measured, Method, Next, Range, Search};
//! use loadgen_core::units::Rate;
//!
//! let method = Method::within(Duration::from_secs(90), 0.02)?;
//! let range = Range { from: Rate::new(100.0)?, to: Rate::new(50_000.0)?, hint: None };
//! let mut search = Search::new(method, 1, range)?;
//! let mut elapsed = Duration::ZERO;
//! let end = loop {
//!     match search.next(elapsed) {
//!         Next::Trial(trial) => {
//!             let held = trial.rate.per_second() < 4_900.0;
//!             elapsed += trial.duration;
//!             search.enter(trial, &Measured::Valid { held: vec![Some(held)], kept: 1.0 });
//!         }
//!         Next::Done(end) => break end,
//!     }
//! };
//! let answer = search.answer(end);
//! assert_eq!(end, End::Width);
//! assert!(answer.lower.is_some_and(|it| it.rate.per_second() < 4_900.0));
//! assert!(answer.width.is_some_and(|width| width <= 0.02));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod breach;
mod conclude;
mod course;
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
mod fit;
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
mod measure;
mod method;
mod place;
mod rounding;
mod scalability;
mod search;
mod select;
#[cfg(test)]
mod simulated;
mod tally;
#[cfg(test)]
mod tests;
mod trial;

pub use answer::{Answer, Bound, End, GoalKnowledge, LoadKnowledge};
pub use course::{Course, Look, Seen, Step, TrialStep};
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
pub use fit::{goals, openly};
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
pub use measure::{CapacityError, Upcoming, Watch, measure};
pub use method::{Method, MethodError};
pub use scalability::{Point, Scalability, ScalabilityError};
pub use search::{Measured, Next, Purpose, Range, Search, SearchError, Trial};
pub use tally::Class;
pub use trial::Offered;
