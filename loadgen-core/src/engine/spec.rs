//! What the engine is asked to do.

use std::time::Duration;

use crate::condition::Threshold;
use crate::pacer::Pacing;
use crate::record::{LifePart, Names, StepSpec, StickyBy, TimelineSpec};
use crate::schedule::{Load, Shard};
use crate::secrets::Secrets;
use crate::workload::{Counter, Gauge, Lookouts, SetUp, TargetIndex, Timing};

/// How a run is carried out, apart from what its scenarios ask for.
///
/// ```
/// use loadgen_core::engine::Options;
///
/// let options = Options::default().workers(2).seed(7);
/// # assert_eq!((options.workers, options.seed), (Some(2), 7));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Worker threads; `None` is the smaller of cores and users.
    pub workers: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
    /// How open models wait for what is due.
    pub pacing: Pacing,
    /// The most arrivals of one scenario that may stand in line for a user, over all workers; a run in
    /// which there are more is ended and says so. `None` is 8,388,608, which take 128 MiB.
    pub most_in_line: Option<usize>,
    /// Which part of the load is made here, where several processes make it together, each on this seed.
    pub shard: Shard,
    /// Where each scenario is set up, in their order; here where there is no entry.
    pub set_up: Vec<SetUp>,
}

/// What `Options::most_in_line` is where nobody says.
pub const MOST_IN_LINE: usize = 1 << 23;

/// How many workers a run of these scenarios has: as asked for, else as many as there are cores; never
/// more than some scenario has use for.
pub(crate) fn workers<'a>(
    options: &Options,
    scenarios: impl Iterator<Item = &'a ScenarioSpec>,
) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let most = options.workers.unwrap_or_else(cores);
    let workers = scenarios.map(|it| it.workers(most, options.shard));
    workers.max().unwrap_or(1)
}

impl Options {
    /// So many worker threads; with `None`, as many as there are cores, or users if those are fewer.
    #[must_use]
    pub fn workers(mut self, workers: impl Into<Option<usize>>) -> Self {
        self.workers = workers.into();
        self
    }

    /// Random choices follow from this.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Open models wait so for what is due.
    #[must_use]
    pub fn pacing(mut self, pacing: Pacing) -> Self {
        self.pacing = pacing;
        self
    }

    /// At most so many arrivals of one scenario may stand in line for a user; with `None`,
    /// [`MOST_IN_LINE`].
    #[must_use]
    pub fn most_in_line(mut self, arrivals: impl Into<Option<usize>>) -> Self {
        self.most_in_line = arrivals.into();
        self
    }

    /// Of the load so much is made here: other processes make the rest.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// Scenarios are set up there, in their order: once for all the processes that make the load together.
    #[must_use]
    pub fn set_up(mut self, places: Vec<SetUp>) -> Self {
        self.set_up = places;
        self
    }

    pub(super) fn set_up_of(&self, scenario: usize) -> SetUp {
        self.set_up.get(scenario).cloned().unwrap_or_default()
    }

    /// How many may stand in line on one of so many workers.
    pub(super) fn most_in_line_of(&self, workers: usize) -> usize {
        self.most_in_line
            .unwrap_or(MOST_IN_LINE)
            .div_ceil(workers.max(1))
    }
}

