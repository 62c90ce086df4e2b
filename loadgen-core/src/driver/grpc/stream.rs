//! The calls that are not a plain unary one: streams, and compressed calls.
//!
//! Owns what is measured on a stream: the first message, the gaps, the round trips, the counts.
//! The stream itself is tonic's client's, over [`StreamService`].

use std::rc::Rc;

use http::Uri;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::{Extensions, Request, Streaming};

use super::call::{Shape, StreamCall, Target};
use super::codec::Bytewise;
use super::framing::PREFIX_LEN;
use super::outgoing::{Handed, Outgoing, SendLog};
use super::place::{Place, Slot};
use super::service::{Passage, StreamError, StreamService};
use super::status;
use super::unary::MOST_RESENDS;
use crate::clock::Nanos;
use crate::driver::pace::Pace;
use crate::driver::round_trip::RoundTrip;
use crate::outcome::{Failure, Outcome};
use crate::workload::{Iteration, SampleKind};

/// Makes the call.
pub(super) async fn run(
    call: &StreamCall,
    targets: &[Target],
    place: &Rc<Place>,
    step: usize,
    iteration: &Iteration<'_>,
) -> Outcome {
    let origin = &targets[place.target].origin;
    let mut resends = 0;
    loop {
        let slot = match place.slot(iteration, step).await {
            Ok(slot) => slot,
            Err(failure) => return failure.into(),
        };
        let Err(error) = exchange(call, origin, place, &slot, step, iteration).await else {
            return Outcome::Ok;
        };
        if let Some(identity) = &error.backend {
            iteration.answered_by(identity.as_bytes());
        }
        if error.untouched && resends < MOST_RESENDS {
            slot.retire();
            iteration.ready(iteration.now());
            resends += 1;
            continue;
        }
        iteration.explain(error.failure, || error.detail.clone());
        return error.failure.into();
    }
}

async fn exchange(
    call: &StreamCall,
    origin: &Uri,
    place: &Place,
    slot: &Slot,
    step: usize,
    iteration: &Iteration<'_>,
) -> Result<(), StreamError> {
    let log = SendLog::default();
    let is_matched = call.shape == Shape::Bidirectional;
    // Compressed, a message's length on the wire is not known.
    let wire_len = (!call.gzip).then_some((PREFIX_LEN + call.message.len()) as u64);
    let passage = Passage::new(slot.tap(), is_matched && wire_len.is_some());
    let service = StreamService {
        sender: slot.sender(),
        sends_one: call.shape.sends_one(),
        passage: Rc::clone(&passage),
        log: log.clone(),
        clock: place.clock,
    };
    let mut client =
        Grpc::with_origin(service, origin.clone()).max_decoding_message_size(usize::MAX);
    if call.gzip {
        client = client
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
    }
    let outgoing = Outgoing {
        message: call.message.clone(),
        left: if call.shape.sends_one() {
            1
        } else {
            call.repeat
        },
        pace: call
            .every
            .filter(|_| !call.shape.sends_one())
            .map(|every| Pace::new(every, iteration.now(), &place.alarms)),
        in_flight: is_matched.then_some(call.in_flight),
        log: log.clone(),
        clock: place.clock,
    };
    let started = iteration.ready_since();
    let mut tally = Tally {
        iteration,
        started,
        step,
        shape: call.shape,
        log,
        passage,
        wire_len,
        received: 0,
    };
    let codec = Bytewise {
        message_len: call.message.len(),
    };
    let request = Request::from_parts(call.metadata.clone(), Extensions::new(), outgoing);
    let response = client
        .streaming(request, call.path.clone(), codec)
        .await
        .map_err(|status| StreamError::behind(&status))?;
    if let Some(identity) = response.metadata().get(status::BACKEND.as_str()) {
        iteration.answered_by(identity.as_bytes());
    }
    let replies = response.into_inner();
    read(replies, &mut tally)
        .await
        .map_err(|status| StreamError::behind(&status))?;
    slot.ended();
    check_counts(call, &tally)
}

/// Reads replies until the stream ends, measuring each.
async fn read(
    mut replies: Streaming<bytes::Bytes>,
    tally: &mut Tally<'_>,
) -> Result<(), tonic::Status> {
    let iteration = tally.iteration;
    let mut previous = None;
    while replies.message().await?.is_some() {
        tally.received += 1;
        let at = tally.passage.received_at();
        let at = at.unwrap_or_else(|| iteration.now());
        if !tally.shape.answers_one() {
            let (kind, from) = match previous {
                None => (SampleKind::FirstMessage, tally.began_at()),
                Some(previous) => (SampleKind::MessageGap, previous),
            };
            iteration.sample_nanos(tally.step, kind, at.saturating_sub(from));
        }
        if tally.shape == Shape::Bidirectional
            && let Some(handed) = tally.log.answered(at)
        {
            tally.answered(handed, at);
        }
        previous = Some(at);
    }
    Ok(())
}

/// A stream that ended well and yet not as its method says.
fn check_counts(call: &StreamCall, tally: &Tally<'_>) -> Result<(), StreamError> {
    let received = tally.received;
    let detail = match call.shape {
        Shape::Unary | Shape::ClientStream if received != 1 => {
            format!("the answer has {received} messages instead of 1")
        }
        Shape::Bidirectional if received < u64::from(call.repeat) => format!(
            "the server ended the stream after {received} replies to {} of {} messages",
            tally.log.sent(),
            call.repeat
        ),
        _ => return Ok(()),
    };
    Err(StreamError {
        failure: Failure::Protocol,
        detail,
        backend: None,
        untouched: false,
    })
}

/// Counts a stream's messages and reports them however the stream ends, also by being dropped.
struct Tally<'a> {
    iteration: &'a Iteration<'a>,
    step: usize,
    shape: Shape,
    log: SendLog,
    passage: Rc<Passage>,
    /// The length of a message on the wire, where they are all alike.
    wire_len: Option<u64>,
    started: Nanos,
    received: u64,
}

impl Tally<'_> {
    /// When the request left, or at least began to.
    fn began_at(&self) -> Nanos {
        self.passage.began_at().unwrap_or(self.started)
    }

    /// A message got its reply.
    fn answered(&self, handed: Handed, reply_at: Nanos) {
        let last_byte = self.wire_len.map(|len| len * (handed.number + 1));
        let sent_at = last_byte.and_then(|bytes| self.passage.sent_at(bytes));
        let sent_at = sent_at
            .unwrap_or(handed.at)
            .clamp(handed.at, reply_at.max(handed.at));
        let message = RoundTrip {
            due: handed.due,
            ready: handed.ready,
            sent_at,
            reply_at,
        };
        message.record(self.step, self.iteration);
        // The first one's lag is the stream's own.
        if handed.was_alone && handed.number > 0 {
            self.iteration.lagged(message.lag());
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let (iteration, step) = (self.iteration, self.step);
        let sent = self.log.sent();
        if self.shape != Shape::Unary && sent + self.received > 0 {
            iteration.messages(step, sent, self.received);
        }
        for lag in self.log.take_lags() {
            iteration.sample_nanos(step, SampleKind::MessageLag, lag);
        }
        let times = self.passage.take();
        let left_at = if self.shape.sends_one() {
            times.sent_at
        } else {
            times.began_at()
        };
        if let Some(at) = left_at {
            iteration.lagged(at.saturating_sub(self.started));
        }
        iteration.doubt(times.doubt);
        if let Some(at) = times.received_at {
            iteration.received(at);
            if let Some(since) = times.received_since {
                iteration.received_since(since);
            }
        }
    }
}
