//! TLS settings of a client, and what a failed handshake means.
//!
//! Owns building the one shared configuration of a scenario; keys and certificates are read once,
//! before the run. The cryptography provider is named, never taken from the process's default.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore,
    SignatureScheme,
};

use super::connect_error::Problem;
use crate::scenario::Tls;

/// Why TLS could not be set up at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file with the authorities could not be read or holds none.
    #[error("`tls.ca_file` {path}: {problem}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no authorities to trust.
    #[error("the system has no trusted certificate authorities ({0}); name some in `tls.ca_file`")]
    NoSystemRoots(String),
    /// The TLS library refused the settings.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
}

/// What is spoken over TLS.
#[derive(Debug)]
pub(crate) struct Alpn {
    /// Its name in the handshake.
    pub(crate) name: &'static [u8],
    /// It, and who needs it.
    pub(crate) needed: &'static str,
}

/// What gRPC is spoken over.
#[cfg(feature = "grpc")]
pub(crate) static HTTP2: Alpn = Alpn {
    name: b"h2",
    needed: "HTTP/2 (ALPN `h2`), which gRPC",
};

/// What WebSocket is spoken over.
#[cfg(feature = "websocket")]
pub(crate) static HTTP1: Alpn = Alpn {
    name: b"http/1.1",
    needed: "HTTP/1.1 (ALPN `http/1.1`), which WebSocket",
};

/// Builds the configuration that all connections of a scenario share.
pub(crate) fn client_config(tls: &Tls, alpn: &Alpn) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let mut config = if tls.insecure_skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth()
    } else {
        builder
            .with_root_certificates(roots(tls)?)
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![alpn.name.to_vec()];
    Ok(Arc::new(config))
}

fn roots(tls: &Tls) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(path) = &tls.ca_file else {
        let found = rustls_native_certs::load_native_certs();
        // Systems carry the odd certificate that cannot be parsed; the others still count.
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let why = found
                .errors
                .first()
                .map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoSystemRoots(why));
        }
        return Ok(store);
    };
    let failed = |problem: String| TlsError::CaFile {
        path: path.clone(),
        problem,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(failed("holds no certificate in PEM form".to_owned()));
    }
    Ok(store)
}

/// What a failed handshake means for the person who set up the run.
pub(crate) fn diagnose(error: &io::Error, alpn: &Alpn) -> Problem {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                Problem::Tls("the server closed the connection; does it speak TLS?".to_owned())
            }
            _ => Problem::Tls(error.to_string()),
        };
    };
    match tls {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Problem::PlaintextServer
        }
        // A bad signature is that of another authority of the same name.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Problem::Untrusted,
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected,
            presented,
        }) => Problem::WrongName {
            expected: expected.to_str().into_owned(),
            presented: if presented.is_empty() {
                "no name".to_owned()
            } else {
                presented.join(", ")
            },
        },
        rustls::Error::InvalidCertificate(other) => {
            Problem::Certificate(in_words(&other.to_string()))
        }
        rustls::Error::NoApplicationProtocol
        | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            Problem::NoAlpn(alpn.needed)
        }
        other => Problem::Tls(other.to_string()),
    }
}

/// What is wrong with a certificate. The verifier has names for some of it only.
fn in_words(problem: &str) -> String {
    if problem.contains("CaUsedAsEndEntity") {
        return "it is an authority's own, which no server should show; make one for the server \
                that the authority signs, or accept any certificate with `tls.insecure_skip_verify`"
            .to_owned();
    }
    problem.to_owned()
}

/// Accepts any certificate, as `insecure_skip_verify` asks. Signatures are still checked, so the
/// server does hold the key of the certificate it shows.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
