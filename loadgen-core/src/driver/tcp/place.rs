//! A user's place for its connection: from one that was lost to the next.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::connection::{Connection, Settled};
use super::pool::Pool;
use super::prepare::Exchange;
use crate::clock::{Nanos, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::driver::transport::endpoints::Assigned;
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, Iteration, MessageFault, UserId};

/// A connection that lasted longer than this was a good one: the back-off starts over.
const STEADY: Duration = Duration::from_secs(1);

/// A user's place for its connection.
#[derive(Debug)]
pub struct UserConnection {
    user: UserId,
    pub(super) to: Assigned,
    /// How often targets had been switched when that was seen.
    switched: u64,
    /// Not there when it is lost, or not needed yet.
    pub(super) connection: Option<Box<Connection>>,
    backoff: Backoff,
    /// When the next attempt may be made.
    retry_at: Nanos,
    /// Whether the last one was dropped, and none has taken its place.
    was_dropped: bool,
    /// An attempt that failed and that no iteration has been told of.
    untold: Option<(Nanos, String)>,
}

impl UserConnection {
    /// A user's, without a connection.
    pub(super) fn new(pool: &Pool, user: UserId) -> Self {
        Self {
            user,
            switched: pool.switches.changes(),
            to: pool.assign(user),
            connection: None,
            backoff: Backoff::new(pool.seed ^ (u64::from(user.0) << 16)),
            retry_at: 0,
            was_dropped: false,
            untold: None,
        }
    }

    /// A user's, opened ahead where it is kept. A failure waits for the iteration that needs it.
    pub(super) async fn of(pool: &Pool, user: UserId, ahead: bool) -> Self {
        let mut place = Self::new(pool, user);
        place.connection = pool.take_probed(user);
        if ahead
            && place.connection.is_none()
            && let Err(detail) = Box::pin(place.attempt(pool)).await
        {
            place.untold = Some((pool.clock.now(), detail));
        }
        place
    }

    /// Has a connection there for a step. One that sends gets none that has ended meanwhile; one that only
    /// receives may be there for that end.
    ///
    /// # Errors
    /// Why none could be opened.
    #[inline]
    pub(super) async fn ready(
        &mut self,
        exchange: &Exchange,
        pool: &Pool,
        iteration: &Iteration<'_>,
    ) -> Result<(), (Failure, String)> {
        if let Some(connection) = &mut self.connection {
            if exchange.outgoing.is_none() {
                return Ok(());
            }
            // Nothing that has come before it is sent can be the answer to it.
            let answers = exchange.frame.is_some();
            match poll_fn(|cx| Poll::Ready(connection.settle(answers, cx))).await {
                Settled::Clear => return Ok(()),
                Settled::LetGo => {
                    let fault = MessageFault::Unexpected;
                    iteration.message_fault(exchange.number, fault, 1);
                    return Ok(());
                }
                Settled::Ended => self.lost(pool),
            }
        }
        self.open(pool, iteration)
            .await
            .map_err(|detail| (Failure::Connect, detail))
    }

    async fn open(&mut self, pool: &Pool, iteration: &Iteration<'_>) -> Result<(), String> {
        // An attempt within the same iteration was this one's.
        if let Some((at, detail)) = self.untold.take()
            && at >= iteration.started()
        {
            return Err(detail);
        }
        // Boxed, or every iteration would carry room for what is needed once.
        Box::pin(async {
            let wait = self.retry_at.saturating_sub(pool.clock.now());
            if wait > 0 {
                // Resting before an attempt is our own choice, and nobody's latency.
                let until = Cell::new(Nanos::MAX);
                let rest = iteration.back_off(&until);
                tokio::time::sleep(Duration::from_nanos(wait)).await;
                drop(rest);
            }
            self.attempt(pool).await
        })
        .await
    }

    async fn attempt(&mut self, pool: &Pool) -> Result<(), String> {
        // Put off the next one now rather than when this one has failed: it may be cut off.
        self.put_off(pool);
        match pool.open(self.to, self.was_dropped).await {
            Ok(connection) => {
                self.was_dropped = false;
                self.connection = Some(connection);
                // That it could be opened is all there is to say of one that is to be used once.
                self.retry_at = 0;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The connection did what it is for: the back-off starts over.
    #[inline]
    pub(super) fn worked(&mut self) {
        self.backoff.reset();
        self.retry_at = 0;
    }

    /// Puts off the next attempt.
    fn put_off(&mut self, pool: &Pool) {
        let wait = nanos(self.backoff.next());
        self.retry_at = pool.clock.now().saturating_add(wait);
    }

    /// Takes note that the connection has ended without our asking.
    pub(super) fn lost(&mut self, pool: &Pool) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        connection.report(&*pool.observer);
        pool.observer
            .connection(self.to.target, ConnectionEvent::Dropped);
        pool.lists.lost_a_connection(self.to.target);
        self.was_dropped = true;
        if pool.clock.now().saturating_sub(connection.since) > nanos(STEADY) {
            self.backoff.reset();
        }
        self.put_off(pool);
    }

    /// Ends the connection in good order where it goes to an address that is on its list no longer, or to a target
    /// that the user's iterations go to no longer.
    #[inline]
    pub(super) async fn leave_who_is_gone(&mut self, pool: &Pool) {
        let switched = pool.switches.changes();
        if switched != self.switched {
            self.switched = switched;
            let to = pool.assign(self.user);
            if to != self.to {
                Box::pin(self.close(pool)).await;
                *self = Self::new(pool, self.user);
            }
        }
        let connection = self.connection.as_ref();
        if connection.is_some_and(|it| pool.lists.is_gone(self.to.target, it.traffic())) {
            // Boxed, or every iteration would carry room for it.
            Box::pin(self.close(pool)).await;
        }
    }

    /// Ends the connection without a word, where there is one.
    pub(super) fn abandon(&mut self, pool: &Pool) {
        if let Some(connection) = self.connection.take() {
            connection.report(&*pool.observer);
        }
    }

    /// Ends the connection in good order, where there is one.
    pub(super) async fn close(&mut self, pool: &Pool) {
        if let Some(connection) = self.connection.take() {
            connection.close(&*pool.observer).await;
        }
    }
}
