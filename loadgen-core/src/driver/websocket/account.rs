//! What is owed on a connection: messages that wait for their answers, and answers that nobody
//! waits for any more.
//!
//! Owns the numbers that messages carry and the memory of what was given up. Knows no socket.

use std::collections::VecDeque;

use crate::clock::Nanos;

/// Numbers of messages whose answers nobody waits for any more, at the most.
const MOST_GIVEN_UP: usize = 1024;

/// The account of one connection.
#[derive(Debug, Default)]
pub(super) struct Account {
    next_number: u64,
    /// Messages sent and not answered.
    pending: VecDeque<Pending>,
    /// How many of the last of these are not known to have left.
    unsent: usize,
    /// Messages that are still to come for iterations that were given up, and that nothing tells
    /// from others.
    owed: u64,
    /// Whether messages of a stream may go on coming whose end nobody waited for.
    is_open_ended: bool,
    given_up: GivenUp,
    given_up_pings: GivenUp,
}

/// A message that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) number: u64,
    /// When it was due, where messages have due times.
    pub(super) due: Option<Nanos>,
    /// Since when nothing but the generator kept it from leaving.
    pub(super) ready: Nanos,
    /// When it left; until that is known, when it was handed over.
    pub(super) sent_at: Nanos,
    /// Whether no other was unanswered when it was handed over.
    pub(super) was_alone: bool,
}

/// Numbers that may still come back.
#[derive(Debug, Default)]
struct GivenUp(VecDeque<u64>);

impl GivenUp {
    fn push(&mut self, number: u64) {
        if self.0.len() == MOST_GIVEN_UP {
            self.0.pop_front();
        }
        self.0.push_back(number);
    }

    fn take(&mut self, number: u64) -> bool {
        let place = self.0.iter().position(|given_up| *given_up == number);
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}

impl Account {
    /// A number that no other message on this connection has.
    #[inline]
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Whether anything was sent.
    pub(super) fn is_used(&self) -> bool {
        self.next_number > 0
    }

    /// A message was handed over to be sent, and will be answered.
    #[inline]
    pub(super) fn handed_over(&mut self, message: Pending) {
        self.pending.push_back(message);
        self.unsent += 1;
    }

    /// Whether nothing is unanswered.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// What was handed over has left. Says how late that of it was that the service waited for.
    #[inline]
    pub(super) fn left(&mut self, at: Nanos) -> Nanos {
        let mut lag = 0;
        let known = self.pending.len().saturating_sub(self.unsent);
        for message in self.pending.range_mut(known..) {
            message.sent_at = at.max(message.ready);
            if message.was_alone {
                lag += message.sent_at - message.ready;
            }
        }
        self.unsent = 0;
        lag
    }

    /// An answer came that belongs to the oldest message.
    #[inline]
    pub(super) fn answered_in_order(&mut self) -> Option<Pending> {
        self.pending.pop_front()
    }

    /// The answer to the message with this number came.
    pub(super) fn answered(&mut self, number: u64) -> Option<Pending> {
        // Numbers rise, so those that are waited for are in order.
        let place = self
            .pending
            .binary_search_by_key(&number, |message| message.number);
        self.pending.remove(place.ok()?)
    }

    /// The pong to the ping with this number came, which may stand for the earlier ones too (RFC
    /// 6455, section 5.5.3): that ping, and how many earlier ones are answered by it.
    pub(super) fn answered_up_to(&mut self, number: u64) -> Option<(Pending, u32)> {
        let place = self
            .pending
            .binary_search_by_key(&number, |message| message.number)
            .ok()?;
        let earlier = self.pending.drain(..place).count();
        let ping = self.pending.pop_front()?;
        Some((ping, earlier as u32))
    }

    /// Gives up what is unanswered and cannot be told from other messages when it comes.
    pub(super) fn give_up_in_order(&mut self) {
        self.owe(self.pending.len() as u64);
        self.pending.clear();
    }

    /// Gives up messages whose answers carry their number.
    pub(super) fn give_up_numbered(&mut self) {
        for message in self.pending.drain(..) {
            self.given_up.push(message.number);
        }
    }

