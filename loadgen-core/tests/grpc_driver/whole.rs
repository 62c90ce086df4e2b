//! The engine and the driver together, against servers that misbehave while a run is under way.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::Failure;
use loadgen_core::schedule::{Limit, Load};
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::server::{Exchange, Server, Settings};
use crate::support::whole::{closed, failures, open, standing, whole};
use crate::support::{grpc, plan, run, until};

/// Iterations of the loads below.
const PLANNED: u64 = 300;
const USERS: u32 = 8;

fn by_users() -> Load {
    closed(USERS, Limit::Iterations(PLANNED))
}

fn at_a_rate() -> Load {
    open(500.0, Duration::from_millis(600), 100)
}

#[test_case(by_users(); "closed")]
#[test_case(at_a_rate(); "open")]
fn streams_reset_for_a_while(load: Load) {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| match exchange.nth {
            50..150 => exchange.respond.send_reset(h2::Reason::REFUSED_STREAM),
            _ => exchange.ok(&[b""]).await,
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = load;
        let record = whole(plan).await;
        let failed: Vec<_> = failures(&record).collect();
        assert_eq!(failed, [(Failure::Reset("REFUSED_STREAM").into(), 100)]);
        assert_eq!(record.ledger.completed, PLANNED - 100);
        let connections = record.connections;
        assert_eq!(
            (connections.counts.opened, connections.counts.dropped),
            (2, 0)
        );
    });
}

