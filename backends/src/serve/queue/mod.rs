//! One line for all requests of a server, in front of a single place where they are served, so that its capacity is
//! known.
//!
//! Owns the settings ([`Queue`]), when each request departs (`Departures`, pure), and each worker's waiting until
//! then ([`Turns`]). What theory says of such queues is [`theory`]'s.

pub mod theory;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::faults::{Dice, InvalidFault};
use super::timer::Timer;

/// The highest capacity: one request a nanosecond, the finest that times are told apart.
const MOST_PER_SECOND: f64 = 1e9;
/// The lowest capacity: one request in twelve days.
const LEAST_PER_SECOND: f64 = 1e-6;

/// A single server, first come, first served, with room for all that wait. Where requests come at random (Poisson)
/// it is what queueing theory calls M/D/1, or M/M/1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// The requests that it can serve.
    pub capacity: Capacity,
    /// How long serving one takes.
    pub service_times: ServiceTimes,
}

/// So many requests a second, from one in a million seconds to one a nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Capacity(f64);

/// How long serving one request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTimes {
    /// Always as long: one over the capacity.
    #[default]
    Constant,
    /// That on average: at random, exponentially distributed.
    Exponential,
}

impl Capacity {
    /// So many requests a second.
    ///
    /// # Errors
    /// [`InvalidFault::Capacity`] for what is out of its range, NaN included.
    pub fn new(per_second: f64) -> Result<Self, InvalidFault> {
        if (LEAST_PER_SECOND..=MOST_PER_SECOND).contains(&per_second) {
            Ok(Self(per_second))
        } else {
            Err(InvalidFault::Capacity { found: per_second })
        }
    }

    /// It as requests a second.
    #[must_use]
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

/// When requests depart that arrive one after the other, in nanoseconds since any one moment.
#[derive(Debug)]
struct Departures {
    queue: Queue,
    dice: Dice,
    /// When the request before departs.
    free_at: u64,
    /// The part of a nanosecond by which it departs later: without it a capacity whose service time is no whole
    /// number of them would be another one.
    fraction: f64,
}

impl Departures {
    /// The same `seed` draws the same service times.
    fn new(queue: Queue, seed: &str) -> Self {
        Self {
            queue,
            // Other dice of this seed throw other numbers.
            dice: Dice::new(&format!("{seed} service times")),
            free_at: 0,
            fraction: 0.0,
        }
    }

    /// When the next request departs, which arrives at `arrival`, and not before the one before.
    fn next(&mut self, arrival: u64) -> u64 {
        if arrival > self.free_at {
            (self.free_at, self.fraction) = (arrival, 0.0);
        }
        let of_mean = match self.queue.service_times {
            ServiceTimes::Constant => 1.0,
            ServiceTimes::Exponential => -(-self.dice.share()).ln_1p(),
        };
        let took = of_mean * 1e9 / self.queue.capacity.per_second() + self.fraction;
        self.fraction = took.fract();
        self.free_at = self.free_at.saturating_add(took as u64);
        self.free_at
    }
}

/// The queue of a server, which all of its threads put their requests into.
#[derive(Debug)]
pub(super) struct QueueState {
    began: Instant,
    departures: Mutex<Departures>,
}

impl QueueState {
    /// The same `seed` draws the same service times.
    pub(super) fn new(queue: Queue, seed: &str) -> Self {
        Self {
            began: Instant::now(),
            departures: Mutex::new(Departures::new(queue, seed)),
        }
    }

    /// Puts a request into the line, and says when it departs.
    fn enter(&self) -> Instant {
        let mut departures = self
            .departures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock: who is later in the line has not arrived earlier.
        let arrival = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.began + Duration::from_nanos(departures.next(arrival))
    }
}

/// The requests of one worker that wait until they depart. They depart in the order in which they came, so one timer
/// does for all: whoever departs next has it.
#[derive(Debug, Default)]
pub(super) struct Turns(tokio::sync::Mutex<Timer>);

impl Turns {
    /// Puts a request into the line and waits until it departs, to tens of microseconds where the system can. One
    /// that nobody waits for any more has its service time all the same: who serves it does not know.
    pub(super) async fn wait(&self, queue: &QueueState) {
        let departs = queue.enter();
        // The lock is handed on in the order in which it was asked for, which is that of the line as long as a task
        // whose share of the processor is used up does not ask later than one behind it.
        let mut timer = unconstrained(self.0.lock()).await;
        while Instant::now() < departs {
            timer.until(departs).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn departures(capacity: f64, service_times: ServiceTimes, seed: &str) -> Departures {
        let capacity = Capacity::new(capacity).unwrap();
        let queue = Queue {
            capacity,
            service_times,
        };
        Departures::new(queue, seed)
    }

    #[test_case(0.0)]
    #[test_case(-1.0; "negative")]
    #[test_case(1e-7; "too low")]
    #[test_case(1.1e9; "too high")]
    #[test_case(f64::NAN)]
    #[test_case(f64::INFINITY)]
    fn no_capacities(capacity: f64) {
        let error = Capacity::new(capacity).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "a capacity of {capacity} requests a second; expected from 0.000001 to 1000000000"
            )
        );
    }

    #[test]
    fn each_waits_for_those_before_and_an_idle_server_for_nobody() {
        let mut line = departures(1e6, ServiceTimes::Constant, "");
        assert_eq!(line.next(500), 1_500);
        assert_eq!(line.next(600), 2_500);
        // Its clock was read by a thread that was held up: no reason to be served earlier.
        assert_eq!(line.next(550), 3_500);
        assert_eq!(line.next(10_000), 11_000);
    }

    /// 3e8/s are 3.33 ns each: rounded it would be 3.33e8/s.
    #[test_case(3e8; "of thirds")]
    #[test_case(7_000.0)]
    #[test_case(1e9; "highest")]
    fn capacity_is_exact_whatever_a_nanosecond_can_hold(capacity: f64) {
        let mut line = departures(capacity, ServiceTimes::Constant, "");
        let last = (0..1_000_000).map(|_| line.next(0)).last().unwrap();
        let wanted = 1e6 / capacity * 1e9;
        assert!((last as f64 - wanted).abs() <= 1.0, "{last} {wanted}");
    }

    #[test]
    fn exponential_times_have_their_mean_and_spread_and_come_again() {
        let times = |seed: &str| {
            let mut line = departures(1e3, ServiceTimes::Exponential, seed);
            let mut before = 0;
            let times = (0..200_000).map(|_| {
                let departs = line.next(0);
                let took = departs - before;
                before = departs;
                took as f64 / 1e6
            });
            times.collect::<Vec<f64>>()
        };
        let drawn = times("a");
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let squares = drawn.iter().map(|it| it * it).sum::<f64>() / drawn.len() as f64;
        // Five standard errors: 1 and √20 each over √200,000.
        assert!((mean - 1.0).abs() < 0.012, "{mean}");
        assert!((squares - 2.0).abs() < 0.05, "{squares}");
        let above = drawn.iter().filter(|it| **it > 3.0).count() as f64 / drawn.len() as f64;
        assert!((above - (-3.0_f64).exp()).abs() < 0.003, "{above}");
        assert_eq!(drawn, times("a"));
        assert_ne!(drawn, times("b"));
    }

    #[test]
    fn the_lowest_capacity_never_overflows() {
        let mut line = departures(1e-6, ServiceTimes::Exponential, "");
        let mut before = 0;
        for _ in 0..100_000 {
            let departs = line.next(0);
            assert!(departs >= before);
            before = departs;
        }
        assert_eq!(before, u64::MAX);
    }
}