/// One scenario as the engine sees it: when, how long, and the names of what is recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScenarioSpec {
    /// Its name.
    pub name: String,
    /// What it speaks, for reports.
    pub protocol: String,
    /// Who speaks it, where that is a choice, for reports.
    pub codec: Option<String>,
    /// The same of steps that go elsewhere.
    pub codec_elsewhere: Option<String>,
    /// What is to be said of it before it runs.
    pub notices: Vec<String>,
    /// How iterations come about.
    pub load: Load,
    /// Wait before anything of it happens.
    pub start_after: Duration,
    /// Load before measuring. An open model warms up at the rate of its first stage's end.
    pub warm_up: Duration,
    /// How long iterations under way, and arrivals in line, may take once the plan's time is over
    /// or a stop was asked for. A plan that ends with its iterations lets them all finish.
    pub graceful_stop: Duration,
    /// The longest an iteration may take, pauses left out.
    pub timeout: Duration,
    /// The longest that beginning a user's life may take where steps of its own do that
    /// ([`Workload::open`](crate::workload::Workload::open), [`LifePart::Begin`]), such as a login with its
    /// pauses: no less than `timeout`, which `None` is. The iteration that it is needed for has its own
    /// `timeout` after it.
    pub open_within: Option<Duration>,
    /// The longest that ending a user's session may take ([`Workload::close`](crate::workload::Workload::close)),
    /// such as a logout; one that takes longer is dropped. It comes after the user's last iteration and is in
    /// no figure of iterations. Once the run is aborted, none has more than a second.
    pub close_within: Duration,
    /// Start lag above this counts as late.
    pub late_after: Duration,
    /// The most workers that its users may be spread over: a driver that must not open more
    /// connections than this says so here.
    pub max_workers: Option<usize>,
    /// The most iterations that may start, those of the warm-up included, where what they need runs out;
    /// the load is over then.
    pub most_iterations: Option<u64>,
    /// The steps, pauses left out, numbered by their place: those that begin a user's life, those of its
    /// iterations, of which there is at least one, and those that end it. A name will do for one:
    /// `vec!["login".into()]`.
    pub steps: Vec<StepSpec>,
    /// Names of custom counters, as [`counter`](Self::counter) was asked for them.
    pub(crate) counters: Vec<String>,
    /// Names of custom gauges.
    pub(crate) gauges: Vec<String>,
    /// Names of custom timings.
    pub(crate) timings: Vec<String>,
    /// Labels that its metrics carry: name and value.
    pub tags: Vec<(String, String)>,
    /// Where it sends to, for figures of each; none where a workload does not tell.
    pub targets: Vec<String>,
    /// Whether its workload heeds [`WorkerContext::switches`](crate::workload::WorkerContext::switches), so that
    /// targets can be switched off while the run is under way.
    pub switches_targets: bool,
    /// Conditions that are looked at while the run is under way: those over windows, of which nothing is
    /// known afterwards that was not looked at, and those that may end it. Others are none of the engine's
    /// business.
    pub thresholds: Vec<Threshold>,
    /// Requests that are recorded in fine pieces of time, for what is to be said about events.
    pub timeline: Option<TimelineSpec>,
    /// The names of all servers that may answer, so that one that never does is missed; empty where nobody knows.
    pub servers: Vec<String>,
    /// Whether its calls may be made again, so that it is told how often they were, be it never.
    pub retries: bool,
    /// What is expected to stay with one server, all answers of it; without, streams of users are looked at.
    pub sticky: Option<StickyBy>,
    /// Whether each iteration [lasts](crate::workload::Iteration::lasts) for as long as the load does: of arrivals that
    /// wait for a user none begins once that is over, and nobody but the scenario keeps them waiting.
    pub lasting: bool,
    /// Whether each iteration opens connections of its own, which takes round trips that are no steps: with
    /// [`Pacing::AUTO`](crate::pacer::Pacing::AUTO) there is no grid then.
    pub connects_each: bool,
    /// What is masked in examples of failures, in names that servers give themselves, and in why no target
    /// could be reached.
    pub secrets: Secrets,
    /// What it is made of that may change while the run is under way.
    pub(crate) lookouts: Lookouts,
}

