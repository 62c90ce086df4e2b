//! Workloads that speak a protocol.
//!
//! A driver knows the plan and the [`Workload`](crate::workload::Workload) trait and nothing of
//! the engine: it must not keep time, pace, or decide when an iteration starts. What drivers share
//! (resolving, connecting, encrypting, counting bytes) lives here beside them.

pub mod grpc;

mod connect_error;
mod net;
mod tls;
