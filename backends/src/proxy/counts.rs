//! What became of connections and how many bytes were passed on.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// What a fault proxy has counted. `accepted` is the sum of `open` and of all the ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyCounts {
    /// Connections accepted.
    pub accepted: u64,
    /// Of these, those that are open.
    pub open: u64,
    /// Ended by their two sides in good order.
    pub completed: u64,
    /// Ended because a side has broken them off.
    pub broken: u64,
    /// Reset on purpose, as new ones or as open ones.
    pub reset: u64,
    /// Reset on purpose after so many bytes.
    pub cut: u64,
    /// Made half-open on purpose.
    pub half_open: u64,
    /// Reset because the server could not be reached.
    pub unreachable: u64,
    /// Ended with the proxy.
    pub stopped: u64,
    /// Bytes passed on to the server.
    pub bytes_up: u64,
    /// Bytes passed on to clients.
    pub bytes_down: u64,
}

/// How a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Broken,
    Reset,
    Cut,
    HalfOpen,
    Unreachable,
    Stopped,
}

/// Where it is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    ends: [AtomicU64; 7],
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

impl Counts {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, end: End) {
        self.ends[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> ProxyCounts {
        // The ends first: a connection that ends meanwhile then counts as open.
        let of = |end: End| self.ends[end as usize].load(Ordering::Relaxed);
        let mut counts = ProxyCounts {
            completed: of(End::Completed),
            broken: of(End::Broken),
            reset: of(End::Reset),
            cut: of(End::Cut),
            half_open: of(End::HalfOpen),
            unreachable: of(End::Unreachable),
            stopped: of(End::Stopped),
            bytes_up: self.up.load(Ordering::Relaxed),
            bytes_down: self.down.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            open: 0,
        };
        let ended = counts.completed
            + counts.broken
            + counts.reset
            + counts.cut
            + counts.half_open
            + counts.unreachable
            + counts.stopped;
        counts.open = counts.accepted.saturating_sub(ended);
        counts
    }
}

impl ProxyCounts {
    /// The JSON form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "accepted": self.accepted,
            "open": self.open,
            "completed": self.completed,
            "broken": self.broken,
            "reset": self.reset,
            "cut": self.cut,
            "half_open": self.half_open,
            "unreachable": self.unreachable,
            "stopped": self.stopped,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
        })
    }
}
