//! Whether a connection on which nothing is answered is alive.
//!
//! Owns the pings that ask, when to ask, and how long an answer may take. A firewall or a vanished
//! host ends a connection without a word, and requests would go on being sent into it for as long as
//! the system tries again, which is a quarter of an hour. A proxy may keep one and have nobody
//! behind it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::codec::Pings;

/// The longest that an answer to a ping may take.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// How long a connection that was found alive is not asked again while nothing is answered on it:
/// after the first time, and after the others. Servers end connections on which too many pings come;
/// gRPC's own allow one in five minutes while they answer nothing, and two that come sooner.
const RESTS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];

/// Asks a connection whether it is alive.
pub(super) struct Probe {
    pings: Pings,
    /// Whether a ping is not answered yet: there can be one at a time.
    is_owed: bool,
    patience: Duration,
    keepalive: Option<Duration>,
    /// Until when an answer is waited for, or until the next look with `keepalive`.
    timer: Option<Pin<Box<Sleep>>>,
    asked: Option<Asked>,
    /// How often something had come at the last answer or look.
    seen: u64,
    /// How much was answered when it was last asked because of a suspicion, and how often that was
    /// with nothing answered in between.
    asks: (u64, usize),
    /// Until when it is not asked again in that case.
    rests_until: Option<Instant>,
}

/// A question that is not answered.
struct Asked {
    /// How often something had come then.
    reads: u64,
    because_of_suspicion: bool,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing comes.
    Dead,
    /// It lives, and nothing is answered on it.
    Mute,
}

impl Probe {
    /// Of a connection that takes at the most so long to open.
    pub(super) fn new(
        pings: Pings,
        connect_timeout: Duration,
        keepalive: Option<Duration>,
    ) -> Self {
        Self {
            pings,
            is_owed: false,
            patience: connect_timeout.min(MOST_PATIENCE),
            keepalive,
            timer: None,
            asked: None,
            seen: 0,
            asks: (0, 0),
            rests_until: None,
        }
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Ready when something is wrong with the connection. `reads` is how often something has come on
    /// it, `answers` how much of that were answers, and `is_suspect` whether calls were given up since
    /// the last time while none was answered.
    #[inline]
    pub(super) fn poll(
        &mut self,
        reads: u64,
        answers: u64,
        is_suspect: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Finding> {
        if !is_suspect && !self.is_owed && self.asked.is_none() && self.keepalive.is_none() {
            return Poll::Pending;
        }
        self.poll_slowly(reads, answers, is_suspect, cx)
    }

    fn poll_slowly(
        &mut self,
        reads: u64,
        answers: u64,
        is_suspect: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Finding> {
        // An error is the connection's, which tells of it itself.
        if self.is_owed && self.pings.poll_answer(cx).is_ready() {
            self.is_owed = false;
        }
        if let Some(asked) = &self.asked {
            if asked.reads == reads {
                return self.poll_timer(cx).map(|()| Finding::Dead);
            }
            // Where nothing ever was answered, that is how the service is.
            let is_mute = asked.because_of_suspicion && answers > 0 && self.asks.0 == answers;
            self.asked = None;
            self.timer = None;
            self.seen = reads;
            if is_mute {
                // The next turn goes on from here.
                cx.waker().wake_by_ref();
                return Poll::Ready(Finding::Mute);
            }
        }
        if is_suspect && self.may_ask(answers) {
            return self.ask(reads, true, cx);
        }
        let Some(every) = self.keepalive else {
            return Poll::Pending;
        };
        if self.timer.is_none() {
            self.seen = reads;
            self.timer = Some(Box::pin(sleep(every)));
        }
        while self.poll_timer(cx).is_ready() {
            if reads == self.seen {
                return self.ask(reads, false, cx);
            }
            self.seen = reads;
            self.timer = Some(Box::pin(sleep(every)));
        }
        Poll::Pending
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Whether a suspicion is worth a ping.
    fn may_ask(&mut self, answers: u64) -> bool {
        let (before, asks) = &mut self.asks;
        if *before != answers {
            *asks = 0;
        } else if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        *before = answers;
        let rest = RESTS[(*asks).min(RESTS.len() - 1)];
        *asks += 1;
        self.rests_until = Some(Instant::now() + rest);
        true
    }

    fn ask(
        &mut self,
        reads: u64,
        because_of_suspicion: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Finding> {
        // Where an older one is still owed, anything that comes will do.
        self.is_owed |= self.pings.send().is_ok();
        if self.is_owed && self.pings.poll_answer(cx).is_ready() {
            self.is_owed = false;
        }
        self.asked = Some(Asked {
            reads,
            because_of_suspicion,
        });
        self.timer = Some(Box::pin(sleep(self.patience)));
        self.poll_timer(cx).map(|()| Finding::Dead)
    }
}
