//! TLS settings of a client, and what a failed handshake means.
//!
//! Owns building the one shared configuration of a scenario; keys and certificates are read before the
//! run, and again when they change. The cryptography provider is named, never taken from the process's
//! default.

mod der;
mod own;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage,
    RootCertStore, SignatureScheme, sign::CertifiedKey,
};

use self::own::Opened;
use super::connect_error::Problem;
use crate::driver::renewed::{Contents, Named, Refused, Renewed};
use crate::scenario::Tls;
use crate::workload::Lookout;

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
    /// The client's own certificate or its key could not be read.
    #[error("`tls.{field}` {path}: {problem}")]
    OwnFile {
        /// Which of the two.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The client's own certificate and key do not go together.
    #[error("`tls.cert_file` and `tls.key_file`: {0}")]
    OwnPair(String),
    /// The system has no authorities to trust.
    #[error("the system has no trusted certificate authorities ({0}); name some in `tls.ca_file`")]
    NoSystemRoots(String),
    /// The TLS library refused the settings.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
}

impl Refused for TlsError {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::CaFile { path, .. } | Self::OwnFile { path, .. } => Some(path),
            _ => None,
        }
    }

    fn problem(&self) -> String {
        match self {
            Self::CaFile { problem, .. } | Self::OwnFile { problem, .. } => problem.clone(),
            other => other.to_string(),
        }
    }
}

/// What is spoken over TLS.
#[derive(Debug)]
pub(crate) struct Alpn {
    /// Its name in the handshake.
    pub(crate) name: &'static [u8],
    /// It, and who needs it.
    pub(crate) needed: &'static str,
}

/// Whether these bytes, which a server sent in answer to plain text, are TLS: an alert, or a
/// handshake message.
pub(crate) fn is_spoken(first: &[u8]) -> bool {
    matches!(first, [0x15 | 0x16, 0x03, ..])
}

/// What all connections of a scenario share. Where it is made of files, new connections use what these
/// hold now.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    settings: Arc<Renewed<Settings, TlsError>>,
    /// Whether the protocol is agreed on in the handshake.
    pub(crate) offers_alpn: bool,
}

impl Client {
    /// The settings of a new connection.
    pub(crate) fn now(&self) -> Arc<Settings> {
        self.settings.now()
    }

    /// The files that the settings are made of, where there are any.
    pub(crate) fn lookout(&self) -> Option<Arc<dyn Lookout>> {
        let may_change = self.settings.may_change();
        may_change.then(|| Arc::clone(&self.settings) as Arc<dyn Lookout>)
    }
}

/// Settings of a connection.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Arc<ClientConfig>,
    certificate: Arc<ClientCertificate>,
}

impl Settings {
    /// What it means that the other side ended a connection while it was set up, where that may be because of
    /// the certificate that it asked for: it got none, or does not accept ours. Some do so without a word, and
    /// all that there is to see is this reason.
    pub(crate) fn for_want_of_a_certificate(&self, reason: &str) -> Option<Problem> {
        if !self.certificate.was_asked.load(Ordering::Relaxed) {
            return None;
        }
        if self.certificate.own.is_none() {
            return Some(Problem::WantsCertificate);
        }
        is_an_end(reason).then_some(Problem::EndedAfterCertificate)
    }
}

/// Whether this reason, which has gone through libraries as a text, says no more than that the other side has
/// ended the connection.
fn is_an_end(reason: &str) -> bool {
    const ENDS: [&str; 6] = [
        "broken pipe",
        "closed",
        "end of file",
        "eof",
        "ended",
        "reset",
    ];
    let reason = reason.to_ascii_lowercase();
    reason.is_empty() || ENDS.iter().any(|end| reason.contains(end))
}

/// The certificate to show, if there is one; notes that it was asked for.
#[derive(Debug)]
struct ClientCertificate {
    own: Option<SingleCertAndKey>,
    was_asked: AtomicBool,
}

impl ClientCertificate {
    fn new(own: Option<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self {
            own: own.map(SingleCertAndKey::from),
            was_asked: AtomicBool::new(false),
        })
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        ResolvesClientCert::resolve(self.own.as_ref()?, hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.own.is_some()
    }
}

/// Builds what all connections of a scenario share.
pub(crate) fn client(tls: &Tls, alpn: &Alpn) -> Result<Client, TlsError> {
    let files = [
        ("tls.ca_file", &tls.ca_file),
        ("tls.cert_file", &tls.cert_file),
        ("tls.key_file", &tls.key_file),
    ];
    let named = files.into_iter().filter_map(|(field, path)| {
        let (path, field) = (path.clone()?, field.to_owned());
        Some(Named { path, field })
    });
    let (of, protocol) = (tls.clone(), alpn.name);
    let settings = Renewed::new(named.collect(), move |contents| {
        settings(&of, protocol, contents)
    });
    Ok(Client {
        settings: Arc::new(settings?),
        offers_alpn: tls.alpn && !alpn.name.is_empty(),
    })
}

