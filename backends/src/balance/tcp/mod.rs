//! The layer-4 balancer: a connection is given to a backend, and bytes go both ways until both sides
//! have ended theirs.
//!
//! Owns its settings (`settings`), its life (`balancer`), how a backend is reached (`connect`), what a
//! backend is told of the client (`proxy`), and the bytes (`relay`).

mod balancer;
mod connect;
mod counts;
mod proxy;
mod relay;
mod settings;

pub use balancer::{RunningTcpBalancer, start_tcp_balancer};
pub use counts::Snapshot;
pub use proxy::ProxyProtocol;
pub use settings::TcpSettings;
