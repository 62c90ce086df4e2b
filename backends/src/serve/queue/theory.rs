//! What queueing theory says of a [`Queue`] where requests arrive at random (Poisson): how long they take, and up to
//! which rate that is short enough.
//!
//! Pure functions: a capacity that was measured can be held against what they say. All is of the queue alone, without
//! the way to the server and back, and of a queue that has been served at the rate for long. Rates are requests a
//! second.

use std::time::Duration;

use super::{Queue, ServiceTimes};
use crate::serve::faults::Probability;

/// From so many service times on what is known of the tail takes the place of the sum over all that may be waiting.
/// The next term of the tail falls as exp(-2.09 t) and faster, and is below anything that a double can tell.
const TAIL: f64 = 32.0;
/// Halvings until two neighbouring doubles are left.
const HALVINGS: usize = 200;

/// The share of the requests that wait at most this long before they are served: 0 where the rate is the capacity or
/// above, for then the line grows without end.
///
/// M/M/1: `1 - ρ exp(-(μ - λ) t)`. M/D/1: exact, by the distribution of how many wait (G. J. Franx, *A simple
/// solution for the M/D/c waiting time distribution*, 2001), whose terms are all positive, where those of Erlang's
/// older formula cancel one another out; far out by the tail, `C exp(-θ t)` with `λ (exp(θ D) - 1) = θ`.
#[must_use]
pub fn waiting_within(queue: Queue, rate: f64, within: Duration) -> f64 {
    waiting(queue, rate, within.as_secs_f64())
}

/// The share of the requests that take at most this long, waiting and being served: 0 where the rate is the capacity
/// or above.
#[must_use]
pub fn response_within(queue: Queue, rate: f64, within: Duration) -> f64 {
    response(queue, rate, within.as_secs_f64())
}

/// The time that this share of the requests takes at most, `0.99` for p99. `None` where there is none: at a rate of
/// the capacity or above, or for all requests.
#[must_use]
pub fn response_quantile(queue: Queue, rate: f64, share: Probability) -> Option<Duration> {
    let share = share.share();
    if rate >= queue.capacity.per_second() || share >= 1.0 {
        return None;
    }
    let mut most = 1.0 / queue.capacity.per_second();
    while response(queue, rate, most) < share {
        most *= 2.0;
    }
    let (_, at) = halved(0.0, most, |within| response(queue, rate, within) < share);
    Duration::try_from_secs_f64(at).ok()
}

/// The highest rate at which this share of the requests takes at most `within`: with `0.99` and 20 ms, the one above
/// which p99 is above 20 ms. `None` where no rate is low enough: being served alone takes longer.
///
/// ```
/// use std::time::Duration;
///
/// use loadgen_backends::{Capacity, Probability, Queue, ServiceTimes, theory};
///
/// let queue = Queue {
///     capacity: Capacity::new(5_000.0)?,
///     service_times: ServiceTimes::Constant,
/// };
/// let rate = theory::capacity_for(queue, Probability::new(0.99)?, Duration::from_millis(2));
/// assert_eq!(rate.map(f64::round), Some(3_867.0));
/// # Ok::<(), loadgen_backends::InvalidFault>(())
/// ```
#[must_use]
pub fn capacity_for(queue: Queue, share: Probability, within: Duration) -> Option<f64> {
    let (share, within) = (share.share(), within.as_secs_f64());
    let holds = |rate: f64| response(queue, rate, within) >= share;
    let (highest, _) = halved(0.0, queue.capacity.per_second(), holds);
    (holds(0.0) && highest > 0.0).then_some(highest)
}

/// The neighbouring numbers between which what holds of `low`, and no longer of `high`, ceases to hold.
fn halved(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..HALVINGS {
        let middle = low.midpoint(high);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, high)
}

/// Both distributions in service times: `rate` over capacity, and `within` in service times.
fn scaled(queue: Queue, rate: f64, within: f64) -> (f64, f64) {
    (
        (rate / queue.capacity.per_second()).max(0.0),
        within * queue.capacity.per_second(),
    )
}

fn waiting(queue: Queue, rate: f64, within: f64) -> f64 {
    let (load, within) = scaled(queue, rate, within);
    if load >= 1.0 || within < 0.0 {
        return 0.0;
    }
    match queue.service_times {
        ServiceTimes::Exponential => 1.0 - load * (-(1.0 - load) * within).exp(),
        ServiceTimes::Constant if within < TAIL => constant(load, within),
        ServiceTimes::Constant => 1.0 - constant_tail(load, within),
    }
}

fn response(queue: Queue, rate: f64, within: f64) -> f64 {
    let (load, scaled) = scaled(queue, rate, within);
    match queue.service_times {
        ServiceTimes::Exponential if load >= 1.0 => 0.0,
        ServiceTimes::Exponential => -(-(1.0 - load) * scaled).exp_m1(),
        ServiceTimes::Constant => waiting(queue, rate, within - 1.0 / queue.capacity.per_second()),
    }
}