/// Settings of these files: authorities, certificate and key, as far as they are named.
fn settings(tls: &Tls, protocol: &[u8], contents: &Contents) -> Result<Settings, TlsError> {
    let mut contents = contents.iter();
    let mut file = |path: &'_ Option<PathBuf>| path.as_deref().map(|_| contents.next());
    let authorities = file(&tls.ca_file).flatten();
    let certificate = file(&tls.cert_file).flatten();
    let key = file(&tls.key_file).flatten();

    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if tls.insecure_skip_verify {
        let verifier = Arc::new(AcceptAny(Arc::clone(&provider)));
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(roots(tls.ca_file.as_deref().zip(authorities))?)
    };
    let certificate = tls.cert_file.as_deref().zip(certificate);
    let key = tls.key_file.as_deref().zip(key);
    let own = match certificate.zip(key) {
        Some((certificate, key)) => {
            Some(own::pair(certificate, key, &provider, SystemTime::now())?)
        }
        None => None,
    };
    let certificate = ClientCertificate::new(own);
    let resolver = Arc::clone(&certificate) as Arc<dyn ResolvesClientCert>;
    let mut config = builder.with_client_cert_resolver(resolver);
    // Where nothing has a name that could be agreed on, nothing is offered.
    if tls.alpn && !protocol.is_empty() {
        config.alpn_protocols = vec![protocol.to_vec()];
    }
    Ok(Settings {
        config: Arc::new(config),
        certificate,
    })
}

/// What is in a file; else what `failed` makes of why it could not be read.
fn opened<'a>(
    (_, contents): Opened<'a>,
    failed: impl Fn(&str) -> TlsError,
) -> Result<&'a [u8], TlsError> {
    contents.as_deref().map_err(|problem| failed(problem))
}

fn roots(file: Option<Opened<'_>>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
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
    let failed = |problem: &str| TlsError::CaFile {
        path: file.0.to_owned(),
        problem: problem.to_owned(),
    };
    for certificate in CertificateDer::pem_slice_iter(opened(file, failed)?) {
        let certificate = certificate.map_err(|error| failed(&error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| failed(&error.to_string()))?;
    }
    if store.is_empty() {
        return Err(failed("holds no certificate in PEM form"));
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
        rustls::Error::NoApplicationProtocol => Problem::NoAlpn(alpn.needed),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            Problem::NoAlpn(alpn.needed)
        }
        rustls::Error::PeerIncompatible(_) => Problem::NothingInCommon,
        rustls::Error::AlertReceived(alert) => said_by_alert(*alert),
        other => Problem::Tls(other.to_string()),
    }
}

/// What the other side's alert means. It says it in one byte.
fn said_by_alert(alert: AlertDescription) -> Problem {
    match alert {
        AlertDescription::CertificateRequired => Problem::WantsCertificate,
        AlertDescription::BadCertificate => Problem::OwnCertificate("bad certificate"),
        AlertDescription::UnsupportedCertificate => {
            Problem::OwnCertificate("unsupported certificate")
        }
        AlertDescription::CertificateRevoked => Problem::OwnCertificate("it was revoked"),
        AlertDescription::CertificateExpired => Problem::OwnCertificate("it has expired"),
        AlertDescription::CertificateUnknown => Problem::OwnCertificate("certificate unknown"),
        AlertDescription::UnknownCA => Problem::OwnCertificate("unknown authority"),
        AlertDescription::AccessDenied => Problem::OwnCertificate("access denied"),
        AlertDescription::UnrecognisedName => Problem::UnknownName,
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
            Problem::NothingInCommon
        }
        other => Problem::Tls(format!(
            "the server ended it with the alert {:?}",
            format!("{other:?}")
        )),
    }
}

/// The alert that ended a connection after the handshake, from an error that has gone through
/// libraries as a text. In TLS 1.3 a client is done before the server has seen its certificate.
pub(crate) fn late_alert(text: &str) -> Option<Problem> {
    let (_, name) = text.split_once("received fatal alert: ")?;
    let name: String = name
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    (0..=u8::MAX)
        .map(AlertDescription::from)
        .find(|alert| format!("{alert:?}") == name)
        .map(said_by_alert)
}

/// What is wrong with a certificate. The verifier has names for some of it only.
fn in_words(problem: &str) -> String {
    if problem.contains("CaUsedAsEndEntity") {
        return "it is an authority's own, which no server should show; make one for the server \
                that the authority signs, or accept any certificate with `tls.insecure_skip_verify`"
            .to_owned();
    }
    if problem.contains("UnsupportedCertVersion") {
        return "it is a version 1 certificate; make one of version 3, which carries the names it \
                is for (with openssl: `-extfile` and a `subjectAltName`), or accept any \
                certificate with `tls.insecure_skip_verify`"
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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Broken pipe (os error 32)" => true)]
    #[test_case("Connection reset by peer (os error 104)" => true)]
    #[test_case("peer closed connection without sending TLS close_notify" => true)]
    #[test_case("the server has ended the connection, and takes nothing more" => true)]
    #[test_case("" => true; "the end")]
    #[test_case("frame with invalid size" => false)]
    fn ends(reason: &str) -> bool {
        is_an_end(reason)
    }

    #[test_case("received fatal alert: CertificateRequired" => Some(Problem::WantsCertificate))]
    #[test_case("the connection broke: received fatal alert: UnknownCA"
        => Some(Problem::OwnCertificate("unknown authority")))]
    #[test_case("received fatal alert: InternalError"
        => Some(Problem::Tls("the server ended it with the alert \"InternalError\"".to_owned())))]
    #[test_case("broken pipe" => None)]
    fn late_alerts(text: &str) -> Option<Problem> {
        late_alert(text)
    }
}
