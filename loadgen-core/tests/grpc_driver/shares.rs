//! Which iteration goes to which connection.

use std::rc::Rc;

use futures::future::join_all;
use loadgen_core::outcome::Outcome;
use loadgen_core::workload::{SampleKind, Workload};
use test_case::test_case;
use tokio::sync::Semaphore;

use crate::support::server::{Exchange, Server, Settings};
use crate::support::{Driver, call, grpc, plan, run, step, until};

async fn three() -> [Server; 3] {
    let server = async || Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
    [server().await, server().await, server().await]
}

fn requests(servers: &[Server]) -> Vec<usize> {
    servers.iter().map(|it| it.control.requests.get()).collect()
}

/// Once a user was pinned to one connection, and a light load has one user.
#[test]
fn one_user_shares_its_iterations_evenly_among_targets() {
    run(async {
        let servers = three().await;
        let driver = Driver::open(&plan(&servers.each_ref().map(|it| it.address), "Hello")).await;
        let mut session = driver.user().await;
        for _ in 0..300 {
            assert_eq!(driver.iterate(&mut session).await, Outcome::Ok);
        }
        assert_eq!(requests(&servers), [100, 100, 100]);
    });
}

/// Once two workers had three connections, one of them two: 150/300/150.
#[test]
fn several_workers_share_evenly_among_targets() {
    run(async {
        let servers = three().await;
        let plan = plan(&servers.each_ref().map(|it| it.address), "Hello");
        for worker in 0..2 {
            let driver = Driver::of_worker(&plan, worker, 2);
            driver.workload.prepare().await.expect("servers");
            assert_eq!(driver.recorder.0.borrow().opened, 3);
            for _ in 0..50 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
        }
        assert_eq!(requests(&servers), [33, 34, 33]);
    });
}

#[test]
fn the_share_of_a_dead_target_is_divided_evenly_among_the_others() {
    run(async {
        let servers = three().await;
        let driver = Driver::open(&plan(&servers.each_ref().map(|it| it.address), "Hello")).await;
        let [dead, others @ ..] = servers;
        dead.kill().await;
        until(|| driver.recorder.0.borrow().dropped == 1).await;
        for _ in 0..100 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert_eq!(requests(&others), [50, 50]);
    });
}

#[test]
fn the_steps_of_an_iteration_stay_on_one_connection() {
    run(async {
        let servers = three().await;
        let mut plan = plan(&servers.each_ref().map(|it| it.address), "Hello");
        grpc(&mut plan).steps.push(step("again", call("Stream")));
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(requests(&servers), [2, 0, 0]);
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(requests(&servers), [2, 2, 0]);
    });
}

/// Servers that allow so many streams each and answer nothing before they are released.
async fn holding(most: [u32; 2], release: &Rc<Semaphore>) -> Vec<Server> {
    let mut servers = Vec::new();
    for most in most {
        let settings = Settings {
            max_streams: Some(most),
            ..Settings::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let release = Rc::clone(release);
        let server = Server::start_with(any, settings, move |exchange: Exchange| {
            let release = Rc::clone(&release);
            async move {
                let _released = release.acquire().await;
                exchange.ok(&[b""]).await;
            }
        });
        servers.push(server.await);
    }
    servers
}

#[test_case([1, 8], 4, [1, 3], 0; "a full one is passed over")]
#[test_case([2, 2], 5, [3, 2], 1; "where all are full one waits at the one whose turn it is")]
fn room_decides(most: [u32; 2], at_once: usize, shares: [usize; 2], waits: usize) {
    run(async {
        let release = Rc::new(Semaphore::new(0));
        let servers = holding(most, &release).await;
        let addresses: Vec<_> = servers.iter().map(|it| it.address).collect();
        let driver = Driver::open(&plan(&addresses, "Hello")).await;
        let all = join_all((0..at_once).map(|_| driver.once()));
        let then = async {
            until(|| requests(&servers).iter().sum::<usize>() == at_once - waits).await;
            release.add_permits(1);
        };
        let (outcomes, ()) = tokio::join!(all, then);
        assert_eq!(outcomes, vec![Outcome::Ok; at_once]);
        assert_eq!(requests(&servers), shares);
        assert_eq!(driver.recorder.samples(SampleKind::StreamWait).len(), waits);
    });
}
