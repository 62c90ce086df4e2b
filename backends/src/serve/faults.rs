//! Faults on purpose: what a backend can be told to do wrong, and the dice that decide when.
//!
//! Owns the settings ([`Faults`]) and, for the protocol modules, the state they need at run time
//! (`FaultState`). It does not know the protocols: how a failure looks on the wire is theirs.
//! Nothing here costs anything while no fault is set: there is then no `FaultState`.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tonic::Code;

use super::queue::{Queue, QueueState, Turns};

/// What a backend does wrong on purpose. By default nothing.
///
/// Delays, errors, throttling and the queue are for the reference service's own calls and messages; health
/// checks (gRPC's, and HTTP's `/health`), reflection and the pings of WebSocket stay well, as they do
/// in the failures worth playing. Refused and cut connections are for everybody.
///
/// A call is what is answered on its own: over gRPC a call, over WebSocket a text or binary message,
/// over HTTP a request, over TCP a line or, without lines, what was there to read at once. Those of
/// one connection are answered in their order, so a wait holds up the ones behind it; over HTTP/2 there
/// is no such order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Waits before every call, to the timer's millisecond, after the queue.
    pub delay: Option<Delay>,
    /// Waits long before some calls, on top of `delay`.
    pub stall: Option<Stall>,
    /// Answers some calls with an error, after their delay.
    pub error: Option<ErrorFault>,
    /// Closes this share of the connections as soon as they are accepted.
    pub refuse: Probability,
    /// Resets a connection when the request after this many arrives on it, together with whatever
    /// is under way there. WebSocket's pings and HTTP's health checks count, too.
    pub cut_after: Option<NonZeroU64>,
    /// Calls a second that are answered, over all connections; those above are told at once that
    /// the resource is exhausted (HTTP: 429; WebSocket: the connection is closed with 1013, try again
    /// later; TCP: without a word). A tenth of a second's worth may come in one burst.
    pub throttle: Option<NonZeroU32>,
    /// Has every call that is not throttled wait in one line, over all connections and threads, for the one server
    /// behind it, whose capacity is known. Each enters it when its turn on its connection comes, and departs to
    /// tens of microseconds, where the system can. Nobody is turned away: the line has room for whatever the
    /// connections may have under way. A call whose peer is gone meanwhile takes its service time all the same.
    pub queue: Option<Queue>,
}

/// How long a call waits, drawn evenly between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    shortest: Duration,
    longest: Duration,
}

/// An occasional long wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stall {
    /// Share of the calls that stall.
    pub rate: Probability,
    /// How long they do.
    pub duration: Duration,
}

/// Errors in place of answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorFault {
    /// Share of the calls that fail.
    pub rate: Probability,
    /// The status they fail with. [`Code::Ok`] would be a reply without its message. Over HTTP it is
    /// the status that stands for this one. Of no concern to WebSocket, where the connection is closed
    /// with 1011, internal error, in place of an answer, and to TCP, where it is closed without a word.
    pub code: Code,
}

/// A share of all cases, from 0 (never, the default) to 1 (always).
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// A fault that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFault {
    /// Not a share.
    #[error("{found} is not a probability, expected 0 to 1 or 0% to 100%")]
    Probability {
        /// As it was given.
        found: String,
    },
    /// A range that ends before it starts.
    #[error("a delay between {shortest:?} and {longest:?} ends before it starts")]
    Delay {
        /// Where the range starts.
        shortest: Duration,
        /// Where it ends.
        longest: Duration,
    },
    /// Not a capacity.
    #[error("a capacity of {found} requests a second; expected from 0.000001 to 1000000000")]
    Capacity {
        /// As it was given.
        found: f64,
    },
}

impl Delay {
    /// Always the same.
    pub const fn fixed(duration: Duration) -> Self {
        Self {
            shortest: duration,
            longest: duration,
        }
    }

    /// Somewhere between the two, evenly.
    ///
    /// # Errors
    /// [`InvalidFault::Delay`] when `longest` is less than `shortest`.
    pub fn between(shortest: Duration, longest: Duration) -> Result<Self, InvalidFault> {
        if longest < shortest {
            return Err(InvalidFault::Delay { shortest, longest });
        }
        Ok(Self { shortest, longest })
    }
}

impl Probability {
    /// In every case.
    pub const ALWAYS: Self = Self(1.0);

    /// It as a number from 0 to 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }

    /// A share from 0 to 1.
    ///
    /// # Errors
    /// [`InvalidFault::Probability`] for anything else, NaN included.
    pub fn new(share: f64) -> Result<Self, InvalidFault> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(InvalidFault::Probability {
                found: share.to_string(),
            })
        }
    }
}

impl FromStr for Probability {
    type Err = InvalidFault;

    /// Reads `0.25` or `25%`.
    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (digits, unit) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 100.0),
            None => (text, 1.0),
        };
        digits
            .parse::<f64>()
            .ok()
            .and_then(|number| Self::new(number / unit).ok())
            .ok_or_else(|| InvalidFault::Probability {
                found: format!("{text:?}"),
            })
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

/// What is to become of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer it.
    Answer,
    /// Turn it away: too many.
    Throttle,
    /// Fail it with this code.
    Fail(Code),
}

/// The faults at work, shared by all of a server's threads.
#[derive(Debug)]
pub(crate) struct FaultState {
    faults: Faults,
    throttle: Option<DefaultDirectRateLimiter>,
    queue: Option<QueueState>,
    dice: Dice,
}

/// The same, as one of the threads has them.
#[derive(Debug)]
pub(crate) struct WorkerFaults {
    state: Arc<FaultState>,
    turns: Turns,
}

