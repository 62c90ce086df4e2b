//! Each fault does what it says, and nothing else.

use std::io::ErrorKind;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use loadgen_backends::{
    Capacity, Code, Delay, ErrorFault, Faults, Probability, Queue, ServerConfig, ServiceTimes,
    TcpOptions, start_tcp,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{LINES, config, connect, receive, rest, serve};

fn queue(per_second: f64) -> Queue {
    Queue {
        capacity: Capacity::new(per_second).unwrap(),
        service_times: ServiceTimes::Constant,
    }
}

#[tokio::test]
async fn a_delay_holds_every_line_up() {
    let delay = Duration::from_millis(50);
    let faults = Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    };
    let server = serve(LINES, faults);
    let mut client = connect(&server).await;
    let started = Instant::now();
    client.write_all(b"1\n2\n").await.unwrap();
    receive(&mut client, 2).await;
    assert!(started.elapsed() >= delay);
    receive(&mut client, 2).await;
    assert!(started.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn a_delay_holds_bytes_up() {
    let delay = Duration::from_millis(50);
    let faults = Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    };
    let server = serve(TcpOptions::default(), faults);
    let mut client = connect(&server).await;
    let started = Instant::now();
    client.write_all(b"x").await.unwrap();
    receive(&mut client, 1).await;
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn lines_of_all_connections_are_served_one_after_the_other() {
    let service_time = Duration::from_millis(20);
    let faults = Faults {
        queue: Some(queue(50.0)),
        ..Faults::default()
    };
    let server = serve(LINES, faults);
    let (mut one, mut two) = (connect(&server).await, connect(&server).await);
    let started = Instant::now();
    one.write_all(b"1\n2\n").await.unwrap();
    two.write_all(b"1\n2\n").await.unwrap();
    receive(&mut one, 4).await;
    receive(&mut two, 4).await;
    assert!(started.elapsed() >= 4 * service_time);
}

#[tokio::test]
async fn an_error_ends_the_connection_in_place_of_the_answer() {
    let faults = Faults {
        error: Some(ErrorFault {
            rate: Probability::new(0.3).unwrap(),
            code: Code::Internal,
        }),
        ..Faults::default()
    };
    for options in [TcpOptions::default(), LINES] {
        let server = start_tcp(
            ServerConfig {
                faults: faults.clone(),
                measure: true,
                ..config()
            },
            options,
        )
        .unwrap();
        let mut failed = 0;
        let mut client = connect(&server).await;
        for _ in 0..300 {
            client.write_all(b"x\n").await.unwrap();
            let mut answer = [0; 2];
            if client.read(&mut answer).await.unwrap() == 0 {
                failed += 1;
                client = connect(&server).await;
            }
        }
        // Six standard deviations either way; the id seeds the dice, so it is the same every time.
        assert!((43..=137).contains(&failed), "{failed} of 300");
        server.shutdown();
        let activity = server.activity().unwrap();
        assert_eq!((activity.requests, activity.failed), (300, failed));
    }
}

#[tokio::test]
async fn what_was_answered_before_a_throttle_comes_before_the_end() {
    let faults = Faults {
        throttle: NonZeroU32::new(20),
        ..Faults::default()
    };
    let server = serve(LINES, faults);
    let mut client = connect(&server).await;
    client.write_all(b"1\n2\n3\n").await.unwrap();
    // A tenth of a second's worth, which is two.
    assert_eq!(rest(&mut client).await, b"1\n2\n");
}

#[tokio::test]
async fn a_connection_is_cut_after_its_lines() {
    let faults = Faults {
        cut_after: NonZeroU64::new(2),
        ..Faults::default()
    };
    let server = serve(LINES, faults);
    for _ in 0..3 {
        let mut client = connect(&server).await;
        for line in [b"1\n", b"2\n"] {
            client.write_all(line).await.unwrap();
            assert_eq!(receive(&mut client, 2).await, line);
        }
        client.write_all(b"3\n").await.unwrap();
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn refused_connections_are_closed_at_once() {
    let faults = Faults {
        refuse: Probability::ALWAYS,
        ..Faults::default()
    };
    let server = serve(TcpOptions::default(), faults);
    if let Ok(mut client) = tokio::net::TcpStream::connect(server.local_addr()).await {
        assert!(!matches!(client.read(&mut [0]).await, Ok(1..)));
    }
}
