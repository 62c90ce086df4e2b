//! Counts that several figures have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByteCount {
    /// Written to sockets.
    pub sent: u64,
    /// Read from sockets.
    pub received: u64,
}

/// How many connections what happened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionCounts {
    /// Opened, reconnects included.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Open ones that ended without our asking.
    pub dropped: u64,
    /// Of those opened, the ones that took the place of a dropped one.
    #[serde(default)]
    pub reconnected: u64,
    /// Redirections followed by attempts.
    #[serde(default)]
    pub redirects: u64,
}

impl std::ops::AddAssign for ConnectionCounts {
    fn add_assign(&mut self, other: Self) {
        self.opened = self.opened.saturating_add(other.opened);
        self.failed = self.failed.saturating_add(other.failed);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.reconnected = self.reconnected.saturating_add(other.reconnected);
        self.redirects = self.redirects.saturating_add(other.redirects);
    }
}

/// How many streams what happened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamCount {
    /// Opened: who serves them has answered.
    pub opened: u64,
    /// Of these, those that ended as they should.
    pub ended: u64,
    /// Of these, those that ended in any other way.
    pub broken: u64,
}

impl StreamCount {
    /// Those that are open; at the end of a run, those that its end cut off.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.opened.saturating_sub(self.ended + self.broken)
    }
}

impl std::ops::AddAssign for StreamCount {
    fn add_assign(&mut self, other: Self) {
        self.opened = self.opened.saturating_add(other.opened);
        self.ended = self.ended.saturating_add(other.ended);
        self.broken = self.broken.saturating_add(other.broken);
    }
}

/// Up to this part of the connections with several servers, each of them has one: some were moved.
pub(in crate::record) const MOSTLY_ONE: f64 = 0.1;

/// What connections tell of how servers are chosen behind an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decisions {
    /// Connections on which servers put their name to at least two answers.
    pub connections: u64,
    /// Of these, those on which it was not always the same name.
    pub several: u64,
}

impl std::ops::AddAssign for Decisions {
    fn add_assign(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.several = self.several.saturating_add(other.several);
    }
}
