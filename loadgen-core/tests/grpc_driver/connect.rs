//! Connections that cannot be opened, each with a message that says what to do.

use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::{ConnectionPer, ScenarioPlan, Tls};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::server::{Exchange, Server, Settings};
use crate::support::{Driver, factory, grpc, plan, run, until};

/// A server that sends these bytes once it has received something, then closes.
async fn blurting(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut buf = [0; 4096];
            let _ = tcp.read(&mut buf).await;
            let _ = tcp.write_all(bytes).await;
            let _ = tcp.shutdown().await;
            // Reads on, so that closing does not throw away what was sent.
            while tcp.read(&mut buf).await.is_ok_and(|read| read > 0) {}
        }
    });
    address
}

fn ends(message: &str, address: impl std::fmt::Display, end: &str) {
    assert_eq!(message, format!("could not connect to {address}: {end}"));
}

#[test]
fn refused() {
    run(async {
        let address = Server::start(async |_| {}).await.kill().await;
        ends(
            &Driver::prepare_error(&plan(&[address], "Hello")).await,
            address,
            "the connection was refused; is the server running and listening on this port?",
        );
    });
}

/// Settings, and a good-bye in good order that answers no request.
const GOOD_BYE: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, // SETTINGS
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // GOAWAY, NO_ERROR
];

#[test]
fn nothing_but_good_byes() {
    run(async {
        let address = blurting(GOOD_BYE).await;
        ends(
            &Driver::prepare_error(&plan(&[address], "Hello")).await,
            address,
            "the server said good-bye (GOAWAY) while HTTP/2 was being set up; it may be stopping",
        );
    });
}

/// Once only the first of these attempts was held to the rate.
#[test]
fn attempts_after_a_good_bye_are_held_to_the_rate_of_connecting() {
    run(async {
        let address = blurting(GOOD_BYE).await;
        let mut plan = plan(&[address], "Hello");
        grpc(&mut plan).connection_per = Some(ConnectionPer::User);
        grpc(&mut plan).connect_rate = Some("10/s".parse().expect("a rate"));
        let from = tokio::time::Instant::now();
        let message = Driver::prepare_error(&plan).await;
        assert!(message.contains("good-bye"), "{message}");
        // The second and the third wait for 100 ms each.
        let took = from.elapsed();
        assert!(took >= Duration::from_millis(190), "{took:?}");
    });
}

#[test]
fn settings_and_an_end() {
    run(async {
        let address = blurting(&GOOD_BYE[..9]).await;
        ends(
            &Driver::prepare_error(&plan(&[address], "Hello")).await,
            address,
            "HTTP/2 could not be set up: the server closed the connection",
        );
    });
}

/// As behind a balancer: the one that is stopping says good-bye, the next one is well.
#[test]
fn a_good_bye_during_the_setup_is_no_failure_of_whoever_waits() {
    run(async {
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::task::spawn_local(async move {
            for nth in 0.. {
                let (mut client, _) = listener.accept().await.expect("accepts");
                tokio::task::spawn_local(async move {
                    if nth < 2 {
                        let _ = client.read(&mut [0; 4096]).await;
                        let _ = client.write_all(GOOD_BYE).await;
                        while client.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
                    } else {
                        let mut upstream = TcpStream::connect(server.address).await.expect("up");
                        let _ = copy_bidirectional(&mut client, &mut upstream).await;
                    }
                });
            }
        });
        // The connection is opened for the user, who waits for it.
        let driver = Driver::new(&plan(&[address], "Hello"));
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.failed, seen.dropped), (1, 2, 0));
    });
}

#[test]
fn unresolvable() {
    run(async {
        let mut plan = plan(&[([127, 0, 0, 1], 80).into()], "Hello");
        plan.targets[0].host = "no-such-host.invalid".to_owned();
        let message = Driver::prepare_error(&plan).await;
        assert!(
            message.starts_with(
                "could not connect to no-such-host.invalid:80: the name does not resolve ("
            ),
            "{message}"
        );
    });
}

#[test]
fn silent() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut plan = plan(&[address], "Hello");
        plan.connect_timeout = Duration::from_millis(50);
        ends(
            &Driver::prepare_error(&plan).await,
            address,
            "no answer within 50ms while waiting for the server's HTTP/2 settings",
        );
    });
}

/// Once all were opened at once and waited for each other: 2,000 took 300 ms each.
#[test]
fn connections_are_opened_so_many_at_a_time() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let held = Rc::new(RefCell::new(Vec::new()));
        let accepted = Rc::clone(&held);
        tokio::task::spawn_local(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                accepted.borrow_mut().push(tcp);
            }
        });
        let mut plan = plan(&[address], "Hello");
        grpc(&mut plan).connections = Some(300);
        let waves = async {
            for wave in [128, 128, 44] {
                until(|| held.borrow().len() >= wave).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                assert_eq!(held.borrow().len(), wave);
                // They fail, and the next ones have their turn.
                held.borrow_mut().clear();
            }
        };
        tokio::join!(Driver::prepare_error(&plan), waves);
    });
}

