//! What a server counts and measures of itself.

use std::time::Duration;

use futures::SinkExt as _;
use loadgen_backends::{
    Code, Delay, ErrorFault, Faults, Probability, RunningServer, ServerConfig, start_websocket,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{ask, closed, config, connect, receive};

fn measuring(faults: Faults) -> RunningServer {
    let measure = true;
    start_websocket(ServerConfig {
        faults,
        measure,
        ..config()
    })
    .unwrap()
}

/// Requests and failures.
fn counts(server: &RunningServer) -> (u64, u64) {
    let activity = server.activity().unwrap();
    (activity.requests, activity.failed)
}

#[tokio::test]
async fn nothing_is_measured_unasked() {
    let server = start_websocket(config()).unwrap();
    let mut client = connect(&server, "/echo").await;
    client.send(Message::text("x")).await.unwrap();
    receive(&mut client).await;
    assert!(server.activity().is_none());
}

#[tokio::test]
async fn every_message_is_a_request() {
    let server = measuring(Faults::default());
    let talks = (0..8).map(|_| async {
        let mut client = connect(&server, "/echo").await;
        for _ in 0..50 {
            client.feed(Message::text("x")).await.unwrap();
        }
        client.flush().await.unwrap();
        for _ in 0..50 {
            receive(&mut client).await;
        }
        // The protocol's own is none.
        client.send(Message::Ping(Vec::new().into())).await.unwrap();
        assert!(receive(&mut client).await.is_pong());
        client
    });
    let clients = futures::future::join_all(talks).await;
    let activity = server.activity().unwrap();
    assert_eq!((activity.requests, activity.failed), (400, 0));
    assert_eq!(activity.handling_time.len(), 400);
    let connections = (activity.connections_opened, activity.connections_open);
    assert_eq!(connections, (8, 8));
    drop(clients);
    server.shutdown();
    let activity = server.activity().unwrap();
    let connections = (activity.connections_opened, activity.connections_open);
    assert_eq!(connections, (8, 0));
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_failure() {
    let server = measuring(Faults::default());
    let mut client = connect(&server, "/compute").await;
    let reply = ask(&mut client, r#"{"rounds": "many"}"#).await;
    assert!(reply["error"].is_string(), "{reply}");
    ask(&mut client, r#"{"rounds": 1}"#).await;
    assert_eq!(counts(&server), (2, 1));
}

#[tokio::test]
async fn a_close_on_purpose_is_a_failure() {
    let server = measuring(Faults {
        error: Some(ErrorFault {
            rate: Probability::ALWAYS,
            code: Code::Unavailable,
        }),
        ..Faults::default()
    });
    for _ in 0..3 {
        let mut client = connect(&server, "/echo").await;
        client.send(Message::text("x")).await.unwrap();
        assert_eq!(closed(&mut client).await, CloseCode::Error);
    }
    assert_eq!(counts(&server), (3, 3));
}

#[tokio::test]
async fn handling_holds_the_delay() {
    let delay = Duration::from_millis(20);
    let server = measuring(Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    });
    let talks = (0..50).map(|_| async {
        let mut client = connect(&server, "/echo").await;
        client.send(Message::text("x")).await.unwrap();
        receive(&mut client).await;
    });
    futures::future::join_all(talks).await;
    let times = server.activity().unwrap().handling_time;
    assert_eq!(times.len(), 50);
    let half = Duration::from_nanos(times.value_at_quantile(0.5));
    // The upper bound is for a machine that has other things to do.
    assert!((delay..Duration::from_secs(5)).contains(&half), "{half:?}");
}

#[tokio::test]
async fn waiting_for_a_stream_to_end_is_part_of_handling() {
    let server = measuring(Faults::default());
    let mut client = connect(&server, "/stream").await;
    let paced = r#"{"count": 3, "interval_us": 20000}"#;
    client.feed(Message::text(paced)).await.unwrap();
    client.feed(Message::text(r#"{"count": 1}"#)).await.unwrap();
    client.flush().await.unwrap();
    for _ in 0..4 {
        receive(&mut client).await;
    }
    server.shutdown();
    let times = server.activity().unwrap().handling_time;
    assert_eq!(times.len(), 2);
    // Both take the stream's 40 ms; half of that is room for a machine that reads late.
    let least = Duration::from_nanos(times.min());
    assert!(least >= Duration::from_millis(20), "{least:?}");
}
