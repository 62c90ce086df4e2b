//! HTTP/2 for those who send requests over it: connections that users share, kept open, and when
//! each stream's frames left and came.
//!
//! Owns everything between a byte stream and a request's head and body. A [`Pool`] has a worker's
//! connections, each in a [`Place`] that is kept connected; a [`StreamPermit`] is the right to one
//! stream on one of them, opens it, and hands out its two directions and the head of its answer.
//! Only [`codec`] knows who speaks the protocol: a library, or `machine`, our own, for calls whose message is at
//! hand. Knows nothing of what requests and answers mean: statuses, headers
//! and bodies are the driver's.

mod choice;
mod codec;
mod connection;
mod division;
mod error;
mod frames;
mod handshake;
mod keeper;
mod line;
mod machine;
mod own;
mod peer;
mod peers;
mod permit;
mod place;
mod pool;
mod probe;
mod problem;
mod pump;
mod standing;
mod tap;

pub(crate) use self::choice::{Admitted, Choice, Chosen, How, Met};
pub(crate) use self::codec::library::{RELEASE_AFTER_BYTES, RecvStream, SendStream, Sender};
pub(crate) use self::codec::{Call, Head, Incoming};
pub(crate) use self::error::{Error, MOST_HEAD_BYTES, MOST_RESENDS};
pub(crate) use self::handshake::open;
pub(crate) use self::machine::Constant;
#[cfg(fuzzing)]
pub(crate) use self::machine::fuzzing;
pub(crate) use self::own::{OwnConnection, Owners};
pub(crate) use self::permit::StreamPermit;
pub(crate) use self::place::Place;
pub(crate) use self::pool::{Pool, Wanted};
pub(crate) use self::problem::ConnectError;
pub(crate) use self::standing::{Breaking, Standing, Standings, Told};
pub(crate) use self::tap::{Tap, Times};

/// HTTP/2's name in a TLS handshake.
pub(crate) const ALPN: &[u8] = b"h2";
