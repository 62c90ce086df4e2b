//! The fault proxy: between clients and a server, and bad at it on purpose.
//!
//! It passes bytes on, whatever is spoken, and does to them what [`ProxyFaults`] say: `faults` is their one form,
//! for flags and the HTTP API; `line` what is under way between reading and writing, when each piece of it is due
//! and how fast it may go; `relay` one direction; `carry` a connection; `counts` what became of them; `server` the
//! life of it all; `manage` the API. It chooses nobody and checks nobody's health: that is a balancer's.

mod carry;
mod counts;
mod faults;
mod line;
mod manage;
mod relay;
mod server;

pub use counts::ProxyCounts;
pub use faults::{EachWay, HalfOpen, ProxyFaults, Side};
pub use server::{ManageFaults, ProxyError, ProxySettings, RunningProxy, start_proxy};
