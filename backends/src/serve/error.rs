//! Why a server could not be started.
//!
//! Owns [`ServeError`]. What goes wrong on one connection is not an error of the server and does
//! not come here.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_rustls::rustls;

/// Why a server could not be started. Each message fits "failed to serve: …" and is whole: what lies
/// beneath is in it and not, a second time, in the error's source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Something else listens there.
    #[error("{address} is already in use; choose another port, or 0 for any free one")]
    AddressInUse {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason: it belongs to another machine, or a
    /// low port needs a privilege.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
    /// The id cannot stand in response metadata.
    #[error("the id {id:?} must be 1 to {max} visible ASCII characters", max = crate::serve::limits::MAX_ID_BYTES)]
    InvalidId {
        /// As it was given.
        id: String,
    },
    /// The version cannot be what answers say.
    #[error("the version {version:?} must be 1 to {max} visible ASCII characters", max = crate::serve::limits::MAX_ID_BYTES)]
    InvalidVersion {
        /// As it was given.
        version: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read the {what} {}: {reason}", path.display())]
    TlsFile {
        /// Certificate or key.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file holds no certificate or key in PEM form.
    #[error("found no {what} in PEM form in {}: {reason}", path.display())]
    NotPem {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// The key is not the certificate's.
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate or key is of a kind that cannot be used.
    #[error("cannot use the certificate {} with the key {}: {reason}", certificate.display(), key.display())]
    UnusableCertificate {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        reason: rustls::Error,
    },
    /// Services are not what their settings promise.
    #[error("{reason}")]
    Services {
        /// What is wrong with them.
        reason: crate::balance::http::ServicesError,
    },
    /// Metrics cannot be sent to where they are to go.
    #[error("cannot send metrics to {address}: {reason}")]
    Statsd {
        /// Where they were to go.
        address: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A thread or its event loop could not be started.
    #[error("cannot start a worker thread: {reason}")]
    Worker {
        /// What the system said.
        reason: io::Error,
    },
    /// The descriptors compiled into the program do not make a reflection service.
    #[error("cannot describe the service for reflection: {reason}")]
    Reflection {
        /// What the reflection service said.
        reason: Box<tonic_reflection::server::Error>,
    },
}
