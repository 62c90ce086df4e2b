//! Whether a backend is up: what checks say, and how many in a row are believed.
//!
//! Owns the counting ([`Tracker`]) and the rhythm ([`keep_checking`]). What a check is, is a
//! [`Probe`]'s: [`TcpConnect`] is here, because every balancer can do it; those that speak a
//! protocol are in its balancer's room.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::balance::endpoint::Endpoint;
use crate::serve::connection::reset_on_close;

/// How backends are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSettings {
    /// From one check's start to the next one's.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// So many good checks in a row bring a backend back; from 1.
    pub rise: u32,
    /// So many bad checks in a row take it out; from 1.
    pub fall: u32,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

/// Why a check failed, in few words: `connection refused`, `status 503, expected 200`.
pub(crate) type Failure = String;

/// What a check's future is.
pub(crate) type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One check of one address. The time limit is not its business.
pub(crate) trait Probe: fmt::Debug + Send + Sync + 'static {
    /// Checks the backend that is called `name` at this address.
    fn check<'a>(&'a self, name: &'a str, address: SocketAddr) -> Checking<'a>;
}

/// A backend is well if it takes a connection. The connection is reset at once, so that none lingers.
///
/// The system takes connections for a process that is stopped: a frozen backend passes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TcpConnect;

impl Probe for TcpConnect {
    fn check<'a>(&'a self, _name: &'a str, address: SocketAddr) -> Checking<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| error.kind().to_string())?;
            reset_on_close(&stream);
            Ok(())
        })
    }
}

/// Whether checks have brought a backend up or taken it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracker {
    up: bool,
    /// Results of checks in a row that speak against `up`.
    against: u32,
    /// Work in a row that could not be given, since the last good check.
    refused: u32,
    /// Whether anything was heard yet: the first result is believed at once.
    heard: bool,
}

impl Default for Tracker {
    /// Nobody has said anything against it.
    fn default() -> Self {
        Self {
            up: true,
            against: 0,
            refused: 0,
            heard: false,
        }
    }
}

impl Tracker {
    pub(crate) fn is_up(self) -> bool {
        self.up
    }

    /// Work could be given: refusals before are no row with those after. Against failed checks it says nothing,
    /// because the system takes connections for a process that is stopped.
    pub(crate) fn calm(&mut self) {
        self.refused = 0;
    }

    /// Work could not be given: as good as a failed check, but for the first one's weight. A first impression
    /// is the checks' to give. True if it changed the state.
    pub(crate) fn refused(&mut self, settings: &HealthSettings) -> bool {
        if !self.up {
            return false;
        }
        self.refused += 1;
        if self.against + self.refused < settings.fall {
            return false;
        }
        self.turn(false);
        true
    }

    fn turn(&mut self, up: bool) {
        (self.up, self.against, self.refused) = (up, 0, 0);
    }

    /// Takes a check's result. True if it changed the state.
    pub(crate) fn record(&mut self, good: bool, settings: &HealthSettings) -> bool {
        let first = !std::mem::replace(&mut self.heard, true);
        if good == self.up {
            self.turn(good);
            return false;
        }
        self.against += 1;
        let enough = if good { settings.rise } else { settings.fall };
        if !first && self.against + self.refused < enough {
            return false;
        }
        self.turn(good);
        true
    }
}

/// Checks an endpoint for ever. The first check is at once.
pub(crate) async fn keep_checking(
    endpoint: Arc<Endpoint>,
    settings: HealthSettings,
    probe: Arc<dyn Probe>,
) {
    let mut ticks = time::interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let began = Instant::now();
        let check = probe.check(endpoint.name(), endpoint.address());
        let result = match time::timeout(settings.timeout, check).await {
            Ok(result) => result,
            Err(_) => Err(format!(
                "no answer within {}",
                humantime::format_duration(settings.timeout)
            )),
        };
        endpoint.checked(result, began.elapsed(), &settings);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(rise: u32, fall: u32) -> HealthSettings {
        HealthSettings {
            rise,
            fall,
            ..HealthSettings::default()
        }
    }

    #[test]
    fn the_first_result_is_believed_at_once() {
        let settings = settings(3, 3);
        let mut tracker = Tracker::default();
        assert!(tracker.is_up());
        assert!(tracker.record(false, &settings));
        assert!(!tracker.is_up());
    }

    #[test]
    fn refusals_take_it_out_only_in_a_row_also_before_the_first_check() {
        let settings = settings(2, 3);
        let mut tracker = Tracker::default();
        assert!(!tracker.refused(&settings) && !tracker.refused(&settings));
        tracker.calm();
        assert!(!tracker.refused(&settings) && !tracker.refused(&settings));
        assert!(tracker.is_up());
        assert!(tracker.refused(&settings));
        assert!(!tracker.is_up() && !tracker.refused(&settings));
        // What the first check says is believed at once.
        assert!(tracker.record(true, &settings));
    }

    /// Under load, somebody is taken between any two checks.
    #[test]
    fn connections_that_are_taken_do_not_keep_a_frozen_backend_in() {
        let settings = settings(2, 3);
        let mut tracker = Tracker::default();
        tracker.record(true, &settings);
        let turned: Vec<_> = (0..3)
            .map(|_| {
                tracker.calm();
                tracker.record(false, &settings)
            })
            .collect();
        assert_eq!(turned, [false, false, true]);
    }

    #[test]
    fn failed_checks_and_refusals_are_one_row() {
        let settings = settings(2, 3);
        let mut tracker = Tracker::default();
        tracker.record(true, &settings);
        assert!(!tracker.record(false, &settings) && !tracker.refused(&settings));
        assert!(tracker.refused(&settings));
        // A good check ends both.
        assert!(!tracker.record(true, &settings) && tracker.record(true, &settings));
        assert!(!tracker.refused(&settings) && !tracker.refused(&settings));
        tracker.record(true, &settings);
        assert!(!tracker.record(false, &settings) && !tracker.record(false, &settings));
        assert!(tracker.is_up());
    }

    #[test]
    fn it_takes_as_many_in_a_row_as_were_set() {
        let settings = settings(2, 3);
        let mut tracker = Tracker::default();
        let said = [
            true, false, false, true, false, false, false, true, false, true, true,
        ];
        let up: Vec<_> = said
            .into_iter()
            .map(|good| {
                tracker.record(good, &settings);
                tracker.is_up()
            })
            .collect();
        let wanted = [
            true, true, true, true, true, true, false, false, false, false, true,
        ];
        assert_eq!(up, wanted);
    }

    proptest! {
        /// The state after the first result changes where, and only where, enough results in a row speak
        /// against it.
        #[test]
        fn flaps_change_it_only_when_they_last(
            rise in 1_u32..6,
            fall in 1_u32..6,
            said in prop::collection::vec(any::<bool>(), 1..200),
        ) {
            let settings = settings(rise, fall);
            let mut tracker = Tracker::default();
            let mut up = said[0];
            tracker.record(said[0], &settings);
            let mut row = 0;
            for good in &said[1..] {
                row = if *good == up { 0 } else { row + 1 };
                if row == if *good { rise } else { fall } {
                    up = *good;
                    row = 0;
                }
                let before = tracker.is_up();
                let changed = tracker.record(*good, &settings);
                prop_assert_eq!(tracker.is_up(), up);
                prop_assert_eq!(changed, before != up);
            }
        }
    }
}
