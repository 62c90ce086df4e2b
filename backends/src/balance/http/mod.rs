//! The HTTP balancer: services behind one address, each request to a backend of the service it is for.
//!
//! Owns what a configuration says (`config`, `settings`), how a path and a method lead to a service (`route`),
//! the services that are served by and how others take their place (`services`), how their backends are
//! asked for their health (`check`), bodies on their way (`upload`), connections that wait for the next
//! request (`kept`), answers of the balancer's own (`problem`), what is counted (`counts`), and the management of services while they are served
//! (`manage`).

pub mod config;

mod check;
mod counts;
mod kept;
pub mod manage;
mod problem;
pub mod route;
mod services;
pub mod settings;
mod upload;

pub use check::HttpCheck;
pub use config::{HttpLimits, HttpSettings};
pub use counts::FrontFigures;
pub use route::{NotRouted, Route, Routed};
pub use services::{Services, ServicesError};
pub use settings::{BackendProtocol, ServiceSettings, ServicesSettings};
