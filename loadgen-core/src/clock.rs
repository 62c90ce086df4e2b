//! The run's clock: nanoseconds since an epoch that all workers share.
//!
//! Owns the one place that reads the time while measuring. A reading is a plain `u64`, so that
//! everything that computes with times can be given them and tested without waiting.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the run's epoch, or a span of nanoseconds. 584 years fit.
pub type Nanos = u64;

/// The monotonic clock of one run. Cheap to copy; all copies share the epoch.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Nanos,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: monotonic() }
    }

    /// Nanoseconds since the epoch.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        monotonic() - self.epoch
    }

    /// A moment that was seen without this clock; its epoch for one from before that.
    pub(crate) fn at(&self, moment: Moment) -> Nanos {
        moment.0.saturating_sub(self.epoch)
    }

    /// The same moment on the system's monotonic clock, which absolute timers take.
    #[must_use]
    pub fn to_monotonic(&self, at: Nanos) -> Duration {
        Duration::from_nanos(self.epoch + at)
    }
}

/// A moment as who knows of no run sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Nanos);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(monotonic())
    }
}

#[inline]
fn monotonic() -> Nanos {
    read(ClockId::Monotonic)
}

#[inline]
fn read(clock: ClockId) -> Nanos {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// A change of the offset beyond this is a step of the real-time clock. Both clocks are slewed
/// alike, so that between two looks nothing but a step sets them apart.
const STEP: Nanos = 20_000;
/// A look at both clocks that takes longer was interrupted and tells nothing.
const LONGEST_LOOK: Nanos = 2_000;
/// How often to look again when that happens.
const LOOKS: usize = 8;

/// Puts stamps of the real-time clock, which is what a kernel stamps with, on a run's clock.
///
/// The two clocks differ by an offset, which is read anew with each heartbeat. Once a step of the
/// real-time clock is seen, no stamp is known until the next look. Stamps between the step and that
/// are wrong by its length; those that are impossible by it are for the reader to throw away.
#[derive(Debug)]
pub struct StampClock {
    clock: Clock,
    /// The real-time clock less the monotonic one.
    offset: Cell<Nanos>,
    is_known: Cell<bool>,
    sleep: Arc<Sleep>,
    /// Whether sockets were opened that have stamps, and that have none.
    sockets: Cell<(bool, bool)>,
}

impl StampClock {
    /// Stamps for this clock, on a thread of which nobody tells when it sleeps.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::on_thread(clock, &Arc::default())
    }

    /// Stamps for this clock, on a thread that sleeps now and then.
    pub(crate) fn on_thread(clock: Clock, sleep: &Arc<Sleep>) -> Self {
        let offset = offset_now();
        Self {
            clock,
            offset: Cell::new(offset.unwrap_or_default()),
            is_known: Cell::new(offset.is_some()),
            sleep: Arc::clone(sleep),
            sockets: Cell::default(),
        }
    }

    /// A socket was opened whose bytes come with stamps, or without.
    pub(crate) fn are_for(&self, is_stamped: bool) {
        let (stamped, unstamped) = self.sockets.get();
        self.sockets
            .set((stamped || is_stamped, unstamped || !is_stamped));
    }

    /// Whether there are sockets whose bytes come without stamps.
    pub(crate) fn lack_some(&self) -> bool {
        self.sockets.get().1
    }

    /// Whether there are sockets, and the bytes of all of them come with stamps.
    pub(crate) fn are_for_all(&self) -> bool {
        self.sockets.get() == (true, false)
    }

    /// Since when there was something to do for the thread without a break. What came together with
    /// what was received at `at`, and is read now, has not been there before.
    #[inline]
    pub(crate) fn busy_since(&self, at: Nanos) -> Nanos {
        self.sleep.woken_before(at)
    }

    /// The clock that stamps are put on.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Reads the offset anew.
    pub fn refresh(&self) {
        if let Some(offset) = offset_now() {
            let before = self.offset.replace(offset);
            self.is_known.set(offset.abs_diff(before) <= STEP);
        }
    }

    /// The moment of a stamp, in nanoseconds since 1970 of the real-time clock. `None` across a
    /// step of that clock, and for a stamp from before the run.
    #[inline]
    #[must_use]
    pub fn at(&self, stamp: Nanos) -> Option<Nanos> {
        if !self.is_known.get() {
            return None;
        }
        stamp
            .checked_sub(self.offset.get())?
            .checked_sub(self.clock.epoch)
    }
}

