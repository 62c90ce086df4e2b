//! What one bucket of the timeline has, as one event sees it.

use crate::record::TimelineCell;

/// Whose requests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the servers that the event took away.
    Away,
    Others,
    /// Of no server that is known.
    Nobodys,
}

/// What one bucket has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// Requests with this due time.
    pub(super) due: u64,
    /// Of these, those that have ended and are the server's own.
    pub(super) own: u64,
    /// Those that were given to it while it was away, if it was: all, those that never ended included; of one
    /// that is dead and due just before its return only what was not ok: what is late is given after that.
    pub(super) given: u64,
    /// Failures, and what never ended, of nobody known: it may have been given to the server.
    pub(super) nobodys: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    /// What never ended and was given to the server, or may have been.
    pub(super) never_ended: u64,
    /// What ended in it, ok.
    pub(super) ended_ok: u64,
    pub(super) ended_failed: u64,
    /// What failed in it and is of nobody known.
    pub(super) nobodys_ended: u64,
    /// What the server answered in it, ok.
    pub(super) answered: u64,
}

impl Bucket {
    /// Adds what somebody had in it.
    pub(super) fn add(&mut self, whose: Whose, is_dead: bool, cell: TimelineCell) {
        let TimelineCell {
            due,
            due_failed,
            due_slow,
            interrupted,
            ended_ok,
            ended_failed,
            due_unsent,
            ended_unsent,
        } = cell;
        self.due += due + interrupted;
        self.failed += due_failed;
        self.slow += due_slow;
        self.ended_ok += ended_ok;
        self.ended_failed += ended_failed;
        match whose {
            Whose::Away => {
                self.own += due;
                self.given += interrupted + if is_dead { due_failed } else { due };
                self.never_ended += interrupted;
                self.answered += ended_ok;
            }
            // A dead server puts its name to nothing.
            Whose::Nobodys => {
                // What was not sent was given to nobody.
                self.nobodys_ended += ended_failed.saturating_sub(ended_unsent);
                self.nobodys += (due_failed + interrupted).saturating_sub(due_unsent);
                self.never_ended += interrupted;
            }
            Whose::Others => {}
        }
    }

    pub(super) fn bad(&self) -> u64 {
        self.failed + self.slow + self.never_ended
    }
}
