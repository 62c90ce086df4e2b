//! Whole runs, with the engine's own threads.

use std::time::Duration;

use loadgen_core::outcome::Failure;
use loadgen_core::scenario::{HttpRequest, StreamEnd};
use loadgen_core::schedule::Limit;

use crate::common::run;
use crate::common::whole::{closed, failures, whole};
use crate::server::{Say, serve};
use crate::support::plan;

#[test]
fn users_keep_a_connection_each() {
    run(async {
        let server = serve(|_, _, _| Say::head("200 OK", "x-loadgen-backend: a\r\n", "hi")).await;
        let mut plan = plan(server.address, HttpRequest::get("/hello"));
        plan.load = closed(10, Limit::IterationsPerUser(20));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 200);
        let counts = &record.connections.counts;
        assert_eq!((counts.opened, counts.dropped), (10, 0));
        assert_eq!(record.backends[0].requests, 200);
        // The parts of the time are known.
        assert_eq!(record.response_time.len(), 200);
        let mut by_connection = server.by_connection();
        by_connection.sort_unstable();
        assert_eq!(by_connection, [20; 10]);
    });
}

#[test]
fn failures_are_counted_by_status() {
    run(async {
        let server = serve(|number, _, _| match number % 4 {
            0 => Say::head("503 Service Unavailable", "", "busy"),
            _ => Say::ok("hi"),
        })
        .await;
        let mut plan = plan(server.address, HttpRequest::get("/hello"));
        plan.load = closed(1, Limit::Iterations(40));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 30);
        let failed: Vec<_> = failures(&record).collect();
        assert_eq!(failed, [(Failure::Http(503).into(), 10)]);
    });
}

/// A user's stream of events breaks, and the next is with another server: it took from the last event until then.
#[test]
fn a_switch_counts_from_the_last_event() {
    run(async {
        let server = serve(|number, _, _| {
            let name = if number == 0 { "b1" } else { "b2" };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-loadgen-backend: {name}\r\n\r\n"
            );
            let mut pieces = vec![head.into_bytes()];
            pieces.extend((0..60).map(|_| b"data: x\n\n".to_vec()));
            Say {
                pieces,
                closes: true,
            }
        })
        .await;
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(StreamEnd::Messages(1000));
        let mut plan = plan(server.address, request);
        plan.load = closed(1, Limit::Iterations(2));
        let record = whole(plan).await;
        let [moved] = record.stickiness.moves.as_slice() else {
            panic!("{:?}", record.stickiness);
        };
        assert_eq!((&*moved.from, &*moved.to), ("b1", "b2"));
        // Events came for 180 ms at the least; the rest after a stream that broke is 20 ms at the most.
        let after = moved.after.expect("events came");
        assert!(after < Duration::from_millis(150), "{moved:?}");
    });
}
