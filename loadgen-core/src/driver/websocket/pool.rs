//! What a worker's users share: how connections are opened, and who looks after those that no
//! step is using.
//!
//! Owns the watch over idle connections: a server's
//! pings are answered and its farewells noticed while a user rests, without a task for each.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use http::Request;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::connection::Connection;
use super::deflate::Shared;
use super::farewell::Lingering;
use super::intercept::Upgrades;
use super::open::{Attempt, class};
use super::place::Place;
use super::prepare::Prepared;
use super::problem::{ConnectError, Problem};
use crate::alarm::Alarms;
use crate::clock::{Clock, StampClock};
use crate::driver::intercept::Interceptor;
use crate::driver::transport::connect_error::Stage as Way;
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::lists::Lists;
use crate::driver::transport::opening::Opening;
use crate::driver::transport::probe;
use crate::driver::web::cookies::Jar;
use crate::outcome::Failure;
use crate::workload::{Levels, Observer, PrepareError, Switches, UserId, WorkerContext};

/// How often idle connections are looked at: each once in so many ticks.
const WATCH_TICK: Duration = Duration::from_millis(10);
const TICKS_PER_ROUND: usize = 10;

/// What a worker's users share.
pub(super) struct Pool {
    pub(super) prepared: Arc<Prepared>,
    pub(super) clock: Clock,
    stamps: Rc<StampClock>,
    /// For messages with due times.
    pub(super) alarms: Alarms,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    pub(super) switches: Switches,
    /// The user whose connection [`Self::probe`] opens, because it will need one anyway.
    first_user: UserId,
    probed: RefCell<Option<Rc<Place>>>,
    dialer: Dialer,
    pub(super) lists: Lists,
    places: RefCell<Vec<Weak<Place>>>,
    next_watched: Cell<usize>,
    watch: RefCell<Option<JoinHandle<()>>>,
    open_connections: Rc<Cell<u64>>,
    /// What compresses messages.
    deflate: Rc<Shared>,
    /// Messages, and requests for streams, that steps under way have sent and wait for.
    pub(super) in_flight: Cell<u64>,
    /// Connections that are listened to although their user has no more use for them.
    pub(super) lingering: Rc<Lingering>,
    /// Who sees upgrades.
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl Pool {
    pub(super) fn new(
        prepared: &Arc<Prepared>,
        context: &WorkerContext,
        interceptor: Option<Arc<dyn Interceptor>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            prepared: Arc::clone(prepared),
            clock: context.clock,
            stamps: Rc::clone(&context.stamps),
            alarms: context.alarms.clone(),
            observer: Rc::clone(&context.observer),
            seed: context.seed,
            switches: context.switches.clone(),
            first_user: UserId(u32::try_from(context.worker).unwrap_or(0)),
            probed: RefCell::new(None),
            dialer: Dialer::new(context.clock, prepared.endpoints.len()),
            lists: Lists::of(&prepared.endpoints, context),
            places: RefCell::new(Vec::new()),
            next_watched: Cell::new(0),
            watch: RefCell::new(None),
            open_connections: Rc::default(),
            deflate: Rc::default(),
            in_flight: Cell::new(0),
            lingering: Rc::default(),
            interceptor,
        })
    }

    /// What stands at the moment.
    pub(super) fn levels(&self) -> Levels {
        self.lists.look();
        Levels {
            connections: Some(self.open_connections.get()),
            in_flight: Some(self.in_flight.get()),
            replies_owed: Some(self.in_flight.get()),
            ..Levels::default()
        }
    }

    /// A jar for one user's cookies, where they are kept.
    pub(super) fn new_jar(&self) -> Option<Rc<RefCell<Jar>>> {
        self.prepared.cookies.then(Rc::default)
    }

    /// Where a user's connections go now.
    pub(super) fn assign(&self, user: UserId) -> Assigned {
        let targets = self.prepared.endpoints.len();
        endpoints::aim(user.0 as usize, targets, &self.switches)
    }

    /// Sees whether some target takes a connection. The one that the first user would open anyway
    /// is tried first, and kept for it.
    pub(super) async fn probe(self: &Rc<Self>) -> Result<(), PrepareError> {
        let (endpoints, limit) = (&self.prepared.endpoints, self.prepared.connect_timeout);
        self.lists.know(endpoints, limit).await?;
        let plan = &self.prepared.paths[0];
        if plan.template.is_filled_in() {
            // Nobody is there yet who knows with what.
            return Ok(());
        }
        let targets = endpoints.len();
        let Assigned { target: own, nth } = self.assign(self.first_user);
        let opened = probe::first_to_take(own, targets, async |target| {
            let place = Place::new(self, self.first_user, 0, self.new_jar());
            let request = plan.request(target);
            let to = Assigned { target, nth };
            let (jar, upgrades) = (place.jar.as_deref(), &place.upgrades);
            let opened = self.open(0, request, to, false, jar, upgrades).await;
            opened
                .map(|connection| (place, connection))
                .map_err(|(_, error)| error)
        });
        let (target, (place, connection)) = opened.await?;
        if target == own {
            let place = Rc::new(place);
            place.put_back(connection);
            self.watch(&place);
            self.probed.replace(Some(place));
        } else {
            self.say_good_bye(connection);
        }
        Ok(())
    }

    /// The place that was filled to see whether it can be, for the user it was opened for.
    pub(super) fn take_probed(&self, user: UserId, path: usize) -> Option<Rc<Place>> {
        if user == self.first_user && path == 0 {
            self.probed.take()
        } else {
            None
        }
    }

    /// Scheme, host and port of a target.
    pub(super) fn origin(&self, target: usize) -> String {
        let endpoint = &self.prepared.endpoints[target];
        let scheme = if endpoint.is_encrypted() { "wss" } else { "ws" };
        format!("{scheme}://{}", endpoint.name)
    }

    /// Opens a connection, maybe in place of one that was dropped; waits for the cap on connecting
    /// first. Reported either way.
    pub(super) async fn open(
        &self,
        path: usize,
        mut request: Request<()>,
        to: Assigned,
        replaces_dropped: bool,
        jar: Option<&RefCell<Jar>>,
        upgrades: &Upgrades,
    ) -> Result<Box<Connection>, (Failure, ConnectError)> {
        let prepared = &*self.prepared;
        self.dialer
            .wait_for_cap(prepared.connect_cap.as_ref())
            .await;
        prepared.headers.add_files(request.headers_mut());
        let Assigned { target, nth } = to;
        let upgrade = self.interceptor.as_deref().map(|interceptor| {
            let target = self.origin(target);
            upgrades.ask(interceptor, &mut request, target)
        });
        let (whole, limit) = (&prepared.endpoints[target], prepared.connect_timeout);
        let whom = self.lists.whom(target, nth, whole, limit).await;
        let (endpoint, nth) = whom.map_err(|error| {
            let problem = Problem::from(error.problem);
            (Failure::Connect, whole.failed(problem))
        })?;
        let endpoint = &*endpoint;
        let resolving = self.dialer.resolve(target, endpoint);
        let attempt = Attempt {
            endpoint,
            nth,
            request,
            subprotocols: &prepared.subprotocols,
            greeting: prepared.paths[path].greeting,
            max_message: prepared.max_message,
            unfinished: &prepared.unfinished,
            compression: prepared.compression.as_ref(),
            deflate: &self.deflate,
            jar,
            redirects: prepared.redirects,
            elsewhere: &prepared.elsewhere,
            upgrade: upgrade.as_deref(),
            identity: prepared.life.identity.header(),
            target,
            stamps: &self.stamps,
            observer: &*self.observer,
        };
        let opening = Opening {
            endpoint,
            target,
            replaces_dropped,
            limit: prepared.connect_timeout,
            clock: self.clock,
            observer: &*self.observer,
        };
        let opened = opening.make(Way::Resolving.into(), async |deadline, stage| {
            let connection = attempt.open(resolving, deadline, stage).await?;
            let tls_time = connection.tls_time();
            Ok((connection, tls_time))
        });
        let mut connection = opened
            .await
            .map_err(|error| (class(&error.problem), error))?;
        connection.count_in(&self.open_connections);
        (connection.path, connection.step) = (path, prepared.paths[path].step);
        Ok(Box::new(connection))
    }

    /// Has a place watched while no step uses it.
    pub(super) fn watch(self: &Rc<Self>, place: &Rc<Place>) {
        self.places.borrow_mut().push(Rc::downgrade(place));
        let mut watch = self.watch.borrow_mut();
        if watch.is_none() {
            *watch = Some(tokio::task::spawn_local(watch_all(Rc::downgrade(self))));
        }
    }

    /// Looks at a part of the places. Those that have much to say use up the runtime's budget, and
    /// the rest then say nothing: they come round again.
    fn look_at_some(&self) {
        let mut places = self.places.borrow_mut();
        // Nobody is to be woken. A step that begins has itself woken.
        let mut cx = Context::from_waker(Waker::noop());
        let count = places.len().div_ceil(TICKS_PER_ROUND);
        for _ in 0..count {
            let index = self.next_watched.get();
            let Some(place) = places.get(index) else {
                self.next_watched.set(0);
                continue;
            };
            match place.upgrade() {
                Some(place) => {
                    place.look_after(self, &mut cx);
                    self.next_watched.set(index + 1);
                }
                None => {
                    places.swap_remove(index);
                }
            }
        }
    }

    pub(super) fn end_watch(&self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

/// Looks at all places in turn, for as long as there is a pool.
async fn watch_all(pool: Weak<Pool>) {
    let mut ticks = tokio::time::interval(WATCH_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        pool.look_at_some();
    }
}
