//! TLS: a good handshake, bad ones, and certificates that cannot be served.

use std::path::Path;

use loadgen_backends::proto::HelloRequest;
use loadgen_backends::proto::greeter_client::GreeterClient;
use loadgen_backends::{RunningServer, ServeError, ServerConfig, TlsFiles, start_grpc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::certificate::{self, Folder, certificate};
use super::{ID, config, sender};

fn serve_tls(certificate: &Path, key: &Path) -> Result<RunningServer, ServeError> {
    start_grpc(ServerConfig {
        tls: Some(TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        ..config()
    })
}

async fn hello(server: &RunningServer, trusted: &str) -> String {
    let channel = Endpoint::from_shared(format!("https://{}", server.local_addr()))
        .unwrap()
        .tls_config(
            ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(trusted))
                .domain_name("localhost"),
        )
        .unwrap()
        .connect()
        .await
        .unwrap();
    let name = "tls".to_owned();
    let response = GreeterClient::new(channel)
        .hello(HelloRequest { name })
        .await
        .unwrap();
    assert_eq!(sender(response.metadata()), ID);
    response.into_inner().message
}

#[tokio::test]
async fn serves_over_tls() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let server = serve_tls(
        &folder.write("cert.pem", &certificate),
        &folder.write("key.pem", &key),
    )
    .unwrap();
    assert_eq!(hello(&server, &certificate).await, "Hello, tls!");
}

#[tokio::test]
async fn a_handshake_that_fails_or_hangs_harms_nobody_else() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let server = serve_tls(
        &folder.write("cert.pem", &certificate),
        &folder.write("key.pem", &key),
    )
    .unwrap();
    // As many as would block every worker, were one to wait for them.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(
            tokio::net::TcpStream::connect(server.local_addr())
                .await
                .unwrap(),
        );
    }
    let mut plain = tokio::net::TcpStream::connect(server.local_addr())
        .await
        .unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    // It ends, in whatever way.
    let _ = plain.read_to_end(&mut rest).await;
    assert_eq!(hello(&server, &certificate).await, "Hello, tls!");
}

#[test]
fn files_that_cannot_be_served_are_named() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let (_, other_key) = certificate::certificate();
    let certificate = folder.write("cert.pem", &certificate);
    let key = folder.write("key.pem", &key);
    let other_key = folder.write("other.pem", &other_key);
    let empty = folder.write("empty.pem", "");
    let missing = folder.0.join("missing.pem");

    let errors = [
        (&missing, &key),
        (&certificate, &missing),
        (&empty, &key),
        (&certificate, &empty),
        (&certificate, &other_key),
    ]
    .map(|(certificate, key)| {
        let error = serve_tls(certificate, key).unwrap_err().to_string();
        error.replace(&folder.0.display().to_string(), "FOLDER")
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    cannot read the certificate FOLDER/missing.pem: No such file or directory (os error 2)
    cannot read the private key FOLDER/missing.pem: No such file or directory (os error 2)
    found no certificate in PEM form in FOLDER/empty.pem: no items found
    found no private key in PEM form in FOLDER/empty.pem: no items found
    the key FOLDER/other.pem does not belong to the certificate FOLDER/cert.pem
    ");
}