#[test]
fn http1() {
    run(async {
        let address = blurting(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        ends(
            &Driver::prepare_error(&plan(&[address], "Hello")).await,
            address,
            "the server speaks HTTP/1.1 on this port, and not HTTP/2; check the port",
        );
    });
}

#[test]
fn garbage() {
    run(async {
        let address = blurting(b"SSH-2.0-OpenSSH\r\n").await;
        ends(
            &Driver::prepare_error(&plan(&[address], "Hello")).await,
            address,
            "the server sent something that is not HTTP/2 (it begins with \"SSH-2.0-OpenSSH\\r\"); \
             check the port",
        );
    });
}

#[test]
fn closes_at_once() {
    run(async {
        let address = blurting(b"").await;
        let message = Driver::prepare_error(&plan(&[address], "Hello")).await;
        assert!(
            message.contains("closed the connection without answering; it may expect TLS"),
            "{message}"
        );
    });
}

#[test]
fn one_target_of_two_is_enough() {
    run(async {
        let dead = Server::start(async |_| {}).await.kill().await;
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let driver = Driver::open(&plan(&[dead, server.address], "Hello")).await;
        for _ in 0..4 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert!(driver.recorder.0.borrow().failed > 0);
    });
}

/// Who waits for a connection gets its answer once there is one, and the wait is the service's: the
/// rests between attempts are none of ours then.
#[test]
fn a_call_may_wait_until_there_is_a_connection() {
    run(async {
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).wait_for_ready = true;
        let driver = Driver::open(&plan).await;
        let address = server.kill().await;
        until(|| driver.recorder.0.borrow().dropped > 0).await;
        let comes_back = async {
            // So that more than one attempt fails.
            until(|| driver.recorder.0.borrow().failed > 1).await;
            let answer = async |it: Exchange| it.ok(&[b""]).await;
            Server::start_with(address, Settings::default(), answer).await
        };
        let (outcome, _server) = tokio::join!(driver.once(), comes_back);
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().rests, Vec::<u64>::new());
    });
}

