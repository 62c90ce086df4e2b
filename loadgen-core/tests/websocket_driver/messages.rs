//! What is sent, what is taken for its answer, and what is measured of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{
    Answer, MessageStream, Payload, Step, StreamEnd, WebsocketExchange, WebsocketMessages,
};
use loadgen_core::workload::{MessageFault, SampleKind};
use test_case::test_case;
use tokio_tungstenite::tungstenite::Message;

use crate::common::run;
use crate::server::{echo, echo_server, next, say, serve};
use crate::support::{Driver, hello, hellos, numbered, plan, stream_of, streamed, websocket};

#[test]
fn a_message_and_its_reply() {
    run(async {
        let server = echo_server().await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (3, 3));
        assert_eq!(seen.samples[&SampleKind::RoundTrip].len(), 3);
        assert_eq!(seen.backends, ["scripted"]);
        // The connection that was opened to see whether it can be is the user's.
        assert_eq!((seen.opened, seen.failed, seen.dropped), (1, 0, 0));
        assert_eq!(seen.connect_times.len(), 1);
        // Two bytes of frame and five of text, to which a client adds a mask of four.
        assert!(
            seen.bytes.0 > 3 * 11 && seen.bytes.1 > 3 * 7,
            "{:?}",
            seen.bytes
        );
    });
}

#[test_case(Payload::Text("grüße".to_owned()); "text")]
#[test_case(Payload::Text(String::new()); "an empty text")]
#[test_case(Payload::Json(serde_json::json!({"a": [1, null]})); "json")]
#[test_case(Payload::Json(serde_json::from_str(r#"[123456789012345678901234567890,1.10,-0]"#).expect("JSON")); "numbers as written")]
#[test_case(Payload::Binary(vec![0, 255, 7]); "binary")]
#[test_case(Payload::Sized { bytes: 3 << 20, text: false }; "large binary")]
#[test_case(Payload::Sized { bytes: 70_000, text: true }; "long text")]
fn payloads_arrive_as_they_are(payload: Payload) {
    run(async move {
        let got = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&got);
        let server = serve(move |peer| {
            let seen = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                while let Some(message) = next(&mut socket).await {
                    seen.borrow_mut().push(message.clone());
                    let _ = socket.send(message).await;
                }
            }
        })
        .await;
        let exchange = WebsocketExchange::send("/", payload.clone());
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let got = got.borrow();
        match (&payload, &got[0]) {
            (Payload::Text(sent), Message::Text(came)) => assert_eq!(sent, came.as_str()),
            (Payload::Json(sent), Message::Text(came)) => {
                assert_eq!(&sent.to_string(), came.as_str());
            }
            (Payload::Binary(sent), Message::Binary(came)) => assert_eq!(sent, came),
            (Payload::Sized { bytes, text }, came) => {
                assert_eq!((came.len(), came.is_text()), (*bytes as usize, *text));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn never_more_are_unanswered_than_allowed_and_those_go_together() {
    run(async {
        let most = Rc::new(Cell::new(0));
        let seen = Rc::clone(&most);
        let server = serve(move |peer| {
            let most = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                // Answers only when nothing more comes.
                while let Some(first) = next(&mut socket).await {
                    let mut unanswered = vec![first];
                    while let Ok(Some(more)) =
                        tokio::time::timeout(Duration::from_millis(20), next(&mut socket)).await
                    {
                        unanswered.push(more);
                    }
                    most.set(most.get().max(unanswered.len()));
                    for message in unanswered {
                        let _ = socket.send(message).await;
                    }
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hellos(40, 16))).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(most.get(), 16);
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (40, 40));
        assert_eq!(seen.samples[&SampleKind::RoundTrip].len(), 40);
    });
}

#[test]
fn messages_keep_their_distance() {
    run(async {
        let server = echo_server().await;
        let mut exchange = hellos(4, 4);
        exchange.every = Some(Duration::from_millis(20));
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let from = tokio::time::Instant::now();
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(
            from.elapsed() >= Duration::from_millis(60),
            "{:?}",
            from.elapsed()
        );
    });
}

#[test]
fn without_replies_a_step_ends_when_all_is_sent() {
    run(async {
        let got = Rc::new(Cell::new(0));
        let seen = Rc::clone(&got);
        let server = serve(move |peer| {
            let got = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                while next(&mut socket).await.is_some() {
                    got.set(got.get() + 1);
                    // What nobody waits for is nobody's fault.
                    say(&mut socket, "thanks").await;
                }
            }
        })
        .await;
        let mut exchange = WebsocketExchange::new(
            "/",
            WebsocketMessages::Send {
                payload: Payload::Text("fact".to_owned()),
                answer: Answer::None,
            },
        );
        exchange.repeat = 1000;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        crate::common::until(|| got.get() == 1000).await;
        assert_eq!(driver.recorder.0.borrow().messages.0, 1000);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 0);
        assert!(driver.recorder.samples(SampleKind::RoundTrip).is_empty());
    });
}

#[test]
fn replies_are_matched_by_their_number_in_any_order() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            loop {
                let mut batch = Vec::new();
                while batch.len() < 4 {
                    match next(&mut socket).await {
                        Some(message) => batch.push(message),
                        None => return,
                    }
                }
                // The last comes first, and a long time before the others.
                while let Some(message) = batch.pop() {
                    let _ = socket.send(message).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], numbered(4, 4))).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let round_trips = driver.recorder.samples(SampleKind::RoundTrip);
        assert_eq!(round_trips.len(), 4);
        assert!(
            round_trips.windows(2).all(|pair| pair[0] < pair[1]),
            "{round_trips:?}"
        );
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 0);
    });
}

