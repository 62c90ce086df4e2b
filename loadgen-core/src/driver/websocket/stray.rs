//! Messages that belong to nothing that is waited for: kept, late, expected or out of the blue.

use std::task::{Context, Poll};

use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, Incoming, Lost};
use super::message::{number_in, number_of_pong};
use super::prepare::LinePlan;
use super::tally::Tally;
use crate::workload::MessageFault;

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
pub(super) fn is_late(plan: &LinePlan, connection: &mut Connection, message: &Message) -> bool {
    // Reading every message for its number would cost; mostly nothing was given up.
    connection.account.has_given_up()
        && plan.id_fields.iter().any(|field| {
            number_in(message, field).is_some_and(|number| connection.account.was_given_up(number))
        })
}

/// Finds out what a message is that belongs to nothing.
pub(super) fn classify(plan: &LinePlan, connection: &mut Connection, message: Message) -> Stray {
    if is_late(plan, connection, &message) || connection.account.pay() {
        return Stray::Fault(MessageFault::TooLate);
    }
    if plan.listens {
        return match connection.keep_waiting(message) {
            Ok(()) => Stray::Kept,
            Err(_) => Stray::LetGo(connection.let_go() + 1),
        };
    }
    if plan.tolerates {
        Stray::Expected
    } else {
        Stray::Fault(MessageFault::Unexpected)
    }
}

/// Reads what has come while nothing is waited for, at most so many messages. Says whether that was
/// all, and the task will be woken by more.
pub(super) fn read(
    plan: &LinePlan,
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
            Poll::Ready(Ok(Incoming::Pong(payload))) => {
                // Those that nothing asked for are no more than a sign of life.
                let number = number_of_pong(&payload);
                if number.is_some_and(|number| connection.account.was_given_up_ping(number)) {
                    Stray::Fault(MessageFault::TooLate).count(tally);
                }
            }
            Poll::Ready(Ok(Incoming::Message(message))) => {
                classify(plan, connection, message).count(tally);
            }
        }
    }
    Ok(false)
}