impl ScenarioSpec {
    /// A spec with the documented defaults: one step named like the scenario, no warm-up, 30 s
    /// timeout and graceful stop, a second to end a session, late after 1 ms.
    #[must_use]
    pub fn new(name: impl Into<String>, load: impl Into<Load>) -> Self {
        let name = name.into();
        Self {
            steps: vec![name.clone().into()],
            name,
            protocol: "custom".to_owned(),
            codec: None,
            codec_elsewhere: None,
            notices: Vec::new(),
            load: load.into(),
            start_after: Duration::ZERO,
            warm_up: Duration::ZERO,
            graceful_stop: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            open_within: None,
            close_within: Duration::from_secs(1),
            late_after: Duration::from_millis(1),
            max_workers: None,
            most_iterations: None,
            counters: Vec::new(),
            gauges: Vec::new(),
            timings: Vec::new(),
            tags: Vec::new(),
            targets: Vec::new(),
            switches_targets: false,
            thresholds: Vec::new(),
            timeline: None,
            servers: Vec::new(),
            retries: false,
            sticky: None,
            lasting: false,
            connects_each: false,
            secrets: Secrets::default(),
            lookouts: Lookouts::default(),
        }
    }

    /// A target of this name: what the workload tells with that it is spoken to.
    pub fn target(&mut self, name: impl Into<String>) -> TargetIndex {
        place(&mut self.targets, name.into())
    }

    /// A counter of the workload's own, of this name: what it counts with.
    pub fn counter(&mut self, name: impl Into<String>) -> Counter {
        Counter::at(place(&mut self.counters, name.into()))
    }

    /// A gauge of the workload's own, of this name: what it sets it with.
    pub fn gauge(&mut self, name: impl Into<String>) -> Gauge {
        Gauge::at(place(&mut self.gauges, name.into()))
    }

    /// A timing of the workload's own, of this name: what it adds samples with.
    pub fn timing(&mut self, name: impl Into<String>) -> Timing {
        Timing::at(place(&mut self.timings, name.into()))
    }

    /// Which of those shards this is that take part in it: no more than it has users, nor than its driver has
    /// connections for. `None` where it is none of them.
    pub(crate) fn part(&self, shard: Shard) -> Option<Shard> {
        let users = u64::from(self.load.max_users());
        let most = self.max_workers.map_or(users, |it| users.min(it as u64));
        shard.among(most)
    }

    /// The most users that it has on a shard.
    pub(super) fn users(&self, shard: Shard) -> u64 {
        let users = u64::from(self.load.max_users());
        self.part(shard).map_or(0, |part| part.part_of(users))
    }

    /// How many of a shard's workers take part in it: the first so many.
    pub(super) fn workers(&self, of: usize, shard: Shard) -> usize {
        let Some(part) = self.part(shard) else {
            return 0;
        };
        let narrow = |part: u64| usize::try_from(part).unwrap_or(usize::MAX);
        let users = narrow(self.users(shard));
        let most = self
            .max_workers
            .map_or(of, |it| narrow(part.part_of(it as u64)));
        of.min(users).min(most).max(1)
    }

    /// Whether a user's life begins with steps of its own.
    pub(super) fn has_beginning(&self) -> bool {
        self.steps.iter().any(|it| it.part == Some(LifePart::Begin))
    }

    pub(crate) fn names(&self) -> Names {
        Names {
            scenario: self.name.clone(),
            protocol: self.protocol.clone(),
            codec: self.codec.clone(),
            codec_elsewhere: self.codec_elsewhere.clone(),
            open: matches!(self.load, Load::Open(_)),
            steps: self.steps.clone(),
            counters: self.counters.clone(),
            gauges: self.gauges.clone(),
            timings: self.timings.clone(),
            tags: self.tags.clone(),
            targets: self.targets.clone(),
            late_after: self.late_after,
            retries: self.retries,
        }
    }
}

/// Where the name is in the list, to which it is added if it is not yet there.
fn place(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|it| *it == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_handle_of_its_kind() {
        let mut spec = ScenarioSpec::new("s", Load::closed(1));
        let [rows, errors, again] = ["rows", "errors", "rows"].map(|it| spec.counter(it));
        assert_eq!(rows, again);
        assert_ne!(rows, errors);
        spec.gauge("rows");
        spec.timing("rows");
        let names = spec.names();
        assert_eq!(names.counters, ["rows", "errors"]);
        assert_eq!(
            (names.gauges, names.timings),
            (vec!["rows".to_owned()], vec!["rows".to_owned()])
        );
    }
}
