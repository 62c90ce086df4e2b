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

use crate::clock::{Clock, Nanos};
use crate::driver::pace::Pace;

/// What was sent on a stream, shared by the side that sends and the side that reads.
#[derive(Debug, Clone, Default)]
pub(super) struct SendLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    sent: u64,
    /// When the messages were sent that have no reply yet; only kept where replies are matched.
    unanswered: VecDeque<Nanos>,
    /// The sender, waiting for a reply.
    blocked: Option<Waker>,
}

impl SendLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// A reply came: when the message that it answers was sent. `None` when nothing is unanswered.
    pub(super) fn answered(&self) -> Option<Nanos> {
        let mut log = self.lock();
        let sent = log.unanswered.pop_front()?;
        if let Some(waker) = log.blocked.take() {
            waker.wake();
        }
        Some(sent)
    }
}

/// The messages.
pub(super) struct Outgoing {
    pub(super) message: Bytes,
    pub(super) left: u32,
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
        if this.left == 0 {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_due(cx));
        }
        let mut log = this.log.lock();
        if let Some(most) = this.in_flight {
            if log.unanswered.len() >= most as usize {
                log.blocked = Some(cx.waker().clone());
                return Poll::Pending;
            }
            log.unanswered.push_back(this.clock.now());
        }
        log.sent += 1;
        drop(log);
        this.left -= 1;
        if let Some(pace) = &mut this.pace {
            pace.next();
        }
        Poll::Ready(Some(this.message.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, StreamExt};
    use tokio::time::Instant;

    use super::*;

    fn outgoing(left: u32, every: Option<Duration>, in_flight: Option<u32>) -> Outgoing {
        Outgoing {
            message: Bytes::from_static(b"x"),
            left,
            pace: every.map(Pace::new),
            in_flight,
            log: SendLog::default(),
            clock: Clock::start(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn spaces_messages_from_the_first() {
        let start = Instant::now();
        let mut stream = outgoing(4, Some(Duration::from_millis(10)), None);
        assert!(stream.next().await.is_some());
        // Late for the second: the third is still due 20 ms after the first.
        tokio::time::advance(Duration::from_millis(15)).await;
        for due_ms in [15, 20, 30] {
            assert!(stream.next().await.is_some());
            assert_eq!(start.elapsed(), Duration::from_millis(due_ms));
        }
        assert!(stream.next().await.is_none());
        assert_eq!(stream.log.sent(), 4);
    }

    #[tokio::test]
    async fn holds_back_while_too_many_are_unanswered() {
        let mut stream = outgoing(3, None, Some(2));
        let log = stream.log.clone();
        assert!(stream.next().now_or_never().is_some());
        assert!(stream.next().now_or_never().is_some());
        assert!(stream.next().now_or_never().is_none());
        assert!(log.answered().is_some());
        assert!(stream.next().now_or_never().is_some());
        assert_eq!(log.sent(), 3);
        assert!(log.answered().is_some());
        assert!(log.answered().is_some());
        assert!(log.answered().is_none());
    }
}
