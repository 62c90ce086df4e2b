//! The immutable plan that validation makes and the run is built from.

mod backends;
mod bind;
mod check;
mod elsewhere;
mod files;
mod for_each;
mod guests;
mod lists;
mod one_step;
mod overrides;
mod part;
mod parts;
pub(in crate::scenario) mod print;
mod steps;
pub(in crate::scenario) mod thresholds;
mod validate;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::backend::{BackendPlan, BackendRole};
use super::capacity::CapacityPlan;
use super::data::DataSource;
use super::event::EventPlan;
use super::identify::Identify;
use super::protocol::{Protocol, ProtocolPlan};
use super::tls::Tls;
use super::value::target::Target;
use crate::condition::{Tag, Threshold};
use crate::expectation::Expectations;
use crate::schedule::Load;

/// What holds where a scenario says nothing.
mod defaults {
    use std::time::Duration;

    pub(super) const GRACEFUL_STOP: Duration = Duration::from_secs(30);
    pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
    pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    pub(super) const LATE_AFTER: Duration = Duration::from_millis(1);
    pub(super) const RESOLVE_EVERY: Duration = Duration::from_secs(5);
    pub(super) const MAX_MESSAGE: u32 = 64 << 20;
}

pub use self::elsewhere::Elsewhere;
pub use self::files::{FileRole, NamedFile};

/// What is to be run: validated scenarios, and conditions on those of them that have a tag.
///
/// ```
/// use loadgen_core::scenario::Plan;
///
/// # let scenarios = loadgen_core::scenario::shipped().scenarios().to_vec();
/// let mut plan = Plan::new(scenarios);
/// plan.thresholds = vec!["tags.tier.gold.response_time.p99 < 20ms".parse()?];
/// # assert_eq!(plan.unjudged().count(), 1);
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Plan {
    /// The scenarios, which run together.
    pub scenarios: Vec<ScenarioPlan>,
    /// Conditions on all scenarios with a tag, taken together. One whose tag none of the scenarios has is not
    /// judged.
    pub thresholds: Vec<Threshold>,
    /// The servers that the run starts, each after those that stand behind it.
    pub backends: Vec<BackendPlan>,
}

impl Plan {
    /// A plan of these scenarios without conditions on tags.
    #[must_use]
    pub fn new(scenarios: impl Into<Vec<ScenarioPlan>>) -> Self {
        Self {
            scenarios: scenarios.into(),
            thresholds: Vec::new(),
            backends: Vec::new(),
        }
    }

    /// The server of this name.
    #[must_use]
    pub fn backend(&self, name: &str) -> Option<&BackendPlan> {
        self.backends.iter().find(|it| it.name == name)
    }

    /// When something is done that concerns this scenario, by its place, and when that is over, from where its
    /// measuring begins: its own events, and those of others that are done to servers it [asks](Self::asks) while
    /// its load is measured.
    pub fn events_on(&self, scenario: usize) -> impl Iterator<Item = (Duration, Duration)> {
        let own = self.scenarios.get(scenario);
        let own = own.map(ScenarioPlan::measures_from).unwrap_or_default();
        let all = self.scenarios.iter().enumerate();
        all.flat_map(move |(from, theirs)| {
            let on_own = move |at| {
                theirs
                    .measures_from()
                    .saturating_add(at)
                    .saturating_sub(own)
            };
            let events = theirs.events.iter();
            let events = events.filter(move |event| self.concerns(event, from, scenario));
            events.map(move |event| (on_own(event.at), on_own(event.over_at())))
        })
    }

    /// Whether an event of the scenario `from` is one of `scenario`, by their places: it is its own, or it is done
    /// to a server that it [asks](Self::asks), and neither over before its measuring begins nor after its load.
    #[must_use]
    pub fn concerns(&self, event: &EventPlan, from: usize, scenario: usize) -> bool {
        let (Some(theirs), Some(own)) = (self.scenarios.get(from), self.scenarios.get(scenario))
        else {
            return false;
        };
        if from == scenario {
            return true;
        }
        let (begins, own_begins) = (theirs.measures_from(), own.measures_from());
        let at = begins.saturating_add(event.at);
        let over = self.over(event, theirs);
        let ends = own.load.time_limit();
        let ends = ends.map(|lasts| own_begins.saturating_add(lasts));
        let is_asked = |name: &str| self.asks(scenario, name);
        event.deed.backend().is_some_and(is_asked)
            && (at >= own_begins || over.is_none_or(|over| over > own_begins))
            && ends.is_none_or(|ends| at < ends)
    }

    /// When an event of this scenario is over, on the run's clock. What nobody takes back is when something else is
    /// done to the same server; `None` where nothing is.
    fn over(&self, event: &EventPlan, of: &ScenarioPlan) -> Option<Duration> {
        let on_run = |of: &ScenarioPlan, at| of.measures_from().saturating_add(at);
        if !event.deed.stays() {
            return Some(on_run(of, event.over_at()));
        }
        let all = self.scenarios.iter();
        let all = all.flat_map(|of| of.events.iter().map(move |it| (it, on_run(of, it.at))));
        let same = all.filter(|(it, _)| it.deed.backend() == event.deed.backend());
        let at = on_run(of, event.at);
        same.map(|(_, other)| other).filter(|it| *it > at).min()
    }

