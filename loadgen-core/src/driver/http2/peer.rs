//! Whom connections go to.
//!
//! Owns what is known of one of those that a scenario's requests are divided among: a target as it is
//! written, or one of the addresses that a target stands for. All connections of a worker that go to it
//! have it in common, so what is to hold for all of them belongs here.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::standing::Standing;

use crate::driver::transport::listing::{Listed, Listing};
use crate::driver::transport::net::Endpoint;

/// Whom connections go to. See the module's header.
pub(crate) struct Peer {
    /// Which of the scenario's targets it is of.
    pub(crate) target: usize,
    /// What is connected to.
    pub(super) endpoint: Endpoint,
    /// Where it stands, if it is on a list.
    pub(super) entry: Option<Entry>,
    /// How it stands, once somebody asked whose choice depends on that.
    pub(super) standing: OnceCell<Arc<Standing>>,
}

/// An address's place on a list.
pub(super) struct Entry {
    pub(super) listed: Listed,
    listing: Listing,
}

impl Peer {
    pub(super) fn new(target: usize, endpoint: Endpoint) -> Rc<Self> {
        Rc::new(Self {
            target,
            endpoint,
            entry: None,
            standing: OnceCell::new(),
        })
    }

    /// One of the addresses of this endpoint's list.
    pub(super) fn on_list(
        target: usize,
        endpoint: &Endpoint,
        listing: &Listing,
        listed: &Listed,
    ) -> Rc<Self> {
        let entry = Entry {
            listed: listed.clone(),
            listing: listing.clone(),
        };
        Rc::new(Self {
            target,
            endpoint: endpoint.at(listed),
            entry: Some(entry),
            standing: OnceCell::new(),
        })
    }

    /// Whether there is somebody to connect to: a list of addresses is nobody.
    pub(super) fn is_somebody(&self) -> bool {
        self.endpoint.listing().is_none()
    }

    /// A connection to it has ended, and not by our doing: its list may have changed.
    pub(super) fn lost_a_connection(&self) {
        if let Some(entry) = &self.entry {
            entry.listing.ask_soon();
        }
    }
}