/// When a thread slept last because nothing was there for it to do. It is told by the thread itself.
#[derive(Debug, Default)]
pub(crate) struct Sleep {
    /// When it waited last, asleep or not.
    waits: AtomicU64,
    began: AtomicU64,
    /// When it was woken.
    woken: AtomicU64,
}

impl Sleep {
    /// The thread takes this long to run after it was woken: processors that save power wake slowly.
    /// Where it takes longer, what has come meanwhile tells.
    const WAKING: Nanos = 100_000;
    /// Had something been there already, it would have gone on sooner.
    const SHORTEST: Nanos = 20_000;

    pub(crate) fn begins(&self, now: Nanos) {
        self.waits.store(now, Ordering::Relaxed);
    }

    /// It was woken by what came, or `unasked`: then what came has been there for any part of the sleep.
    pub(crate) fn ends(&self, now: Nanos, unasked: bool) {
        let began = self.waits.load(Ordering::Relaxed);
        if now.saturating_sub(began) >= Self::SHORTEST {
            let woken = match unasked {
                true => began,
                false => now.saturating_sub(Self::WAKING).max(began),
            };
            self.began.store(began, Ordering::Relaxed);
            self.woken.store(woken, Ordering::Relaxed);
        }
    }

    /// When it was woken, or before. Something was received at `at` that it has not read before.
    #[inline]
    fn woken_before(&self, at: Nanos) -> Nanos {
        let woken = self.woken.load(Ordering::Relaxed);
        if at >= woken {
            return woken;
        }
        // It was kept from running for longer, and nobody knows since when.
        let began = self.began.load(Ordering::Relaxed);
        self.woken.store(began, Ordering::Relaxed);
        began
    }
}

/// The real-time clock less the monotonic one, by the quickest of a few looks at both.
fn offset_now() -> Option<Nanos> {
    for _ in 0..LOOKS {
        let before = monotonic();
        let real = read(ClockId::Realtime);
        let took = monotonic() - before;
        if took <= LONGEST_LOOK {
            return real.checked_sub(before + took / 2);
        }
    }
    None
}

/// A duration as nanoseconds, saturating after 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_now_is_now() {
        let clock = Clock::start();
        let stamps = StampClock::new(clock);
        let before = clock.now();
        let at = stamps.at(read(ClockId::Realtime)).expect("no step");
        let after = clock.now();
        assert!(
            (before.saturating_sub(STEP)..=after + STEP).contains(&at),
            "{before} {at} {after}"
        );
    }

    #[test]
    fn across_a_step_nothing_is_known() {
        let stamps = StampClock::new(Clock::start());
        let stamp = read(ClockId::Realtime);
        // As if the clock had been set back by a second since the last look.
        stamps.offset.set(stamps.offset.get() + 1_000_000_000);
        stamps.refresh();
        assert_eq!(stamps.at(stamp), None);
        stamps.refresh();
        assert!(stamps.at(stamp).is_some(), "by the next look it is known");
    }

    #[test]
    fn a_thread_is_busy_since_it_was_woken() {
        let sleep = Arc::new(Sleep::default());
        let stamps = StampClock::on_thread(Clock::start(), &sleep);
        let slept = |began, ended| {
            sleep.begins(began);
            sleep.ends(ended, false);
            stamps.busy_since(ended)
        };
        assert_eq!(slept(1_000_000, 1_050_000), 1_000_000);
        assert_eq!(slept(2_000_000, 2_002_000), 1_000_000, "no sleep");
        assert_eq!(slept(3_000_000, 9_000_000), 8_900_000);
        assert_eq!(stamps.busy_since(8_900_000), 8_900_000);
        // It was not let run.
        assert_eq!(stamps.busy_since(8_000_000), 3_000_000);
        assert_eq!(
            stamps.busy_since(9_000_000),
            3_000_000,
            "of all it reads now"
        );
        // What came while it slept did not wake it.
        sleep.begins(10_000_000);
        sleep.ends(10_250_000, true);
        assert_eq!(stamps.busy_since(10_249_000), 10_000_000);
    }

    #[test]
    fn all_is_stamped_once_something_is_and_nothing_is_not() {
        let stamps = StampClock::new(Clock::start());
        assert!(!stamps.are_for_all());
        stamps.are_for(true);
        assert!(stamps.are_for_all());
        stamps.are_for(false);
        stamps.are_for(true);
        assert!(!stamps.are_for_all());
    }

    #[test]
    fn a_stamp_from_before_the_run_is_none() {
        assert_eq!(StampClock::new(Clock::start()).at(1), None);
    }
}
