//! The services that are served by now: their pools, what was counted of them, and how others take their place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use http::{HeaderMap, Method};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::check::HttpProbe;
use super::counts::{ServiceCounts, ServiceFigures};
use super::kept::Kept;
use super::route::{NotRouted, lead};
use super::settings::{ServiceSettings, ServicesSettings};
use crate::balance::pool::{Pool, PoolSnapshot};
use crate::balance::resolve::Resolve;

/// The services of a balancer, of which every clone is the same.
#[derive(Debug, Clone)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: Mutex<Arc<Current>>,
    resolver: Arc<dyn Resolve>,
    /// Threads that have connections of their own to backends.
    threads: usize,
    changed: Notify,
}

/// The services at a moment.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) settings: Arc<ServicesSettings>,
    by_name: HashMap<String, Arc<Service>>,
    /// Those that are asked by header fields, in their order.
    by_headers: Vec<Arc<Service>>,
}

/// A service with its settings at a moment. What it has besides stays when these change.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) settings: ServiceSettings,
    pub(super) lasting: Arc<Lasting>,
}

/// What a service keeps for as long as it has its name.
#[derive(Debug)]
pub(super) struct Lasting {
    pub(super) pool: Pool,
    pub(super) counts: ServiceCounts,
    /// Idle connections, by thread.
    pub(super) kept: Vec<Kept>,
    probe: Arc<HttpProbe>,
}

/// Why services cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServicesError {
    /// Two have one name.
    #[error("the service `{name}` is there twice; each name has to be one service's")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The default service is none of them.
    #[error("the default service `{name}` is not one of the services")]
    UnknownDefault {
        /// The name.
        name: String,
    },
}

/// How a service stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ServiceSnapshot {
    pub(crate) name: String,
    pub(crate) requests: ServiceFigures,
    pub(crate) pool: PoolSnapshot,
}

impl Services {
    /// Services whose names are not looked up yet.
    ///
    /// # Errors
    /// [`ServicesError`], when names are not what settings promise.
    pub(super) fn new(
        settings: ServicesSettings,
        resolver: Arc<dyn Resolve>,
        threads: usize,
    ) -> Result<Self, ServicesError> {
        let empty = ServicesSettings {
            services: Vec::new(),
            default_service: None,
            management: None,
        };
        let services = Self(Arc::new(Inner {
            current: Mutex::new(Arc::new(Current {
                settings: Arc::new(empty),
                by_name: HashMap::new(),
                by_headers: Vec::new(),
            })),
            resolver,
            threads,
            changed: Notify::new(),
        }));
        services.replace(settings)?;
        Ok(services)
    }

    /// What is served by now.
    #[must_use]
    pub fn settings(&self) -> Arc<ServicesSettings> {
        Arc::clone(&self.current().settings)
    }

    /// Serves by other settings from now on. A request goes by those before or by these, never by some of both;
    /// those that are under way end as they began. A service that has its name before and after keeps its
    /// counts, and those of its backends that stay keep their health and their connections.
    ///
    /// # Errors
    /// [`ServicesError`], when names are not what settings promise; then nothing changes.
    pub fn replace(&self, settings: ServicesSettings) -> Result<(), ServicesError> {
        check(&settings)?;
        let mut current = self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let services = settings.services.iter().map(|service| {
            let before = current.by_name.get(&service.name);
            (service.name.clone(), self.service(service, before))
        });
        let by_name: HashMap<String, Arc<Service>> = services.collect();
        let wanting = settings.services.iter().filter(|it| !it.headers.is_empty());
        let by_headers = wanting.filter_map(|it| by_name.get(&it.name).cloned());
        let by_headers = by_headers.collect();
        let now = Arc::new(Current {
            settings: Arc::new(settings),
            by_name,
            by_headers,
        });
        let before = std::mem::replace(&mut *current, Arc::clone(&now));
        drop(current);
        for (name, service) in &before.by_name {
            if now.service(name).is_none() {
                service.lasting.retire();
            }
        }
        self.0.changed.notify_one();
        Ok(())
    }

    fn service(&self, settings: &ServiceSettings, before: Option<&Arc<Service>>) -> Arc<Service> {
        if let Some(before) = before
            && before.settings == *settings
        {
            return Arc::clone(before);
        }
        let lasting = match before {
            Some(before) => {
                let lasting = Arc::clone(&before.lasting);
                if before.settings.protocol != settings.protocol {
                    lasting.kept.iter().for_each(Kept::clear);
                }
                lasting
            }
            None => self.lasting(settings),
        };
        lasting.probe.set(settings.check.clone(), settings.protocol);
        lasting.pool.apply(settings.pool.clone());
        Arc::new(Service {
            settings: settings.clone(),
            lasting,
        })
    }

