//! What the HTTP/2 library of these tests' servers cannot do: connections that go silent, GOAWAY with
//! a text, UNIX sockets.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::ScenarioPlan;
use loadgen_core::workload::FarewellEvent;
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::support::server::{Exchange, Server};
use crate::support::{Driver, grpc, plan, run, until};

const METHODS: [&str; 2] = ["Hello", "Stream"];

/// Between client and server, and able to swallow everything on the connections it has.
struct Middleman {
    address: SocketAddr,
    connections: Rc<Cell<usize>>,
    /// Connections up to this number are to die.
    dead: Rc<Cell<usize>>,
    /// How many have.
    died: Rc<Cell<usize>>,
}

impl Middleman {
    /// Has the connections up to this number die.
    async fn kill(&self, up_to: usize) {
        self.dead.set(up_to);
        until(|| self.died.get() >= up_to).await;
    }
}

async fn middleman(server: SocketAddr) -> Middleman {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (connections, dead, died) = <(Rc<Cell<_>>, Rc<Cell<_>>, Rc<Cell<_>>)>::default();
    let (count, dead_up_to, deaths) = (connections.clone(), dead.clone(), died.clone());
    tokio::task::spawn_local(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.set(count.get() + 1);
            let (nth, dead, died) = (count.get(), dead_up_to.clone(), deaths.clone());
            tokio::task::spawn_local(async move {
                let mut server = TcpStream::connect(server).await.expect("it listens");
                tokio::select! {
                    biased;
                    () = until(|| dead.get() >= nth) => {}
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                }
                died.set(died.get() + 1);
                // The socket stays open, and nobody reads it.
                std::future::pending::<()>().await;
            });
        }
    });
    Middleman {
        address,
        connections,
        dead,
        died,
    }
}

fn patient_plan(address: SocketAddr, method: &str) -> ScenarioPlan {
    let mut plan = plan(&[address], method);
    // As long as this a ping may take.
    plan.connect_timeout = Duration::from_millis(300);
    plan
}

/// A call that is given up.
async fn give_up(driver: &Driver) {
    tokio::select! {
        outcome = driver.once() => panic!("{outcome}"),
        () = tokio::time::sleep(Duration::from_millis(30)) => {}
    }
}

#[test]
fn a_connection_that_dies_without_a_word_is_replaced() {
    run(async {
        for method in METHODS {
            let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
            let between = middleman(server.address).await;
            let driver = Driver::open(&patient_plan(between.address, method)).await;
            assert_eq!(driver.once().await, Outcome::Ok);
            between.kill(1).await;
            let dying = async {
                assert_eq!(driver.once().await, Failure::Connection.into());
                let why = driver.recorder.explanation();
                assert!(why.contains("died without a word"), "{why}");
            };
            let giving_up = async {
                give_up(&driver).await;
                give_up(&driver).await;
            };
            futures::join!(dying, giving_up);
            assert_eq!(driver.once().await, Outcome::Ok);
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.dropped), (2, 1));
            assert_eq!(between.connections.get(), 2);
        }
    });
}

/// Nobody calls, and nobody would know.
#[test]
fn keepalive_finds_a_dead_connection_that_nobody_uses() {
    run(async {
        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let between = middleman(server.address).await;
        let mut plan = patient_plan(between.address, "Hello");
        grpc(&mut plan).keepalive = Some(Duration::from_millis(20));
        let driver = Driver::open(&plan).await;
        // Alive, it stays.
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(between.connections.get(), 1);
        between.kill(1).await;
        until(|| between.connections.get() == 2).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().dropped, 1);
    });
}

