//! Whole runs: a plan put together as the command line does it, with the engine's own threads.

use std::sync::mpsc;
use std::time::Duration;

use loadgen_core::assemble;
use loadgen_core::engine::{Event, Options, Run};
use loadgen_core::outcome::Outcome;
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{Plan, ScenarioPlan};
use loadgen_core::schedule::{Limit, Load};
use loadgen_core::units::Rate;
use loadgen_core::workload::Levels;

pub(crate) fn closed(users: u32, limit: Limit) -> Load {
    Load::closed(users).limit(limit).into()
}

pub(crate) fn open(per_second: f64, duration: Duration, max_users: u32) -> Load {
    Load::open(Rate::new(per_second).expect("a rate"))
        .for_(duration)
        .max_users(max_users)
        .into()
}

/// The run of a plan of one scenario, on two workers.
pub(crate) fn assembled(plan: ScenarioPlan) -> Run {
    let options = Options::default().workers(2).seed(1);
    let plan = Plan::new(vec![plan]);
    assemble(&plan, options).expect("a valid plan")
}

/// Carries a run out, and checks what must hold of every record.
pub(crate) fn finish(run: Run) -> ScenarioRecord {
    let record = run.execute().expect("the run begins");
    assert_eq!(record.panic, None);
    let [scenario] = <[_; 1]>::try_from(record.scenarios).expect("one scenario");
    let ledger = scenario.ledger;
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!(ledger.interrupted, 0, "{ledger:?}");
    let ended = ledger.completed + ledger.failed;
    assert_eq!(scenario.response_time.len(), ended);
    assert_eq!(
        failures(&scenario).map(|(_, n)| n).sum::<u64>(),
        ledger.failed
    );
    scenario
}

/// The same from a task beside which scripted servers go on.
pub(crate) async fn whole(plan: ScenarioPlan) -> ScenarioRecord {
    tokio::task::spawn_blocking(|| finish(assembled(plan)))
        .await
        .expect("the run's own checks hold")
}

/// Why a run does not begin.
pub(crate) async fn refused(plan: ScenarioPlan) -> String {
    let run = assembled(plan);
    let refused = tokio::task::spawn_blocking(|| run.execute().expect_err("no run begins"));
    refused.await.expect("no panic").to_string()
}

/// What stands at the run's first snapshot: users busy, and the workload's own word.
pub(crate) async fn standing(plan: ScenarioPlan) -> (u64, Levels) {
    let (tell, told) = mpsc::channel();
    let run = assembled(plan).listen(move |event| {
        if let Event::Snapshot(snapshot) = event {
            let scenario = &snapshot.scenarios[0];
            let _ = tell.send((scenario.users, scenario.levels));
        }
    });
    tokio::task::spawn_blocking(|| finish(run))
        .await
        .expect("the run's own checks hold");
    told.recv().expect("a snapshot")
}

/// How iterations failed, and how many.
pub(crate) fn failures(scenario: &ScenarioRecord) -> impl Iterator<Item = (Outcome, u64)> {
    let outcomes = scenario.outcomes.iter().copied();
    outcomes.filter(|(outcome, count)| !outcome.is_ok() && *count > 0)
}
