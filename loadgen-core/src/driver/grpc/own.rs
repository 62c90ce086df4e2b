//! The connections of a worker's users: those that they share, or one of each user's own.

use std::fmt;
use std::rc::Rc;

use super::prepare::Prepared;
use super::reopening::Reopening;
use crate::clock::Nanos;
use crate::driver::http2::{Choice, Chosen, OwnConnection, Owners, Place, Pool, Wanted};
use crate::driver::transport::probe::Rounds;
use crate::scenario::{Codec, ConnectionPer};
use crate::workload::{Levels, PrepareError, UserId, WorkerContext};

/// The connections of a worker's users.
pub(super) enum Connections {
    /// Users take turns on them.
    Shared(Pool),
    /// Each user has one, for so long.
    Own(Box<Owners>, ConnectionPer),
}

/// What a user has of its own: a connection, where it does not share some.
pub struct UserConnection {
    own: Option<Box<OwnConnection>>,
    /// Whose it is; nobody's before there are users.
    user: Option<UserId>,
    /// How often targets had been switched when it was seen where it goes.
    switched: u64,
    /// Where it has streams that are to last.
    pub(super) reopening: Option<Box<Reopening>>,
}

impl fmt::Debug for UserConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConnection").finish_non_exhaustive()
    }
}

impl UserConnection {
    fn of(own: Option<OwnConnection>) -> Self {
        Self {
            own: own.map(Box::new),
            user: None,
            switched: 0,
            reopening: None,
        }
    }

    /// Ends it, where there is one; the next is opened when it is needed.
    pub(super) fn hang_up(&self) {
        if let Some(own) = &self.own {
            own.hang_up();
        }
    }

    /// Ends it in good order, where there is one.
    pub(super) async fn close(self) {
        if let Some(own) = self.own {
            own.close().await;
        }
    }
}

impl Connections {
    pub(super) fn new(prepared: &Prepared, codec: Codec, context: &WorkerContext) -> Self {
        let endpoints = &prepared.endpoints;
        let wanted = &Wanted {
            codec,
            ..prepared.wanted.clone()
        };
        match prepared.connection_per {
            None => Self::Shared(Pool::new(endpoints, wanted, context)),
            Some(per) => Self::Own(Box::new(Owners::new(endpoints, wanted, context)), per),
        }
    }

    /// Opens those that are shared, or sees whether there is somebody to connect to.
    pub(super) async fn open(&self) -> Result<(), PrepareError> {
        match self {
            Self::Shared(pool) => pool.open(Rounds::begin()).await,
            Self::Own(owners, _) => owners.probe().await,
        }
    }

    /// Whether users keep theirs from one part of their lives to the next.
    pub(super) fn are_kept(&self) -> bool {
        !matches!(self, Self::Own(_, ConnectionPer::Iteration))
    }

    /// One for what is done before there are users.
    pub(super) fn of_nobody(&self) -> UserConnection {
        match self {
            Self::Shared(_) => UserConnection::of(None),
            Self::Own(owners, _) => UserConnection::of(Some(owners.connection_of_nobody())),
        }
    }

    /// A user's own, which is opened when it is needed.
    pub(super) fn of(&self, user: UserId) -> UserConnection {
        match self {
            Self::Shared(pool) => {
                pool.ensure_kept();
                UserConnection::of(None)
            }
            Self::Own(owners, _) => UserConnection {
                user: Some(user),
                ..UserConnection::of(Some(owners.connection(user)))
            },
        }
    }

    /// A user's own, opened ahead where it is kept. One that cannot be opened is tried again by the
    /// iteration that needs it, whose failure it then is.
    pub(super) async fn of_opened(&self, user: UserId) -> UserConnection {
        let mut own = self.of(user);
        if self.are_kept()
            && let Some(own) = &mut own.own
        {
            // Told to whoever needs it.
            let _ = Box::pin(own.open()).await;
        }
        own
    }

    /// Parts in good order with a connection to a target that the user's iterations go to no longer.
    #[inline]
    pub(super) fn aim(&self, own: &mut UserConnection) {
        let Self::Own(owners, _) = self else { return };
        let switched = owners.switched();
        if switched == own.switched {
            return;
        }
        own.switched = switched;
        if let (Some(user), Some(connection)) = (own.user, &mut own.own)
            && let Some(other) = owners.elsewhere(user, connection)
        {
            let before = std::mem::replace(&mut **connection, other);
            // Its good-bye is no part of what is measured.
            tokio::task::spawn_local(before.close());
        }
    }

    /// Where what a user does next goes.
    #[inline]
    pub(super) fn place(&self, own: &mut UserConnection) -> Rc<Place> {
        match (self, &mut own.own) {
            (Self::Shared(pool), _) => pool.place_for_next_iteration(),
            (Self::Own(..), Some(own)) => Rc::clone(own.place()),
            (Self::Own(..), None) => unreachable!("each user has a connection"),
        }
    }

    /// Where something goes that could not be done where it went first; `None` is to the same connection, which
    /// is the user's own.
    pub(super) fn another(&self) -> Option<Rc<Place>> {
        match self {
            Self::Shared(pool) => Some(pool.place_for_next_iteration()),
            Self::Own(..) => None,
        }
    }

    /// Where something goes by a choice; `None` where no target takes it. Users that have connections of their own
    /// have none.
    pub(super) fn choose(&self, choice: &Choice, now: Nanos) -> Option<Chosen> {
        match self {
            Self::Shared(pool) => pool.choose(choice, now),
            Self::Own(..) => None,
        }
    }

    pub(super) fn levels(&self) -> Levels {
        match self {
            Self::Shared(pool) => pool.levels(),
            Self::Own(owners, _) => owners.levels(),
        }
    }
}
