//! Load generation for gRPC and WebSocket services.

pub mod clock;
#[cfg(feature = "grpc")]
pub mod driver;
pub mod engine;
mod nearest;
pub mod outcome;
pub mod pacer;
pub mod record;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod threshold;
pub mod units;
pub mod workload;
