//! The client's own certificate and key: whether a server could take them, as far as can be seen.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::der::facts;
use super::{TlsError, opened};

/// A file as it was read, and where.
pub(super) type Opened<'a> = (&'a Path, &'a Result<Vec<u8>, String>);

/// The certificates and the key of these files, which go together.
pub(super) fn pair(
    certificate: Opened<'_>,
    key: Opened<'_>,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<CertifiedKey, TlsError> {
    let (path, _) = certificate;
    let certificates = certificates(certificate)?;
    let failed = |problem| refuse("key_file", key.0, problem);
    let signing = provider
        .key_provider
        .load_private_key(read_key(key)?)
        .map_err(|_| {
            failed(
                "it is a key of a kind that is not known; those of RSA from 2048 bits on, of ECDSA \
                 on P-256 and P-384, and of Ed25519 are",
            )
        })?;
    let fits = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], signing.clone());
        let matches = pair.keys_match();
        !matches!(
            matches,
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch))
        )
    };
    match certificates.iter().position(fits) {
        Some(0) => {}
        Some(nth) => {
            let problem = format!(
                "the key is that of certificate {} of {path}; put it first, and behind it those \
                 between it and an authority",
                nth + 1,
                path = path.display()
            );
            return Err(TlsError::OwnPair(problem));
        }
        None => {
            let problem = "the key is not that of the certificate".to_owned();
            return Err(TlsError::OwnPair(problem));
        }
    }
    in_order(&certificates).map_err(|problem| refuse("cert_file", path, problem))?;
    hold(&certificates, now).map_err(|problem| refuse("cert_file", path, problem))?;
    Ok(CertifiedKey::new(certificates, signing))
}

fn refuse(field: &'static str, path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::OwnFile {
        field,
        path: PathBuf::from(path),
        problem: problem.into(),
    }
}

fn certificates(file: Opened<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |problem: String| refuse("cert_file", file.0, problem);
    let bytes = opened(file, |problem| failed(problem.to_owned()))?;
    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed(if has(bytes, "PRIVATE KEY-----") {
            "it holds a key and no certificate; a key is `tls.key_file`".to_owned()
        } else {
            "holds no certificate in PEM form".to_owned()
        }));
    }
    Ok(certificates)
}

fn read_key(file: Opened<'_>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |problem: String| refuse("key_file", file.0, problem);
    let bytes = opened(file, |problem| failed(problem.to_owned()))?;
    // PKCS #8, and what openssl wrote before it.
    if has(bytes, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(bytes, "Proc-Type: 4,ENCRYPTED") {
        return Err(failed(
            "the key has a passphrase, which is not asked for; write it without one: \
             `openssl pkey -in FILE -out FILE`"
                .to_owned(),
        ));
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        failed(match error {
            pem::Error::NoItemsFound if has(bytes, "-----BEGIN CERTIFICATE-----") => {
                "it holds a certificate and no key; a certificate is `tls.cert_file`".to_owned()
            }
            pem::Error::NoItemsFound => "holds no private key in PEM form".to_owned(),
            other => other.to_string(),
        })
    })
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Whether each certificate is followed by that of whoever signed it, if that is there.
fn in_order(certificates: &[CertificateDer<'_>]) -> Result<(), String> {
    let facts: Option<Vec<_>> = certificates.iter().map(|it| facts(it)).collect();
    let Some(facts) = facts else {
        return Ok(());
    };
    for (nth, pair) in facts.windows(2).enumerate() {
        if pair[0].issuer == pair[1].subject || pair[0].issuer == pair[0].subject {
            continue;
        }
        let signer = facts.iter().position(|it| it.subject == pair[0].issuer);
        if let Some(signer) = signer {
            return Err(format!(
                "its certificates are out of order: certificate {} was signed by certificate {}, \
                 which must come next",
                nth + 1,
                signer + 1
            ));
        }
    }
    Ok(())
}

/// Whether all of them hold at this moment.
fn hold(certificates: &[CertificateDer<'_>], now: SystemTime) -> Result<(), String> {
    let now = humantime::format_rfc3339_seconds(now).to_string();
    for (nth, certificate) in certificates.iter().enumerate() {
        let Some(facts) = facts(certificate) else {
            continue;
        };
        let which = match certificates.len() {
            1 => "the certificate".to_owned(),
            _ => format!("certificate {}", nth + 1),
        };
        if facts.until < now {
            return Err(format!("{which} expired at {}", facts.until));
        }
        if facts.from > now {
            return Err(format!("{which} does not hold before {}", facts.from));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
