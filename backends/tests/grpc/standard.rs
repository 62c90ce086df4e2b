//! Health checking and reflection, as any gRPC tool asks for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use loadgen_backends::Faults;
use loadgen_backends::proto::greeter_client::GreeterClient;
use loadgen_backends::proto::{GREETER, HelloRequest};
use test_case::test_case;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{ID, channel, sender, serve};

#[test_case(""; "the server")]
#[test_case(GREETER; "the service")]
#[tokio::test]
async fn is_serving(service: &str) {
    let server = serve(Faults::default());
    let response = HealthClient::new(channel(&server).await)
        .check(HealthCheckRequest {
            service: service.to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(sender(response.metadata()), ID);
    assert_eq!(response.into_inner().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn an_unknown_service_has_no_health() {
    let server = serve(Faults::default());
    let status = HealthClient::new(channel(&server).await)
        .check(HealthCheckRequest {
            service: "other.v1.Service".to_owned(),
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(sender(status.metadata()), ID);
}

#[tokio::test]
async fn who_watches_hears_of_the_end_and_does_not_hold_it_up() {
    let server = serve(Faults::default());
    let mut watch = HealthClient::new(channel(&server).await)
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let stopping = tokio::task::spawn_blocking(move || server.shutdown());
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert!(watch.message().await.unwrap().is_none());
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_lame_duck_is_not_well_and_serves_until_it_ends() {
    let server = Arc::new(serve(Faults::default()));
    let channel_before = channel(&server).await;
    let mut watch = HealthClient::new(channel_before.clone())
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.lame_duck();
    let told = watch.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    // Whoever was there and whoever comes: both are told, and both are served.
    for channel in [channel_before.clone(), channel(&server).await] {
        for service in ["", GREETER] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let checked = HealthClient::new(channel.clone()).check(request).await;
            let status = checked.unwrap().into_inner().status();
            assert_eq!(status, ServingStatus::NotServing);
        }
        let mut client = GreeterClient::new(channel);
        client.hello(HelloRequest::default()).await.unwrap();
    }
    let more = tokio::time::timeout(Duration::from_millis(100), watch.message()).await;
    assert!(more.is_err(), "the watch goes on: {more:?}");
    let stopping = tokio::task::spawn_blocking(move || server.shutdown());
    assert!(watch.message().await.unwrap().is_none());
    stopping.await.unwrap();
    let mut client = GreeterClient::new(channel_before);
    let hello = client.hello(HelloRequest::default()).await;
    assert_eq!(hello.unwrap_err().code(), Code::Unavailable);
}

/// The same questions to both versions, whose types are apart.
macro_rules! reflection {
    ($name:ident, $version:ident) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            let server = serve(Faults::default());
            let questions = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol(GREETER.to_owned()),
            ];
            let requests = questions.map(|question| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            });
            let response = ServerReflectionClient::new(channel(&server).await)
                .server_reflection_info(stream::iter(requests))
                .await
                .unwrap();
            assert_eq!(sender(response.metadata()), ID);
            let mut answers = response
                .into_inner()
                .map(|answer| answer.unwrap().message_response.unwrap());

            let Some(MessageResponse::ListServicesResponse(list)) = answers.next().await else {
                panic!("expected the services")
            };
            let services: BTreeSet<_> = list.service.into_iter().map(|it| it.name).collect();
            for expected in [
                GREETER,
                "grpc.health.v1.Health",
                concat!(
                    "grpc.reflection.",
                    stringify!($version),
                    ".ServerReflection"
                ),
            ] {
                assert!(
                    services.contains(expected),
                    "{expected} is not in {services:?}"
                );
            }

            let Some(MessageResponse::FileDescriptorResponse(found)) = answers.next().await else {
                panic!("expected the file")
            };
            let file = &found.file_descriptor_proto[0];
            let needle = b"HelloRequest";
            assert!(file.windows(needle.len()).any(|window| window == needle));
        }
    };
}

reflection!(reflection_v1_lists_and_describes, v1);
reflection!(reflection_v1alpha_lists_and_describes, v1alpha);
