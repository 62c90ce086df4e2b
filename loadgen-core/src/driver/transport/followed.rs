//! A list of addresses as those of a worker's connections meet it that are opened when they are needed.
//!
//! Owns whose turn it is, and what is told of who came and went. Nobody is woken when the list changes: who is
//! about to ask something looks first, which costs next to nothing where nothing has, and who asks how things
//! stand looks too.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connect_error::Problem;
use super::listing::{Known, Listed, Listing};
use super::traffic::Traffic;
use crate::clock::{Clock, Moment};
use crate::workload::{Observer, TargetIndex};

/// A list of addresses as a worker meets it.
pub(super) struct Followed {
    target: TargetIndex,
    listing: Listing,
    clock: Clock,
    observer: Rc<dyn Observer>,
    known: OnceCell<RefCell<watch::Receiver<Known>>>,
    now: RefCell<Arc<[Listed]>>,
    /// How often it has changed.
    changes: Cell<u64>,
    turn: Cell<usize>,
}

impl Followed {
    /// Workers begin at different addresses.
    pub(super) fn new(
        target: TargetIndex,
        listing: &Listing,
        worker: usize,
        clock: Clock,
        observer: &Rc<dyn Observer>,
    ) -> Self {
        Self {
            target,
            listing: listing.clone(),
            clock,
            observer: Rc::clone(observer),
            known: OnceCell::new(),
            now: RefCell::new(Arc::default()),
            changes: Cell::new(0),
            turn: Cell::new(worker),
        }
    }

    /// The address whose turn it is, and how often it had its turn before.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn next(&self, limit: Duration) -> Result<(Listed, usize), Problem> {
        self.know(limit).await?;
        let now = self.now.borrow();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        match now.get(turn % now.len().max(1)) {
            Some(listed) => Ok((listed.clone(), turn / now.len())),
            None => Err(Problem::Unlisted("there is no address in it".to_owned())),
        }
    }

    /// Waits until the list is known, and takes it.
    ///
    /// # Errors
    /// Why it is not known within the time.
    pub(super) async fn know(&self, limit: Duration) -> Result<(), Problem> {
        if self.known.get().is_none() {
            let list = self.listing.first(limit).await;
            let known = list.and_then(|_| self.listing.follow());
            let mut known = known.map_err(Problem::Unlisted)?;
            known.mark_changed();
            // Whoever else waited for it may have been first.
            let _ = self.known.set(RefCell::new(known));
        }
        self.look();
        Ok(())
    }

    /// Takes the list, if it has changed.
    #[inline]
    pub(super) fn look(&self) {
        let Some(known) = self.known.get() else {
            return;
        };
        if matches!(known.borrow().has_changed(), Ok(true)) {
            let now = known.borrow_mut().borrow_and_update().clone();
            self.meet(&now.list.unwrap_or_default(), now.since);
        }
    }

    #[cold]
    fn meet(&self, list: &Arc<[Listed]>, since: Moment) {
        let at = self.clock.at(since);
        let before = self.now.replace(Arc::clone(list));
        let tell = |these: &[Listed], those: &[Listed], is_listed| {
            for listed in these.iter().filter(|it| !those.contains(it)) {
                let address = listed.to_string();
                self.observer.listed(self.target, &address, is_listed, at);
            }
        };
        tell(list, &before, true);
        tell(&before, list, false);
        self.changes.set(self.changes.get() + 1);
    }

    /// Whether a connection goes to somebody who is on the list no longer.
    #[inline]
    pub(super) fn is_gone(&self, connection: &Traffic) -> bool {
        self.look();
        let is_there = |address: &str| {
            let now = self.now.borrow();
            now.iter().any(|it| it.to_string() == address)
        };
        !connection.is_to_any(self.changes.get(), is_there)
    }

    /// A connection has ended, and not by our doing: the list may have changed.
    pub(super) fn lost_a_connection(&self) {
        self.listing.ask_soon();
    }
}
