//! What is done when: once before the load, when a user comes, in each iteration, when a user goes.

use std::cell::{self, Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::compile::{At, Compiler, Named, Ready};
use super::guest::{Guest, OnWorker, Quiet, Visits};
use super::stage::{Host, Role, Stage, seats};
use super::{Execute, Session, Steps};
use crate::chance::mix_in;
use crate::clock::{Clock, Nanos, nanos};
use crate::driver::identity::Identity;
use crate::driver::intercept::Interceptor;
use crate::driver::mistake::Mistake;
use crate::driver::script::{Notes, Part, Script, Turn};
use crate::expectation::Sticky;
use crate::expression::{Text, Variables};
use crate::outcome::{Failure, Outcome};
use crate::scenario::{self, ScenarioPlan, all_steps};
use crate::schedule::Shard;
use crate::workload::{
    Iteration, IterationSeed, Observer, PrepareError, SetUp, StepSample, Switches, UserId,
    WorkerContext,
};

/// The steps of a plan, by when they are done.
#[derive(Debug)]
pub(in crate::driver) struct Parts<'a, P> {
    pub(in crate::driver) setup: &'a [scenario::Step<P>],
    pub(in crate::driver) begin: &'a [scenario::Step<P>],
    pub(in crate::driver) steps: &'a [scenario::Step<P>],
    pub(in crate::driver) end: &'a [scenario::Step<P>],
}

/// The same, with the actions of a driver that has prepared them, and what their expressions stand on.
/// Shared by all workers.
#[derive(Debug)]
pub(in crate::driver) struct Life<A> {
    setup: Steps<A>,
    begin: Steps<A>,
    steps: Steps<A>,
    end: Steps<A>,
    /// Each step by itself, where they are those that go elsewhere of another scenario.
    pub(super) elsewhere: Box<[Steps<A>]>,
    /// Those who do what goes elsewhere.
    guests: Vec<Arc<dyn Guest>>,
    script: Script,
    /// Where answers say whose they are.
    pub(in crate::driver) identity: Identity,
    /// What an iteration's server should depend on.
    key: Option<Text>,
    /// The number of the first step of `setup`, and the names of all of them.
    setup_steps: (usize, Vec<String>),
    /// How setting up ended, once it has.
    is_set_up: OnceCell<Result<(), PrepareError>>,
}

impl<'a, P> Parts<'a, P> {
    /// All of them, in the order in which reports number their steps; those of `setup`, which are in none,
    /// come last.
    fn in_order(&self) -> [(Part, &'a [scenario::Step<P>]); 4] {
        [
            (Part::Begin, self.begin),
            (Part::Steps, self.steps),
            (Part::End, self.end),
            (Part::Setup, self.setup),
        ]
    }

    /// The names under which something is saved in these parts.
    fn saved(&self, parts: &[Part]) -> BTreeSet<&'a str> {
        let all = self
            .in_order()
            .into_iter()
            .filter(|(part, _)| parts.contains(part));
        let steps = all.flat_map(|(part, steps)| all_steps(steps, part.field()));
        let names = steps.flat_map(|(_, step)| step.save.iter().map(|(name, _)| name.as_str()));
        names.collect()
    }

    /// What a part may use of what is saved.
    fn saved_for(&self, part: Part) -> BTreeSet<&'a str> {
        self.saved(match part {
            Part::Setup => &[Part::Setup],
            Part::Begin => &[Part::Begin],
            Part::Steps => &[Part::Begin, Part::Steps],
            Part::End => &[Part::Begin, Part::Steps, Part::End],
        })
    }
}

