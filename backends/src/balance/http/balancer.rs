//! An HTTP balancer at work: what it serves by, and what its threads do with connections.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsAcceptor;

use super::config::{HttpLimits, HttpSettings};
use super::counts::{FrontCounts, FrontFigures};
use super::front::Accepted;
use super::kept::Kept;
use super::services::Services;
use crate::balance::config::ReloadError;
use crate::balance::crew::{Bound, Crew, Held, Keeper, Worker, cores};
use crate::balance::life::{Heard, Phase, lock};
use crate::balance::metrics::{self, Family, Statsd};
use crate::balance::pool::PoolSnapshot;
use crate::balance::resolve::Resolve;
use crate::balance::status::Report;
use crate::serve::connection::{Load, reset_on_close};
use crate::serve::error::ServeError;
use crate::serve::tls::{self, Rotating};

/// How often connections to backends that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A balancer at work on threads of its own. Dropping it stops it at once; [`Self::shutdown`] lets requests
/// end.
pub struct RunningHttpBalancer {
    settings: Mutex<HttpSettings>,
    local_addr: SocketAddr,
    status_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    crew: Crew,
}

/// What all its threads have.
#[derive(Debug)]
pub(super) struct Shared {
    name: String,
    /// What it calls itself to backends.
    pub(super) via: HeaderValue,
    pub(super) services: Services,
    pub(super) counts: FrontCounts,
    limits: Mutex<Arc<HttpLimits>>,
    grace: Mutex<Duration>,
}

impl Shared {
    /// What clients may ask by now.
    pub(super) fn limits(&self) -> Arc<HttpLimits> {
        Arc::clone(&lock(&self.limits))
    }
}

/// Starts a balancer. Names are looked up by `resolver`, for the first time before this returns; a name that is
/// not known yet is no error.
///
/// # Errors
/// [`ServeError`] when an address cannot be listened on, the TLS files are missing or wrong, services are not
/// what their settings promise, or the system has no threads.
pub fn start_http_balancer(
    settings: HttpSettings,
    resolver: Arc<dyn Resolve>,
) -> Result<RunningHttpBalancer, ServeError> {
    let tls = match &settings.tls {
        Some(files) => Some(tls::rotating(files, &[b"h2", b"http/1.1"])?),
        None => None,
    };
    let bound = Bound::new(settings.listen, settings.status)?;
    let (local_addr, status_addr) = (bound.local_addr, bound.status_addr);
    let threads = settings.threads.unwrap_or_else(cores);
    let services = Services::new(settings.services.clone(), resolver, threads);
    let shared = Arc::new(Shared {
        name: format!("http {local_addr}"),
        via: via(local_addr),
        services: services.map_err(|reason| ServeError::Services { reason })?,
        counts: FrontCounts::default(),
        limits: Mutex::new(Arc::new(settings.limits.clone())),
        grace: Mutex::new(settings.grace),
    });
    let statsd = match &settings.statsd {
        Some(to) => Some(Statsd::open(to, &id(local_addr))?),
        None => None,
    };
    let (acceptor, certificate) = tls.unzip();
    let kept = Arc::clone(&shared);
    let keep = move |keeper: Keeper| async move {
        let report = Arc::clone(&kept) as _;
        let services = &kept.services;
        let keep = async {
            tokio::select! {
                () = services.keep() => {}
                () = sweep(services) => {}
                () = rotate(certificate) => {}
            }
        };
        keeper.run(report, statsd, services.look_up(), keep).await;
    };
    let load = Load::default();
    let worker = |index, heard: &Heard| Thread {
        shared: Arc::clone(&shared),
        index,
        tls: acceptor.clone(),
        load: load.clone(),
        heard: heard.clone(),
    };
    let crew = Crew::start(bound, threads, keep, worker)?;
    Ok(RunningHttpBalancer {
        settings: Mutex::new(settings),
        local_addr,
        status_addr,
        shared,
        crew,
    })
}

/// Reads the certificate again when it changes, where there is one.
async fn rotate(certificate: Option<Arc<Rotating>>) {
    match certificate {
        Some(certificate) => certificate.keep().await,
        None => std::future::pending().await,
    }
}

/// Lets go of connections to backends that were not used for long.
async fn sweep(services: &Services) {
    loop {
        time::sleep(SWEEP).await;
        services
            .current()
            .each(|service| service.lasting.kept.iter().for_each(Kept::sweep));
    }
}

fn id(local_addr: SocketAddr) -> String {
    format!("http-{}", local_addr.port())
}