/// P(W ≤ t) of M/D/1, `within` in service times. A request waits at most t where of those waiting a whole number of
/// service times after it only so many are left, and of those that came before it in the rest, u, of the last of
/// them no more than these: `Σ Q(k-1-j) (ρu)^j / j! exp(-ρu)`, with k - u = t, 0 < u ≤ 1, and Q(m) the probability that
/// at most m wait.
fn constant(load: f64, within: f64) -> f64 {
    let whole = within.floor();
    let waiting = whole as usize;
    let at_most = at_most_waiting(load, waiting);
    let came = load * (whole + 1.0 - within);
    let mut poisson = (-came).exp();
    let mut sum = 0.0;
    for (came_before, at_most) in at_most.iter().rev().enumerate() {
        sum += at_most * poisson;
        poisson *= came / (came_before + 1) as f64;
    }
    sum.min(1.0)
}

/// The probability that at most 0, 1, … `most` wait, by the probability p of how many are there, one of them being
/// served. That more are there than n comes about as often as it ceases to be, which gives each p from those before it,
/// as a sum of positive terms.
fn at_most_waiting(load: f64, most: usize) -> Vec<f64> {
    let none_come = (-load).exp();
    // That more than j requests come in a service time. From the far end, where nothing cancels.
    let mut come = vec![none_come];
    for count in 1..=most + 60 {
        come.push(come[count - 1] * load / count as f64);
    }
    let mut more_come = vec![0.0; come.len()];
    for count in (1..come.len()).rev() {
        more_come[count - 1] = more_come[count] + come[count];
    }
    let mut there = vec![1.0 - load];
    for n in 0..=most {
        let grow: f64 = (1..=n).map(|it| there[it] * more_come[n + 1 - it]).sum();
        there.push((there[0] * more_come[n] + grow) / none_come);
    }
    let mut sum = there[0];
    let at_most = there[1..].iter().map(|it| {
        sum += it;
        sum
    });
    at_most.collect()
}

