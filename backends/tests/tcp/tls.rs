//! TLS: half-close included.

use std::sync::Arc;

use loadgen_backends::{ServerConfig, TcpOptions, TlsFiles, start_tcp};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::certificate::{Folder, certificate};
use super::{config, receive, rest};

#[tokio::test]
async fn serves_over_tls_and_leaves_open_what_is_spoken() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let server = start_tcp(
        ServerConfig {
            tls: Some(TlsFiles {
                certificate: folder.write("cert.pem", &certificate),
                key: folder.write("key.pem", &key),
            }),
            ..config()
        },
        TcpOptions::default(),
    )
    .unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    let mut trusting = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    trusting.alpn_protocols = vec![b"redis".to_vec()];
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(trusting));
    let mut client = connector.connect(name, stream).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), None);
    let sent = vec![7; 20_000];
    client.write_all(&sent).await.unwrap();
    assert_eq!(receive(&mut client, sent.len()).await, sent);
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    // An end without a word of TLS would be an error.
    assert_eq!(rest(&mut client).await, b"last");
}
