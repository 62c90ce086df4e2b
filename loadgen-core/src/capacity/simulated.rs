//! Services that are not there: what becomes of a trial is worked out, with chance from a seed.

use std::fmt;
use std::time::Duration;

use test_case::test_case;

use super::{Answer, End, Measured, Method, Next, Range, Search};
use crate::chance::{mix, mix_in};
use crate::units::Rate;

/// How a service behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A queue with one server and a constant service time (M/D/1), whose p99 is to be below a hundred of
    /// these. What a trial measures is off by chance, less so in a longer one, as much as that of a queue
    /// that is simulated arrival by arrival.
    Steady,
    /// Near the capacity, chance decides each trial, however long it is.
    Noisy,
    /// Once a minute, at random, it stands still, and the trial that meets that is bad.
    Stalls,
    /// Whoever overloads it finds a tenth of it gone, which comes back over five seconds.
    Hysteresis,
    /// It loses 0.2 % a minute.
    Leak,
    /// It turns away what is above its capacity, but for a burst: a tenth of a second's worth. One in a hundred may be
    /// turned away.
    Throttle,
    /// The queue itself, arrival by arrival, empty when a trial begins.
    Queue,
}

/// Between trials.
const COOL_DOWN_S: f64 = 0.7;
/// Between trials, where a service does not answer as it did when idle.
const LONG_COOL_DOWN_S: f64 = 3.0;
/// Before the first trial.
const RAMP_S: f64 = 8.0;
/// The goal of a queue: so many service times.
const GOAL: f64 = 100.0;
/// How far a load may be from the capacity of a service until it is told apart, as a share, one standard
/// deviation.
const SHARP: f64 = 0.003;
const NOISY: f64 = 0.01;
/// What a throttle lets through at once, in seconds of its capacity.
const BURST_S: f64 = 0.1;

/// A service under test, its clock and its chance.
#[derive(Debug, Clone)]
struct Service {
    kind: Kind,
    /// When nothing is wrong and no time has passed, per second.
    capacity: f64,
    chance: Chance,
    now_s: f64,
    overloaded_until_s: f64,
    /// How long a full-length trial is.
    full_s: f64,
}

impl Service {
    fn new(kind: Kind, method: &Method, seed: u64) -> Self {
        let mut chance = Chance(mix(seed));
        Self {
            kind,
            capacity: 3_000.0 + 5_000.0 * chance.even(),
            chance,
            now_s: 0.0,
            overloaded_until_s: f64::NEG_INFINITY,
            full_s: method.final_duration.as_secs_f64(),
        }
    }

    /// What is true now: the load that a rested service holds in half of all full-length trials, stalls aside; for
    /// the queue and what is made like it, the one at which the p99 of an endless trial is the goal.
    fn capacity(&self) -> f64 {
        match self.kind {
            Kind::Throttle => self.throttled(self.full_s),
            Kind::Leak => self.capacity * (1.0 - 0.002 * self.now_s / 60.0),
            _ => self.capacity,
        }
    }

    /// Where a closed ramp ended: near, or now and then somewhere else altogether.
    fn hint(&mut self) -> f64 {
        let is_wrong = self.chance.even() < 0.1;
        let off = if is_wrong { 5_f64.ln() } else { 0.2 };
        self.capacity * (off * (2.0 * self.chance.even() - 1.0)).exp()
    }

    fn rest(&mut self, least: Duration) -> f64 {
        let rest_s: f64 = match self.kind {
            Kind::Hysteresis if self.overloaded_until_s == self.now_s => LONG_COOL_DOWN_S,
            _ => COOL_DOWN_S,
        };
        let rest_s = rest_s.max(least.as_secs_f64());
        self.now_s += rest_s;
        rest_s
    }

    /// Whether a load is held for so long.
    fn holds(&mut self, rate: f64, duration_s: f64) -> bool {
        let capacity = self.capacity();
        let off = rate / capacity - 1.0;
        let held = match self.kind {
            Kind::Steady => self.measured_p99(rate, duration_s) < GOAL,
            Kind::Noisy => self.chance.normal() * NOISY > off,
            Kind::Stalls => {
                let is_hit = self.chance.even() > (-duration_s / 60.0).exp();
                !is_hit && self.chance.normal() * SHARP > off
            }
            Kind::Hysteresis => {
                let since = self.now_s - self.overloaded_until_s;
                let gone = 0.1 * (1.0 - since / 5.0).max(0.0);
                self.chance.normal() * SHARP > off + gone
            }
            Kind::Leak => self.chance.normal() * SHARP > off,
            Kind::Throttle => {
                let off = rate / self.throttled(duration_s) - 1.0;
                self.chance.normal() * SHARP > off
            }
            Kind::Queue => self.queue(rate, duration_s),
        };
        self.now_s += duration_s;
        if !held {
            self.overloaded_until_s = self.now_s;
        }
        held
    }

