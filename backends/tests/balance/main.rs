//! Balancers over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

mod common;
mod tcp;
mod tcp_faults;
