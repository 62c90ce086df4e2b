use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::*;
use crate::balance::endpoint::State;
use crate::balance::health::Checking;
use crate::balance::resolve::Resolving;

/// Answers with one list after the other, and then with the last one again.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Result<Vec<SocketAddr>, &'static str>>>);

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Result<Vec<SocketAddr>, &'static str>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.into_iter().collect())))
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        let mut answers = self.0.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        };
        Box::pin(async move { answer.map_err(io::Error::other) })
    }
}

/// Whoever listens on an odd port is well, until all are sick.
#[derive(Debug, Default)]
struct OddIsWell {
    all_sick: std::sync::atomic::AtomicBool,
}

impl Probe for OddIsWell {
    fn check<'a>(&'a self, _name: &'a str, address: SocketAddr) -> Checking<'a> {
        let sick = self.all_sick.load(std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            match address.port() % 2 {
                1 if !sick => Ok(()),
                _ => Err("even".to_owned()),
            }
        })
    }
}

fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn backend(host: &str, port: u16) -> BackendSettings {
    BackendSettings {
        host: host.to_owned(),
        port,
        weight: 1,
        drain: false,
    }
}

fn settings(backends: Vec<BackendSettings>, health: Option<HealthSettings>) -> PoolSettings {
    PoolSettings {
        algorithm: Algorithm::RoundRobin,
        backends,
        health,
        resolve_interval: Duration::from_secs(5),
    }
}

fn pool(settings: PoolSettings, resolver: Arc<dyn Resolve>) -> Arc<Pool> {
    Arc::new(Pool::new(
        settings,
        resolver,
        Arc::new(OddIsWell::default()),
    ))
}

fn nobody() -> Arc<dyn Resolve> {
    Scripted::new([Err("unknown")])
}

fn picks(pool: &Pool, count: usize) -> Vec<u16> {
    (0..count)
        .map(|_| pool.pick(&[]).unwrap().endpoint().address().port())
        .collect()
}

#[tokio::test]
async fn every_address_of_a_name_takes_part_and_follows_its_changes() {
    let resolver = Scripted::new([
        Ok(vec![at(1), at(2)]),
        Ok(vec![at(2), at(3)]),
        Err("down"),
        Ok(vec![at(3)]),
    ]);
    let pool = pool(settings(vec![backend("name", 1)], None), resolver);
    assert!(!pool.is_alive());
    pool.look_up().await;
    let held = pool.pick(&[]).unwrap();
    assert_eq!(held.endpoint().address(), at(1));
    assert_eq!(picks(&pool, 3), [2, 1, 2]);
    pool.look_up().await;
    assert!(!picks(&pool, 4).contains(&1));
    let of = |port| {
        let snapshot = pool.snapshot();
        let it = snapshot
            .backends
            .into_iter()
            .find(|it| it.address == at(port));
        it.map(|it| (it.state, it.open))
    };
    // What is open on an address that is gone is let end.
    assert_eq!(of(1), Some((State::Draining, 1)));
    drop(held);
    assert_eq!(of(1), None);
    // A resolver that fails takes nobody's address away.
    pool.look_up().await;
    assert_eq!(pool.snapshot().unresolved.len(), 1);
    assert_eq!(picks(&pool, 2).len(), 2);
    pool.look_up().await;
    assert!(pool.snapshot().unresolved.is_empty());
    assert_eq!(picks(&pool, 2), [3, 3]);
}

#[tokio::test]
async fn settings_change_in_place() {
    let two = vec![backend("10.0.0.1", 1), backend("10.0.0.1", 3)];
    let pool = pool(settings(two.clone(), None), nobody());
    pool.look_up().await;
    let held = pool.pick(&[]).unwrap();
    let mut draining = two;
    draining[0].drain = true;
    pool.apply(settings(draining, None));
    assert_eq!(picks(&pool, 3), [3, 3, 3]);
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.backends[0].state, State::Draining);
    assert_eq!(
        (snapshot.backends[0].open, snapshot.backends[0].opened),
        (1, 1)
    );
    // Gone, and back while its connection is open: it is the same one.
    pool.apply(settings(vec![backend("10.0.0.1", 3)], None));
    pool.apply(settings(vec![backend("10.0.0.1", 1)], None));
    let again = pool.pick(&[]).unwrap();
    assert!(Arc::ptr_eq(again.endpoint(), held.endpoint()));
    assert_eq!(again.endpoint().open(), 2);
}

#[tokio::test]
async fn a_backend_that_was_tried_is_left_out() {
    let backends = vec![backend("10.0.0.1", 1), backend("10.0.0.1", 3)];
    let pool = pool(settings(backends, None), nobody());
    pool.look_up().await;
    let first = pool.pick(&[]).unwrap();
    let tried = [Arc::clone(first.endpoint())];
    let second = pool.pick(&tried).unwrap();
    let tried = [Arc::clone(first.endpoint()), Arc::clone(second.endpoint())];
    assert!(pool.pick(&tried).is_none());
}

