//! One worker's recorder of one scenario.

mod example;
mod observe;

use std::cell::{Cell, RefCell};
use std::fmt;

use super::addresses::Addresses;
use super::homes::{Homes, HomesTick, Served};
use super::keys::Keys;
use super::named::Named;
use super::tick::Answer;
use super::tick::Tick;
use super::told::{Ended, Started, Unanswered, Via, Waited};
use crate::clock::Nanos;
use crate::record::{HIGHEST_NS, LifePart, Names, StickyBy, TimelineSpec, is_single};
use crate::secrets::Secrets;
use crate::workload::{BackendIndex, ConnectionId, KeyIndex, Opened};

/// One worker's recorder of one scenario: fills the current tick, without locks and, once warm,
/// without allocating.
pub(crate) struct Recorder {
    tick: RefCell<Box<Tick>>,
    identities: RefCell<Vec<Box<[u8]>>>,
    pub(super) addresses: Addresses,
    named: RefCell<Named>,
    homes: RefCell<Homes>,
    keys: RefCell<Keys>,
    /// What is expected to stay with one server; without, streams of users are looked at.
    sticky: Option<StickyBy>,
    single_step: bool,
    is_interrupting: Cell<bool>,
    /// Of each step.
    parts: Vec<Option<LifePart>>,
    secrets: Secrets,
    /// Which requests are recorded in fine pieces of time.
    timeline: Option<TimelineSpec>,
    origin: Cell<Nanos>,
    is_measuring: Cell<bool>,
    users_busy: Cell<u64>,
    /// Of these, those that rest on purpose.
    users_resting: Cell<u64>,
    /// The last moment that was heard of.
    now: Cell<Nanos>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder with an empty tick.
    #[must_use]
    pub(crate) fn new(names: &Names) -> Self {
        Self {
            tick: RefCell::new(Box::new(Tick::new(names))),
            identities: RefCell::new(Vec::new()),
            addresses: Addresses::default(),
            named: RefCell::default(),
            homes: RefCell::default(),
            keys: RefCell::default(),
            sticky: None,
            single_step: is_single(&names.steps),
            is_interrupting: Cell::new(false),
            parts: names.steps.iter().map(|it| it.part).collect(),
            secrets: Secrets::default(),
            timeline: None,
            origin: Cell::new(0),
            is_measuring: Cell::new(false),
            users_busy: Cell::new(0),
            users_resting: Cell::new(0),
            now: Cell::new(0),
        }
    }

