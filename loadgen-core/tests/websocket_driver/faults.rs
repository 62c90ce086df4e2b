//! Servers that break the protocol, keep silent, leave, or answer too late.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::SinkExt;
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::WebsocketExchange;
use loadgen_core::workload::{MessageFault, SampleKind};
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::common::{run, until};
use crate::server::{echo, next, say, serve};
use crate::support::{Driver, hello, hellos, numbered, plan, stream_of, streamed};

/// What a server sends in raw frames in place of an answer, the outcome, and the words for it.
#[test_case(&[0x81, 0x81, 1, 2, 3, 4, b'x'], Failure::Protocol
    => "a masked frame, which only clients may send"; "masked")]
#[test_case(&[0x83, 1, b'x'], Failure::Protocol => "a frame of unknown type 3"; "unknown data type")]
#[test_case(&[0x8b, 0], Failure::Protocol => "a frame of unknown type 11"; "unknown control type")]
#[test_case(&[0x81, 2, 0xc3, 0x28], Failure::Protocol => "a text that is not UTF-8"; "not UTF-8")]
#[test_case(&[0xc1, 1, b'x'], Failure::Protocol
    => "a frame with reserved bits, which belong to extensions that were not agreed on"; "compressed")]
#[test_case(&[0x80, 1, b'x'], Failure::Protocol => "a fragment that continues nothing"; "a fragment of nothing")]
#[test_case(&[0x09, 0], Failure::Protocol => "a ping, pong or close in fragments"; "a ping in pieces")]
#[test_case(&[0x82, 0x7f, 0, 0, 0, 0, 0x10, 0, 0, 0], Failure::Protocol
    => "a message of 268435456 bytes, and at most 67108864 are taken (`max_message`)"; "oversized")]
#[test_case(&[0x88, 0], Failure::Close(1005)
    => "the server closed the connection without a code"; "a close without a code")]
#[test_case(&[0x88, 2, 0x03, 0xe9], Failure::Close(1001)
    => "the server closed the connection with code 1001"; "going away")]
#[test_case(&[0x88, 6, 0x03, 0xf3, b'b', b'u', b's', b'y'], Failure::Close(1011)
    => "the server closed the connection with code 1011: \"busy\""; "with a reason")]
#[test_case(&[0x88, 2, 0x03, 0xea], Failure::Close(1002)
    => "the server closed the connection with code 1002"; "our fault, it says")]
#[test_case(&[0x88, 2, 0x03, 0xf6], Failure::Close(1014)
    => "the server closed the connection with code 1014"; "a gateway's, newer than the protocol")]
#[test_case(&[0x88, 2, 0x13, 0x87], Failure::Close(4999)
    => "the server closed the connection with code 4999"; "the last private one")]
#[test_case(&[0x88, 2, 0, 0], Failure::Protocol
    => "the server closed the connection with code 0, which may not be sent (RFC 6455, 7.4)"; "code 0")]
#[test_case(&[0x88, 2, 0x03, 0xe7], Failure::Protocol
    => "the server closed the connection with code 999, which may not be sent (RFC 6455, 7.4)"; "code 999")]
#[test_case(&[0x88, 2, 0x03, 0xec], Failure::Protocol
    => "the server closed the connection with code 1004, which may not be sent (RFC 6455, 7.4)"; "code 1004")]
#[test_case(&[0x88, 2, 0x03, 0xed], Failure::Protocol
    => "the server closed the connection with code 1005, which may not be sent (RFC 6455, 7.4)"; "code 1005")]
#[test_case(&[0x88, 3, 0x03, 0xee, b'x'], Failure::Protocol
    => "the server closed the connection with code 1006, which may not be sent (RFC 6455, 7.4)"; "code 1006")]
#[test_case(&[0x88, 2, 0x03, 0xf7], Failure::Protocol
    => "the server closed the connection with code 1015, which may not be sent (RFC 6455, 7.4)"; "code 1015")]
#[test_case(&[0x88, 2, 0x03, 0xf8], Failure::Protocol
    => "the server closed the connection with code 1016, which may not be sent (RFC 6455, 7.4)"; "code 1016")]
#[test_case(&[0x88, 2, 0x0b, 0xb7], Failure::Protocol
    => "the server closed the connection with code 2999, which may not be sent (RFC 6455, 7.4)"; "code 2999")]
#[test_case(&[0x88, 2, 0x13, 0x88], Failure::Protocol
    => "the server closed the connection with code 5000, which may not be sent (RFC 6455, 7.4)"; "code 5000")]
#[test_case(&[0x88, 2, 0xff, 0xff], Failure::Protocol
    => "the server closed the connection with code 65535, which may not be sent (RFC 6455, 7.4)"; "the last code")]
