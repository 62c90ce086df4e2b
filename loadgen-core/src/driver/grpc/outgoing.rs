//! The messages of a stream on their way out: how many, how far apart, how many unanswered.
//!
//! Owns the record of what was sent when, which the side that reads replies matches against.
//! tonic wants the stream `Send`, so this half is shared under a lock that nobody contends for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures::Stream;

use super::call::Messages;
use super::framing::PREFIX_LEN;
use super::intercept::Watch;
use crate::clock::{Clock, Nanos};
use crate::driver::transport::pace::Pace;
use crate::expression::{ExpressionError, Scope};

/// What was sent on a stream, shared by the side that sends and the side that reads.
#[derive(Debug, Clone, Default)]
pub(super) struct SendLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    sent: u64,
    /// Bytes that these take on the wire, prefixes included.
    sent_bytes: u64,
    /// The messages that have no reply yet; only kept where replies are matched.
    unanswered: VecDeque<Handed>,
    /// Since when there is room for a message, where there was none before.
    room_since: Nanos,
    /// When the last reply came.
    last_reply: Nanos,
    /// How late messages were handed over that have due times and no replies.
    lags: Vec<Nanos>,
    /// The sender, waiting for a reply.
    blocked: Option<Waker>,
    /// Why the next message cannot be made.
    failed: Option<ExpressionError>,
    /// Who waits for that.
    waits_for_failure: Option<Waker>,
    /// Whether no more is to be sent.
    is_finished: bool,
    /// The sender of a stream that lasts, waiting for whatever it may wait for.
    lasting: Option<Waker>,
}

/// A message that was handed over to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handed {
    /// Its number on the stream, from 0.
    pub(super) number: u64,
    /// How many bytes the messages up to this one take on the wire.
    pub(super) ends_at: u64,
    /// When it was due, where messages have due times.
    pub(super) due: Option<Nanos>,
    /// Since when nothing but the generator kept it from leaving.
    pub(super) ready: Nanos,
    /// When it was handed over.
    pub(super) at: Nanos,
    /// Whether no other was unanswered then, so that the service had nothing to do.
    pub(super) was_alone: bool,
}