impl<A> Life<A> {
    /// Has a driver make the actions of a plan ready. The stage's secrets learn what expressions will make of
    /// some.
    ///
    /// # Errors
    /// What the driver says, or else everything that is wrong with expressions and data.
    pub(in crate::driver) fn prepare<P, E: From<Vec<Mistake>>>(
        scenario: &ScenarioPlan,
        parts: &Parts<'_, P>,
        stage: &Stage<'_>,
        mut ready: impl FnMut(&P, &At<'_>) -> Result<Ready<A>, E>,
    ) -> Result<Self, E> {
        let invite = match stage.role {
            Role::Host(invite) => invite,
            Role::Guest(host, protocol) => {
                let named = Named::new(Identity::own());
                let mut seats = host.seats.iter().filter(|it| it.protocol == protocol);
                let steps = parts.in_order().into_iter().flat_map(|(_, steps)| steps);
                let elsewhere = steps.map(|step| {
                    let seat = seats.next().expect("each of them has its place");
                    let lexicon = host.lexicon(seat.part);
                    let nowhere = BTreeMap::new();
                    let mut compiler = Compiler::new(&lexicon, &named, seat.number, &nowhere);
                    compiler.step(step, &seat.path, &mut ready)?;
                    Ok(compiler.finish().0)
                });
                return Ok(Self {
                    elsewhere: elsewhere.collect::<Result<_, E>>()?,
                    ..Self::of(Script::none())
                });
            }
        };
        let mut script = Script::new(scenario, stage.secrets).map_err(E::from)?;
        let notes = Notes::default();
        let setup = parts.saved(&[Part::Setup]);
        let host = Host {
            script: &script,
            notes: &notes,
            saved: parts
                .in_order()
                .map(|(part, _)| (part, parts.saved_for(part))),
            setup,
            seats: seats(&parts.in_order()),
        };
        let (guests, places) = host.guests(invite);
        let identity = Identity::of(scenario).map_err(|mistake| E::from(vec![mistake]))?;
        let named = Named::new(identity);
        let (mut number, mut first_of_setup) = (0, 0);
        let mut compiled = Vec::with_capacity(4);
        for (part, steps) in parts.in_order() {
            first_of_setup = number;
            let lexicon = host.lexicon(part);
            let mut compiler = Compiler::new(&lexicon, &named, number, &places);
            compiler.steps(steps, part.field(), &mut ready)?;
            let (steps, next) = compiler.finish();
            number = next;
            compiled.push(steps);
        }
        let key = match &scenario.expect.sticky {
            Some(Sticky::Key(key)) => host.lexicon(Part::Steps).template(key, "expect.sticky.key"),
            _ => None,
        };
        let (identity, lacks) = named.finish();
        lacks.into_iter().for_each(|it| notes.wrong(it));
        let mistakes = notes.mistakes();
        if !mistakes.is_empty() {
            return Err(mistakes.into());
        }
        script.used(&notes);
        let [begin, steps, end, setup] =
            <[_; 4]>::try_from(compiled).unwrap_or_else(|_| unreachable!("there are four parts"));
        Ok(Self {
            setup,
            begin,
            steps,
            end,
            guests,
            identity,
            key,
            setup_steps: (first_of_setup, names_of(parts.setup)),
            ..Self::of(script)
        })
    }

    /// Nothing to do, on this.
    fn of(script: Script) -> Self {
        Self {
            setup: Steps::none(),
            begin: Steps::none(),
            steps: Steps::none(),
            end: Steps::none(),
            elsewhere: Box::default(),
            guests: Vec::new(),
            identity: Identity::own(),
            key: None,
            script,
            setup_steps: (0, Vec::new()),
            is_set_up: OnceCell::new(),
        }
    }

    /// Whether something is done before the load.
    pub(in crate::driver) fn has_setup(&self) -> bool {
        !self.setup.code.is_empty()
    }

    /// Whether users do something first.
    pub(in crate::driver) fn has_begin(&self) -> bool {
        !self.begin.code.is_empty()
    }

    /// Whether users do something last, or have something to end elsewhere.
    pub(in crate::driver) fn has_end(&self) -> bool {
        !self.end.code.is_empty() || !self.guests.is_empty()
    }

    /// How many iterations may start, where data run out.
    pub(in crate::driver) fn most_iterations(&self) -> Option<u64> {
        self.script.most_iterations()
    }

    /// What of the environment is sent: no output may carry it on.
    pub(in crate::driver) fn secrets(&self) -> &[String] {
        self.script.secrets()
    }
}

/// What leads one worker's users through their lives.
pub(in crate::driver) struct Lives {
    clock: Clock,
    observer: Rc<dyn Observer>,
    worker: usize,
    part: Shard,
    seed: u64,
    timeout: Duration,
    interceptor: Option<Arc<dyn Interceptor>>,
    set_up: SetUp,
    /// What those who do what goes elsewhere know of the worker.
    elsewhere: WorkerContext,
    /// These, once somebody needs them.
    guests: cell::OnceCell<Rc<[Rc<dyn OnWorker>]>>,
}

impl fmt::Debug for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lives")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl Lives {
    /// Those of one worker; what comes before and after iterations may take so long, pauses left out.
    pub(in crate::driver) fn new(context: &WorkerContext, timeout: Duration) -> Self {
        Self {
            clock: context.clock,
            observer: Rc::clone(&context.observer),
            worker: context.worker,
            part: context.shard,
            seed: context.scenario_seed,
            timeout,
            interceptor: None,
            set_up: context.set_up.clone(),
            elsewhere: WorkerContext {
                observer: Rc::new(Quiet(Rc::clone(&context.observer))),
                // They are of the scenario's targets, and theirs are others.
                switches: Switches::default(),
                ..context.clone()
            },
            guests: cell::OnceCell::new(),
        }
    }

