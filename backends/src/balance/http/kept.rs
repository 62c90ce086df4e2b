//! Connections to backends that are open and wait for the next request.
//!
//! Owns how many and how long. Each thread has its own for each service, so that a connection is used where
//! it is driven.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use super::upload::Upload;

/// A connection that was not used for this long is let go: before servers do so (many after 5 s), because a
/// request that meets the end of its connection is lost where it must not be sent twice.
const IDLE: Duration = Duration::from_secs(4);

pub(super) type OneSender = http1::SendRequest<Upload>;
pub(super) type TwoSender = http2::SendRequest<Upload>;

/// Where the one connection over HTTP/2 to an address is, and where it is waited for.
pub(super) type TwoSeat = Arc<tokio::sync::Mutex<Option<TwoSender>>>;

/// A thread's connections to a service's backends.
#[derive(Default)]
pub(super) struct Kept {
    one: Mutex<HashMap<SocketAddr, Vec<(OneSender, Instant)>>>,
    two: Mutex<HashMap<SocketAddr, (TwoSeat, Instant)>>,
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

    /// Where the connection over HTTP/2 is.
    pub(super) fn seat(&self, address: SocketAddr) -> TwoSeat {
        let mut all = lock(&self.two);
        let (seat, used) = all
            .entry(address)
            .or_insert_with(|| (TwoSeat::default(), Instant::now()));
        *used = Instant::now();
        Arc::clone(seat)
    }

    /// Lets go of what was not used for long.
    pub(super) fn sweep(&self) {
        lock(&self.one).retain(|_, kept| {
            kept.retain(|(sender, since)| since.elapsed() <= IDLE && !sender.is_closed());
            !kept.is_empty()
        });
        lock(&self.two).retain(|_, (seat, used)| {
            // Somebody who has it, or waits for it, uses it.
            used.elapsed() <= IDLE || Arc::strong_count(seat) > 1
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
