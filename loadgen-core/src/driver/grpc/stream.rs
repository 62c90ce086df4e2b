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
use super::outgoing::{Outgoing, SendLog};
use super::place::{Place, Slot};
use super::service::{StreamError, StreamService};
use super::status;
use super::unary::MOST_RESENDS;
use crate::clock::Nanos;
use crate::driver::pace::Pace;
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
    let service = StreamService {
        sender: slot.sender(),
        sends_one: call.shape.sends_one(),
    };
    let mut client =
        Grpc::with_origin(service, origin.clone()).max_decoding_message_size(usize::MAX);
    if call.gzip {
        client = client
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
    }
    let is_matched = call.shape == Shape::Bidirectional;
    let log = SendLog::default();
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
            .map(Pace::new),
        in_flight: is_matched.then_some(call.in_flight),
        log: log.clone(),
        clock: place.clock,
    };
    let mut tally = Tally {
        iteration,
        step,
        is_counted: call.shape != Shape::Unary,
        log,
        received: 0,
    };
    let codec = Bytewise {
        message_len: call.message.len(),
    };
    let request = Request::from_parts(call.metadata.clone(), Extensions::new(), outgoing);
    let started = iteration.now();
    let response = client
        .streaming(request, call.path.clone(), codec)
        .await
        .map_err(|status| StreamError::behind(&status))?;
    if let Some(identity) = response.metadata().get(status::BACKEND.as_str()) {
        iteration.answered_by(identity.as_bytes());
    }
    let replies = response.into_inner();
    read(replies, &mut tally, started, call.shape)
        .await
        .map_err(|status| StreamError::behind(&status))?;
    slot.ended();
    check_counts(call, &tally)
}

/// Reads replies until the stream ends, measuring each.
async fn read(
    mut replies: Streaming<bytes::Bytes>,
    tally: &mut Tally<'_>,
    started: Nanos,
    shape: Shape,
) -> Result<(), tonic::Status> {
    let iteration = tally.iteration;
    let mut previous = None;
    while replies.message().await?.is_some() {
        tally.received += 1;
        let now = iteration.now();
        if !shape.answers_one() {
            let (kind, from) = match previous {
                None => (SampleKind::FirstMessage, started),
                Some(previous) => (SampleKind::MessageGap, previous),
            };
            iteration.sample_nanos(tally.step, kind, now.saturating_sub(from));
        }
        if shape == Shape::Bidirectional
            && let Some(sent) = tally.log.answered()
        {
            let round_trip = now.saturating_sub(sent);
            iteration.sample_nanos(tally.step, SampleKind::RoundTrip, round_trip);
        }
        previous = Some(now);
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
    is_counted: bool,
    log: SendLog,
    received: u64,
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let sent = self.log.sent();
        if self.is_counted && sent + self.received > 0 {
            self.iteration.messages(self.step, sent, self.received);
        }
    }
}
