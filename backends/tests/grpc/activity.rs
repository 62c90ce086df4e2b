//! What a server counts and measures of itself.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::StreamExt as _;
use loadgen_backends::proto::{ComputeRequest, HelloRequest, StreamRequest};
use loadgen_backends::{
    Activity, Code, Delay, ErrorFault, Faults, Probability, RunningServer, ServerConfig, limits,
    start_grpc,
};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{channel, client, config};

fn measuring(faults: Faults) -> RunningServer {
    let measure = true;
    start_grpc(ServerConfig {
        faults,
        measure,
        ..config()
    })
    .unwrap()
}

/// Reads until this holds; the server may hear of its peer's end a moment later.
async fn read_until(server: &RunningServer, holds: impl Fn(&Activity) -> bool) -> Activity {
    let reading = async {
        loop {
            let activity = server.activity().unwrap();
            if holds(&activity) {
                return activity;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_is_measured_unasked() {
    let server = start_grpc(config()).unwrap();
    client(&server)
        .await
        .hello(HelloRequest::default())
        .await
        .unwrap();
    assert!(server.activity().is_none());
}

#[tokio::test]
async fn counts_are_exact_while_many_ask_and_somebody_reads() {
    let server = Arc::new(measuring(Faults::default()));
    let (over, told) = mpsc::channel::<()>();
    let read = Arc::clone(&server);
    let reader = std::thread::spawn(move || {
        let mut times = 0;
        while told.try_recv() == Err(mpsc::TryRecvError::Empty) {
            times += read.activity().unwrap().handling_time.len();
        }
        times
    });
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(client(&server).await);
    }
    let calls = clients.iter().flat_map(|client| {
        (0..500).map(|_| {
            let mut client = client.clone();
            async move { client.hello(HelloRequest::default()).await.unwrap() }
        })
    });
    futures::future::join_all(calls.collect::<Vec<_>>()).await;
    drop(over);
    let mut times = reader.join().unwrap();
    let activity = server.activity().unwrap();
    times += activity.handling_time.len();
    assert_eq!(
        (activity.requests, activity.failed, times),
        (2_000, 0, 2_000)
    );
    let connections = (activity.connections_opened, activity.connections_open);
    assert_eq!(connections, (4, 4));
    drop(clients);
    let activity = read_until(&server, |it| it.connections_open == 0).await;
    assert_eq!(activity.connections_opened, 4);
    server.shutdown();
    assert_eq!(server.activity().unwrap().requests, 2_000);
}

#[tokio::test]
async fn errors_on_purpose_are_failures() {
    let server = measuring(Faults {
        error: Some(ErrorFault {
            rate: Probability::new(0.3).unwrap(),
            code: Code::Unavailable,
        }),
        ..Faults::default()
    });
    let mut client = client(&server).await;
    let mut failed = 0;
    for _ in 0..200 {
        failed += u64::from(client.hello(HelloRequest::default()).await.is_err());
    }
    let activity = server.activity().unwrap();
    assert!((1..200).contains(&failed), "{failed}");
    assert_eq!((activity.requests, activity.failed), (200, failed));
}

#[tokio::test]
async fn what_is_refused_is_a_failure_and_health_checks_are_no_requests() {
    let server = measuring(Faults::default());
    let rounds = limits::COMPUTE_ROUNDS + 1;
    let refused = client(&server)
        .await
        .compute(ComputeRequest { rounds })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let mut health = HealthClient::new(channel(&server).await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    let activity = server.activity().unwrap();
    assert_eq!((activity.requests, activity.failed), (1, 1));
}

#[tokio::test]
async fn handling_holds_the_delay() {
    let delay = Duration::from_millis(20);
    let server = measuring(Faults {
        delay: Some(Delay::fixed(delay)),
        ..Faults::default()
    });
    let client = client(&server).await;
    let calls = (0..50).map(|_| {
        let mut client = client.clone();
        async move { client.hello(HelloRequest::default()).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    let times = server.activity().unwrap().handling_time;
    assert_eq!(times.len(), 50);
    let half = Duration::from_nanos(times.value_at_quantile(0.5));
    // The upper bound is for a machine that has other things to do.
    assert!((delay..Duration::from_secs(5)).contains(&half), "{half:?}");
}

#[tokio::test]
async fn a_stream_is_handled_until_its_last_message() {
    let server = measuring(Faults::default());
    let mut client = client(&server).await;
    let asked = StreamRequest {
        count: 3,
        interval_us: 20_000,
        ..StreamRequest::default()
    };
    let mut stream = client.stream(asked).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    assert_eq!(server.activity().unwrap().requests, 0);
    while stream.next().await.is_some() {}
    let activity = server.activity().unwrap();
    assert_eq!((activity.requests, activity.failed), (1, 0));
    let took = Duration::from_nanos(activity.handling_time.max());
    assert!(took >= Duration::from_millis(38), "{took:?}");
}

#[tokio::test]
async fn a_call_given_up_is_not_counted() {
    let server = measuring(Faults::default());
    let mut client = client(&server).await;
    let asked = StreamRequest {
        count: 2,
        interval_us: limits::STREAM_INTERVAL_US,
        ..StreamRequest::default()
    };
    let mut stream = client.stream(asked).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    drop((stream, client));
    let activity = read_until(&server, |it| it.connections_open == 0).await;
    assert_eq!((activity.requests, activity.failed), (0, 0));
}
