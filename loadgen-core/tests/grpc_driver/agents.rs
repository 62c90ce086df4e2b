//! Users with a stream that is to last, and what becomes of them when it breaks.

use std::time::Duration;

use http::Response;
use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{ConnectionPer, GrpcStreamEnd, ScenarioPlan};
use loadgen_core::schedule::Limit;

use crate::common::whole::{closed, failures, whole};
use crate::support::server::{Exchange, Server, status};
use crate::support::{grpc, plan, run, the_call};

/// Users with one stream each, for a third of a second of load.
fn agents(server: &Server, users: u32) -> ScenarioPlan {
    let mut plan = plan(&[server.address], "Chat");
    plan.load = closed(users, Limit::Duration(Duration::from_millis(300)));
    grpc(&mut plan).connection_per = Some(ConnectionPer::User);
    let call = the_call(&mut plan);
    call.message = serde_json::json!({ "text": "ping" });
    call.repeat = 1000;
    call.every = Some(Duration::from_millis(20));
    call.stream = Some(GrpcStreamEnd::After(Duration::from_millis(300)));
    call.metadata = vec![("agent-id".to_owned(), "agent-{{ user }}".into())];
    plan
}

fn head(backend: &str) -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .header("x-loadgen-backend", backend)
        .body(())
        .expect("a response")
}

fn outcome(record: &ScenarioRecord, code: GrpcCode) -> u64 {
    let wanted = Outcome::from(Failure::Grpc(code));
    let mut failed = failures(record);
    failed.find(|(it, _)| *it == wanted).map_or(0, |(_, n)| n)
}

/// The first stream of each breaks, and the next is with another server.
#[test]
fn a_stream_that_breaks_is_opened_again_and_its_move_is_dated() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            let name = if exchange.nth < 3 { "b1" } else { "b2" };
            let response = head(name);
            let mut stream = exchange
                .respond
                .send_response(response, false)
                .expect("open");
            if exchange.nth < 3 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.send_trailers(status("14")).expect("open");
            } else {
                let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            }
        })
        .await;
        let record = whole(agents(&server, 3)).await;
        assert_eq!(outcome(&record, GrpcCode::new(14)), 3);
        assert_eq!(record.ledger.completed, 3);
        // The connections went on.
        assert_eq!(server.control.connections.get(), 3);
        let sticky = &record.stickiness;
        assert_eq!(
            (sticky.keys.len(), sticky.moved(), sticky.move_count),
            (3, 3, 3)
        );
        let mut users: Vec<&str> = sticky.moves.iter().map(|it| &*it.key).collect();
        users.sort_unstable();
        assert_eq!(users, ["0", "1", "2"]);
        for it in &sticky.moves {
            assert_eq!((&*it.from, &*it.to), ("b1", "b2"));
            // The rest before it is at least 10 ms.
            assert!(it.at >= Duration::from_millis(60), "{it:?}");
            assert!(it.at < Duration::from_millis(300), "{it:?}");
        }
    });
}

/// Once, a proxy that had nobody behind it was asked as fast as it could answer.
#[test]
fn streams_that_break_at_once_are_not_opened_one_after_the_other() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            let mut head = Exchange::head();
            let code = "14".parse().expect("digits");
            head.headers_mut().insert("grpc-status", code);
            exchange.respond.send_response(head, true).expect("open");
        })
        .await;
        let record = whole(agents(&server, 1)).await;
        let failed = outcome(&record, GrpcCode::new(14));
        assert_eq!(record.ledger.completed, 0);
        // 10 to 20 ms, 10 to 40, 10 to 80, 10 to 160 and so on within 300 ms.
        assert!((3..=15).contains(&failed), "{failed}");
        // The last rest is over with the load.
        assert_eq!(record.connections.back_off.len(), failed);
        let rests = record.connections.back_off.max();
        // Rests are nobody's latency.
        assert!(
            record.response_time.max() < rests,
            "{:?}",
            record.response_time
        );
    });
}

#[test]
fn who_stays_has_not_moved() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            let mut stream = exchange.begin();
            let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
        })
        .await;
        let record = whole(agents(&server, 4)).await;
        assert_eq!(record.ledger.completed, 4);
        let sticky = &record.stickiness;
        assert_eq!(
            (sticky.keys.len(), sticky.moved(), sticky.moves.len()),
            (4, 0, 0)
        );
        assert_eq!(
            server.control.headers.borrow()["agent-id"].len(),
            "agent-0".len()
        );
    });
}
