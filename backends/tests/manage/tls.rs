//! The management over TLS.

use std::sync::Arc;

use loadgen_backends::TlsFiles;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::certificate::{Folder, certificate};
use crate::{Answer, Managed, WEB, request};

#[tokio::test]
async fn it_is_asked_over_tls_and_not_without() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let files = TlsFiles {
        certificate: folder.write("cert.pem", &certificate),
        key: folder.write("key.pem", &key),
    };
    let managed = Managed::with(WEB, |settings| settings.tls = Some(files));
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let trusting = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = managed.management.local_addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(trusting));
    let mut client = connector.connect(name, stream).await.unwrap();
    let request = request("GET", "/services/web", &[], "");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::of(&answer).json()["name"], "web");
    // In plain text nobody answers.
    assert!(crate::ask(address, "GET", "/services/web", &[], "").is_none());
}
