//! Each fault does what it says, and nothing else.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use loadgen_backends::proto::{HelloRequest, StreamRequest};
use loadgen_backends::{
    Capacity, Delay, ErrorFault, Faults, Probability, Queue, ServiceTimes, Stall,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{ID, channel, client, sender, serve};

fn rate(share: f64) -> Probability {
    Probability::new(share).unwrap()
}

fn queue(per_second: f64) -> Queue {
    Queue {
        capacity: Capacity::new(per_second).unwrap(),
        service_times: ServiceTimes::Constant,
    }
}

#[tokio::test]
async fn a_delay_holds_every_call_up() {
    let delay = Duration::from_millis(50);
    let server = serve(Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    });
    let mut client = client(&server).await;
    let started = Instant::now();
    client.hello(HelloRequest::default()).await.unwrap();
    assert!(started.elapsed() >= delay);
    let started = Instant::now();
    client.stream(StreamRequest::default()).await.unwrap();
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn delayed_calls_wait_side_by_side() {
    let server = serve(Faults {
        delay: Some(Delay::fixed(Duration::from_millis(100))),
        ..Faults::default()
    });
    let client = client(&server).await;
    let started = Instant::now();
    let calls = (0..100).map(|_| {
        let mut client = client.clone();
        async move { client.hello(HelloRequest::default()).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    // One after the other would be ten seconds.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stall_holds_some_calls_up() {
    let duration = Duration::from_millis(50);
    let server = serve(Faults {
        stall: Some(Stall {
            rate: Probability::ALWAYS,
            duration,
        }),
        ..Faults::default()
    });
    let started = Instant::now();
    client(&server)
        .await
        .hello(HelloRequest::default())
        .await
        .unwrap();
    assert!(started.elapsed() >= duration);
}

#[tokio::test]
async fn errors_come_as_often_as_told_with_code_and_identity() {
    let server = serve(Faults {
        error: Some(ErrorFault {
            rate: rate(0.3),
            code: Code::Unavailable,
        }),
        ..Faults::default()
    });
    let mut client = client(&server).await;
    let mut failed = 0;
    for _ in 0..1_000 {
        if let Err(status) = client.hello(HelloRequest::default()).await {
            assert_eq!(status.code(), Code::Unavailable);
            assert_eq!(status.message(), "failed on purpose");
            assert_eq!(sender(status.metadata()), ID);
            failed += 1;
        }
    }
    // Six standard deviations either way; the id seeds the dice, so it is the same every time.
    assert!((213..=387).contains(&failed), "{failed} of 1000");
}

#[tokio::test]
async fn health_stays_well_whatever_the_calls_do() {
    let server = serve(Faults {
        error: Some(ErrorFault {
            rate: Probability::ALWAYS,
            code: Code::Internal,
        }),
        ..Faults::default()
    });
    let request = HelloRequest::default();
    let status = client(&server).await.hello(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    HealthClient::new(channel(&server).await)
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn throttled_calls_are_told_so() {
    let server = serve(Faults {
        throttle: NonZeroU32::new(20),
        ..Faults::default()
    });
    let mut client = client(&server).await;
    let started = Instant::now();
    let (mut answered, mut throttled) = (0_u32, 0_u32);
    while answered < 10 {
        match client.hello(HelloRequest::default()).await {
            Ok(_) => answered += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                assert_eq!(sender(status.metadata()), ID);
                throttled += 1;
            }
        }
    }
    // Two at once, then one every 50 ms.
    assert!(started.elapsed() >= Duration::from_millis(390));
    assert!(throttled > 0);
}

/// Four connections, over two threads, with a second's worth of calls at once. What the wire carries is looked at: a
/// client's tasks may be told of their answers in another order than these came in.
#[tokio::test]
async fn a_queue_serves_its_capacity_and_keeps_the_order() {
    const CONNECTIONS: u32 = 4;
    const CALLS: u32 = 250;
    let server = serve(Faults {
        queue: Some(queue((CONNECTIONS * CALLS).into())),
        ..Faults::default()
    });
    let connections = (0..CONNECTIONS).map(|_| answers(server.local_addr(), CALLS));
    let answered = futures::future::join_all(connections).await;
    let times = answered.iter().flatten().map(|(_, at)| *at);
    let mut times = Vec::from_iter(times);
    times.sort_unstable();
    // The first may be answered before the client has sent all and looks at answers.
    let times = &times[times.len() / 5..];
    let took = times[times.len() - 1] - times[0];
    let rate = (times.len() - 1) as f64 / took.as_secs_f64();
    assert!((980.0..1_020.0).contains(&rate), "{rate} a second");
    for connection in answered {
        let streams = connection.into_iter().map(|(stream, _)| stream);
        let in_order = (0..CALLS).map(|nth| 2 * nth + 1);
        assert_eq!(Vec::from_iter(streams), Vec::from_iter(in_order));
    }
}

/// Makes so many calls at once over a connection of its own, frame by frame: the stream of each answer, and when its
/// end came, in that order.
async fn answers(server: SocketAddr, calls: u32) -> Vec<(u32, Instant)> {
    const DATA: u8 = 0x0;
    const HEADERS: u8 = 0x1;
    const SETTINGS: u8 = 0x4;
    const END_STREAM: u8 = 0x1;
    const END_HEADERS: u8 = 0x4;
    // RFC 7541: `:method: POST` and `:scheme: http` of the static table, and two fields in full.
    let mut fields = b"\x83\x86\x04\x19/loadgen.v1.Greeter/Hello".to_vec();
    fields.extend(b"\x00\x0ccontent-type\x10application/grpc");
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in (0..calls).map(|nth| 2 * nth + 1) {
        sent.extend(frame(HEADERS, END_HEADERS, stream, &fields));
        // A message that is not compressed and has no bytes.
        sent.extend(frame(DATA, END_STREAM, stream, &[0; 5]));
    }
    let mut connection = BufStream::new(TcpStream::connect(server).await.unwrap());
    connection.write_all(&sent).await.unwrap();
    connection.flush().await.unwrap();
    let mut answers = Vec::new();
    while answers.len() < calls as usize {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.unwrap();
        let [high, middle, low, kind, flags, stream @ ..] = head;
        let stream = u32::from_be_bytes(stream);
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        connection.read_exact(&mut payload).await.unwrap();
        if kind == HEADERS && flags & END_STREAM != 0 {
            answers.push((stream, Instant::now()));
        }
    }
    answers
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_takes_its_time_and_health_checks_take_none() {
    let service_time = Duration::from_millis(100);
    let server = serve(Faults {
        queue: Some(queue(10.0)),
        ..Faults::default()
    });
    let mut client = client(&server).await;
    let mut health = HealthClient::new(channel(&server).await);
    let started = Instant::now();
    for _ in 0..2 {
        let hello = client.hello(HelloRequest::default());
        tokio::time::timeout(service_time / 5, hello)
            .await
            .unwrap_err();
    }
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert!(started.elapsed() < service_time);
    client.hello(HelloRequest::default()).await.unwrap();
    assert!(started.elapsed() >= 3 * service_time);
}

#[tokio::test]
async fn a_connection_is_cut_after_its_requests() {
    let server = serve(Faults {
        cut_after: NonZeroU64::new(3),
        ..Faults::default()
    });
    // Each connection has its own count.
    for _ in 0..2 {
        let mut client = client(&server).await;
        for _ in 0..3 {
            client.hello(HelloRequest::default()).await.unwrap();
        }
        let status = client.hello(HelloRequest::default()).await.unwrap_err();
        // No word from the backend: the transport broke.
        assert_eq!(sender(status.metadata()), "nobody");
    }
}

#[tokio::test]
async fn refused_connections_are_closed_at_once() {
    let server = serve(Faults {
        refuse: Probability::ALWAYS,
        ..Faults::default()
    });
    // The system completes the connection before the backend sees it, so it may open, but no more.
    if let Ok(mut stream) = TcpStream::connect(server.local_addr()).await {
        let mut byte = [0];
        assert!(!matches!(stream.read(&mut byte).await, Ok(1..)));
    }
}

#[tokio::test]
async fn some_connections_are_refused_and_the_others_work() {
    let server = serve(Faults {
        refuse: rate(0.5),
        ..Faults::default()
    });
    let (mut served, mut refused) = (0, 0);
    for _ in 0..100 {
        let endpoint = format!("http://{}", server.local_addr());
        let endpoint = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
        let greeted = match endpoint.connect().await {
            Ok(channel) => loadgen_backends::proto::greeter_client::GreeterClient::new(channel)
                .hello(HelloRequest::default())
                .await
                .is_ok(),
            Err(_) => false,
        };
        if greeted {
            served += 1;
        } else {
            refused += 1;
        }
    }
    assert!(
        served >= 20 && refused >= 20,
        "{served} served, {refused} refused"
    );
}
