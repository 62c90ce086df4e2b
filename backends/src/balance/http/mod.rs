//! Services behind one address: which there are, and which of them a request is for.
//!
//! Owns what a configuration of services says (`settings`) and how a path and a method lead to a service
//! (`route`). It opens no socket.

pub mod route;
pub mod settings;

pub use route::{NotRouted, Route, Routed};
pub use settings::{ServiceSettings, ServicesSettings};