/// A server's certificate, its authority in a file, and a server that shows it.
struct Secure {
    server: Server,
    ca_file: PathBuf,
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

async fn secure(name: &str, alpn: &[u8]) -> Secure {
    secure_with(name, &[alpn], None).await
}

/// `clients` is the certificate that clients' must be signed with, where they must have one.
async fn secure_with(name: &str, alpn: &[&[u8]], clients: Option<&rcgen::Certificate>) -> Secure {
    let key = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(ring::default_provider());
    let verifier = clients.map(|authority| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("a verifier")
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_single_cert(vec![key.cert.der().clone()], PrivateKeyDer::Pkcs8(private))
        .expect("they fit");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let settings = Settings {
        tls: Some(TlsAcceptor::from(Arc::new(config))),
        ..Settings::default()
    };
    let any = ([127, 0, 0, 1], 0).into();
    let server = Server::start_with(any, settings, async |it: Exchange| it.ok(&[b""]).await).await;
    let file = format!(
        "loadgen-test-{}-{}.pem",
        std::process::id(),
        server.address.port()
    );
    let ca_file = std::env::temp_dir().join(file);
    std::fs::write(&ca_file, key.cert.pem()).expect("a temporary file");
    Secure { server, ca_file }
}

impl Secure {
    fn plan(&self, tls: Tls) -> ScenarioPlan {
        let mut plan = plan(&[self.server.address], "Hello");
        plan.targets[0].host = "localhost".to_owned();
        plan.tls = Some(tls);
        plan
    }

    fn trusted(&self) -> Tls {
        {
            let mut tls = Tls::default();
            tls.ca_file = Some(self.ca_file.clone());
            tls
        }
    }
}

#[test]
fn tls_with_its_authority() {
    run(async {
        let secure = secure("localhost", b"h2").await;
        let driver = Driver::open(&secure.plan(secure.trusted())).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}

#[test]
fn tls_untrusted_unless_told() {
    run(async {
        let secure = secure("localhost", b"h2").await;
        let other = self::secure("localhost", b"h2").await;
        let message = Driver::prepare_error(&secure.plan(other.trusted())).await;
        assert!(
            message.contains("not signed by a trusted authority"),
            "{message}"
        );
        assert!(message.contains("tls.ca_file"), "{message}");
        for server_name in [None, Some("another.name".to_owned())] {
            let mut tls = Tls::default();
            tls.insecure_skip_verify = true;
            tls.server_name = server_name;
            let driver = Driver::open(&secure.plan(tls)).await;
            assert_eq!(driver.once().await, Outcome::Ok);
        }
    });
}

#[test]
fn tls_wrong_name_unless_told() {
    run(async {
        let secure = secure("greeter.internal", b"h2").await;
        let message = Driver::prepare_error(&secure.plan(secure.trusted())).await;
        assert!(
            message.contains("greeter.internal")
                && message.contains("not for localhost")
                && message.contains("tls.server_name"),
            "{message}"
        );
        let mut tls = secure.trusted();
        tls.server_name = Some("greeter.internal".to_owned());
        let driver = Driver::open(&secure.plan(tls)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}

#[test]
fn tls_without_http2() {
    run(async {
        let secure = secure("localhost", b"http/1.1").await;
        let message = Driver::prepare_error(&secure.plan(secure.trusted())).await;
        assert!(
            message.contains("did not agree on HTTP/2 (ALPN `h2`)"),
            "{message}"
        );
    });
}

#[test]
fn plaintext_to_a_tls_server() {
    run(async {
        let secure = secure("localhost", b"h2").await;
        ends(
            &Driver::prepare_error(&plan(&[secure.server.address], "Hello")).await,
            secure.server.address,
            "the server expects TLS; use an `https://` or `wss://` target, or a `tls` block",
        );
    });
}

#[test]
fn tls_to_a_plaintext_server() {
    run(async {
        let secure = secure("localhost", b"h2").await;
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let mut plan = plan(&[server.address], "Hello");
        plan.tls = Some(secure.trusted());
        ends(
            &Driver::prepare_error(&plan).await,
            server.address,
            "the server does not speak TLS on this port; leave TLS out: no `https://` or `wss://` \
             in front of the target, no `tls` block, no flag that turns TLS on",
        );
    });
}

#[test]
fn a_missing_ca_file_is_found_before_the_run() {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], "Hello");
    plan.tls = Some({
        let mut tls = Tls::default();
        tls.ca_file = Some("/nowhere/ca.pem".into());
        tls
    });
    let error = factory(&plan).expect_err("no such file");
    assert!(
        error
            .to_string()
            .starts_with("`tls.ca_file` /nowhere/ca.pem: "),
        "{error}"
    );
}

#[test]
fn a_client_certificate_is_asked_for_and_shown() {
    run(async {
        let own = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).expect("made");
        let secure = secure_with("localhost", &[b"h2"], Some(&own.cert)).await;
        ends(
            &Driver::prepare_error(&secure.plan(secure.trusted())).await,
            format!("localhost:{}", secure.server.address.port()),
            "the server asks for a client certificate; name the files of one and its key in \
             `tls.cert_file` and `tls.key_file`",
        );

        let folder = tempfile::tempdir().expect("a folder");
        let (cert_file, key_file) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        std::fs::write(&cert_file, own.cert.pem()).expect("written");
        std::fs::write(&key_file, own.signing_key.serialize_pem()).expect("written");
        let shows = |cert_file: &Path, key_file: &Path| {
            let mut tls = secure.trusted();
            tls.cert_file = Some(cert_file.to_owned());
            tls.key_file = Some(key_file.to_owned());
            tls
        };
        let driver = Driver::open(&secure.plan(shows(&cert_file, &key_file))).await;
        assert_eq!(driver.once().await, Outcome::Ok);

        let refused = |tls| factory(&secure.plan(tls)).expect_err("refused").to_string();
        let no_key = format!(
            "`tls.key_file` {}: it holds a certificate and no key; a certificate is `tls.cert_file`",
            cert_file.display()
        );
        assert_eq!(refused(shows(&cert_file, &cert_file)), no_key);
        let no_certificate = format!(
            "`tls.cert_file` {}: it holds a key and no certificate; a key is `tls.key_file`",
            key_file.display()
        );
        assert_eq!(refused(shows(&key_file, &key_file)), no_certificate);
        assert_eq!(
            refused(shows(&secure.ca_file, &key_file)),
            "`tls.cert_file` and `tls.key_file`: the key is not that of the certificate"
        );
    });
}

/// A server that does not know ALPN speaks HTTP/2 all the same, where one asks for that.
#[test]
fn http2_without_alpn() {
    run(async {
        let secure = secure_with("localhost", &[], None).await;
        let message = Driver::prepare_error(&secure.plan(secure.trusted())).await;
        assert!(message.contains("set `tls.alpn` to false"), "{message}");
        let mut tls = secure.trusted();
        tls.alpn = false;
        let driver = Driver::open(&secure.plan(tls)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}
