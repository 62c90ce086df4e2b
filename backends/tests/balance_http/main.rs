//! The HTTP balancer over real sockets.

#![expect(clippy::unwrap_used, reason = "tests: a surprise is to panic")]

#[path = "../common/certificate.rs"]
mod certificate;
mod common;
mod faults;
mod leaves;
mod limits;
mod page;
mod passes;
mod replaced;
mod retries;
mod speaks;
mod stalls;
mod streams;
mod tls;
