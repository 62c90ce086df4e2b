//! Messages of a step, counted until they are reported.

use crate::workload::{BackendIndex, MessageFault, Observer};

/// Messages sent and received, and what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) received: u64,
    faults: [u64; MessageFault::ALL.len()],
}

impl Tally {
    pub(super) fn fault(&mut self, fault: MessageFault, count: u64) {
        let sum = &mut self.faults[fault as usize];
        *sum = sum.saturating_add(count);
    }

    /// Reports what was counted, on this step's account.
    pub(super) fn report(
        &self,
        step: usize,
        backend: Option<BackendIndex>,
        observer: &dyn Observer,
    ) {
        if self.sent + self.received > 0 {
            observer.messages(step, backend, self.sent, self.received);
        }
        for fault in MessageFault::ALL {
            let count = self.faults[fault as usize];
            if count > 0 {
                observer.message_fault(step, fault, count);
            }
        }
    }
}
