//! The WebSocket driver against small servers of these tests' own, over real sockets.
#![cfg(feature = "websocket")]

#[path = "../common/mod.rs"]
mod common;

mod connect;
mod conversations;
mod faults;
mod idle;
mod intercept;
mod messages;
mod mixed;
mod server;
mod support;
mod telling_apart;
mod templates;
mod whole;
