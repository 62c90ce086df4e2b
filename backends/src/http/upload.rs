//! A request's body: read to its end, within bounds.

use std::future::poll_fn;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};

/// Largest body taken: whoever sends that much wants to see it echoed.
pub(super) const MAX_BODY_BYTES: usize = 64 << 20;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It has more than may be.
    TooLarge,
    /// Its peer has gone, or sends nonsense.
    Broken,
}

/// All of a body.
///
/// # Errors
/// [`Unread`], as soon as that is known.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Unread> {
    let told = body.size_hint().lower();
    if told > MAX_BODY_BYTES as u64 {
        return Err(Unread::TooLarge);
    }
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        // Trailers are none of the body.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if all.is_empty() && first.is_empty() {
            // Most bodies come in one piece, which needs no copy.
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        if all.len() + data.len() > MAX_BODY_BYTES {
            return Err(Unread::TooLarge);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
