//! Balancers over real sockets.

#![expect(clippy::unwrap_used, reason = "tests: a surprise is to panic")]

mod common;
mod tcp;
mod tcp_faults;