/// The name by which a request is known that was here before.
fn via(local_addr: SocketAddr) -> HeaderValue {
    let host = rustix::system::uname();
    let host = metrics::cleaned(&host.nodename().to_string_lossy());
    let name = format!("1.1 loadgen-{host}-{}", local_addr.port());
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("1.1 loadgen"))
}

impl RunningHttpBalancer {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it calls itself, in its metrics as well: `http-PORT`.
    pub fn id(&self) -> String {
        id(self.local_addr)
    }

    /// Where its page is, if it has one.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status_addr
    }

    /// What it has counted of its clients' connections.
    pub fn counts(&self) -> FrontFigures {
        self.shared.counts.figures()
    }

    /// What its page says, as JSON.
    pub fn status(&self) -> Value {
        self.shared.document()
    }

    /// The services that it serves by, to be looked at and replaced.
    pub fn services(&self) -> Services {
        self.shared.services.clone()
    }

    /// Takes new settings. Requests that are under way end as they began; limits hold for connections to come,
    /// and for requests to come where they are about these.
    ///
    /// # Errors
    /// [`ReloadError`] when something is to change that needs a new start, or services are not what their
    /// settings promise. Then nothing changes.
    pub fn reload(&self, settings: HttpSettings) -> Result<(), ReloadError> {
        let mut current = lock(&self.settings);
        let management = |it: &HttpSettings| it.services.management.clone();
        let fixed = [
            ("listen", settings.listen != current.listen),
            ("threads", settings.threads != current.threads),
            ("tls", settings.tls != current.tls),
            ("status", settings.status != current.status),
            ("statsd", settings.statsd != current.statsd),
            ("management", management(&settings) != management(&current)),
        ];
        if let Some((field, _)) = fixed.into_iter().find(|(_, changes)| *changes) {
            return Err(ReloadError { field });
        }
        let replaced = self.shared.services.replace(settings.services.clone());
        replaced.map_err(|_| ReloadError { field: "services" })?;
        *lock(&self.shared.limits) = Arc::new(settings.limits.clone());
        *lock(&self.shared.grace) = settings.grace;
        *current = settings;
        Ok(())
    }

    /// Takes no more connections, lets requests that are open end for as long as the grace, resets what is
    /// left, and returns when all threads have ended.
    pub fn shutdown(&self) {
        self.crew.end(Phase::Draining);
    }

    /// Drops everything where it stands and returns when all threads have ended. Also cuts short a
    /// [`Self::shutdown`] that another thread waits in.
    pub fn stop(&self) {
        self.crew.end(Phase::Stopped);
    }
}

impl fmt::Debug for RunningHttpBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningHttpBalancer")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl Report for Shared {
    fn document(&self) -> Value {
        json!({
            "balancer": self.name,
            "connections": self.counts.figures(),
            "default_service": self.services.settings().default_service,
            "services": self.services.snapshot(),
        })
    }

    fn families(&self) -> Vec<Family> {
        let mut families = self.counts.figures().families();
        for service in self.services.snapshot() {
            let labels = vec![("service", service.name.clone())];
            families.extend(service.requests.families(&labels));
            families.extend(metrics::of_pool(&service.pool, &labels));
        }
        metrics::merged(families)
    }

    fn pools(&self) -> Vec<(String, PoolSnapshot)> {
        let services = self.services.snapshot().into_iter();
        services.map(|it| (it.name, it.pool)).collect()
    }

    fn title(&self) -> String {
        format!("loadgen balance {}", self.name)
    }

    fn is_alive(&self) -> bool {
        self.services.are_alive()
    }
}

/// What one thread serves connections with.
struct Thread {
    shared: Arc<Shared>,
    index: usize,
    tls: Option<TlsAcceptor>,
    load: Load,
    heard: Heard,
}

impl Worker for Thread {
    fn begin(&self, stream: TcpStream, peer: SocketAddr, held: Held) {
        self.shared.counts.accepted.one();
        if self.load.connections() >= self.shared.limits().connections {
            self.shared.counts.over_limit.one();
            reset_on_close(&stream);
            return;
        }
        let accepted = Accepted {
            shared: Arc::clone(&self.shared),
            thread: self.index,
            stream,
            peer,
            load: self.load.add(),
            heard: self.heard.clone(),
            held,
        };
        tokio::spawn(accepted.serve(self.tls.clone()));
    }

    fn accept_failed(&self) {
        self.shared.counts.accept_errors.one();
    }

    fn grace(&self) -> Duration {
        *lock(&self.shared.grace)
    }
}
