//! What is heard before measuring begins.

use super::recorder::Recorder;
use crate::clock::Nanos;
use crate::outcome::Failure;
use crate::workload::{
    AddressIndex, BackendIndex, ConnectionEvent, ConnectionId, Counter, Gauge, KeyIndex,
    MessageFault, Observer, Opened, SampleKind, StepSample, StreamEvent, TargetIndex, Timing,
};

/// An observer for the warm-up: passes on who is at the other end of connections and users' streams, which go on, and records
/// nothing.
#[derive(Debug)]
pub(crate) struct Muted<'a>(pub(crate) &'a Recorder);

impl Observer for Muted<'_> {
    fn step(&self, _: StepSample) {}
    fn sample(&self, _: usize, _: SampleKind, _: Nanos) {}
    fn messages(&self, _: usize, _: Option<BackendIndex>, _: u64, _: u64) {}
    fn stream(&self, _: Option<BackendIndex>, _: StreamEvent) {}
    fn serves(&self, opened: Opened) {
        self.0.served(opened, None);
    }
    fn key(&self, key: &str) -> Option<KeyIndex> {
        self.0.key_of(key)
    }
    fn message_fault(&self, _: usize, _: MessageFault, _: u64) {}
    fn backend(&self, identity: &[u8], connection: Option<ConnectionId>) -> BackendIndex {
        self.0.backend(identity, connection)
    }
    fn explain(&self, _: Option<usize>, _: Failure, _: &mut dyn FnMut() -> String) {}
    fn check(&self, _: usize, _: usize, _: bool, _: &mut dyn FnMut() -> String) {}
    fn connection(&self, _: TargetIndex, _: ConnectionEvent) {}
    fn connected(&self, target: TargetIndex, address: &str) -> Option<AddressIndex> {
        self.0.connected(target, address)
    }
    fn backed_off(&self, _: Nanos) {}
    fn rests(&self, _: bool) {}
    fn bytes(&self, _: u64, _: u64) {}
    fn count(&self, _: Counter, _: u64) {}
    fn gauge(&self, _: Gauge, _: f64) {}
    fn timing(&self, _: Timing, _: Nanos) {}
}
