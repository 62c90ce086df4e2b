//! What an answer means: gRPC statuses, and the failure class of each.
//!
//! Owns the mapping to [`Failure`]. Reads headers only; talks to nobody.

use std::num::NonZeroU8;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;

use crate::driver::http2::{Head, MOST_HEAD_BYTES};
use crate::outcome::{Failure, GrpcCode};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The status of a server that sent one without a name.
const UNKNOWN: u32 = 2;

/// The status in these headers or trailers; `None` where there is none. A number that has no name
/// counts as UNKNOWN, as gRPC's specification of statuses says: a server that makes up numbers
/// does not make up failure classes.
#[inline]
pub(super) fn code(headers: &HeaderMap) -> Option<Result<GrpcCode, Failure>> {
    let value = headers.get(&GRPC_STATUS)?.as_bytes();
    if value == b"0" {
        return Some(Ok(GrpcCode::new(0)));
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Some(Err(Failure::Protocol));
    }
    let number = named(value).unwrap_or(UNKNOWN);
    Some(Ok(GrpcCode::new(number)))
}

/// The number of a status that has a name.
fn named(digits: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= 16).then_some(number)
}

/// The status message that goes with a status, percent-decoded.
pub(super) fn message(headers: &HeaderMap) -> String {
    headers.get(&GRPC_MESSAGE).map_or_else(String::new, |text| {
        percent_decode(text.as_bytes())
            .decode_utf8_lossy()
            .into_owned()
    })
}

/// Whether a status ends the call well; if not, why.
#[inline]
pub(super) fn check(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    code(headers).map(|code| match code {
        Ok(code) if code.is_ok() => Ok(()),
        Ok(code) => Err(Failure::Grpc(code)),
        Err(failure) => Err(failure),
    })
}

/// An example of what a failed status looked like.
pub(super) fn explain(headers: &HeaderMap) -> String {
    match code(headers) {
        Some(Ok(code)) => {
            let raw = headers
                .get(&GRPC_STATUS)
                .filter(|raw| named(raw.as_bytes()).is_none());
            let raw = raw.map_or_else(String::new, |raw| format!(" (grpc-status {raw:?})"));
            let message = message(headers);
            if message.is_empty() {
                format!("the server answered {code}{raw} without a message")
            } else {
                format!("the server answered {code}{raw}: {message}")
            }
        }
        Some(Err(_)) => {
            let raw = headers
                .get(&GRPC_STATUS)
                .map_or(&[][..], HeaderValue::as_bytes);
            let raw = String::from_utf8_lossy(raw);
            format!("the server sent a grpc-status that is not a number: \"{raw}\"")
        }
        // A head, where there were no trailers.
        None if headers.is_empty() || headers.contains_key(CONTENT_TYPE) => {
            "the stream ended without a grpc-status".to_owned()
        }
        // The library leaves out what comes after that, and does not say so.
        None => format!(
            "the stream ended without a grpc-status in the first {} KiB of its trailers",
            MOST_HEAD_BYTES >> 10
        ),
    }
}

/// Whether the head of a response is gRPC's at all. A status of gRPC's that stands beside one of
/// HTTP's says more than that.
#[inline]
pub(super) fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status != StatusCode::OK {
        return Err(refused(headers).unwrap_or(Failure::Http(status.as_u16())));
    }
    match headers.get(CONTENT_TYPE) {
        Some(value) if value.as_bytes().starts_with(b"application/grpc") => Ok(()),
        _ => Err(Failure::Protocol),
    }
}

/// What an answer's head or trailers say, as far as it is seen without knowing which of the two they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Says {
    /// As a head: that messages may follow. It has no status.
    Begins = 1,
    /// As trailers: that the call ended well.
    EndsWell = 2,
    /// Anything else.
    Other = 3,
}

