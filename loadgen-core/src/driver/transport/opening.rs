//! An attempt to open a connection: within its time, and told of however it ends.
//!
//! Owns what is reported of an attempt. Opens nothing itself, and does not decide when to try.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::connect_error::{ConnectError, Problem};
use super::net::Endpoint;
use crate::clock::{Clock, Nanos};
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, Observer};

/// An attempt to open a connection.
pub(crate) struct Opening<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Which of the scenario's targets it is made for.
    pub(crate) target: usize,
    /// Whether the connection takes the place of one that was dropped.
    pub(crate) replaces_dropped: bool,
    /// How long it may take.
    pub(crate) limit: Duration,
    pub(crate) clock: Clock,
    pub(crate) observer: &'a dyn Observer,
}

impl Opening<'_> {
    /// Has `open` make the attempt. It is told until when, and tells how far it has come, and with the
    /// connection how long its TLS handshake took.
    pub(crate) async fn make<T, S, P>(
        self,
        first: S,
        open: impl AsyncFnOnce(Instant, &Cell<S>) -> Result<(T, Option<Nanos>), P>,
    ) -> Result<T, ConnectError<P>>
    where
        S: Copy + fmt::Display,
        P: From<Problem>,
    {
        let from = self.clock.now();
        let stage = Cell::new(first);
        let under_way = UnderWay {
            opening: &self,
            stage: &stage,
        };
        let deadline = Instant::now() + self.limit;
        let opened = in_time(self.limit, &stage, open(deadline, &stage)).await;
        std::mem::forget(under_way);
        let event = match &opened {
            Ok((_, tls_time)) => ConnectionEvent::Opened {
                connect_time: self.clock.now().saturating_sub(from),
                tls_time: *tls_time,
                reconnected: self.replaces_dropped,
            },
            Err(_) => ConnectionEvent::Failed,
        };
        self.observer.connection(self.target, event);
        match opened {
            Ok((connection, _)) => Ok(connection),
            Err(problem) => Err(self.endpoint.failed(problem)),
        }
    }
}

/// What `opening` comes to within this time. `stage` says what was waited for where it comes to nothing.
pub(crate) async fn in_time<T, S, P>(
    limit: Duration,
    stage: &Cell<S>,
    opening: impl Future<Output = Result<T, P>>,
) -> Result<T, P>
where
    S: Copy + fmt::Display,
    P: From<Problem>,
{
    timeout(limit, opening).await.unwrap_or_else(|_| {
        let stage = stage.get().to_string();
        Err(Problem::TimedOut { stage, limit }.into())
    })
}

/// An attempt under way. One that is cut off has failed, too, and has no other way to say so.
struct UnderWay<'a, S: Copy + fmt::Display> {
    opening: &'a Opening<'a>,
    stage: &'a Cell<S>,
}

impl<S: Copy + fmt::Display> Drop for UnderWay<'_, S> {
    fn drop(&mut self) {
        let Opening {
            endpoint,
            target,
            observer,
            ..
        } = self.opening;
        observer.connection(*target, ConnectionEvent::Failed);
        observer.explain(None, Failure::Timeout, &mut || {
            let (target, stage) = (&endpoint.name, self.stage.get());
            format!("cut off while connecting to {target}, {stage}")
        });
    }
}
