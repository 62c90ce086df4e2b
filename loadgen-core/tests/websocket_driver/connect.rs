//! Opening connections: what is asked for, what may come back, how often.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{ConnectionPer, Tls};
use loadgen_core::workload::Workload;
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::common::run;
use crate::server::{echo, echo_server, serve};
use crate::support::{Driver, hello, plan, websocket};

#[test]
fn the_upgrade_request_says_what_the_scenario_says() {
    run(async {
        let head = Rc::new(RefCell::new(String::new()));
        let seen = Rc::clone(&head);
        let server = serve(move |peer| {
            seen.borrow_mut().clone_from(&peer.head);
            async move {
                let fields = "sec-websocket-protocol: chat.v1\r\n";
                let tcp = peer.upgrade_with(fields).await;
                echo(
                    tokio_tungstenite::WebSocketStream::from_raw_socket(
                        tcp,
                        tokio_tungstenite::tungstenite::protocol::Role::Server,
                        None,
                    )
                    .await,
                )
                .await;
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).headers = vec![
            ("authorization".to_owned(), "Bearer x".into()),
            ("X-Tenant".to_owned(), "7".into()),
        ];
        websocket(&mut plan).subprotocols = vec!["chat.v2".to_owned(), "chat.v1".to_owned()];
        plan.authority = Some("api.internal:8080".to_owned());
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(driver.recorder.0.borrow().backends.is_empty());
        let head = head.borrow().to_lowercase();
        for expected in [
            "get /echo http/1.1\r\n".to_owned(),
            "host: api.internal:8080\r\n".to_owned(),
            "authorization: bearer x\r\n".to_owned(),
            "x-tenant: 7\r\n".to_owned(),
            "sec-websocket-protocol: chat.v2, chat.v1\r\n".to_owned(),
            "sec-websocket-version: 13\r\n".to_owned(),
        ] {
            assert!(head.contains(&expected), "{head}");
        }
    });
}

#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    => "HTTP 200 OK instead of switching to WebSocket (it says \"hello\"); it speaks HTTP there and not WebSocket: check port and path"; "plain HTTP")]
#[test_case("HTTP/1.0 404 Not Found\r\n\r\n"
    => "HTTP 404 Not Found instead of switching to WebSocket; check the step's `path`"; "HTTP 1.0")]
#[test_case("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    => "HTTP 401 Unauthorized instead of switching to WebSocket; does the upgrade request need a header (`headers`)?")]
#[test_case("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    => "HTTP 403 Forbidden instead of switching to WebSocket; does the upgrade request need a header (`headers`)?")]
#[test_case("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    => "HTTP 404 Not Found instead of switching to WebSocket; check the step's `path`")]
#[test_case("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n"
    => "HTTP 426 Upgrade Required instead of switching to WebSocket; it asks for another version of the protocol")]
#[test_case("HTTP/1.1 301 Moved Permanently\r\nlocation: wss://elsewhere/\r\ncontent-length: 0\r\n\r\n"
    => "HTTP 301 Moved Permanently instead of switching to WebSocket; it redirects to wss://elsewhere/: name where that is as target and `path`, or say how many redirections to follow (`redirects`)")]
fn a_refused_upgrade_shows_the_status(answer: &'static str) -> String {
    run(async move {
        let server = serve(move |peer| peer.answer(answer)).await;
        let plan = plan(&[server.address], hello());
        let message = Driver::prepare_error(&plan).await;
        let expected = format!(
            "could not connect to {}: the server answered ",
            server.address
        );
        let rest = message.strip_prefix(&expected).expect(&message).to_owned();
        // Mid-run it is a counted outcome with the same words.
        let driver = Driver::new(&plan);
        let status: u16 = answer[9..12].parse().expect("a status");
        assert_eq!(driver.once().await, Failure::Http(status).into());
        assert_eq!(driver.recorder.explanation(), message);
        // One ahead of the iteration and one within it.
        assert_eq!(driver.recorder.0.borrow().failed, 2);
        rest
    })
}