/// P(W > t) of M/D/1 for large t: `(1 - ρ) / (θ - (1 - ρ)) exp(-θ t)`, with θ the one above zero of `ρ (exp(θ) - 1) = θ`.
fn constant_tail(load: f64, within: f64) -> f64 {
    if load <= 0.0 {
        return 0.0;
    }
    let above = |theta: f64| load * theta.exp_m1() > theta;
    // Where the difference is least.
    let low = -load.ln();
    let mut high = low.max(1.0);
    while !above(high) {
        high *= 2.0;
    }
    let (theta, _) = halved(low, high, |it| !above(it));
    let idle = 1.0 - load;
    idle / (theta - idle) * (-theta * within).exp()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::{Capacity, Departures, Dice};
    use super::*;

    const MOST: f64 = 5_000.0;

    fn queue(service_times: ServiceTimes) -> Queue {
        Queue {
            capacity: Capacity::new(MOST).unwrap(),
            service_times,
        }
    }

    fn share(share: f64) -> Probability {
        Probability::new(share).unwrap()
    }

    /// Erlang's formula, whose terms take turns with their signs: good for short waits.
    fn by_erlang(load: f64, within: f64) -> f64 {
        let mut sum = 0.0;
        for k in 0..=within as usize {
            let came = load * (k as f64 - within);
            let term = (1..=k).fold((-came).exp(), |term, it| term * came / it as f64);
            sum += term;
        }
        (1.0 - load) * sum
    }

    #[test_case(0.1)]
    #[test_case(0.5)]
    #[test_case(0.9)]
    #[test_case(0.99)]
    fn short_waits_are_as_by_erlang(load: f64) {
        for within in [0.0, 0.3, 0.999, 1.0, 1.5, 2.0, 3.7, 5.0, 8.25] {
            let (ours, his) = (constant(load, within), by_erlang(load, within));
            assert!((ours - his).abs() < 1e-10, "{within}: {ours} {his}");
        }
    }

    #[test_case(0.05)]
    #[test_case(0.5)]
    #[test_case(0.9)]
    #[test_case(0.99)]
    #[test_case(0.9999)]
    fn the_tail_is_what_the_sum_goes_over_to(load: f64) {
        for within in [20.0, 31.9, 32.0, 60.4] {
            let (sum, tail) = (1.0 - constant(load, within), constant_tail(load, within));
            assert!((sum - tail).abs() < 1e-11, "{within}: {sum} {tail}");
        }
    }

    /// The mean wait, by Pollaczek and Khinchine.
    #[test_case(ServiceTimes::Constant, 0.5, 0.5; "constant at half")]
    #[test_case(ServiceTimes::Constant, 0.9, 4.5; "constant at nine tenths")]
    #[test_case(ServiceTimes::Exponential, 0.5, 1.0; "exponential at half")]
    #[test_case(ServiceTimes::Exponential, 0.9, 9.0; "exponential at nine tenths")]
    fn the_mean_is_what_it_is_known_to_be(times: ServiceTimes, load: f64, wanted: f64) {
        const STEPS: u32 = 100;
        let step = 1.0 / f64::from(STEPS) / MOST;
        let waits_longer = |nth: u32| {
            let within = (f64::from(nth) + 0.5) * step;
            1.0 - waiting(queue(times), load * MOST, within)
        };
        let mean = (0..300 * STEPS).map(waits_longer).sum::<f64>() * step * MOST;
        assert!((mean / wanted - 1.0).abs() < 1e-4, "{mean} {wanted}");
    }

    /// A million arrivals at random, within five standard errors. What comes right behind one another waits alike, so
    /// that these are of 60,000 independent ones at half, and of 4,000 at nine tenths.
    #[test_case(ServiceTimes::Constant, 0.5, 0.02; "constant at half")]
    #[test_case(ServiceTimes::Constant, 0.9, 0.08; "constant at nine tenths")]
    #[test_case(ServiceTimes::Exponential, 0.5, 0.02; "exponential at half")]
    #[test_case(ServiceTimes::Exponential, 0.9, 0.08; "exponential at nine tenths")]
    fn a_simulated_queue_takes_as_long(times: ServiceTimes, load: f64, tolerance: f64) {
        let (queue, rate) = (queue(times), load * MOST);
        let mut line = Departures::new(queue, "served");
        let dice = Dice::new("arrivals");
        let mut at = 0.0;
        let mut took: Vec<u64> = (0..1_000_000)
            .map(|_| {
                at -= (-dice.share()).ln_1p() / rate * 1e9;
                let arrival = at as u64;
                line.next(arrival) - arrival
            })
            .collect();
        took.sort_unstable();
        for wanted in [0.5, 0.9, 0.99, 0.999] {
            // A time of ours that is not the service time, at which many lie.
            let within = response_quantile(queue, rate, share(wanted)).unwrap();
            let limit = (within.as_nanos() + 2) as u64;
            let seen = took.partition_point(|it| *it <= limit) as f64 / 1e6;
            let told = response_within(queue, rate, within + Duration::from_nanos(2));
            assert!(
                (seen - told).abs() < tolerance * (1.0 - told).sqrt(),
                "{wanted}: {seen} {told}"
            );
        }
    }

    #[test_case(ServiceTimes::Constant)]
    #[test_case(ServiceTimes::Exponential)]
    fn the_capacity_for_a_goal_is_where_the_quantile_is_the_goal(times: ServiceTimes) {
        let queue = queue(times);
        for goal_ms in [1, 2, 5, 20, 1_000] {
            for wanted in [0.5, 0.9, 0.99, 0.999] {
                let within = Duration::from_millis(goal_ms);
                let Some(rate) = capacity_for(queue, share(wanted), within) else {
                    assert_eq!(
                        (times, goal_ms, wanted),
                        (ServiceTimes::Exponential, 1, 0.999)
                    );
                    continue;
                };
                assert!(rate < MOST);
                let back = response_quantile(queue, rate, share(wanted)).unwrap();
                assert!(
                    back.abs_diff(within) < within / 1_000_000,
                    "{rate} {back:?}"
                );
            }
        }
    }

    /// p99 of M/M/1: -ln(0.01) / (μ - λ).
    #[test]
    fn of_exponential_times_it_is_known_in_closed_form() {
        let within = Duration::from_millis(20);
        let rate = capacity_for(queue(ServiceTimes::Exponential), share(0.99), within).unwrap();
        assert!((rate - (MOST - 100_f64.ln() / 0.02)).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn there_is_none_where_being_served_takes_longer() {
        let constant = queue(ServiceTimes::Constant);
        let (shorter, longer) = (Duration::from_micros(199), Duration::from_micros(201));
        assert_eq!(capacity_for(constant, share(0.5), shorter), None);
        assert!(capacity_for(constant, share(0.5), longer).is_some());
        let exponential = queue(ServiceTimes::Exponential);
        assert_eq!(capacity_for(exponential, share(0.99), longer), None);
    }

    #[test_case(ServiceTimes::Constant)]
    #[test_case(ServiceTimes::Exponential)]
    fn above_its_capacity_nothing_is_in_time(times: ServiceTimes) {
        let (queue, long) = (queue(times), Duration::from_secs(3600));
        for rate in [MOST, 2.0 * MOST] {
            assert_eq!(response_within(queue, rate, long), 0.0);
            assert_eq!(waiting_within(queue, rate, long), 0.0);
            assert_eq!(response_quantile(queue, rate, share(0.5)), None);
        }
        assert_eq!(response_quantile(queue, 1.0, Probability::ALWAYS), None);
        assert!(waiting_within(queue, 0.0, Duration::ZERO) > 0.999_999);
    }
}
