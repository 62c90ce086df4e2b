//! Backends that share work: which there are, what is open on them, and who is next.
//!
//! Owns the list of a balancer's (or a service's) backends and keeps it true: names are looked up again,
//! every address they have is an [`Endpoint`] of its own with its own checks, and a new configuration
//! changes the list in place, so that an endpoint that stays keeps its counts and its connections. It
//! speaks no protocol.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use crate::balance::endpoint::{Endpoint, EndpointSnapshot, Lease, Standing};
use crate::balance::health::{HealthSettings, Probe, keep_checking};
use crate::balance::resolve::Resolve;
use crate::balance::selection::{Algorithm, Choice, Selection};

/// How often names are looked up again, unless told.
pub(crate) const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);
/// A name that is not looked up within this time is not known for now.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// A backend as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Its port, from 1.
    pub port: u16,
    /// Its share of the work, from 1 to 65,535: of each of its addresses, if it has several.
    pub weight: u32,
    /// Whether it gets no new work and may finish what it has.
    pub drain: bool,
}

impl BackendSettings {
    /// What it is called: `HOST:PORT`.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// Its address, where that needs no look-up.
    fn literal(&self) -> Option<SocketAddr> {
        let ip = self.host.parse::<IpAddr>().ok()?;
        Some((ip, self.port).into())
    }
}

/// What a pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// How they take turns.
    pub algorithm: Algorithm,
    /// Who they are; no name twice.
    pub backends: Vec<BackendSettings>,
    /// How they are checked; all count as up where they are not.
    pub health: Option<HealthSettings>,
    /// How often names are looked up again.
    pub resolve_interval: Duration,
}

impl PoolSettings {
    /// Round robin over these backends, checked in the usual rhythm.
    #[must_use]
    pub fn new(backends: Vec<BackendSettings>) -> Self {
        Self {
            algorithm: Algorithm::default(),
            backends,
            health: Some(HealthSettings::default()),
            resolve_interval: RESOLVE_INTERVAL,
        }
    }
}

/// Backends that share work. One for a layer-4 balancer, one for each service of another.
#[derive(Debug)]
pub(crate) struct Pool {
    inner: Mutex<Inner>,
    resolver: Arc<dyn Resolve>,
    probe: Arc<dyn Probe>,
    changed: Notify,
    /// Whether every name was looked up, with whatever result; false once there is nobody to do so.
    settled: watch::Sender<Option<bool>>,
}

#[derive(Debug)]
struct Inner {
    standing: Arc<Standing>,
    settings: PoolSettings,
    selection: Selection,
    members: Vec<Member>,
    /// No longer asked for, with connections that are to end in their own time.
    leaving: Vec<Arc<Endpoint>>,
    /// By name: the last addresses, and why there are no newer ones.
    unresolved: HashMap<String, String>,
}

#[derive(Debug)]
struct Member {
    endpoint: Arc<Endpoint>,
    credit: i64,
}

impl Choice for Member {
    fn weight(&self) -> u32 {
        self.endpoint.weight()
    }

    fn open(&self) -> usize {
        self.endpoint.open()
    }

    fn takes(&self) -> bool {
        self.endpoint.takes()
    }

    fn credit(&mut self) -> &mut i64 {
        &mut self.credit
    }
}

