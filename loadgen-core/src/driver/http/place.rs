//! What a user has of its own between requests: its cookies, and where it sends them.

use std::cell::RefCell;
use std::rc::Rc;

use super::own::Own;
use super::pool::Pool;
use crate::driver::http2;
use crate::driver::web::cookies::Jar;
use crate::scenario::ConnectionPer;
use crate::workload::UserId;

/// What a user has of its own.
pub(super) struct Place {
    /// The cookies, where they are kept.
    pub(super) jar: Option<RefCell<Jar>>,
    pub(super) way: Way,
}

/// Where a user's requests go.
pub(super) enum Way {
    /// HTTP/1.1: over a connection of its own.
    Own(Own),
    /// HTTP/2: over one of the worker's, whose turn it was when the iteration began.
    Shared(Rc<http2::Place>),
}

impl Place {
    pub(super) fn new(pool: &Pool, user: UserId) -> Self {
        let mut place = Self::empty(pool, user);
        if let Way::Own(own) = &mut place.way {
            own.take_probed(pool, user);
        }
        place
    }

    /// One without a connection of its own: that which was opened to see whether it can be is somebody
    /// else's.
    pub(super) fn empty(pool: &Pool, user: UserId) -> Self {
        Self {
            jar: pool.prepared.cookies.then(RefCell::default),
            way: match &pool.shared {
                None => Way::Own(Own::new(pool, user)),
                Some(shared) => {
                    shared.ensure_kept();
                    Way::Shared(shared.place_for_next_iteration())
                }
            },
        }
    }

    /// Which of the scenario's targets it goes to.
    #[inline]
    pub(super) fn target(&self) -> usize {
        match &self.way {
            Way::Own(own) => own.target,
            Way::Shared(place) => place.target,
        }
    }

    /// Opens the user's connection ahead of its use, where it keeps one.
    pub(super) async fn open_ahead(&mut self, pool: &Pool) {
        if let Way::Own(own) = &mut self.way
            && pool.prepared.connection_per == ConnectionPer::User
        {
            Box::pin(own.open_ahead(pool)).await;
        }
    }

    /// An iteration begins.
    #[inline]
    pub(super) fn begin(&mut self, pool: &Pool, is_first: bool) {
        if let Way::Own(own) = &mut self.way {
            own.aim(pool);
        }
        match (&mut self.way, &pool.shared) {
            (Way::Shared(place), Some(shared)) => {
                *place = shared.place_for_next_iteration();
            }
            // Of an iteration that was cut off.
            _ if !is_first => self.end(pool),
            _ => {}
        }
    }

    /// An iteration is over.
    #[inline]
    pub(super) fn end(&mut self, pool: &Pool) {
        if pool.prepared.connection_per == ConnectionPer::Iteration {
            self.close(pool);
        }
    }

    /// Ends the user's own connection.
    pub(super) fn close(&mut self, pool: &Pool) {
        if let Way::Own(own) = &mut self.way {
            own.close(pool);
        }
    }
}