/// What comes after the head, each in a packet of its own; the connection stays open.
#[test_case("content-length: 300", &[&"A".repeat(300)], true => "A".repeat(80) + "…"; "in the same packet")]
#[test_case("content-length: 19", &["no healthy upstream"], false => "no healthy upstream"; "in the next packet")]
#[test_case("content-length: 19", &["no healthy", " upstream"], true => "no healthy upstream"; "in two")]
#[test_case("content-length: 2", &["no healthy"], true => "no"; "longer than it says")]
#[test_case("content-length: 100000", &[&"A".repeat(10_000)], false => "A".repeat(80) + "…"; "a long one")]
#[test_case("content-length: 300", &[], false => ""; "none that was promised")]
#[test_case("content-length: 300", &["no healthy"], false => "no healthy"; "one that stops")]
#[test_case("server: x", &["no healthy", " upstream"], false => "no healthy upstream"; "of unknown length")]
#[test_case("transfer-encoding: chunked", &["a\r\nno healthy\r\n9\r\n upstream\r\n0\r\n\r\n"], true => "no healthy upstream"; "chunks")]
#[test_case("transfer-encoding: gzip, Chunked", &["a\r\nno he", "althy\r\n", "9\r", "\n upstream\r\n"], false => "no healthy upstream"; "chunks in pieces")]
#[test_case("transfer-encoding: chunked", &[&"1\r\nA\r\n".repeat(5000)], false => "A".repeat(80) + "…"; "many chunks")]
fn a_refused_upgrade_shows_what_the_server_says(
    field: &str,
    body: &[&str],
    same_packet: bool,
) -> String {
    let head = format!("HTTP/1.1 503 Service Unavailable\r\n{field}\r\n\r\n");
    let mut packets = vec![head];
    packets.extend(body.iter().map(|&it| it.to_owned()));
    if same_packet {
        let first = packets.remove(1);
        packets[0].push_str(&first);
    }
    run(async move {
        let server = serve(move |mut peer| {
            let packets = packets.clone();
            async move {
                for packet in packets {
                    // The client may have had enough.
                    let _ = peer.tcp.write_all(packet.as_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let _ = peer.tcp.read_to_end(&mut Vec::new()).await;
            }
        })
        .await;
        let driver = Driver::new(&plan(&[server.address], hello()));
        assert_eq!(driver.once().await, Failure::Http(503).into());
        let message = driver.recorder.explanation();
        let said = message.split_once("(it says \"");
        said.and_then(|(_, said)| said.split_once("\")"))
            .map_or_else(String::new, |(said, _)| said.to_owned())
    })
}

/// Nor does it make another failure of it.
#[test]
fn a_body_that_never_comes_takes_no_longer_than_there_is() {
    run(async {
        let server = serve(|mut peer| async move {
            let head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\n";
            peer.tcp.write_all(head).await.expect("sent");
            let _ = peer.tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.connect_timeout = Duration::from_millis(80);
        let driver = Driver::new(&plan);
        assert_eq!(driver.once().await, Failure::Http(503).into());
    });
}

#[test_case("", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: no\r\n\r\n"
    => "the answer to the upgrade request is not WebSocket's: WebSocket protocol error: Key mismatch in \"Sec-WebSocket-Accept\" header"; "a wrong key")]
#[test_case("", "SSH-2.0-OpenSSH_9.2\r\n"
    => "the server sent something that is not HTTP/1.1 (it begins with \"SSH-2.0-OpenSSH_\"); check the port"; "another protocol")]
#[test_case("", "\x15\x03\x03\x00\x02\x02\x46"
    => "the server expects TLS; use an `https://` or `wss://` target, or a `tls` block"; "TLS")]
#[test_case("", ""
    => "the server closed the connection without answering the upgrade request; it may expect TLS (a `wss://` target or a `tls` block)"; "nothing")]
#[test_case("chat", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: KEY\r\n\r\n"
    => "the server chose none of the subprotocols offered: chat"; "no subprotocol")]
#[test_case("chat", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: KEY\r\nsec-websocket-protocol: mqtt\r\n\r\n"
    => "the server chose a subprotocol other than those offered: chat"; "a wrong subprotocol")]
#[test_case("", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: KEY\r\nsec-websocket-protocol: mqtt\r\n\r\n"
    => "the server chose a subprotocol, and none was offered; name it in `subprotocols`"; "a subprotocol out of the blue")]
#[test_case("", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: KEY\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n"
    => "the server turned on permessage-deflate, which was not offered"; "an extension out of the blue")]