/// A proxy that has lost whom it speaks for answers pings, and nothing else.
#[test]
fn a_connection_on_which_nothing_is_answered_any_more_is_left_once() {
    run(async {
        for method in METHODS {
            let first_is_mute = Rc::new(Cell::new(true));
            let first = Rc::clone(&first_is_mute);
            let server = Server::start(move |exchange: Exchange| {
                let is_mute = exchange.nth > 0 && first.get();
                async move {
                    match is_mute {
                        true => exchange.until_reset().await,
                        false => exchange.ok(&[b""]).await,
                    }
                }
            })
            .await;
            let driver = Driver::open(&patient_plan(server.address, method)).await;
            assert_eq!(driver.once().await, Outcome::Ok);
            // One that is slow is no reason.
            give_up(&driver).await;
            assert_eq!(server.control.connections.get(), 1);
            give_up(&driver).await;
            until(|| server.control.connections.get() == 2).await;
            // Its successor does no better: it is the service.
            for _ in 0..5 {
                give_up(&driver).await;
            }
            assert_eq!(server.control.connections.get(), 2);
            first_is_mute.set(false);
            assert_eq!(driver.once().await, Outcome::Ok);
            // Leaving it was our own doing.
            assert_eq!(driver.recorder.0.borrow().dropped, 0);
        }
    });
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A server that takes a call and then says good-bye with a reason and a text, and which stream it was the last to
/// look at.
async fn parting(last: u32, reason: u32, text: &'static str) -> SocketAddr {
    const DATA: u8 = 0;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tcp.read_exact(&mut [0; 24]).await.expect("a preface");
            tcp.write_all(&frame(SETTINGS, 0, 0, &[]))
                .await
                .expect("sent");
            let mut head = [0; 9];
            while tcp.read_exact(&mut head).await.is_ok() {
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; len as usize];
                tcp.read_exact(&mut payload).await.expect("a payload");
                match (head[3], head[4]) {
                    (SETTINGS, 0) => tcp.write_all(&frame(SETTINGS, 1, 0, &[])).await,
                    (PING, 0) => tcp.write_all(&frame(PING, 1, 0, &payload)).await,
                    (DATA, 1) => {
                        let said = [
                            &last.to_be_bytes()[..],
                            &reason.to_be_bytes(),
                            text.as_bytes(),
                        ];
                        let _ = tcp.write_all(&frame(GOAWAY, 0, 0, &said.concat())).await;
                        break;
                    }
                    _ => Ok(()),
                }
                .expect("sent");
            }
        }
    });
    address
}

#[test]
fn a_good_bye_is_told_with_its_reason_and_text() {
    run(async {
        for method in METHODS {
            let address = parting(1, 11, "too_many_pings").await;
            let driver = Driver::open(&plan(&[address], method)).await;
            assert_eq!(driver.once().await, Failure::Connection.into());
            assert_eq!(
                driver.recorder.explanation(),
                "the server ended the connection with GOAWAY ENHANCE_YOUR_CALM: \"too_many_pings\""
            );
        }
    });
}

/// What the server has not looked at is sent again, for as often as that is tried; what it has is lost with the
/// connection.
#[test_case(0; "not looked at")]
#[test_case(1; "looked at")]
fn a_good_bye_keeps_account_of_streams(last: u32) {
    run(async {
        for method in METHODS {
            let address = parting(last, 0, "").await;
            let driver = Driver::open(&plan(&[address], method)).await;
            assert_eq!(driver.once().await, Failure::Connection.into());
            let seen = driver.recorder.0.borrow();
            let count = |event| seen.farewells.iter().filter(|it| **it == event).count();
            let said = count(FarewellEvent::Said { open: 1 });
            let [refused, again, broken] = [
                FarewellEvent::Refused,
                FarewellEvent::SentAgain,
                FarewellEvent::Broken,
            ]
            .map(count);
            assert_eq!(count(FarewellEvent::Finished), 0);
            match last {
                0 => {
                    assert!(again > 0, "{:?}", seen.farewells);
                    assert_eq!((said, refused, broken), (again + 1, again + 1, 0));
                }
                _ => assert_eq!((said, refused, again, broken), (1, 0, 0, 1)),
            }
        }
    });
}

#[test]
fn unix_sockets() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path: PathBuf = folder.path().join("service.sock");
        let mut plan = plan(&[], "Hello");
        plan.targets = vec![
            format!("unix:{}", path.display())
                .parse()
                .expect("a target"),
        ];
        let message = Driver::prepare_error(&plan).await;
        let expected = format!(
            "could not connect to unix:{}: there is no such file; is the server running, and is \
             this the socket it listens on?",
            path.display()
        );
        assert_eq!(message, expected);

        let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let (listener, address) = (UnixListener::bind(&path).expect("bound"), server.address);
        let relay = tokio::task::spawn_local(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut tcp = TcpStream::connect(address).await.expect("it listens");
                tokio::task::spawn_local(async move {
                    let _ = copy_bidirectional(&mut client, &mut tcp).await;
                });
            }
        });
        for method in METHODS {
            let call = crate::support::call(method);
            grpc(&mut plan).steps = vec![crate::support::step("call", call)];
            let driver = Driver::open(&plan).await;
            assert_eq!(driver.once().await, Outcome::Ok);
            let seen = driver.recorder.0.borrow();
            assert!(seen.bytes.0 > 0 && seen.bytes.1 > 0, "{:?}", seen.bytes);
        }
        relay.abort();
        let _ = relay.await;
        let message = Driver::prepare_error(&plan).await;
        assert!(message.ends_with("nobody listens on this socket; is the server running?"));
    });
}
