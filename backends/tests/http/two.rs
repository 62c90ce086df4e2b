//! HTTP/2: with prior knowledge, and as agreed over TLS.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadgen_backends::{Faults, IDENTITY_METADATA, ServerConfig, TlsFiles, start_http};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::certificate::{Folder, certificate};
use super::{ID, answer, config, connect, serve};

/// A body that is sent at once.
struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Whole> {
    let io = TokioIo::new(stream);
    let (client, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(
    client: &mut SendRequest<Whole>,
    method: Method,
    path: &str,
    body: &[u8],
) -> (Response<()>, Vec<u8>) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .body(Whole(Bytes::copy_from_slice(body)))
        .unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    assert_eq!(head.headers[IDENTITY_METADATA], ID);
    (Response::from_parts(head, ()), read(body).await)
}

async fn read(mut body: Incoming) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        all.extend(frame.unwrap().into_data().unwrap());
    }
    all
}

async fn answers_all(client: &mut SendRequest<Whole>) {
    let (head, body) = ask(client, Method::GET, "/hello", b"").await;
    assert_eq!(head.status(), 200);
    assert_eq!(body, br#"{"message":"Hello, world!"}"#);
    let large = vec![7; 3 << 20];
    let (_, body) = ask(client, Method::POST, "/echo", &large).await;
    assert!(body == large);
    let (_, body) = ask(client, Method::GET, "/stream?count=100", b"").await;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(text.matches("data: ").count(), 100);
    let (head, _) = ask(client, Method::POST, "/hello", b"x").await;
    assert_eq!(head.status(), 405);
    let (head, _) = ask(client, Method::GET, "/status/503", b"").await;
    assert_eq!(head.status(), 503);
}

#[tokio::test]
async fn speaks_http2_to_whoever_begins_with_it() {
    let server = serve(Faults::default());
    answers_all(&mut speak(connect(&server).await).await).await;
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let server = serve(Faults::default());
    let client = speak(connect(&server).await).await;
    let asking = (0..500).map(|number| {
        let mut client = client.clone();
        async move {
            let body = format!("{number}");
            let (_, echoed) = ask(&mut client, Method::POST, "/echo", body.as_bytes()).await;
            assert_eq!(echoed, body.as_bytes());
        }
    });
    futures::future::join_all(asking).await;
}

#[tokio::test]
async fn an_oversized_head_or_body_is_refused() {
    let server = serve(Faults::default());
    let mut client = speak(connect(&server).await).await;
    let long = format!("/hello?name={}", "x".repeat(17 << 10));
    let request = Request::get(format!("http://localhost{long}"))
        .body(Whole(Bytes::new()))
        .unwrap();
    let refused = client.send_request(request).await;
    assert!(!refused.is_ok_and(|it| it.status().is_success()));
    let mut client = speak(connect(&server).await).await;
    let large = Request::post("http://localhost/echo")
        .body(Whole(vec![0; (64 << 20) + 1].into()))
        .unwrap();
    let refused = client.send_request(large).await.unwrap();
    assert_eq!(refused.status(), 413);
    answers_all(&mut speak(connect(&server).await).await).await;
}

#[tokio::test]
async fn tls_agrees_on_what_the_client_offers() {
    let folder = Folder::new();
    let (certificate, key) = certificate();
    let server = start_http(ServerConfig {
        tls: Some(TlsFiles {
            certificate: folder.write("cert.pem", &certificate),
            key: folder.write("key.pem", &key),
        }),
        ..config()
    })
    .unwrap();
    let open = async |offered: &[&[u8]]| {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
            .unwrap();
        let mut trusting = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        trusting.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(trusting));
        connector.connect(name, stream).await.unwrap()
    };
    let stream = open(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    answers_all(&mut speak(stream).await).await;
    for offered in [&[b"http/1.1".as_slice()][..], &[]] {
        let mut stream = open(offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), offered.first().copied());
        let request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert_eq!(answer(&mut stream).await.said().0, 200);
    }
}