    /// Gives up pings.
    pub(super) fn give_up_pings(&mut self) {
        for message in self.pending.drain(..) {
            self.given_up_pings.push(message.number);
        }
    }

    /// So many messages are still to come that nobody waits for.
    pub(super) fn owe(&mut self, messages: u64) {
        self.owed = self.owed.saturating_add(messages);
    }

    /// Messages may go on coming that nobody waits for, without an end.
    pub(super) fn owe_without_end(&mut self) {
        self.is_open_ended = true;
    }

    /// Whether nothing can come that would be taken for something else.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.owed == 0 && !self.is_open_ended
    }

    /// Whether it is a stream without an end that goes on coming.
    pub(super) fn is_open_ended(&self) -> bool {
        self.is_open_ended
    }

    /// A message came that nobody waits for. Whether it was owed.
    pub(super) fn pay(&mut self) -> bool {
        let was_owed = self.owed > 0;
        self.owed = self.owed.saturating_sub(1);
        was_owed || self.is_open_ended
    }

    /// Whether messages with a number may come that nobody waits for any more.
    #[inline]
    pub(super) fn has_given_up(&self) -> bool {
        !self.given_up.0.is_empty()
    }

    /// Whether the message with this number is one of those; it comes only once.
    pub(super) fn was_given_up(&mut self, number: u64) -> bool {
        self.given_up.take(number)
    }

    /// The same of a pong.
    pub(super) fn was_given_up_ping(&mut self, number: u64) -> bool {
        self.given_up_pings.take(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(messages: u64) -> Account {
        let mut account = Account::default();
        for at in 0..messages {
            let number = account.next_number();
            account.handed_over(Pending {
                number,
                due: None,
                ready: at * 10,
                sent_at: at * 10,
                was_alone: account.is_idle(),
            });
        }
        account
    }

    #[test]
    fn answers_in_order_and_by_number() {
        let mut account = of(4);
        let sent_at = |message: Option<Pending>| message.map(|it| it.sent_at);
        assert_eq!(sent_at(account.answered_in_order()), Some(0));
        assert_eq!(sent_at(account.answered(3)), Some(30));
        assert_eq!(account.answered(3), None, "twice");
        assert_eq!(account.answered(0), None, "answered already");
        assert_eq!(sent_at(account.answered_in_order()), Some(10));
    }

    #[test]
    fn a_pong_may_answer_earlier_pings_too() {
        let mut account = of(4);
        let mut up_to = |number| {
            let answered = account.answered_up_to(number);
            answered.map(|(ping, earlier)| (ping.sent_at, earlier))
        };
        assert_eq!(up_to(0), Some((0, 0)));
        assert_eq!(up_to(2), Some((20, 1)));
        assert_eq!(up_to(1), None, "answered with the next");
        assert_eq!(up_to(3), Some((30, 0)));
    }

    #[test]
    fn what_leaves_together_left_at_the_same_time() {
        let mut account = of(3);
        assert_eq!(account.left(25), 25, "only the first was waited for");
        let sent_at: Vec<Nanos> = std::iter::from_fn(|| account.answered_in_order())
            .map(|it| it.sent_at)
            .collect();
        assert_eq!(sent_at, [25, 25, 25]);
        assert_eq!(account.left(30), 0, "nothing was handed over since");
    }

    #[test]
    fn what_is_owed_in_order_is_paid_one_by_one() {
        let mut account = of(2);
        account.give_up_in_order();
        assert!(!account.is_clear());
        assert!(account.pay() && account.pay());
        assert!(account.is_clear());
        assert!(!account.pay());
    }

    #[test]
    fn a_stream_without_an_end_is_never_paid() {
        let mut account = of(0);
        account.owe_without_end();
        for _ in 0..3 {
            assert!(account.pay());
            assert!(!account.is_clear());
        }
    }

    #[test]
    fn numbers_are_remembered_up_to_a_bound_and_apart_from_pings() {
        let mut account = of(2000);
        account.give_up_numbered();
        assert!(account.is_clear(), "they can be told apart");
        assert!(!account.was_given_up(0), "forgotten");
        assert!(account.was_given_up(1999));
        assert!(!account.was_given_up(1999), "once");
        assert!(!account.was_given_up_ping(1998));
    }
}
