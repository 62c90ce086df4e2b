//! The HTTP driver against small servers of these tests' own, over real sockets.
#![cfg(feature = "http")]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod connections;
mod encrypted;
mod events;
mod http2;
mod requests;
mod server;
mod support;
mod whole;