#[test_case(&[0x88, 1, 0x03], Failure::Protocol => "a close with half a code"; "half a code")]
fn frames_in_place_of_an_answer(frame: &'static [u8], failure: Failure) -> String {
    run(async move {
        let server = serve(move |peer| async move {
            if peer.nth > 0 {
                return echo(peer.accept().await).await;
            }
            let mut tcp = peer.upgrade().await;
            let mut first = [0; 11];
            tcp.read_exact(&mut first).await.expect("a message");
            tcp.write_all(frame).await.expect("sent");
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, failure.into());
        let explanation = driver.recorder.explanation();
        // The next iteration has a new connection.
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 1));
        assert_eq!(seen.messages, (2, 1));
        explanation
    })
}

/// Fragments without end, empty ones and full ones: the thread goes on, and the time limit holds.
#[test_case(&[0x00, 0], 1 << 16; "empty ones")]
#[test_case(&[0x00, 0x7d], 1; "full ones")]
fn fragments_for_ever(header: &'static [u8], at_once: usize) {
    run(async move {
        let server = serve(move |peer| async move {
            let mut tcp = peer.upgrade().await;
            tcp.write_all(&[0x02, 0]).await.expect("sent");
            let fragment = [header, &[7; 125][..usize::from(header[1])]].concat();
            let fragments = fragment.repeat(at_once);
            while tcp.write_all(&fragments).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(100), driver.iterate(&mut user)).await;
        assert!(cut.is_err(), "{cut:?}");
    });
}

#[test]
fn half_a_frame_and_then_silence() {
    run(async {
        let server = serve(|peer| async {
            let mut tcp = peer.upgrade().await;
            let mut first = [0; 11];
            let _ = tcp.read_exact(&mut first).await;
            let _ = tcp.write_all(b"\x81\x05he").await;
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        for opened in 1..=3 {
            let cut = timeout(Duration::from_millis(30), driver.iterate(&mut user)).await;
            assert!(cut.is_err(), "{cut:?}");
            // What is owed would be taken for the next answer, so that has a new connection.
            assert_eq!(driver.recorder.0.borrow().opened, opened);
        }
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

#[test_case(true; "in the middle of a message")]
#[test_case(false; "between two")]
fn a_connection_that_is_cut(halfway: bool) {
    run(async move {
        let server = serve(move |peer| async move {
            let mut tcp = peer.upgrade().await;
            let mut first = [0; 11];
            tcp.read_exact(&mut first).await.expect("a message");
            if halfway {
                tcp.write_all(b"\x81\x05he").await.expect("sent");
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        for dropped in 1..=3 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Connection.into());
            assert_eq!(
                driver.recorder.explanation(),
                "the connection ended without a closing handshake"
            );
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.dropped), (dropped, dropped));
        }
    });
}

/// A reply that comes after its iteration was given up is not taken for that of the next.
#[test]
fn a_late_reply_is_thrown_away() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            let late = next(&mut socket).await.expect("a message");
            tokio::time::sleep(Duration::from_millis(60)).await;
            let _ = socket.send(late).await;
            echo(socket).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(20), driver.iterate(&mut user)).await;
        assert!(cut.is_err());
        until(|| driver.recorder.faults(MessageFault::TooLate) == 1).await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.opened, 1, "the connection is as good as new");
        assert_eq!(seen.messages, (2, 2));
        assert_eq!(seen.samples[&SampleKind::RoundTrip].len(), 1);
    });
}

#[test]
fn a_reply_that_never_comes_costs_the_connection_where_replies_come_in_order() {
    run(async {
        let server = serve(|peer| async {
            let is_first = peer.nth == 0;
            let mut socket = peer.accept().await;
            if is_first {
                next(&mut socket).await;
            }
            echo(socket).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(20), driver.iterate(&mut user)).await;
        assert!(cut.is_err());
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 0));
    });
}

#[test]
fn a_numbered_reply_that_never_comes_costs_nothing_more() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            let lost = next(&mut socket).await.expect("a message");
            let answered = next(&mut socket).await.expect("a message");
            let _ = socket.send(answered).await;
            // It comes after all, when nobody thinks of it any more.
            let _ = socket.send(lost).await;
            echo(socket).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], numbered(1, 1))).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(20), driver.iterate(&mut user)).await;
        assert!(cut.is_err());
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        until(|| driver.recorder.faults(MessageFault::TooLate) == 1).await;
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (1, 0));
        assert_eq!(seen.faults.len(), 1, "{:?}", seen.faults);
    });
}

/// The second of two equal replies is not taken for the answer to the message after.
#[test]
fn a_reply_that_comes_twice_is_counted() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for nth in 0.. {
                let Some(message) = next(&mut socket).await else {
                    return;
                };
                let _ = socket.send(message.clone()).await;
                if nth == 0 {
                    let _ = socket.send(message).await;
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 1);
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 2);
    });
}

