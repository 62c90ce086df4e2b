//! What a scenario of any protocol may say in blocks of its own.

use crate::scenario::reader::object;
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
