//! What a page shows of a run that is under way.
//!
//! A [`Follower`] listens to the run and copies what was recorded, once a second and only while somebody looks. A
//! [`Dashboard`], on a thread that makes no load, makes of it what [`LivePage`](crate::report::page::LivePage) takes:
//! the parts of the page whose text has changed, and the points that are new. A [`Search`] for a capacity has one page
//! for all its trials. Owns the messages. Who may see them,
//! and how they get there, is for whoever serves the page.

mod dashboard;
mod extent;
mod follower;
mod message;
mod search;
mod series;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::report::Context;
use crate::scenario::ScenarioPlan;

pub use self::dashboard::Dashboard;
pub use self::follower::{Follower, Recorded};
pub use self::search::Search;

/// What it takes to show the run of these scenarios: who listens to it, and who makes the page. `context` is what the
/// result document says of the run.
#[must_use]
pub fn follow(scenarios: &[ScenarioPlan], context: Context) -> (Follower, Dashboard) {
    let spent = Arc::new(AtomicU64::new(0));
    let follower = Follower::new(Arc::clone(&spent));
    (follower, Dashboard::new(scenarios, context, spent))
}
