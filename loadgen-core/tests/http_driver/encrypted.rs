//! Over TLS.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{HttpRequest, ScenarioPlan, Tls};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::common::run;
use crate::server::{Say, read};
use crate::support::{Driver, plan};

/// A server for `localhost` that agrees to this protocol, and the certificate to trust.
pub(crate) fn acceptor(alpn: &[u8]) -> (TlsAcceptor, NamedTempFile) {
    acceptor_of(alpn, WebPkiClientVerifier::no_client_auth())
}

/// The same, for clients that this one lets in.
fn acceptor_of(alpn: &[u8], clients: Arc<dyn ClientCertVerifier>) -> (TlsAcceptor, NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
        .expect("a key that fits");
    config.alpn_protocols = vec![alpn.to_vec()];
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(made.cert.pem().as_bytes()).expect("written");
    (TlsAcceptor::from(Arc::new(config)), file)
}

/// Has a plan's connections encrypted.
pub(crate) fn encrypt(plan: &mut ScenarioPlan, certificate: &NamedTempFile) {
    plan.targets[0].tls = true;
    let mut tls = Tls::default();
    tls.ca_file = Some(certificate.path().to_owned());
    tls.server_name = Some("localhost".to_owned());
    plan.tls = Some(tls);
}

/// Once what TLS says at the end was taken for the beginning of an answer, and the request was lost.
#[test]
fn a_request_that_met_the_end_is_sent_again() {
    run(async {
        let (acceptor, certificate) = acceptor(b"http/1.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked: Rc<RefCell<Vec<usize>>> = Rc::default();
        let seen = Rc::clone(&asked);
        tokio::task::spawn_local(async move {
            for connection in 0.. {
                let (tcp, _) = listener.accept().await.expect("a connection");
                let mut tls = acceptor.accept(tcp).await.expect("a handshake");
                let seen = Rc::clone(&seen);
                tokio::task::spawn_local(async move {
                    while read(&mut tls).await.is_some() {
                        seen.borrow_mut().push(connection);
                        if seen.borrow().len() == 2 {
                            // Its end with TLS's own word for it, and no answer.
                            tls.shutdown().await.expect("open");
                            return;
                        }
                        tls.write_all(&Say::ok("x").pieces[0]).await.expect("open");
                        tls.flush().await.expect("open");
                    }
                });
            }
        });
        let mut plan = plan(address, HttpRequest::get("/"));
        encrypt(&mut plan, &certificate);
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            let outcome = driver.iterate(&mut user).await;
            let said = &driver.recorder.0.borrow().explanations;
            assert_eq!(outcome, Outcome::Ok, "{said:?}");
        }
        assert_eq!(*asked.borrow(), [0, 0, 1]);
    });
}

/// With TLS 1.3 it says so after the handshake. Once that was taken for an answer that cannot be read, and
/// connecting was not spaced.
#[test]
fn a_server_wants_a_certificate() {
    run(async {
        let known = rcgen::generate_simple_self_signed(["client".to_owned()]).expect("made");
        let mut roots = RootCertStore::empty();
        roots.add(known.cert.der().clone()).expect("an authority");
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let clients = clients.build().expect("a verifier");
        let (acceptor, certificate) = acceptor_of(b"http/1.1", clients);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::task::spawn_local(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                assert!(acceptor.accept(tcp).await.is_err(), "nobody is known");
            }
        });
        let mut plan = plan(address, HttpRequest::get("/"));
        encrypt(&mut plan, &certificate);
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Connect.into());
        }
        let seen = driver.recorder.0.borrow();
        for (_, said) in &seen.explanations {
            let hint = "the server asks for a client certificate; name the files of one and its key in \
                        `tls.cert_file` and `tls.key_file`";
            assert!(said.contains(hint), "{said}");
        }
        assert_eq!((seen.opened, seen.dropped, seen.rests.len()), (2, 2, 1));
    });
}
