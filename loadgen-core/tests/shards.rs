//! Shards of a run, by the engine: together they do what one process does, to the arrival and the user.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::RunRecord;
use loadgen_core::schedule::{Load, Shard, ThinkTime, UserStage};
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};
use proptest::prelude::*;
use test_case::test_case;

/// An iteration: its user and its number there, or the number of its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Of { user: u32, number: u64 },
    Arrival(u64),
}

/// Notes what it is asked to do, and takes a time for it.
#[derive(Clone, Default)]
struct Notes {
    passes: Arc<Mutex<Vec<Pass>>>,
    takes: Duration,
}

impl Workload for Notes {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let pass = match iteration.arrival() {
            Some(arrival) => Pass::Arrival(arrival),
            None => Pass::Of {
                user: iteration.user().0,
                number: iteration.number(),
            },
        };
        self.passes.lock().expect("nobody panics").push(pass);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        Outcome::Ok
    }
}

/// What the shards of a load do, each with as many workers as is said, in order; and their records.
fn carry_out(load: &Load, workers: &[usize], takes: Duration) -> (Vec<Pass>, Vec<RunRecord>) {
    carry_out_after(Duration::ZERO, load, workers, takes)
}

/// The same after a warm-up, whose passes are among them.
fn carry_out_after(
    warm_up: Duration,
    load: &Load,
    workers: &[usize],
    takes: Duration,
) -> (Vec<Pass>, Vec<RunRecord>) {
    let count = u32::try_from(workers.len()).expect("a count");
    let notes = Notes {
        takes,
        ..Notes::default()
    };
    let run = |(index, workers): (u32, &usize)| {
        let shard = Shard::new(index, count).expect("a shard");
        let options = Options::default().workers(*workers).seed(3).shard(shard);
        let notes = notes.clone();
        let mut spec = ScenarioSpec::new("s", load.clone());
        spec.warm_up = warm_up;
        let run = Run::new(options).scenario(spec, move |_| notes.clone());
        run.execute().expect("the run begins")
    };
    let records: Vec<RunRecord> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..)
            .zip(workers)
            .map(|it| scope.spawn(move || run(it)))
            .collect();
        runs.into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    let mut passes = notes.passes.lock().expect("nobody panics").clone();
    passes.sort_unstable();
    (passes, records)
}

fn open() -> Load {
    let rate = Rate::new(400.0).expect("a rate");
    let rising = Load::open(rate).ramp_to(
        Rate::new(900.0).expect("a rate"),
        Duration::from_millis(200),
    );
    rising.for_(Duration::from_millis(200)).max_users(90).into()
}

fn each_user() -> Load {
    Load::closed(70).iterations_per_user(3).into()
}