/// What a head or trailers say; of those that others have had it is known already.
#[inline]
pub(super) fn says(head: &Head) -> Says {
    let note = head.judged(|status, fields| {
        let says = match (code(fields), check_head(status, fields)) {
            (None, Ok(())) => Says::Begins,
            (Some(Ok(code)), _) if code.is_ok() => Says::EndsWell,
            _ => Says::Other,
        };
        NonZeroU8::new(says as u8).expect("they count from 1")
    });
    [Says::Begins, Says::EndsWell]
        .into_iter()
        .find(|says| *says as u8 == note.get())
        .unwrap_or(Says::Other)
}

/// The gRPC status of an answer that HTTP says is none, where it has one other than OK.
pub(super) fn refused(headers: &HeaderMap) -> Option<Failure> {
    match code(headers) {
        Some(Ok(code)) if !code.is_ok() => Some(Failure::Grpc(code)),
        _ => None,
    }
}

/// An example of what a head that is not gRPC's looked like.
pub(super) fn explain_head(status: StatusCode, headers: &HeaderMap) -> String {
    if status != StatusCode::OK {
        return match refused(headers) {
            Some(_) => format!("{} (and HTTP status {status})", explain(headers)),
            None => format!("the server answered with HTTP status {status}"),
        };
    }
    match headers.get(CONTENT_TYPE) {
        Some(value) => format!("the answer's content-type is {value:?}, not application/grpc"),
        None => "the answer has no content-type; gRPC's is application/grpc".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(key, value)| {
                (
                    HeaderName::from_static(key),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test_case(&[("grpc-status", "0")] => Some(Ok(())))]
    #[test_case(&[("grpc-status", "14")] => Some(Err(Failure::Grpc(GrpcCode::new(14)))))]
    #[test_case(&[("grpc-status", "16")] => Some(Err(Failure::Grpc(GrpcCode::new(16)))))]
    #[test_case(&[("grpc-status", "17")] => Some(Err(Failure::Grpc(GrpcCode::new(2)))))]
    #[test_case(&[("grpc-status", "99999999999")] => Some(Err(Failure::Grpc(GrpcCode::new(2)))))]
    #[test_case(&[("grpc-status", "-1")] => Some(Err(Failure::Protocol)))]
    #[test_case(&[("grpc-status", "")] => Some(Err(Failure::Protocol)))]
    #[test_case(&[("grpc-status", "good")] => Some(Err(Failure::Protocol)))]
    #[test_case(&[] => None)]
    fn statuses(pairs: &[(&'static str, &'static str)]) -> Option<Result<(), Failure>> {
        check(&headers(pairs))
    }

    #[test_case(&[("grpc-status", "5"), ("grpc-message", "no %22bob%22 h%C3%A9re")]
        => "the server answered NOT_FOUND: no \"bob\" h\u{e9}re")]
    #[test_case(&[("grpc-status", "13")] => "the server answered INTERNAL without a message")]
    #[test_case(&[("grpc-status", "4711"), ("grpc-message", "odd")]
        => "the server answered UNKNOWN (grpc-status \"4711\"): odd")]
    #[test_case(&[] => "the stream ended without a grpc-status")]
    fn explanations(pairs: &[(&'static str, &'static str)]) -> String {
        explain(&headers(pairs))
    }

    #[test_case(200, &[("content-type", "application/grpc+proto")] => Ok(()))]
    #[test_case(200, &[("content-type", "text/html")] => Err(Failure::Protocol))]
    #[test_case(200, &[] => Err(Failure::Protocol))]
    #[test_case(503, &[("content-type", "application/grpc")] => Err(Failure::Http(503)))]
    #[test_case(503, &[("grpc-status", "14")] => Err(Failure::Grpc(GrpcCode::new(14))); "a status beside HTTP's")]
    #[test_case(503, &[("grpc-status", "0")] => Err(Failure::Http(503)); "OK beside HTTP's error")]
    #[test_case(503, &[("grpc-status", "x")] => Err(Failure::Http(503)); "nonsense beside HTTP's error")]
    fn heads(status: u16, pairs: &[(&'static str, &'static str)]) -> Result<(), Failure> {
        check_head(
            StatusCode::from_u16(status).expect("a status"),
            &headers(pairs),
        )
    }
}
