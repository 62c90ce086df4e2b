//! The life of a fault proxy: its listener, which faults may close, its connections, and how they are told of
//! changes.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time;

use super::carry::{Passage, Stroke};
use super::counts::{Counts, End, ProxyCounts};
use super::faults::{HalfOpen, ProxyFaults};
use super::manage;
use crate::balance::http::manage::{TokenError, TokenSource, Watched};
use crate::balance::life::{Heard, Life, Phase, lock, runtime};
use crate::serve::connection::reset_on_close;
use crate::serve::error::ServeError;
use crate::serve::faults::{Dice, Probability};
use crate::serve::listen;

/// How long to leave it when nothing can be accepted, or listened on.
const RETRY: Duration = Duration::from_millis(20);

/// What a fault proxy is started with.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// Where it listens; port 0 takes any free one, and keeps it over refusals.
    pub listen: SocketAddr,
    /// Where the server is, as `HOST:PORT`. A name is looked up for each connection.
    pub to: String,
    /// What goes wrong from the start.
    pub faults: ProxyFaults,
    /// What its dice are seeded with: the same seed has the same jitter on the same connection.
    pub seed: u64,
    /// Where faults are changed, if anywhere.
    pub manage: Option<ManageFaults>,
}

/// Where and by whom faults are changed.
#[derive(Debug, Clone)]
pub struct ManageFaults {
    /// Where; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What has to be known. Needed where other machines can reach it.
    pub token: Option<TokenSource>,
}

impl ProxySettings {
    /// A faultless proxy in front of the server at `to`.
    #[must_use]
    pub fn new(listen: SocketAddr, to: impl Into<String>) -> Self {
        Self {
            listen,
            to: to.into(),
            faults: ProxyFaults::default(),
            seed: 0,
            manage: None,
        }
    }
}

