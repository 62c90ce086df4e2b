//! The layer-4 balancer when backends are gone, broken or late, and when it is told to stop.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::common::{
    Echo, echoes, names, nobody, open, quick_checks, settings, start, state, until, within,
};

#[tokio::test]
async fn where_one_refuses_the_next_one_takes_it() {
    let echo = Echo::start("a").await;
    let balancer = start(settings([nobody().await, echo.address]));
    assert_eq!(names(&balancer, 10).await, "aaaaaaaaaa");
    let counts = balancer.counts();
    assert_eq!(
        (counts.refused_no_backend, counts.refused_unreachable),
        (0, 0)
    );
    assert_eq!(balancer.status()["pool"]["backends"][0]["failed"], 10);
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_reset() {
    let balancer = start(settings([nobody().await, nobody().await]));
    let error = open(&balancer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    until(|| balancer.counts().refused_unreachable == 1).await;
    // With checks, nobody is even asked any more.
    let mut checked = settings([nobody().await]);
    checked.pool.health = Some(quick_checks());
    let address = checked.pool.backends[0].port;
    let balancer = start(checked);
    until(|| state(&balancer, ([127, 0, 0, 1], address).into()).as_deref() == Some("down")).await;
    let error = open(&balancer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    until(|| balancer.counts().refused_no_backend == 1).await;
    assert_eq!(balancer.counts().open, 0);
}

/// A backend whose queue is full neither takes nor refuses.
#[tokio::test]
async fn a_backend_that_does_not_answer_is_passed_over() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let full = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(full)).await
    {
        queued.push(stream);
    }
    let echo = Echo::start("a").await;
    let mut limited = settings([full, echo.address]);
    limited.connect_timeout = Duration::from_millis(100);
    let balancer = start(limited);
    assert_eq!(names(&balancer, 2).await, "aa");
    let failure = balancer.status()["pool"]["backends"][0]["last_failure"].clone();
    assert_eq!(failure, "no connection within 100ms");
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let balancer = start(settings([listener.local_addr().unwrap()]));
    for client_resets in [true, false] {
        let mut client = TcpStream::connect(balancer.local_addr()).await.unwrap();
        let (mut served, _) = within(listener.accept()).await.unwrap();
        // A reset before the balancer knows of its connection would be one that it could not open.
        client.write_all(b"a").await.unwrap();
        within(served.read_exact(&mut [0])).await.unwrap();
        let (resets, mut hears) = if client_resets {
            (client, served)
        } else {
            (served, client)
        };
        SockRef::from(&resets)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(resets);
        let error = within(hears.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    until(|| balancer.counts().broken == 2).await;
}

/// A client that reads nothing and a backend that is full of it, a client that says nothing: neither keeps a
/// connection for ever, and one on which something moves is let be.
#[tokio::test]
async fn where_nothing_moves_it_is_reset() {
    let most = Duration::from_millis(1500);
    let echo = Echo::start("a").await;
    let mut limited = settings([echo.address]);
    limited.idle_timeout = Some(most);
    let balancer = start(limited);
    let began = Instant::now();
    let (mut silent, _) = open(&balancer).await.unwrap();
    let (mut busy, _) = open(&balancer).await.unwrap();
    let (mut full, _) = open(&balancer).await.unwrap();
    // Until all on the way is full, as nobody reads.
    let fills = async { while full.write(&[7; 64 << 10]).await.is_ok() {} };
    let talks = async {
        while began.elapsed() < 2 * most {
            echoes(&mut busy).await.unwrap();
            tokio::time::sleep(most / 8).await;
        }
    };
    let ends = async {
        let error = within(silent.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(began.elapsed() >= most, "{:?}", began.elapsed());
    };
    within(async { tokio::join!(fills, talks, ends) }).await;
    echoes(&mut busy).await.unwrap();
    let counts = balancer.counts();
    assert_eq!((counts.idle, counts.broken, counts.open), (2, 0, 1));
}

#[tokio::test]
async fn a_backend_dies_and_returns_and_the_others_notice_nothing() {
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let mut checked = settings([a.address, b.address]);
    checked.pool.health = Some(quick_checks());
    let balancer = start(checked);
    let mut on_a = Vec::new();
    let mut on_b = Vec::new();
    for _ in 0..10 {
        let (stream, name) = open(&balancer).await.unwrap();
        if name == 'a' { &mut on_a } else { &mut on_b }.push(stream);
    }
    let gone = a.address;
    a.gone().await;
    // From the moment of its death, no new connection is lost.
    let met = names(&balancer, 20).await;
    assert!(met.bytes().all(|it| it == b'b'), "{met}");
    until(|| state(&balancer, gone).as_deref() == Some("down")).await;
    for stream in &mut on_a {
        let ended = within(stream.read(&mut [0; 8])).await;
        assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    }
    for stream in &mut on_b {
        echoes(stream).await.unwrap();
    }
    let _again = Echo::start_at("a", gone).await;
    until(|| state(&balancer, gone).as_deref() == Some("up")).await;
    let met = names(&balancer, 4).await;
    assert_eq!(met.matches('a').count(), 2, "{met}");
    for stream in &mut on_b {
        echoes(stream).await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_lets_connections_end() {
    let echo = Echo::start("a").await;
    let balancer = Arc::new(start(settings([echo.address])));
    let (mut held, _) = open(&balancer).await.unwrap();
    let stopping = Arc::clone(&balancer);
    let stop = tokio::task::spawn_blocking(move || stopping.shutdown());
    let address = balancer.local_addr();
    within(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    echoes(&mut held).await.unwrap();
    assert!(!stop.is_finished());
    held.shutdown().await.unwrap();
    assert_eq!(within(held.read(&mut [0; 8])).await.unwrap(), 0);
    within(stop).await.unwrap();
    assert_eq!(balancer.counts().cut, 0);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_reset() {
    let echo = Echo::start("a").await;
    let mut hasty = settings([echo.address]);
    hasty.grace = Duration::from_millis(50);
    let balancer = Arc::new(start(hasty));
    let (mut held, _) = open(&balancer).await.unwrap();
    let stopping = Arc::clone(&balancer);
    within(tokio::task::spawn_blocking(move || stopping.shutdown()))
        .await
        .unwrap();
    let error = within(held.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let counts = balancer.counts();
    assert_eq!((counts.cut, counts.open), (1, 0));
}
