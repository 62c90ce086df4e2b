//! What the balancer counts of its clients' connections.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::connect::Refusal;
use crate::balance::metrics::Family;

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
    completed: AtomicU64,
    broken: AtomicU64,
    idle: AtomicU64,
    cut: AtomicU64,
    no_backend: AtomicU64,
    unreachable: AtomicU64,
    accept_errors: AtomicU64,
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides ended it in good order.
    Completed,
    /// One of them broke it.
    Broken,
    /// Nothing has moved on it for too long.
    Idle,
    /// Nobody took it.
    Refused(Refusal),
}

/// A connection that is open; dropped without a word, it was cut when the balancer stopped.
#[derive(Debug)]
pub(super) struct Open<'a> {
    counts: &'a Counts,
    end: Option<End>,
}

impl Counts {
    pub(super) fn accepted(&self) -> Open<'_> {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open {
            counts: self,
            end: None,
        }
    }

    pub(super) fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Snapshot {
            accepted: count(&self.accepted),
            open: count(&self.open),
            completed: count(&self.completed),
            broken: count(&self.broken),
            idle: count(&self.idle),
            cut: count(&self.cut),
            refused_no_backend: count(&self.no_backend),
            refused_unreachable: count(&self.unreachable),
            accept_errors: count(&self.accept_errors),
        }
    }
}

impl Open<'_> {
    pub(super) fn over(mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let counts = self.counts;
        let count = match self.end {
            None => &counts.cut,
            Some(End::Completed) => &counts.completed,
            Some(End::Broken) => &counts.broken,
            Some(End::Idle) => &counts.idle,
            Some(End::Refused(Refusal::NoBackend)) => &counts.no_backend,
            Some(End::Refused(Refusal::Unreachable)) => &counts.unreachable,
        };
        count.fetch_add(1, Ordering::Relaxed);
        counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The counts at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Connections that clients opened.
    pub accepted: u64,
    /// Of these, open.
    pub open: u64,
    /// Ended in good order by both sides.
    pub completed: u64,
    /// Reset or lost by one side, and then reset for the other.
    pub broken: u64,
    /// Reset because nothing had moved on them for as long as they may be idle.
    pub idle: u64,
    /// Reset because the balancer's grace was over.
    pub cut: u64,
    /// Reset because no backend was up.
    pub refused_no_backend: u64,
    /// Reset because none of those that were up took a connection.
    pub refused_unreachable: u64,
    /// Times that the system could not hand over a connection, mostly for want of file descriptors.
    pub accept_errors: u64,
}

impl Snapshot {
    pub(super) fn families(&self) -> Vec<Family> {
        let counter = |name, help, value| Family::counter(name, help).point(Vec::new(), value);
        let refused = |reason: &str| vec![("reason", reason.to_owned())];
        vec![
            counter(
                "accepted_total",
                "Connections that clients opened.",
                self.accepted,
            ),
            Family::gauge("open", "Connections of clients that are open.")
                .point(Vec::new(), self.open),
            counter(
                "completed_total",
                "Connections that both sides ended in good order.",
                self.completed,
            ),
            counter(
                "broken_total",
                "Connections that one side reset or lost.",
                self.broken,
            ),
            counter(
                "idle_total",
                "Connections that were reset because nothing moved on them.",
                self.idle,
            ),
            counter(
                "cut_total",
                "Connections that were reset when the balancer stopped.",
                self.cut,
            ),
            Family::counter(
                "refused_total",
                "Connections that were reset for want of a backend.",
            )
            .point(refused("no_backend"), self.refused_no_backend)
            .point(refused("unreachable"), self.refused_unreachable),
            counter(
                "accept_errors_total",
                "Connections that could not be accepted.",
                self.accept_errors,
            ),
        ]
    }
}
