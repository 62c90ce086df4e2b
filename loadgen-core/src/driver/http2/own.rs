//! Connections each of which is one user's own.
//!
//! Owns what such connections of one worker have in common, and which of them are there. How one is kept is
//! the keeper's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::keeper::{self, First, InCommon, Opener};
use super::peers::{Following, Peers};
use super::place::Place;
use super::pool::{self, Wanted};
use super::problem::ConnectError;
use crate::clock::Moment;
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::listing::Listed;
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::probe;
use crate::workload::{Levels, PrepareError, UserId, WorkerContext};

/// How long the good-bye to a server may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// What the connections of one worker's users have in common, each of whom has its own.
pub(crate) struct Owners {
    wanted: Wanted,
    context: WorkerContext,
    peers: Rc<Peers>,
    common: Rc<InCommon>,
    /// The user whose connection [`Self::probe`] opens, because it will need one anyway.
    first_user: UserId,
    probed: RefCell<Option<OwnConnection>>,
    open_connections: Rc<Cell<u64>>,
    /// Of each user that has one, by its number.
    places: Rc<RefCell<HashMap<u32, Weak<Place>>>>,
    /// Whoever follows lists of addresses.
    following: RefCell<Option<Following>>,
}

impl Owners {
    /// Those to these endpoints, of which there is one at least.
    pub(crate) fn new(endpoints: &[Endpoint], wanted: &Wanted, context: &WorkerContext) -> Self {
        let peers = Rc::new(Peers::of(endpoints, context));
        Self {
            wanted: wanted.clone(),
            context: context.clone(),
            peers: Rc::clone(&peers),
            common: Rc::new(InCommon {
                dialer: Dialer::new(context.clock, endpoints.len()),
                peers: Rc::clone(&peers),
                cap: wanted.connect_cap.clone(),
            }),
            first_user: UserId(u32::try_from(context.worker).unwrap_or(0)),
            probed: RefCell::new(None),
            open_connections: Rc::default(),
            places: Rc::default(),
            following: RefCell::new(None),
        }
    }

    /// Sees whether some target takes a connection. The one that the first user would open anyway is
    /// tried first, and kept for it.
    pub(crate) async fn probe(&self) -> Result<(), PrepareError> {
        self.follow();
        let known = self.peers.know(self.wanted.connect_timeout).await;
        known.map_err(|error| PrepareError::new(error.to_string()))?;
        let targets = self.peers.targets();
        let to = self.aim(self.first_user);
        let opened = probe::first_to_take(to.target, targets, async |target| {
            let to = Assigned { target, ..to };
            let mut connection = self.connection_to(Some(self.first_user), to);
            connection.open().await.map(|()| connection)
        });
        let (target, connection) = opened.await?;
        if target == to.target {
            self.probed.replace(Some(connection));
        } else {
            connection.close().await;
        }
        Ok(())
    }

    fn aim(&self, user: UserId) -> Assigned {
        let switches = &self.context.switches;
        endpoints::aim(user.0 as usize, self.peers.targets(), switches)
    }

    /// How often targets were switched on or off.
    #[inline]
    pub(crate) fn switched(&self) -> u64 {
        self.context.switches.changes()
    }

    /// The connection that a user has in the place of its own, where it goes to another target by now.
    pub(crate) fn elsewhere(&self, user: UserId, own: &OwnConnection) -> Option<OwnConnection> {
        let to = self.aim(user);
        (to.target != own.place.target).then(|| self.connection_to(Some(user), to))
    }

    /// A user's connection, which is opened when it is needed.
    pub(crate) fn connection(&self, user: UserId) -> OwnConnection {
        if user == self.first_user
            && let Some(probed) = self.probed.take()
        {
            return probed;
        }
        self.follow();
        self.connection_to(Some(user), self.aim(user))
    }

    /// One of nobody's, to the first target.
    pub(crate) fn connection_of_nobody(&self) -> OwnConnection {
        let to = endpoints::assign(0, self.peers.targets());
        self.connection_to(None, to)
    }