    /// The same, with these masked in what servers say.
    #[must_use]
    pub(crate) fn masking(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The same, recording these requests in fine pieces of time, too.
    #[must_use]
    pub(crate) fn following(self, timeline: Option<TimelineSpec>) -> Self {
        Self { timeline, ..self }
    }

    /// The same, where answers are held to stay with one server.
    #[must_use]
    pub(crate) fn held_to(mut self, sticky: Option<StickyBy>) -> Self {
        self.sticky = sticky;
        self.homes = RefCell::new(Homes::of(sticky.unwrap_or_default()));
        self
    }

    /// The part of a user's life that a step belongs to, where it is not of the iterations.
    #[inline]
    pub(super) fn part_of(&self, step: usize) -> Option<LifePart> {
        self.parts.get(step).copied().flatten()
    }

    /// Says that what is dropped from here on is so because the run ends: steps that are told of then, outside
    /// of iterations, did not end. Or that it is no longer.
    pub(crate) fn interrupting(&self, is_interrupting: bool) {
        self.is_interrupting.set(is_interrupting);
    }

    pub(super) fn is_interrupting(&self) -> bool {
        self.is_interrupting.get()
    }

    /// Sets where the series' seconds count from. To be called before the load begins.
    pub(crate) fn begin(&self, origin: Nanos) {
        self.origin.set(origin);
        self.forget_warm_up();
    }

    /// Forgets what the tick holds so far that belongs to no iteration, bytes and custom metrics:
    /// it takes somebody who knows the time to tell those of the warm-up apart. What became of
    /// connections stays.
    pub(crate) fn forget_warm_up(&self) {
        self.tick.borrow_mut().forget_warm_up();
    }

    /// Measuring has begun: what came before is forgotten. Whoever first knows says so; from then on
    /// nothing is forgotten any more.
    #[inline]
    pub(crate) fn begin_measuring(&self) {
        if !self.is_measuring.replace(true) {
            self.forget_warm_up();
        }
    }

    /// The seconds from where they count until `at`.
    #[inline]
    fn second(&self, at: Nanos) -> u64 {
        self.since_origin(at) / 1_000_000_000
    }

    /// The time from where seconds count until `at`; nothing before it is known where that is.
    pub(super) fn until(&self, at: Nanos) -> Nanos {
        match self.origin.get() {
            0 => 0,
            _ => self.since_origin(at),
        }
    }

    /// The time from where seconds count until `at`.
    #[inline]
    fn since_origin(&self, at: Nanos) -> Nanos {
        at.saturating_sub(self.origin.get())
    }

    /// Says what time it is, for what follows and tells no time of its own.
    #[inline]
    pub(crate) fn at(&self, now: Nanos) {
        self.now.set(now);
    }

    /// Takes the tick so far and goes on with `empty`.
    #[must_use]
    pub(crate) fn swap(&self, empty: Box<Tick>) -> Box<Tick> {
        let mut full = self.tick.replace(empty);
        full.users_busy = self.users_busy.get();
        full
    }

    /// Says that it is `now`, and that it was `before` when this was last said: users that are busy now
    /// were so in between, as far as anybody knows.
    pub(crate) fn beat(&self, before: Nanos, now: Nanos, asks: bool) {
        self.at(now);
        let busy = self.users_busy.get();
        if busy > 0 {
            let origin = self.origin.get();
            let mut tick = self.tick.borrow_mut();
            tick.happened_in(self.second(now)).busy(busy);
            if asks && busy > self.users_resting.get() {
                let (from, to) = (before.saturating_sub(origin), now.saturating_sub(origin));
                tick.activity.under_way(from, to);
            }
        }
    }

    /// Arrivals fell due, or iterations were handed out.
    #[inline]
    pub(crate) fn planned(&self, count: u64) {
        self.tick.borrow_mut().ledger.planned += count;
    }

    /// Arrivals will never start.
    pub(crate) fn dropped(&self, count: u64) {
        self.tick.borrow_mut().ledger.dropped += count;
    }

    /// Arrivals will never start because somebody paused the run.
    pub(crate) fn withheld(&self, count: u64) {
        let ledger = &mut self.tick.borrow_mut().ledger;
        ledger.dropped += count;
        ledger.withheld += count;
    }

    /// An iteration of a closed model starts: handed out and begun at once.
    #[inline]
    pub(crate) fn started_closed(&self, at: Nanos) {
        self.begin_measuring();
        let mut tick = self.tick.borrow_mut();
        tick.ledger.planned += 1;
        tick.ledger.started += 1;
        tick.started_in_time += 1;
        self.busy(&mut tick, at);
    }

    /// A planned arrival starts.
    #[inline]
    pub(crate) fn started_open(&self, started: &Started) {
        self.begin_measuring();
        let mut tick = self.tick.borrow_mut();
        tick.ledger.started += 1;
        tick.ledger.late += u64::from(started.is_late);
        tick.started_in_time += u64::from(started.is_in_time);
        if let Some(waited) = started.waited {
            tick.parts.started(waited.queue_wait, waited.start_lag);
        }
        self.busy(&mut tick, started.at);
    }

    /// What an arrival waited for that has started, where that was not known yet.
    pub(crate) fn waited(&self, waited: Waited) {
        let mut tick = self.tick.borrow_mut();
        tick.parts.started(waited.queue_wait, waited.start_lag);
    }

    #[inline]
    fn busy(&self, tick: &mut Tick, at: Nanos) {
        let busy = self.users_busy.get() + 1;
        self.users_busy.set(busy);
        self.now.set(at);
        let happened = tick.happened_in(self.second(at));
        happened.started += 1;
        happened.busy(busy);
    }

    /// An iteration ended by itself.
    #[inline]
    pub(crate) fn ended(&self, ended: &Ended) {
        self.users_busy.set(self.users_busy.get() - 1);
        let is_ok = ended.outcome.is_ok();
        let response_time = ended.split.response_time();
        let mut tick = self.tick.borrow_mut();
        let happened = tick.happened_in(self.second(ended.at));
        happened.ended(is_ok);
        if is_ok {
            tick.ledger.completed += 1;
            let since = self.since_origin(ended.at);
            tick.activity.ok(since);
        } else {
            tick.ledger.failed += 1;
        }
        if let Some(target) = ended.target.and_then(|it| tick.targets.get_mut(it)) {
            target.ended(is_ok);
        }
        if let Some(address) = ended.via.connection.and_then(ConnectionId::address) {
            tick.addresses.ended(address, is_ok);
        }
        tick.outcomes.add(ended.outcome, 1);
        tick.response_time_of(self.second(ended.due))
            .saturating_record(response_time);
        tick.service_time
            .saturating_record(ended.split.service_time);
        tick.parts.ended(&ended.split);
        if response_time > HIGHEST_NS {
            tick.saturated_samples += 1;
        }
        if self.single_step {
            let answer = Answer {
                due: self.since_origin(ended.due),
                began: self.since_origin(ended.at.saturating_sub(ended.split.service_time)),
                at: self.since_origin(ended.at),
                is_ok,
                is_unsent: ended.via.is_unsent,
            };
            self.answered(&mut tick, &ended.via, answer, response_time);
        }
    }

    /// A request ended: it goes on the account of whoever answered, or was alone in answering on its
    /// connection before.
    #[inline]
    fn answered(&self, tick: &mut Tick, via: &Via, answer: Answer, response_time: Nanos) {
        let backend = self.presumed(via);
        match backend {
            Some(backend) => tick.backend(Some(backend)).record(answer, response_time),
            // Of those that nobody is known for the times are the scenario's, mostly.
            None => tick.unknown.count(answer),
        }
        if let Some(timeline) = &self.timeline {
            tick.fine.answered(timeline, backend, answer, response_time);
        }
        if self.sticky.is_some()
            && let (Some(whose), Some(backend)) = (via.whose, via.backend)
        {
            let served = Served {
                user: whose.user,
                key: whose.key,
                source: via.connection.and_then(ConnectionId::source),
                backend,
                began: answer.began,
                is_ok: answer.is_ok,
            };
            self.stays(served, Some(answer.at), &mut tick.homes);
        }
    }

    /// A stream is with this server; `at` is when it opened, where that is measured.
    pub(super) fn served(&self, opened: Opened, at: Option<Nanos>) {
        let at = at.map(|at| self.since_origin(at));
        let served = self.of_stream(opened);
        self.stays(served, at, &mut self.tick.borrow_mut().homes);
    }

    /// The last message came on a stream that opened so.
    fn last_heard(&self, opened: Opened, at: Nanos) {
        let (served, at) = (self.of_stream(opened), self.since_origin(at));
        self.homes.borrow_mut().heard(served, at);
    }

    fn of_stream(&self, opened: Opened) -> Served {
        Served {
            user: opened.user,
            key: opened.key,
            source: opened.connection.and_then(ConnectionId::source),
            backend: opened.backend,
            began: self.since_origin(opened.at),
            is_ok: true,
        }
    }

    /// The number of a key; `None` where nobody asks, or there are too many.
    pub(super) fn key_of(&self, key: &str) -> Option<KeyIndex> {
        let is_asked = self.sticky == Some(StickyBy::Key);
        is_asked.then(|| self.keys.borrow_mut().number(key))?
    }

    fn stays(&self, served: Served, at: Option<Nanos>, tick: &mut HomesTick) {
        let name_of = |index| self.keys.borrow().name(index, &self.secrets);
        self.homes.borrow_mut().serves(served, at, name_of, tick);
    }

    /// Whom a request went to that has no answer with a name: the only server that has put its name to answers
    /// on the same connection. Where several did, or do on others to the same address, each may have been the one.
    fn presumed(&self, via: &Via) -> Option<BackendIndex> {
        via.backend
            .or_else(|| self.named.borrow().only(via.connection?))
    }

    /// An iteration was cut off by the end of the run, with a request under way or not; maybe one that an
    /// answer was owed to.
    pub(crate) fn interrupted(&self, via: Option<Via>, unanswered: Option<&Unanswered>) {
        self.users_busy.set(self.users_busy.get() - 1);
        let mut tick = self.tick.borrow_mut();
        tick.ledger.interrupted += 1;
        let backend = via.as_ref().and_then(|via| self.presumed(via));
        tick.backend(backend).interrupted += 1;
        if let Some(unanswered) = unanswered {
            if let Some(timeline) = &self.timeline {
                let due = self.since_origin(unanswered.due);
                let is_unsent = via.is_some_and(|via| via.is_unsent);
                tick.fine.interrupted(timeline, backend, due, is_unsent);
            }
            let service_time = unanswered.split.service_time;
            tick.service_time.saturating_record(service_time);
            tick.youngest_cut_off = tick.youngest_cut_off.min(service_time);
            if let Some(target) = unanswered.target.and_then(|it| tick.targets.get_mut(it)) {
                target.unanswered += 1;
            }
            let connection = via.and_then(|via| via.connection);
            if let Some(address) = connection.and_then(ConnectionId::address) {
                tick.addresses.of(address).unanswered += 1;
            }
            if let Some((step, split)) = unanswered.step {
                tick.step_unanswered(step, &split);
            }
            self.unanswered(&mut tick, unanswered);
        }
    }

    /// One of the arrivals that were [`dropped`](Self::dropped) was so because the service kept all
    /// users busy.
    pub(crate) fn dropped_unanswered(&self, unanswered: &Unanswered) {
        let mut tick = self.tick.borrow_mut();
        tick.dropped_unanswered += 1;
        self.unanswered(&mut tick, unanswered);
    }

    /// One of the arrivals that were [`dropped`](Self::dropped) was so because all users kept what is to last as
    /// long as the load.
    pub(crate) fn dropped_kept(&self) {
        self.tick.borrow_mut().dropped_kept += 1;
    }

    fn unanswered(&self, tick: &mut Tick, unanswered: &Unanswered) {
        let age = unanswered.split.response_time();
        tick.unanswered += 1;
        tick.youngest_unanswered = tick.youngest_unanswered.min(age);
        tick.response_time_of(self.second(unanswered.due))
            .saturating_record(age);
        tick.parts
            .undelayed
            .saturating_record(unanswered.split.undelayed());
    }
}