#[test]
fn a_reply_that_comes_twice_or_with_a_foreign_number_is_counted() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while let Some(message) = next(&mut socket).await {
                say(&mut socket, r#"{"id":123456}"#).await;
                say(&mut socket, "no number at all").await;
                let _ = socket.send(message.clone()).await;
                let _ = socket.send(message).await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], numbered(1, 1))).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            // The second of the two, also where nobody waits for anything.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        crate::common::until(|| driver.recorder.faults(MessageFault::Unexpected) == 9).await;
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 3);
    });
}

#[test]
fn pings_are_matched_with_their_pongs() {
    run(async {
        let server = echo_server().await;
        let mut exchange = WebsocketExchange::ping("/ping");
        exchange.repeat = 5;
        exchange.in_flight = 2;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (5, 5));
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 5);
    });
}

/// What a server sends for a stream of five, and what is to be made of it.
#[test_case(&[0, 1, 2, 3, 4], Outcome::Ok, [0, 0, 0]; "in order")]
#[test_case(&[0, 2, 1, 3, 4], Outcome::Ok, [0, 1, 0]; "one out of order")]
#[test_case(&[0, 1, 1, 2, 3, 4], Outcome::Ok, [0, 0, 1]; "one twice")]
#[test_case(&[0, 1, 4], Failure::Incomplete.into(), [2, 0, 0]; "two missing")]
fn streams_are_counted_by_their_numbers(
    numbers: &'static [u64],
    outcome: Outcome,
    faults: [u64; 3],
) {
    run(async move {
        let server = serve(move |peer| async move {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                for number in numbers {
                    say(&mut socket, format!(r#"{{"n":{number}}}"#)).await;
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], streamed(stream_of(5, true)))).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, outcome);
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 1);
        let counted = [
            MessageFault::Missing,
            MessageFault::OutOfOrder,
            MessageFault::Unexpected,
        ];
        assert_eq!(counted.map(|fault| driver.recorder.faults(fault)), faults);
        if outcome.is_ok() {
            assert_eq!(driver.recorder.samples(SampleKind::MessageGap).len(), 4);
        } else {
            assert_eq!(
                driver.recorder.explanation(),
                "3 messages received and 2 missing: 2, 3"
            );
        }
        // The connection goes on being of use.
        assert_eq!(driver.iterate(&mut user).await, outcome);
        assert_eq!(driver.recorder.0.borrow().opened, 1);
    });
}

#[test]
fn a_stream_without_numbers_is_over_after_so_many() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                for _ in 0..3 {
                    say(&mut socket, "tick").await;
                }
            }
        })
        .await;
        let mut exchange = streamed(stream_of(3, false));
        exchange.repeat = 2;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (2, 6));
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 2);
        assert_eq!(driver.recorder.samples(SampleKind::MessageGap).len(), 4);
    });
}

