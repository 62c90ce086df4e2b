//! A worker: one OS thread with a single-threaded runtime of its own.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use super::closed;
use super::collect::ToCollector;
use super::control::Steered;
use super::grid::GridKeeper;
use super::heartbeat::{Beat, Heart, LevelsNow};
use super::lane::{Fatal, Lane, LaneCore, Timeline, panic_message};
use super::open;
use super::spec::{Options, ScenarioSpec};
use super::stopper::{Stop, Stopper};
use crate::alarm::Alarms;
use crate::clock::{Clock, Nanos, Sleep, StampClock};
use crate::pacer::{Pacer, Pacing, grid};
use crate::record::{Outside, Recorder, Tick, WorkerRecord};
use crate::schedule::{Load, Share};
use crate::workload::{PrepareError, UserId, WorkerContext, Workload};

type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A scenario with its workload's type erased: once per scenario, never per iteration.
pub(super) trait AnyScenario: Send + Sync {
    fn spec(&self) -> &Arc<ScenarioSpec>;
    fn lane(&self, context: &WorkerContext, pacing: Pacing) -> Box<dyn AnyLane>;
}

/// A lane with its workload's type erased.
pub(super) trait AnyLane {
    fn connect(&mut self) -> Local<'_, Result<(), PrepareError>>;
    /// Asks the workload what stands, for as long as it is there.
    fn levels(&self) -> LevelsNow;
    fn run(self: Box<Self>, core: Rc<LaneCore>, share: Share) -> Local<'static, io::Result<()>>;
}

/// A scenario and how to make its workload.
pub(super) struct Scenario<F> {
    pub(super) spec: Arc<ScenarioSpec>,
    pub(super) make: F,
    pub(super) shared: Option<Arc<closed::Shared>>,
}

impl<W, F> AnyScenario for Scenario<F>
where
    W: Workload,
    F: Fn(&WorkerContext) -> W + Send + Sync + 'static,
{
    fn spec(&self) -> &Arc<ScenarioSpec> {
        &self.spec
    }

    fn lane(&self, context: &WorkerContext, pacing: Pacing) -> Box<dyn AnyLane> {
        let most = self.spec.load.max_users() as usize;
        let users = (context.worker..most)
            .step_by(context.workers)
            .map(|user| UserId(u32::try_from(user).expect("users are counted in u32")))
            .collect();
        Box::new(Waiting {
            workload: Rc::new((self.make)(context)),
            spec: Arc::clone(&self.spec),
            shared: self.shared.clone(),
            users,
            sessions: Vec::new(),
            clock: context.clock,
            pacing,
            pacer: None,
            seed: context.seed,
        })
    }
}

/// A lane before the clock starts.
struct Waiting<W: Workload> {
    workload: Rc<W>,
    spec: Arc<ScenarioSpec>,
    shared: Option<Arc<closed::Shared>>,
    users: Vec<UserId>,
    sessions: Vec<Option<W::Session>>,
    clock: Clock,
    pacing: Pacing,
    /// Made before the clock starts, while a refusal costs nothing that was measured.
    pacer: Option<Pacer>,
    seed: u64,
}

