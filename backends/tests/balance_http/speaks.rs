//! What is spoken besides HTTP/1.1: HTTP/2 on both sides, gRPC, WebSocket.

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadgen_backends::balance::http::{BackendProtocol, RunningHttpBalancer};
use loadgen_backends::proto::greeter_client::GreeterClient;
use loadgen_backends::proto::{HelloRequest, StreamRequest};
use loadgen_backends::{start_grpc, start_websocket};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::common::*;

/// An answer over HTTP/2, to a request that is one of several on its connection.
async fn over_two(balancer: &RunningHttpBalancer, count: usize) -> Vec<(u16, String)> {
    let stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let io = TokioIo::new(stream);
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    let asked = (0..count).map(|at| {
        let mut sender = sender.clone();
        async move {
            let request = Request::post("http://there/a/echo");
            let body = Full::new(Bytes::from(format!("body {at}")));
            let sent = sender.send_request(request.body(body).unwrap()).await;
            let (parts, body) = sent.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            (parts.status.as_u16(), text)
        }
    });
    within(futures::future::join_all(asked)).await
}

async fn all_come_back(protocol: BackendProtocol) {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |it| it.protocol = protocol);
    let answers = over_two(&balancer, 50).await;
    let wanted: Vec<_> = (0..50).map(|at| (200, format!("body {at}"))).collect();
    assert_eq!(answers, wanted);
    // And over HTTP/1.1 in front.
    let reply = send(balancer.local_addr(), "POST", "/a/echo", "", "hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
}

#[tokio::test]
async fn http_2_in_front_of_http_1() {
    all_come_back(BackendProtocol::Http1).await;
}

#[tokio::test]
async fn http_2_on_both_sides() {
    all_come_back(BackendProtocol::Http2).await;
}

#[tokio::test]
async fn problems_are_told_over_http_2_and_the_connection_goes_on() {
    let balancer = balance([nobody().await], |_| {});
    let answers = over_two(&balancer, 3).await;
    for (status, body) in answers {
        assert_eq!(status, 502);
        assert!(body.contains("\"kind\":\"unreachable\""), "{body}");
    }
}

#[tokio::test]
async fn a_stream_whose_answer_breaks_off_is_cut_off_alone() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let script: &'static [Act] = Box::leak(Box::new([Act::Say(half)]));
    let bad = Scripted::start(script).await;
    let balancer = balance([bad.address], |_| {});
    let stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let io = TokioIo::new(stream);
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = made.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::get("http://there/a/b").body(Full::<Bytes>::default());
        let sent = within(sender.send_request(request.unwrap())).await;
        let body = within(sent.unwrap().into_body().collect()).await;
        assert!(body.is_err());
    }
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() {
    let (one, two) = (
        start_grpc(config("one")).unwrap(),
        start_grpc(config("two")).unwrap(),
    );
    let mut service = service("greeter", [one.local_addr(), two.local_addr()]);
    service.protocol = BackendProtocol::Http2;
    let mut all = services([service]);
    all.default_service = Some("greeter".to_owned());
    let balancer = start(settings(all));
    let address = format!("http://{}", balancer.local_addr());
    let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap();
    let mut client = GreeterClient::new(endpoint.connect().await.unwrap());
    let mut senders = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..10 {
        let name = "you".to_owned();
        let reply = within(client.hello(HelloRequest { name })).await.unwrap();
        let sender = reply.metadata().get("x-loadgen-backend").unwrap();
        *senders
            .entry(sender.to_str().unwrap().to_owned())
            .or_default() += 1;
        assert_eq!(reply.into_inner().message, "Hello, you!");
    }
    // One connection of the client's, and its calls go to both.
    assert_eq!(senders.into_values().collect::<Vec<_>>(), [5, 5]);
    let request = StreamRequest {
        count: 5,
        ..StreamRequest::default()
    };
    let mut stream = within(client.stream(request)).await.unwrap().into_inner();
    let mut got = 0;
    while let Some(message) = within(stream.message()).await.unwrap() {
        assert_eq!(message.sequence, got);
        got += 1;
    }
    assert_eq!(got, 5);
    // An error is a trailer.
    let request = StreamRequest {
        count: u32::MAX,
        ..StreamRequest::default()
    };
    let refused = within(client.stream(request)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    // The balancer's own answers have a status of gRPC.
    drop((one, two));
    let name = "you".to_owned();
    let refused = within(client.hello(HelloRequest { name }))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    assert!(refused.message().contains("takes"), "{refused}");
}

#[tokio::test]
async fn websocket_passes() {
    let one = start_websocket(config("one")).unwrap();
    let balancer = balance([one.local_addr()], |_| {});
    let stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    let url = format!("ws://{}/a/echo", balancer.local_addr());
    let (mut client, response) = within(client_async(url, stream)).await.unwrap();
    assert_eq!(response.status(), 101);
    for at in 0..20 {
        let text = format!("message {at}");
        client.send(Message::text(text.clone())).await.unwrap();
        let reply = within(client.next()).await.unwrap().unwrap();
        assert_eq!(reply.into_text().unwrap().as_str(), text);
    }
    let figures = status(&balancer);
    assert_eq!(figures["requests"]["upgraded"], 1);
    assert_eq!(figures["requests"]["open"], 1);
    client.close(None).await.unwrap();
    while let Some(Ok(_)) = within(client.next()).await {}
    drop(client);
    until(|| status(&balancer)["requests"]["open"] == 0).await;
    let backend = &status(&balancer)["pool"]["backends"][0];
    assert!(backend["bytes_sent"].as_u64() > Some(200), "{backend}");
    assert_eq!(backend["open"], 0);
}

#[tokio::test]
async fn a_websocket_that_is_refused_is_an_answer() {
    let one = backend("one");
    let balancer = balance([one.local_addr()], |_| {});
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let text = format!("GET /a/hello HTTP/1.1\r\nHost: there\r\n{headers}\r\n");
    let mut stream = TcpStream::connect(balancer.local_addr()).await.unwrap();
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = within(stream.read(&mut answer)).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    let two = balance([one.local_addr()], |it| {
        it.protocol = BackendProtocol::Http2;
    });
    let headers = format!("{headers}Connection: close\r\n");
    let reply = send(two.local_addr(), "GET", "/a/hello", &headers, "").await;
    assert_eq!((reply.status, reply.kind()), (501, "not_served".to_owned()));
}
