//! The part that every protocol's server shares: an accepting thread, one worker thread a core, and
//! the way to stop them.
//!
//! Owns threads, their runtimes, the hand-out of connections, TLS handshakes and the lifecycle. What
//! is said on a connection is the [`Protocol`]'s.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::serve::activity::{Activity, Ledger, Tally};
use crate::serve::connection::{Connection, Load, LoadGuard, Transport, reset_on_close};
use crate::serve::error::ServeError;
use crate::serve::faults::{FaultState, Faults};
use crate::serve::identity::Identity;
use crate::serve::listen;
use crate::serve::tls::{self, TlsFiles};

/// A peer that has not finished its handshake by then, TLS or its protocol's, is let go.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to leave it when no connection can be accepted, mostly for want of file descriptors:
/// time for some to be closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// How a protocol serves. Each worker has one of its own.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// Serves one connection until its peer has gone or, after `drain`, until what was begun on it
    /// is done.
    fn serve(&self, connection: Connection, drain: Drain) -> impl Future<Output = ()> + Send;
}

/// What a server is started with, whatever it speaks.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// What the answers call this backend: visible ASCII, at most 128 characters. Without one, it
    /// gets an id made of host, process and port.
    pub id: Option<String>,
    /// Which version of what it serves the answers say that it is: as an id is. Without one, this package's.
    pub version: Option<String>,
    /// Who is told, line by line, of the streams on which both sides send: when one opens and ends, and of
    /// each message. Only gRPC has such.
    pub stream_log: Option<fn(&str)>,
    /// Serves TLS, and only TLS.
    pub tls: Option<TlsFiles>,
    /// Worker threads; without a number, one for each core the process may use.
    pub threads: Option<usize>,
    /// How long a shutdown waits for answers to be finished, and for peers to close.
    pub grace: Duration,
    /// Whether to count what it does and measure how long that takes, for
    /// [`RunningServer::activity`]. Costs a little for each request.
    pub measure: bool,
    /// What to do wrong on purpose.
    pub faults: Faults,
}

impl ServerConfig {
    /// A faultless plaintext server at `address`, with a worker for each core.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            id: None,
            version: None,
            stream_log: None,
            tls: None,
            threads: None,
            grace: Duration::from_secs(5),
            measure: false,
            faults: Faults::default(),
        }
    }
}

/// What every protocol's server is started with.
pub(crate) struct Setup {
    pub(crate) identity: Identity,
    pub(crate) faults: Option<Arc<FaultState>>,
    listener: StdListener,
    local_addr: SocketAddr,
    threads: Option<usize>,
    grace: Duration,
    measure: bool,
    tls: Option<TlsAcceptor>,
}

