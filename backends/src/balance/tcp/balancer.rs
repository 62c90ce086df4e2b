//! A layer-4 balancer at work: threads that accept and carry bytes, and one that keeps the pool.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};

use super::connect::connect;
use super::counts::{Counts, End, Snapshot};
use super::proxy::ProxyProtocol;
use super::relay::Pair;
use super::settings::TcpSettings;
use crate::balance::config::ReloadError;
use crate::balance::dial::keep_alive;
use crate::balance::health::TcpConnect;
use crate::balance::life::{Heard, Life, Phase, runtime};
use crate::balance::metrics::{self, Family, Statsd};
use crate::balance::pool::{Pool, PoolSnapshot};
use crate::balance::resolve::Resolve;
use crate::balance::status::{self, Report};
use crate::serve::connection::reset_on_close;
use crate::serve::error::ServeError;
use crate::serve::listen;

/// How long to leave it when no connection can be accepted: time for some to be closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// How long connections are still accepted when the balancer is to end: time for those that the system has let
/// in and not handed over yet.
const LAST_CALL: Duration = Duration::from_millis(20);

/// A balancer at work on threads of its own. Dropping it stops it at once; [`Self::shutdown`] lets
/// connections end.
pub struct RunningTcpBalancer {
    settings: Mutex<TcpSettings>,
    local_addr: SocketAddr,
    status_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    /// Those that carry bytes.
    workers: Life,
    /// The one that keeps the pool, and outlives them.
    keeper: Life,
}

/// What all its threads have.
#[derive(Debug)]
struct Shared {
    name: String,
    pool: Pool,
    counts: Counts,
    /// What connections are opened with; a reload changes it for those to come.
    opening: Mutex<Opening>,
    grace: Mutex<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Opening {
    connect_timeout: Duration,
    proxy_protocol: Option<ProxyProtocol>,
}

impl Opening {
    /// What a backend is told first of a connection from `peer` that was accepted `here`.
    fn greeting(self, peer: SocketAddr, here: io::Result<SocketAddr>) -> io::Result<Vec<u8>> {
        match self.proxy_protocol {
            Some(version) => Ok(version.header(peer, here?)),
            None => Ok(Vec::new()),
        }
    }
}

impl From<&TcpSettings> for Opening {
    fn from(settings: &TcpSettings) -> Self {
        Self {
            connect_timeout: settings.connect_timeout,
            proxy_protocol: settings.proxy_protocol,
        }
    }
}

/// Starts a balancer. Names are looked up by `resolver`, for the first time before this returns; a name
/// that is not known yet is no error.
///
/// # Errors
/// [`ServeError`] when an address cannot be listened on, or the system has no threads.
pub fn start_tcp_balancer(
    settings: TcpSettings,
    resolver: Arc<dyn Resolve>,
) -> Result<RunningTcpBalancer, ServeError> {
    let listener = listen::bind(settings.listen)?;
    // What is accepted has it from here. A system that cannot do it does all the rest.
    let _ = keep_alive(&(&listener).into());
    let local_addr = listener.local_addr().map_err(worker_error)?;
    let page = settings.status.map(listen::bind).transpose()?;
    let status_addr = page.as_ref().map(StdListener::local_addr).transpose();
    let status_addr = status_addr.map_err(worker_error)?;
    let shared = Arc::new(Shared {
        name: format!("tcp {local_addr}"),
        pool: Pool::new(settings.pool.clone(), resolver, Arc::new(TcpConnect)),
        counts: Counts::default(),
        opening: Mutex::new(Opening::from(&settings)),
        grace: Mutex::new(settings.grace),
    });
    let statsd = match &settings.statsd {
        Some(to) => Some(Statsd::open(to, &id(local_addr))?),
        None => None,
    };
    let keeper = runtime()?;
    let threads = settings.threads.unwrap_or_else(cores);
    // From here on, an error drops this and so ends the threads that were started before it.
    let balancer = RunningTcpBalancer {
        settings: Mutex::new(settings),
        local_addr,
        status_addr,
        shared,
        workers: Life::new(),
        keeper: Life::new(),
    };
    let page = page.map(|page| registered(page, &keeper)).transpose()?;
    let (shared, heard) = (Arc::clone(&balancer.shared), balancer.keeper.heard());
    let (looked_up, ready) = mpsc::channel();
    let keep = move || keep(shared, page, statsd, heard, looked_up);
    balancer
        .keeper
        .launch("balance-keep".to_owned(), keeper, keep)?;
    // Gone without a word, it has panicked: names are looked up no more, and nobody waits for that.
    let _ = ready.recv();
    for index in 0..threads {
        let worker = Worker {
            shared: Arc::clone(&balancer.shared),
            heard: balancer.workers.heard(),
        };
        let listener = listener.try_clone().map_err(worker_error)?;
        let runtime = runtime()?;
        let listener = registered(listener, &runtime)?;
        let name = format!("balance-{index}");
        balancer
            .workers
            .launch(name, runtime, move || worker.run(listener))?;
    }
    Ok(balancer)
}

/// Keeps the pool, and tells how it stands, until the end.
async fn keep(
    shared: Arc<Shared>,
    page: Option<TcpListener>,
    mut statsd: Option<Statsd>,
    heard: Heard,
    looked_up: mpsc::Sender<()>,
) {
    shared.pool.look_up().await;
    // Nobody waits for it any more where the start came to nothing.
    let _ = looked_up.send(());
    let report: Arc<dyn Report> = Arc::clone(&shared) as _;
    let page = async {
        match page {
            Some(page) => status::serve(page, Arc::clone(&report)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = heard.reached(Phase::Stopped) => {}
        () = shared.pool.keep() => {}
        () = page => {}
        () = metrics::tell_every_second(&mut statsd, &*report) => {}
    }
    if let Some(statsd) = &mut statsd {
        statsd.tell(&report.families());
    }
}

fn id(local_addr: SocketAddr) -> String {
    format!("tcp-{}", local_addr.port())
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

impl RunningTcpBalancer {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it calls itself, in its metrics as well: `tcp-PORT`.
    pub fn id(&self) -> String {
        id(self.local_addr)
    }

    /// Where its page is, if it has one.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status_addr
    }

    /// What it has counted.
    pub fn counts(&self) -> Snapshot {
        self.shared.counts.snapshot()
    }

    /// What its page says, as JSON.
    pub fn status(&self) -> Value {
        self.shared.document()
    }

    /// Takes new settings. Connections that are open stay with whom they are; those to come go by the new
    /// ones.
    ///
    /// # Errors
    /// [`ReloadError`] when something is to change that needs a new start. Then nothing changes.
    pub fn reload(&self, settings: TcpSettings) -> Result<(), ReloadError> {
        let mut current = lock(&self.settings);
        let fixed = [
            ("listen", settings.listen != current.listen),
            ("threads", settings.threads != current.threads),
            ("status", settings.status != current.status),
            ("statsd", settings.statsd != current.statsd),
        ];
        if let Some((field, _)) = fixed.into_iter().find(|(_, changes)| *changes) {
            return Err(ReloadError { field });
        }
        *lock(&self.shared.opening) = Opening::from(&settings);
        *lock(&self.shared.grace) = settings.grace;
        self.shared.pool.apply(settings.pool.clone());
        *current = settings;
        Ok(())
    }

    /// Takes no more connections, lets those that are open end for as long as the grace, resets what is left,
    /// and returns when all threads have ended.
    pub fn shutdown(&self) {
        self.end(Phase::Draining);
    }

    /// Resets all connections and returns when all threads have ended. Also cuts short a
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

impl Drop for RunningTcpBalancer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for RunningTcpBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTcpBalancer")
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
            "connections": self.counts.snapshot(),
            "pool": self.pool.snapshot(),
        })
    }