    /// Has scenarios set up there.
    #[cfg(test)]
    pub(super) fn set_up_at(self, set_up: SetUp) -> Self {
        Self { set_up, ..self }
    }

    /// Has an interceptor see what its users do.
    pub(in crate::driver) fn shown_to(self, interceptor: Option<Arc<dyn Interceptor>>) -> Self {
        Self {
            interceptor,
            ..self
        }
    }

    /// Sets the scenario up, if nobody has; gives back the driver's part of the session that did. Who comes
    /// while another does so waits for that, on this process and on others.
    ///
    /// # Errors
    /// Which step failed, and how.
    pub(in crate::driver) async fn set_up<E: Execute>(
        &self,
        life: &Life<E::Action>,
        executor: &E,
        own: E::Own,
    ) -> Result<Option<E::Own>, PrepareError> {
        let mut done = None;
        let set_up = async || {
            let listener = Listener::default();
            let mut session = self.session(life, UserId(0), own);
            let ended = match self.set_up.ended().await {
                Some(Ok(stored)) => session.restore(&stored),
                Some(Err(why)) => Err(why),
                None => {
                    let outcome = self
                        .part(&life.setup, executor, &mut session, &listener)
                        .await;
                    session.part_is_over(true).await;
                    let why = |failure| listener.why(failure, &life.setup_steps);
                    self.tell(outcome, &session, why)
                }
            };
            let saved = session.saved.value();
            done = Some(session.own);
            ended.map_err(PrepareError::of_setup)?;
            life.script.set_up(saved);
            Ok(())
        };
        life.is_set_up.get_or_init(set_up).await.clone()?;
        Ok(done)
    }

    /// Has others know what setting up came to, where they are to: what was saved, or why it failed.
    fn tell<D>(
        &self,
        outcome: Outcome,
        session: &Session<D>,
        why: impl FnOnce(Failure) -> String,
    ) -> Result<(), String> {
        let ended = match outcome {
            Outcome::Ok if self.set_up.is_for_others() => session.saved.to_json(),
            Outcome::Ok => Ok(String::new()),
            Outcome::Failed(failure) => Err(why(failure)),
        };
        self.set_up.tell(ended.as_deref().map_err(String::as_str));
        ended.map(drop)
    }

    /// Has a user do what it does first.
    ///
    /// # Errors
    /// How that failed.
    pub(in crate::driver) async fn begin<E: Execute>(
        &self,
        life: &Life<E::Action>,
        executor: &E,
        session: &mut Session<E::Own>,
    ) -> Result<(), Failure> {
        let observer = &*self.observer;
        let outcome = self.part(&life.begin, executor, session, observer).await;
        session.part_is_over(!outcome.is_ok()).await;
        match outcome {
            Outcome::Ok => Ok(()),
            Outcome::Failed(failure) => Err(failure),
        }
    }

    /// One iteration.
    #[inline]
    pub(in crate::driver) async fn iterate<E: Execute>(
        &self,
        life: &Life<E::Action>,
        executor: &E,
        session: &mut Session<E::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        if session.scope.is_some()
            && let Err(failure) = self.turn(life, session, iteration)
        {
            return failure.into();
        }
        if let Some(key) = &life.key {
            match key.render(session.scope()) {
                Ok(key) => iteration.of_key(&key),
                Err(error) => {
                    let explained = || format!("expect.sticky.key: {error}");
                    iteration.explain(Failure::Expression, explained);
                    return Failure::Expression.into();
                }
            }
        }
        life.steps.walk(executor, session, iteration).await
    }

    /// What a user does last. How that ends is in the figures of its steps.
    pub(in crate::driver) async fn end<E: Execute>(
        &self,
        life: &Life<E::Action>,
        executor: &E,
        session: &mut Session<E::Own>,
    ) {
        self.part(&life.end, executor, session, &*self.observer)
            .await;
        session.part_is_over(true).await;
    }

