//! Connections that no step is using.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::Step;
use loadgen_core::workload::{MessageFault, Workload};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{run, until};
use crate::server::{echo, echo_server, serve};
use crate::support::{Driver, hello, plan, websocket};

#[test]
fn a_server_s_pings_are_answered_while_the_user_rests() {
    run(async {
        let ponged = Rc::new(Cell::new(0));
        let seen = Rc::clone(&ponged);
        let server = serve(move |peer| {
            let ponged = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                for nth in 0_u8.. {
                    let _ = socket.send(Message::Ping(vec![nth].into())).await;
                    match socket.next().await {
                        Some(Ok(Message::Pong(_))) => ponged.set(ponged.get() + 1),
                        _ => return,
                    }
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let _user = driver.user().await;
        until(|| ponged.get() >= 2).await;
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

#[test]
fn the_same_within_a_pause() {
    run(async {
        let ponged = Rc::new(Cell::new(0));
        let seen = Rc::clone(&ponged);
        let server = serve(move |peer| {
            let ponged = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                while let Some(Ok(message)) = socket.next().await {
                    match message {
                        Message::Text(_) => {
                            let _ = socket.send(message).await;
                            let _ = socket.send(Message::Ping(vec![1].into())).await;
                        }
                        Message::Pong(_) => ponged.set(ponged.get() + 1),
                        _ => {}
                    }
                }
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan)
            .steps
            .push(Step::pause(Duration::from_millis(300)));
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(ponged.get(), 1);
    });
}

#[test]
fn a_connection_that_dies_is_noticed_when_it_does_and_replaced_when_needed() {
    run(async {
        let server = serve(|peer| async {
            if peer.nth > 0 {
                return echo(peer.accept().await).await;
            }
            let mut socket = peer.accept().await;
            let _ = socket.close(None).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        until(|| driver.recorder.0.borrow().dropped == 1).await;
        assert_eq!(driver.recorder.0.borrow().opened, 1);
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped, seen.failed), (2, 1, 0));
    });
}

/// Not even when it dies so shortly before it is needed that nobody has looked yet.
#[test]
fn a_connection_that_has_just_died_fails_no_iteration() {
    run(async {
        let server = serve(|peer| async {
            if peer.nth > 0 {
                return echo(peer.accept().await).await;
            }
            drop(peer.upgrade().await);
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 1));
    });
}

#[test]
fn messages_out_of_the_blue_are_counted() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for _ in 0..3 {
                let _ = socket.send(Message::text("welcome")).await;
            }
            echo(socket).await;
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut user = driver.user().await;
        until(|| driver.recorder.faults(MessageFault::Unexpected) == 3).await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 4));
    });
}

#[test]
fn a_session_s_end_closes_in_good_order() {
    run(async {
        let codes = Rc::new(Cell::new(0));
        let seen = Rc::clone(&codes);
        let server = serve(move |peer| {
            let codes = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                while let Some(Ok(message)) = socket.next().await {
                    if let Message::Close(Some(frame)) = message {
                        codes.set(u16::from(frame.code));
                    }
                }
            }
        })
        .await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let user = driver.user().await;
        driver.workload.close(user).await;
        assert_eq!(codes.get(), 1000);
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

#[test]
fn many_users_rest_at_once() {
    run(async {
        let server = echo_server().await;
        let driver = Driver::open(&plan(&[server.address], hello())).await;
        let mut users = Vec::new();
        for _ in 0..200 {
            users.push(driver.user().await);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        users.truncate(100);
        tokio::time::sleep(Duration::from_millis(250)).await;
        for user in &mut users {
            assert_eq!(driver.iterate(user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (200, 0));
    });
}
