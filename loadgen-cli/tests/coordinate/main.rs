//! Shards that a coordinator holds together, each a process of its own, and what may befall them.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod strangers;
mod support;
mod together;
mod wire;