fn what_is_no_websocket_server_is_told_apart(subprotocol: &str, answer: &'static str) -> String {
    let subprotocols: Vec<String> = subprotocol.split_whitespace().map(str::to_owned).collect();
    run(async move {
        let server = serve(move |peer| {
            let key = peer.header("sec-websocket-key").expect("a key");
            let key = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = answer.replace("KEY", &key);
            async move { peer.answer(&answer).await }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).subprotocols = subprotocols;
        let message = Driver::prepare_error(&plan).await;
        let expected = format!("could not connect to {}: ", server.address);
        let rest = message.strip_prefix(&expected).expect(&message).to_owned();
        let driver = Driver::new(&plan);
        assert_eq!(driver.once().await, Failure::Connect.into());
        rest
    })
}

#[test]
fn nobody_listens() {
    run(async {
        let address = TcpListener::bind("127.0.0.1:0")
            .await
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let message = Driver::prepare_error(&plan(&[address], hello())).await;
        assert_eq!(
            message,
            format!(
                "could not connect to {address}: the connection was refused; is the server running \
                 and listening on this port?"
            )
        );
    });
}

#[test]
fn a_server_that_never_answers_the_upgrade_is_given_up() {
    run(async {
        let server = serve(|mut peer| async move {
            let _ = peer.tcp.read_u8().await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.connect_timeout = Duration::from_millis(50);
        let message = Driver::prepare_error(&plan).await;
        assert!(
            message.ends_with(
                "no answer within 50ms while waiting for the answer to the upgrade request"
            ),
            "{message}"
        );
    });
}

#[test]
fn a_dead_target_beside_a_live_one_stops_nobody() {
    run(async {
        let server = echo_server().await;
        let dead = TcpListener::bind("127.0.0.1:0")
            .await
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let driver = Driver::open(&plan(&[dead, server.address], hello())).await;
        // The first user's is the dead one.
        assert_eq!(driver.once().await, Failure::Connect.into());
    });
}

#[test]
fn attempts_back_off() {
    run(async {
        let address = TcpListener::bind("127.0.0.1:0")
            .await
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let driver = Driver::new(&plan(&[address], hello()));
        let mut user = driver.user().await;
        let from = tokio::time::Instant::now();
        for _ in 0..4 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Connect.into());
        }
        // At least ten milliseconds before each attempt but the first, which was made ahead.
        assert!(
            from.elapsed() >= Duration::from_millis(40),
            "{:?}",
            from.elapsed()
        );
        assert_eq!(driver.recorder.0.borrow().failed, 5);
    });
}

#[test]
fn connections_are_opened_no_faster_than_the_cap() {
    run(async {
        let server = echo_server().await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connect_rate = Some("100/s".parse().expect("a rate"));
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        let from = tokio::time::Instant::now();
        for _ in 0..10 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        // Two may come at once, and the one that was opened ahead is the first.
        assert!(
            from.elapsed() >= Duration::from_millis(75),
            "{:?}",
            from.elapsed()
        );
        assert_eq!(driver.recorder.0.borrow().opened, 10);
    });
}

/// The back-off is for what failed: a new connection for each iteration waits for nothing.
#[test]
fn a_connection_for_each_iteration_is_opened_at_once() {
    run(async {
        let server = echo_server().await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..100 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert!(seen.rests.is_empty(), "{:?}", seen.rests);
        assert_eq!(seen.opened, 100);
    });
}

#[test]
fn a_connection_for_each_iteration_is_closed_in_good_order() {
    run(async {
        let closed = Rc::new(Cell::new(0));
        let seen = Rc::clone(&closed);
        let server = serve(move |peer| {
            let closed = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                use futures::{SinkExt, StreamExt};
                use tokio_tungstenite::tungstenite::Message;
                while let Some(Ok(message)) = socket.next().await {
                    match message {
                        Message::Close(Some(frame)) if u16::from(frame.code) == 1000 => {
                            closed.set(closed.get() + 1);
                        }
                        Message::Text(_) => {
                            let _ = socket.send(message).await;
                        }
                        _ => {}
                    }
                }
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        // Some are listened to for a while longer.
        driver.workload.close(user).await;
        assert_eq!(closed.get(), 3);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (3, 0));
        assert_eq!(seen.connect_times.len(), 3);
    });
}

/// A certificate for `localhost`, and a server that shows it.
#[test]
fn speaks_over_tls() {
    use std::sync::Arc;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    run(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
            .expect("a key that fits");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let alpn = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&alpn);
        tokio::task::spawn_local(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    continue;
                };
                *seen.borrow_mut() = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                tokio::task::spawn_local(async move {
                    use futures::{SinkExt, StreamExt};
                    let mut socket = tokio_tungstenite::accept_async(tls)
                        .await
                        .expect("upgraded");
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() {
                            let _ = socket.send(message).await;
                        }
                    }
                });
            }
        });
        let mut folder = tempfile::NamedTempFile::new().expect("a file");
        std::io::Write::write_all(&mut folder, made.cert.pem().as_bytes()).expect("written");
        let mut plan = plan(&[address], hello());
        plan.targets[0].tls = true;
        plan.tls = Some({
            let mut tls = Tls::default();
            tls.ca_file = Some(folder.path().to_owned());
            tls.server_name = Some("localhost".to_owned());
            tls
        });
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(alpn.borrow().as_deref(), Some(&b"http/1.1"[..]));
        plan.tls = Some(Tls::default());
        plan.tls.as_mut().expect("just set").ca_file = Some(folder.path().to_owned());
        let message = Driver::prepare_error(&plan).await;
        assert!(message.contains("its certificate is for"), "{message}");
    });
}

