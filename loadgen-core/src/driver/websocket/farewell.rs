//! How connections end: in good order, and not before what still comes on them is counted.
//!
//! Where whatever comes next is taken for a reply, one that was none leaves the true reply to come
//! when nobody waits for it any more. Most servers say nothing more once they have been told
//! good-bye, so such a connection is listened to for a while before that.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::sync::Notify;

use super::connection::{Connection, Incoming, Lost};
use super::pool::Pool;
use super::stray::{self, Stray};
use super::tally::Tally;
use crate::outcome::Failure;
use crate::workload::MessageFault;

/// The longest that a closing handshake may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long a connection is listened to after what was taken for its last reply.
const LISTEN_ON: Duration = Duration::from_millis(250);
/// Connections of a worker that are listened to while their users go on with others. Few, so that
/// the service has no more of them open than the scenario says.
const MOST_LINGERING: usize = 4;

/// Connections that are listened to although their users have gone on.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    count: Cell<usize>,
    one_is_over: Notify,
}

impl Lingering {
    /// Waits until there is none.
    pub(super) async fn over(&self) {
        while self.count.get() > 0 {
            self.one_is_over.notified().await;
        }
    }
}

/// One of them.
struct Stay(Rc<Lingering>);

impl Stay {
    /// `None` where there are enough.
    fn among(all: &Rc<Lingering>) -> Option<Self> {
        let count = all.count.get();
        (count < MOST_LINGERING).then(|| {
            all.count.set(count + 1);
            Self(Rc::clone(all))
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.one_is_over.notify_waiters();
    }
}

impl Pool {
    /// Ends a connection in good order while nobody waits for that.
    pub(super) fn say_good_bye(self: &Rc<Self>, mut connection: Box<Connection>) {
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let closing = pool.close(&mut connection);
            let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
        });
    }

    /// Ends the connections of an iteration that is over, and waits for that; some are listened to
    /// a while longer, and nobody waits for those.
    pub(super) async fn part_with(
        self: &Rc<Self>,
        connections: impl Iterator<Item = Box<Connection>>,
    ) {
        let closing = connections.filter_map(|connection| self.let_linger(connection));
        let closing = stream::iter(closing.map(|mut connection| async move {
            self.close(&mut connection).await;
        }));
        let closing = closing.buffer_unordered(16).for_each(|()| async {});
        let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
    }

    /// Ends the connections of a user who is done, and waits for that.
    pub(super) async fn close_all(&self, connections: impl Iterator<Item = Box<Connection>>) {
        let closing = stream::iter(connections.map(|mut connection| async move {
            if !self.may_have_guessed(&connection) || self.listen_on(&mut connection).await {
                self.close(&mut connection).await;
            }
        }));
        let closing = closing.buffer_unordered(16).for_each(|()| async {});
        let _ = tokio::time::timeout(LISTEN_ON + CLOSE_LIMIT, closing).await;
    }

    /// Gives a connection back that is not listened to.
    fn let_linger(self: &Rc<Self>, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        if !self.may_have_guessed(&connection) {
            return Some(connection);
        }
        let Some(stay) = Stay::among(&self.lingering) else {
            return Some(connection);
        };
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let _stay = stay;
            if pool.listen_on(&mut connection).await {
                let closing = pool.close(&mut connection);
                let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
            }
        });
        None
    }

    /// Whether something may have been taken for an answer on this connection that was none, and
    /// the true one would be known for what it is when it comes.
    fn may_have_guessed(&self, connection: &Connection) -> bool {
        let plan = &self.prepared.paths[connection.path];
        let account = &connection.account;
        plan.guesses && !plan.listens() && account.is_used() && account.is_clear()
    }

    /// Hears what else comes, for a while or until something does that nothing had asked for.
    /// Whether the connection is open still.
    async fn listen_on(&self, connection: &mut Connection) -> bool {
        let listening = async {
            loop {
                match self.hear(connection).await {
                    Ok(Some(Stray::Fault(MessageFault::Unexpected))) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        let is_open = tokio::time::timeout(LISTEN_ON, listening).await;
        is_open.unwrap_or(true)
    }

    /// Says good-bye, and waits until the server has answered and closed, so that it is the
    /// server's side that remembers the connection. Whoever calls this bounds it.
    async fn close(&self, connection: &mut Connection) {
        if connection.say_good_bye().await {
            loop {
                match self.hear(connection).await {
                    Ok(_) => {}
                    // The answer; what is left is that it closes.
                    Err(lost) if matches!(lost.failure, Failure::Close(_)) => {}
                    Err(_) => break,
                }
            }
        }
        connection.report(&*self.observer);
    }

    /// Waits for something to come and counts it at once: this may be cut off at any time. What a
    /// feed goes on saying, or a stream whose time is up, is nobody's any more.
    async fn hear(&self, connection: &mut Connection) -> Result<Option<Stray>, Lost> {
        let plan = &self.prepared.paths[connection.path];
        let incoming = poll_fn(|cx| connection.poll_incoming(cx)).await?;
        let goes_on = plan.listens() || connection.account.is_open_ended();
        if goes_on && matches!(incoming, Incoming::Message(_)) {
            return Ok(None);
        }
        let mut tally = Tally::default();
        let stray = stray::take(plan, connection, incoming, &mut tally);
        let server = connection.server(&*self.observer);
        tally.report(connection.step, server, &*self.observer);
        Ok(stray)
    }
}
