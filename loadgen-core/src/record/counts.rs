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
