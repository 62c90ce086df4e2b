//! Whole runs, with the engine's own threads, against servers that come and go.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::{ConnectionCounts, ScenarioRecord};
use loadgen_core::scenario::ConnectionPer;
use loadgen_core::schedule::{Limit, Load, ThinkTime};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use crate::common::run;
use crate::common::whole::{closed, failures, open, standing, whole};
use crate::server::{echo, echo_server, next, serve};
use crate::support::{hello, hellos, numbered, plan, websocket};

fn count_of(record: &ScenarioRecord, outcome: impl Into<Outcome>) -> u64 {
    let outcome = outcome.into();
    let found = record.outcomes.iter().find(|(seen, _)| *seen == outcome);
    found.map_or(0, |(_, count)| *count)
}

/// What became of connections over the whole run, by its series.
fn dated(record: &ScenarioRecord) -> ConnectionCounts {
    let mut sum = ConnectionCounts::default();
    for point in &record.series {
        sum += point.connections;
    }
    sum
}

#[test]
fn users_keep_a_connection_each() {
    run(async {
        let server = echo_server().await;
        let mut plan = plan(&[server.address], hello());
        plan.load = closed(20, Limit::IterationsPerUser(50));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 1000);
        assert_eq!(record.connections.counts.opened, 20);
        assert_eq!(record.connections.counts.dropped, 0);
        assert_eq!(record.connections.connect_time.len(), 20);
        let step = &record.steps[0];
        assert_eq!((step.messages_sent, step.messages_received), (1000, 1000));
        assert_eq!(record.backends[0].requests, 1000);
    });
}

/// Served is served: the run's end cuts the good-bye off, and not what was asked for.
#[test]
fn a_good_bye_that_is_not_answered_changes_no_outcome() {
    run(async {
        let server = serve(|peer| async move {
            let mut socket = peer.accept().await;
            let asked = next(&mut socket).await.expect("a message");
            let _ = socket.send(asked).await;
            std::future::pending::<()>().await;
        })
        .await;
        let mut plan = plan(&[server.address], numbered(1, 1));
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan.load = closed(4, Limit::Duration(Duration::from_millis(300)));
        plan.graceful_stop = Duration::from_millis(100);
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 4);
        assert_eq!(record.ledger.interrupted, 0);
        assert_eq!(count_of(&record, Outcome::Ok), 4);
        let longest = record.steps[0].response_time.max();
        assert!(longest < 300_000_000, "{longest} ns");
    });
}

#[test]
fn an_open_model_connects_as_users_are_needed() {
    run(async {
        let server = echo_server().await;
        let mut plan = plan(&[server.address], hello());
        plan.load = open(200.0, Duration::from_secs(1), 50);
        let record = whole(plan).await;
        assert_eq!(record.ledger.planned, 200);
        assert_eq!(record.ledger.completed, 200);
        // Never more than are needed at once, and the two that workers tried targets with.
        assert!((2..=52).contains(&record.connections.counts.opened));
        assert_eq!(record.connections.counts.failed, 0);
    });
}

#[test]
fn an_open_model_without_a_server_makes_one_attempt_an_iteration() {
    run(async {
        let server = echo_server().await;
        let refusing = serve(|peer| peer.answer("HTTP/1.1 503 Busy\r\n\r\n")).await;
        let mut plan = plan(&[server.address, refusing.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan.load = open(100.0, Duration::from_millis(500), 4);
        plan.graceful_stop = Duration::from_secs(10);
        let record = whole(plan).await;
        let failed = count_of(&record, Failure::Http(503));
        assert!(failed > 0 && count_of(&record, Outcome::Ok) > 0);
        assert_eq!(failed, record.ledger.failed);
        // And one by the worker that saw whether its first user's target can be reached.
        assert_eq!(record.connections.counts.failed, failed + 1);
    });
}

/// Connections that die at night, on a faster clock: each lasts ten messages, or dies while its
/// user rests.
#[test]
fn connections_that_die_are_replaced_counted_and_dated() {
    run(async {
        let cut = Rc::new(Cell::new(0));
        let seen = Rc::clone(&cut);
        let server = serve(move |peer| {
            let cut = Rc::clone(&seen);
            async move {
                let rests = peer.nth % 2 == 0;
                let mut socket = peer.accept().await;
                for _ in 0..10 {
                    let Some(message) = next(&mut socket).await else {
                        return;
                    };
                    let _ = socket.send(message).await;
                }
                if !rests && next(&mut socket).await.is_none() {
                    return;
                }
                cut.set(cut.get() + 1);
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.load = Load::closed(10)
            .for_(Duration::from_millis(2500))
            .think_time(ThinkTime::Fixed(Duration::from_millis(5)))
            .into();
        let record = whole(plan).await;
        let counts = record.connections.counts;
        assert!(counts.dropped > 20, "{counts:?}");
        assert!(counts.opened >= counts.dropped, "{counts:?}");
        assert!(cut.get() >= counts.dropped, "{counts:?}");
        assert_eq!(counts.reconnected, counts.opened - 10, "{counts:?}");
        let failed: Vec<_> = failures(&record).collect();
        // Only those whose message was lost with the connection; never in connecting anew.
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].0, Failure::Connection.into());
        assert!(
            failed[0].1 < counts.dropped,
            "those that died at rest failed nobody"
        );
        let dated = dated(&record);
        assert_eq!(dated.dropped, counts.dropped);
        // Those of before the clock started are in the first second too.
        assert_eq!(dated.opened, counts.opened);
        assert!(
            record
                .series
                .iter()
                .filter(|point| point.connections.dropped > 0)
                .count()
                >= 2
        );
    });
}

#[test]
fn a_server_that_is_restarted_is_found_again() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let playing = tokio::task::spawn_local(async move {
            let accept = async |listener: TcpListener, duration: Duration| {
                let mut connections = tokio::task::JoinSet::new();
                let accepting = async {
                    while let Ok((tcp, _)) = listener.accept().await {
                        connections.spawn_local(async move {
                            if let Ok(socket) = accept_async(tcp).await {
                                echo(socket).await;
                            }
                        });
                    }
                };
                let _ = tokio::time::timeout(duration, accepting).await;
            };
            accept(listener, Duration::from_millis(700)).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let listener = TcpListener::bind(address).await.expect("the same port");
            accept(listener, Duration::from_secs(5)).await;
        });
        let mut plan = plan(&[address], hello());
        plan.load = Load::closed(8)
            .for_(Duration::from_secs(2))
            .think_time(ThinkTime::Fixed(Duration::from_millis(2)))
            .into();
        let record = whole(plan).await;
        playing.abort();
        assert!(
            count_of(&record, Failure::Connect) > 0,
            "{:?}",
            record.outcomes
        );
        assert_eq!(record.connections.counts.dropped, 8);
        assert_eq!(record.connections.counts.opened, 16);
        assert_eq!(record.connections.counts.reconnected, 8);
        let last = record.series.iter().rfind(|point| point.started > 0);
        let last = last.expect("points");
        assert!(last.completed > last.failed, "{last:?}");
    });
}

