//! The gRPC backend: the reference service, health checking and reflection over HTTP/2.
//!
//! Owns the start. `service` takes each request to who answers it, `greeter` answers, [`proto`] has
//! the generated types, and `codec` is what they are encoded with.

mod codec;
mod greeter;
mod peer;
pub mod proto;
mod service;

use futures::FutureExt as _;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::serve::error::ServeError;
use crate::serve::faults::FaultState;
use crate::serve::server::{self, RunningServer, ServerConfig, Setup};

use self::proto::GREETER;

/// Whose health there is: the backend's as a whole, and its service's.
const SERVICES: [&str; 2] = ["", GREETER];

/// Starts a gRPC backend on threads of its own. When this returns, it listens.
///
/// # Errors
/// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, the id cannot
/// be sent, or a thread cannot be started.
pub fn start_grpc(config: ServerConfig) -> Result<RunningServer, ServeError> {
    let health = serving();
    let services = service::Shared::new(&health)?;
    let stream_log = config.stream_log;
    let setup = Setup::new(config, &[b"h2"])?;
    let (identity, faults) = (setup.identity.clone(), setup.faults.clone());
    let make = |tally| {
        let faults = faults.as_ref().map(FaultState::on_worker);
        let services = services.clone();
        service::Grpc::new(&identity, services, faults, tally, stream_log)
    };
    let (leaving, ending) = (health.clone(), health);
    server::start(setup, make, announce_leave(leaving), announce_end(ending))
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

/// Tells those who watch the backend's health, and those who ask, that it is about to end.
async fn announce_leave(health: HealthReporter) {
    for service in SERVICES {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}

/// Ends the watch of those who watch the backend's health and have been told that it ends: it would
/// otherwise hold up the shutdown.
async fn announce_end(mut health: HealthReporter) {
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
    // Those who ask from now on get an answer too.
    announce_leave(health).await;
}
