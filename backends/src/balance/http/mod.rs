//! The HTTP balancer: services behind one address, each request to a backend of the service it is for.
//!
//! Owns what a configuration says (`config`, `settings`), how a path, a method and header fields (`wanted`) lead to a service (`route`),
//! the services that are served by and how others take their place (`services`), and how their backends are
//! asked for their health (`check`). A connection is a `front` over a `client`, and over
//! HTTP/2 has streams that are `taken`; each of its requests goes through `request` and, with its `headers` made a
//! backend's, through `forward` over a connection that is new (over HTTP/2 one of `two`'s) or `kept`. Bodies on their way are `upload` and `download`, what is not HTTP any more a `tunnel`. Answers of
//! the balancer's own are `problem`s, what is counted `counts`, its life `balancer`, and services are managed
//! while they are served by `manage`.

mod balancer;
mod check;
mod client;
pub mod config;
mod counts;
mod download;
mod forward;
mod front;
mod headers;
mod kept;
pub mod manage;
mod problem;
mod request;
pub mod route;
mod services;
pub mod settings;
mod taken;
mod tunnel;
mod two;
mod upload;
pub mod wanted;

pub use balancer::{RunningHttpBalancer, start_http_balancer};
pub use check::HttpCheck;
pub use config::{HttpLimits, HttpSettings};
pub use counts::FrontFigures;
pub use route::{NotRouted, Route, Routed};
pub use services::{Services, ServicesError};
pub use settings::{BackendProtocol, ServiceSettings, ServicesSettings};
pub use wanted::WantedHeader;
