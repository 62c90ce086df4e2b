//! A step's streams of messages: when each is over, what is measured of it, what is missing.

use std::task::Context;

use tokio_tungstenite::tungstenite::Message;

use super::connection::Lost;
use super::fields::number_in;
use super::message::excerpt;
use super::prepare::StreamRule;
use super::sequence::{Arrival, Sequence};
use super::tally::Tally;
use crate::clock::Nanos;
use crate::driver::transport::limit::Limit;
use crate::outcome::Failure;
use crate::scenario::StreamEnd;
use crate::workload::{Iteration, MessageFault, Receipt, SampleKind};

/// Sequence numbers that a message to people names.
const MOST_NAMED: usize = 5;

/// When a message of a stream came.
#[derive(Debug, Clone, Copy)]
pub(super) enum Came {
    /// While the step was under way.
    Now(Receipt),
    /// While another was, or none: then the moment is not known well enough to measure by.
    Before(Option<Receipt>),
}

/// The streams of one step, one after another.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    rule: &'a StreamRule,
    /// Whether a message asks for each; without, they come by themselves.
    is_asked: bool,
    /// Whether one is under way.
    is_open: bool,
    messages: u64,
    began: Nanos,
    previous: Option<Nanos>,
    sequence: Sequence,
    /// The end of one that lasts for a time.
    until: Limit,
    missing: u64,
    /// Some of those.
    missing_named: Vec<u64>,
}

impl<'a> Streams<'a> {
    /// Streams that messages will ask for.
    pub(super) fn asked(rule: &'a StreamRule) -> Self {
        Self {
            rule,
            is_asked: true,
            is_open: false,
            messages: 0,
            began: 0,
            previous: None,
            sequence: Sequence::from_zero(),
            until: Limit::new(None),
            missing: 0,
            missing_named: Vec::new(),
        }
    }

    /// One that comes by itself, from now on. `sequence` is where a step before has left off.
    pub(super) fn listened_to(rule: &'a StreamRule, sequence: Sequence, now: Nanos) -> Self {
        let mut streams = Self {
            is_asked: false,
            ..Self::asked(rule)
        };
        streams.begin(now);
        streams.sequence = sequence;
        streams
    }

    /// A stream begins: it was asked for now.
    pub(super) fn begin(&mut self, now: Nanos) {
        self.is_open = true;
        self.began = now;
        self.messages = 0;
        self.previous = None;
        self.until = Limit::new(match self.rule.until {
            StreamEnd::Messages(_) => None,
            StreamEnd::After(duration) => Some(duration),
        });
        if self.is_asked {
            self.sequence = Sequence::from_zero();
        }
    }

    /// Whether what comes belongs to a stream.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes a message of the stream under way. Says whether the stream is over with it.
    pub(super) fn take(
        &mut self,
        message: &Message,
        came: Came,
        step: usize,
        iteration: &Iteration<'_>,
        tally: &mut Tally,
    ) -> Result<bool, Lost> {
        tally.received += 1;
        if let Some(fault) = self.number(message)? {
            tally.fault(fault, 1);
            if fault == MessageFault::Unexpected {
                return Ok(false);
            }
        }
        self.messages += 1;
        let (at, is_now) = match came {
            Came::Now(received) => (Some(received), true),
            Came::Before(received) => (received, false),
        };
        if let Some(received) = at {
            // After one whose time is not known there is no gap to be measured.
            let sample = match self.previous {
                Some(previous) => Some((SampleKind::MessageGap, previous)),
                None if self.messages == 1 && is_now => {
                    Some((SampleKind::FirstMessage, self.began))
                }
                None => None,
            };
            if let Some((kind, from)) = sample {
                let took = received.at.saturating_sub(from);
                iteration.sample_nanos(step, kind, took);
                iteration.message_received(step, received, took);
            }
        }
        self.previous = at.map(|received| received.at);
        Ok(self.has_all())
    }

    /// What is wrong with a message by its number, where they are numbered.
    fn number(&mut self, message: &Message) -> Result<Option<MessageFault>, Lost> {
        let Some(field) = &self.rule.sequence else {
            return Ok(None);
        };
        let Some(number) = number_in(message, field) else {
            return Err(Lost::of_our_own(
                Failure::Protocol,
                format!(
                    "a message of the stream has no whole number in `{field}`: {}",
                    excerpt(message)
                ),
            ));
        };
        if self.is_asked && self.most().is_some_and(|most| number >= most) {
            return Ok(Some(MessageFault::Unexpected));
        }
        Ok(match self.sequence.note(number) {
            Arrival::New => None,
            Arrival::OutOfOrder => Some(MessageFault::OutOfOrder),
            Arrival::Again => Some(MessageFault::Unexpected),
        })
    }

    /// How many messages a stream has, where that is what ends it.
    fn most(&self) -> Option<u64> {
        match self.rule.until {
            StreamEnd::Messages(messages) => Some(u64::from(messages)),
            StreamEnd::After(_) => None,
        }
    }

    /// A numbered stream that was asked for is over with its last number, whatever is missing.
    fn has_all(&self) -> bool {
        let Some(most) = self.most() else {
            return false;
        };
        let has_last = || self.sequence.next().is_some_and(|next| next >= most);
        let is_numbered = self.is_asked && self.rule.sequence.is_some();
        self.messages >= most || (is_numbered && has_last())
    }

    /// Whether the time of the stream under way is up.
    pub(super) fn is_time_up(&mut self, cx: &mut Context<'_>) -> bool {
        self.until.is_over(cx)
    }

    /// The stream under way is over.
    pub(super) fn end(&mut self) {
        self.is_open = false;
        self.until = Limit::new(None);
        self.missing = self.missing.saturating_add(self.sequence.missing());
        let room = MOST_NAMED.saturating_sub(self.missing_named.len());
        let named = self.sequence.left_out().iter().take(room);
        self.missing_named.extend(named);
        self.sequence.settle();
    }

    /// How many numbers were left out of those that are over.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// What can only be said once all are over.
    pub(super) fn check(&self, received: u64) -> Result<(), Lost> {
        if self.missing == 0 {
            return Ok(());
        }
        let named: Vec<String> = self.missing_named.iter().map(u64::to_string).collect();
        let more = if self.missing > named.len() as u64 {
            ", …"
        } else {
            ""
        };
        Err(Lost::of_our_own(
            Failure::Incomplete,
            format!(
                "{received} messages received and {} missing: {}{more}",
                self.missing,
                named.join(", ")
            ),
        ))
    }

    /// How many messages may still come; `None` is without end.
    pub(super) fn rest(&self) -> Option<u64> {
        match self.most() {
            Some(most) if self.is_open => Some(most.saturating_sub(self.messages)),
            Some(_) => Some(0),
            None => None,
        }
    }

    /// The numbers, for the step that listens next.
    pub(super) fn into_sequence(self) -> Sequence {
        self.sequence
    }
}
