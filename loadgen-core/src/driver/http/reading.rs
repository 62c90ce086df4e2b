//! Reading an answer to its end, whatever version of HTTP it comes in.
//!
//! Owns what is kept of it, and what is measured of answers that come as events. Moves no bytes itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use super::answer::Answer;
use super::events::Events;
use super::intercept;
use super::prepare::Asking;
use super::trouble::Trouble;
use crate::clock::Nanos;
use crate::driver::intercept::Watch;
use crate::driver::transport::limit::Limit;
use crate::outcome::Failure;
use crate::scenario::StreamEnd;
use crate::workload::{Iteration, OpenStream, Receipt, SampleKind};

pub(super) use super::http1::Part;

/// An answer's body on its way in.
pub(super) trait Arriving {
    /// The next part of it; nothing after the last.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Trouble>>>;

    /// The bytes of the last part.
    fn data(&self) -> &[u8];

    /// Whether nothing more comes.
    fn is_over(&self) -> bool;

    /// How many bytes it says it has.
    fn length(&self) -> Option<u64>;

    /// When the kernel received the end of what was handed over last, where that is known.
    fn received(&self) -> Option<Receipt>;

    /// When the kernel received the first byte of the answer, where that is known.
    fn first_received(&self) -> Option<Receipt>;

    /// When the request had left.
    fn sent_at(&self) -> Nanos;
}

/// What is to be read, and who is told.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) asking: &'a Asking,
    pub(super) step: usize,
    pub(super) watch: Option<&'a Watch>,
    /// The longest answer taken.
    pub(super) most: u32,
    pub(super) iteration: &'a Iteration<'a>,
    /// How many bytes of the body have come, once the head has.
    pub(super) came: &'a Cell<Option<u64>>,
}

/// How an answer's body came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Reached,
    /// We have had enough of its events.
    ByUs,
}

impl Reading<'_> {
    /// Reads the answer that begins with this head. It has no header fields where nobody looks at any
    /// (`Asked::wants_fields`).
    #[inline]
    pub(super) async fn read(
        self,
        (status, headers): (StatusCode, HeaderMap),
        mut body: impl Arriving,
    ) -> Result<(Answer, End), Trouble> {
        let (asking, most) = (self.asking, self.most);
        self.came.set(Some(0));
        // Where no stamps are to be had, the clock says when its head was seen.
        let first = body.first_received();
        let first = first.map_or_else(|| self.iteration.now(), |it| it.at);
        let took = first.saturating_sub(body.sent_at());
        self.iteration
            .sample_nanos(self.step, SampleKind::FirstByte, took);
        let mut answer = Answer::new(status, headers);
        let is_of_events = answer.is_of_events();
        if asking.stream.is_some() && !is_of_events && answer.status.is_success() {
            let kind = answer.headers.get(CONTENT_TYPE);
            let kind = kind.map_or("none".into(), |it| String::from_utf8_lossy(it.as_bytes()));
            return Err(Trouble::protocol(format!(
                "the answer's content type is {kind}, and `stream` ends events (text/event-stream)"
            )));
        }
        if is_of_events {
            if let Some(watch) = self.watch {
                intercept::answered(watch, &answer);
            }
            // Boxed, or every iteration would carry room for it.
            return Box::pin(self.events(answer, body)).await;
        }
        let is_long = |length| length > u64::from(most);
        if !body.is_over() && body.length().is_some_and(is_long) {
            return Err(self.too_long());
        }
        let room = match self.watch {
            Some(_) => most as usize,
            None => answer.room(asking.looks, most),
        };
        while !body.is_over() {
            let Some(part) = poll_fn(|cx| body.poll_part(cx)).await else {
                break;
            };
            match part? {
                Part::Data => {
                    let data = body.data();
                    if self.count(data) > u64::from(most) {
                        return Err(self.too_long());
                    }
                    let kept = data.len().min(room - answer.body.len());
                    answer.body.extend_from_slice(&data[..kept]);
                }
                Part::Trailers(trailers) => {
                    answer.trailers = asking.looks.trailers.then_some(trailers);
                }
            }
        }
        if let Some(watch) = self.watch {
            intercept::answered(watch, &answer);
        }
        Ok((answer, End::Reached))
    }

    /// Counts what came; says how much it is by now.
    fn count(&self, data: &[u8]) -> u64 {
        let bytes = self.came.get().unwrap_or(0) + data.len() as u64;
        self.came.set(Some(bytes));
        bytes
    }

    fn too_long(&self) -> Trouble {
        Trouble::protocol(format!(
            "the answer has more than {} bytes (`max_message`)",
            self.most
        ))
    }

    async fn events(
        self,
        answer: Answer,
        mut body: impl Arriving,
    ) -> Result<(Answer, End), Trouble> {
        if answer.headers.contains_key(CONTENT_ENCODING) {
            let problem = "the answer's events are compressed, and then nobody knows when each came; \
                           leave `accept-encoding` out";
            return Err(Trouble::protocol(problem.to_owned()));
        }
        let (most, limit) = match self.asking.stream {
            Some(StreamEnd::Messages(count)) => (Some(u64::from(count)), None),
            Some(StreamEnd::After(time)) => (None, Some(time)),
            None => (None, None),
        };
        let mut limit = Limit::new(limit);
        self.iteration.messages(self.step, 1, 0);
        let mut stream = Stream {
            open: Some(self.iteration.opened_stream()),
            of: self,
            most,
            answer,
            events: Events::default(),
            count: 0,
            since: body.sent_at(),
        };
        let end = poll_fn(|cx| {
            loop {
                if stream.has_all() {
                    return Poll::Ready(Ok(match body.is_over() {
                        true => End::Reached,
                        false => End::ByUs,
                    }));
                }
                match body.poll_part(cx) {
                    Poll::Ready(None) => return Poll::Ready(Ok(End::Reached)),
                    Poll::Ready(Some(Err(trouble))) => return Poll::Ready(Err(trouble)),
                    Poll::Ready(Some(Ok(part))) => {
                        if part != Part::Data {
                            continue;
                        }
                        self.count(body.data());
                        if let Err(trouble) = stream.push(body.data(), body.received()) {
                            return Poll::Ready(Err(trouble));
                        }
                    }
                    Poll::Pending => {
                        return match limit.is_over(cx) {
                            true => Poll::Ready(Ok(End::ByUs)),
                            false => Poll::Pending,
                        };
                    }
                }
            }
        })
        .await?;
        if let Some(most) = most
            && !stream.has_all()
        {
            return Err(Trouble {
                failure: Failure::Incomplete,
                ..Trouble::protocol(format!(
                    "the server ended the answer after {} events of {most}",
                    stream.count
                ))
            });
        }
        if let Some(open) = stream.open.take() {
            open.ended();
        }
        Ok((stream.take_answer(), end))
    }
}

