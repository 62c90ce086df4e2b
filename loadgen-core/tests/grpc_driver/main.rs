//! The gRPC driver against small servers of these tests' own, over real sockets.
#![cfg(feature = "grpc")]

#[path = "../common/mod.rs"]
mod common;

mod agents;
mod bounds;
mod calls;
mod codecs;
mod connect;
mod describe;
mod farewell;
mod faults;
mod intercept;
mod lasting;
mod lists;
mod lives;
mod own;
mod process;
mod raw;
mod replies;
mod resilience;
mod retry;
mod sets;
mod shares;
mod sticky;
mod support;
mod templates;
mod whole;