    /// A user's session, before it has done anything.
    pub(in crate::driver) fn session<A, D>(
        &self,
        life: &Life<A>,
        user: UserId,
        own: D,
    ) -> Session<D> {
        let seed = mix_in(self.seed, u64::from(user.0));
        let mut session = Session::new(own).of(user, seed).in_part(self.part);
        session.interceptor.clone_from(&self.interceptor);
        if !life.guests.is_empty() {
            let guests = self.guests.get_or_init(|| {
                let guests = life.guests.iter();
                guests.map(|it| it.on_worker(&self.elsewhere)).collect()
            });
            session.visits = Some(Box::new(Visits::new(guests)));
        }
        if life.script.is_used() {
            let saved = session.saved.value();
            let scope = life.script.scope(user, self.worker, saved, seed);
            let turn = Turn {
                user,
                iteration: None,
                part: self.part,
            };
            // Who needs a row to begin with has one: that was seen before the run.
            if let Ok(row) = life.script.row(turn, self.seed) {
                scope.change(|it| it.row = row);
            }
            session.scope = Some(scope);
        }
        session
    }

    /// Has a user's names stand for what they are in this iteration.
    fn turn<A, D>(
        &self,
        life: &Life<A>,
        session: &Session<D>,
        iteration: &Iteration<'_>,
    ) -> Result<(), Failure> {
        let scope = session.scope();
        let turn = Turn {
            user: session.user,
            iteration: Some(iteration.arrival()),
            part: self.part,
        };
        let row = life.script.row(turn, self.seed).map_err(|error| {
            iteration.explain(Failure::Expression, || error.to_string());
            Failure::Expression
        })?;
        // Who is free when an arrival comes is chance that no seed decides.
        let (number, seed) = match iteration.arrival() {
            Some(arrival) => (arrival, mix_in(!self.seed, arrival)),
            None => {
                let user = mix_in(self.seed, u64::from(session.user.0));
                (iteration.number(), mix_in(user, iteration.number() + 1))
            }
        };
        scope.reseed(seed);
        scope.change(|it: &mut Variables| {
            it.iteration = number;
            it.row = row;
        });
        Ok(())
    }

    /// Goes through a part that is no iteration, within the time that one may take.
    async fn part<E: Execute>(
        &self,
        steps: &Steps<E::Action>,
        executor: &E,
        session: &mut Session<E::Own>,
        observer: &dyn Observer,
    ) -> Outcome {
        let iteration = Iteration::new(IterationSeed {
            user: session.user,
            single_step: false,
            ..IterationSeed::new(self.clock, observer)
        });
        // The engine may give up the iteration that a user begins for.
        let _ending = iteration.ending_on_drop();
        let mut walk = pin!(steps.walk(executor, session, &iteration));
        let timeout = nanos(self.timeout);
        let mut deadline = iteration.started().saturating_add(timeout);
        loop {
            let left = Duration::from_nanos(deadline.saturating_sub(self.clock.now()));
            if let Ok(outcome) = tokio::time::timeout(left, &mut walk).await {
                return outcome;
            }
            let allowed = timeout.saturating_add(iteration.paused());
            let extended = iteration.started().saturating_add(allowed);
            let now = self.clock.now();
            if iteration.pausing() {
                // How long is not known yet: look again in a while.
                deadline = now.saturating_add(LOOK_AGAIN);
            } else if extended > now {
                deadline = extended;
            } else {
                iteration.times_out();
                iteration.cut_off(now, Failure::Timeout.into());
                return Failure::Timeout.into();
            }
        }
    }
}

/// How long a part that is pausing is left alone.
const LOOK_AGAIN: Nanos = 50_000_000;

/// Hears why setting up failed. What is done once is no load and has no figures.
#[derive(Default)]
struct Listener {
    said: RefCell<Vec<(Failure, String)>>,
    /// The last step that failed.
    failed: Cell<Option<usize>>,
}

impl Listener {
    fn why(&self, failure: Failure, (first, names): &(usize, Vec<String>)) -> String {
        let said = self.said.borrow();
        // What ended it is what was said last.
        let detail = said.iter().rfind(|(seen, _)| *seen == failure);
        let detail = detail.map(|(_, detail)| format!(": {detail}"));
        let place = self.failed.get().and_then(|step| step.checked_sub(*first));
        let step = place.and_then(|place| names.get(place));
        let step = step.map(|name| format!(" in step `{name}`"));
        format!(
            "setup failed{} with `{failure}`{}",
            step.unwrap_or_default(),
            detail.unwrap_or_default()
        )
    }
}

/// The names of what is numbered of these steps, in the order of its numbers.
fn names_of<P>(steps: &[scenario::Step<P>]) -> Vec<String> {
    let all = all_steps(steps, "").into_iter();
    all.filter(|(_, step)| step.is_measured())
        .map(|(_, step)| step.name.clone())
        .collect()
}

impl Observer for Listener {
    fn explain(&self, _: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.said.borrow_mut().push((failure, detail()));
    }
    fn step(&self, sample: StepSample) {
        if !sample.outcome.is_ok() {
            self.failed.set(Some(sample.step));
        }
    }
}
