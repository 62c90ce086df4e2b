//! Each fault, as both sides see it.

use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{SOON, Stage, end, is_silent, settings, take};

#[tokio::test]
async fn without_faults_bytes_and_ends_pass_as_they_are() {
    let stage = Stage::set(json!({})).await;
    let (mut client, mut server) = stage.connect().await;
    client.write_all(b"there").await.unwrap();
    assert_eq!(take(&mut server, 5).await, b"there");
    client.shutdown().await.unwrap();
    assert_eq!(end(&mut server).await, Ok(0));
    // Half a connection is one still.
    server.write_all(b"and back").await.unwrap();
    assert_eq!(take(&mut client, 8).await, b"and back");
    assert_eq!(stage.proxy.counts().open, 1);
    drop(server);
    assert_eq!(end(&mut client).await, Ok(0));
    let counts = stage.counted(|it| it.completed == 1).await;
    assert_eq!((counts.accepted, counts.open), (1, 0));
    assert_eq!((counts.bytes_up, counts.bytes_down), (5, 8));
}

#[tokio::test]
async fn a_reset_of_one_side_is_one_of_the_other() {
    let stage = Stage::set(json!({})).await;
    let (mut client, mut server) = stage.connect().await;
    // A proxy that has not noticed yet that it is connected could not tell this from one that it cannot reach.
    client.write_all(b"x").await.unwrap();
    take(&mut server, 1).await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(end(&mut client).await, Err(ConnectionReset));
    stage.counted(|it| it.broken == 1).await;
}

/// How long it takes there and back, the shortest of some: whatever else this machine does only adds to it.
async fn round_trip(client: &mut TcpStream, server: &mut TcpStream) -> Duration {
    let mut times = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        client.write_all(b"x").await.unwrap();
        take(server, 1).await;
        server.write_all(b"y").await.unwrap();
        take(client, 1).await;
        times.push(begun.elapsed());
    }
    times.into_iter().min().unwrap()
}

#[test_case(json!({ "latency": { "up": "50ms" } }), 50; "up")]
#[test_case(json!({ "latency": { "down": "50ms" } }), 50; "down")]
#[test_case(json!({ "latency": "25ms" }), 50; "each way")]
#[tokio::test]
async fn latency_is_what_it_says(faults: Value, adds_ms: u64) {
    let stage = Stage::set(json!({})).await;
    let (mut client, mut server) = stage.connect().await;
    let before = round_trip(&mut client, &mut server).await;
    // Also on a connection that is open.
    stage.put(faults).await;
    let added = round_trip(&mut client, &mut server)
        .await
        .saturating_sub(before);
    let wanted = Duration::from_millis(adds_ms);
    // Each way has a timer of its own, which is late by a millisecond at the most.
    assert!(added >= wanted - Duration::from_millis(1), "{added:?}");
    assert!(added <= wanted + Duration::from_millis(2), "{added:?}");
}

#[test_case(json!({ "rate": { "up": "1MB/s" } }), true; "up")]
#[test_case(json!({ "rate": "1MB/s" }), false; "down")]
#[tokio::test]
async fn a_rate_is_what_it_says(faults: Value, up: bool) {
    const BYTES: usize = 1_000_000;
    let stage = Stage::set(faults).await;
    let (client, server) = stage.connect().await;
    let (mut from, mut to) = if up {
        (client, server)
    } else {
        (server, client)
    };
    let begun = Instant::now();
    let writing = tokio::spawn(async move {
        from.write_all(&vec![7; BYTES]).await.unwrap();
        from
    });
    take(&mut to, BYTES).await;
    let took = begun.elapsed().as_secs_f64();
    assert!((0.95..1.05).contains(&took), "{took}");
    writing.await.unwrap();
}

