//! A balancer's sockets and threads, whatever it balances: those that take connections, and the one that keeps
//! its pools and outlives them.
//!
//! Owns how they start and how they end. What becomes of a connection is its [`Worker`]'s.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};

use super::dial::keep_alive;
use super::life::{Heard, Life, Phase, runtime};
use super::metrics::{self, Statsd};
use super::status::{self, Report};
use crate::serve::error::ServeError;
use crate::serve::listen;

/// How long to leave it when no connection can be accepted: time for some to be closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// How long connections are still accepted when the balancer is to end: time for those that the system has let
/// in and not handed over yet.
const LAST_CALL: Duration = Duration::from_millis(20);

/// Where a balancer listens.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: StdListener,
    page: Option<StdListener>,
    /// With the port it got.
    pub(crate) local_addr: SocketAddr,
    /// Where its page is, if it has one.
    pub(crate) status_addr: Option<SocketAddr>,
}

impl Bound {
    /// Listens for connections and, where told, for whoever wants the page.
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub(crate) fn new(listen: SocketAddr, status: Option<SocketAddr>) -> Result<Self, ServeError> {
        let (listener, local_addr) = listen::bind(listen)?;
        // What is accepted has it from here. A system that cannot do it does all the rest.
        let _ = keep_alive(&(&listener).into());
        let (page, status_addr) = status.map(listen::bind).transpose()?.unzip();
        Ok(Self {
            local_addr,
            status_addr,
            listener,
            page,
        })
    }
}

/// The cores this process may use, as its affinity and its group's quota allow.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What one thread does with connections.
pub(crate) trait Worker: Send + 'static {
    /// Serves one from now on, in a task of its own, which has `held` for as long as it takes.
    fn begin(&self, stream: TcpStream, peer: SocketAddr, held: Held);

    /// One could not be accepted.
    fn accept_failed(&self);

    /// How long those that are open may take to end.
    fn grace(&self) -> Duration;
}

/// What each connection of a thread holds: when all are let go, the thread may end.
pub(crate) type Held = tokio::sync::mpsc::Sender<()>;

/// The threads of a balancer. Dropped, they end at once.
#[derive(Debug)]
pub(crate) struct Crew {
    workers: Life,
    keeper: Life,
}

impl Crew {
    /// Starts the keeper, waits until it has looked up all names, and starts `threads` workers.
    ///
    /// # Errors
    /// [`ServeError::Worker`].
    pub(crate) fn start<W: Worker, K: Future<Output = ()>>(
        bound: Bound,
        threads: usize,
        keep: impl FnOnce(Keeper) -> K + Send + 'static,
        worker: impl Fn(usize, &Heard) -> W,
    ) -> Result<Self, ServeError> {
        // From here on, an error drops this and so ends the threads that were started before it.
        let crew = Self {
            workers: Life::new(),
            keeper: Life::new(),
        };
        let runtime_of_keeper = runtime()?;
        let page = bound.page.map(|it| registered(it, &runtime_of_keeper));
        let (looked_up, ready) = mpsc::channel();
        let keeper = Keeper {
            page: page.transpose()?,
            heard: crew.keeper.heard(),
            looked_up,
        };
        let name = "balance-keep".to_owned();
        crew.keeper
            .launch(name, runtime_of_keeper, move || keep(keeper))?;
        // Gone without a word, it has panicked: names are looked up no more, and nobody waits for that.
        let _ = ready.recv();
        for index in 0..threads {
            let heard = crew.workers.heard();
            let worker = worker(index, &heard);
            let listener = bound.listener.try_clone().map_err(worker_error)?;
            let runtime = runtime()?;
            let listener = registered(listener, &runtime)?;
            let run = move || work(worker, listener, heard);
            crew.workers
                .launch(format!("balance-{index}"), runtime, run)?;
        }
        Ok(crew)
    }

    /// Has workers reach this phase and waits until all threads have ended.
    pub(crate) fn end(&self, phase: Phase) {
        self.workers.advance(phase);
        self.workers.wait();
        // The page and the checks are there until nobody is served any more.
        self.keeper.advance(Phase::Stopped);
        self.keeper.wait();
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.end(Phase::Stopped);
    }
}

/// What keeps a balancer's pools, and tells how they stand.
#[derive(Debug)]
pub(crate) struct Keeper {
    page: Option<TcpListener>,
    heard: Heard,
    looked_up: mpsc::Sender<()>,
}

impl Keeper {
    /// Looks names up, and then does all it does until the end, `keep` as well.
    pub(crate) async fn run(
        self,
        report: Arc<dyn Report>,
        mut statsd: Option<Statsd>,
        look_up: impl Future<Output = ()>,
        keep: impl Future<Output = ()>,
    ) {
        look_up.await;
        // Nobody waits for it any more where the start came to nothing.
        let _ = self.looked_up.send(());
        let page = async {
            match self.page {
                Some(page) => status::serve(page, Arc::clone(&report)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.heard.reached(Phase::Stopped) => {}
            () = keep => {}
            () = page => {}
            () = metrics::tell_every_second(&mut statsd, &*report) => {}
        }
        if let Some(statsd) = &mut statsd {
            statsd.tell(&report.families());
        }
    }
}

/// One thread's share: it accepts from the socket that all have, and serves what it accepted.
async fn work(worker: impl Worker, listener: TcpListener, heard: Heard) {
    // The receiver hears when all connections are gone.
    let (held, mut all_gone) = tokio::sync::mpsc::channel::<()>(1);
    let drains = heard.clone().reached(Phase::Draining);
    tokio::pin!(drains);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut drains => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => worker.begin(stream, peer, held.clone()),
            // One peer's failure, or a shortage that passes: never the end of the balancer.
            Err(_) => {
                worker.accept_failed();
                time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // Whoever the system has let in already is not turned away.
    let over = Instant::now() + LAST_CALL;
    while let Ok(Ok((stream, peer))) = time::timeout_at(over, listener.accept()).await {
        worker.begin(stream, peer, held.clone());
    }
    drop((listener, held));
    tokio::select! {
        _ = all_gone.recv() => {}
        () = heard.reached(Phase::Stopped) => {}
        () = time::sleep(worker.grace()) => {}
    }
    // What is left ends with the runtime, and so with a reset.
}

fn worker_error(reason: io::Error) -> ServeError {
    ServeError::Worker { reason }
}

fn registered(listener: StdListener, runtime: &Runtime) -> Result<TcpListener, ServeError> {
    let _inside = runtime.enter();
    TcpListener::from_std(listener).map_err(worker_error)
}
