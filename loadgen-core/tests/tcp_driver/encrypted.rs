//! Over TLS, with a server that wants to know who connects.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{ScenarioPlan, TcpPayload, Tls};
use tempfile::TempDir;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::common::run;
use crate::{Driver, asks, line, plan};

/// What a server does with a client that it knows.
#[derive(Clone, Copy)]
enum Then {
    /// It says back what comes.
    Echo,
    /// It ends the connection without a word.
    End,
}

/// A certificate of its own authority, and its key.
type Pair = rcgen::CertifiedKey<rcgen::KeyPair>;

fn pair(name: &str) -> Pair {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
    // Two of one name would be taken for the same authority.
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let signing_key = rcgen::KeyPair::generate().expect("a key");
    let cert = params.self_signed(&signing_key).expect("signed");
    rcgen::CertifiedKey { cert, signing_key }
}

/// A server for `localhost` that shows this, and knows clients with that.
async fn server(shows: &Pair, knows: &Pair, then: Then) -> SocketAddr {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(knows.cert.der().clone()).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivatePkcs8KeyDer::from(shows.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![shows.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn_local(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut room = [0; 100];
                while let Then::Echo = then
                    && let Ok(count @ 1..) = stream.read(&mut room).await
                {
                    stream.write_all(&room[..count]).await.expect("open");
                    stream.flush().await.expect("open");
                }
            });
        }
    });
    address
}

/// A plan that trusts the server, and shows this.
fn encrypted(address: SocketAddr, server: &Pair, own: Option<&Pair>) -> (ScenarioPlan, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, contents: String| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).expect("written");
        path
    };
    let mut tls = Tls::default();
    tls.server_name = Some("localhost".to_owned());
    tls.ca_file = Some(file("ca.pem", server.cert.pem()));
    if let Some(own) = own {
        tls.cert_file = Some(file("me.pem", own.cert.pem()));
        tls.key_file = Some(file("me.key", own.signing_key.serialize_pem()));
    }
    let asking = asks(TcpPayload::Text("hello\n".to_owned()), line());
    let mut plan = plan(address, [asking.into()]);
    plan.targets[0].tls = true;
    plan.tls = Some(tls);
    (plan, folder)
}

/// How a step ends whose client shows one that the server knows, another or none, and what is said of that.
#[test_case(Some(true), Then::Echo => (Outcome::Ok, String::new()); "one that it knows")]
#[test_case(Some(true), Then::End => fails(Failure::Connection, "`tls.cert_file`"); "one that it will not have after all")]
#[test_case(Some(false), Then::Echo => fails(Failure::Connection, "`tls.cert_file`"); "one that it does not know")]
#[test_case(None, Then::Echo => fails(Failure::Connection, "asks for a client certificate"); "none")]
fn a_server_wants_a_certificate(shows: Option<bool>, then: Then) -> (Outcome, String) {
    run(async move {
        let (own, known, other) = (pair("localhost"), pair("client"), pair("stranger"));
        let address = server(&own, &known, then).await;
        let shown = shows.map(|is_known| if is_known { &known } else { &other });
        let (plan, _folder) = encrypted(address, &own, shown);
        let driver = Driver::open(&plan).await;
        let outcome = driver.once().await;
        let seen = driver.recorder.0.borrow();
        let said = format!("{:?}", seen.explanations);
        let hints = ["asks for a client certificate", "`tls.cert_file`"];
        let hint = hints.into_iter().find(|hint| said.contains(hint));
        assert_eq!(hint.is_some(), !outcome.is_ok(), "{said}");
        (outcome, hint.unwrap_or_default().to_owned())
    })
}

fn fails(failure: Failure, hint: &str) -> (Outcome, String) {
    (failure.into(), hint.to_owned())
}
