//! Services that change while they are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen_backends::balance::http::ServicesError;

use super::common::*;

#[tokio::test]
async fn services_take_the_place_of_others_and_no_request_is_lost() {
    let (one, two) = (backend("one"), backend("two"));
    let with =
        |backends: &[std::net::SocketAddr]| services([service("a", backends.iter().copied())]);
    let balancer = Arc::new(start(settings(with(&[one.local_addr()]))));
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, address) = (Arc::clone(&over), balancer.local_addr());
            tokio::spawn(async move {
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    let reply = ask(address, "GET", "/a/hello").await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let sets = [
        vec![two.local_addr()],
        vec![one.local_addr(), two.local_addr()],
        vec![one.local_addr()],
    ];
    for backends in sets.iter().cycle().take(30) {
        balancer.services().replace(with(backends)).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut asked = 0_u64;
    for client in clients {
        asked += within(client).await.unwrap();
    }
    // What was counted before is still there.
    assert_eq!(status(&balancer)["requests"]["requests"], asked);
    assert!(asked > 30);
}

#[tokio::test]
async fn a_service_that_goes_is_gone_and_what_is_open_ends() {
    let one = backend("one");
    let balancer = start(settings(services([service("a", [one.local_addr()])])));
    let address = balancer.local_addr();
    let path = "/a/stream?count=3&interval_us=100000";
    let asked = tokio::spawn(async move { ask(address, "GET", path).await });
    until(|| status(&balancer)["requests"]["open"] == 1).await;
    let new = services([service("b", [one.local_addr()])]);
    balancer.services().replace(new).unwrap();
    assert_eq!(get(&balancer, "/a/hello").await.status, 404);
    assert_eq!(get(&balancer, "/b/hello").await.status, 200);
    let reply = within(asked).await.unwrap();
    assert!(reply.body.contains("\"sequence\":2"), "{}", reply.body);
}

#[tokio::test]
async fn services_that_cannot_be_change_nothing() {
    let one = backend("one");
    let balancer = start(settings(services([service("a", [one.local_addr()])])));
    let twice = services([
        service("b", [one.local_addr()]),
        service("b", [one.local_addr()]),
    ]);
    let name = "b".to_owned();
    assert_eq!(
        balancer.services().replace(twice),
        Err(ServicesError::Duplicate { name })
    );
    let mut unknown = services([service("b", [one.local_addr()])]);
    unknown.default_service = Some("c".to_owned());
    let name = "c".to_owned();
    assert_eq!(
        balancer.services().replace(unknown),
        Err(ServicesError::UnknownDefault { name })
    );
    assert_eq!(get(&balancer, "/a/hello").await.status, 200);
    let status = balancer.services().status("a").unwrap();
    assert_eq!(status["backends"][0]["state"], "up");
    assert_eq!(balancer.services().status("b"), None);
}

#[tokio::test]
async fn a_reload_changes_all_but_what_needs_a_new_start() {
    let one = backend("one");
    let before = settings(services([service("a", [one.local_addr()])]));
    let balancer = start(before.clone());
    let mut fixed = before.clone();
    fixed.threads = Some(1);
    assert_eq!(balancer.reload(fixed).unwrap_err().field, "threads");
    let mut after = before;
    after.limits.header_bytes = 1024;
    after.services.services[0].name = "b".to_owned();
    balancer.reload(after).unwrap();
    assert_eq!(get(&balancer, "/a/hello").await.status, 404);
    let large = format!("X-A: {}\r\n", "a".repeat(1500));
    let reply = send(balancer.local_addr(), "GET", "/b/hello", &large, "").await;
    assert_eq!(reply.status, 431);
}

#[tokio::test]
async fn the_page_and_the_figures_have_every_service() {
    let (one, two) = (backend("one"), backend("two"));
    let all = services([
        service("a", [one.local_addr()]),
        service("b", [two.local_addr()]),
    ]);
    let mut settings = settings(all);
    settings.status = Some(([127, 0, 0, 1], 0).into());
    let balancer = start(settings);
    get(&balancer, "/a/hello").await;
    get(&balancer, "/c/hello").await;
    let page = balancer.status_addr().unwrap();
    let metrics = ask(page, "GET", "/metrics").await.body;
    let has = |line: &str| assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    has("loadgen_balancer_requests_total{service=\"a\"} 1");
    has("loadgen_balancer_requests_total{service=\"b\"} 0");
    has("loadgen_balancer_responses_total{service=\"a\",class=\"2xx\"} 1");
    has("loadgen_balancer_problems_total{service=\"\",kind=\"no_service\"} 1");
    let heading = "# TYPE loadgen_balancer_backend_up gauge";
    assert_eq!(metrics.matches(heading).count(), 1);
    assert!(
        ask(page, "GET", "/")
            .await
            .body
            .contains("<h2>b (round_robin)</h2>")
    );
    assert_eq!(ask(page, "GET", "/health").await.status, 200);
}

#[tokio::test]
async fn thousands_of_services_take_the_place_of_others() {
    let one = backend("one");
    let many = |from: usize| {
        let names = (from..from + 3000).map(|at| format!("service-{at}"));
        services(names.map(|name| service(&name, [one.local_addr()])))
    };
    let balancer = start(settings(many(0)));
    assert_eq!(get(&balancer, "/service-0/hello").await.status, 200);
    balancer.services().replace(many(2000)).unwrap();
    assert_eq!(get(&balancer, "/service-0/hello").await.status, 404);
    assert_eq!(get(&balancer, "/service-2000/hello").await.status, 200);
    assert_eq!(get(&balancer, "/service-4999/hello").await.status, 200);
}
