//! Reference servers to play loadgen against: small, honest, faulty on request.
//!
//! [`start_grpc`] and [`start_websocket`] start one on threads of its own, so that a test, a
//! benchmark or the command line can have a backend without a runtime:
//!
//! ```
//! use loadgen_backends::{GrpcConfig, start_grpc};
//!
//! let server = start_grpc(GrpcConfig::new("127.0.0.1:0".parse()?))?;
//! println!("{} listens on {}", server.id(), server.local_addr());
//! server.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every reply says who sent it. With [`Faults`] a backend misbehaves on purpose; without, it is as
//! plain as a server can be. Started with `measure` it counts what it does and measures how long that
//! takes ([`RunningServer::activity`]). The servers print nothing and install no signal handlers.

mod activity;
mod compute;
mod connection;
mod error;
mod faults;
mod grpc;
mod identity;
pub mod limits;
mod listen;
mod pace;
pub mod proto;
mod server;
mod tls;
mod websocket;

pub use activity::Activity;
pub use error::ServeError;
pub use faults::{Delay, ErrorFault, Faults, InvalidFault, Probability, Stall};
pub use grpc::{GrpcConfig, start_grpc};
pub use identity::IDENTITY_METADATA;
pub use server::RunningServer;
pub use tls::TlsFiles;
pub use websocket::{WebsocketConfig, start_websocket};

/// The status of an [`ErrorFault`].
pub use tonic::Code;
