//! Steps of different kinds on one connection, and what each leaves to the next.

use std::rc::Rc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{
    Answer, MessageStream, Payload, Step, StreamEnd, WebsocketExchange, WebsocketMessages,
};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::{MessageFault, SampleKind};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::common::run;
use crate::common::whole::{closed, whole};
use crate::server::{Peer, echo, next, say, serve};
use crate::support::{Driver, hello, numbered, plan, stream_of, streamed, websocket};

/// A feed of numbered messages, one every 5 ms and three before each pong.
async fn feed(peer: Peer) {
    let mut socket = peer.accept().await;
    let mut number = 0;
    let tell = async |socket: &mut _, number: &mut u64| {
        say(socket, format!(r#"{{"n":{number}}}"#)).await;
        *number += 1;
    };
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Ping(_))) => {
                    for _ in 0..3 {
                        tell(&mut socket, &mut number).await;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                tell(&mut socket, &mut number).await;
            }
        }
    }
}

fn listen() -> WebsocketExchange {
    WebsocketExchange::new("/feed", WebsocketMessages::Listen(stream_of(3, true)))
}

fn after(duration_ms: u64, sequence: bool) -> MessageStream {
    let mut stream = stream_of(1, sequence);
    stream.until = StreamEnd::After(Duration::from_millis(duration_ms));
    stream
}

/// What a feed says while another step is at work is not lost for the one that listens.
#[test]
fn a_feed_goes_on_while_other_steps_are_at_work() {
    run(async {
        let server = serve(feed).await;
        let mut typing = WebsocketExchange::new(
            "/feed",
            WebsocketMessages::Send {
                payload: Payload::Text("x".to_owned()),
                answer: Answer::None,
            },
        );
        typing.repeat = 5;
        typing.every = Some(Duration::from_millis(20));
        let mut plan = plan(&[server.address], listen());
        websocket(&mut plan).steps.push(Step::new("typing", typing));
        websocket(&mut plan)
            .steps
            .push(Step::new("ping", WebsocketExchange::ping("/feed")));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..5 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    });
}

/// A step that asks is woken by its answer also when more has come than is kept.
#[test]
fn more_than_is_kept_of_a_feed_stops_no_other_step() {
    const FEED: u64 = 40_000;
    // On a thread of its own, so that nothing but the socket wakes the step.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (tcp, _) = listener.accept().expect("a client");
        let mut socket = tokio_tungstenite::tungstenite::accept(tcp).expect("upgraded");
        for number in 0..FEED {
            let message = Message::text(format!(r#"{{"n":{number}}}"#));
            if socket.write(message).is_err() {
                return;
            }
        }
        let _ = socket.flush();
        while socket.read().is_ok() {}
    });
    run(async move {
        let mut plan = plan(&[address], WebsocketExchange::ping("/feed"));
        websocket(&mut plan)
            .steps
            .push(Step::new("listen", listen()));
        let driver = Rc::new(Driver::open(&plan).await);
        let mut user = driver.user().await;
        // Looked at so often that all there is room for is kept.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let iterating = {
            let driver = Rc::clone(&driver);
            tokio::task::spawn_local(async move { driver.iterate(&mut user).await })
        };
        let outcome = timeout(Duration::from_secs(10), iterating).await;
        assert_eq!(outcome.expect("woken").expect("no panic"), Outcome::Ok);
    });
}

/// One that is longer than all that is kept is let go, and the feed goes on after it.
#[test_case::test_case((1 << 20) - 2, 0; "as long as may be")]
#[test_case::test_case((1 << 20) + 1, 1; "too long")]
fn a_message_that_comes_before_its_step(len: usize, unexpected: u64) {
    run(async move {
        let server = serve(move |peer| async move {
            let mut socket = peer.accept().await;
            say(&mut socket, "x".repeat(len)).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_ping() {
                    for _ in 0..2 {
                        say(&mut socket, "y".to_owned()).await;
                    }
                }
            }
        })
        .await;
        let feed = WebsocketMessages::Listen(stream_of(2, false));
        let mut plan = plan(&[server.address], WebsocketExchange::ping("/feed"));
        plan.max_message = 4 << 20;
        websocket(&mut plan)
            .steps
            .push(Step::new("listen", WebsocketExchange::new("/feed", feed)));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), unexpected);
    });
}