#[test]
fn a_message_without_a_number_ends_a_numbered_stream() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                say(&mut socket, r#"{"error":"no such stream"}"#).await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], streamed(stream_of(3, true)))).await;
        assert_eq!(driver.once().await, Failure::Protocol.into());
        assert_eq!(
            driver.recorder.explanation(),
            r#"a message of the stream has no whole number in `n`: "{\"error\":\"no such stream\"}""#
        );
    });
}

/// A feed that has begun before anybody listens, and goes on between two steps.
#[test]
fn a_feed_is_listened_to_without_asking() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for number in 100_u64.. {
                let message = Message::text(format!(r#"{{"n":{number}}}"#));
                // One is left out.
                if number != 104 && socket.send(message).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        })
        .await;
        let exchange =
            WebsocketExchange::new("/feed", WebsocketMessages::Listen(stream_of(3, true)));
        let mut plan = plan(&[server.address], exchange);
        websocket(&mut plan)
            .steps
            .insert(1, Step::pause(Duration::from_millis(150)));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.iterate(&mut user).await, Failure::Incomplete.into());
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (0, 9));
        assert_eq!(seen.faults[&MessageFault::Missing], 1);
        assert_eq!(seen.faults.len(), 1, "{:?}", seen.faults);
    });
}

#[test]
fn a_stream_may_last_for_a_time() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                say(&mut socket, "tick").await;
            }
        })
        .await;
        let stream = MessageStream::until(StreamEnd::After(Duration::from_millis(60)));
        let exchange = WebsocketExchange::new("/feed", WebsocketMessages::Listen(stream));
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let from = tokio::time::Instant::now();
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(from.elapsed() >= Duration::from_millis(60));
        let received = driver.recorder.0.borrow().messages.1;
        assert!((3..=12).contains(&received), "{received}");
    });
}

#[test]
fn each_path_is_a_connection_of_its_own_and_steps_share_one() {
    run(async {
        let paths = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&paths);
        let server = serve(move |peer| {
            let path = peer.head.split(' ').nth(1).expect("a path").to_owned();
            seen.borrow_mut().push(path);
            async move { echo(peer.accept().await).await }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        for (name, path) in [("again", "/echo"), ("other", "/other?x=1")] {
            let exchange = WebsocketExchange::send(path, Payload::Text("x".to_owned()));
            websocket(&mut plan).steps.push(Step::new(name, exchange));
        }
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        assert_eq!(*paths.borrow(), ["/echo", "/other?x=1"]);
        assert_eq!(driver.recorder.0.borrow().steps.len(), 6);
    });
}

#[test]
fn fragments_make_one_message_and_a_ping_between_them_is_answered() {
    run(async {
        let ponged = Rc::new(Cell::new(false));
        let seen = Rc::clone(&ponged);
        let server = serve(move |peer| {
            let ponged = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                next(&mut socket).await;
                let tcp = socket.get_mut();
                let frames = [
                    &[0x01, 2, b'h', b'e'][..],
                    &[0x89, 1, b'?'],
                    &[0x00, 0],
                    &[0x80, 3, b'l', b'l', b'o'],
                ];
                for frame in frames {
                    tokio::io::AsyncWriteExt::write_all(tcp, frame)
                        .await
                        .expect("sent");
                }
                while let Some(Ok(message)) = socket.next().await {
                    ponged.set(ponged.get() || message == Message::Pong(b"?".to_vec().into()));
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 1));
        crate::common::until(|| ponged.get()).await;
    });
}

/// Each message is answered by whatever comes within a time, which may be nothing.
#[test]
fn streams_of_a_certain_time_follow_one_another() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for nth in 0.. {
                if next(&mut socket).await.is_none() {
                    return;
                }
                if nth == 1 {
                    say(&mut socket, "once").await;
                }
            }
        })
        .await;
        let stream = MessageStream::until(StreamEnd::After(Duration::from_millis(30)));
        let mut exchange = streamed(stream);
        exchange.repeat = 3;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let from = tokio::time::Instant::now();
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(
            from.elapsed() >= Duration::from_millis(90),
            "{:?}",
            from.elapsed()
        );
        assert_eq!(driver.recorder.0.borrow().messages, (3, 1));
        assert_eq!(driver.recorder.samples(SampleKind::FirstMessage).len(), 1);
    });
}
