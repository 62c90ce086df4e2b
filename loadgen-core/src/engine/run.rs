//! A run: put together, carried out, recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::closed;
use super::collect::{Beginning, Collector, Listener, ToCollector};
use super::control::{Control, Steered, Steering};
use super::event::Event;
use super::files::Files;
use super::lane::Timeline;
use super::marker::{EndOnDrop, Marker};
use super::spec::{Options, ScenarioSpec, workers};
use super::stopper::{Stop, Stopper};
use super::worker::{self, AnyScenario, Assignment, Scenario};
use crate::clock::{Clock, nanos};
use crate::condition::Threshold;
use crate::pacer::{Pacing, UnfitPacing};
use crate::record::{Names, RunRecord};
use crate::schedule::{Load, Shard};
use crate::secrets::Secrets;
use crate::text;
use crate::workload::{PrepareError, Switches, WorkerContext, Workload};

/// A run being put together.
pub struct Run {
    options: Options,
    scenarios: Vec<Box<dyn AnyScenario>>,
    thresholds: Vec<Threshold>,
    listeners: Vec<Listener>,
    stopper: Stopper,
    marker: Marker,
    control: Control,
    gate: Option<Gate>,
}

/// Says when a load begins that is ready, if its workers are to have so long to be awake; nothing where it is not to
/// begin.
type Gate = Box<dyn FnOnce(Duration) -> Option<Instant> + Send>;

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("options", &self.options)
            .field("scenarios", &self.scenarios.len())
            .finish_non_exhaustive()
    }
}

