//! The six calls: what they answer, who says so, and what they refuse.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use loadgen_backends::proto::{
    ChatMessage, ComputeRequest, EchoRequest, HelloRequest, Identity, StreamRequest,
};
use loadgen_backends::{Faults, limits};
use test_case::test_case;
use tonic::{Code, Request, Response};

use super::{ID, client, config, sender, serve};

/// Checks the identity in both places, and gives the message back.
fn signed<T>(response: Response<T>, backend: impl FnOnce(&T) -> Option<&Identity>) -> T {
    assert_eq!(sender(response.metadata()), ID);
    let message = response.into_inner();
    check(backend(&message));
    message
}

fn check(backend: Option<&Identity>) {
    let backend = backend.expect("the reply names its backend");
    assert_eq!(backend.id, ID);
    assert_eq!(backend.version, env!("CARGO_PKG_VERSION"));
    assert!(!backend.host.is_empty());
}

#[tokio::test]
async fn hello_greets_by_name() {
    let server = serve(Faults::default());
    let name = "world".to_owned();
    let reply = client(&server).await.hello(HelloRequest { name }).await;
    let reply = signed(reply.unwrap(), |reply| reply.backend.as_ref());
    assert_eq!(reply.message, "Hello, world!");
}

#[tokio::test]
async fn compute_takes_as_long_as_its_work_and_is_reproducible() {
    let server = serve(Faults::default());
    let mut client = client(&server).await;
    let mut compute = async |rounds| {
        let reply = client.compute(ComputeRequest { rounds }).await;
        signed(reply.unwrap(), |reply| reply.backend.as_ref())
    };
    let small = compute(1_000).await;
    let large = compute(1_000_000).await;
    assert_eq!(compute(1_000).await.result, small.result);
    assert_ne!(large.result, small.result);
    // A thousand times the work, on a machine that has other things to do.
    assert!(
        large.elapsed_us > 10 * small.elapsed_us.max(1),
        "{} us against {} us",
        large.elapsed_us,
        small.elapsed_us
    );
}

#[tokio::test]
async fn a_large_compute_leaves_room_for_its_neighbours() {
    let server = loadgen_backends::start_grpc(loadgen_backends::ServerConfig {
        threads: Some(1),
        ..config()
    })
    .unwrap();
    let mut busy = client(&server).await;
    let mut quick = client(&server).await;
    let rounds = limits::COMPUTE_ROUNDS / 4;
    let large = tokio::spawn(async move { busy.compute(ComputeRequest { rounds }).await });
    // They share the only worker. Were it held, the first of these would wait for the large one.
    let mut greeted = 0;
    while !large.is_finished() {
        quick.hello(HelloRequest::default()).await.unwrap();
        greeted += 1;
    }
    assert!(greeted > 10, "{greeted} greetings while it computed");
}

#[test_case(0; "empty")]
#[test_case(1)]
#[test_case(1024; "a kilobyte")]
#[test_case(3 << 20; "larger than the windows")]
#[tokio::test]
async fn echo_returns_the_payload(bytes: usize) {
    let server = serve(Faults::default());
    let payload: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    let request = EchoRequest {
        payload: payload.clone().into(),
    };
    let reply = client(&server).await.echo(request).await.unwrap();
    let reply = signed(reply, |reply| reply.backend.as_ref());
    assert!(reply.payload == payload);
}

#[tokio::test]
async fn stream_sends_as_many_as_asked_in_order() {
    let server = serve(Faults::default());
    let request = StreamRequest {
        count: 1_000,
        interval_us: 0,
        payload_bytes: 100,
    };
    let response = client(&server).await.stream(request).await.unwrap();
    assert_eq!(sender(response.metadata()), ID);
    let messages: Vec<_> = response.into_inner().collect().await;
    assert_eq!(messages.len(), 1_000);
    for (expected, message) in (0..).zip(messages) {
        let message = message.unwrap();
        assert_eq!(message.sequence, expected);
        assert_eq!(message.payload.len(), 100);
        check(message.backend.as_ref());
    }
}

#[tokio::test]
async fn stream_keeps_its_interval() {
    let server = serve(Faults::default());
    let request = StreamRequest {
        count: 4,
        interval_us: 30_000,
        payload_bytes: 0,
    };
    let started = Instant::now();
    let response = client(&server).await.stream(request).await.unwrap();
    assert_eq!(response.into_inner().count().await, 4);
    assert!(started.elapsed() >= Duration::from_millis(90));
}

#[tokio::test]
async fn an_empty_stream_ends_well() {
    let server = serve(Faults::default());
    let request = StreamRequest::default();
    let response = client(&server).await.stream(request).await.unwrap();
    assert_eq!(sender(response.metadata()), ID);
    assert!(response.into_inner().message().await.unwrap().is_none());
}

#[tokio::test]
async fn collect_counts_messages_and_bytes() {
    let server = serve(Faults::default());
    let messages = (0..100_usize).map(|bytes| EchoRequest {
        payload: vec![0; bytes].into(),
    });
    let reply = client(&server).await.collect(stream::iter(messages)).await;
    let reply = signed(reply.unwrap(), |reply| reply.backend.as_ref());
    assert_eq!((reply.messages, reply.bytes), (100, 4950));
}

