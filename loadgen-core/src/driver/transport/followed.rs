//! A list of addresses as those of a worker's connections meet it that are opened when they are needed.
//!
//! Owns whose turn it is, and what is told of who came and went. Nobody is woken when the list changes: who is
//! about to ask something looks first, which costs next to nothing where nothing has.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connect_error::Problem;
use super::listing::{Known, Listed, Listing};
use super::traffic::Traffic;
use crate::workload::{Observer, TargetIndex};

/// A list of addresses as a worker meets it.
pub(super) struct Followed {
    target: TargetIndex,
    listing: Listing,
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
        observer: &Rc<dyn Observer>,
    ) -> Self {
        Self {
            target,
            listing: listing.clone(),
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
        if self.known.get().is_none() {
            let list = self.listing.first(limit).await;
            let known = list.and_then(|_| self.listing.follow());
            let mut known = known.map_err(Problem::Unlisted)?;
            known.mark_changed();
            // Whoever else waited for it may have been first.
            let _ = self.known.set(RefCell::new(known));
        }
        self.look();
        let now = self.now.borrow();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        match now.get(turn % now.len().max(1)) {
            Some(listed) => Ok((listed.clone(), turn / now.len())),
            None => Err(Problem::Unlisted("there is no address in it".to_owned())),
        }
    }

    /// Takes the list, if it has changed.
    #[inline]
    fn look(&self) {
        let Some(known) = self.known.get() else {
            return;
        };
        if matches!(known.borrow().has_changed(), Ok(true)) {
            let list = known.borrow_mut().borrow_and_update().list.clone();
            self.meet(&list.unwrap_or_default());
        }
    }

    #[cold]
    fn meet(&self, list: &Arc<[Listed]>) {
        let before = self.now.replace(Arc::clone(list));
        let tell = |these: &[Listed], those: &[Listed], is_listed| {
            for listed in these.iter().filter(|it| !those.contains(it)) {
                let address = listed.to_string();
                self.observer.listed(self.target, &address, is_listed);
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