impl Run {
    /// An empty run.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let (stopper, marker) = (Stopper::new(), Marker::new());
        Self {
            options,
            scenarios: Vec::new(),
            thresholds: Vec::new(),
            listeners: Vec::new(),
            control: Control::new(stopper.clone(), marker.clone()),
            stopper,
            marker,
            gate: None,
        }
    }

    /// Adds a scenario; `make` builds its workload once on each worker. All scenarios of a run
    /// share the clock's start.
    #[must_use]
    pub fn scenario<W: Workload>(
        mut self,
        spec: ScenarioSpec,
        make: impl Fn(&WorkerContext) -> W + Send + Sync + 'static,
    ) -> Self {
        let shared = match &spec.load {
            Load::Closed(model) => {
                let part = spec.part(self.options.shard);
                Some(closed::Shared::new(model, spec.most_iterations, part))
            }
            Load::Open(_) => None,
        };
        self.scenarios.push(Box::new(Scenario {
            spec: Arc::new(spec),
            make,
            shared,
        }));
        self
    }

    /// Adds conditions on all scenarios with a tag, which are looked at while the run is under way as those of
    /// a [`ScenarioSpec`] are: those over windows, and those that may end it.
    #[must_use]
    pub fn thresholds(mut self, conditions: impl IntoIterator<Item = Threshold>) -> Self {
        self.thresholds.extend(conditions);
        self
    }

    /// Adds a listener, called on the thread that [`execute`](Self::execute)s: the load does not
    /// wait for it.
    #[must_use]
    pub fn listen(mut self, listener: impl FnMut(&Event<'_>) + Send + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Has the load begin when others are ready, too: once all is prepared, `gate` is called on the thread that
    /// [`execute`](Self::execute)s, and may wait. It is told how long the workers need to be awake, and says at which
    /// moment the clock starts; one that has passed means at once. `None` ends the run as a stop before the load does.
    #[must_use]
    pub fn begin_when(
        mut self,
        gate: impl FnOnce(Duration) -> Option<Instant> + Send + 'static,
    ) -> Self {
        self.gate = Some(Box::new(gate));
        self
    }

    /// The names of what each scenario records, in the order they were added.
    #[must_use]
    pub fn names(&self) -> Vec<Names> {
        self.scenarios.iter().map(|it| it.spec().names()).collect()
    }

    /// What is to be said of scenarios before they run, each with the scenario's name in front.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let specs = || self.scenarios.iter().map(|it| it.spec());
        let all = specs().flat_map(|spec| spec.notices.iter().map(move |it| (spec, it)));
        all.map(|(spec, notice)| {
            let names = specs().map(|it| it.name.as_str());
            let title = text::title(&spec.name, &spec.protocol, names);
            format!("{title}: {notice}")
        })
        .collect()
    }

    /// What each scenario does not show, in the order they were added: what its plan says, and what was read
    /// from the environment and from files. What is learnt later is in these, too.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secrets> {
        self.scenarios
            .iter()
            .map(|it| it.spec().secrets.clone())
            .collect()
    }

    /// A handle that stops the run from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// A handle that says from another thread when the run's moments are, and tells it what was done to
    /// servers at them.
    #[must_use]
    pub fn marker(&self) -> Marker {
        self.marker.clone()
    }

    /// A handle that changes the run from another thread while it is under way.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// How many workers the run will have: as asked for, else as many as there are cores; never
    /// more than some scenario has use for. None where this shard has no part in any.
    #[must_use]
    pub fn workers(&self) -> usize {
        workers(&self.options, self.scenarios.iter().map(|it| &**it.spec()))
    }

    /// Runs to the end; blocks.
    ///
    /// # Errors
    /// [`RunError`] when the run could not begin. Whatever happens later is in the record.
    pub fn execute(mut self) -> Result<RunRecord, RunError> {
        self.options.pacing.check()?;
        let clock = Clock::start();
        let workers = self.workers();
        let shard = self.options.shard;
        let scenarios = Arc::new(self.scenarios);
        let steered = scenarios.iter().map(|it| {
            let spec = Arc::clone(it.spec());
            Steered {
                steering: Arc::new(Steering::new(&spec, workers, shard)),
                switches: Switches::new(spec.targets.len()),
                spec,
            }
        });
        let steered: Arc<[Steered]> = steered.collect();
        // However this ends, a listener's panic included, no worker goes on without us.
        let _abort = AbortOnDrop(self.stopper.clone());
        let _over = EndOnDrop(self.marker.clone());
        let (go, gone) = watch::channel(None);
        let (out, from) = channel();
        let mut returns = Vec::new();
        let mut threads = Vec::new();
        for worker in 0..workers {
            let (senders, receivers) = scenarios.iter().map(|_| channel()).unzip();
            returns.push(senders);
            let assignment = Assignment {
                worker,
                workers,
                options: self.options.clone(),
                clock,
                scenarios: Arc::clone(&scenarios),
                steered: Arc::clone(&steered),
                stopper: self.stopper.clone(),
                out: out.clone(),
                returned: receivers,
                go: gone.clone(),
            };
            let thread = thread::Builder::new()
                .name(format!("loadgen-{worker}"))
                .spawn(move || worker::main(assignment));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    self.stopper.abort();
                    join(threads);
                    return Err(RunError::Worker(error));
                }
            }
        }
        drop(out);

        let specs: Vec<&ScenarioSpec> = scenarios.iter().map(|s| &**s.spec()).collect();
        let files = match Files::watch(clock, &specs) {
            Ok(files) => files,
            Err(error) => {
                self.stopper.abort();
                join(threads);
                return Err(RunError::Worker(error));
            }
        };
        let prepared = wait_until_prepared(&from, (workers, shard), &specs, &self.stopper);
        if let Err(error) = prepared {
            self.stopper.abort();
            join(threads);
            return Err(error);
        }
        // Time for every worker to be awake, and all its users made, when the clock starts.
        let users = specs.iter().map(|spec| spec.users(shard)).sum::<u64>();
        let headway = Duration::from_millis(20) + Duration::from_micros(users.saturating_mul(4));
        let agreed = self.gate.take().map(|gate| gate(headway));
        if agreed == Some(None) || self.stopper.asked() != Stop::No {
            self.stopper.abort();
            join(threads);
            return Err(RunError::StoppedEarly);
        }
        for listener in &mut self.listeners {
            listener(&Event::Connected);
        }
        let headway = agreed.flatten().map_or(headway, until);
        let start = clock.now() + nanos(headway);
        let started_at = SystemTime::now() + headway;
        let has_open = specs.iter().any(|it| matches!(it.load, Load::Open(_)));
        // Nobody waits for what is due in a closed model.
        let pacing = match has_open {
            true => self.options.pacing,
            false => Pacing::EXACT,
        };
        let measured = specs.iter().map(|it| Timeline::new(it, start).measure_from);
        self.marker.begin(clock.now(), measured);
        self.control.begin(clock, start, &steered);
        let beginning = Beginning {
            clock,
            start,
            started_at,
            pacing,
            shard,
            marker: self.marker.clone(),
        };
        let stopper = self.stopper.clone();
        let conditions = &self.thresholds;
        let mut collector = Collector::new(beginning, &specs, conditions, returns, stopper, files);
        let _ = go.send(Some(start));
        collector.collect(&from, &mut self.listeners);
        join(threads);
        let stopped = self.stopper.asked() != Stop::No;
        let mut record = collector.finish(stopped)?;
        let mut events: Vec<Vec<_>> = record.scenarios.iter().map(|_| Vec::new()).collect();
        for (scenario, event) in self.marker.end() {
            if let Some(events) = events.get_mut(scenario) {
                events.push(event);
            }
        }
        for (scenario, events) in record.scenarios.iter_mut().zip(events) {
            scenario.happened(events);
        }
        for listener in &mut self.listeners {
            listener(&Event::Finished(&record));
        }
        Ok(record)
    }
}