    /// The names of the servers that the run starts for a scenario, that answer, and that speak what it speaks: those
    /// that its targets are, or that stand behind them, where these are servers of the run.
    pub(crate) fn answering<'a>(
        &'a self,
        scenario: &'a ScenarioPlan,
    ) -> impl Iterator<Item = &'a str> {
        let protocol = scenario.protocol();
        let answers = move |it: &&BackendPlan| {
            matches!(it.role, BackendRole::Serve(_))
                && it.addresses.iter().any(|(spoken, _)| *spoken == protocol)
        };
        let servers = self.reached(scenario).filter(answers);
        servers.map(|it| it.name.as_str())
    }

    /// Of these, those that what is expected of its routes allows.
    pub(crate) fn may_answer<'a>(
        &'a self,
        scenario: &'a ScenarioPlan,
    ) -> impl Iterator<Item = &'a str> {
        let servers = self.answering(scenario);
        servers.filter(move |it| scenario.expect.allow(&scenario.tags, it))
    }

    /// The conditions that are not judged: no scenario has the tag that they are on, or they are on none.
    pub fn unjudged(&self) -> impl Iterator<Item = &Threshold> {
        self.thresholds.iter().filter(|it| !self.judges(it))
    }

    /// The plan without these.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let judged = self.thresholds.iter().filter(|it| self.judges(it));
        self.thresholds = judged.cloned().collect();
        self
    }

    fn judges(&self, threshold: &Threshold) -> bool {
        let has = |tag: &Tag| self.scenarios.iter().any(|it| it.has(tag));
        threshold.tag().is_some_and(has)
    }
}

/// One validated scenario: what all protocols have, and the part of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScenarioPlan {
    /// Unique within its protocol.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where it sends to; empty until resolved from flags, environment or the embedded backend.
    pub targets: Vec<Target>,
    /// The servers of its suite that it sends to, by name: their addresses are its `targets` once the run has
    /// started them.
    pub target_backends: Vec<String>,
    /// The servers of its suite that it is run with, by name.
    pub backends: Vec<String>,
    /// What is done while it runs.
    pub events: Vec<EventPlan>,
    /// How iterations come about.
    pub load: Load,
    /// Wait before anything of this scenario happens.
    pub start_after: Duration,
    /// Load before measuring.
    pub warm_up: Duration,
    /// How long iterations under way may take after the end.
    pub graceful_stop: Duration,
    /// The longest an iteration may take, pauses left out.
    pub timeout: Duration,
    /// The longest that opening a connection may take, resolving included.
    pub connect_timeout: Duration,
    /// Start lag above this counts as late.
    pub late_after: Duration,
    /// The longest message taken from a server, in bytes, compressed or not.
    pub max_message: u32,
    /// Whom connections are told that they are for, in place of the target's host and port.
    pub authority: Option<String>,
    /// What tells which server answered; the header `x-loadgen-backend` where it says nothing.
    pub identify: Option<Identify>,
    /// The addresses of this machine that connections to the targets come from, in turn; none leaves that to
    /// the system.
    pub bind: Vec<IpAddr>,
    /// How often targets that are lists of addresses are asked for theirs.
    pub resolve_every: Duration,
    /// Transport encryption. `https://` targets imply the default of it.
    pub tls: Option<Tls>,
    /// Free labels for reports and metrics.
    pub tags: BTreeMap<String, String>,
    /// The values that it has of a scenario which was written for several (`for_each`), by name: what these
    /// names stand for in expressions. They are among its tags, and its name ends in them.
    pub for_each: Vec<(String, String)>,
    /// Test data: what `row` is in expressions.
    pub data: Vec<DataSource>,
    /// Where the steps of `setup`, `begin` and `end` go that do not go where those of iterations go: one for
    /// each protocol that they speak.
    pub elsewhere: Vec<Elsewhere>,
    /// Conditions on the results: `error_rate < 1%` where a file says nothing.
    pub thresholds: Vec<Threshold>,
    /// What is expected of whatever stands between the generator and the servers.
    pub expect: Expectations,
    /// How the highest rate that its service holds is looked for, where it says so.
    pub capacity: Option<CapacityPlan>,
    /// What it speaks, with its steps and whatever else is of that protocol only.
    pub protocol: ProtocolPlan,
}

impl ScenarioPlan {
    /// A scenario that speaks a protocol, with everything else as in a file that says nothing of it:
    /// no targets, no warm-up, 30 s timeout and graceful stop, 5 s to connect, late after 1 ms,
    /// `error_rate < 1%`. Every field can be changed; [`ScenarioPlan::checked`] then applies the
    /// checks of a file.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        protocol: impl Into<ProtocolPlan>,
        load: impl Into<Load>,
    ) -> Self {
        Self {
            name: name.into(),
            description: None,
            targets: Vec::new(),
            target_backends: Vec::new(),
            backends: Vec::new(),
            events: Vec::new(),
            load: load.into(),
            start_after: Duration::ZERO,
            warm_up: Duration::ZERO,
            graceful_stop: defaults::GRACEFUL_STOP,
            timeout: defaults::TIMEOUT,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            late_after: defaults::LATE_AFTER,
            max_message: defaults::MAX_MESSAGE,
            authority: None,
            identify: None,
            bind: Vec::new(),
            resolve_every: defaults::RESOLVE_EVERY,
            tls: None,
            tags: BTreeMap::new(),
            for_each: Vec::new(),
            data: Vec::new(),
            elsewhere: Vec::new(),
            thresholds: vec![Threshold::default_error_rate()],
            expect: Expectations::default(),
            capacity: None,
            protocol: protocol.into(),
        }
    }

    /// When its measuring begins, from where the run does.
    #[must_use]
    pub fn measures_from(&self) -> Duration {
        self.start_after.saturating_add(self.warm_up)
    }

    /// Whether it has this tag.
    #[must_use]
    pub fn has(&self, tag: &Tag) -> bool {
        self.tags.get(&tag.key) == Some(&tag.value)
    }

    /// Which protocol it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol.protocol()
    }

    /// The names of the steps that speak, those of `begin` first, those of `end` last: the order in
    /// which reports number them.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        self.protocol.step_names().into_iter()
    }
}