#[test]
fn writes_nothing_before_the_answer_is_complete() {
    run(async {
        let server = serve(|mut peer| async move {
            // The answer in pieces, the first message right behind it.
            let key = peer.header("sec-websocket-key").expect("a key").to_owned();
            let accept =
                tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            for piece in [
                "HTTP/1.1 101 Switching",
                " Protocols\r\nupgrade: websocket\r\nconnection: upgr",
                "ade\r\nsec-websocket-accept: ",
                &accept,
                "\r\n\r\n",
            ] {
                peer.tcp.write_all(piece.as_bytes()).await.expect("sent");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let mut first = [0; 11];
            peer.tcp.read_exact(&mut first).await.expect("a message");
            peer.tcp.write_all(b"\x81\x05hello").await.expect("sent");
            let _ = peer.tcp.read_u8().await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}

/// An attempt that is cut off has failed, and says how far it came.
#[test]
fn an_attempt_that_is_cut_off_is_counted() {
    run(async {
        // Connections wait to be accepted, and nobody answers.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut plan = plan(&[address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::new(&plan);
        let mut user = driver.user().await;
        for failed in 1..=3 {
            let cut =
                tokio::time::timeout(Duration::from_millis(80), driver.iterate(&mut user)).await;
            assert!(cut.is_err());
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.failed), (0, failed));
        }
        assert_eq!(
            driver.recorder.explanation(),
            format!(
                "cut off while connecting to {address}, waiting for the answer to the upgrade \
                 request"
            )
        );
    });
}

/// Failures of long ago do not slow down what works now.
#[test]
fn the_back_off_starts_over_once_a_connection_has_worked() {
    run(async {
        let server = serve(|peer| async move {
            if peer.nth % 2 == 1 {
                return peer.answer("HTTP/1.1 503 Busy\r\n\r\n").await;
            }
            echo(peer.accept().await).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        let from = tokio::time::Instant::now();
        let mut good = 0;
        while good < 12 {
            good += u32::from(driver.iterate(&mut user).await.is_ok());
        }
        // The twelfth failure in a row would wait for up to a second; the first waits 10 to 20 ms.
        assert!(
            from.elapsed() < Duration::from_millis(1500),
            "{:?}",
            from.elapsed()
        );
    });
}

/// The good-bye is no part of what is measured, however long the server takes over it.
#[test]
fn a_server_that_never_answers_a_close_slows_no_iteration() {
    use crate::common::whole::{closed, whole};
    use loadgen_core::schedule::Limit;

    run(async {
        let server = serve(|peer| async {
            let mut tcp = peer.upgrade().await;
            let mut first = [0; 11];
            let _ = tcp.read_exact(&mut first).await;
            let _ = tcp.write_all(b"\x81\x05hello").await;
            std::future::pending::<()>().await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan.timeout = Duration::from_millis(700);
        plan.load = closed(2, Limit::IterationsPerUser(1));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 2, "{:?}", record.outcomes);
        assert!(
            record.response_time.max() < 500_000_000,
            "{}",
            record.response_time.max()
        );
    });
}

/// `Connection` is a list.
#[test]
fn an_upgrade_beside_other_words() {
    run(async {
        let server = serve(|mut peer| async move {
            let key = peer.header("sec-websocket-key").expect("a key");
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.as_bytes())
            );
            peer.tcp.write_all(answer.as_bytes()).await.expect("sent");
            let role = tokio_tungstenite::tungstenite::protocol::Role::Server;
            let socket = tokio_tungstenite::WebSocketStream::from_raw_socket(peer.tcp, role, None);
            echo(socket.await).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}

#[test]
fn unix_sockets() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("service.sock");
        let server = echo_server().await;
        let (listener, address) = (UnixListener::bind(&path).expect("bound"), server.address);
        tokio::task::spawn_local(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut tcp = TcpStream::connect(address).await.expect("it listens");
                tokio::task::spawn_local(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut tcp).await;
                });
            }
        });
        let mut plan = plan(&[], hello());
        plan.targets = vec![
            format!("unix:{}", path.display())
                .parse()
                .expect("a target"),
        ];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}