impl Pool {
    /// A pool that knows nobody's address yet: that is [`Pool::look_up`]'s, and [`Pool::keep`]'s from then
    /// on.
    pub(crate) fn new(
        settings: PoolSettings,
        resolver: Arc<dyn Resolve>,
        probe: Arc<dyn Probe>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                standing: Arc::default(),
                selection: Selection::new(settings.algorithm),
                settings,
                members: Vec::new(),
                leaving: Vec::new(),
                unresolved: HashMap::new(),
            }),
            resolver,
            probe,
            changed: Notify::new(),
            settled: watch::Sender::new(None),
        }
    }

    /// The same for a service of this name, which is told with what becomes of them.
    pub(crate) fn of_service(self, name: &str) -> Self {
        self.lock().standing = Arc::new(Standing::of(name));
        self
    }

    /// Waits until every name was looked up once, with whatever result: before that, nobody can say that
    /// there is no backend. False where that is not to come.
    pub(crate) async fn settled(&self) -> bool {
        if let Some(settled) = *self.settled.borrow() {
            return settled;
        }
        let mut settled = self.settled.subscribe();
        let waited = settled.wait_for(Option::is_some).await;
        // The sender is the pool's own, and so there.
        waited.is_ok_and(|it| *it == Some(true))
    }

    /// Nobody keeps it any more: whoever waits for names that are not looked up waits in vain.
    pub(crate) fn retire(&self) {
        self.settled.send_if_modified(|settled| {
            let waits = settled.is_none();
            *settled = settled.or(Some(false));
            waits
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next backend to give work to, none of those that were `tried`. It counts as open there until
    /// the lease is dropped.
    pub(crate) fn pick(&self, tried: &[Arc<Endpoint>]) -> Option<Lease> {
        let mut inner = self.lock();
        let Inner {
            selection, members, ..
        } = &mut *inner;
        let tried = |member: &Member| tried.iter().any(|it| Arc::ptr_eq(it, &member.endpoint));
        let chosen = selection.next(members, tried)?;
        // Counted under the lock: the next choice sees it.
        Some(Lease::new(Arc::clone(&members[chosen].endpoint)))
    }

    /// A backend could not be reached by work that was given to it. Where backends are checked, that is
    /// as good as a failed check.
    pub(crate) fn unreachable(&self, endpoint: &Endpoint, reason: String) {
        let health = self.lock().settings.health.clone();
        endpoint.unreachable(reason, health.as_ref());
    }

    /// A backend took work: with checks, that ends a row of failures.
    pub(crate) fn reached(&self, endpoint: &Endpoint) {
        endpoint.reached();
    }

    /// Takes new settings. Who stays keeps its connections, counts and health; who goes gets nothing new.
    /// Where names are new, the backends before serve until these are looked up, which [`Pool::keep`]
    /// does at once: at no moment is there nobody for want of an address.
    pub(crate) fn apply(&self, settings: PoolSettings) {
        let mut inner = self.lock();
        if inner.selection.algorithm() != settings.algorithm {
            inner.selection = Selection::new(settings.algorithm);
        }
        inner.settings = settings;
        let mut known = inner.known();
        for backend in &inner.settings.backends {
            if let Some(address) = backend.literal() {
                known.insert(backend.name(), vec![address]);
            }
        }
        let mut backends = inner.settings.backends.iter();
        if backends.all(|backend| known.contains_key(&backend.name())) {
            inner.reconcile(&known);
            self.settled.send_replace(Some(true));
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Looks up all names once.
    pub(crate) async fn look_up(&self) {
        let backends = self.lock().settings.backends.clone();
        let found = join_all(backends.iter().map(|backend| self.addresses(backend))).await;
        let mut inner = self.lock();
        let mut known = inner.known();
        for (backend, found) in backends.iter().zip(found) {
            let name = backend.name();
            match found {
                Ok(addresses) => {
                    if inner.unresolved.remove(&name).is_some() {
                        tracing::info!(backend = name, "the name has an address again");
                    }
                    known.insert(name, addresses);
                }
                // The last known addresses are better than none.
                Err(reason) => {
                    if inner
                        .unresolved
                        .insert(name.clone(), reason.clone())
                        .is_none()
                    {
                        tracing::warn!(backend = name, reason, "cannot look up the name");
                    }
                }
            }
        }
        // Settings may have changed meanwhile: until their names are looked up as well, which is about to be
        // done, those before serve.
        let asked: HashSet<_> = backends.iter().map(BackendSettings::name).collect();
        let mut names = inner.settings.backends.iter().map(BackendSettings::name);
        if names.all(|name| known.contains_key(&name) || asked.contains(&name)) {
            inner.reconcile(&known);
            self.settled.send_replace(Some(true));
        }
    }

    async fn addresses(&self, backend: &BackendSettings) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = backend.literal() {
            return Ok(vec![address]);
        }
        let found = self.resolver.resolve(&backend.host, backend.port);
        match time::timeout(LOOK_UP_TIMEOUT, found).await {
            Ok(Ok(mut addresses)) => {
                addresses.sort_unstable();
                addresses.dedup();
                Ok(addresses)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LOOK_UP_TIMEOUT.as_secs())),
        }
    }

    /// Looks names up again and again, and checks whoever they lead to, for as long as it is polled.
    pub(crate) async fn keep(&self) {
        let mut checks = Checks::default();
        loop {
            self.look_up().await;
            let interval = {
                let inner = self.lock();
                checks.follow(&inner, &self.probe);
                inner.settings.resolve_interval
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = time::sleep(interval) => {}
            }
        }
    }

    /// How they all stand.
    pub(crate) fn snapshot(&self) -> PoolSnapshot {
        let mut inner = self.lock();
        inner.leaving.retain(|endpoint| endpoint.open() > 0);
        let members = inner.members.iter().map(|it| &it.endpoint);
        let endpoints = members.chain(&inner.leaving);
        let mut unresolved: Vec<_> = inner
            .unresolved
            .iter()
            .map(|(backend, reason)| Unresolved {
                backend: backend.clone(),
                reason: reason.clone(),
            })
            .collect();
        unresolved.sort_by(|a, b| a.backend.cmp(&b.backend));
        PoolSnapshot {
            algorithm: inner.settings.algorithm.as_str(),
            backends: endpoints.map(|it| it.snapshot()).collect(),
            unresolved,
        }
    }

    /// Whether anybody would get work now.
    pub(crate) fn is_alive(&self) -> bool {
        self.lock().members.iter().any(Choice::takes)
    }
}

impl Inner {
    /// The addresses that each name has led to.
    fn known(&self) -> HashMap<String, Vec<SocketAddr>> {
        let mut known = HashMap::<_, Vec<_>>::new();
        for Member { endpoint, .. } in &self.members {
            known
                .entry(endpoint.name().to_owned())
                .or_default()
                .push(endpoint.address());
        }
        known
    }

    /// Makes the members what settings and addresses say. Whether anybody takes work is told, and given back,
    /// once all are there: who goes may have made room for who comes.
    fn reconcile(&mut self, known: &HashMap<String, Vec<SocketAddr>>) -> Option<bool> {
        let standing = Arc::clone(&self.standing);
        standing.at_once(|| self.follow(known))
    }

    /// In the order of the settings.
    fn follow(&mut self, known: &HashMap<String, Vec<SocketAddr>>) {
        let key = |it: &Endpoint| (it.name().to_owned(), it.address());
        let mut old: Vec<_> = self.members.drain(..).map(Some).collect();
        let leaving = self.leaving.drain(..).filter(|it| it.open() > 0);
        let mut leaving: Vec<_> = leaving.map(Some).collect();
        let old_at: HashMap<_, _> = old
            .iter()
            .flatten()
            .map(|it| key(&it.endpoint))
            .zip(0..)
            .collect();
        let leaving_at: HashMap<_, _> = leaving
            .iter()
            .flatten()
            .map(|it| key(it))
            .zip(0..)
            .collect();
        for backend in &self.settings.backends {
            let name = backend.name();
            for address in known.get(&name).into_iter().flatten() {
                let key = (name.clone(), *address);
                let stays = old_at.get(&key).and_then(|at: &usize| old[*at].take());
                let mut comes_back = || {
                    leaving_at
                        .get(&key)
                        .and_then(|at: &usize| leaving[*at].take())
                };
                let member = stays.unwrap_or_else(|| Member {
                    endpoint: comes_back().unwrap_or_else(|| {
                        Arc::new(Endpoint::new(&name, *address, &self.standing))
                    }),
                    credit: 0,
                });
                member.endpoint.set(backend.weight, backend.drain);
                if self.settings.health.is_none() {
                    member.endpoint.forget_checks();
                }
                self.members.push(member);
            }
        }
        self.leaving.extend(leaving.into_iter().flatten());
        for Member { endpoint, .. } in old.into_iter().flatten() {
            endpoint.leave();
            if endpoint.open() > 0 {
                self.leaving.push(endpoint);
            }
        }
        let backends = self.settings.backends.iter();
        let names: HashSet<_> = backends.map(BackendSettings::name).collect();
        self.unresolved.retain(|name, _| names.contains(name));
    }
}

/// The checks that are under way, one for each endpoint.
#[derive(Debug, Default)]
struct Checks {
    tasks: JoinSet<()>,
    of: Vec<(Arc<Endpoint>, HealthSettings, AbortHandle)>,
}

impl Checks {
    /// Checks those who are there, in the way that is set, and nobody else.
    fn follow(&mut self, inner: &Inner, probe: &Arc<dyn Probe>) {
        let members = &inner.members;
        let there: HashSet<_> = members.iter().map(|it| Arc::as_ptr(&it.endpoint)).collect();
        self.of.retain(|(endpoint, settings, task)| {
            let stays = Some(settings) == inner.settings.health.as_ref()
                && there.contains(&Arc::as_ptr(endpoint));
            if !stays {
                task.abort();
            }
            stays
        });
        while self.tasks.try_join_next().is_some() {}
        let Some(settings) = &inner.settings.health else {
            return;
        };
        let checked: HashSet<_> = self.of.iter().map(|(it, _, _)| Arc::as_ptr(it)).collect();
        for Member { endpoint, .. } in members {
            if !checked.contains(&Arc::as_ptr(endpoint)) {
                let check =
                    keep_checking(Arc::clone(endpoint), settings.clone(), Arc::clone(probe));
                let task = self.tasks.spawn(check);
                self.of.push((Arc::clone(endpoint), settings.clone(), task));
            }
        }
    }
}

/// How a pool stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PoolSnapshot {
    pub(crate) algorithm: &'static str,
    pub(crate) backends: Vec<EndpointSnapshot>,
    pub(crate) unresolved: Vec<Unresolved>,
}

/// A name that cannot be looked up.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unresolved {
    pub(crate) backend: String,
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests;
