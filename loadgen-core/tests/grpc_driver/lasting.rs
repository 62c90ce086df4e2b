//! Streams that last as long as the load.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{ConnectionPer, GrpcStreamEnd, ScenarioPlan};
use loadgen_core::schedule::Limit;

use crate::common::whole::{closed, failures, whole};
use crate::support::server::{Exchange, Server, status};
use crate::support::{Driver, grpc, plan, run, the_call};

const LOAD: Duration = Duration::from_millis(600);

/// Users with a stream each, on a connection of their own, and a timeout that is shorter than the load.
fn lasting(server: &Server, method: &str, users: u32) -> ScenarioPlan {
    let mut plan = plan(&[server.address], method);
    plan.load = closed(users, Limit::Duration(LOAD));
    plan.timeout = Duration::from_millis(250);
    grpc(&mut plan).connection_per = Some(ConnectionPer::User);
    the_call(&mut plan).stream = Some(GrpcStreamEnd::Load);
    plan
}

/// The same, with a ping every 20 ms.
fn pinging(server: &Server, users: u32) -> ScenarioPlan {
    let mut plan = lasting(server, "Chat", users);
    let call = the_call(&mut plan);
    call.message = serde_json::json!({ "text": "ping" });
    (call.repeat, call.every) = (1_000_000, Some(Duration::from_millis(20)));
    plan
}

fn count(record: &ScenarioRecord, failure: Failure) -> u64 {
    let wanted = Outcome::from(failure);
    let found = failures(record).find(|(it, _)| *it == wanted);
    found.map_or(0, |(_, n)| n)
}

fn example(record: &ScenarioRecord, failure: Failure) -> &str {
    let found = record.examples.iter().find(|(it, _)| *it == failure);
    found.map_or("", |(_, text)| text)
}

/// Begins to answer and says nothing more, until the client gives up.
async fn hold(exchange: &mut Exchange) {
    let mut answer = exchange.begin();
    let _ = std::future::poll_fn(|cx| answer.poll_reset(cx)).await;
}

/// Sends back what comes, until this many pieces have come or the client has ended its side.
async fn echo(exchange: &mut Exchange, most: usize) {
    let mut answer = exchange.begin();
    let body = exchange.request.body_mut();
    for _ in 0..most {
        let Some(Ok(piece)) = body.data().await else {
            break;
        };
        let flow = body.flow_control();
        flow.release_capacity(piece.len()).expect("it was received");
        answer.send_data(piece, false).expect("open");
    }
    answer.send_trailers(status("0")).expect("open");
}

#[test]
fn a_stream_lasts_as_long_as_the_load_and_ends_in_good_order() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            assert!(exchange.request.headers().get("grpc-timeout").is_none());
            echo(&mut exchange, usize::MAX).await;
        })
        .await;
        let record = whole(pinging(&server, 3)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (3, 0));
        assert_eq!(record.lasting, 3);
        assert_eq!(server.control.requests.get(), 3, "none was opened again");
        assert_eq!(*server.control.resets.borrow(), []);
        let step = &record.steps[0];
        assert_eq!(step.messages_sent, step.messages_received);
        // One at the start and one every 20 ms; fewer where the machine is busy.
        assert!(
            (30..=93).contains(&step.messages_sent),
            "{}",
            step.messages_sent
        );
        // They began a moment after the load.
        assert!(record.response_time.min() >= 500_000_000);
        let streams = record.backends[0].streams;
        assert_eq!((streams.opened, streams.broken), (3, 0));
    });
}

/// One that the client has no say in is given up when the load is over.
#[test]
fn what_only_the_server_sends_is_given_up_with_the_load() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            exchange.read_all().await;
            hold(&mut exchange).await;
        })
        .await;
        let record = whole(lasting(&server, "Stream", 2)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (2, 0));
        let streams = record.backends[0].streams;
        assert_eq!((streams.opened, streams.broken), (2, 0));
        assert_eq!(server.control.requests.get(), 2);
    });
}

/// A server that ends the stream well has ended it all the same, and it is opened again.
#[test]
fn a_stream_that_the_server_ends_is_opened_again() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            let most = if exchange.nth == 0 { 3 } else { usize::MAX };
            echo(&mut exchange, most).await;
        })
        .await;
        let record = whole(pinging(&server, 1)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (1, 1));
        assert_eq!(count(&record, Failure::Incomplete), 1);
        assert_eq!(
            example(&record, Failure::Incomplete),
            "the server ended a stream that is to last as long as the load, after 3 messages"
        );
        assert_eq!(record.connections.back_off.len(), 1);
    });
}

