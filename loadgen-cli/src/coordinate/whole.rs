//! All shards together as a person sees them while they are under way: a line of figures, from what each tells once a
//! second. Results are made of nothing of it.

use std::collections::BTreeMap;

use loadgen_core::engine::Snapshot;

use super::proto::Tick;
use crate::human;

/// How much wider a bucket of times is than the one before: what a percentile of this may be off by.
const STEP: f64 = 1.02;

/// Buckets of all times that there may be, some thousands of hours.
const MOST_BUCKETS: usize = 2_048;

/// What a shard tells of its last second.
pub(super) fn tick(snapshot: &Snapshot<'_>) -> Tick {
    let mut tick = Tick::default();
    let mut buckets: BTreeMap<u32, u64> = BTreeMap::new();
    for scenario in &snapshot.scenarios {
        let interval = scenario.interval;
        let ledger = scenario.total.ledger;
        tick.users += scenario.users;
        tick.completed += ledger.completed;
        tick.failed += ledger.failed;
        if !interval.length.is_zero() {
            let rate = interval.ledger.completed as f64 / interval.length.as_secs_f64();
            tick.rate += rate.round() as u64;
        }
        for value in interval.response_time.second().iter_recorded() {
            let bucket = bucket_of(value.value_iterated_to());
            *buckets.entry(bucket).or_default() += value.count_at_value();
        }
    }
    (tick.buckets, tick.counts) = buckets.into_iter().unzip();
    tick
}

fn bucket_of(nanos: u64) -> u32 {
    ((nanos.max(1) as f64).ln() / STEP.ln()).round() as u32
}

/// The middle of a bucket, in microseconds.
fn micros_of(bucket: u32) -> f64 {
    STEP.powf(f64::from(bucket)) / 1e3
}

/// The figures of so many shards of which these ticked; `running` make load.
pub(super) fn line<'a>(count: u32, running: u32, ticks: impl Iterator<Item = &'a Tick>) -> String {
    let mut sum = Tick::default();
    let mut buckets = [0_u64; MOST_BUCKETS];
    for tick in ticks {
        sum.users = sum.users.saturating_add(tick.users);
        sum.rate = sum.rate.saturating_add(tick.rate);
        sum.completed = sum.completed.saturating_add(tick.completed);
        sum.failed = sum.failed.saturating_add(tick.failed);
        for (bucket, more) in tick.buckets.iter().zip(&tick.counts) {
            if let Some(count) = buckets.get_mut(*bucket as usize) {
                *count = count.saturating_add(*more);
            }
        }
    }
    let of = match running == count {
        true => format!("all {}", human::counted(count.into(), "shard")),
        false => format!("{running} of {}", human::counted(count.into(), "shard")),
    };
    let mut parts = vec![
        format!("{of}: {} busy", human::count(sum.users)),
        human::rate(sum.rate as f64),
        format!("{} ok", human::count(sum.completed)),
        format!("{} failed", human::count(sum.failed)),
    ];
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        if let Some(us) = percentile(&buckets, share) {
            parts.push(format!("{name} {}", human::micros(us)));
        }
    }
    parts.join(", ")
}

fn percentile(buckets: &[u64], share: f64) -> Option<f64> {
    let all = buckets
        .iter()
        .fold(0_u64, |sum, it| sum.saturating_add(*it));
    let wanted = ((all as f64 * share).ceil() as u64).max(1);
    let mut seen = 0_u64;
    let mut buckets = (0..).zip(buckets);
    let found = buckets.find(|(_, count)| {
        seen = seen.saturating_add(**count);
        seen >= wanted
    });
    found.map(|(bucket, _)| micros_of(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(users: u64, rate: u64, times: &[(u64, u64)]) -> Tick {
        Tick {
            users,
            rate,
            completed: 10 * rate,
            failed: 1,
            buckets: times.iter().map(|(us, _)| bucket_of(us * 1_000)).collect(),
            counts: times.iter().map(|(_, count)| *count).collect(),
        }
    }

    #[test]
    fn figures_of_all_are_sums_and_percentiles_are_of_all_samples() {
        let ticks = [
            tick(3, 100, &[(1_000, 99), (50_000, 1)]),
            tick(4, 300, &[(1_000, 299), (80_000, 1)]),
        ];
        let line = line(2, 2, ticks.iter()).replace('\u{a0}', " ");
        let (counts, times) = line.split_once(", p50 ").unwrap();
        assert_eq!(counts, "all 2 shards: 7 busy, 400/s, 4,000 ok, 2 failed");
        let times: Vec<&str> = times.split(", p99 ").collect();
        let near = |text: &str| {
            let ms: f64 = text.trim_end_matches(" ms").parse().unwrap();
            (0.98..1.02).contains(&ms)
        };
        assert!(times.iter().all(|it| near(it)), "{line}");
    }

    #[test]
    fn who_is_lost_is_not_counted() {
        let none = line(4, 3, [].iter());
        assert_eq!(none, "3 of 4 shards: 0 busy, 0/s, 0 ok, 0 failed");
    }

    #[test]
    fn buckets_are_fine_enough() {
        for us in [1_u64, 17, 333, 12_345, 60_000_000] {
            let told = micros_of(bucket_of(us * 1_000));
            assert!(
                (told / us as f64 - 1.0).abs() <= 0.0101,
                "{us} is told as {told}"
            );
        }
    }
}
