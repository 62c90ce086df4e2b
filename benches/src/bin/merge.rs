//! What merging the results of many shards takes: 64 documents of runs of an hour, in time and memory.
//!
//! The documents are made up, as large as those of a scenario of five steps that eight servers answer, 1,000 times a
//! second on each shard. They are written to a folder, and read and merged by a process of its own, whose memory is
//! nothing but that. The optional arguments are how many shards there are and how many seconds each ran.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use loadgen_benches::process_cpu;
use loadgen_core::merge::Merge;
use loadgen_core::outcome::Outcome;
use loadgen_core::record::{
    BackendRecord, GeneratorRecord, Histogram, RunRecord, ScenarioRecord, SeriesPoint, Sparse,
    StepRecord, WorkerRecord, new_histogram,
};
use loadgen_core::report::{self, Context, Document, ShardPart};
use loadgen_core::schedule::{Load, Shard, Slice};
use loadgen_core::units::Rate;
use loadgen_core::{input, journal};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Iterations a second of one shard.
const RATE: u64 = 1_000;
const STEPS: [&str; 5] = ["home", "login", "search", "cart", "pay"];
const SERVERS: u64 = 8;
/// Seconds of a point, where there are no more than 600 of an hour.
const POINT_S: u64 = 8;
/// So many iterations take the same time: making them up is not what is measured.
const ALIKE: u64 = 4;
/// In which role this program merges.
const MERGES: &str = "merge";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [role, folder] if role == MERGES => merge(Path::new(folder)),
        other => {
            let number = |at: usize, default: u32| match other.get(at) {
                Some(text) => text.parse(),
                None => Ok(default),
            };
            match (number(0, 64), number(1, 3_600)) {
                (Ok(shards), Ok(seconds)) => measure(shards, seconds.into()),
                _ => Err("expected a number of shards and of seconds".into()),
            }
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Answer = Result<(), Box<dyn std::error::Error>>;

/// Writes the documents, and has them merged.
fn measure(shards: u32, seconds: u64) -> Answer {
    let folder = std::env::temp_dir().join(format!("loadgen-merge-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut bytes = 0;
    for index in 0..shards {
        let text = serde_json::to_string(&document(Shard::new(index, shards)?, seconds))?;
        bytes += text.len();
        fs::write(folder.join(format!("{index:03}.json")), text)?;
    }
    println!(
        "{shards} documents of {seconds} s, {:.1} MB each",
        bytes as f64 / 1e6 / f64::from(shards)
    );
    let status = Command::new(std::env::current_exe()?)
        .arg(MERGES)
        .arg(&folder)
        .status();
    fs::remove_dir_all(&folder)?;
    match status?.success() {
        true => Ok(()),
        false => Err("they could not be merged".into()),
    }
}

/// Merges what is in a folder, and says what that took.
fn merge(folder: &Path) -> Answer {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut merge = Merge::default();
    for file in &files {
        let document = report::read(&input::read_text(file)?)?;
        merge.add(&file.display().to_string(), &document)?;
    }
    let merged = serde_json::to_string_pretty(&merge.finish()?)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = most.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok());
    let kib: f64 = kib.unwrap_or_default();
    println!(
        "merged in {:.2} s of processor time, {:.0} MB of memory at the most, to {:.1} MB",
        process_cpu().as_secs_f64(),
        kib * 1024.0 / 1e6,
        merged.len() as f64 / 1e6
    );
    Ok(())
}

/// A shard's document, as large as one of so many seconds.
fn document(shard: Shard, seconds: u64) -> Document {
    let mut context = Context::new();
    let rate = Rate::new(RATE as f64 * f64::from(shard.count())).expect("a rate");
    let load: Load = Load::open(rate).for_(Duration::from_secs(seconds)).into();
    let slice = Slice::of("checkout", &load, Some(shard));
    context.shard = Some(ShardPart::new(shard, 0, vec![slice]));
    journal::document(&record(shard, seconds), context)
}

fn record(shard: Shard, seconds: u64) -> RunRecord {
    let mut random = fastrand::Rng::with_seed(shard.index().into());
    let steps = STEPS.map(Into::into);
    let mut scenario = ScenarioRecord::empty("checkout", "grpc", true, &steps);
    let count = seconds * RATE;
    let ledger = &mut scenario.ledger;
    (ledger.planned, ledger.started, ledger.completed) = (count, count, count);
    scenario.started_in_time = count;
    scenario.elapsed = Duration::from_secs(seconds);
    scenario.outcomes = vec![(Outcome::Ok, count)];
    for at in (0..seconds).step_by(POINT_S as usize) {
        let covers = POINT_S.min(seconds - at);
        let times = times(&mut random, covers * RATE);
        scenario.response_time.add(&times);
        scenario.service_time.add(&times);
        scenario.parts.undelayed.add(&times);
        scenario.series.push(point(at, covers, &times));
        for step in &mut scenario.steps {
            add_to_step(step, at, covers, &times);
        }
    }
    scenario.backends = (0..SERVERS)
        .map(|nth| server(nth, seconds, &scenario.response_time))
        .collect();
    let mut generator = GeneratorRecord::default();
    generator.workers = vec![WorkerRecord::default(); 4];
    let elapsed = Duration::from_secs(seconds);
    RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, vec![scenario], generator)
}

fn add_to_step(step: &mut StepRecord, at: u64, covers: u64, times: &Histogram) {
    step.response_time.add(times);
    step.service_time.add(times);
    let counted = step.outcomes.first().map_or(0, |(_, count)| *count);
    step.outcomes = vec![(Outcome::Ok, counted + covers * RATE)];
    step.series.push(point(at, covers, times));
}

fn point(at: u64, covers: u64, times: &Histogram) -> SeriesPoint {
    let mut point = SeriesPoint::empty(at, covers);
    (point.started, point.completed) = (covers * RATE, covers * RATE);
    point.users = 20;
    point.response_time = Sparse::coarse(times);
    point
}

fn server(nth: u64, seconds: u64, times: &Histogram) -> BackendRecord {
    let points: Vec<_> = (0..seconds.div_ceil(POINT_S))
        .map(|at| (POINT_S * RATE / SERVERS + at % 7, at % 2))
        .collect();
    let mut server: BackendRecord = serde_json::from_value(json!({
        "id": format!("server-{nth}"), "requests": seconds * RATE / SERVERS, "failed": 0,
        "response_time": Sparse::default(), "over_time": {"seconds_each": POINT_S, "points": points},
    }))
    .expect("a server's record");
    server.response_time = Sparse::of(times);
    server
}

/// Times with a long tail, around a millisecond.
fn times(random: &mut fastrand::Rng, count: u64) -> Histogram {
    let mut times = new_histogram();
    for _ in 0..count / ALIKE {
        let normal: f64 = (0..6).map(|_| random.f64()).sum::<f64>() - 3.0;
        let took = (1e6 * (normal * 0.9).exp()) as u64;
        times.saturating_record_n(took, ALIKE);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With fewer and shorter ones: what is merged is the sum of all.
    #[test]
    fn what_is_merged_is_the_sum() {
        let shards: Vec<Shard> = (0..4).map(|it| Shard::new(it, 4).unwrap()).collect();
        let mut merge = Merge::default();
        let mut whole = new_histogram();
        for shard in &shards {
            let text = serde_json::to_string(&document(*shard, 20)).unwrap();
            merge
                .add(&shard.to_string(), &report::read(&text).unwrap())
                .unwrap();
            whole.add(&record(*shard, 20).scenarios[0].response_time);
        }
        let merged = merge.finish().unwrap();
        let scenario = &merged.scenarios[0];
        assert_eq!(scenario.ledger.planned, 4 * 20 * RATE);
        let counts: Vec<_> = scenario
            .response_time_us
            .histogram
            .as_ref()
            .unwrap()
            .counts()
            .collect();
        assert_eq!(counts, Sparse::of(&whole).counts().collect::<Vec<_>>());
        assert_eq!(scenario.series.len(), 3);
        assert_eq!(scenario.backends.len(), 9, "(unknown) among them");
        assert_eq!(merged.run.shards.unwrap().missing_share, 0.0);
    }
}