#[tokio::test(start_paused = true)]
async fn checks_take_out_and_bring_back() {
    let backends = vec![backend("10.0.0.1", 1), backend("10.0.0.1", 2)];
    let probe = Arc::new(OddIsWell::default());
    let all = settings(backends, Some(HealthSettings::default()));
    let pool = Arc::new(Pool::new(all, nobody(), probe.clone()));
    let keeper = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.keep().await }
    });
    time::sleep(Duration::from_millis(10)).await;
    assert_eq!(picks(&pool, 3), [1, 1, 1]);
    probe
        .all_sick
        .store(true, std::sync::atomic::Ordering::Relaxed);
    time::sleep(Duration::from_secs(5)).await;
    assert!(pool.is_alive(), "two failures are not three");
    time::sleep(Duration::from_secs(2)).await;
    assert!(pool.pick(&[]).is_none());
    probe
        .all_sick
        .store(false, std::sync::atomic::Ordering::Relaxed);
    time::sleep(Duration::from_secs(4)).await;
    assert_eq!(picks(&pool, 2), [1, 1]);
    // Without checks all count as up.
    let unchecked = vec![backend("10.0.0.1", 1), backend("10.0.0.1", 2)];
    pool.apply(settings(unchecked, None));
    time::sleep(Duration::from_secs(10)).await;
    assert_eq!(picks(&pool, 2).len(), 2);
    assert!(
        pool.snapshot()
            .backends
            .iter()
            .all(|it| it.state == State::Up)
    );
    keeper.abort();
}

#[tokio::test]
async fn work_that_finds_nobody_counts_as_a_failed_check() {
    let health = HealthSettings {
        fall: 2,
        ..HealthSettings::default()
    };
    let pool = pool(
        settings(vec![backend("10.0.0.1", 1)], Some(health)),
        nobody(),
    );
    pool.look_up().await;
    let endpoint = Arc::clone(pool.pick(&[]).unwrap().endpoint());
    endpoint.checked(Ok(()), Duration::ZERO, &HealthSettings::default());
    pool.unreachable(&endpoint, "refused".to_owned());
    pool.reached(&endpoint);
    pool.unreachable(&endpoint, "refused".to_owned());
    assert!(pool.is_alive());
    pool.unreachable(&endpoint, "refused".to_owned());
    assert!(!pool.is_alive());
    assert_eq!(pool.snapshot().backends[0].failed, 3);
}

#[tokio::test]
async fn a_new_name_takes_over_when_it_is_looked_up_and_not_before() {
    let resolver = Scripted::new([Ok(vec![at(5)])]);
    let pool = pool(settings(vec![backend("10.0.0.1", 1)], None), resolver);
    pool.look_up().await;
    pool.apply(settings(vec![backend("new", 5)], None));
    assert_eq!(picks(&pool, 2), [1, 1]);
    pool.look_up().await;
    assert_eq!(picks(&pool, 2), [5, 5]);
}

/// Answers when it is told to.
#[derive(Debug)]
struct Told(Arc<Notify>);

impl Resolve for Told {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            self.0.notified().await;
            Ok(vec![at(port)])
        })
    }
}

#[tokio::test]
async fn settings_that_change_during_a_look_up_leave_no_empty_pool() {
    let tell = Arc::new(Notify::new());
    let resolver = Arc::new(Told(Arc::clone(&tell)));
    let pool = pool(settings(vec![backend("10.0.0.1", 1)], None), resolver);
    pool.look_up().await;
    pool.apply(settings(vec![backend("one", 3)], None));
    let looked_up = pool.look_up();
    tokio::pin!(looked_up);
    assert!(futures::poll!(looked_up.as_mut()).is_pending());
    // The name that is being looked up is no longer asked for, and the new one not known yet.
    pool.apply(settings(vec![backend("two", 5)], None));
    tell.notify_one();
    looked_up.await;
    assert_eq!(picks(&pool, 2), [1, 1]);
    tell.notify_one();
    pool.look_up().await;
    assert_eq!(picks(&pool, 2), [5, 5]);
}

#[tokio::test]
async fn a_pool_is_settled_when_its_names_were_looked_up() {
    let resolver = Scripted::new([Err("no such name")]);
    let named = pool(settings(vec![backend("one", 3)], None), resolver);
    assert!(futures::poll!(std::pin::pin!(named.settled())).is_pending());
    named.look_up().await;
    named.settled().await;
    let literal = pool(settings(vec![backend("10.0.0.1", 1)], None), nobody());
    literal.apply(settings(vec![backend("10.0.0.1", 1)], None));
    literal.settled().await;
}

/// One drains while another comes: at no moment was there nobody.
#[tokio::test]
async fn whoever_makes_room_for_another_leaves_no_gap_in_the_log() {
    let pool = pool(settings(vec![backend("10.0.0.1", 1)], None), nobody());
    pool.look_up().await;
    let changed = |backends: Vec<BackendSettings>| {
        let mut inner = pool.lock();
        let known = backends
            .iter()
            .filter_map(|it| Some((it.name(), vec![it.literal()?])));
        let known = known.collect();
        inner.settings = settings(backends, None);
        inner.reconcile(&known)
    };
    let drains = |port| BackendSettings {
        drain: true,
        ..backend("10.0.0.1", port)
    };
    assert_eq!(changed(vec![drains(1), backend("10.0.0.1", 3)]), None);
    assert_eq!(changed(vec![drains(1), drains(3)]), Some(false));
    assert_eq!(changed(vec![drains(1), backend("10.0.0.1", 5)]), Some(true));
    assert_eq!(changed(vec![backend("10.0.0.1", 7)]), None);
}
