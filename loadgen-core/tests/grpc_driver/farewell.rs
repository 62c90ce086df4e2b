//! What a good-bye does to each stream.

use std::rc::Rc;
use std::time::Duration;

use loadgen_core::record::FarewellCount;
use loadgen_core::scenario::{ConnectionPer, GrpcStreamEnd, ScenarioPlan};
use loadgen_core::schedule::Limit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::whole::{closed, whole};
use crate::support::server::{Control, Exchange, Server, Settings, status};
use crate::support::{grpc, plan, run, the_call};

/// Three users with a stream each for half a second.
fn lasting(server: &Server) -> ScenarioPlan {
    let mut plan = plan(&[server.address], "Chat");
    plan.load = closed(3, Limit::Duration(Duration::from_millis(500)));
    grpc(&mut plan).connection_per = Some(ConnectionPer::User);
    let call = the_call(&mut plan);
    (call.repeat, call.every) = (1_000_000, Some(Duration::from_millis(20)));
    call.stream = Some(GrpcStreamEnd::Load);
    plan
}

async fn echo(mut exchange: Exchange) {
    let mut answer = exchange.begin();
    let body = exchange.request.body_mut();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return };
        let flow = body.flow_control();
        flow.release_capacity(piece.len()).expect("it was received");
        if answer.send_data(piece, false).is_err() {
            return;
        }
    }
    answer.send_trailers(status("0")).expect("open");
}

/// Says good-bye a fifth of a second after the first stream, and cuts what is left a while later if told to.
fn say_good_bye(control: &Rc<Control>, cuts: bool) {
    let control = Rc::clone(control);
    tokio::task::spawn_local(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        control.goaway.notify_waiters();
        if cuts {
            tokio::time::sleep(Duration::from_millis(100)).await;
            control.cut.notify_waiters();
        }
    });
}

async fn told(cuts: bool) -> FarewellCount {
    let server = Server::start(move |exchange: Exchange| async move {
        if exchange.nth == 0 {
            say_good_bye(&exchange.control, cuts);
        }
        echo(exchange).await;
    })
    .await;
    let record = whole(lasting(&server)).await;
    let told = record.farewells.between(Duration::ZERO, None);
    told.expect("a good-bye was said")
}

#[test]
fn streams_that_go_on_after_a_good_bye_finish() {
    run(async {
        let told = told(false).await;
        assert_eq!((told.connections, told.open), (3, 3));
        assert_eq!((told.finished, told.refused, told.broken), (3, 0, 0));
    });
}

#[test]
fn streams_that_are_cut_after_a_good_bye_have_broken() {
    run(async {
        let told = told(true).await;
        assert_eq!((told.connections, told.open), (3, 3));
        assert_eq!((told.finished, told.refused, told.broken), (0, 0, 3));
    });
}

/// A server that looks at so many requests on each connection: what comes behind them on the way is sent again.
#[test]
fn what_is_refused_is_sent_again() {
    run(async {
        let settings = Settings {
            goaway_after: Some(10),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |exchange: Exchange| {
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = closed(8, Limit::Iterations(400));
        let record = whole(plan).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (400, 0));
        let told = record.farewells.between(Duration::ZERO, None);
        let told = told.expect("a good-bye was said");
        assert!(told.connections >= 10, "{told:?}");
        assert_eq!(
            (told.refused, told.broken),
            (told.sent_again, 0),
            "{told:?}"
        );
    });
}

/// A drain mostly ends streams with UNAVAILABLE: that is an end.
#[test]
fn streams_that_the_server_ends_with_a_bad_status_finish() {
    run(async {
        let server = Server::start(move |mut exchange: Exchange| async move {
            if exchange.nth == 0 {
                say_good_bye(&exchange.control, false);
            }
            if exchange.nth > 2 {
                return echo(exchange).await;
            }
            let mut answer = exchange.begin();
            tokio::time::sleep(Duration::from_millis(350)).await;
            answer.send_trailers(status("14")).expect("open");
        })
        .await;
        let record = whole(lasting(&server)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (3, 3));
        let told = record.farewells.between(Duration::ZERO, None);
        let told = told.expect("a good-bye was said");
        assert_eq!((told.connections, told.open), (3, 3));
        assert_eq!((told.finished, told.refused, told.broken), (3, 0, 0));
    });
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An empty message and OK.
fn answer_to(stream: u32) -> Vec<u8> {
    let head = [&b"\x88\x0f\x10\x10"[..], b"application/grpc"].concat();
    let trailers = [&b"\x00\x0b"[..], b"grpc-status", b"\x010"].concat();
    [
        frame(HEADERS, 4, stream, &head),
        frame(DATA, 0, stream, &[0; 5]),
        frame(HEADERS, 5, stream, &trailers),
    ]
    .concat()
}

/// Answers at once, or, on the first connection, takes three requests and says that it looks at the first alone.
async fn speak(mut tcp: TcpStream, is_first: bool) -> std::io::Result<()> {
    tcp.read_exact(&mut [0; 24]).await?;
    tcp.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let (mut head, mut count) = ([0; 9], 0);
    loop {
        tcp.read_exact(&mut head).await?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        tcp.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let said = match (head[3], head[4]) {
            (SETTINGS, 0) => frame(SETTINGS, 1, 0, &[]),
            (PING, 0) => frame(PING, 1, 0, &payload),
            (DATA, 1) if !is_first => answer_to(stream),
            (DATA, 1) => {
                count += 1;
                match count {
                    3 => {
                        let last_and_code = [0, 0, 0, 1, 0, 0, 0, 0];
                        [frame(GOAWAY, 0, 0, &last_and_code), answer_to(1)].concat()
                    }
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        tcp.write_all(&said).await?;
    }
}

/// Which streams a server looks at is its word: one is answered, the others are told of and sent again.
#[test]
fn streams_above_the_last_are_refused() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::task::spawn_local(async move {
            for nth in 0.. {
                let (tcp, _) = listener.accept().await.expect("accepts");
                tcp.set_nodelay(true).expect("a TCP socket");
                tokio::task::spawn_local(speak(tcp, nth == 0));
            }
        });
        let mut plan = plan(&[address], "Hello");
        plan.load = closed(8, Limit::IterationsPerUser(8));
        grpc(&mut plan).connections = Some(2);
        let record = whole(plan).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (64, 0));
        let told = record.farewells.between(Duration::ZERO, None);
        let told = told.expect("a good-bye was said");
        assert!(told.refused >= 2, "{told:?}");
        assert_eq!((told.connections, told.finished), (1, 1), "{told:?}");
        assert_eq!(
            (told.refused, told.broken),
            (told.sent_again, 0),
            "{told:?}"
        );
        assert_eq!(told.open, told.finished + told.refused, "{told:?}");
    });
}
