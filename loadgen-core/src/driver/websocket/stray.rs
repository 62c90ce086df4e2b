//! Messages that belong to nothing that is waited for: kept, late, expected or out of the blue.

use std::task::{Context, Poll};

use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, Incoming, Lost};
use super::message::number_of_pong;
use super::prepare::PathPlan;
use super::tally::Tally;
use crate::workload::{MessageFault, Receipt};

/// What becomes of a message that belongs to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray {
    /// A step that listens will take it.
    Kept,
    /// It and what was kept for such a step, so many in all: more than can be kept.
    LetGo(u64),
    /// Answers that nobody waits for may come.
    Expected,
    Fault(MessageFault),
}

impl Stray {
    /// Counts it, unless that is for the step that will take it.
    pub(super) fn count(self, tally: &mut Tally) {
        let count = match self {
            Self::Kept => return,
            Self::LetGo(count) => count,
            Self::Expected | Self::Fault(_) => 1,
        };
        match self {
            Self::Kept | Self::Expected => {}
            Self::LetGo(_) => tally.fault(MessageFault::Unexpected, count),
            Self::Fault(fault) => tally.fault(fault, count),
        }
        tally.received += count;
    }
}

/// Whether a message answers one that was given up, by its number.
#[inline]
pub(super) fn is_late(plan: &PathPlan, connection: &mut Connection, message: &Message) -> bool {
    // Reading every message for its number would cost; mostly nothing was given up.
    connection.account.has_given_up()
        && plan
            .numbers_in(message)
            .any(|number| connection.account.was_given_up(number))
}

/// Finds out what a message is that belongs to nothing. `at` is when it came, where that is known well.
pub(super) fn classify(
    plan: &PathPlan,
    connection: &mut Connection,
    message: Message,
    at: Option<Receipt>,
) -> Stray {
    // Whether something is owed is asked first: mostly nothing is, and then the message is not read.
    if is_late(plan, connection, &message)
        || (!connection.account.is_clear()
            && plan.may_be_owed(&message)
            && connection.account.pay())
    {
        return Stray::Fault(MessageFault::TooLate);
    }
    if plan.is_listened_for(&message) {
        return match connection.keep_waiting(message, at) {
            Ok(()) => Stray::Kept,
            Err(_) => Stray::LetGo(connection.let_go() + 1),
        };
    }
    if plan.tolerates || plan.pushes {
        Stray::Expected
    } else {
        Stray::Fault(MessageFault::Unexpected)
    }
}

/// Counts what comes while nothing is waited for, and says what it was; `None` is a sign of life.
pub(super) fn take(
    plan: &PathPlan,
    connection: &mut Connection,
    incoming: Incoming,
    tally: &mut Tally,
) -> Option<Stray> {
    let stray = match incoming {
        Incoming::Message(message) => classify(plan, connection, message, None),
        Incoming::Pong(payload) => {
            let number = number_of_pong(&payload)?;
            let was_given_up = connection.account.was_given_up_ping(number);
            was_given_up.then_some(Stray::Fault(MessageFault::TooLate))?
        }
    };
    stray.count(tally);
    Some(stray)
}

/// Reads what has come while nothing is waited for, at most so many messages. Says whether that was
/// all, and the task will be woken by more.
pub(super) fn read(
    plan: &PathPlan,
    connection: &mut Connection,
    most: usize,
    tally: &mut Tally,
    cx: &mut Context<'_>,
) -> Result<bool, Lost> {
    for _ in 0..most {
        if connection.is_full() {
            return Ok(false);
        }
        match connection.poll_incoming(cx) {
            Poll::Pending => return Ok(true),
            Poll::Ready(Err(lost)) => return Err(lost),
            Poll::Ready(Ok(incoming)) => {
                take(plan, connection, incoming, tally);
            }
        }
    }
    Ok(false)
}