impl<W: Workload> AnyLane for Waiting<W> {
    fn connect(&mut self) -> Local<'_, Result<(), PrepareError>> {
        Box::pin(async {
            if let Load::Open(_) = self.spec.load {
                let pacer = Pacer::new(self.clock).map_err(|error| {
                    PrepareError::new(format!("failed to make a timer: {error}"))
                })?;
                self.pacer = Some(pacer.paced(self.pacing));
            }
            self.workload.prepare().await?;
            if let Load::Closed(_) = self.spec.load {
                self.sessions = super::lane::open_sessions(&self.workload, &self.users).await;
            }
            Ok(())
        })
    }

    fn levels(&self) -> LevelsNow {
        let workload = Rc::downgrade(&self.workload);
        Box::new(move || workload.upgrade().map(|it| it.levels()).unwrap_or_default())
    }

    fn run(self: Box<Self>, core: Rc<LaneCore>, share: Share) -> Local<'static, io::Result<()>> {
        Box::pin(async move {
            let lane = Lane {
                core,
                workload: self.workload,
            };
            match (&self.spec.load, self.shared, self.pacer) {
                (Load::Closed(model), Some(shared), _) => {
                    let mut sessions = self.sessions;
                    sessions.resize_with(self.users.len(), || None);
                    let users = self.users.into_iter().zip(sessions).collect();
                    closed::run(&lane, model, shared, users, self.seed).await;
                    Ok(())
                }
                (Load::Open(model), _, Some(pacer)) => {
                    open::run(&lane, model, share, &self.users, pacer, self.seed).await
                }
                // Only a worker without a timer takes part in nothing. One that could not connect
                // does where others could: its share of the load was promised too.
                (Load::Closed(_), None, _) | (Load::Open(_), _, None) => Ok(()),
            }
        })
    }
}

/// What a worker is given.
pub(super) struct Assignment {
    pub(super) worker: usize,
    pub(super) workers: usize,
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) scenarios: Arc<Vec<Box<dyn AnyScenario>>>,
    /// What each of them was told, in the same order.
    pub(super) steered: Arc<[Steered]>,
    pub(super) stopper: Stopper,
    pub(super) out: Sender<ToCollector>,
    /// One way back for emptied ticks per scenario.
    pub(super) returned: Vec<Receiver<Box<Tick>>>,
    /// The clock's start, once everyone is connected.
    pub(super) go: watch::Receiver<Option<Nanos>>,
}

/// The body of a worker's thread. Whatever happens, the collector is told.
pub(super) fn main(assignment: Assignment) {
    let (worker, out) = (assignment.worker, assignment.out.clone());
    let stopper = assignment.stopper.clone();
    let body = std::panic::AssertUnwindSafe(|| run(assignment));
    let (mut record, mut fatal, mut failure) = (WorkerRecord::default(), Fatal::default(), None);
    match std::panic::catch_unwind(body) {
        Ok(Ok(ended)) => (record, fatal) = ended,
        Ok(Err(error)) => failure = Some(error),
        Err(panic) => fatal.panic = Some(panic_message(&*panic)).into(),
    }
    let (panic, overrun) = (fatal.panic.into_inner(), fatal.overrun.into_inner());
    if panic.is_some() || failure.is_some() {
        stopper.abort();
    }
    let _ = out.send(ToCollector::Done {
        worker,
        record,
        panic,
        overrun,
        failure,
    });
}

fn run(assignment: Assignment) -> io::Result<(WorkerRecord, Fatal)> {
    let (clock, sleep) = (assignment.clock, Arc::new(Sleep::default()));
    let (begins, ends) = (Arc::clone(&sleep), Arc::clone(&sleep));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            let now = clock.now();
            begins.begins(now);
            grid::waits(&clock, now);
        })
        .on_thread_unpark(move || {
            let now = clock.now();
            ends.ends(now, grid::goes_on(now));
        })
        .build_local(LocalOptions::default())?;
    let stamps = Rc::new(StampClock::on_thread(clock, &sleep));
    let result = runtime.block_on(live(assignment, stamps));
    // Connection tasks may never end by themselves.
    drop(runtime);
    result
}