impl SendLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// A reply came: the message that it answers. `None` when nothing is unanswered.
    pub(super) fn answered(&self, reply_at: Nanos) -> Option<Handed> {
        let mut log = self.lock();
        let handed = log.unanswered.pop_front()?;
        log.has_room(reply_at);
        Some(handed)
    }

    /// A reply came to the message with this number. `None` when that is none that is unanswered.
    pub(super) fn answered_by_number(&self, number: u64, reply_at: Nanos) -> Option<Handed> {
        let mut log = self.lock();
        // They are handed over in order.
        let place = log
            .unanswered
            .binary_search_by_key(&number, |handed| handed.number);
        let handed = log.unanswered.remove(place.ok()?)?;
        log.has_room(reply_at);
        Some(handed)
    }

    /// Nothing more is sent, and our side of the stream ends.
    pub(super) fn finish(&self) {
        let mut log = self.lock();
        log.is_finished = true;
        if let Some(waker) = log.lasting.take() {
            waker.wake();
        }
    }

    /// Whether we have ended our side before all messages were sent.
    pub(super) fn is_finished(&self) -> bool {
        self.lock().is_finished
    }

    /// When the message was handed over that has waited longest for its reply.
    pub(super) fn waits_since(&self) -> Option<Nanos> {
        self.lock().unanswered.front().map(|it| it.at)
    }

    /// Why a message cannot be made; pending while all can.
    pub(super) fn poll_failed(&self, cx: &mut Context<'_>) -> Poll<ExpressionError> {
        let mut log = self.lock();
        match log.failed.take() {
            Some(error) => Poll::Ready(error),
            None => {
                log.waits_for_failure = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn fail(&self, error: ExpressionError) {
        let mut log = self.lock();
        log.failed = Some(error);
        if let Some(waker) = log.waits_for_failure.take() {
            waker.wake();
        }
    }

    /// The other side has made room in its window at `now`.
    pub(super) fn has_window(&self, now: Nanos) {
        let mut log = self.lock();
        log.room_since = log.room_since.max(now);
    }

    /// How late messages were that are not answered one by one, since the last call.
    pub(super) fn take_lags(&self) -> Vec<Nanos> {
        std::mem::take(&mut self.lock().lags)
    }
}

impl Log {
    /// A message was answered, so that another may leave.
    fn has_room(&mut self, reply_at: Nanos) {
        self.last_reply = reply_at;
        if let Some(waker) = self.blocked.take() {
            self.room_since = reply_at;
            waker.wake();
        }
    }
}

/// The messages.
pub(super) struct Outgoing {
    pub(super) messages: Messages,
    /// What their expressions stand on.
    pub(super) scope: Scope,
    /// Who sees them leave, and may change them.
    pub(super) watch: Option<Watch>,
    pub(super) left: u32,
    /// Whether the stream stays open until it is [finished](SendLog::finish).
    pub(super) lasts: bool,
    pub(super) pace: Option<Pace>,
    /// The most unanswered messages, where each is answered.
    pub(super) in_flight: Option<u32>,
    pub(super) log: SendLog,
    pub(super) clock: Clock,
}

impl Stream for Outgoing {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if this.lasts {
            let mut log = this.log.lock();
            if log.is_finished {
                return Poll::Ready(None);
            }
            log.lasting = Some(cx.waker().clone());
        }
        if this.left == 0 {
            return match this.lasts {
                true => Poll::Pending,
                false => Poll::Ready(None),
            };
        }
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_due(cx));
        }
        let due = this.pace.as_ref().map(Pace::due_at);
        let mut log = this.log.lock();
        if let Some(most) = this.in_flight
            && log.unanswered.len() >= most as usize
        {
            log.blocked = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let number = log.sent;
        let message = match &this.watch {
            None => this.messages.nth(number, &this.scope),
            Some(watch) => watch.nth(&this.messages, number, &this.scope),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                drop(log);
                // Whoever waits for it ends the stream, which is not to end well before.
                this.log.fail(error);
                return Poll::Pending;
            }
        };
        let ends_at = log.sent_bytes + (PREFIX_LEN + message.len()) as u64;
        if this.in_flight.is_some() {
            let was_alone = log.unanswered.is_empty();
            let ready = due.unwrap_or(log.last_reply).max(log.room_since);
            log.unanswered.push_back(Handed {
                number,
                ends_at,
                due,
                ready,
                at: this.clock.now(),
                was_alone,
            });
        } else if let Some(due) = due {
            let ready = due.max(log.room_since);
            let lag = this.clock.now().saturating_sub(ready);
            log.lags.push(lag);
        }
        log.sent += 1;
        log.sent_bytes = ends_at;
        drop(log);
        this.left -= 1;
        if let Some(pace) = &mut this.pace {
            pace.next();
        }
        Poll::Ready(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::call::Outbound;
    use super::*;
    use crate::alarm::Alarms;
    use crate::clock::nanos;
    use crate::expression::Variables;
    use futures::{FutureExt, StreamExt};
    use test_case::test_case;

    fn outgoing(left: u32, pace: Option<Pace>, in_flight: Option<u32>) -> Outgoing {
        Outgoing {
            messages: Messages {
                each: [Outbound::Constant(Bytes::from_static(b"x"))].into(),
                count: left,
                compression: None,
            },
            scope: Scope::new(Variables::default(), 0),
            watch: None,
            left,
            lasts: false,
            pace,
            in_flight,
            log: SendLog::default(),
            clock: Clock::start(),
        }
    }

    /// The first is due at once, the next an interval after it.
    #[tokio::test]
    async fn spaces_messages_from_the_first() {
        let clock = Clock::start();
        let every = Duration::from_secs(3600);
        let pace = Pace::new(every, clock.now(), &Alarms::new(clock));
        let mut stream = outgoing(4, Some(pace), None);
        assert!(stream.next().now_or_never().is_some());
        let due = stream.pace.as_ref().map(Pace::due_at);
        assert!(due > Some(nanos(every)), "{due:?}");
        assert!(stream.next().now_or_never().is_none());
        assert_eq!(stream.log.sent(), 1);
        let lags = stream.log.take_lags();
        assert_eq!(lags.len(), 1, "the one that was sent");
    }

    #[tokio::test]
    async fn holds_back_while_too_many_are_unanswered() {
        let mut stream = outgoing(3, None, Some(2));
        let log = stream.log.clone();
        assert!(stream.next().now_or_never().is_some());
        assert!(stream.next().now_or_never().is_some());
        assert!(stream.next().now_or_never().is_none());
        assert!(log.answered(0).is_some());
        assert!(stream.next().now_or_never().is_some());
        assert_eq!(log.sent(), 3);
        assert!(log.answered(0).is_some());
        assert!(log.answered(0).is_some());
        assert!(log.answered(0).is_none());
    }

    /// It is still open after its last message, and over when it is told to be, whatever it waits for.
    #[test_case(1, None; "all were sent")]
    #[test_case(2, Some(1); "one is unanswered")]
    #[tokio::test]
    async fn what_lasts_ends_when_it_is_told_to(left: u32, in_flight: Option<u32>) {
        let mut stream = outgoing(left, None, in_flight);
        stream.lasts = true;
        let log = stream.log.clone();
        assert!(stream.next().now_or_never().is_some());
        let rest = tokio::spawn(async move { stream.next().await.is_none() });
        tokio::task::yield_now().await;
        assert!(!rest.is_finished());
        log.finish();
        assert!(rest.await.expect("no panic"), "it ended");
    }

    #[tokio::test]
    async fn replies_by_number_come_in_any_order_and_once() {
        let mut stream = outgoing(4, None, Some(4));
        let log = stream.log.clone();
        while stream.next().now_or_never().flatten().is_some() {}
        let by_number = |number| log.answered_by_number(number, 0).map(|it| it.ends_at);
        assert_eq!(by_number(2), Some(18));
        assert_eq!(by_number(2), None, "twice");
        assert_eq!(by_number(4), None, "never sent");
        assert_eq!(by_number(3), Some(24));
        assert_eq!(by_number(0), Some(6));
        assert_eq!(by_number(1), Some(12));
    }
}