impl Setup {
    /// Listens from here on. Over TLS, `alpn` is what the server says that it
    /// speaks, if it says so.
    ///
    /// # Errors
    /// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, or the id
    /// cannot be sent.
    pub(crate) fn new(config: ServerConfig, alpn: &[&[u8]]) -> Result<Self, ServeError> {
        let tls = match &config.tls {
            Some(files) => Some(tls::acceptor(files, alpn)?),
            None => None,
        };
        let (listener, local_addr) = listen::bind(config.address)?;
        let identity = Identity::new(config.id, local_addr.port())?.of_version(config.version)?;
        let faults = FaultState::new(config.faults, identity.id()).map(Arc::new);
        Ok(Self {
            identity,
            faults,
            listener,
            local_addr,
            threads: config.threads,
            grace: config.grace,
            measure: config.measure,
            tls,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// It serves as ever and says that it is about to end.
    LameDuck,
    Draining,
    Stopped,
}

/// Tells a connection when to come to its end.
#[derive(Debug, Clone)]
pub(crate) struct Drain(watch::Receiver<Phase>);

impl Drain {
    /// Waits until the server is told to stop.
    pub(crate) async fn begun(&mut self) {
        self.reached(Phase::Draining).await;
    }

    async fn reached(&mut self, wanted: Phase) {
        // An error means that the server is gone: all phases are over.
        let _ = self.0.wait_for(|phase| *phase >= wanted).await;
    }
}

/// A server at work on threads of its own. Dropping it stops it at once; [`Self::shutdown`] lets it
/// finish what was begun.
pub struct RunningServer {
    local_addr: SocketAddr,
    id: String,
    phase: watch::Sender<Phase>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ledger: Option<Ledger>,
}

impl RunningServer {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What its replies call it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it has done, with the handling times since this was last asked for. `None` unless it was
    /// started to measure. After [`Self::shutdown`] or [`Self::stop`] it is complete.
    pub fn activity(&self) -> Option<Activity> {
        self.ledger.as_ref().map(Ledger::read)
    }

    /// Says by its health checks, from some milliseconds on, that it is about to end, and serves everything else as before, new
    /// connections included: gRPC's health is NOT_SERVING, HTTP's `/health` is 503, and answers over
    /// HTTP/1.1 end their connections. WebSocket and TCP have no such word. Does nothing once it ends.
    pub fn lame_duck(&self) {
        self.advance(Phase::LameDuck);
    }

    /// Takes no more connections or requests, lets those that were begun finish for as long as the
    /// configured grace, and returns when all threads have ended.
    pub fn shutdown(&self) {
        self.advance(Phase::Draining);
        self.wait();
    }

    /// Drops everything where it stands and returns when all threads have ended. Also cuts short a
    /// [`Self::shutdown`] that another thread waits in.
    pub fn stop(&self) {
        self.advance(Phase::Stopped);
        self.wait();
    }

    /// Waits until another thread has shut the server down.
    pub fn wait(&self) {
        // Held while joining, so that a second caller does not return early.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A worker that panicked has nothing left to say that its panic message did not.
            let _ = thread.join();
        }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer")
            .field("local_addr", &self.local_addr)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Starts the threads. `make` is called once for each worker, with what that counts by; `on_lame_duck` runs
/// once, when the server is to say that it is about to end, and `on_drain` after it, when it is told to stop.
///
/// # Errors
/// [`ServeError::Worker`] when a thread cannot be had.
pub(crate) fn start<P: Protocol>(
    setup: Setup,
    make: impl Fn(Option<Tally>) -> P,
    on_lame_duck: impl Future<Output = ()> + Send + 'static,
    on_drain: impl Future<Output = ()> + Send + 'static,
) -> Result<RunningServer, ServeError> {
    let worker_error = |reason| ServeError::Worker { reason };
    let (phase, observed) = watch::channel(Phase::Serving);
    let drain = Drain(observed);
    let threads = setup.threads.unwrap_or_else(cores).max(1);
    let loads: Vec<_> = (0..threads).map(|_| Load::default()).collect();
    // From here on, an error drops this and so ends the threads that were started before it.
    let server = RunningServer {
        local_addr: setup.local_addr,
        id: setup.identity.id().to_owned(),
        phase,
        threads: Mutex::default(),
        ledger: setup.measure.then(|| Ledger::new(&loads)),
    };
    let launch = |name: String, body: Box<dyn FnOnce() + Send>| -> Result<(), ServeError> {
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(body)
            .map_err(worker_error)?;
        server
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    };

    let mut workers = Vec::with_capacity(threads);
    for (index, load) in loads.into_iter().enumerate() {
        let tally = server.ledger.as_ref().and_then(|it| it.tally(index));
        let (sender, incoming) = mpsc::unbounded_channel();
        let worker = Worker {
            protocol: Arc::new(make(tally)),
            tls: setup.tls.clone(),
            cut_after: setup.faults.as_ref().and_then(|faults| faults.cut_after()),
            drain: drain.clone(),
        };
        let runtime = runtime().map_err(worker_error)?;
        let grace = setup.grace;
        launch(
            format!("backend-{index}"),
            Box::new(move || runtime.block_on(worker.run(incoming, grace))),
        )?;
        workers.push(Seat { sender, load });
    }

    let acceptor = Acceptor {
        workers,
        faults: setup.faults,
    };
    let runtime = runtime().map_err(worker_error)?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(setup.listener).map_err(worker_error)?
    };
    launch(
        "backend-accept".to_owned(),
        Box::new(move || {
            runtime.block_on(async {
                let mut leaving = drain.clone();
                let leave = async move {
                    leaving.reached(Phase::LameDuck).await;
                    on_lame_duck.await;
                };
                tokio::join!(acceptor.run(listener, drain), leave);
                on_drain.await;
            });
        }),
    )?;
    Ok(server)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The cores this process may use, as its affinity and its group's quota allow.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A worker as the accepting thread sees it.
#[derive(Debug)]
struct Seat {
    sender: mpsc::UnboundedSender<Accepted>,
    load: Load,
}

#[derive(Debug)]
struct Accepted {
    stream: StdStream,
    load: LoadGuard,
}

/// Takes connections in and hands each to the worker that has the fewest.
#[derive(Debug)]
struct Acceptor {
    workers: Vec<Seat>,
    faults: Option<Arc<FaultState>>,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, mut drain: Drain) {
        loop {
            tokio::select! {
                biased;
                () = drain.begun() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.seat(stream),
                    // One peer's failure, or a shortage that passes: never the end of the server.
                    Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
                },
            }
        }
    }

    fn seat(&self, stream: TcpStream) {
        if self.faults.as_ref().is_some_and(|faults| faults.refuses()) {
            reset_on_close(&stream);
            return;
        }
        let Some(worker) = self
            .workers
            .iter()
            .min_by_key(|worker| worker.load.connections())
        else {
            return;
        };
        // A connection that cannot be set up, or comes when the workers have ended, is closed.
        if stream.set_nodelay(true).is_ok()
            && let Ok(stream) = stream.into_std()
        {
            let load = worker.load.add();
            let _ = worker.sender.send(Accepted { stream, load });
        }
    }
}

/// One thread's share of the server.
struct Worker<P> {
    protocol: Arc<P>,
    tls: Option<TlsAcceptor>,
    cut_after: Option<NonZeroU64>,
    drain: Drain,
}

impl<P: Protocol> Worker<P> {
    async fn run(mut self, mut incoming: mpsc::UnboundedReceiver<Accepted>, grace: Duration) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = self.drain.begun() => break,
                // A connection that panicked ends alone.
                Some(_) = connections.join_next() => {}
                accepted = incoming.recv() => match accepted {
                    Some(accepted) => { connections.spawn(self.connection(accepted)); }
                    None => break,
                },
            }
        }
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = self.drain.reached(Phase::Stopped) => {}
            () = tokio::time::sleep(grace) => {}
        }
        // What is left ends with the runtime.
    }

    fn connection(&self, accepted: Accepted) -> impl Future<Output = ()> + use<P> {
        let protocol = Arc::clone(&self.protocol);
        let tls = self.tls.clone();
        let cut_after = self.cut_after;
        let drain = self.drain.clone();
        async move {
            let Accepted { stream, load } = accepted;
            if let Some(transport) = handshake(stream, tls).await {
                let connection = Connection::new(transport, cut_after, load);
                protocol.serve(connection, drain).await;
            }
        }
    }
}

/// The transport, or none if the peer's handshake came to nothing.
async fn handshake(stream: StdStream, tls: Option<TlsAcceptor>) -> Option<Transport> {
    let stream = TcpStream::from_std(stream).ok()?;
    let Some(tls) = tls else {
        return Some(Transport::Plain(stream));
    };
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream))
        .await
        .ok()?
        .ok()?;
    Some(Transport::Tls(Box::new(stream)))
}
