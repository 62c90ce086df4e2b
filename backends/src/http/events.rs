//! What `/stream` sends: server-sent events, each when it is due.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::serve::limits;
use crate::serve::pace::Pace;

use super::query::Query;

/// Events that are not sent yet.
#[derive(Debug)]
pub(super) struct Events {
    sequence: u32,
    count: u32,
    /// What follows the number in each event.
    rest: String,
    pace: Option<Pace>,
}

impl Events {
    /// Those that are asked for.
    ///
    /// # Errors
    /// What is wrong with the question, for whoever asked.
    pub(super) fn asked(query: Query<'_>) -> Result<Self, String> {
        let count = query.number("count", limits::STREAM_MESSAGES)?;
        let interval_us = query.number("interval_us", limits::STREAM_INTERVAL_US)?;
        let payload_bytes = query.number("payload_bytes", limits::STREAM_PAYLOAD_BYTES)?;
        let rest = match payload_bytes.unwrap_or(0) {
            0 => "}\n\n".to_owned(),
            bytes => format!(",\"payload\":\"{}\"}}\n\n", "x".repeat(bytes as usize)),
        };
        Ok(Self {
            sequence: 0,
            count: count.unwrap_or(10),
            rest,
            pace: Pace::new(interval_us.unwrap_or(0)),
        })
    }

    /// Whether there are no more.
    pub(super) fn are_over(&self) -> bool {
        self.sequence == self.count
    }

    /// The next, when it is due.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.are_over() {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_due(context));
        }
        let Self { sequence, rest, .. } = self;
        let event = format!("id: {sequence}\ndata: {{\"sequence\":{sequence}{rest}");
        *sequence += 1;
        Poll::Ready(Some(event.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn all(query: &str) -> Vec<String> {
        let mut events = Events::asked(Query(query)).unwrap();
        let mut seen = Vec::new();
        while let Some(event) = poll_fn(|context| events.poll_next(context)).await {
            seen.push(String::from_utf8(event.to_vec()).unwrap());
        }
        assert!(events.are_over());
        seen
    }

    #[tokio::test]
    async fn events_are_numbered_and_have_their_payload() {
        assert_eq!(
            all("count=2&payload_bytes=3").await,
            [
                "id: 0\ndata: {\"sequence\":0,\"payload\":\"xxx\"}\n\n",
                "id: 1\ndata: {\"sequence\":1,\"payload\":\"xxx\"}\n\n"
            ]
        );
        assert_eq!(all("").await.len(), 10);
        assert_eq!(all("count=0").await, [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_when_they_are_due() {
        let started = tokio::time::Instant::now();
        assert_eq!(all("count=4&interval_us=50000").await.len(), 4);
        assert_eq!(started.elapsed().as_millis(), 150);
    }
}
