//! The gRPC backend: the reference service, health checking and reflection over HTTP/2.
//!
//! Owns the configuration and the start. `service` takes each request to who answers it, `greeter`
//! answers, `codec` is what the generated code encodes with.

pub(crate) mod codec;
mod greeter;
mod service;

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt as _;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::error::ServeError;
use crate::faults::Faults;
use crate::proto::GREETER;
use crate::server::{self, RunningServer, Setup, Wanted};
use crate::tls::TlsFiles;

/// What a gRPC backend is started with.
#[derive(Debug, Clone)]
pub struct GrpcConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// What the replies call this backend: visible ASCII, at most 128 characters. Without one, it
    /// gets an id made of host, process and port.
    pub id: Option<String>,
    /// Serves TLS, and only TLS.
    pub tls: Option<TlsFiles>,
    /// Worker threads; without a number, one for each core the process may use.
    pub threads: Option<usize>,
    /// Requests that may be under way on one connection.
    pub max_concurrent_streams: u32,
    /// How long a shutdown lets requests finish.
    pub grace: Duration,
    /// Whether to count what it does and measure how long that takes, for
    /// [`RunningServer::activity`]. Costs a little for each request.
    pub measure: bool,
    /// What to do wrong on purpose.
    pub faults: Faults,
}

impl GrpcConfig {
    /// A faultless plaintext backend at `address`, with a worker for each core.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            id: None,
            tls: None,
            threads: None,
            max_concurrent_streams: 1024,
            grace: Duration::from_secs(5),
            measure: false,
            faults: Faults::default(),
        }
    }
}

/// Starts a gRPC backend on threads of its own. When this returns, it listens.
///
/// # Errors
/// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, the id cannot
/// be sent, or a thread cannot be started.
pub fn start_grpc(config: GrpcConfig) -> Result<RunningServer, ServeError> {
    let health = serving();
    let services = service::Shared::new(&health)?;
    let setup = Setup::new(
        Wanted {
            address: config.address,
            id: config.id,
            tls: config.tls,
            threads: config.threads,
            grace: config.grace,
            measure: config.measure,
            faults: config.faults,
        },
        b"h2",
    )?;
    let (identity, faults) = (setup.identity.clone(), setup.faults.clone());
    let make = |tally| {
        service::Grpc::new(
            &identity,
            services.clone(),
            faults.clone(),
            tally,
            config.max_concurrent_streams,
        )
    };
    server::start(setup, make, announce_end(health))
}

/// The health of a backend that serves, as a whole and by its service's name.
fn serving() -> HealthReporter {
    let health = HealthReporter::new();
    health
        .set_service_status(GREETER, ServingStatus::Serving)
        .now_or_never()
        .expect("nobody else has the reporter yet, so it does not wait");
    health
}

/// Tells those who watch the backend's health that it stops, and ends their watch, which would
/// otherwise hold up the shutdown.
async fn announce_end(mut health: HealthReporter) {
    for service in ["", GREETER] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
        health.clear_service_status(service).await;
        // Those who ask from now on get an answer too.
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}