#[tokio::test]
async fn new_connections_are_reset_as_often_as_told() {
    let stage = Stage::set(json!({ "reset_new": 0.5 })).await;
    let mut reset = 0;
    for _ in 0..200 {
        let Ok(mut client) = stage.client().await else {
            // Reset before we had it.
            reset += 1;
            continue;
        };
        // The proxy connects on for those that it keeps, and only for them.
        tokio::select! {
            ended = end(&mut client) => {
                assert_eq!(ended, Err(ConnectionReset));
                reset += 1;
            }
            _ = stage.server.accept() => {}
        }
    }
    assert!((60..140).contains(&reset), "{reset}");
    assert_eq!(stage.counted(|it| it.open == 0).await.reset, reset);
}

#[tokio::test]
async fn open_connections_are_reset_once_when_it_is_said() {
    let stage = Stage::set(json!({})).await;
    let mut pairs = Vec::new();
    for _ in 0..4 {
        pairs.push(stage.connect().await);
    }
    stage.put(json!({ "reset_open": 1.0 })).await;
    for (client, server) in &mut pairs {
        assert_eq!(end(client).await, Err(ConnectionReset));
        assert_eq!(end(server).await, Err(ConnectionReset));
    }
    assert_eq!(stage.counted(|it| it.open == 0).await.reset, 4);
    let (mut client, mut server) = stage.connect().await;
    // It was said of those that were open; another change does not say it again.
    let patched = stage
        .ask("PATCH", "/faults", Some(r#"{"latency": "1ms"}"#))
        .await;
    assert_eq!(
        patched,
        (200, json!({ "latency": "1ms", "reset_open": 1.0 }))
    );
    client.write_all(b"x").await.unwrap();
    assert_eq!(take(&mut server, 1).await, b"x");
    let again = stage
        .ask("PATCH", "/faults", Some(r#"{"reset_open": 1.0}"#))
        .await;
    assert_eq!(again.0, 200);
    assert_eq!(end(&mut client).await, Err(ConnectionReset));
}

#[tokio::test]
async fn a_blackhole_swallows_nothing_and_passes_nothing() {
    let stage = Stage::set(json!({})).await;
    let (mut client, mut server) = stage.connect().await;
    stage.put(json!({ "blackhole": true })).await;
    client.write_all(b"up").await.unwrap();
    server.write_all(b"down").await.unwrap();
    let mut late = stage.client().await.unwrap();
    late.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut client).await && is_silent(&mut server).await);
    assert!(
        timeout(Duration::from_millis(50), stage.server.accept())
            .await
            .is_err()
    );
    assert_eq!(stage.ask("DELETE", "/faults", None).await, (200, json!({})));
    assert_eq!(take(&mut server, 2).await, b"up");
    assert_eq!(take(&mut client, 4).await, b"down");
    let (mut behind, _) = timeout(SOON, stage.server.accept()).await.unwrap().unwrap();
    assert_eq!(take(&mut behind, 4).await, b"late");
}

#[tokio::test]
async fn a_blackhole_of_one_way_lets_the_other_pass() {
    let stage = Stage::set(json!({ "blackhole": { "down": true } })).await;
    let (mut client, mut server) = stage.connect().await;
    client.write_all(b"asked").await.unwrap();
    assert_eq!(take(&mut server, 5).await, b"asked");
    server.write_all(b"answered").await.unwrap();
    assert!(is_silent(&mut client).await);
}

#[test_case("client"; "the client's")]
#[test_case("server"; "the server's")]
#[tokio::test]
async fn one_side_is_closed_and_the_other_is_not_told(closed: &str) {
    let stage = Stage::set(json!({})).await;
    let (client, server) = stage.connect().await;
    let (mut gone, mut left) = match closed {
        "client" => (client, server),
        _ => (server, client),
    };
    // Something on its way makes no reset of the end.
    gone.write_all(b"x").await.unwrap();
    assert_eq!(take(&mut left, 1).await, b"x");
    stage
        .put(json!({ "half_open": { "closed": closed } }))
        .await;
    assert_eq!(end(&mut gone).await, Ok(0));
    left.write_all(b"nobody hears this").await.unwrap();
    assert!(is_silent(&mut left).await);
    left.write_all(b"nor this").await.unwrap();
    let counts = stage.counted(|it| it.half_open == 1).await;
    assert_eq!((counts.open, counts.accepted), (0, 1));
    // Whoever is left ends by itself.
    left.shutdown().await.unwrap();
    assert_eq!(end(&mut left).await, Ok(0));
}

#[tokio::test]
async fn refused_connections_are_refused_by_the_system() {
    let stage = Stage::set(json!({})).await;
    let (mut client, mut server) = stage.connect().await;
    for _ in 0..3 {
        stage.put(json!({ "refuse": true })).await;
        assert_eq!(stage.client().await.unwrap_err().kind(), ConnectionRefused);
        client.write_all(b"x").await.unwrap();
        assert_eq!(take(&mut server, 1).await, b"x");
        stage.put(json!({})).await;
        stage.connect().await;
    }
}

#[test_case(json!({ "cut_after": { "down": "1000B" } }), false; "down")]
#[test_case(json!({ "cut_after": "1000B" }), true; "up")]
#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes(faults: Value, up: bool) {
    let stage = Stage::set(faults).await;
    let (client, server) = stage.connect().await;
    let (mut from, mut to) = if up {
        (client, server)
    } else {
        (server, client)
    };
    from.write_all(&[7; 999]).await.unwrap();
    take(&mut to, 999).await;
    assert!(is_silent(&mut to).await);
    from.write_all(&[7; 10]).await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(SOON, to.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(
        (ended.unwrap_err().kind(), rest.len()),
        (ConnectionReset, 1)
    );
    assert_eq!(end(&mut from).await, Err(ConnectionReset));
    let counts = stage.counted(|it| it.cut == 1).await;
    assert_eq!(counts.bytes_up + counts.bytes_down, 1_000);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let stage = Stage::set(json!({})).await;
    let Stage { proxy, server } = stage;
    drop(server);
    let ended = match TcpStream::connect(proxy.local_addr()).await {
        Ok(mut client) => end(&mut client).await,
        // Reset before we had it.
        Err(error) => Err(error.kind()),
    };
    assert_eq!(ended, Err(ConnectionReset));
    assert_eq!(proxy.counts().unreachable, 1);
}

#[tokio::test]
async fn its_end_is_a_reset_of_what_is_open() {
    let stage = Stage::set(json!({ "blackhole": true })).await;
    let waiting = stage.client().await.unwrap();
    stage.put(json!({})).await;
    let (mut client, mut server) = (waiting, stage.server.accept().await.unwrap().0);
    let stopping = tokio::task::spawn_blocking(move || {
        stage.proxy.stop();
        stage.proxy.counts()
    });
    assert_eq!(end(&mut client).await, Err(ConnectionReset));
    assert_eq!(end(&mut server).await, Err(ConnectionReset));
    let counts = stopping.await.unwrap();
    assert_eq!((counts.accepted, counts.stopped, counts.open), (1, 1, 0));
}

#[tokio::test]
async fn the_same_seed_chooses_the_same() {
    let mut chosen = Vec::new();
    for seed in [7, 7, 8] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = settings(&server, &json!({}));
        settings.seed = seed;
        let proxy = loadgen_backends::proxy::start_proxy(settings).unwrap();
        let stage = Stage { proxy, server };
        let mut pairs = Vec::new();
        for _ in 0..32 {
            pairs.push(stage.connect().await);
        }
        stage.put(json!({ "reset_open": 0.5 })).await;
        let mut which = Vec::new();
        for (client, _) in &mut pairs {
            let read = timeout(Duration::from_millis(50), client.read(&mut [0])).await;
            which.push(read.is_ok());
        }
        chosen.push(which);
    }
    assert_eq!(chosen[0], chosen[1]);
    assert_ne!(chosen[0], chosen[2]);
}
