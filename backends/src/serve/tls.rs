//! TLS for every protocol's server: reading the certificate and key, and the handshake's settings.
//!
//! The handshake itself runs on the connection's own worker (`server`), so that a slow or broken
//! one holds up nobody.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::serve::error::ServeError;

const CERTIFICATE: &str = "certificate";
const KEY: &str = "private key";

/// Where a server's certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate in PEM form, followed by those that link it to its root, if any.
    pub certificate: PathBuf,
    /// Its private key in PEM form.
    pub key: PathBuf,
}

/// Makes an acceptor that offers `protocols` (as in ALPN), the first before the next, and nothing else;
/// without any it leaves open what is spoken.
///
/// # Errors
/// Says which file is missing or wrong, or that they do not fit together.
pub(crate) fn acceptor(files: &TlsFiles, protocols: &[&[u8]]) -> Result<TlsAcceptor, ServeError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|reason| unusable(files, reason))?;
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How often the files of a certificate are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A certificate whose files are read again when they change.
#[derive(Debug)]
pub(crate) struct Rotating {
    files: TlsFiles,
    current: Mutex<Arc<CertifiedKey>>,
    /// The files as they were when they were read last.
    seen: Mutex<[Option<Seen>; 2]>,
}

/// By what one tells that a file is another than before.
type Seen = (SystemTime, u64);

/// Makes an acceptor like [`acceptor`], and what has to be kept for its certificate to be read again.
///
/// # Errors
/// Those of [`acceptor`].
pub(crate) fn rotating(
    files: &TlsFiles,
    protocols: &[&[u8]],
) -> Result<(TlsAcceptor, Arc<Rotating>), ServeError> {
    let rotating = Arc::new(Rotating {
        seen: Mutex::new(seen(files)),
        current: Mutex::new(Arc::new(certified(files)?)),
        files: files.clone(),
    });
    let resolver = Arc::clone(&rotating);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|reason| unusable(files, reason))?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    Ok((TlsAcceptor::from(Arc::new(config)), rotating))
}

impl Rotating {
    /// Looks at the files again and again, for as long as it is polled. Where they do not make a certificate,
    /// the one before stays, and that is told once.
    pub(crate) async fn keep(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look();
        }
    }

    fn look(&self) {
        let now = seen(&self.files);
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == *before {
            return;
        }
        *before = now;
        let file = self.files.certificate.display();
        match certified(&self.files) {
            Ok(certified) => {
                let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(certified);
                tracing::info!(%file, "the certificate was read again");
            }
            Err(reason) => {
                tracing::warn!(%reason, "the certificate stays as it is");
            }
        }
    }
}

impl ResolvesServerCert for Rotating {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn seen(files: &TlsFiles) -> [Option<Seen>; 2] {
    let seen = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [seen(&files.certificate), seen(&files.key)]
}

fn certified(files: &TlsFiles) -> Result<CertifiedKey, ServeError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|reason| unusable(files, reason))
}

fn unusable(files: &TlsFiles, reason: rustls::Error) -> ServeError {
    let (certificate, key) = (files.certificate.clone(), files.key.clone());
    match reason {
        rustls::Error::InconsistentKeys(_) => ServeError::KeyMismatch { certificate, key },
        reason => ServeError::UnusableCertificate {
            certificate,
            key,
            reason,
        },
    }
}

/// The most that is read of a certificate's file, or a key's.
const MOST_BYTES: u64 = 1 << 20;

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let pem = read(CERTIFICATE, path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(CERTIFICATE, path, error.to_string()))?;
    if chain.is_empty() {
        let reason = "no items found".to_owned();
        return Err(not_pem(CERTIFICATE, path, reason));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ServeError> {
    let pem = read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| not_pem(KEY, path, error.to_string()))
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ServeError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        // Some devices have no end.
        if file.take(MOST_BYTES + 1).read_to_end(&mut bytes)? as u64 > MOST_BYTES {
            let problem = format!("it is longer than {} KiB", MOST_BYTES >> 10);
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(bytes),
        Err(reason) => Err(ServeError::TlsFile {
            what,
            path: path.to_owned(),
            reason,
        }),
    }
}

fn not_pem(what: &'static str, path: &Path, reason: String) -> ServeError {
    ServeError::NotPem {
        what,
        path: path.to_owned(),
        reason,
    }
}
