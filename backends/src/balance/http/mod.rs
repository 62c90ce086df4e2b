//! Services behind one address: which there are, and which of them a request is for.
//!
//! Owns what a configuration of services says (`settings`) and how a path and a method lead to a service
//! (`route`), and the management of them while they are served (`manage`).

pub mod manage;
pub mod route;
pub mod settings;

pub use route::{NotRouted, Route, Routed};
pub use settings::{ServiceSettings, ServicesSettings};