    /// The load of which a trial has one in a hundred turned away.
    fn throttled(&self, duration_s: f64) -> f64 {
        self.capacity * (1.0 + BURST_S / duration_s) / 0.99
    }

    /// In service times: the part of arrivals that wait longer falls with e^(-2(1-ρ)) for each, in heavy
    /// traffic. Above its rate a queue grows for as long as the trial lasts.
    fn measured_p99(&mut self, rate: f64, duration_s: f64) -> f64 {
        let served = self.capacity / (1.0 - Self::room());
        let room = 1.0 - rate / served;
        let services = duration_s * served;
        let growing = 0.99 * (-room).max(0.0) * services;
        let steady = 100_f64.ln() / (2.0 * room.max(1e-3));
        let off = self.chance.normal() * 73.0 / services.sqrt();
        (1.0 + steady + growing) * off.exp()
    }

    /// What a queue that just holds the goal has to spare, as a share of its rate.
    fn room() -> f64 {
        100_f64.ln() / (2.0 * (GOAL - 1.0))
    }

    fn queue(&mut self, rate: f64, duration_s: f64) -> bool {
        let served = self.capacity / (1.0 - Self::room());
        // In service times.
        let between = served / rate;
        let end = duration_s * served;
        let (mut at, mut wait) = (0.0, 0.0_f64);
        let (mut all, mut late) = (0_u32, 0_u32);
        loop {
            let gap = -between * self.chance.even().ln();
            at += gap;
            if at > end {
                break;
            }
            wait = (wait - gap).max(0.0);
            all += 1;
            late += u32::from(wait + 1.0 > GOAL);
            wait += 1.0;
        }
        f64::from(late) <= 0.01 * f64::from(all)
    }
}

/// What became of a search.
#[derive(Debug)]
struct Searched {
    answer: Answer,
    capacity: f64,
    trials_s: f64,
}

impl Searched {
    fn of(kind: Kind, method: &Method, seed: u64) -> Self {
        let mut service = Service::new(kind, method, seed);
        let rate = |per_second: f64| Rate::new(per_second).unwrap();
        let range = Range {
            from: rate(100.0),
            to: rate(50_000.0),
            hint: Some(rate(service.hint())),
        };
        let mut search = Search::new(method.clone(), 1, range).unwrap();
        let mut elapsed_s = RAMP_S;
        let mut trials_s = 0.0;
        let end = loop {
            let trial = match search.next(Duration::from_secs_f64(elapsed_s)) {
                Next::Trial(trial) => trial,
                Next::Done(end) => break end,
            };
            let duration_s = trial.duration.as_secs_f64();
            elapsed_s += service.rest(trial.rest);
            let held = service.holds(trial.rate.per_second(), duration_s);
            let kept = if held { 1.0 } else { 0.9 };
            search.enter(
                trial,
                &Measured::Valid {
                    held: vec![Some(held)],
                    kept,
                },
            );
            trials_s += duration_s;
            elapsed_s += duration_s + super::method::warm_up(trial.duration).as_secs_f64();
        };
        Self {
            answer: search.answer(end),
            capacity: service.capacity(),
            trials_s,
        }
    }

    /// How far the conditional rate is off, as a share of the capacity.
    fn off(&self) -> Option<f64> {
        Some(self.answer.conditional? / self.capacity - 1.0)
    }

    /// Whether the capacity lies in the interval that was given; a side without a bound is open.
    fn is_right(&self) -> bool {
        let Answer { lower, upper, .. } = &self.answer;
        lower.is_none_or(|it| it.rate.per_second() <= self.capacity)
            && upper.is_none_or(|it| it.rate.per_second() >= self.capacity)
    }
}

/// What many searches came to.
#[derive(Debug)]
struct Summary {
    /// Shares of the searches: that have the capacity in their interval, that have both ends of it, that
    /// ended by the width, and with a confirmed lower bound.
    right: f64,
    both_bounds: f64,
    narrow: f64,
    confirmed: f64,
    /// Whose conditional rate is within 3 % of the capacity.
    close: f64,
    /// Means.
    trials: f64,
    trials_s: f64,
    width: f64,
    /// The longest time in trials.
    most_s: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = [
            self.right,
            self.both_bounds,
            self.narrow,
            self.confirmed,
            self.close,
        ];
        for share in shares {
            write!(f, "| {:.1} % ", 100.0 * share)?;
        }
        let Self {
            trials,
            trials_s,
            most_s,
            width,
            ..
        } = self;
        let width = 100.0 * width;
        write!(
            f,
            "| {trials:.1} | {trials_s:.0} s (at most {most_s:.0} s) | {width:.1} % |"
        )
    }
}

