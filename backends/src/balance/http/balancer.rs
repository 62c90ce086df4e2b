//! An HTTP balancer at work: threads that accept connections and carry requests, and one that keeps the pools.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;

use super::config::{HttpLimits, HttpSettings};
use super::counts::{FrontCounts, FrontFigures};
use super::front::Accepted;
use super::kept::Kept;
use super::services::Services;
use crate::balance::config::ReloadError;
use crate::balance::dial::keep_alive;
use crate::balance::life::{Heard, Life, Phase, runtime};
use crate::balance::metrics::{self, Family, Statsd};
use crate::balance::pool::PoolSnapshot;
use crate::balance::resolve::Resolve;
use crate::balance::status::{self, Report};
use crate::serve::connection::{Load, reset_on_close};
use crate::serve::error::ServeError;
use crate::serve::listen;
use crate::serve::tls::{self, Rotating};

/// How long to leave it when no connection can be accepted: time for some to be closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);
/// How long connections are still accepted when the balancer is to end: time for those that the system has let
/// in and not handed over yet.
const LAST_CALL: Duration = Duration::from_millis(20);
/// How often connections to backends that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A balancer at work on threads of its own. Dropping it stops it at once; [`Self::shutdown`] lets requests
/// end.
pub struct RunningHttpBalancer {
    settings: Mutex<HttpSettings>,
    local_addr: SocketAddr,
    status_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    /// Those that carry requests.
    workers: Life,
    /// The one that keeps the pools, and outlives them.
    keeper: Life,
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
    let listener = listen::bind(settings.listen)?;
    // What is accepted has it from here. A system that cannot do it does all the rest.
    let _ = keep_alive(&(&listener).into());
    let local_addr = listener.local_addr().map_err(worker_error)?;
    let page = settings.status.map(listen::bind).transpose()?;
    let status_addr = page.as_ref().map(StdListener::local_addr).transpose();
    let status_addr = status_addr.map_err(worker_error)?;
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
    let keeper = runtime()?;
    // From here on, an error drops this and so ends the threads that were started before it.
    let balancer = RunningHttpBalancer {
        settings: Mutex::new(settings),
        local_addr,
        status_addr,
        shared,
        workers: Life::new(),
        keeper: Life::new(),
    };
    let page = page.map(|page| registered(page, &keeper)).transpose()?;
    let (acceptor, certificate) = tls.unzip();
    let (looked_up, ready) = mpsc::channel();
    let keep = Keeper {
        shared: Arc::clone(&balancer.shared),
        page,
        statsd,
        certificate,
        heard: balancer.keeper.heard(),
        looked_up,
    };
    let name = "balance-keep".to_owned();
    balancer.keeper.launch(name, keeper, move || keep.run())?;
    // Gone without a word, it has panicked: names are looked up no more, and nobody waits for that.
    let _ = ready.recv();
    let load = Load::default();
    for index in 0..threads {
        let worker = Worker {
            shared: Arc::clone(&balancer.shared),
            index,
            tls: acceptor.clone(),
            load: load.clone(),
            heard: balancer.workers.heard(),
        };
        let listener = listener.try_clone().map_err(worker_error)?;
        let runtime = runtime()?;
        let listener = registered(listener, &runtime)?;
        let name = format!("balance-{index}");
        let run = move || worker.run(listener);
        balancer.workers.launch(name, runtime, run)?;
    }
    Ok(balancer)
}

/// Keeps the pools, and tells how they stand, until the end.
struct Keeper {
    shared: Arc<Shared>,
    page: Option<TcpListener>,
    statsd: Option<Statsd>,
    certificate: Option<Arc<Rotating>>,
    heard: Heard,
    looked_up: mpsc::Sender<()>,
}

impl Keeper {
    async fn run(self) {
        let Self {
            shared,
            page,
            mut statsd,
            certificate,
            heard,
            looked_up,
        } = self;
        shared.services.look_up().await;
        // Nobody waits for it any more where the start came to nothing.
        let _ = looked_up.send(());
        let report: Arc<dyn Report> = Arc::clone(&shared) as _;
        let page = async {
            match page {
                Some(page) => status::serve(page, Arc::clone(&report)).await,
                None => std::future::pending().await,
            }
        };
        let certificate = async {
            match certificate {
                Some(certificate) => certificate.keep().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = heard.reached(Phase::Stopped) => {}
            () = shared.services.keep() => {}
            () = sweep(&shared.services) => {}
            () = page => {}
            () = certificate => {}
            () = metrics::tell_every_second(&mut statsd, &*report) => {}
        }
        if let Some(statsd) = &mut statsd {
            statsd.tell(&report.families());
        }
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

fn worker_error(reason: io::Error) -> ServeError {
    ServeError::Worker { reason }
}

fn registered(listener: StdListener, runtime: &Runtime) -> Result<TcpListener, ServeError> {
    let _inside = runtime.enter();
    TcpListener::from_std(listener).map_err(worker_error)
}

/// The cores this process may use, as its affinity and its group's quota allow.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
        self.end(Phase::Draining);
    }

    /// Drops everything where it stands and returns when all threads have ended. Also cuts short a
    /// [`Self::shutdown`] that another thread waits in.
    pub fn stop(&self) {
        self.end(Phase::Stopped);
    }

    fn end(&self, phase: Phase) {
        self.workers.advance(phase);
        self.workers.wait();
        // The page and the checks are there until nobody is served any more.
        self.keeper.advance(Phase::Stopped);
        self.keeper.wait();
    }
}

impl Drop for RunningHttpBalancer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for RunningHttpBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningHttpBalancer")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// One thread's share: it accepts from the socket that all have, and serves what it accepted.
struct Worker {
    shared: Arc<Shared>,
    index: usize,
    tls: Option<TlsAcceptor>,
    load: Load,
    heard: Heard,
}

impl Worker {
    async fn run(self, listener: TcpListener) {
        // Each connection holds a sender; the receiver hears when all are gone.
        let (held, mut all_gone) = tokio::sync::mpsc::channel::<()>(1);
        let drains = self.heard.clone().reached(Phase::Draining);
        tokio::pin!(drains);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut drains => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer, held.clone()),
                // One peer's failure, or a shortage that passes: never the end of the balancer.
                Err(_) => {
                    self.shared.counts.accept_errors.one();
                    time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        // Whoever the system has let in already is not turned away.
        let over = Instant::now() + LAST_CALL;
        while let Ok(Ok((stream, peer))) = time::timeout_at(over, listener.accept()).await {
            self.begin(stream, peer, held.clone());
        }
        drop((listener, held));
        let grace = *lock(&self.shared.grace);
        tokio::select! {
            _ = all_gone.recv() => {}
            () = self.heard.reached(Phase::Stopped) => {}
            () = time::sleep(grace) => {}
        }
        // What is left ends with the runtime.
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, held: tokio::sync::mpsc::Sender<()>) {
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
}
