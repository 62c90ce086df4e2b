//! The client's side of HTTP/2 as a state machine, for requests whose message is at hand and whose answers are
//! read as they come.
//!
//! Owns the protocol (RFC 9113) and its compression of headers (RFC 7541): what the server sends goes in as bytes
//! ([`Client::receive`]), what is to be sent comes out as bytes ([`Client::due`]), and what became of a stream is
//! asked for by its number. Does no input or output, reads no clock, and knows nothing of gRPC.
//!
//! | what | where it is said | where it is done |
//! |---|---|---|
//! | frames, their sizes, padding | RFC 9113, 4 and 6 | `frame`, `receiving` |
//! | header blocks, CONTINUATION | 4.3, 6.2, 6.10 | `receiving`, `blocks` |
//! | header compression | RFC 7541 | `hpack`, `huffman`, `decoder`, `encoder` |
//! | streams, their numbers and ends | 5 | `stream`, `client` |
//! | flow control | 5.2, 6.9 | `client` for what is sent, `receiving` and `answers` for what comes |
//! | SETTINGS, PING, GOAWAY | 6.5, 6.7, 6.8 | `connection` |
//! | malformed messages | 8.1.1 | `blocks`, `receiving` |
//!
//! What a server may make it hold is bounded: heads by [`MOST_HEAD_BYTES`](Limits), data by the windows, what it
//! is owed in answers by [`Client::takes_more`], frames that say nothing by a count.

mod answers;
mod blocks;
mod client;
mod connection;
mod decoder;
mod encoder;
mod fault;
pub(crate) mod frame;
mod hpack;
mod huffman;
mod receiving;
mod stream;

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(any(test, fuzzing))]
mod oracle;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
mod whole;

pub(crate) use self::blocks::Block;
pub(crate) use self::client::{Client, Constant, Limits};
pub(crate) use self::fault::Fault;
