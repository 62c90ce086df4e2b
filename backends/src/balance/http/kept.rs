//! Connections to backends that are open and wait for the next request, or over HTTP/2 have room for another.
//!
//! Owns how many and how long. Each thread has its own for each service, so that a connection is used where
//! it is driven.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use super::upload::Upload;

/// A connection that was not used for this long is let go: before servers do so (many after 5 s), because a
/// request that meets the end of its connection is lost where it must not be sent twice.
const IDLE: Duration = Duration::from_secs(4);
/// The most requests at once on a connection over HTTP/2, where the backend does not allow fewer.
pub(super) const MOST_STREAMS: u32 = 128;
/// The most connections over HTTP/2 to an address.
const MOST_CONNECTIONS: usize = 64;

pub(super) type OneSender = http1::SendRequest<Upload>;
pub(super) type TwoSender = http2::SendRequest<Upload>;

/// Where the connections over HTTP/2 to an address are, and where another one is waited for.
#[derive(Default)]
pub(super) struct TwoSeat {
    all: Mutex<Vec<Two>>,
    /// Held by who makes another one.
    pub(super) making: tokio::sync::Mutex<()>,
}

impl TwoSeat {
    /// A place on one of them, and if `anew` on one that was made since then.
    pub(super) fn take(&self, anew: Option<Instant>) -> Option<(TwoSender, Arc<Stream>)> {
        let mut all = lock(&self.all);
        all.retain(Two::is_open);
        // What a backend lets go of, it may let go of together.
        let mut may_take = all
            .iter_mut()
            .filter(|it| anew.is_none_or(|then| it.made >= then));
        may_take.find_map(Two::take)
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.all).len() >= MOST_CONNECTIONS
    }

    pub(super) fn put(&self, two: Two) {
        lock(&self.all).push(two);
    }
}

/// A connection over HTTP/2.
pub(super) struct Two {
    sender: TwoSender,
    room: Arc<Room>,
    made: Instant,
    used: Instant,
}

/// How many requests are on a connection over HTTP/2, and how many the backend allows.
#[derive(Debug)]
pub(super) struct Room {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Room {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
        })
    }

    /// The backend allows another number by now.
    pub(super) fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Only ever asked on the thread whose connection it is.
    fn take(self: &Arc<Self>) -> Option<Arc<Stream>> {
        let most = self.most.load(Ordering::Relaxed);
        let open = self.open.load(Ordering::Relaxed);
        (open < most.min(MOST_STREAMS as usize)).then(|| {
            self.open.fetch_add(1, Ordering::Relaxed);
            Arc::new(Stream(Arc::clone(self)))
        })
    }
}

/// A request's place on a connection over HTTP/2, until this is dropped.
#[derive(Debug)]
pub(super) struct Stream(Arc<Room>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Two {
    pub(super) fn new(sender: TwoSender, room: Arc<Room>) -> Self {
        let now = Instant::now();
        Self {
            sender,
            room,
            made: now,
            used: now,
        }
    }

    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// A place on it, if there is one.
    pub(super) fn take(&mut self) -> Option<(TwoSender, Arc<Stream>)> {
        let stream = self.room.take()?;
        self.used = Instant::now();
        Some((self.sender.clone(), stream))
    }

    fn is_used(&self) -> bool {
        self.used.elapsed() <= IDLE || self.room.open.load(Ordering::Relaxed) > 0
    }
}

/// A thread's connections to a service's backends.
#[derive(Default)]
pub(super) struct Kept {
    one: Mutex<HashMap<SocketAddr, Vec<(OneSender, Instant)>>>,
    two: Mutex<HashMap<SocketAddr, Arc<TwoSeat>>>,
}

impl Kept {
    /// A connection over HTTP/1.1 that is open as far as one can know.
    pub(super) fn take(&self, address: SocketAddr) -> Option<OneSender> {
        let mut all = lock(&self.one);
        let kept = all.get_mut(&address)?;
        // The one that was used last is the least likely to be closed by the other side.
        while let Some((sender, since)) = kept.pop() {
            if since.elapsed() > IDLE {
                kept.clear();
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection that can take a request, unless there are as many as there may be.
    pub(super) fn put(&self, address: SocketAddr, sender: OneSender, most: usize) {
        let mut all = lock(&self.one);
        let kept = all.entry(address).or_default();
        if kept.len() < most {
            kept.push((sender, Instant::now()));
        }
    }

    /// Where the connections over HTTP/2 are.
    pub(super) fn seat(&self, address: SocketAddr) -> Arc<TwoSeat> {
        Arc::clone(lock(&self.two).entry(address).or_default())
    }

    /// Lets go of what was not used for long.
    pub(super) fn sweep(&self) {
        lock(&self.one).retain(|_, kept| {
            kept.retain(|(sender, since)| since.elapsed() <= IDLE && !sender.is_closed());
            !kept.is_empty()
        });
        lock(&self.two).retain(|_, seat| {
            let mut all = lock(&seat.all);
            all.retain(|it| it.is_open() && it.is_used());
            // Somebody who waits for it is about to use it.
            !all.is_empty() || Arc::strong_count(seat) > 1
        });
    }

    /// Lets go of all of them.
    pub(super) fn clear(&self) {
        lock(&self.one).clear();
        lock(&self.two).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