impl FaultState {
    /// The state for `faults`, or none when there is no fault at all. The same `seed` throws the
    /// same dice, so that a backend with a name of its own misbehaves alike in every run.
    pub(crate) fn new(faults: Faults, seed: &str) -> Option<Self> {
        if faults == Faults::default() {
            return None;
        }
        let throttle = faults.throttle.map(|per_second| {
            let burst = NonZeroU32::new(per_second.get() / 10).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst))
        });
        let queue = faults.queue.map(|queue| QueueState::new(queue, seed));
        Some(Self {
            faults,
            throttle,
            queue,
            dice: Dice::new(seed),
        })
    }

    /// The faults for a further thread.
    pub(crate) fn on_worker(this: &Arc<Self>) -> Arc<WorkerFaults> {
        Arc::new(WorkerFaults {
            state: Arc::clone(this),
            turns: Turns::default(),
        })
    }

    /// Whether the connection that has just come is to be closed.
    pub(crate) fn refuses(&self) -> bool {
        self.dice.falls(self.faults.refuse)
    }

    /// The number of requests after which a connection is cut.
    pub(crate) fn cut_after(&self) -> Option<NonZeroU64> {
        self.faults.cut_after
    }

    fn wait(&self) -> Duration {
        let delay = self.faults.delay.map_or(Duration::ZERO, |delay| {
            let range = delay.longest.saturating_sub(delay.shortest);
            delay.shortest + range.mul_f64(self.dice.share())
        });
        match self.faults.stall {
            Some(stall) if self.dice.falls(stall.rate) => delay.saturating_add(stall.duration),
            _ => delay,
        }
    }
}

impl WorkerFaults {
    /// Waits as long as the call has to, and says what is to become of it.
    pub(crate) async fn judge(&self) -> Verdict {
        let state = &self.state;
        if let Some(throttle) = &state.throttle
            && throttle.check().is_err()
        {
            return Verdict::Throttle;
        }
        if let Some(queue) = &state.queue {
            self.turns.wait(queue).await;
        }
        let wait = state.wait();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match state.faults.error {
            Some(fault) if state.dice.falls(fault.rate) => Verdict::Fail(fault.code),
            _ => Verdict::Answer,
        }
    }
}

/// Random numbers for all threads at once: splitmix64, which needs only a counter between them.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    /// The same seed throws the same numbers.
    pub(crate) fn new(seed: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self(AtomicU64::new(hasher.finish()))
    }

    /// Evenly from 0 up to, and without, 1.
    pub(crate) fn share(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper 53 bits are what an f64 between 0 and 1 can hold.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether one case in so many is this one.
    pub(crate) fn falls(&self, probability: Probability) -> bool {
        probability.0 > 0.0 && self.share() < probability.0
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0.25", 0.25)]
    #[test_case("25%", 0.25)]
    #[test_case("12.5 %", 0.125; "space before the sign")]
    #[test_case("0", 0.0)]
    #[test_case("100%", 1.0)]
    fn probabilities(text: &str, share: f64) {
        assert_eq!(text.parse(), Ok(Probability(share)));
    }

    #[test_case("1.1"; "above one")]
    #[test_case("101%"; "above all")]
    #[test_case("-0.1"; "below none")]
    #[test_case("NaN")]
    #[test_case("inf")]
    #[test_case(""; "empty")]
    #[test_case("half")]
    fn not_probabilities(text: &str) {
        let error = text.parse::<Probability>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{text:?} is not a probability, expected 0 to 1 or 0% to 100%")
        );
    }

    #[test]
    fn a_delay_does_not_end_before_it_starts() {
        let (one, two) = (Duration::from_millis(1), Duration::from_millis(2));
        assert!(Delay::between(one, two).is_ok());
        assert!(Delay::between(one, one).is_ok());
        insta::assert_snapshot!(
            Delay::between(two, one).unwrap_err(),
            @"a delay between 2ms and 1ms ends before it starts"
        );
    }

    #[test]
    fn no_fault_needs_no_state() {
        assert!(FaultState::new(Faults::default(), "a").is_none());
    }

    #[test]
    fn waits_stay_in_their_range_and_use_all_of_it() {
        let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(20));
        let faults = Faults {
            delay: Some(Delay::between(shortest, longest).unwrap()),
            ..Faults::default()
        };
        let state = FaultState::new(faults, "a").unwrap();
        let waits: Vec<_> = (0..1000).map(|_| state.wait()).collect();
        let (min, max) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
        assert!(
            shortest <= min && min < Duration::from_micros(10_200),
            "{min:?}"
        );
        assert!(
            Duration::from_micros(19_800) < max && max <= longest,
            "{max:?}"
        );
    }

    #[test]
    fn a_stall_comes_on_top_of_the_delay_as_often_as_told() {
        let faults = Faults {
            delay: Some(Delay::fixed(Duration::from_millis(1))),
            stall: Some(Stall {
                rate: Probability(0.1),
                duration: Duration::from_secs(1),
            }),
            ..Faults::default()
        };
        let state = FaultState::new(faults, "a").unwrap();
        let stalled = (0..10_000)
            .filter(|_| state.wait() == Duration::from_millis(1001))
            .count();
        // Six standard deviations either way.
        assert!((820..=1180).contains(&stalled), "{stalled}");
    }

    #[test]
    fn the_same_name_throws_the_same_dice() {
        let throw = |seed: &str| {
            let dice = Dice::new(seed);
            [dice.share(), dice.share()]
        };
        assert_eq!(throw("a"), throw("a"));
        assert_ne!(throw("a"), throw("b"));
    }
}
