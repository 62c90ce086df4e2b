//! Conditions on how whatever stands between the generator and the servers did its work: how evenly, to the
//! right ones, always to the same, and what became of the load when a server went away.
//!
//! Owns what may be expected and how that is written. Knows no record: an expectation is judged where
//! [the report](crate::report) is made.

mod bound;
mod distribution;
mod ejected;
mod glob;
mod route;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::bound::Bound;
pub use self::distribution::{Distribution, DistributionError};
pub(crate) use self::distribution::{percent, percentage, word};
pub use self::ejected::{Ejected, Limit};
pub use self::glob::{Glob, GlobError};
pub use self::route::Route;

/// What is expected of a balancer in one scenario. Nothing unless told.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Expectations {
    /// How much each server gets.
    pub distribution: Option<Distribution>,
    /// Which servers answer whom, by the scenario's tags.
    pub routes: Vec<Route>,
    /// What always goes to the same server.
    pub sticky: Option<Sticky>,
    /// What becomes of the load when a server goes away unannounced; the first of each figure counts.
    pub failover: Vec<Bound>,
    /// What becomes of the load when a server is asked to go.
    pub drain: Vec<Bound>,
    /// A request that is ok and took longer is slow, which is bad; without it none is.
    pub ok_within: Option<Duration>,
    /// How long the load of a server that came back takes to grow to that of the others.
    pub slow_start: Option<Duration>,
    /// What ejections may be, of servers that were up.
    pub ejection: Ejected,
}

/// What always goes to the same server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sticky {
    /// All that goes over one connection.
    Connection,
}

impl Expectations {
    /// Whether a server may answer a scenario with these tags, as far as anything is said of that.
    pub(crate) fn allow(&self, tags: &BTreeMap<String, String>, server: &str) -> bool {
        self.routes.iter().all(|route| {
            let servers = tags.get(&route.tag);
            let servers = servers.and_then(|value| route.servers(value));
            servers.is_none_or(|servers| servers.matches(server))
        })
    }

    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            distribution,
            routes,
            sticky,
            failover,
            drain,
            ok_within: _,
            slow_start,
            ejection,
        } = self;
        distribution.is_none()
            && routes.is_empty()
            && sticky.is_none()
            && failover.is_empty()
            && drain.is_empty()
            && slow_start.is_none()
            && ejection.is_empty()
    }
}