/// The events of an answer so far.
struct Stream<'a> {
    /// Until it ends as it should.
    open: Option<OpenStream<'a>>,
    of: Reading<'a>,
    /// After how many we have had enough.
    most: Option<u64>,
    answer: Answer,
    events: Events,
    count: u64,
    /// When the last one came, or since when the first is waited for.
    since: Nanos,
}

impl Stream<'_> {
    fn has_all(&self) -> bool {
        self.most.is_some_and(|most| self.count >= most)
    }

    fn take_answer(&mut self) -> Answer {
        let nothing = Answer::new(self.answer.status, HeaderMap::new());
        std::mem::replace(&mut self.answer, nothing)
    }

    /// A piece of the body came.
    fn push(&mut self, data: &[u8], receipt: Option<Receipt>) -> Result<(), Trouble> {
        let Reading {
            asking,
            step,
            watch,
            most,
            iteration,
            ..
        } = self.of;
        let (most_events, answer) = (self.most, &mut self.answer);
        let (count, since, open) = (&mut self.count, &mut self.since, &self.open);
        let pushed = self.events.push(data, most as usize, |event| {
            *count += 1;
            iteration.messages(step, 0, 1);
            let kind = match *count {
                1 => SampleKind::FirstMessage,
                _ => SampleKind::MessageGap,
            };
            // Where no stamps are to be had, the clock says when it was seen.
            let at = receipt.map_or_else(|| iteration.now(), |it| it.at);
            if let Some(open) = open {
                open.heard(at);
            }
            let took = at.saturating_sub(*since);
            iteration.sample_nanos(step, kind, took);
            if let Some(receipt) = receipt {
                iteration.message_received(step, receipt, took);
            }
            *since = at;
            if let Some(watch) = watch {
                intercept::event(watch, event);
            }
            if asking.looks.reply {
                answer.body.clear();
                answer.body.extend_from_slice(event);
            }
            most_events.is_none_or(|most| *count < most)
        });
        pushed.map_err(|_| {
            Trouble::protocol(format!(
                "an event has more than {most} bytes (`max_message`)"
            ))
        })
    }
}
