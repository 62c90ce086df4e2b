//! One address of a backend: its state, and what was counted of it.
//!
//! Owns the counts and who may change them. Who is chosen is the pool's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::balance::health::{Failure, HealthSettings, Tracker};

/// Whose backends they are, and how many addresses take work: told when that was the last one, and when there
/// is one again.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    service: Option<String>,
    taking: Mutex<Taking>,
}

/// How many addresses take work.
#[derive(Debug, Default)]
struct Taking {
    count: usize,
    /// While several of them change at once, how many it were before.
    before: Option<usize>,
    /// Whether it was told that there is none.
    was_none: bool,
}

impl Standing {
    /// Of a service.
    pub(crate) fn of(service: &str) -> Self {
        Self {
            service: Some(service.to_owned()),
            ..Self::default()
        }
    }

    fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    fn taking(&self) -> MutexGuard<'_, Taking> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more takes work, or one takes none any more. Tells of it where that makes a difference, and gives
    /// that back: there is nobody left, or somebody again.
    fn changed(&self, takes: bool) -> Option<bool> {
        let mut taking = self.taking();
        let before = taking.count;
        taking.count = match takes {
            true => before + 1,
            false => before.saturating_sub(1),
        };
        match taking.before {
            Some(_) => None,
            None => self.tell(&mut taking, before),
        }
    }

    /// Does what changes several at once, of which only the difference between before and after is told, and
    /// given back as by [`Standing::changed`].
    pub(crate) fn at_once(&self, change: impl FnOnce()) -> Option<bool> {
        let mut taking = self.taking();
        taking.before = Some(taking.count);
        drop(taking);
        change();
        let mut taking = self.taking();
        let before = taking.before.take()?;
        self.tell(&mut taking, before)
    }

    /// Tells under the lock, so that it is told in the order in which it came to be.
    fn tell(&self, taking: &mut Taking, before: usize) -> Option<bool> {
        let service = self.service();
        if before > 0 && taking.count == 0 {
            taking.was_none = true;
            tracing::warn!(service, "no backend is left that takes work");
            return Some(false);
        }
        let is_again = taking.count > 0 && std::mem::take(&mut taking.was_none);
        if is_again {
            tracing::info!(service, "there is a backend again that takes work");
        }
        is_again.then_some(true)
    }
}

/// One address of a backend.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Of those that it shares work with.
    standing: Arc<Standing>,
    name: String,
    address: SocketAddr,
    weight: AtomicU32,
    up: AtomicBool,
    draining: AtomicBool,
    open: AtomicUsize,
    counts: Counts,
    health: Mutex<Health>,
}

/// What was counted since the endpoint is known.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    checks: AtomicU64,
    checks_failed: AtomicU64,
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Health {
    tracker: Tracker,
    last_failure: Option<Failure>,
    check_took: Option<Duration>,
}

impl Endpoint {
    pub(crate) fn new(name: &str, address: SocketAddr, standing: &Arc<Standing>) -> Self {
        let endpoint = Self {
            standing: Arc::clone(standing),
            name: name.to_owned(),
            address,
            weight: AtomicU32::new(1),
            up: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            counts: Counts::default(),
            health: Mutex::default(),
        };
        endpoint.stands(false);
        endpoint
    }

    /// Tells where it makes a difference to all whether it takes work, which it did or did not.
    fn stands(&self, took: bool) {
        let takes = self.takes();
        if took == takes {
            return;
        }
        self.standing.changed(takes);
    }

    /// What the backend is called in the configuration: `HOST:PORT`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Connections or requests that are open on it.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether it takes new work.
    pub(crate) fn takes(&self) -> bool {
        self.up.load(Ordering::Relaxed) && !self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, weight: u32, drain: bool) {
        self.weight.store(weight, Ordering::Relaxed);
        let _alone = self.health();
        let took = self.takes();
        if self.draining.swap(drain, Ordering::Relaxed) != drain {
            let (service, does) = (
                self.standing.service(),
                if drain { "drains" } else { "takes work again" },
            );
            tracing::info!(service, backend = self.name, address = %self.address, "the backend {does}");
            self.stands(took);
        }
    }

    /// It is no longer asked for; what is open on it may end.
    pub(crate) fn leave(&self) {
        let _alone = self.health();
        let (took, service) = (self.takes(), self.standing.service());
        self.draining.store(true, Ordering::Relaxed);
        tracing::info!(service, backend = self.name, address = %self.address, open = self.open(), "the backend leaves");
        self.stands(took);
    }

