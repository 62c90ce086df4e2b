//! Listening to a run: one merged snapshot a second, and the whole at the end.

use std::time::Duration;

use loadgen_core::engine::{Event, Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::report::Statistics;
use loadgen_core::schedule::Load;
use loadgen_core::workload::{Iteration, UserId, Workload};

/// Takes a millisecond.
struct Nap;

impl Workload for Nap {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Outcome::Ok
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = Load::open("100/s".parse()?)
        .ramp_to("1000/s".parse()?, Duration::from_secs(3))
        .max_users(50);
    Run::new(Options::default())
        .scenario(ScenarioSpec::new("nap", load), |_| Nap)
        .listen(|event| match event {
            Event::Snapshot(snapshot) => {
                for scenario in &snapshot.scenarios {
                    let last_second = Statistics::of(scenario.interval.response_time.second());
                    println!(
                        "{:>4.1} s  {:?}: {} ended, p99 {:?} us",
                        snapshot.elapsed.as_secs_f64(),
                        scenario.phase,
                        last_second.count,
                        last_second.p99,
                    );
                }
            }
            Event::Finished(record) => println!("{:?}", record.scenarios[0].ledger),
            _ => {}
        })
        .execute()?;
    Ok(())
}
