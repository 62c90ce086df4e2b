//! Workloads that speak a protocol.
//!
//! A driver knows the plan and the [`Workload`](crate::workload::Workload) trait and nothing of
//! the engine: it must not keep time, pace, or decide when an iteration starts. What drivers share
//! (resolving, connecting, encrypting, counting bytes) lives here beside them.

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "websocket")]
pub mod websocket;

mod backoff;
mod connect_error;
mod counted;
mod endpoints;
mod excerpt;
mod lookup;
mod net;
mod pace;
#[cfg(fuzzing)]
mod replay;
mod round_trip;
mod tls;
mod wire;

pub use endpoints::EndpointError;
pub use tls::TlsError;
