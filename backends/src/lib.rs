//! Reference servers to play loadgen against: small, honest, faulty on request.
//!
//! [`start_grpc`], [`start_websocket`], [`start_http`] and [`start_tcp`] start one on threads of its
//! own, so that a test, a benchmark or the command line can have a backend without a runtime:
//!
//! ```
//! use loadgen_backends::{ServerConfig, start_grpc};
//!
//! let server = start_grpc(ServerConfig::new("127.0.0.1:0".parse()?))?;
//! println!("{} listens on {}", server.id(), server.local_addr());
//! server.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every reply says who sent it. With [`Faults`] a backend misbehaves on purpose; without, it is as
//! plain as a server can be. Started with `measure` it counts what it does and measures how long that
//! takes ([`RunningServer::activity`]). The servers print nothing and install no signal handlers.
//!
//! | module | owns |
//! |---|---|
//! | `serve` | what servers share: listening, connections, TLS, limits, faults, a queue, identity, counting |
//! | [`theory`] | how long requests take in such a queue, by queueing theory |
//! | [`balance`] | load balancers: pools of backends, selection, health; a room for each layer |
//! | [`proxy`] | the fault proxy: bytes passed on, badly on purpose |
//! | `wire` | what the HTTP backend and the HTTP balancer share below HTTP |
//! | `grpc`, `websocket`, `http`, `tcp` | a protocol each; they use `serve` and never each other |

pub mod balance;
mod grpc;
mod http;
pub mod proxy;
mod serve;
mod tcp;
mod websocket;
mod wire;

pub use self::http::start_http;
pub use grpc::{proto, start_grpc};
pub use serve::activity::Activity;
pub use serve::error::ServeError;
pub use serve::faults::{Delay, ErrorFault, Faults, InvalidFault, Probability, Stall};
pub use serve::identity::IDENTITY_METADATA;
pub use serve::limits;
pub use serve::queue::{Capacity, Queue, ServiceTimes, theory};
pub use serve::server::{RunningServer, ServerConfig};
pub use serve::tls::TlsFiles;
pub use tcp::{TcpOptions, start_tcp};
pub use websocket::start_websocket;

/// The status of an [`ErrorFault`].
pub use tonic::Code;
