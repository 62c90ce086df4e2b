//! Connections each of which is one user's own.

use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{ConnectionPer, ScenarioPlan};
use loadgen_core::schedule::{Limit, Load};
use loadgen_core::workload::{UserId, Workload};

use crate::common::whole::{closed, failures, open, whole};
use crate::support::server::{Exchange, Server, Settings};
use crate::support::{Driver, call, grpc, plan, run, step, until};

async fn serve(it: Exchange) {
    it.ok(&[b""]).await;
}

fn own(servers: &[&Server], per: ConnectionPer) -> ScenarioPlan {
    let addresses: Vec<_> = servers.iter().map(|it| it.address).collect();
    let mut plan = plan(&addresses, "Hello");
    grpc(&mut plan).connection_per = Some(per);
    plan
}

#[test]
fn each_user_has_one_and_keeps_it() {
    run(async {
        let server = Server::start(serve).await;
        let mut plan = own(&[&server], ConnectionPer::User);
        plan.load = closed(5, Limit::Iterations(500));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 500);
        assert_eq!(record.connections.counts.opened, 5);
        assert_eq!(record.connections.counts.dropped, 0);
        assert_eq!(server.control.connections.get(), 5);
        until(|| server.control.open.get() == 0).await;
    });
}

#[test]
fn users_go_to_the_targets_in_turn() {
    run(async {
        let servers = [Server::start(serve).await, Server::start(serve).await];
        let mut plan = own(&[&servers[0], &servers[1]], ConnectionPer::User);
        plan.load = Load::closed(6).iterations_per_user(10).into();
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 60);
        for server in &servers {
            assert_eq!(server.control.connections.get(), 3);
            assert_eq!(server.control.requests.get(), 30);
        }
    });
}

#[test]
fn an_iteration_may_have_its_own() {
    run(async {
        let server = Server::start(serve).await;
        let mut plan = own(&[&server], ConnectionPer::Iteration);
        grpc(&mut plan).steps.push(step("again", call("Hello")));
        plan.load = closed(3, Limit::Iterations(30));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 30);
        // One was opened to see whether that can be.
        assert_eq!(server.control.connections.get(), 30);
        assert_eq!(record.connections.counts.opened, 30);
        assert_eq!(record.connections.counts.dropped, 0);
        until(|| server.control.open.get() == 0).await;
    });
}

/// The clock of an open model does not wait for connections: they are in the response time.
#[test]
fn an_open_model_opens_as_many_as_it_needs() {
    run(async {
        let server = Server::start(async |it: Exchange| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            it.ok(&[b""]).await;
        })
        .await;
        let mut plan = own(&[&server], ConnectionPer::User);
        plan.load = open(100.0, Duration::from_millis(500), 40);
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 50);
        let opened = server.control.connections.get();
        assert!((2..=40).contains(&opened), "{opened}");
    });
}

#[test]
fn one_that_breaks_is_replaced_when_it_is_needed() {
    run(async {
        let server = Server::start(serve).await;
        let driver = Driver::open(&own(&[&server], ConnectionPer::User)).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        server.control.cut.notify_waiters();
        until(|| driver.recorder.0.borrow().dropped == 1).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(server.control.connections.get(), 1);
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(server.control.connections.get(), 2);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped, seen.failed), (2, 1, 0));
    });
}

/// A dead server costs one failure for each attempt, between which there are rests.
#[test]
fn attempts_rest_between_one_another() {
    run(async {
        for per in [ConnectionPer::User, ConnectionPer::Iteration] {
            let server = Server::start(serve).await;
            let driver = Driver::open(&own(&[&server], per)).await;
            let mut user = driver.user().await;
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            let address = server.kill().await;
            until(|| driver.recorder.0.borrow().dropped == 1 || per == ConnectionPer::Iteration)
                .await;
            for _ in 0..4 {
                let outcome = driver.iterate(&mut user).await;
                assert_eq!(outcome, Failure::Connect.into());
            }
            {
                let seen = driver.recorder.0.borrow();
                assert_eq!(seen.failed, 4);
                // The first attempt of an iteration's own comes after a good end, at once; that of a user's
                // rests after the loss, which may be over by now.
                let rested = seen.rests.iter().filter(|rest| **rest > 0).count();
                let most = if per == ConnectionPer::User { 4 } else { 3 };
                assert!((3..=most).contains(&rested), "{:?}", seen.rests);
            }
            let explanation = driver.recorder.explanation();
            assert!(
                explanation.contains("the connection was refused"),
                "{explanation}"
            );
            let _server = Server::start_with(address, Settings::default(), serve).await;
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
    });
}

#[test]
fn a_good_bye_moves_a_user_to_the_next_connection() {
    run(async {
        let settings = Settings {
            goaway_after: Some(2),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::start_with(any, settings, serve).await;
        let driver = Driver::open(&own(&[&server], ConnectionPer::User)).await;
        let mut user = driver.user().await;
        for _ in 0..10 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let opened = server.control.connections.get();
        assert!((4..=6).contains(&opened), "{opened}");
    });
}

#[test]
fn the_rate_of_connecting_is_held() {
    run(async {
        let server = Server::start(serve).await;
        let mut plan = own(&[&server], ConnectionPer::User);
        grpc(&mut plan).connect_rate = Some("50/s".parse().expect("a rate"));
        let driver = Driver::open(&plan).await;
        let from = tokio::time::Instant::now();
        let users = (0..11).map(|user| driver.workload.open(UserId(user)));
        let users = futures::future::join_all(users).await;
        let took = from.elapsed();
        assert!(users.iter().all(Result::is_ok));
        assert_eq!(server.control.connections.get(), 11);
        // The first was opened before, and ten more are 20 ms apart.
        assert!(took >= Duration::from_millis(180), "{took:?}");
    });
}

/// What nobody is there for is said before the load begins.
#[test]
fn nobody_is_there() {
    run(async {
        let server = Server::start(serve).await;
        let plan = own(&[&server], ConnectionPer::User);
        server.kill().await;
        let message = Driver::prepare_error(&plan).await;
        assert!(
            message.contains("the connection was refused; is the server running"),
            "{message}"
        );
    });
}

#[test]
fn one_target_of_two_is_dead() {
    run(async {
        let servers = [Server::start(serve).await, Server::start(serve).await];
        let mut plan = own(&[&servers[0], &servers[1]], ConnectionPer::User);
        let [dead, _alive] = servers;
        dead.kill().await;
        plan.load = Load::closed(2).iterations_per_user(5).into();
        let record = whole(plan).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (5, 5));
        let connect = Outcome::from(Failure::Connect);
        assert_eq!(failures(&record).collect::<Vec<_>>(), [(connect, 5)]);
    });
}
