//! Which part of the planned load is in no figure.

use std::time::Duration;

use crate::record::RunRecord;
use crate::report::{MergedShard, were_stopped};
use crate::schedule::Slice;

/// How far a shard came, by scenario.
#[derive(Debug)]
pub(super) struct Done {
    /// Arrivals and iterations that fell due.
    planned: Vec<u64>,
    /// How long each was measured.
    elapsed: Vec<Duration>,
}

impl Done {
    pub(super) fn of(record: &RunRecord) -> Self {
        let scenarios = record.scenarios.iter();
        let planned = scenarios.map(|it| it.ledger.planned).collect();
        let elapsed = record.scenarios.iter().map(|it| it.elapsed).collect();
        Self { planned, elapsed }
    }

    /// How much came of what was planned of one scenario.
    fn of_planned(&self, scenario: usize, planned: u64) -> f64 {
        let came = self.planned.get(scenario);
        came.map_or(planned, |came| planned.min(*came)) as f64
    }

    fn elapsed_s(&self, scenario: usize) -> f64 {
        let elapsed = self.elapsed.get(scenario);
        elapsed.map_or(0.0, Duration::as_secs_f64)
    }

    /// How much of what a slice's users have to do; `longest_s` is how long the scenario took elsewhere, which counts
    /// where the plan says neither how much that is nor how long it lasts.
    fn of_users(&self, scenario: usize, slice: &Slice, longest_s: f64) -> f64 {
        let part = match (slice.planned, slice.duration_s) {
            (Some(planned), _) if planned > 0 => {
                self.of_planned(scenario, planned) / planned as f64
            }
            (_, Some(duration_s)) => self.elapsed_s(scenario) / duration_s.max(1e-9),
            _ => self.elapsed_s(scenario) / longest_s.max(1e-9),
        };
        slice.users as f64 * part.min(1.0)
    }
}

/// The part of the planned load that none of these has made, of a run of so many shards, 0 to 1.
pub(super) fn share<'a>(
    shards: impl Iterator<Item = (&'a MergedShard, &'a Done)> + Clone,
    count: u64,
) -> f64 {
    let longest_s = |scenario: usize| {
        let all = shards.clone().map(|(_, done)| done.elapsed_s(scenario));
        all.fold(0.0, f64::max)
    };
    let slices = shards
        .clone()
        .next()
        .map(|(shard, _)| shard.slices.as_slice());
    let slices = slices.unwrap_or_default();
    let all_are_counted = slices.iter().all(|it| it.planned_of_all.is_some());
    let whole: u64 = match all_are_counted {
        true => slices.iter().filter_map(|it| it.planned_of_all).sum(),
        false => slices.iter().map(|it| it.users_of_all).sum(),
    };
    if whole == 0 {
        let missing = count.saturating_sub(shards.count() as u64);
        return rounded(missing as f64 / count.max(1) as f64);
    }
    let were_stopped = were_stopped(shards.clone().map(|(shard, _)| shard));
    let of_shard = |(shard, done): (&'a MergedShard, &'a Done)| {
        // A run that somebody stopped on all shards is one that was stopped, as one of a single process is.
        let is_part = shard.cut_off || shard.stopped && !were_stopped;
        let slices = shard.slices.iter().enumerate();
        slices.map(move |(scenario, slice)| {
            let planned = slice.planned.unwrap_or_default();
            match (all_are_counted, is_part) {
                (true, false) => planned as f64,
                (true, true) => done.of_planned(scenario, planned),
                (false, false) => slice.users as f64,
                (false, true) => done.of_users(scenario, slice, longest_s(scenario)),
            }
        })
    };
    let done: f64 = shards.clone().flat_map(of_shard).sum();
    rounded(1.0 - done / whole as f64)
}

/// Nothing is left over of sums that are whole but for rounding.
fn rounded(share: f64) -> f64 {
    ((share * 1e6).round() / 1e6).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use test_case::test_case;

    use super::*;
    use crate::record::{GeneratorRecord, ScenarioRecord};
    use crate::report::{Generator, Host};
    use crate::schedule::{Load, Shard};
    use crate::units::Rate;

    fn open() -> Load {
        let rate = Rate::new(10.0).unwrap();
        Load::open(rate)
            .for_(Duration::from_secs(10))
            .max_users(7)
            .into()
    }

    fn shard(index: u32, load: &Load, cut_off: Option<u64>) -> (MergedShard, Done) {
        let shard = Shard::new(index, 4).unwrap();
        let part = shard.among(load.max_users().into());
        let slices = vec![Slice::of("s", load, part)];
        let mut scenario = ScenarioRecord::empty("s", "grpc", true, &[]);
        scenario.ledger.planned = cut_off.unwrap_or(25);
        let elapsed = Duration::from_secs(if cut_off.is_some() { 4 } else { 10 });
        scenario.elapsed = elapsed;
        let scenarios = vec![scenario];
        let generator = GeneratorRecord::default();
        let record = RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, scenarios, generator);
        let done = Done::of(&record);
        let shard = MergedShard {
            index: index.into(),
            id: String::new(),
            started_at: String::new(),
            clock: None,
            duration_s: elapsed.as_secs_f64(),
            stopped: false,
            cut_off: cut_off.is_some(),
            host: Host::default(),
            slices,
            generator: Generator::default(),
        };
        (shard, done)
    }

    fn missing(load: &Load, there: &[(u32, Option<u64>)]) -> f64 {
        let shards: Vec<_> = there
            .iter()
            .map(|(it, cut)| shard(*it, load, *cut))
            .collect();
        share(shards.iter().map(|(shard, done)| (shard, done)), 4)
    }

    #[test_case(&[(0, None), (1, None), (2, None), (3, None)] => 0.0; "all")]
    #[test_case(&[(0, None), (2, None), (3, None)] => 0.25; "one is lost")]
    #[test_case(&[(3, Some(10))] => 0.9; "one is there, cut off at 10 of its 25")]
    fn arrivals(there: &[(u32, Option<u64>)]) -> f64 {
        missing(&open(), there)
    }

    /// Seven users are 2, 2, 2 and 1.
    #[test_case(&[(0, None), (1, None), (2, None), (3, None)] => 0.0; "all")]
    #[test_case(&[(0, None), (1, None), (2, None)] => 0.142_857; "the last is lost")]
    #[test_case(&[(0, None), (1, Some(1)), (2, None), (3, None)] => 0.171_429; "one is cut off after 4 of 10 s")]
    #[test_case(&[(0, Some(1)), (1, Some(1)), (2, Some(1)), (3, Some(1))] => 0.6; "all are cut off after 4 of 10 s")]
    fn users(there: &[(u32, Option<u64>)]) -> f64 {
        missing(&Load::closed(7).for_(Duration::from_secs(10)).into(), there)
    }

    /// Beside a scenario that lasts for a time, one whose iterations are counted is counted by these.
    #[test]
    fn a_part_of_iterations_is_that_of_their_users() {
        let load: Load = Load::closed(4).iterations(100).into();
        let (mut cut, done) = shard(1, &load, Some(10));
        let lasting: Load = Load::closed(4).for_(Duration::from_secs(10)).into();
        let part = Shard::new(1, 4).unwrap().among(4);
        cut.slices.push(Slice::of("t", &lasting, part));
        let done = Done {
            elapsed: vec![done.elapsed[0]; 2],
            planned: vec![10, 7],
        };
        // 10 of 25 iterations, and 4 of 10 s, of one user each; of 4 of each.
        assert_eq!(share([(&cut, &done)].into_iter(), 4), 0.9);
    }
}
