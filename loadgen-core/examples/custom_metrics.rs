//! Metrics of a workload's own, and where they go: into the record, and to StatsD once a second.
//!
//! A StatsD that is not there changes nothing, so the example runs by itself.

use std::time::Duration;

use loadgen_core::engine::{Event, Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::schedule::Load;
use loadgen_core::sink::statsd::StatsdSink;
use loadgen_core::workload::{Counter, Gauge, Iteration, Timing, UserId, Workload};

#[derive(Clone, Copy)]
struct Import {
    rows: Counter,
    queue_depth: Gauge,
    parsing: Timing,
}

impl Workload for Import {
    type Session = u64;

    async fn open(&self, _: UserId) -> Result<u64, Failure> {
        Ok(0)
    }

    async fn iterate(&self, batch: &mut u64, iteration: &Iteration<'_>) -> Outcome {
        *batch += 1;
        let from = iteration.now();
        tokio::time::sleep(Duration::from_millis(2)).await;
        iteration.timing(self.parsing, Duration::from_nanos(iteration.now() - from));
        iteration.count(self.rows, 50);
        iteration.gauge(self.queue_depth, (*batch % 7) as f64);
        Outcome::Ok
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = Load::closed(4).for_(Duration::from_millis(1500));
    let mut spec = ScenarioSpec::new("import", load);
    let import = Import {
        rows: spec.counter("rows"),
        queue_depth: spec.gauge("queue_depth"),
        parsing: spec.timing("parsing"),
    };
    let run = Run::new(Options::default()).scenario(spec, move |_| import);

    // In StatsD: `demo.import.custom.rows`, `demo.import.custom.queue_depth`,
    // `demo.import.custom.parsing_us.p95` and so on. The sinks of Prometheus and OTLP are listeners
    // like this one, behind the features `prometheus` and `otlp`.
    let mut sink = StatsdSink::new("127.0.0.1:8125", &"demo".parse()?, &run.names())?;
    let unsent = sink.unsent();
    let run = run.listen(move |event: &Event<'_>| sink.hear(event));

    let record = run.execute()?;
    let custom = &record.scenarios[0].custom;
    println!("{:?}", custom.counters);
    for (name, timing) in &custom.timings {
        let p95 = timing.value_at_quantile(0.95) as f64 / 1e6;
        println!("{name}: {} samples, p95 {p95:.2} ms", timing.len());
    }
    if unsent.any_taken() {
        println!("StatsD got it all but {} counters", unsent.counters());
    } else {
        println!("no StatsD at 127.0.0.1:8125");
    }
    Ok(())
}