async fn live(
    mut assignment: Assignment,
    stamps: Rc<StampClock>,
) -> io::Result<(WorkerRecord, Fatal)> {
    let worker = assignment.worker;
    let alarms = Alarms::new(assignment.clock);
    // Made before the clock starts, while a refusal costs nothing that was measured.
    let pacer = Pacer::new(assignment.clock)?;
    let mut lanes = Vec::new();
    for (index, scenario) in assignment.scenarios.iter().enumerate() {
        let spec = scenario.spec();
        let Some(part) = spec.part(assignment.options.shard) else {
            continue;
        };
        let workers = spec.workers(assignment.workers, assignment.options.shard);
        if worker >= workers {
            continue;
        }
        // Its number among the workers of all shards, and how many these are if all have as many.
        let share = part.share(worker, workers);
        let (worker, workers) = (share.index as usize, share.of as usize);
        let users = spec.load.max_users() as usize;
        let names = spec.names();
        let recorder = Recorder::new(&names)
            .masking(spec.secrets.clone())
            .following(spec.timeline.clone())
            .held_to(spec.sticky);
        let recorder = Rc::new(recorder);
        let outside = Rc::new(Outside::new(Rc::clone(&recorder), assignment.clock));
        let context = WorkerContext {
            worker,
            workers,
            shard: part,
            users: (users - worker).div_ceil(workers),
            seed: mix(assignment.options.seed, index as u64, worker as u64),
            scenario_seed: mix(assignment.options.seed, index as u64, u64::MAX),
            clock: assignment.clock,
            stamps: Rc::clone(&stamps),
            alarms: alarms.clone(),
            observer: outside.clone(),
            switches: assignment.steered[index].switches.clone(),
            set_up: assignment.options.set_up_of(index),
        };
        let lane = scenario.lane(&context, assignment.options.pacing);
        lanes.push((index, lane, (recorder, outside), (names, share)));
    }

    let connect = join_all(lanes.iter_mut().map(|(index, lane, ..)| {
        let index = *index;
        async move { (index, lane.connect().await) }
    }));
    let prepared = tokio::select! {
        prepared = connect => prepared,
        () = asked_to_stop(&assignment.stopper) => return Ok(Default::default()),
    };
    let _ = assignment.out.send(ToCollector::Prepared { prepared });
    let start = tokio::select! {
        go = assignment.go.wait_for(Option::is_some) => match go.map(|start| *start) {
            Ok(Some(start)) => start,
            _ => return Ok(Default::default()),
        },
        () = asked_to_stop(&assignment.stopper) => return Ok(Default::default()),
    };

    let fatal = Rc::new(Fatal::default());
    let mut beats = Vec::new();
    let mut running = Vec::new();
    for (index, lane, (recorder, outside), (names, share)) in lanes {
        let spec = Arc::clone(assignment.scenarios[index].spec());
        let timeline = Timeline::new(&spec, start);
        recorder.begin(timeline.measure_from);
        outside.begin(timeline.measure_from);
        let core = Rc::new(LaneCore::new(
            &assignment.steered[index],
            assignment.clock,
            recorder,
            timeline,
            assignment.stopper.clone(),
            Rc::clone(&fatal),
            assignment
                .options
                .most_in_line_of(spec.workers(assignment.workers, assignment.options.shard)),
        ));
        let returned = std::mem::replace(
            &mut assignment.returned[index],
            std::sync::mpsc::channel().1,
        );
        let levels = lane.levels();
        let beat = Beat::new(index, Rc::clone(&core), share, names, levels, returned);
        beats.push(beat);
        let lane = lane.run(Rc::clone(&core), share);
        running.push(async move {
            let result = lane.await;
            core.finish();
            result
        });
    }
    let of = (worker, assignment.workers);
    let keeper = GridKeeper::new(assignment.options.pacing, of, Rc::clone(&stamps));
    let heart = Heart::new(worker, stamps, keeper, beats, assignment.out.clone());
    let results = tokio::select! {
        results = join_all(running) => results,
        error = heart.beat(pacer) => return Err(error),
        ended = alarms.ring() => match ended? {},
    };
    let record = heart.finish();
    for result in results {
        result?;
    }
    Ok((
        record,
        Fatal {
            panic: fatal.panic.take().into(),
            overrun: fatal.overrun.take().into(),
        },
    ))
}

async fn asked_to_stop(stopper: &Stopper) {
    while stopper.asked() == Stop::No {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A seed of its own for each scenario and worker.
fn mix(seed: u64, scenario: u64, worker: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    for part in [scenario, worker] {
        random = fastrand::Rng::with_seed(random.u64(..) ^ part);
    }
    random.u64(..)
}