    /// Bytes that went to the backend.
    pub(crate) fn sent(&self, bytes: u64) {
        self.counts.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came from it.
    pub(crate) fn received(&self, bytes: u64) {
        self.counts.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A check's result.
    pub(crate) fn checked(
        &self,
        result: Result<(), Failure>,
        took: Duration,
        settings: &HealthSettings,
    ) {
        self.counts.checks.fetch_add(1, Ordering::Relaxed);
        if result.is_err() {
            self.counts.checks_failed.fetch_add(1, Ordering::Relaxed);
        }
        let mut health = self.health();
        health.check_took = Some(took);
        let changed = health.tracker.record(result.is_ok(), settings);
        self.note(&mut health, changed, result);
    }

    /// Work could not be given to it.
    pub(crate) fn unreachable(&self, reason: Failure, settings: Option<&HealthSettings>) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let mut health = self.health();
        match settings {
            Some(settings) if self.up.load(Ordering::Relaxed) => {
                let changed = health.tracker.refused(settings);
                self.note(&mut health, changed, Err(reason));
            }
            _ => health.last_failure = Some(reason),
        }
    }

    /// Work was given to it: a row of refusals is over.
    pub(crate) fn reached(&self) {
        self.health().tracker.calm();
    }

    fn note(&self, health: &mut Health, changed: bool, result: Result<(), Failure>) {
        let good = result.is_ok();
        let reason = result.err();
        if changed {
            let (took, service) = (self.takes(), self.standing.service());
            self.up.store(good, Ordering::Relaxed);
            self.counts.changes.fetch_add(1, Ordering::Relaxed);
            let (name, address) = (&self.name, self.address);
            match &reason {
                None => tracing::info!(service, backend = name, %address, "the backend is up"),
                Some(reason) => {
                    tracing::warn!(service, backend = name, %address, reason, "the backend is down");
                }
            }
            self.stands(took);
        }
        if reason.is_some() {
            health.last_failure = reason;
        } else if health.tracker.is_up() {
            health.last_failure = None;
        }
    }

    /// Nobody checks it any more: it counts as up.
    pub(crate) fn forget_checks(&self) {
        let mut health = self.health();
        let took = self.takes();
        health.tracker = Tracker::default();
        self.up.store(true, Ordering::Relaxed);
        self.stands(took);
    }

    pub(crate) fn snapshot(&self) -> EndpointSnapshot {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let health = self.health();
        let counts = &self.counts;
        EndpointSnapshot {
            backend: self.name.clone(),
            address: self.address,
            weight: self.weight(),
            state: self.state(),
            open: self.open() as u64,
            opened: count(&counts.opened),
            failed: count(&counts.failed),
            bytes_sent: count(&counts.sent),
            bytes_received: count(&counts.received),
            checks: count(&counts.checks),
            checks_failed: count(&counts.checks_failed),
            state_changes: count(&counts.changes),
            last_check_us: health
                .check_took
                .map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            last_failure: health.last_failure.clone(),
        }
    }

    fn state(&self) -> State {
        if self.draining.load(Ordering::Relaxed) {
            State::Draining
        } else if self.up.load(Ordering::Relaxed) {
            State::Up
        } else {
            State::Down
        }
    }
}

/// What an endpoint does with new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Takes it.
    Up,
    /// Gets none until checks say otherwise.
    Down,
    /// Gets none, and may finish what it has.
    Draining,
}

impl State {
    /// Its name, as documents have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Draining => "draining",
        }
    }
}

/// How an endpoint stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EndpointSnapshot {
    pub(crate) backend: String,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u32,
    pub(crate) state: State,
    pub(crate) open: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) checks: u64,
    pub(crate) checks_failed: u64,
    pub(crate) state_changes: u64,
    pub(crate) last_check_us: Option<u64>,
    pub(crate) last_failure: Option<String>,
}

/// One connection or request that an endpoint has; dropped, it is over.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Endpoint>);

impl Lease {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.open.fetch_add(1, Ordering::Relaxed);
        endpoint.counts.opened.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_and_the_first_again_make_a_difference() {
        let standing = Standing::default();
        let said = [
            true, true, false, false, true, true, false, true, false, false,
        ];
        let told = said.map(|takes| standing.changed(takes));
        let (gone, back) = (Some(false), Some(true));
        let wanted = [None, None, None, gone, back, None, None, None, None, gone];
        assert_eq!(told, wanted);
    }

    #[test]
    fn of_what_changes_at_once_the_difference_is_told() {
        let standing = Standing::default();
        standing.changed(true);
        let moved = standing.at_once(|| {
            assert_eq!(standing.changed(false), None);
            assert_eq!(standing.changed(true), None);
        });
        assert_eq!(moved, None);
        let gone = standing.at_once(|| assert_eq!(standing.changed(false), None));
        assert_eq!(gone, Some(false));
        let nothing = standing.at_once(|| {
            standing.changed(true);
            standing.changed(false);
        });
        assert_eq!(nothing, None);
        let back = standing.at_once(|| assert_eq!(standing.changed(true), None));
        assert_eq!(back, Some(true));
        assert_eq!(standing.changed(false), Some(false));
    }

    #[test]
    fn whoever_takes_work_is_counted_once_however_it_came_to_that() {
        let standing = Arc::new(Standing::of("shop"));
        let settings = HealthSettings::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let endpoint = Endpoint::new("a:1", address, &standing);
        let taking = || standing.taking().count;
        assert_eq!(taking(), 1);
        endpoint.checked(Err("refused".to_owned()), Duration::ZERO, &settings);
        assert_eq!(taking(), 0);
        // What is down and drains takes no less work.
        endpoint.set(1, true);
        endpoint.forget_checks();
        assert_eq!(taking(), 0);
        endpoint.set(1, false);
        endpoint.set(2, false);
        assert_eq!(taking(), 1);
        endpoint.leave();
        endpoint.leave();
        assert_eq!(taking(), 0);
    }
}
