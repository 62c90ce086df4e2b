//! Whole runs, with the engine's own threads.

use loadgen_core::outcome::Failure;
use loadgen_core::scenario::HttpRequest;
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