/// The answer to a message that was given up is not taken for that to another kind of message.
#[test]
fn a_late_numbered_reply_is_no_answer_in_order() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            let late = next(&mut socket).await.expect("given up");
            let second = next(&mut socket).await.expect("answered at once");
            let _ = socket.send(second).await;
            let third = next(&mut socket).await.expect("in order");
            let _ = socket.send(late).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = socket.send(third).await;
            echo(socket).await;
        })
        .await;
        let mut plan = plan(&[server.address], numbered(1, 1));
        let in_order = WebsocketExchange::send("/", Payload::Text("x".to_owned()));
        websocket(&mut plan)
            .steps
            .push(Step::new("in_order", in_order));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(30), driver.iterate(&mut user)).await;
        assert!(cut.is_err());
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let round_trips = driver.recorder.samples(SampleKind::RoundTrip);
        assert!(round_trips[1] >= 100_000_000, "{round_trips:?}");
        assert_eq!(driver.recorder.faults(MessageFault::TooLate), 1);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 0);
    });
}

/// Streams of a time that are due later than the one before is over.
#[test]
fn paced_streams_of_a_time() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {}
        })
        .await;
        let mut exchange = streamed(after(20, false));
        exchange.repeat = 3;
        exchange.every = Some(Duration::from_millis(50));
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let from = tokio::time::Instant::now();
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(
            from.elapsed() >= Duration::from_millis(120),
            "{:?}",
            from.elapsed()
        );
        assert_eq!(driver.recorder.0.borrow().messages, (3, 0));
    });
}

/// What goes on coming after a stream's time is up is not taken for the next one.
#[test]
fn the_rest_of_a_stream_of_a_time_is_not_the_next_one() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                for number in 0..20 {
                    say(&mut socket, format!(r#"{{"n":{number}}}"#)).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], streamed(after(60, true)))).await;
        let mut user = driver.user().await;
        for opened in 1..=3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            assert_eq!(driver.recorder.0.borrow().opened, opened);
        }
        let seen = driver.recorder.0.borrow();
        // Where the machine is slow, some of the rest is read before its connection is given up.
        let mut faults = seen.faults.keys();
        assert!(
            faults.all(|it| *it == MessageFault::TooLate),
            "{:?}",
            seen.faults
        );
        assert_eq!(seen.dropped, 0);
    });
}

#[test]
fn numbers_beyond_a_stream_are_no_part_of_it() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                say(&mut socket, format!(r#"{{"n":{}}}"#, u64::MAX)).await;
                for number in 0..3 {
                    say(&mut socket, format!(r#"{{"n":{number}}}"#)).await;
                }
            }
        })
        .await;
        let mut exchange = streamed(stream_of(3, true));
        exchange.repeat = 2;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 2);
        assert_eq!(driver.recorder.faults(MessageFault::Missing), 0);
    });
}

/// Of a feed any number may come.
#[test]
fn a_feed_that_jumps_ends_nothing() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for number in [0, u64::MAX - 1, u64::MAX, 5, u64::MAX, 6] {
                say(&mut socket, format!(r#"{{"n":{number}}}"#)).await;
            }
            echo(socket).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], listen())).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Failure::Incomplete.into());
        let cut = timeout(Duration::from_millis(50), driver.iterate(&mut user)).await;
        assert!(cut.is_err() || cut == Ok(Outcome::Ok), "{cut:?}");
    });
}

/// A connection that works and that we have no use for is not one that the other side ended.
#[test]
fn an_answer_of_another_kind_drops_nothing() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                say(&mut socket, r#"{"error":"busy"}"#).await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], streamed(stream_of(3, true)))).await;
        let mut user = driver.user().await;
        for opened in 1..=3 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Protocol.into());
            assert_eq!(driver.recorder.0.borrow().opened, opened);
        }
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// What comes before measuring begins is in no figure.
#[test]
fn messages_of_the_warm_up_show_nowhere() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for _ in 0..5 {
                say(&mut socket, "welcome").await;
            }
            echo(socket).await;
        })
        .await;
        for warm_up_ms in [0, 400] {
            let mut plan = plan(&[server.address], hello());
            plan.start_after = Duration::from_millis(300);
            plan.warm_up = Duration::from_millis(warm_up_ms);
            plan.load = closed(1, Limit::IterationsPerUser(1));
            let record = whole(plan).await;
            let step = &record.steps[0];
            assert_eq!((step.messages_sent, step.messages_received), (1, 1));
            assert_eq!(step.message_faults, [0; 4]);
        }
    });
}
