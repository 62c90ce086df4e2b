//! What is heard before measuring begins.

use super::recorder::Recorder;
use crate::workload::{
    AddressIndex, BackendIndex, ConnectionId, KeyIndex, Observer, Opened, TargetIndex,
};

/// An observer for the warm-up: passes on who is at the other end of connections and users' streams, which go on, and records
/// nothing.
#[derive(Debug)]
pub(crate) struct Muted<'a>(pub(crate) &'a Recorder);

impl Observer for Muted<'_> {
    fn serves(&self, opened: Opened) {
        self.0.served(opened, None);
    }
    fn key(&self, key: &str) -> Option<KeyIndex> {
        self.0.key_of(key)
    }
    fn backend(&self, identity: &[u8], connection: Option<ConnectionId>) -> BackendIndex {
        self.0.backend(identity, connection)
    }
    fn connected(&self, target: TargetIndex, address: &str) -> Option<AddressIndex> {
        self.0.connected(target, address)
    }
}
