//! Each fault does what it says, and nothing else.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use loadgen_backends::{
    Capacity, Code, Delay, ErrorFault, Faults, Probability, Queue, ServiceTimes, Stall,
};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Client, closed, connect, receive, serve};

fn rate(share: f64) -> Probability {
    Probability::new(share).unwrap()
}

async fn echo(client: &mut Client) -> Message {
    client.send(Message::text("x")).await.unwrap();
    receive(client).await
}

fn queue(per_second: f64) -> Queue {
    Queue {
        capacity: Capacity::new(per_second).unwrap(),
        service_times: ServiceTimes::Constant,
    }
}

#[tokio::test]
async fn a_delay_holds_every_message_up() {
    let delay = Duration::from_millis(50);
    let server = serve(Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    });
    let mut client = connect(&server, "/echo").await;
    let started = Instant::now();
    client.feed(Message::text("1")).await.unwrap();
    client.feed(Message::text("2")).await.unwrap();
    client.flush().await.unwrap();
    receive(&mut client).await;
    // Each answer is sent when it is there, not with the next one.
    assert!((delay..2 * delay).contains(&started.elapsed()));
    receive(&mut client).await;
    assert!(started.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn delayed_connections_wait_side_by_side() {
    let server = serve(Faults {
        delay: Some(Delay::fixed(Duration::from_millis(100))),
        ..Faults::default()
    });
    let started = Instant::now();
    let all = (0..100).map(|_| async { echo(&mut connect(&server, "/echo").await).await });
    futures::future::join_all(all).await;
    // One after the other would be ten seconds.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn messages_of_all_connections_are_served_one_after_the_other() {
    let server = serve(Faults {
        queue: Some(queue(50.0)),
        ..Faults::default()
    });
    let started = Instant::now();
    let all = (0..10).map(|_| async { echo(&mut connect(&server, "/echo").await).await });
    futures::future::join_all(all).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_stall_holds_some_messages_up() {
    let duration = Duration::from_millis(50);
    let server = serve(Faults {
        stall: Some(Stall {
            rate: Probability::ALWAYS,
            duration,
        }),
        ..Faults::default()
    });
    let mut client = connect(&server, "/ping").await;
    let started = Instant::now();
    echo(&mut client).await;
    assert!(started.elapsed() >= duration);
}

#[tokio::test]
async fn an_error_closes_in_place_of_an_answer_as_often_as_told() {
    let server = serve(Faults {
        error: Some(ErrorFault {
            rate: rate(0.3),
            code: Code::Unavailable,
        }),
        ..Faults::default()
    });
    let mut failed = 0;
    let mut client = connect(&server, "/echo").await;
    for _ in 0..500 {
        client.send(Message::text("x")).await.unwrap();
        match receive(&mut client).await {
            Message::Text(_) => {}
            Message::Close(Some(frame)) => {
                assert_eq!(frame.code, CloseCode::Error);
                assert_eq!(frame.reason, "failed on purpose");
                assert!(client.next().await.is_none());
                client = connect(&server, "/echo").await;
                failed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // Six standard deviations either way; the id seeds the dice, so it is the same every time.
    assert!((89..=211).contains(&failed), "{failed} of 500");
}

#[tokio::test]
async fn pings_stay_well_whatever_the_messages_do() {
    let server = serve(Faults {
        error: Some(ErrorFault {
            rate: Probability::ALWAYS,
            code: Code::Internal,
        }),
        ..Faults::default()
    });
    let mut client = connect(&server, "/stream").await;
    client.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::Pong("p".into()));
    client.send(Message::text("{}")).await.unwrap();
    assert_eq!(closed(&mut client).await, CloseCode::Error);
}

#[tokio::test]
async fn throttled_connections_are_told_to_try_again_later() {
    let server = serve(Faults {
        throttle: NonZeroU32::new(20),
        ..Faults::default()
    });
    let started = Instant::now();
    let (mut answered, mut throttled) = (0_u32, 0_u32);
    let mut client = connect(&server, "/echo").await;
    while answered < 10 {
        client.send(Message::text("x")).await.unwrap();
        match receive(&mut client).await {
            Message::Text(_) => answered += 1,
            Message::Close(Some(frame)) => {
                assert_eq!(frame.code, CloseCode::Again);
                throttled += 1;
                client = connect(&server, "/echo").await;
            }
            other => panic!("{other:?}"),
        }
    }
    // Two at once, then one every 50 ms.
    assert!(started.elapsed() >= Duration::from_millis(390));
    assert!(throttled > 0);
}

#[tokio::test]
async fn answers_from_before_a_fault_come_before_the_close() {
    let server = serve(Faults {
        throttle: NonZeroU32::new(20),
        ..Faults::default()
    });
    let mut client = connect(&server, "/echo").await;
    for _ in 0..3 {
        client.feed(Message::text("x")).await.unwrap();
    }
    client.flush().await.unwrap();
    for _ in 0..2 {
        assert_eq!(receive(&mut client).await, Message::text("x"));
    }
    assert_eq!(closed(&mut client).await, CloseCode::Again);
}

#[tokio::test]
async fn a_connection_is_cut_after_its_messages() {
    let server = serve(Faults {
        cut_after: NonZeroU64::new(3),
        ..Faults::default()
    });
    // Each connection has its own count, in which pings have their place.
    for first in [Message::text("x"), Message::Ping("x".into())] {
        let mut client = connect(&server, "/echo").await;
        client.send(first).await.unwrap();
        receive(&mut client).await;
        for _ in 1..3 {
            echo(&mut client).await;
        }
        client.send(Message::text("x")).await.unwrap();
        // No word from the backend: the transport broke.
        let error = client.next().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("reset"), "{error}");
    }
}

#[tokio::test]
async fn a_stream_is_cut_by_what_comes_meanwhile() {
    let server = serve(Faults {
        cut_after: NonZeroU64::new(1),
        ..Faults::default()
    });
    let mut client = connect(&server, "/stream").await;
    let endless = r#"{"count": 10, "interval_us": 60000000}"#;
    client.send(Message::text(endless)).await.unwrap();
    receive(&mut client).await;
    client.send(Message::text("{}")).await.unwrap();
    assert!(client.next().await.unwrap().is_err());
}

#[tokio::test]
async fn refused_connections_are_closed_at_once() {
    let server = serve(Faults {
        refuse: Probability::ALWAYS,
        ..Faults::default()
    });
    // The system completes the connection before the backend sees it, so it may open, but no more.
    if let Ok(mut stream) = tokio::net::TcpStream::connect(server.local_addr()).await {
        let mut byte = [0];
        assert!(!matches!(stream.read(&mut byte).await, Ok(1..)));
    }
}
