//! The block about transport encryption, which is the same for every protocol.

use std::path::PathBuf;

use crate::scenario::reader::{Entry, object};
use crate::scenario::value::{FilePath, ServerName};

object! {
    /// Transport encryption.
    RawTls is "a tls block" {
        /// PEM file with the authorities to trust instead of the system's, relative to this file.
        "ca_file" ca_file: FilePath,
        /// PEM file with the client's own certificate and those between it and an authority,
        /// relative to this file; with `key_file`.
        "cert_file" cert_file: FilePath,
        /// PEM file with the key of the client's certificate, relative to this file.
        "key_file" key_file: FilePath,
        /// The name to ask the server for, which its certificate must carry, instead of the
        /// target's host.
        "server_name" server_name: ServerName,
        /// Accept any certificate.
        "insecure_skip_verify" insecure_skip_verify: bool,
        /// Whether the protocol is agreed on in the TLS handshake (ALPN). true unless given; false
        /// speaks HTTP/2 to servers that do not know ALPN.
        "alpn" alpn: bool,
    }
}

/// Transport encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's own certificate and those between it and an authority.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of the client's certificate.
    pub key_file: Option<PathBuf>,
    /// The name to ask the server for, which its certificate must carry, instead of the target's
    /// host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Whether the protocol is agreed on in the handshake.
    pub alpn: bool,
}

impl Default for Tls {
    /// What a bare `https://` asks for.
    fn default() -> Self {
        Self {
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            insecure_skip_verify: false,
            alpn: true,
        }
    }
}

/// The block as it is written.
pub(in crate::scenario) fn print(tls: &Tls) -> RawTls {
    RawTls {
        ca_file: Entry::from_option(tls.ca_file.as_deref().map(FilePath::of)),
        cert_file: Entry::from_option(tls.cert_file.as_deref().map(FilePath::of)),
        key_file: Entry::from_option(tls.key_file.as_deref().map(FilePath::of)),
        server_name: Entry::from_option(tls.server_name.clone().map(ServerName)),
        insecure_skip_verify: match tls.insecure_skip_verify {
            true => Entry::Given(true),
            false => Entry::Absent,
        },
        alpn: match tls.alpn {
            true => Entry::Absent,
            false => Entry::Given(false),
        },
    }
}