/// Why a fault proxy cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Anybody could change its faults.
    #[error(
        "changing faults at {address}, which other machines can reach, needs a token: give one with \
         `--management-token-file` or `--management-token-env`, or listen on 127.0.0.1"
    )]
    NoToken {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// There is no token where it should stand.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// A fault proxy at work on threads of its own. Dropping it resets its connections and stops it.
pub struct RunningProxy {
    local_addr: SocketAddr,
    manage_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    life: Life,
}

/// What all of it has.
#[derive(Debug)]
pub(super) struct Shared {
    to: String,
    seed: u64,
    /// Where it listens, with the port it got.
    local_addr: SocketAddr,
    faults: watch::Sender<Arc<ProxyFaults>>,
    /// How many changes there have been, and how many of them the listener has followed.
    changes: AtomicU64,
    followed: watch::Sender<Followed>,
    counts: Counts,
    open: Mutex<BTreeMap<u64, oneshot::Sender<Stroke>>>,
    dice: Dice,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

/// How far the listener is.
#[derive(Debug, Clone, Default)]
struct Followed {
    changes: u64,
    /// Why it does not listen, where it should.
    trouble: Option<String>,
}

/// What is done to connections that are open.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Strokes {
    pub(super) reset: Probability,
    pub(super) half_open: Option<HalfOpen>,
}

/// Starts a fault proxy. When this returns, it listens, unless it refuses from the start.
///
/// # Errors
/// [`ProxyError`].
pub fn start_proxy(settings: ProxySettings) -> Result<RunningProxy, ProxyError> {
    let token = settings.manage.as_ref().map(|it| {
        let missing = || ProxyError::NoToken { address: it.listen };
        Watched::guarding(it.listen, it.token.as_ref(), missing)
    });
    let token = token.transpose()?.flatten();
    let (listener, local_addr) = listen::bind(settings.listen)?;
    let managed = settings.manage.as_ref().map(|it| listen::bind(it.listen));
    let (managed, manage_addr) = managed.transpose()?.unzip();
    let shared = Arc::new(Shared {
        to: settings.to,
        seed: settings.seed,
        local_addr,
        faults: watch::Sender::new(Arc::new(settings.faults)),
        changes: AtomicU64::new(0),
        followed: watch::Sender::new(Followed::default()),
        counts: Counts::default(),
        open: Mutex::default(),
        dice: Dice::new(&format!("{}", settings.seed)),
        changing: tokio::sync::Mutex::default(),
    });
    let life = Life::new();
    let (it, heard) = (Arc::clone(&shared), life.heard());
    life.launch("proxy".to_owned(), runtime()?, move || {
        run(it, listener, heard)
    })?;
    if let Some(listener) = managed {
        let (it, heard) = (Arc::clone(&shared), life.heard());
        let serve = move || manage::serve(it, listener, token, heard);
        life.launch("proxy-manage".to_owned(), runtime()?, serve)?;
    }
    Ok(RunningProxy {
        local_addr,
        manage_addr,
        shared,
        life,
    })
}

impl RunningProxy {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it calls itself: `proxy-PORT`.
    pub fn id(&self) -> String {
        format!("proxy-{}", self.local_addr.port())
    }

    /// Where faults are changed, with the port it got.
    pub fn manage_addr(&self) -> Option<SocketAddr> {
        self.manage_addr
    }

    /// What it has counted.
    pub fn counts(&self) -> ProxyCounts {
        self.shared.counts()
    }

    /// Resets what is open and returns when all threads have ended.
    pub fn stop(&self) {
        self.life.advance(Phase::Stopped);
        self.life.wait();
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for RunningProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningProxy")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn counts(&self) -> ProxyCounts {
        self.counts.snapshot()
    }

    pub(super) fn faults(&self) -> Arc<ProxyFaults> {
        Arc::clone(&self.faults.borrow())
    }

    /// Has what `change` makes of the faults hold from now on, does to open connections what is to be done once, and
    /// returns when the listener has followed.
    ///
    /// # Errors
    /// What `change` says, and then nothing has changed; or the listener's trouble, where it should listen and
    /// cannot.
    pub(super) async fn change<E>(
        &self,
        change: impl FnOnce(&ProxyFaults) -> Result<(ProxyFaults, Strokes), E>,
    ) -> Result<Result<Arc<ProxyFaults>, String>, E> {
        let _one_at_a_time = self.changing.lock().await;
        let (faults, strokes) = change(&self.faults())?;
        let faults = Arc::new(faults);
        let mut number = 0;
        self.faults.send_modify(|holding| {
            *holding = Arc::clone(&faults);
            number = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        });
        self.strike(strokes);
        let mut followed = self.followed.subscribe();
        let followed = followed.wait_for(|it| it.changes >= number).await;
        let trouble = followed.ok().and_then(|it| it.trouble.clone());
        Ok(match trouble {
            None => Ok(faults),
            Some(trouble) => Err(trouble),
        })
    }

    /// Chooses among the open connections, in the order in which they came.
    fn strike(&self, strokes: Strokes) {
        let mut open = lock(&self.open);
        let numbers: Vec<u64> = open.keys().copied().collect();
        for number in numbers {
            let half_open = strokes.half_open;
            let stroke = if self.dice.falls(strokes.reset) {
                Stroke::Reset
            } else if let Some(it) = half_open.filter(|it| self.dice.falls(it.share)) {
                Stroke::HalfOpen(it.closed)
            } else {
                continue;
            };
            if let Some(connection) = open.remove(&number) {
                // One that has ended meanwhile hears it no more.
                let _ = connection.send(stroke);
            }
        }
    }
}

/// Accepts, unless told to refuse, until the end. What is open then ends with the runtime, and so with a reset.
async fn run(shared: Arc<Shared>, listener: StdListener, heard: Heard) {
    let mut faults = shared.faults.subscribe();
    let mut trouble = None;
    let mut listener = match TcpListener::from_std(listener) {
        Ok(listener) => Some(listener),
        Err(error) => {
            trouble = Some(error.to_string());
            None
        }
    };
    let stopped = heard.reached(Phase::Stopped);
    tokio::pin!(stopped);
    let mut number = 0;
    loop {
        let (refuse, changes) = {
            // While this is held nothing changes, and the number is that of what holds.
            let holding = faults.borrow_and_update();
            (holding.refuse, shared.changes.load(Ordering::Acquire))
        };
        if refuse {
            listener = None;
            trouble = None;
        } else if listener.is_none() {
            match again(shared.local_addr) {
                Ok(it) => (listener, trouble) = (Some(it), None),
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        shared.followed.send_replace(Followed {
            changes,
            trouble: trouble.clone(),
        });
        tokio::select! {
            biased;
            () = &mut stopped => return,
            changed = faults.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()), if listener.is_some() => match accepted {
                Ok(client) => {
                    number += 1;
                    begin(&shared, client, number);
                }
                // One peer's failure, or a shortage that passes: never the end of the proxy.
                Err(_) => time::sleep(RETRY).await,
            },
            () = time::sleep(RETRY), if trouble.is_some() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

fn again(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let (listener, _) = listen::bind(address)?;
    TcpListener::from_std(listener).map_err(|reason| ServeError::Worker { reason })
}

fn begin(shared: &Arc<Shared>, client: TcpStream, number: u64) {
    shared.counts.accepted();
    let share = shared.faults.borrow().reset_new;
    if shared.dice.falls(share) {
        reset_on_close(&client);
        shared.counts.ended(End::Reset);
        return;
    }
    let (sender, stroke) = oneshot::channel();
    lock(&shared.open).insert(number, sender);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let passage = Passage {
            to: &shared.to,
            holding: shared.faults.subscribe(),
            stroke,
            seed: format!("{} {number}", shared.seed),
            counts: &shared.counts,
        };
        let ending = Ending {
            shared: &shared,
            number,
            end: End::Stopped,
        };
        passage.carry(client, |end| ending.comes(end)).await;
    });
}

/// Counts the end of a connection, also of one that ends with the proxy.
struct Ending<'a> {
    shared: &'a Shared,
    number: u64,
    end: End,
}

impl Ending<'_> {
    fn comes(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        lock(&self.shared.open).remove(&self.number);
        self.shared.counts.ended(self.end);
    }
}
