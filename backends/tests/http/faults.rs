//! Each fault does what it says, and nothing else.

use std::io::ErrorKind;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use loadgen_backends::{
    Capacity, Code, Delay, ErrorFault, Faults, Probability, Queue, ServiceTimes, Stall,
};
use test_case::test_case;
use tokio::io::AsyncReadExt as _;

use super::{answer, connect, get, send, serve};

fn queue(per_second: f64) -> Queue {
    Queue {
        capacity: Capacity::new(per_second).unwrap(),
        service_times: ServiceTimes::Constant,
    }
}

#[tokio::test]
async fn a_delay_holds_every_request_up_but_health_checks() {
    let delay = Duration::from_millis(300);
    let server = serve(Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    });
    let mut client = connect(&server).await;
    for path in ["/hello", "/status/404", "/nothing"] {
        let started = Instant::now();
        get(&mut client, path).await;
        assert!(started.elapsed() >= delay, "{path}");
    }
    let started = Instant::now();
    get(&mut client, "/health").await;
    assert!(started.elapsed() < delay);
}

#[tokio::test]
async fn a_stall_holds_some_up() {
    let duration = Duration::from_millis(50);
    let server = serve(Faults {
        stall: Some(Stall {
            rate: Probability::ALWAYS,
            duration,
        }),
        ..Faults::default()
    });
    let mut client = connect(&server).await;
    let started = Instant::now();
    get(&mut client, "/hello").await;
    assert!(started.elapsed() >= duration);
}

#[test_case(Code::Unavailable, 503; "unavailable")]
#[test_case(Code::Internal, 500; "internal")]
#[test_case(Code::ResourceExhausted, 429; "exhausted")]
#[test_case(Code::DeadlineExceeded, 504; "deadline")]
#[tokio::test]
async fn errors_come_as_often_as_told_with_their_status(code: Code, status: u16) {
    let server = serve(Faults {
        error: Some(ErrorFault {
            rate: Probability::new(0.3).unwrap(),
            code,
        }),
        ..Faults::default()
    });
    let mut client = connect(&server).await;
    let mut failed = 0;
    for _ in 0..300 {
        let request = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
        send(&mut client, request).await;
        match answer(&mut client).await.said() {
            (200, "x") => {}
            (found, "failed on purpose\n") if found == status => failed += 1,
            other => panic!("{other:?}"),
        }
    }
    // Six standard deviations either way; the id seeds the dice, so it is the same every time.
    assert!((43..=137).contains(&failed), "{failed} of 300");
    assert_eq!(get(&mut client, "/health").await.said(), (200, "ok\n"));
}

#[tokio::test]
async fn throttled_requests_are_told_and_the_connection_stays() {
    let server = serve(Faults {
        throttle: NonZeroU32::new(20),
        ..Faults::default()
    });
    let mut client = connect(&server).await;
    let request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut client, request.repeat(5)).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(answer(&mut client).await.status);
    }
    // A tenth of a second's worth, which is two.
    assert_eq!(statuses[..3], [200, 200, 429]);
}

/// Connections of different threads, each with one request, the first of which comes first.
#[tokio::test]
async fn connections_wait_in_one_line_but_for_health_checks() {
    let service_time = Duration::from_millis(20);
    let server = serve(Faults {
        queue: Some(queue(50.0)),
        ..Faults::default()
    });
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(connect(&server).await);
    }
    let started = Instant::now();
    for client in &mut clients {
        send(client, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
        // So that they come in this order: less than it takes to serve one of them.
        tokio::time::sleep(service_time / 10).await;
    }
    let health = get(&mut connect(&server).await, "/health").await;
    assert_eq!(health.said(), (200, "ok\n"));
    assert!(started.elapsed() < service_time * 10);
    let answers = clients.iter_mut().map(async |client| {
        assert_eq!(answer(client).await.said().0, 200);
        started.elapsed()
    });
    let answered = futures::future::join_all(answers).await;
    for (before, at) in (1..).zip(&answered) {
        assert!(*at >= service_time * before, "{answered:?}");
    }
    assert!(answered.is_sorted(), "{answered:?}");
}

#[tokio::test]
async fn a_connection_is_cut_after_its_requests() {
    let server = serve(Faults {
        cut_after: NonZeroU64::new(2),
        ..Faults::default()
    });
    let request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    // One after the other, and all at once.
    for at_once in [false, true] {
        let mut client = connect(&server).await;
        if at_once {
            send(&mut client, request.repeat(3)).await;
        }
        for _ in 0..2 {
            if !at_once {
                send(&mut client, request).await;
            }
            assert_eq!(answer(&mut client).await.said().0, 200);
        }
        if !at_once {
            send(&mut client, request).await;
        }
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn refused_connections_are_closed_at_once() {
    let server = serve(Faults {
        refuse: Probability::ALWAYS,
        ..Faults::default()
    });
    if let Ok(mut client) = tokio::net::TcpStream::connect(server.local_addr()).await {
        assert!(!matches!(client.read(&mut [0]).await, Ok(1..)));
    }
}
