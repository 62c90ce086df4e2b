//! An answer that refuses the upgrade: the beginning of what it says.
//!
//! Owns where the body of such an answer ends (RFC 9112, 6.3), as far as it is read.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::upgrade::has_token;
use crate::driver::transport::excerpt::{ENOUGH_BYTES, PATIENCE};

/// The most that is read: chunks may be as short as one byte, and what stands between them is longer.
const MOST_BYTES: usize = 4 << 10;

/// The beginning of the body of `answer`, of which `came` has come. What cannot be read by `deadline`
/// says no more than what could.
pub(super) async fn beginning<T>(
    answer: &Response<T>,
    mut came: Vec<u8>,
    transport: &mut (impl AsyncRead + Unpin),
    deadline: Instant,
) -> Vec<u8> {
    let deadline = deadline.min(Instant::now() + PATIENCE);
    let extent = Extent::of(answer);
    loop {
        let (body, ended) = extent.body_in(&came);
        if ended || body.len() >= ENOUGH_BYTES || came.len() >= MOST_BYTES {
            return body;
        }
        match timeout_at(deadline, transport.read_buf(&mut came)).await {
            Ok(Ok(1..)) => {}
            _ => return body,
        }
    }
}

/// How far a body goes.
#[derive(Debug, Clone, Copy)]
enum Extent {
    Bytes(usize),
    Chunks,
    UntilTheEnd,
}

impl Extent {
    fn of<T>(answer: &Response<T>) -> Self {
        let (status, headers) = (answer.status(), answer.headers());
        let has_none = status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        if has_none {
            return Self::Bytes(0);
        }
        if has_token(headers, &TRANSFER_ENCODING, "chunked") {
            return Self::Chunks;
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let length = length.and_then(|it| it.trim().parse().ok());
        length.map_or(Self::UntilTheEnd, Self::Bytes)
    }

    /// What of the body is in these bytes, and whether that is all of it.
    fn body_in(self, came: &[u8]) -> (Vec<u8>, bool) {
        match self {
            Self::Bytes(length) => {
                let body = came.get(..length);
                (body.unwrap_or(came).to_vec(), body.is_some())
            }
            Self::Chunks => unchunked(came),
            Self::UntilTheEnd => (came.to_vec(), false),
        }
    }
}

/// What is in chunks (RFC 9112, 7.1), and whether nothing follows: the last one has come, or something
/// that is no chunk.
fn unchunked(mut came: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let (start, length) = match httparse::parse_chunk_size(came) {
            Ok(Status::Complete((start, length @ 1..))) => (start, length),
            Ok(Status::Partial) => return (body, false),
            Ok(Status::Complete(_)) | Err(_) => return (body, true),
        };
        let rest = &came[start..];
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        body.extend_from_slice(&rest[..length.min(rest.len())]);
        // The end of a line follows.
        match length.checked_add(2).and_then(|end| rest.get(end..)) {
            Some(next) => came = next,
            None => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("5\r\nhello\r\n0\r\n\r\n" => ("hello".to_owned(), true); "one")]
    #[test_case("2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" => ("hello".to_owned(), true); "two")]
    #[test_case("5\r\nhel" => ("hel".to_owned(), false); "a part of one")]
    #[test_case("5\r\nhello\r" => ("hello".to_owned(), false); "half an end of a line")]
    #[test_case("5\r\nhello\r\n" => ("hello".to_owned(), false); "more to come")]
    #[test_case("" => (String::new(), false); "nothing")]
    #[test_case("hello" => (String::new(), true); "none")]
    #[test_case("ffffffffffffffff\r\nhello" => ("hello".to_owned(), false); "the longest")]
    #[test_case("fffffffffffffffff\r\nhello" => (String::new(), true); "longer than that")]
    fn chunks(came: &str) -> (String, bool) {
        let (body, ended) = unchunked(came.as_bytes());
        (String::from_utf8(body).expect("text"), ended)
    }
}