/// How long it is until then.
fn until(moment: Instant) -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever agrees on it with others reads no clock of the run's"
    )]
    moment.saturating_duration_since(Instant::now())
}

/// Ends the workers when the one who collects is gone.
struct AbortOnDrop(Stopper);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        // A worker's panic has been caught and told already.
        let _ = thread.join();
    }
}

/// Waits for every worker's word. A scenario that no worker could prepare ends the run, where some should.
fn wait_until_prepared(
    from: &Receiver<ToCollector>,
    (workers, shard): (usize, Shard),
    specs: &[&ScenarioSpec],
    stopper: &Stopper,
) -> Result<(), RunError> {
    let takes_no_part = |it: &&ScenarioSpec| it.part(shard).is_none();
    let mut reachable: Vec<bool> = specs.iter().map(takes_no_part).collect();
    let mut reasons: BTreeMap<usize, PrepareError> = BTreeMap::new();
    let mut waiting = workers;
    while waiting > 0 {
        match from.recv() {
            Ok(ToCollector::Prepared { prepared, .. }) => {
                waiting -= 1;
                for (scenario, result) in prepared {
                    match result {
                        Ok(()) => reachable[scenario] = true,
                        // Who came as far as to set it up knows more than who found nobody there.
                        Err(error) if error.is_setup => {
                            reasons.insert(scenario, error);
                        }
                        Err(error) => {
                            reasons.entry(scenario).or_insert(error);
                        }
                    }
                }
            }
            Ok(ToCollector::Tick { .. } | ToCollector::Vitals { .. }) => {}
            Ok(ToCollector::Done { panic, failure, .. }) => {
                return Err(match (panic, failure) {
                    (Some(message), _) => RunError::Panicked { message },
                    (None, Some(error)) => RunError::Worker(error),
                    (None, None) => RunError::StoppedEarly,
                });
            }
            Err(_) => return Err(RunError::StoppedEarly),
        }
    }
    if stopper.asked() != Stop::No {
        return Err(RunError::StoppedEarly);
    }
    match reachable.iter().position(|reachable| !reachable) {
        None => Ok(()),
        Some(place) => Err(not_prepared(specs[place], reasons.remove(&place))),
    }
}

fn not_prepared(spec: &ScenarioSpec, why: Option<PrepareError>) -> RunError {
    let (message, is_setup) = why.map_or_else(Default::default, |it| (it.message, it.is_setup));
    let scenario = spec.name.clone();
    let message = spec.secrets.masked(&message);
    match is_setup {
        true => RunError::Setup { scenario, message },
        false => RunError::Unreachable { scenario, message },
    }
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No worker could prepare a scenario: no target could be reached.
    #[error("scenario `{scenario}`: {message}")]
    Unreachable {
        /// The scenario.
        scenario: String,
        /// What was tried and what came back.
        message: String,
    },
    /// What a scenario has to do before its load failed.
    #[error("scenario `{scenario}`: {message}")]
    Setup {
        /// The scenario.
        scenario: String,
        /// Which step, and how it ended.
        message: String,
    },
    /// The system refused a thread, a timer or the like.
    #[error("failed to start a worker: {0}")]
    Worker(#[from] io::Error),
    /// A workload panicked before anything was measured.
    #[error("the workload panicked while it was being prepared: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// A way of waiting that does not fit this system or process.
    #[error(transparent)]
    Pacing(#[from] UnfitPacing),
    /// A stop was asked for before anything was measured.
    #[error("stopped before the load began")]
    StoppedEarly,
}