impl Summary {
    fn of(kind: Kind, method: &Method, searches: u32) -> Self {
        let all: Vec<Searched> = (0..searches)
            .map(|it| Searched::of(kind, method, mix_in(18, u64::from(it))))
            .collect();
        let share = |is: &dyn Fn(&Searched) -> bool| {
            all.iter().filter(|it| is(it)).count() as f64 / f64::from(searches)
        };
        let mean = |of: &dyn Fn(&Searched) -> Option<f64>| {
            let some: Vec<f64> = all.iter().filter_map(of).collect();
            some.iter().sum::<f64>() / some.len() as f64
        };
        Self {
            right: share(&Searched::is_right),
            both_bounds: share(&|it| it.answer.width.is_some()),
            narrow: share(&|it| it.answer.end == End::Width),
            confirmed: share(&|it| it.answer.is_confirmed),
            close: share(&|it| it.off().is_some_and(|off| off.abs() < 0.03)),
            trials: mean(&|it| Some(f64::from(it.answer.trials))),
            trials_s: mean(&|it| Some(it.trials_s)),
            width: mean(&|it| it.answer.width),
            most_s: all.iter().map(|it| it.trials_s).fold(0.0, f64::max),
        }
    }
}

/// Numbers without pattern, one after the other.
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    /// Evenly, above 0 and below 1.
    fn even(&mut self) -> f64 {
        self.0 = mix(self.0);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Normally, with a standard deviation of 1 (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, turn) = (self.even(), self.even());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }
}

const ALL: [Kind; 6] = [
    Kind::Steady,
    Kind::Noisy,
    Kind::Stalls,
    Kind::Hysteresis,
    Kind::Leak,
    Kind::Throttle,
];

fn method(budget_s: u64) -> Method {
    Method::within(Duration::from_secs(budget_s), Method::WIDTH).unwrap()
}

fn holds_nearly_always(budget_s: u64, kind: Kind, searches: u32) -> Summary {
    let summary = Summary::of(kind, &method(budget_s), searches);
    assert!(
        summary.right >= 0.95,
        "{kind:?} in {budget_s} s: {summary:#?}"
    );
    assert!(
        summary.both_bounds >= 0.97,
        "{kind:?} in {budget_s} s: {summary:#?}"
    );
    assert!(
        summary.most_s <= 0.9 * budget_s as f64,
        "{kind:?} in {budget_s} s: {summary:#?}"
    );
    summary
}

#[test_case(Kind::Steady)]
#[test_case(Kind::Noisy)]
#[test_case(Kind::Stalls)]
#[test_case(Kind::Hysteresis)]
#[test_case(Kind::Leak)]
#[test_case(Kind::Throttle)]
fn the_capacity_lies_in_the_interval(kind: Kind) {
    holds_nearly_always(90, kind, 100);
}

#[test]
fn a_service_that_is_sharp_is_known_to_the_width_in_five_minutes() {
    let summary = holds_nearly_always(300, Kind::Leak, 200);
    assert!(summary.narrow >= 0.85, "{summary:#?}");
}

#[test]
fn what_a_queue_holds_is_found_within_three_per_cent_of_theory() {
    let searched = (0..50).map(|it| Searched::of(Kind::Queue, &method(90), mix_in(18, it)));
    let off: Vec<f64> = searched.filter_map(|it| it.off()).collect();
    // A few have had no time for a full-length trial at their lower bound, or only for one well below the capacity.
    let close = off.iter().filter(|it| it.abs() < 0.03).count();
    assert!(close >= 44, "{close} of 50: {off:?}");
    assert!(off.iter().all(|it| (-0.06..0.03).contains(it)), "{off:?}");
}

/// Prints what docs/src/capacity.md says: `just capacity-figures`.
#[test]
#[ignore = "takes minutes"]
fn a_thousand_searches_of_each() {
    println!(
        "| budget | service | right | both bounds | to the width | confirmed | within 3 % | trials | time in trials | width |"
    );
    for budget_s in [90, 300] {
        for kind in ALL {
            let summary = holds_nearly_always(budget_s, kind, 1_000);
            println!("| {budget_s} s | {kind:?} {summary}");
        }
        let queue = Summary::of(Kind::Queue, &method(budget_s), 100);
        println!("| {budget_s} s | {:?} {queue}", Kind::Queue);
    }
}