#[tokio::test]
async fn chat_answers_each_message_before_the_next_is_sent() {
    let server = serve(Faults::default());
    let (sender_half, receiver) = tokio::sync::mpsc::unbounded_channel();
    let outgoing = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|message| (message, receiver))
    });
    let response = client(&server).await.chat(outgoing).await.unwrap();
    assert_eq!(sender(response.metadata()), ID);
    let mut incoming = response.into_inner();
    for sequence in 0..100 {
        let text = format!("message {sequence}");
        sender_half
            .send(ChatMessage {
                text: text.clone(),
                sequence,
                backend: None,
            })
            .unwrap();
        let answer = incoming.message().await.unwrap().unwrap();
        assert_eq!((answer.text, answer.sequence), (text, sequence));
        check(answer.backend.as_ref());
    }
    drop(sender_half);
    assert!(incoming.message().await.unwrap().is_none());
}

#[tokio::test]
async fn too_much_is_refused_with_what_is_allowed() {
    let server = serve(Faults::default());
    let mut client = client(&server).await;
    let rounds = limits::COMPUTE_ROUNDS + 1;
    let mut statuses = vec![client.compute(ComputeRequest { rounds }).await.unwrap_err()];
    for request in [
        StreamRequest {
            count: limits::STREAM_MESSAGES + 1,
            ..StreamRequest::default()
        },
        StreamRequest {
            interval_us: limits::STREAM_INTERVAL_US + 1,
            ..StreamRequest::default()
        },
        StreamRequest {
            payload_bytes: limits::STREAM_PAYLOAD_BYTES + 1,
            ..StreamRequest::default()
        },
    ] {
        statuses.push(client.stream(request).await.unwrap_err());
    }
    let mut messages = Vec::new();
    for status in &statuses {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(sender(status.metadata()), ID);
        messages.push(status.message());
    }
    insta::assert_snapshot!(messages.join("\n"), @"
    rounds is 100000001, at most 100000000 is allowed
    count is 10000001, at most 10000000 is allowed
    interval_us is 60000001, at most 60000000 is allowed
    payload_bytes is 4000001, at most 4000000 is allowed
    ");
}

#[test_case("/loadgen.v1.Greeter/Goodbye"; "method of the service")]
#[test_case("/other.v1.Service/Call"; "other service")]
#[test_case("/"; "no service")]
#[tokio::test]
async fn what_is_not_there_is_unimplemented_and_says_by_whom(path: &'static str) {
    let server = serve(Faults::default());
    let mut grpc = tonic::client::Grpc::new(super::channel(&server).await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HelloRequest, HelloRequest>::new();
    let status = grpc
        .unary(
            Request::new(HelloRequest::default()),
            path.parse().unwrap(),
            codec,
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(sender(status.metadata()), ID);
}

#[tokio::test]
async fn five_hundred_streams_share_a_connection() {
    let server = serve(Faults::default());
    let client = client(&server).await;
    // Each holds its stream open until all are.
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(500));
    let chats = (0..500).map(|sequence| {
        let (mut client, barrier) = (client.clone(), barrier.clone());
        async move {
            let message = ChatMessage {
                sequence,
                ..ChatMessage::default()
            };
            let outgoing = stream::iter([message]).chain(stream::pending());
            let mut incoming = client.chat(outgoing).await.unwrap().into_inner();
            let answer = incoming.message().await.unwrap().unwrap();
            barrier.wait().await;
            assert_eq!(answer.sequence, sequence);
        }
    });
    tokio::time::timeout(Duration::from_secs(30), futures::future::join_all(chats))
        .await
        .expect("all streams run at once");
}

/// What the server below says of its streams. No other test has it say anything.
static STREAM_LOG: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

#[tokio::test]
async fn a_stream_is_told_of_from_its_opening_to_its_end() {
    let server = loadgen_backends::start_grpc(loadgen_backends::ServerConfig {
        id: Some("v1a".to_owned()),
        version: Some("v1".to_owned()),
        stream_log: Some(|line| STREAM_LOG.lock().unwrap().push(line.to_owned())),
        ..config()
    })
    .unwrap();
    let ping = ChatMessage {
        text: "ping".to_owned(),
        ..ChatMessage::default()
    };
    let mut request = Request::new(stream::iter([ping]));
    let metadata = request.metadata_mut();
    metadata.insert("agent-id", "agent-v1.1-0".parse().unwrap());
    metadata.insert("agent-version", "v1.1".parse().unwrap());
    let response = client(&server).await.chat(request).await.unwrap();
    let mut pongs = response.into_inner();
    let pong = pongs.message().await.unwrap().unwrap();
    let backend = pong.backend.unwrap();
    assert_eq!((&*backend.id, &*backend.version), ("v1a", "v1"));
    assert_eq!(pongs.message().await.unwrap(), None);
    server.shutdown();
    let told = STREAM_LOG.lock().unwrap();
    assert_eq!(
        *told,
        [
            "[SERVER_v1/v1a] Stream opened from agent-id=agent-v1.1-0 agent-version=v1.1",
            "[SERVER_v1/v1a] Received ping from agent-id=agent-v1.1-0 agent-version=v1.1 message=ping",
            "[SERVER_v1/v1a] Sent pong to agent-id=agent-v1.1-0",
            "[SERVER_v1/v1a] Stream closed from agent-id=agent-v1.1-0 agent-version=v1.1",
        ]
    );
}

#[test]
fn a_version_that_cannot_be_said_is_refused() {
    let error = loadgen_backends::start_grpc(loadgen_backends::ServerConfig {
        version: Some("version one".to_owned()),
        ..config()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the version \"version one\" must be 1 to 128 visible ASCII characters"
    );
}