/// Truth over a second in which nothing is answered: a tenth of the arrivals waited.
#[test]
fn a_server_that_stands_still_shows_in_the_percentiles() {
    run(async {
        let from = tokio::time::Instant::now();
        let server = serve(move |peer| async move {
            let mut socket = peer.accept().await;
            let (stands, goes_on) = (Duration::from_millis(1000), Duration::from_millis(1500));
            while let Some(message) = next(&mut socket).await {
                let into = from.elapsed();
                if into > stands && into < goes_on {
                    tokio::time::sleep(goes_on - into).await;
                }
                let _ = socket.send(message).await;
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.load = open(400.0, Duration::from_secs(2), 1000);
        let record = whole(plan).await;
        assert_eq!(record.ledger.planned, 800);
        assert_eq!(record.ledger.completed, 800);
        let p90_ms = record.response_time.value_at_quantile(0.9) / 1_000_000;
        assert!(p90_ms > 100, "{p90_ms}");
    });
}

#[test]
fn what_is_never_answered_times_out_and_the_run_goes_on() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        plan.load = closed(4, Limit::IterationsPerUser(3));
        plan.timeout = Duration::from_millis(60);
        let record = whole(plan).await;
        assert_eq!(count_of(&record, Failure::Timeout), 12);
        // Each but the last is followed by a new connection: an answer could still come.
        let counts = record.connections.counts;
        assert_eq!(
            (counts.opened, counts.dropped, counts.reconnected),
            (12, 0, 0)
        );
    });
}

#[test]
fn what_stands_is_told_while_the_run_goes_on() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let mut plan = plan(&[server.address], hellos(5, 3));
        plan.load = closed(4, Limit::Iterations(4));
        plan.timeout = Duration::from_millis(1500);
        let (users, levels) = standing(plan).await;
        assert_eq!((users, levels.connections), (4, Some(4)));
        assert_eq!(
            (levels.in_flight, levels.replies_owed),
            (Some(12), Some(12))
        );
        assert_eq!(
            (levels.streams_in_use, levels.streams_allowed),
            (None, None)
        );
    });
}

/// A server that is full from the second connection on, and says who it is.
#[test]
fn a_refused_upgrade_is_of_the_server_that_refused_it() {
    run(async {
        let is_full = Rc::new(Cell::new(false));
        let server = serve(move |peer| {
            let is_full = Rc::clone(&is_full);
            async move {
                if is_full.get() {
                    let answer = "HTTP/1.1 503 Service Unavailable\r\nx-loadgen-backend: b1\r\n\
                                  content-length: 0\r\n\r\n";
                    return peer.answer(answer).await;
                }
                let mut socket = peer.accept().await;
                if let Some(asked) = next(&mut socket).await {
                    is_full.set(true);
                    let _ = socket.send(asked).await;
                    echo(socket).await;
                }
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan.load = closed(1, Limit::Iterations(3));
        let record = whole(plan).await;
        assert_eq!(record.ledger.failed, 2);
        let rows = record.all_backends();
        let refused: Vec<_> = rows.map(|it| (it.id.as_str(), it.failed)).collect();
        assert_eq!(refused.last(), Some(&("(unknown)", 0)), "{refused:?}");
        assert!(refused.contains(&("b1", 2)), "{refused:?}");
    });
}
