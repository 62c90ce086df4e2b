//! Reference servers in this process.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use loadgen_backends::balance::ConfigError;
use loadgen_backends::balance::http::manage::{ManagementError, StoreReloadError};
use loadgen_backends::proxy::ProxyError;
use loadgen_backends::{
    ErrorFault, Faults, Queue, RunningServer, ServeError, ServerConfig, Stall, TlsFiles,
};

use crate::args::{FaultArgs, ServerArgs};
use crate::servers::{Server, Special};
use crate::settings::EnvError;
use crate::sinks::SinkError;

/// Why reference servers could not do their work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServerError {
    /// They could not be started.
    #[error("failed to serve: {0}")]
    Serve(ServeError),
    /// An address to listen on that is none.
    #[error("failed to serve: cannot listen on {address}: {reason}")]
    Resolve {
        /// As it was given.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A balancer's configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A balancer's configuration file, when it is taken.
    #[error(transparent)]
    Store(#[from] StoreReloadError),
    /// The management of a balancer's services.
    #[error("failed to serve: {0}")]
    Management(ManagementError),
    /// The fault proxy.
    #[error("failed to serve: {0}")]
    Proxy(ProxyError),
    /// A balancer that was given nobody to balance between.
    #[error(
        "nothing to balance between: give each backend with `--backend HOST:PORT`, or all in a file with `--config FILE`"
    )]
    NoBackends,
    /// A balancer that was given a backend twice.
    #[error(
        "the backend {name} is given twice; give it once, with the weight of both, like `--backend {name},weight=2`"
    )]
    DuplicateBackend {
        /// What it is called.
        name: String,
    },
    /// A check of a balancer's that takes longer than from one to the next.
    #[error(
        "a health check may take at most as long as from one check to the next: `--health-timeout` is above `--health-interval`"
    )]
    OverlappingChecks,
    /// A variable of the environment that says where metrics go.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// Where metrics were to go.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Standard input, whose end is to be theirs.
    #[error("failed to watch standard input: {0}")]
    Stdin(io::Error),
}

/// A server at work, and which one.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Which one.
    pub(crate) row: &'static Server,
    /// The server.
    pub(crate) server: Arc<RunningServer>,
}

/// Starts a server. It counts what it does if it is to `measure`.
///
/// # Errors
/// When the address is none, or the server cannot start on it.
pub(crate) fn start(
    row: &'static Server,
    address: &str,
    args: &ServerArgs,
    special: &Special,
    measure: bool,
) -> Result<Serving, ServerError> {
    let config = ServerConfig {
        id: args.id.clone(),
        tls: tls(args),
        threads: args.threads.and_then(|it| usize::try_from(it).ok()),
        measure,
        faults: faults(&args.faults, special),
        ..ServerConfig::new(resolve(address)?)
    };
    let server = (row.start)(config, special).map_err(ServerError::Serve)?;
    Ok(Serving {
        row,
        server: Arc::new(server),
    })
}

/// The address that a name stands for.
///
/// # Errors
/// [`ServerError::Resolve`].
pub(crate) fn resolve(address: &str) -> Result<SocketAddr, ServerError> {
    let unresolved = |reason: String| ServerError::Resolve {
        address: address.to_owned(),
        reason,
    };
    let mut addresses = address
        .to_socket_addrs()
        .map_err(|error| unresolved(error.to_string()))?;
    addresses
        .next()
        .ok_or_else(|| unresolved("the name has no address".to_owned()))
}

fn tls(args: &ServerArgs) -> Option<TlsFiles> {
    let (certificate, key) = args.tls_cert.as_ref().zip(args.tls_key.as_ref())?;
    Some(TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
    })
}

fn faults(args: &FaultArgs, special: &Special) -> Faults {
    Faults {
        delay: args.delay,
        stall: args.stall.map(|duration| Stall {
            rate: args.stall_rate,
            duration,
        }),
        error: args.error_rate.map(|rate| ErrorFault {
            rate,
            code: special.error_code,
        }),
        refuse: args.refuse_rate.unwrap_or_default(),
        cut_after: args.cut_after,
        throttle: args.throttle,
        queue: args.capacity.map(|capacity| Queue {
            capacity,
            service_times: args.service_times.into(),
        }),
    }
}
