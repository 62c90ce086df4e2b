//! Whom a coordinator lets take part, and how a shard knows that it is the right one.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use loadgen_core::input;
use subtle::ConstantTimeEq as _;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};
use tonic::{Request, Status};

use super::error::CoordinateError;

/// Where the token stands that all shards of a run share.
pub(crate) const TOKEN: &str = "LOADGEN_COORDINATOR_TOKEN";
/// Whose messages carry it.
const FIELD: &str = "authorization";

/// Who has to show what. With nothing of it, only this machine is trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    token: Option<Token>,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Token(MetadataValue<Ascii>);

/// A secret is not shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The files of mutual TLS, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Who signed the certificates of all.
    pub(crate) authorities: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

#[derive(Clone)]
struct Tls {
    authorities: Certificate,
    identity: Identity,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Trust {
    /// What the environment and the flags say. The files are read.
    ///
    /// # Errors
    /// [`CoordinateError`] for a token that cannot be sent, and a file that cannot be read.
    pub(crate) fn new(
        token: Option<&str>,
        tls: Option<&TlsFiles>,
    ) -> Result<Self, CoordinateError> {
        let token = token.map(|it| {
            let sent = format!("Bearer {it}").parse();
            sent.map(Token).map_err(|_| CoordinateError::Token)
        });
        let tls = tls.map(|files| {
            let key = |it: &[u8]| PrivateKeyDer::from_pem_slice(it).is_ok();
            Ok::<_, CoordinateError>(Tls {
                authorities: Certificate::from_pem(read(
                    &files.authorities,
                    "certificates of authorities",
                    has_certificates,
                )?),
                identity: Identity::from_pem(
                    read(&files.certificate, "a certificate", has_certificates)?,
                    read(&files.key, "a private key", key)?,
                ),
            })
        });
        Ok(Self {
            token: token.transpose()?,
            tls: tls.transpose()?,
        })
    }

    /// Makes sure that nobody else can reach what nobody has to show anything to.
    ///
    /// # Errors
    /// [`CoordinateError::Open`] where they could.
    pub(super) fn check(
        &self,
        given: &str,
        addresses: &[SocketAddr],
    ) -> Result<(), CoordinateError> {
        let mut addresses = addresses.iter();
        let is_public = addresses.any(|it| !it.ip().to_canonical().is_loopback());
        match self.is_open() && is_public {
            true => Err(CoordinateError::Open {
                address: given.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Whether nobody has to show anything.
    pub(super) fn is_open(&self) -> bool {
        self.token.is_none() && self.tls.is_none()
    }

    /// Whether this side has a token to show, or to ask for.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this side speaks TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether what is said there can be read on the way.
    pub(super) fn is_readable(&self, address: SocketAddr) -> bool {
        self.tls.is_none() && !address.ip().to_canonical().is_loopback()
    }

    /// How a coordinator speaks TLS, if it does: with those alone who have a certificate of the same authorities.
    pub(super) fn of_server(&self) -> Option<ServerTlsConfig> {
        let tls = self.tls.clone()?;
        let config = ServerTlsConfig::new().identity(tls.identity);
        Some(config.client_ca_root(tls.authorities))
    }

    /// How a shard does, to a coordinator of this name.
    pub(super) fn of_client(&self, host: &str) -> Option<ClientTlsConfig> {
        let tls = self.tls.clone()?;
        let config = ClientTlsConfig::new().identity(tls.identity);
        Some(config.ca_certificate(tls.authorities).domain_name(host))
    }

    /// Shows the token, where there is one.
    pub(super) fn show<T>(&self, request: &mut Request<T>) {
        if let Some(Token(token)) = &self.token {
            request.metadata_mut().insert(FIELD, token.clone());
        }
    }

    /// Whether a request has it. How long it takes to tell says nothing of what is right in it.
    pub(super) fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let Some(Token(token)) = &self.token else {
            return Ok(());
        };
        let shown = request.metadata().get(FIELD);
        let shown = shown.map_or(&[][..], |it| it.as_bytes());
        match bool::from(token.as_bytes().ct_eq(shown)) {
            true => Ok(()),
            false => Err(Status::unauthenticated("expected the token of this run")),
        }
    }
}

/// What a file holds, which is `expected` where `is_so`.
fn read(
    path: &Path,
    expected: &'static str,
    is_so: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, CoordinateError> {
    let path = path.to_owned();
    match input::read(&path) {
        Err(source) => Err(CoordinateError::File { path, source }),
        Ok(text) if !is_so(&text) => Err(CoordinateError::NoPem { path, expected }),
        Ok(text) => Ok(text),
    }
}

fn has_certificates(text: &[u8]) -> bool {
    let mut all = CertificateDer::pem_slice_iter(text).peekable();
    all.peek().is_some() && all.all(|it| it.is_ok())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Some("s3cr3t"), Some("s3cr3t") => true)]
    #[test_case(Some("s3cr3t"), Some("s3cr3u") => false; "another")]
    #[test_case(Some("s3cr3t"), Some("s3cr3t1") => false; "a longer one")]
    #[test_case(Some("s3cr3t"), None => false; "none")]
    #[test_case(None, Some("s3cr3t") => true; "nobody asks")]
    fn a_token_is_asked_for(own: Option<&str>, shown: Option<&str>) -> bool {
        let mut request = Request::new(());
        Trust::new(shown, None).unwrap().show(&mut request);
        Trust::new(own, None).unwrap().admit(&request).is_ok()
    }

    #[test_case(None, "127.0.0.1:1" => true)]
    #[test_case(None, "[::1]:1" => true)]
    #[test_case(None, "192.0.2.1:1" => false)]
    #[test_case(None, "0.0.0.0:1" => false)]
    #[test_case(Some("s3cr3t"), "192.0.2.1:1" => true)]
    fn without_a_token_only_this_machine_is_trusted(token: Option<&str>, address: &str) -> bool {
        let trust = Trust::new(token, None).unwrap();
        trust.check(address, &[address.parse().unwrap()]).is_ok()
    }

    #[test]
    fn a_token_is_never_shown() {
        let trust = Trust::new(Some("s3cr3t"), None).unwrap();
        assert!(!format!("{trust:?}").contains("s3cr3t"));
    }
}
