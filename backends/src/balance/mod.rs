//! Load balancers: reference servers that give connections or requests to backends.
//!
//! Owns what balancers share: which backends there are (`pool`, `endpoint`), who is next
//! (`selection`), who is up (`health`), where names lead (`resolve`), how a backend is reached (`dial`), who may be slow (`patient`), how one is told (`config`), what one tells (`status`, `metrics`), who may sit beside the balanced address (`side`), and its threads (`life`). A balancer of a layer is a room
//! of its own beside them and never uses another's.
//!
//! The sockets and the threads of any balancer are a `crew`.

pub(crate) mod config;
pub(crate) mod crew;
pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod health;
pub mod http;
pub(crate) mod life;
pub(crate) mod metrics;
pub(crate) mod patient;
pub(crate) mod pool;
pub(crate) mod resolve;
pub(crate) mod selection;
pub(crate) mod side;
pub(crate) mod status;
pub mod tcp;

pub use config::shared::{MOST_WEIGHT, StatsdSettings, host_and_port};
pub use config::{ConfigError, Problem, ReloadError};
pub use health::HealthSettings;
pub use pool::{BackendSettings, PoolSettings};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use selection::Algorithm;
