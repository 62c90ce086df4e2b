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
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::bound::Bound;
pub use self::distribution::{Distribution, DistributionError};
pub(crate) use self::distribution::{percent, percentage, word};
pub use self::ejected::{Ejected, Limit};
pub use self::glob::{Glob, GlobError};
pub use self::route::Route;
use crate::record::StickyBy;

/// What is expected of a balancer in one scenario. Nothing unless told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sticky {
    /// All that goes over one connection.
    Connection,
    /// All that one user does.
    User,
    /// All that comes from one address of ours.
    Source,
    /// All iterations for which this template comes to the same.
    Key(String),
}

impl Sticky {
    /// What of it is followed by its key; nothing where connections are looked at, as they always are.
    pub(crate) fn by(&self) -> Option<StickyBy> {
        match self {
            Self::Connection => None,
            Self::User => Some(StickyBy::User),
            Self::Source => Some(StickyBy::Source),
            Self::Key(_) => Some(StickyBy::Key),
        }
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("connection"),
            Self::User => f.write_str("user"),
            Self::Source => f.write_str("source"),
            Self::Key(key) => write!(f, "key {key}"),
        }
    }
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
