//! What is heard before measuring begins.

use crate::clock::Nanos;
use crate::outcome::Failure;
use crate::workload::{
    BackendIndex, ConnectionEvent, Counter, Gauge, MessageFault, Observer, SampleKind, StepSample,
    StreamEvent, TargetIndex, Timing,
};

/// An observer for the warm-up: passes on what must be told apart, records nothing.
#[derive(Debug)]
pub(crate) struct Muted;

impl Observer for Muted {
    fn step(&self, _: StepSample) {}
    fn sample(&self, _: usize, _: SampleKind, _: Nanos) {}
    fn messages(&self, _: usize, _: Option<BackendIndex>, _: u64, _: u64) {}
    fn stream(&self, _: Option<BackendIndex>, _: StreamEvent) {}
    fn message_fault(&self, _: usize, _: MessageFault, _: u64) {}
    fn backend(&self, _: &[u8]) -> BackendIndex {
        0
    }
    fn explain(&self, _: Option<usize>, _: Failure, _: &mut dyn FnMut() -> String) {}
    fn check(&self, _: usize, _: usize, _: bool, _: &mut dyn FnMut() -> String) {}
    fn connection(&self, _: TargetIndex, _: ConnectionEvent) {}
    fn backed_off(&self, _: Nanos) {}
    fn rests(&self, _: bool) {}
    fn bytes(&self, _: u64, _: u64) {}
    fn count(&self, _: Counter, _: u64) {}
    fn gauge(&self, _: Gauge, _: f64) {}
    fn timing(&self, _: Timing, _: Nanos) {}
}