    /// What stands at the moment.
    pub(crate) fn levels(&self) -> Levels {
        let mut places = self.places.borrow_mut();
        places.retain(|_, place| place.strong_count() > 0);
        let there: Vec<_> = places.values().filter_map(Weak::upgrade).collect();
        pool::levels(
            self.open_connections.get(),
            there.iter().map(|place| &**place),
        )
    }

    /// Has lists of addresses followed, where there are any, unless they are.
    fn follow(&self) {
        let mut following = self.following.borrow_mut();
        if following.is_some() {
            return;
        }
        let all = {
            let places = Rc::clone(&self.places);
            move |target: usize| {
                let there: Vec<_> = places.borrow().values().filter_map(Weak::upgrade).collect();
                there.into_iter().filter(move |it| it.target == target)
            }
        };
        let (there, peers) = (all.clone(), Rc::clone(&self.peers));
        let meet = move |target: usize, list: &[Listed], since: Moment| {
            if peers.meet(target, list, since) {
                for place in there(target).filter(|it| !peers.has(&it.peer())) {
                    let (peer, nth) = peers.next(target);
                    place.moves_to(peer, nth);
                }
            }
        };
        let fail = move |target: usize, why: String| {
            all(target).for_each(|it| it.attempt_failed(why.clone()));
        };
        following.replace(self.peers.follow(meet, fail));
    }

    fn connection_to(&self, user: Option<UserId>, to: Assigned) -> OwnConnection {
        let peer = self.peers.first(to.target);
        let place = self.wanted.place(peer, to.nth, &self.context);
        let nth = user.map_or(0, |user| user.0 as usize);
        let opener = Opener {
            own: Some(Rc::clone(&self.common)),
            ..self
                .wanted
                .opener(nth, &self.open_connections, &self.context)
        };
        if let Some(user) = user {
            let mut places = self.places.borrow_mut();
            places.insert(user.0, Rc::downgrade(&place));
        }
        OwnConnection {
            place,
            opener,
            keeper: None,
        }
    }
}

/// A user's own connection, and what takes its place when it has ended: opened when it is needed. Dropping
/// it ends it without a word.
pub(crate) struct OwnConnection {
    place: Rc<Place>,
    opener: Opener,
    keeper: Option<JoinHandle<()>>,
}

impl OwnConnection {
    /// Opens it ahead of its use. One that cannot be opened is tried again, after a rest, by whoever needs
    /// it.
    pub(crate) async fn open(&mut self) -> Result<(), ConnectError> {
        if self.keeper.is_some() {
            return Ok(());
        }
        self.opener.aim(&self.place);
        let peer = self.place.peer();
        let resolving = self.opener.resolve(&peer);
        let to = (&*peer, self.place.nth());
        let opening = self.opener.open(to, resolving, false);
        match opening.await {
            Ok(opened) => {
                self.keep(First::Opened(Box::new(opened), peer));
                Ok(())
            }
            Err(error) => {
                self.place.first_attempt_failed(error.to_string());
                self.keep(First::Failed);
                Err(error)
            }
        }
    }

    /// Where its streams are had; it is opened when one is asked for.
    pub(crate) fn place(&mut self) -> &Rc<Place> {
        if self.keeper.is_none() {
            self.keep(First::None);
        }
        &self.place
    }

    /// Ends it, where it is open; what is still under way on it ends first. The next is opened when it is
    /// needed.
    pub(crate) fn hang_up(&self) {
        self.place.hang_up();
    }

    /// Ends it in good order, where it is open, and opens no other one.
    pub(crate) async fn close(mut self) {
        let is_open = self.place.is_connected();
        self.place.close();
        if is_open && let Some(keeper) = &mut self.keeper {
            // One that takes no good-bye is left at once when this is dropped.
            let _ = timeout(GOOD_BYE, keeper).await;
        }
    }

    fn keep(&mut self, first: First) {
        let keeping = keeper::keep(Rc::clone(&self.place), self.opener.clone(), first);
        self.keeper = Some(tokio::task::spawn_local(keeping));
    }
}

impl Drop for OwnConnection {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}