#[test]
fn what_stands_is_told_while_the_run_goes_on() {
    run(async {
        let server = Server::start(async |exchange: Exchange| {
            std::future::pending::<()>().await;
            drop(exchange);
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = closed(USERS, Limit::Iterations(u64::from(USERS)));
        grpc(&mut plan).connections = Some(2);
        grpc(&mut plan).streams_per_connection = Some(3);
        plan.timeout = Duration::from_millis(1500);
        let (users, levels) = standing(plan).await;
        assert_eq!((users, levels.connections), (8, Some(2)));
        assert_eq!((levels.in_flight, levels.replies_owed), (Some(6), None));
        assert_eq!(
            (levels.streams_in_use, levels.streams_allowed),
            (Some(6), Some(6)),
            "two wait for a stream"
        );
    });
}

#[test_case(by_users(); "closed")]
#[test_case(at_a_rate(); "open")]
fn a_goaway_every_so_often_fails_nothing(load: Load) {
    run(async {
        let settings = Settings {
            goaway_after: Some(25),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server =
            Server::start_with(any, settings, async |it: Exchange| it.ok(&[b""]).await).await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = load;
        let record = whole(plan).await;
        assert_eq!(record.examples, []);
        assert_eq!(record.ledger.completed, PLANNED);
        let connections = record.connections;
        assert!(
            connections.counts.opened > 5,
            "{}",
            connections.counts.opened
        );
        assert_eq!(server.control.requests.get() as u64, PLANNED);
    });
}

/// Passes bytes on, until it is told to send the client garbage instead.
async fn garbling_proxy(server: SocketAddr, garble: Rc<Notify>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        loop {
            let (mut client, _) = listener.accept().await.expect("accepts");
            let garble = Rc::clone(&garble);
            tokio::task::spawn_local(async move {
                let mut upstream = TcpStream::connect(server).await.expect("a server");
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut upstream) => return,
                    () = garble.notified() => {}
                }
                drop(upstream);
                let _ = client.write_all(&[0xff; 64]).await;
                while client.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

#[test_case(by_users(); "closed")]
#[test_case(at_a_rate(); "open")]
fn garbage_costs_what_was_under_way_and_no_more(load: Load) {
    run(async {
        let garble = Rc::new(Notify::new());
        let trigger = Rc::clone(&garble);
        let server = Server::start(move |exchange: Exchange| {
            let trigger = Rc::clone(&trigger);
            async move {
                if exchange.nth == 100 {
                    trigger.notify_waiters();
                    exchange.until_reset().await;
                } else {
                    exchange.ok(&[b""]).await;
                }
            }
        })
        .await;
        let mut plan = plan(&[garbling_proxy(server.address, garble).await], "Hello");
        let most = u64::from(load.max_users());
        plan.load = load;
        let record = whole(plan).await;
        let failed: Vec<_> = failures(&record).collect();
        let [(kind, count)] = failed[..] else {
            panic!("one kind of failure: {failed:?}");
        };
        assert_eq!(kind, Failure::Protocol.into());
        assert!((1..=most).contains(&count), "{count}");
        assert_eq!(record.ledger.completed, PLANNED - count);
        let connections = record.connections;
        assert_eq!(
            (connections.counts.opened, connections.counts.dropped),
            (4, 2)
        );
    });
}

#[test_case(closed(4, Limit::Iterations(12)), 12; "closed")]
#[test_case(open(50.0, Duration::from_millis(400), 50), 20; "open")]
fn a_server_that_never_answers(load: Load, planned: u64) {
    run(async {
        let settings = Settings {
            max_streams: Some(20),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, Exchange::until_reset).await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = load;
        plan.timeout = Duration::from_millis(200);
        let record = whole(plan).await;
        assert_eq!(record.ledger.failed, planned, "{:?}", record.ledger);
        let failed: Vec<_> = failures(&record).collect();
        assert_eq!(failed, [(Failure::Timeout.into(), planned)]);
        // The time until the request left is part of it, and no part of the service time.
        assert!(record.response_time.min() >= 199_000_000);
        let waited = record.service_time.mean() + record.parts.send_lag.mean();
        assert!(waited >= 198_000_000.0, "{waited}");
        assert!(record.elapsed < Duration::from_secs(10));
        // Each stream was given back, so the two connections never had to be replaced.
        let connections = record.connections;
        assert_eq!(
            (connections.counts.opened, connections.counts.dropped),
            (2, 0)
        );
        until(|| server.control.active.get() == 0).await;
        let resets = server.control.resets.borrow();
        assert!(resets.len() as u64 >= planned / 2, "{resets:?}");
        assert!(resets.iter().all(|reason| *reason == h2::Reason::CANCEL));
    });
}

/// A stream that is given up makes room for the next: with one stream, a leak would be the end.
#[test]
fn one_stream_is_enough_for_many_timeouts() {
    run(async {
        let settings = Settings {
            max_streams: Some(1),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, async |exchange: Exchange| {
            match exchange.nth % 2 {
                0 => exchange.until_reset().await,
                _ => exchange.ok(&[b""]).await,
            }
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.load = closed(1, Limit::Iterations(10));
        plan.timeout = Duration::from_millis(100);
        let record = whole(plan).await;
        let failed: Vec<_> = failures(&record).collect();
        assert_eq!(failed, [(Failure::Timeout.into(), 5)]);
        assert_eq!(record.ledger.completed, 5);
        assert_eq!(server.control.connections.get(), 1);
    });
}

#[test_case(closed(4, Limit::Duration(Duration::from_millis(800))); "closed")]
#[test_case(open(200.0, Duration::from_millis(800), 200); "open")]
fn a_server_that_dies_for_good_does_not_end_the_run(load: Load) {
    run(async {
        let server = Rc::new(Cell::new(None));
        let dies = Rc::new(Notify::new());
        let last_word = Rc::clone(&dies);
        let started = Server::start(move |exchange: Exchange| {
            let last_word = Rc::clone(&last_word);
            async move {
                if exchange.nth == 50 {
                    last_word.notify_one();
                    exchange.until_reset().await;
                } else {
                    exchange.ok(&[b""]).await;
                }
            }
        })
        .await;
        let mut plan = plan(&[started.address], "Hello");
        let open = matches!(load, Load::Open(_));
        plan.load = load;
        server.set(Some(started));
        let killer = async {
            dies.notified().await;
            server.take().expect("killed once").kill().await;
        };
        let (record, ()) = tokio::join!(whole(plan), killer);
        let ledger = record.ledger;
        assert!(ledger.completed >= 40 && ledger.failed >= 2, "{ledger:?}");
        assert!(
            failures(&record).all(|(kind, _)| [Failure::Connection, Failure::Connect]
                .map(Into::into)
                .contains(&kind)),
            "{:?}",
            record.outcomes
        );
        if open {
            assert_eq!((ledger.planned, ledger.dropped), (160, 0), "{ledger:?}");
        } else {
            // One failure for each user and attempt to connect, and those keep their distance.
            assert!(ledger.failed < 400, "{ledger:?}");
        }
        let connections = record.connections;
        assert_eq!(
            (connections.counts.opened, connections.counts.dropped),
            (2, 2)
        );
        assert!(connections.counts.failed >= 1);
        assert!(record.elapsed >= Duration::from_millis(800));
    });
}

#[test_case(Some(1), 1; "one for two workers")]
#[test_case(Some(3), 3; "three for two workers")]
#[test_case(None, 2; "one for each worker")]
fn no_more_connections_than_asked_for(asked: Option<u32>, opened: u64) {
    run(async {
        for load in [by_users(), at_a_rate()] {
            let server = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
            let mut plan = plan(&[server.address], "Hello");
            plan.load = load;
            grpc(&mut plan).connections = asked;
            let record = whole(plan).await;
            assert_eq!(record.ledger.completed, PLANNED);
            assert_eq!(record.connections.counts.opened, opened);
            assert_eq!(server.control.connections.get() as u64, opened);
        }
    });
}
