//! What can only be found out by trying: the cost of the clock, the precision of waiting, and
//! what else the machine was busy with meanwhile.

use std::hint;
use std::time::Duration;

use loadgen_core::clock::{Clock, Nanos, nanos};
use loadgen_core::pacer::Pacer;

use super::cgroup;
use super::facts::{Lateness, Meanwhile, Measured};
use super::system::System;

/// How often the clock is read, in rounds of which the middle one counts.
const ROUNDS: usize = 15;
/// Readings in a round.
const READINGS: u32 = 20_000;
/// How many waits are timed.
const WAITS: u32 = 200;
/// From one wait's end to the next. Long enough for a processor to fall asleep in between, as it
/// does at ordinary rates.
const WAIT: Duration = Duration::from_millis(4);

/// Measures; takes about a second.
pub(super) fn measure() -> Measured {
    let system = System::here();
    let before = Times::now(&system);
    let clock = Clock::start();
    let timer = lateness(clock);
    let clock_ns = clock_cost(&clock);
    let after = Times::now(&system);
    Measured {
        clock_ns,
        timer,
        meanwhile: before
            .zip(after)
            .and_then(|(before, after)| after.since(&before)),
    }
}

fn clock_cost(clock: &Clock) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = clock.now();
            for _ in 0..READINGS {
                hint::black_box(clock.now());
            }
            (clock.now() - began) as f64 / f64::from(READINGS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// How late the engine's own way of waiting is, on a runtime like a worker's.
fn lateness(clock: Clock) -> Option<Lateness> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let late = runtime.block_on(async {
        let mut pacer = Pacer::new(clock).ok()?;
        let mut late = Vec::with_capacity(WAITS as usize);
        for _ in 0..WAITS {
            let due = clock.now() + nanos(WAIT);
            pacer.until(due).await.ok()?;
            late.push(clock.now() - due);
        }
        Some(late)
    })?;
    summed(late)
}

fn summed(mut late: Vec<Nanos>) -> Option<Lateness> {
    late.sort_unstable();
    let at = |share: f64| {
        let rank = (late.len() as f64 * share).ceil() as usize;
        late.get(rank.max(1) - 1).map(|ns| *ns as f64 / 1e3)
    };
    Some(Lateness {
        waits: late.len() as u64,
        p50_us: at(0.5)?,
        p99_us: at(0.99)?,
        max_us: at(1.0)?,
    })
}

/// Processor time so far, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    all: u64,
    idle: u64,
    steal: u64,
    ours: u64,
    throttled: u64,
}

impl Times {
    fn now(system: &System<'_>) -> Option<Self> {
        let mut times = Self::parse(&system.text("proc/stat")?, &system.text("proc/self/stat")?)?;
        times.throttled = cgroup::quota(system).map_or(0, |it| it.throttled);
        Some(times)
    }

    fn parse(machine: &str, process: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; guests are within user and nice.
        let line = machine.lines().find_map(|it| it.strip_prefix("cpu "))?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map_while(|it| it.parse().ok())
            .take(8)
            .collect();
        let &[_, _, _, idle, waiting, _, _, steal] = numbers.as_slice() else {
            return None;
        };
        // The name before may hold blanks. Behind it utime and stime are the 12th and 13th.
        let (_, fields) = process.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Self {
            all: numbers.iter().sum(),
            idle: idle + waiting,
            steal,
            ours: ticks()? + ticks()?,
            throttled: 0,
        })
    }

    fn since(&self, before: &Self) -> Option<Meanwhile> {
        let passed = |of: fn(&Self) -> u64| of(self).saturating_sub(of(before)) as f64;
        let all = passed(|it| it.all);
        let steal = passed(|it| it.steal);
        let others = all - passed(|it| it.idle) - steal - passed(|it| it.ours);
        (all > 0.0).then(|| Meanwhile {
            steal: steal / all,
            others: (others / all).max(0.0),
            throttled: self.throttled.saturating_sub(before.throttled),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let late = summed((1..=200).map(|it| it * 1000).rev().collect()).unwrap();
        assert_eq!(
            (late.p50_us, late.p99_us, late.max_us),
            (100.0, 198.0, 200.0)
        );
        assert_eq!(summed(Vec::new()), None);
    }

    #[test]
    fn what_others_used_is_what_is_neither_idle_nor_stolen_nor_ours() {
        let process = |ticks: u64| {
            format!("7 (a name) with) S 1 7 7 0 -1 4194304 9 0 0 0 {ticks} 5 0 0 20 0 1 0")
        };
        let before = Times::parse("cpu  100 0 50 800 10 0 0 5 0 0\ncpu0 1", &process(10)).unwrap();
        let after = Times::parse("cpu  140 0 60 840 20 0 0 15 0 0\ncpu0 1", &process(20)).unwrap();
        let meanwhile = after.since(&before).unwrap();
        // 110 ticks: 50 idle, 10 stolen, 10 ours, 40 of others.
        assert!((meanwhile.steal - 10.0 / 110.0).abs() < 1e-9);
        assert!((meanwhile.others - 40.0 / 110.0).abs() < 1e-9);
        assert_eq!(before.since(&before), None, "no tick has passed");
        assert_eq!(Times::parse("cpu  1 2 3", &process(1)), None);
    }
}