#[test_case(&open(), &[1, 1]; "arrivals of two")]
#[test_case(&open(), &[2, 1, 3]; "arrivals of shards with other numbers of workers")]
#[test_case(&open(), &[1; 64]; "arrivals of many")]
#[test_case(&each_user(), &[2, 1, 1]; "users")]
#[test_case(&each_user(), &[1; 64]; "users of many")]
#[test_case(&each_user(), &[1; 80]; "more shards than users")]
fn shards_do_what_one_process_does(load: &Load, workers: &[usize]) {
    let (whole, records) = carry_out(load, &[2], Duration::ZERO);
    assert_eq!(records.len(), 1);
    let (parts, records) = carry_out(load, workers, Duration::ZERO);
    assert_eq!(parts, whole);
    let planned: Vec<u64> = records
        .iter()
        .map(|it| it.scenarios[0].ledger.planned)
        .collect();
    let (least, most) = (planned.iter().min(), planned.iter().max());
    let is_idle = |it: &&u64| **it == 0;
    match workers.len() > 70 && matches!(load, Load::Closed(_)) {
        true => assert_eq!(planned.iter().filter(is_idle).count(), workers.len() - 70),
        false => assert!(most <= least.map(|it| it + 6).as_ref(), "{planned:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// However many there are, each arrival is one shard's, and each measured iteration; after a warm-up, too.
    #[test]
    fn any_number_of_shards_does_what_one_process_does(
        count in 1_usize..=64,
        rate in 200.0_f64..900.0,
        warm_up in prop::sample::select(vec![0_u64, 50, 100]),
        is_open: bool,
    ) {
        let warm_up = Duration::from_millis(warm_up);
        let load: Load = match is_open {
            true => Load::open(Rate::new(rate).expect("a rate"))
                .for_(Duration::from_millis(200))
                .max_users(128)
                .into(),
            false => each_user(),
        };
        let planned = |records: &[RunRecord]| -> u64 {
            records.iter().map(|it| it.scenarios[0].ledger.planned).sum()
        };
        let (whole, of_one) = carry_out_after(warm_up, &load, &[1], Duration::ZERO);
        let (parts, records) = carry_out_after(warm_up, &load, &vec![1; count], Duration::ZERO);
        prop_assert_eq!(planned(&records), planned(&of_one));
        if is_open || warm_up.is_zero() {
            prop_assert_eq!(parts, whole);
        } else {
            // How often each comes before is chance; whoever does is one shard's.
            let users = |passes: &[Pass]| {
                let users = passes.iter().map(|it| match it {
                    Pass::Of { user, .. } => *user,
                    Pass::Arrival(_) => u32::MAX,
                });
                users.collect::<std::collections::BTreeSet<u32>>()
            };
            prop_assert_eq!(users(&parts), users(&whole));
        }
    }
}

/// Iterations that all users share: which user comes first is chance, how many there are is not.
#[test_case(&[2, 1, 1]; "few")]
#[test_case(&[1; 64]; "many")]
fn shared_iterations_are_divided(workers: &[usize]) {
    let load = Load::closed(70).iterations(1_001).into();
    let (passes, records) = carry_out(&load, workers, Duration::ZERO);
    assert_eq!(passes.len(), 1_001);
    let count = workers.len() as u64;
    for (index, record) in (0..).zip(&records) {
        let expected = (1_001 - index as u64).div_ceil(count);
        assert_eq!(record.scenarios[0].ledger.planned, expected, "{index}");
    }
}

/// A cap is for all users together, wherever they are: each shard's first one is at once.
#[test_case(1)]
#[test_case(4)]
#[test_case(64)]
fn a_rate_limit_is_divided(count: usize) {
    const PER_SECOND: f64 = 200.0;
    let limit = Rate::new(PER_SECOND).expect("a rate");
    let load: Load = Load::closed(64)
        .for_(Duration::from_millis(500))
        .rate_limit(limit)
        .into();
    let (passes, records) = carry_out(&load, &vec![1; count], Duration::ZERO);
    let most_of_each = (PER_SECOND * 0.5 / count as f64).ceil() as u64 + 3;
    let most = 100 + count + 8;
    assert!((80..=most).contains(&passes.len()), "{}", passes.len());
    for record in &records {
        let ledger = &record.scenarios[0].ledger;
        assert!(ledger.planned <= most_of_each, "{ledger:?}");
    }
}

/// The number of users follows the stages, over all shards.
#[test]
fn stages_of_users_are_those_of_the_whole() {
    let stages = vec![
        UserStage::new(Duration::from_millis(100), 10),
        UserStage::new(Duration::from_millis(300), 10),
    ];
    let model = Load::closed(1).stages(stages);
    let load: Load = model
        .think_time(ThinkTime::Fixed(Duration::from_millis(20)))
        .into();
    let (passes, records) = carry_out(&load, &[1, 1, 1, 1], Duration::from_millis(1));
    let mut users: Vec<u32> = passes
        .iter()
        .map(|it| match it {
            Pass::Of { user, .. } => *user,
            Pass::Arrival(_) => panic!("{it:?} of a closed model"),
        })
        .collect();
    users.dedup();
    assert_eq!(users, (0..10).collect::<Vec<_>>(), "each on one shard");
    for record in &records {
        assert!(record.scenarios[0].ledger.balances());
    }
}

/// What is merged of their records has them all.
#[test]
fn records_of_shards_are_those_of_one_run() {
    let (passes, mut records) = carry_out(&open(), &[1, 2, 1], Duration::ZERO);
    let mut whole = records.remove(0);
    for record in &records {
        whole.merge(record).expect("they are of one plan");
    }
    assert_eq!(whole.scenarios[0].ledger.planned, passes.len() as u64);
    assert_eq!(whole.generator.workers.len(), 4);
}

/// A shard without any part of its own ends at once, and says nothing wrong.
#[test]
fn a_shard_may_have_nothing_to_do() {
    let load: Load = Load::closed(2).for_(Duration::from_secs(3600)).into();
    let options = Options::default().shard(Shard::new(5, 8).expect("a shard"));
    let run = Run::new(options).scenario(ScenarioSpec::new("s", load), |_| Notes::default());
    assert_eq!(run.workers(), 0);
    let record = run.execute().expect("it is no failure");
    assert_eq!(record.scenarios[0].ledger.planned, 0);
    assert!(
        record.elapsed < Duration::from_secs(1),
        "{:?}",
        record.elapsed
    );
}