#[test]
fn a_stream_that_stops_halfway() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while next(&mut socket).await.is_some() {
                for number in 0..3 {
                    say(&mut socket, format!(r#"{{"n":{number}}}"#)).await;
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], streamed(stream_of(5, true)))).await;
        let mut user = driver.user().await;
        for opened in 1..=2 {
            let cut = timeout(Duration::from_millis(30), driver.iterate(&mut user)).await;
            assert!(cut.is_err());
            assert_eq!(driver.recorder.0.borrow().opened, opened);
        }
        assert_eq!(driver.recorder.0.borrow().messages, (2, 6));
    });
}

/// A server that takes nothing any more: what it is sent is bounded, and so is the wait.
#[test]
fn a_server_that_stops_reading() {
    run(async {
        let server = serve(|peer| async {
            let tcp = peer.upgrade().await;
            std::future::pending::<()>().await;
            drop(tcp);
        })
        .await;
        let mut exchange = hellos(1_000_000, 1_000_000);
        if let loadgen_core::scenario::WebsocketMessages::Send { payload, .. } =
            &mut exchange.messages
        {
            *payload = loadgen_core::scenario::Payload::Sized {
                bytes: 4096,
                text: false,
            };
        }
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(200), driver.iterate(&mut user)).await;
        assert!(cut.is_err());
        let (sent, _) = driver.recorder.0.borrow().messages;
        assert!(sent < 20_000, "{sent}");
    });
}

/// A close says why, also when the message was already on its way to a socket that was closed.
#[test]
fn a_close_before_the_message_is_told_with_its_code() {
    run(async {
        let closed = Rc::new(Cell::new(false));
        let seen = Rc::clone(&closed);
        let server = serve(move |peer| {
            let closed = Rc::clone(&seen);
            async move {
                let is_first = peer.nth == 0;
                let mut socket = peer.accept().await;
                if is_first {
                    next(&mut socket).await;
                    let frame = CloseFrame {
                        code: 1008.into(),
                        reason: "policy".into(),
                    };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    closed.set(true);
                    return;
                }
                echo(socket).await;
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hellos(200, 1))).await;
        assert_eq!(driver.once().await, Failure::Close(1008).into());
        assert!(closed.get());
    });
}

#[test]
fn a_pong_that_never_comes() {
    run(async {
        let server = serve(|peer| async {
            let mut tcp = peer.upgrade().await;
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], WebsocketExchange::ping("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            let cut = timeout(Duration::from_millis(20), driver.iterate(&mut user)).await;
            assert!(cut.is_err());
        }
        // A pong says which ping it answers: nothing can be mistaken for it.
        assert_eq!(driver.recorder.0.borrow().opened, 1);
    });
}

/// An iteration makes one new connection, and fails with it.
#[test]
fn a_server_that_closes_every_connection_at_once() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            let frame = CloseFrame {
                code: 1013.into(),
                reason: "full".into(),
            };
            let _ = socket.send(Message::Close(Some(frame))).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        for opened in 2..=4 {
            let outcome = driver.iterate(&mut user).await;
            assert!(
                [Failure::Close(1013), Failure::Connection]
                    .map(Outcome::from)
                    .contains(&outcome),
                "{outcome}"
            );
            let seen = driver.recorder.0.borrow();
            assert_eq!((seen.opened, seen.dropped), (opened, opened));
        }
    });
}

/// In one frame, and in fragments of which none is too long.
#[test_case(&[&[0x81, 11]]; "one frame")]
#[test_case(&[&[0x01, 6, b'x', b'x', b'x', b'x', b'x', b'x'], &[0x80, 5, b'x', b'x', b'x', b'x', b'x']]; "fragments")]
fn a_message_longer_than_what_is_taken(frames: &'static [&'static [u8]]) {
    run(async move {
        let server = serve(move |peer| async move {
            let mut tcp = peer.upgrade().await;
            let mut first = [0; 11];
            tcp.read_exact(&mut first).await.expect("a message");
            for frame in frames {
                tcp.write_all(frame).await.expect("sent");
            }
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.max_message = 10;
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Failure::Protocol.into());
        assert_eq!(
            driver.recorder.explanation(),
            "a message of 11 bytes, and at most 10 are taken (`max_message`)"
        );
    });
}

#[test]
fn one_that_is_cut_off_says_what_it_waited_for() {
    run(async {
        let server = serve(|peer| async move {
            let mut socket = peer.accept().await;
            let first = next(&mut socket).await.expect("a message");
            socket.send(first).await.expect("sent");
            while next(&mut socket).await.is_some() {}
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hellos(3, 1))).await;
        tokio::select! {
            outcome = driver.once() => panic!("{outcome}"),
            () = tokio::time::sleep(Duration::from_millis(150)) => {}
        }
        let seen = driver.recorder.0.borrow();
        let why = "cut off while waiting for replies; 1 came to 2 of 3 messages".to_owned();
        assert_eq!(seen.explanations.last(), Some(&(Failure::Timeout, why)));
    });
}
