//! What stays with one server: by a key, by where connections come from, by user.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::Response;
use loadgen_core::expectation::Sticky;
use loadgen_core::record::{ScenarioRecord, StickyBy};
use loadgen_core::scenario::{ConnectionPer, ScenarioPlan};
use loadgen_core::schedule::Limit;

use crate::common::whole::{closed, whole};
use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{grpc, plan, run};

/// Eight users, 25 iterations each, who go through five sessions.
fn sessions(server: &Server, sticky: Sticky) -> ScenarioPlan {
    let session = "s{{ (user * 3 + iteration) % 5 }}";
    let mut plan = plan(&[server.address], "Hello");
    plan.load = closed(8, Limit::IterationsPerUser(25));
    plan.expect.sticky = Some(sticky);
    let grpc = grpc(&mut plan);
    grpc.metadata = vec![("session-id".to_owned(), session.into())];
    plan
}

fn by_session() -> Sticky {
    Sticky::Key("s{{ (user * 3 + iteration) % 5 }}".to_owned())
}

async fn answer(mut exchange: Exchange, backend: &str) {
    exchange.read_all().await;
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-loadgen-backend", backend)
        .body(())
        .expect("a response");
    let mut stream = exchange.respond.send_response(head, false).expect("open");
    stream.send_data(framed(b""), false).expect("open");
    stream.send_trailers(status("0")).expect("open");
}

/// A balancer that goes by the session, until one of them is elsewhere from its tenth request on.
async fn hashing(moves: bool) -> Server {
    let seen = Rc::new(Cell::new(0));
    Server::start(move |exchange: Exchange| {
        let seen = Rc::clone(&seen);
        async move {
            let session = exchange.request.headers()["session-id"].as_bytes()[1] - b'0';
            let mut backend = session % 3;
            if session == 4 {
                seen.set(seen.get() + 1);
                backend += u8::from(moves && seen.get() > 10);
            }
            answer(exchange, &format!("b{backend}")).await;
        }
    })
    .await
}

fn answers(record: &ScenarioRecord, key: &str) -> u64 {
    record.stickiness.keys[key].all_and_main().0
}

#[test]
fn keys_that_a_balancer_goes_by_stay() {
    run(async {
        let server = hashing(false).await;
        let record = whole(sessions(&server, by_session())).await;
        assert_eq!(record.stickiness.by, StickyBy::Key);
        assert_eq!(
            (record.stickiness.keys.len(), record.stickiness.moved()),
            (5, 0)
        );
        let all: u64 = (0..5).map(|it| answers(&record, &format!("s{it}"))).sum();
        assert_eq!(all, 200);
    });
}

/// Two workers have it, and it has moved once.
#[test]
fn a_key_that_is_elsewhere_has_moved() {
    run(async {
        let server = hashing(true).await;
        let record = whole(sessions(&server, by_session())).await;
        let sticky = &record.stickiness;
        assert_eq!((sticky.keys.len(), sticky.moved()), (5, 1));
        let moved = sticky.moves.first().expect("it moved");
        assert_eq!((&*moved.key, &*moved.from, &*moved.to), ("s4", "b1", "b2"));
        assert_eq!(sticky.keys["s4"].all_and_main(), (40, 30));
    });
}

/// Users go through all sessions, and so through all servers.
#[test]
fn users_that_a_balancer_does_not_go_by_move() {
    run(async {
        let server = hashing(false).await;
        let record = whole(sessions(&server, Sticky::User)).await;
        let sticky = &record.stickiness;
        assert_eq!((sticky.keys.len(), sticky.moved()), (8, 8));
        assert!(sticky.move_count > 100, "{}", sticky.move_count);
    });
}

/// Each connection knows which address of ours it comes from.
#[test]
fn sources_are_told_apart() {
    run(async {
        let server = Server::start(async |exchange: Exchange| answer(exchange, "b1").await).await;
        let mut plan = sessions(&server, Sticky::Source);
        plan.bind = ["127.0.0.2", "127.0.0.3"]
            .map(|it| it.parse::<IpAddr>().expect("an address"))
            .to_vec();
        grpc(&mut plan).connection_per = Some(ConnectionPer::User);
        plan.timeout = Duration::from_secs(5);
        let record = whole(plan).await;
        let sticky = &record.stickiness;
        let sources: Vec<&str> = sticky.keys.keys().map(String::as_str).collect();
        assert_eq!(
            (sticky.by, sources),
            (StickyBy::Source, vec!["127.0.0.2", "127.0.0.3"])
        );
        assert_eq!(
            answers(&record, "127.0.0.2") + answers(&record, "127.0.0.3"),
            200
        );
    });
}
