//! TLS: what is negotiated, and that it works.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use loadgen_backends::{IDENTITY_METADATA, ServerConfig, TlsFiles, start_websocket};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::certificate::{Folder, certificate};
use super::{ID, config};

fn connector(trusted: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn serves_over_tls() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let server = start_websocket(ServerConfig {
        tls: Some(TlsFiles {
            certificate: folder.write("cert.pem", &certificate),
            key: folder.write("key.pem", &key),
        }),
        ..config()
    })
    .unwrap();
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&certificate).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut client, response) = client_async("wss://localhost/echo", stream).await.unwrap();
    assert_eq!(response.headers()[IDENTITY_METADATA], ID);
    for message in [Message::text("x"), Message::binary(vec![7; 1 << 20])] {
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), message);
    }
    client.close(None).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_close());
    assert!(client.next().await.is_none());
}
