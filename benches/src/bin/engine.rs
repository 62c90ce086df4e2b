//! What the engine itself costs: processor time per iteration of a workload that does nothing,
//! with everything recorded.

use std::time::Duration;

use loadgen_benches::{median, process_cpu};
use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::schedule::{Load, Spacing};
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ITERATIONS: u64 = 5_000_000;
const ROUNDS: usize = 5;

/// Does nothing.
struct Nothing;

impl Workload for Nothing {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
        Outcome::Ok
    }
}

fn closed(users: u32) -> Load {
    Load::closed(users).iterations(ITERATIONS).into()
}

/// All arrivals within a second: more than the engine can start, so that it never waits.
fn open(spacing: Spacing, users: u32) -> Load {
    Load::open(Rate::new(ITERATIONS as f64 * 2.0).expect("a rate"))
        .for_(Duration::from_millis(500))
        .max_users(users)
        .spacing(spacing)
        .into()
}

/// Nanoseconds of processor time per iteration.
fn measure(load: &Load) -> f64 {
    let options = Options::default().workers(1).seed(1);
    let run = Run::new(options).scenario(ScenarioSpec::new("nothing", load.clone()), |_| Nothing);
    let before = process_cpu();
    let record = run.execute().expect("nothing to prepare");
    let used = process_cpu() - before;
    let completed = record.scenarios[0].ledger.completed;
    used.as_nanos() as f64 / completed as f64
}

fn main() {
    println!("Processor time per iteration of a workload that does nothing, one worker,");
    println!("everything recorded; median (least to most) of {ROUNDS} rounds.\n");
    let cases = [
        ("closed, 1 user", closed(1)),
        ("closed, 64 users", closed(64)),
        ("closed, 10,000 users", closed(10_000)),
        ("open, uniform, 64 users", open(Spacing::Uniform, 64)),
        ("open, Poisson, 64 users", open(Spacing::Poisson, 64)),
        (
            "open, uniform, 10,000 users",
            open(Spacing::Uniform, 10_000),
        ),
    ];
    for (name, load) in cases {
        let figures: Vec<f64> = (0..ROUNDS).map(|_| measure(&load)).collect();
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(0.0, f64::max);
        println!(
            "{name:<30} {:>6.0} ns ({least:.0} to {most:.0})",
            median(&figures)
        );
    }
}
