//! HTTP/1.1 as a client speaks it: what is written, and how what comes is read.
//!
//! Owns the form of requests (`written`), of an answer's head (`head`) and body (`body`), and the bytes that
//! came and were not looked at yet (`inbox`). Moves no bytes itself, knows no time, and asks for no memory
//! with a request once the first was answered. What may be read in more than one way is refused, for a load
//! generator that takes a wrong answer for a right one is worse than none.
//!
//! The sections named are of RFC 9110 and RFC 9112.

mod body;
mod head;
mod inbox;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(super) mod whole;
mod written;

pub(super) use self::body::Body;
pub(super) use self::head::{Asked, Extent, Head};
pub(super) use self::inbox::{Inbox, Part};
pub(super) use self::written::Written;

/// The most that the head of an answer may have, in bytes, and in fields.
const MOST_HEAD: usize = 64 * 1024;
/// The same of its fields, and of those behind a body's last chunk.
const MOST_FIELDS: usize = 100;
/// The most that the fields behind the last chunk may have, in bytes.
const MOST_TRAILERS: usize = 16 * 1024;
/// The most that may stand between two chunks of a body and tells nothing: extensions, blanks, leading zeros.
/// There are servers that write all sizes with as many digits, so it is no bound on the whole.
const MOST_BETWEEN_CHUNKS: u32 = 16 * 1024;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// Its head is longer than anybody's.
    #[error("the head of the answer has more than {MOST_HEAD} bytes or {MOST_FIELDS} fields")]
    LongHead,
    /// Its head is none.
    #[error("the answer is not HTTP/1.1's: {0}")]
    Head(httparse::Error),
    /// Its status is below 100.
    #[error("the answer is not HTTP/1.1's: its status is {0}")]
    Status(u16),
    /// It says its length in a way that is none, or in two that differ.
    #[error("the answer is not HTTP/1.1's: its content-length is `{0}`")]
    Length(String),
    /// It comes in a form that nobody asked for.
    #[error(
        "the answer's transfer coding is `{0}`, and only `chunked` is read: no other was asked for (`te`)"
    )]
    Coding(String),
    /// HTTP/1.0 has no transfer codings.
    #[error("the answer is not HTTP/1.1's: it has a transfer coding, and is of HTTP/1.0")]
    CodingOf10,
    /// The line before a chunk, or what is behind one.
    #[error("the answer cannot be read: {0}")]
    Chunk(&'static str),
    /// The fields behind the last chunk are none.
    #[error("the answer cannot be read: behind its last chunk is no header field: {0}")]
    Trailers(httparse::Error),
    /// They are more than anybody's.
    #[error(
        "the answer cannot be read: behind its last chunk are more than {MOST_TRAILERS} bytes or \
         {MOST_FIELDS} header fields"
    )]
    LongTrailers,
}
