//! How long something may take.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

/// A time that begins when this is made, or none.
///
/// It ends also where what came meanwhile has taken all that a task may do in one turn: a server that never
/// stops must not keep the time from ending.
// Boxed, or every iteration would carry room for it.
pub(crate) struct Limit(Option<Pin<Box<Unconstrained<Sleep>>>>);

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.0.is_some();
        f.debug_struct("Limit")
            .field("ends", &ends)
            .finish_non_exhaustive()
    }
}

impl Limit {
    /// Ends after this time; never, without one.
    pub(crate) fn new(time: Option<Duration>) -> Self {
        Self(time.map(|it| Box::pin(unconstrained(sleep(it)))))
    }

    /// Whether it is over; else the task is woken when it is.
    pub(crate) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.0.as_mut();
        limit.is_some_and(|it| it.as_mut().poll(cx).is_ready())
    }
}

/// What this comes to, where that is known before the time is over.
#[inline]
pub(crate) fn within<F: Future>(
    time: Option<Duration>,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    let mut limit = Limit::new(time);
    // Polled at one place, with or without a limit, so that it becomes a part of whoever waits.
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if limit.is_over(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_does_not_hold_it_up() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut limit = Limit::new(Some(Duration::from_millis(1)));
        tokio::time::advance(Duration::from_millis(2)).await;
        let mut turns = 0;
        poll_fn(|cx| {
            turns += 1;
            // More than a task is given in one turn.
            for _ in 0..1_000 {
                sender.send(()).expect("open");
            }
            while receiver.poll_recv(cx).is_ready() {}
            match limit.is_over(cx) || turns == 10 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        assert_eq!(turns, 1);
    }
}
