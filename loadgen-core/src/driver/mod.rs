//! Workloads that speak a protocol.
//!
//! A driver knows the plan and the [`Workload`](crate::workload::Workload) trait and nothing of
//! the engine: it must not keep time, pace, or decide when an iteration starts. An iteration's steps
//! are walked in one place for all of them, `steps`. What else drivers share (resolving, connecting,
//! encrypting, counting bytes) lives in `transport`, below them; values that stand elsewhere in `sources`,
//! metadata and header fields made of them in `header_fields`, and who is shown what is sent and answered in
//! `intercept`; what those share that send requests over HTTP/2 lives between, in `http2`.

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "grpc", feature = "http"))]
mod http2;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(feature = "websocket")]
pub mod websocket;

pub(crate) mod guests;
#[cfg(any(feature = "grpc", feature = "websocket", feature = "http"))]
mod header_fields;
#[cfg(any(feature = "grpc", feature = "http"))]
mod header_values;
mod identity;
mod intercept;
mod mistake;
mod renewed;
mod script;
pub(crate) mod sources;
mod steps;
mod transport;
#[cfg(any(feature = "websocket", feature = "http"))]
mod web;

pub use intercept::{
    Content, ContentError, Draft, Exchange, FieldError, Interceptor, Message, Request,
};
pub use mistake::Mistake;
pub use sources::SourceError;
pub use steps::Session;
pub use transport::{BindError, EndpointError, TlsError};
