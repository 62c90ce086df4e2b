//! TLS in front: both versions of HTTP, and certificates that change.

use std::sync::Arc;

use loadgen_backends::TlsFiles;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::certificate::{Folder, certificate};
use super::common::*;

/// A connection on which only this certificate is trusted.
async fn connect(
    address: std::net::SocketAddr,
    trusted: &str,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

#[tokio::test]
async fn certificates_are_read_again_and_bad_ones_are_not_taken() {
    let folder = Folder::new();
    let (first, key) = certificate();
    let files = TlsFiles {
        certificate: folder.write("cert.pem", &first),
        key: folder.write("key.pem", &key),
    };
    let scripted =
        Scripted::start(&[Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]).await;
    let mut settings = settings(services([service("a", [scripted.address])]));
    settings.tls = Some(files);
    let balancer = start(settings);
    let address = balancer.local_addr();
    let mut stream = connect(address, &first, b"http/1.1").await.unwrap();
    let request = b"GET /a/b HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = Vec::new();
    within(stream.read_to_end(&mut text)).await.unwrap();
    assert!(text.starts_with(b"HTTP/1.1 200"));
    assert!(scripted.heads()[0].contains("x-forwarded-proto: https\r\n"));
    let stream = connect(address, &first, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    // Half of a change is none.
    let (second, second_key) = certificate();
    folder.write("cert.pem", &second);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(connect(address, &first, b"h2").await.is_ok());
    folder.write("key.pem", &second_key);
    within(async { while connect(address, &second, b"h2").await.is_err() {} }).await;
    assert!(connect(address, &first, b"h2").await.is_err());
    // Whoever speaks no TLS is let go, and counted with those who did not trust it.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = within(plain.read_to_end(&mut Vec::new())).await;
    assert!(balancer.counts().tls_failed > 0);
}