    fn lasting(&self, settings: &ServiceSettings) -> Arc<Lasting> {
        let probe = Arc::new(HttpProbe::default());
        Arc::new(Lasting {
            pool: Pool::new(
                settings.pool.clone(),
                Arc::clone(&self.0.resolver),
                Arc::clone(&probe) as _,
            )
            .of_service(&settings.name),
            counts: ServiceCounts::default(),
            kept: (0..self.0.threads).map(|_| Kept::default()).collect(),
            probe,
        })
    }

    pub(super) fn current(&self) -> Arc<Current> {
        let current = self.0.current.lock();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// How they stand, in the order of the settings.
    pub(crate) fn snapshot(&self) -> Vec<ServiceSnapshot> {
        let current = self.current();
        let services = current.settings.services.iter();
        services
            .filter_map(|it| current.service(&it.name))
            .map(|it| it.snapshot())
            .collect()
    }

    /// How the backends of one stand, as JSON: their states and counts. None if there is no such service.
    #[must_use]
    pub fn status(&self, service: &str) -> Option<serde_json::Value> {
        let current = self.current();
        let pool = current.service(service)?.lasting.pool.snapshot();
        serde_json::to_value(pool).ok()
    }

    /// Whether any service has anybody to give work to.
    pub(super) fn are_alive(&self) -> bool {
        let current = self.current();
        current
            .by_name
            .values()
            .any(|it| it.lasting.pool.is_alive())
    }

    /// Looks up all names once.
    pub(super) async fn look_up(&self) {
        let current = self.current();
        join_all(current.by_name.values().map(|it| it.lasting.pool.look_up())).await;
    }

    /// Keeps the pools of whichever services there are, for as long as it is polled.
    pub(super) async fn keep(&self) {
        let mut tasks = JoinSet::new();
        let mut kept: HashMap<String, (Arc<Lasting>, AbortHandle)> = HashMap::new();
        loop {
            let current = self.current();
            kept.retain(|name, (lasting, task)| {
                let now = current.service(name);
                let stays = now.is_some_and(|it| Arc::ptr_eq(&it.lasting, lasting));
                if !stays {
                    task.abort();
                }
                stays
            });
            while tasks.try_join_next().is_some() {}
            for (name, service) in &current.by_name {
                if !kept.contains_key(name) {
                    let lasting = Arc::clone(&service.lasting);
                    let task = tasks.spawn(async move { lasting.pool.keep().await });
                    kept.insert(name.clone(), (Arc::clone(&service.lasting), task));
                }
            }
            drop(current);
            self.0.changed.notified().await;
        }
    }
}

impl Lasting {
    /// Requests that are under way end; nothing is kept for others.
    fn retire(&self) {
        self.pool.retire();
        self.kept.iter().for_each(Kept::clear);
    }
}

fn check(settings: &ServicesSettings) -> Result<(), ServicesError> {
    let mut names = std::collections::HashSet::new();
    for service in &settings.services {
        if !names.insert(service.name.as_str()) {
            let name = service.name.clone();
            return Err(ServicesError::Duplicate { name });
        }
    }
    match &settings.default_service {
        Some(name) if !names.contains(name.as_str()) => {
            Err(ServicesError::UnknownDefault { name: name.clone() })
        }
        _ => Ok(()),
    }
}

impl Current {
    /// Has all of them done something with.
    pub(super) fn each(&self, what: impl Fn(&Service)) {
        self.by_name.values().for_each(|it| what(it));
    }

    pub(super) fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.by_name.get(name)
    }

    /// Where a request goes, and the path there: as [`ServicesSettings::route`] has it.
    pub(super) fn route<'a>(
        &self,
        method: &Method,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Result<(&Arc<Service>, &'a str), NotRouted> {
        let default = || self.service(self.settings.default_service.as_deref()?);
        let wanted = || self.by_headers.iter().find(|it| it.settings.wants(headers));
        let (service, path) = lead(
            path,
            |name| self.service(name),
            || wanted().or_else(default),
        )?;
        service.settings.accept(method, path)?;
        Ok((service, path))
    }
}

impl Service {
    pub(super) fn snapshot(&self) -> ServiceSnapshot {
        ServiceSnapshot {
            name: self.settings.name.clone(),
            requests: self.lasting.counts.figures(),
            pool: self.lasting.pool.snapshot(),
        }
    }
}
