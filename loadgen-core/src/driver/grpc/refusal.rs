//! An answer that is not gRPC's: what it says all the same.
//!
//! Owns how long and how far such an answer is read: far enough for its status, where one comes
//! after its body, and for a person to see who answered.

use std::future::poll_fn;

use http::{HeaderMap, StatusCode};

use super::status;
use crate::driver::http2::{Head, Incoming};
use crate::driver::transport::excerpt;
use crate::outcome::Failure;

/// An answer whose head is not gRPC's.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// An example for people.
    pub(super) detail: String,
}

/// Looks into an answer whose head makes it this failure.
pub(super) async fn of(
    failure: Failure,
    (status, headers): (StatusCode, &HeaderMap),
    body: &mut impl Incoming,
) -> Refusal {
    let detail = status::explain_head(status, headers);
    if matches!(failure, Failure::Grpc(_)) || body.is_at_end() {
        return Refusal { failure, detail };
    }
    let mut beginning = Vec::new();
    // What cannot be read says no more than what could.
    let rest = tokio::time::timeout(excerpt::PATIENCE, read(body, &mut beginning)).await;
    if let Ok(Some(trailers)) = rest
        && let Some(failure) =
            status::refused(trailers.fields()).filter(|_| status != StatusCode::OK)
    {
        let detail = status::explain_head(status, trailers.fields());
        return Refusal { failure, detail };
    }
    Refusal {
        failure,
        detail: detail + &excerpt::said(&excerpt::of(&beginning)),
    }
}

/// Reads to the end, or until there is enough. The trailers, where it came to them.
async fn read(body: &mut impl Incoming, beginning: &mut Vec<u8>) -> Option<Head> {
    loop {
        let room = excerpt::ENOUGH_BYTES.saturating_sub(beginning.len());
        let piece = poll_fn(|cx| {
            body.poll_data(cx, |piece| {
                beginning.extend_from_slice(&piece[..piece.len().min(room)]);
            })
        });
        let Some(len) = piece.await else { break };
        let len = len.ok()?;
        if len >= room {
            return None;
        }
        body.release(len).ok()?;
    }
    poll_fn(|cx| body.poll_trailers(cx)).await.ok()?
}
