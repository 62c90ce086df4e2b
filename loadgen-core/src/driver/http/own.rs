//! A user's own connection: from one that has ended to the next.

use std::cell::Cell;
use std::time::Duration;

use super::connection::Connection;
use super::pool::Pool;
use crate::clock::{Nanos, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::workload::{ConnectionEvent, Iteration, UserId};

/// A user's connection, or the place for one.
pub(super) struct Own {
    user: UserId,
    /// How often targets had been switched when it was seen which of them it goes to.
    switched: u64,
    /// Which of the scenario's targets it goes to.
    pub(super) target: usize,
    nth: usize,
    /// Not there while a step uses it, and when it has ended.
    connection: Option<Box<Connection>>,
    backoff: Backoff,
    /// When the next attempt may be made.
    retry_at: Nanos,
    /// Whether the last one was dropped, and none has taken its place.
    was_dropped: bool,
    /// An attempt that failed and that no iteration has been told of.
    untold: Option<(Nanos, String)>,
}

impl Own {
    pub(super) fn new(pool: &Pool, user: UserId) -> Self {
        let to = pool.assign(user);
        Self {
            user,
            switched: pool.switched(),
            target: to.target,
            nth: to.nth,
            connection: None,
            backoff: Backoff::new(pool.seed ^ (u64::from(user.0) << 16)),
            retry_at: 0,
            was_dropped: false,
            untold: None,
        }
    }

    /// Goes on to another target where the user's requests go to this one no longer.
    #[inline]
    pub(super) fn aim(&mut self, pool: &Pool) {
        let switched = pool.switched();
        if switched == self.switched {
            return;
        }
        self.switched = switched;
        if pool.assign(self.user).target != self.target {
            self.close(pool);
            *self = Self::new(pool, self.user);
        }
    }

    /// Takes the connection that was opened to see whether it can be, where it is for this user.
    pub(super) fn take_probed(&mut self, pool: &Pool, user: UserId) {
        self.connection = pool.take_probed(user);
    }

    /// Opens the connection ahead of its use. A failure waits for the iteration that needs it.
    pub(super) async fn open_ahead(&mut self, pool: &Pool) {
        if self.connection.is_some() {
            return;
        }
        match self.attempt(pool).await {
            Ok(connection) => self.connection = Some(connection),
            Err(detail) => self.untold = Some((pool.clock.now(), detail)),
        }
    }

    /// The connection for a request: the one that is open, or a new one.
    #[inline]
    pub(super) async fn take(
        &mut self,
        pool: &Pool,
        iteration: &Iteration<'_>,
    ) -> Result<Box<Connection>, String> {
        if let Some(mut connection) = self.connection.take() {
            if pool.lists.is_gone(self.target, &connection.traffic) {
                // Between two requests HTTP/1.1 knows no other good-bye.
                let (sent, received) = connection.traffic.take();
                pool.observer.bytes(sent, received);
            } else if connection.is_open() {
                return Ok(connection);
            } else {
                // It ended while the user rested.
                self.lost(pool, &connection);
            }
        }
        // Boxed, or every iteration would carry room for what is needed once.
        Box::pin(self.take_new(pool, iteration)).await
    }

    async fn take_new(
        &mut self,
        pool: &Pool,
        iteration: &Iteration<'_>,
    ) -> Result<Box<Connection>, String> {
        // An attempt within the same iteration was this one's.
        if let Some((at, detail)) = self.untold.take()
            && at >= iteration.started()
        {
            return Err(detail);
        }
        let wait = self.retry_at.saturating_sub(pool.clock.now());
        if wait > 0 {
            // Resting before an attempt is our own choice, and nobody's latency.
            let until = Cell::new(Nanos::MAX);
            let rest = iteration.back_off(&until);
            tokio::time::sleep(Duration::from_nanos(wait)).await;
            drop(rest);
        }
        self.attempt(pool).await
    }

    async fn attempt(&mut self, pool: &Pool) -> Result<Box<Connection>, String> {
        // Put off the next one now rather than when this one has failed: it may be cut off.
        self.put_off(pool);
        let opened = pool.open(self.target, self.nth, self.was_dropped).await;
        if opened.is_ok() {
            self.was_dropped = false;
            // Whatever becomes of the request, the server is there: that it answers late or not at all
            // is no reason to rest.
            self.retry_at = 0;
        }
        opened.map_err(|error| error.to_string())
    }

    fn put_off(&mut self, pool: &Pool) {
        let wait = nanos(self.backoff.next());
        self.retry_at = pool.clock.now().saturating_add(wait);
    }

    /// A request was answered: the back-off starts over.
    #[inline]
    pub(super) fn worked(&mut self) {
        self.backoff.reset();
        self.retry_at = 0;
    }

    /// The connection is free for the next request.
    #[inline]
    pub(super) fn put_back(&mut self, connection: Box<Connection>) {
        self.connection = Some(connection);
    }

    /// Takes note that a connection has ended without our asking, and without saying so.
    pub(super) fn lost(&mut self, pool: &Pool, connection: &Connection) {
        let (sent, received) = connection.traffic.take();
        pool.observer.bytes(sent, received);
        pool.observer
            .connection(self.target, ConnectionEvent::Dropped);
        pool.lists.lost_a_connection(self.target);
        self.was_dropped = true;
        if connection.answered > 0 {
            // Servers end connections on which nothing comes for a while.
            self.worked();
        } else {
            self.put_off(pool);
        }
    }

    /// Ends the connection, unless the server has done so before.
    pub(super) fn close(&mut self, pool: &Pool) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match connection.is_open() {
            true => {
                let (sent, received) = connection.traffic.take();
                pool.observer.bytes(sent, received);
            }
            false => self.lost(pool, &connection),
        }
    }
}