    fn families(&self) -> Vec<Family> {
        let mut families = self.counts.snapshot().families();
        families.extend(metrics::of_pool(&self.pool.snapshot(), &Vec::new()));
        families
    }

    fn pools(&self) -> Vec<(String, PoolSnapshot)> {
        vec![("backends".to_owned(), self.pool.snapshot())]
    }

    fn title(&self) -> String {
        format!("loadgen balance {}", self.name)
    }

    fn is_alive(&self) -> bool {
        self.pool.is_alive()
    }
}

/// One thread's share: it accepts from the socket that all have, and carries what it accepted.
struct Worker {
    shared: Arc<Shared>,
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
                Ok((client, peer)) => self.begin(client, peer, held.clone()),
                // One peer's failure, or a shortage that passes: never the end of the balancer.
                Err(_) => {
                    self.shared.counts.accept_failed();
                    time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        // Whoever the system has let in already is not turned away.
        let over = Instant::now() + LAST_CALL;
        while let Ok(Ok((client, peer))) = time::timeout_at(over, listener.accept()).await {
            self.begin(client, peer, held.clone());
        }
        drop((listener, held));
        let grace = *lock(&self.shared.grace);
        tokio::select! {
            _ = all_gone.recv() => {}
            () = self.heard.reached(Phase::Stopped) => {}
            () = time::sleep(grace) => {}
        }
        // What is left ends with the runtime, and so with a reset.
    }

    fn begin(&self, client: TcpStream, peer: SocketAddr, held: tokio::sync::mpsc::Sender<()>) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.carry(client, peer).await;
            drop(held);
        });
    }
}

impl Shared {
    async fn carry(&self, client: TcpStream, peer: SocketAddr) {
        let open = self.counts.accepted();
        let opening = *lock(&self.opening);
        let Ok(greeting) = opening.greeting(peer, client.local_addr()) else {
            // The client is gone already. Nobody is told a connection of whom is not known.
            reset_on_close(&client);
            open.over(End::Broken);
            return;
        };
        let (lease, backend) = match connect(&self.pool, opening.connect_timeout).await {
            Ok(connected) => connected,
            Err(refusal) => {
                // A client that got an end in good order could take it for an answer.
                reset_on_close(&client);
                open.over(End::Refused(refusal));
                return;
            }
        };
        // Bytes go on as they come. One that cannot be told so is about to fail anyway.
        let _ = client.set_nodelay(true);
        let _ = backend.set_nodelay(true);
        let end = match Pair::new(client, backend)
            .relay(greeting, lease.endpoint())
            .await
        {
            Ok(()) => End::Completed,
            Err(_) => End::Broken,
        };
        open.over(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backend that expects the header would take the client's bytes for it.
    #[test]
    fn no_header_is_left_out_for_want_of_an_address() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let gone = || Err(io::ErrorKind::NotConnected.into());
        let opening = |proxy_protocol| Opening {
            connect_timeout: Duration::ZERO,
            proxy_protocol,
        };
        for version in ProxyProtocol::ALL {
            assert!(opening(Some(version)).greeting(peer, gone()).is_err());
            assert!(
                !opening(Some(version))
                    .greeting(peer, Ok(peer))
                    .unwrap()
                    .is_empty()
            );
        }
        assert!(opening(None).greeting(peer, gone()).unwrap().is_empty());
    }
}