/// A server that takes pings and answers none of them any more does not keep its client for the whole load.
#[test]
fn a_ping_that_is_not_answered_in_time_ends_the_stream() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            if exchange.nth > 0 {
                echo(&mut exchange, usize::MAX).await;
                return;
            }
            hold(&mut exchange).await;
        })
        .await;
        let record = whole(pinging(&server, 1)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (1, 1));
        assert_eq!(
            example(&record, Failure::Timeout),
            "no reply within 250ms (`timeout`) on a stream that is to last; 0 messages had come before"
        );
    });
}

/// They are told of when they are sent, not when the stream ends.
#[test]
fn messages_of_a_stream_under_way_are_counted() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            echo(&mut exchange, usize::MAX).await;
        })
        .await;
        let mut plan = pinging(&server, 1);
        plan.timeout = Duration::from_secs(5);
        the_call(&mut plan).stream = Some(GrpcStreamEnd::After(Duration::from_secs(2)));
        let driver = Driver::open(&plan).await;
        let mut once = std::pin::pin!(driver.once());
        let limited = tokio::time::timeout(Duration::from_millis(300), &mut once);
        limited.await.expect_err("it goes on");
        let (sent, received) = driver.recorder.0.borrow().messages;
        assert!(received > 3, "{received}");
        assert!((received..=received + 1).contains(&sent), "{sent}");
    });
}

/// The timeout is what opening one may take.
#[test]
fn a_stream_that_nobody_answers_times_out() {
    run(async {
        let server = Server::start(Exchange::until_reset).await;
        let record = whole(lasting(&server, "Stream", 1)).await;
        assert_eq!(record.ledger.completed, 0);
        assert!((2..=4).contains(&count(&record, Failure::Timeout)));
    });
}

/// Agents on one connection, each of which says who it is in each ping and takes no reply to another.
fn telling(server: &Server, users: u32) -> ScenarioPlan {
    let mut plan = pinging(server, users);
    let grpc = grpc(&mut plan);
    (grpc.connection_per, grpc.connections) = (None, Some(1));
    grpc.steps[0].check = vec!["reply.text == 'agent-' ~ user".to_owned()];
    let call = the_call(&mut plan);
    call.message = serde_json::json!({ "text": "agent-{{ user }}" });
    call.checks_each = true;
    plan
}

#[test]
fn agents_that_get_their_own_replies_pass() {
    run(async {
        let server = Server::start(|mut exchange: Exchange| async move {
            echo(&mut exchange, usize::MAX).await;
        })
        .await;
        let record = whole(telling(&server, 2)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (2, 0));
        assert_eq!(server.control.connections.get(), 1);
        let check = &record.steps[0].checks[0];
        assert_eq!(
            (check.passed, check.failed),
            (record.steps[0].messages_received, 0)
        );
    });
}

/// One that answers each ping with the one before, whoever sent that.
#[test]
fn replies_to_other_agents_are_counted_and_fail() {
    run(async {
        let last = Rc::new(RefCell::new(None));
        let server = Server::start(move |mut exchange: Exchange| {
            let last = Rc::clone(&last);
            async move {
                let mut answer = exchange.begin();
                let body = exchange.request.body_mut();
                while let Some(Ok(piece)) = body.data().await {
                    let flow = body.flow_control();
                    flow.release_capacity(piece.len()).expect("it was received");
                    let before = last.borrow_mut().replace(piece.clone());
                    answer
                        .send_data(before.unwrap_or(piece), false)
                        .expect("open");
                }
                answer.send_trailers(status("0")).expect("open");
            }
        })
        .await;
        let record = whole(telling(&server, 2)).await;
        assert_eq!(record.ledger.completed, 0);
        assert_eq!(count(&record, Failure::Check), 2);
        let step = &record.steps[0];
        let check = &step.checks[0];
        assert!(check.failed > 10, "{check:?}");
        assert_eq!(check.passed + check.failed, step.messages_received);
        let told = example(&record, Failure::Check);
        let begins = "steps[0]: `reply.text == 'agent-' ~ user`: reply.text is \"agent-";
        assert!(told.starts_with(begins), "{told}");
    });
}
