//! Over TLS.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::{HttpRequest, ScenarioPlan, Tls};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::common::run;
use crate::server::{Say, read};
use crate::support::{Driver, plan};

/// A server for `localhost` that agrees to this protocol, and the certificate to trust.
pub(crate) fn acceptor(alpn: &[u8]) -> (TlsAcceptor, NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
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
