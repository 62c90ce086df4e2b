//! From a connection to the service that answers: HTTP/2, routing by path, the identity in every
//! reply's metadata, faults; and when a call is over, where that is measured.
//!
//! Serves with hyper directly rather than with tonic's transport: what belongs to a connection (its
//! count of requests) is then at hand without a look-up per request, and no router or layers stand
//! in each request's way. The services themselves are tonic's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::Service as HttpService;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::Status;
use tonic::codegen::{BoxFuture, CompressionEncoding, Service as _};
use tonic_health::pb::health_server::{HealthServer, SERVICE_NAME as HEALTH};
use tonic_health::server::{HealthReporter, HealthService};

use super::greeter::Greeter;
use super::proto::greeter_server::GreeterServer;
use super::proto::{FILE_DESCRIPTOR_SET, GREETER};
use crate::serve::activity::{Answered, Handling, Tally};
use crate::serve::connection::{Connection, Cutter};
use crate::serve::error::ServeError;
use crate::serve::faults::{Verdict, WorkerFaults};
use crate::serve::identity::{IDENTITY_METADATA, Identity};
use crate::serve::server::{Drain, Protocol};

const IDENTITY_HEADER: HeaderName = HeaderName::from_static(IDENTITY_METADATA);

const REFLECTION_V1: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// Room for a burst of large messages before a client has to wait for the window to open.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Requests that may be under way on one connection.
const MAX_CONCURRENT_STREAMS: u32 = 1024;

/// Streams that a client may have reset before they were looked at. A load generator whose requests
/// time out resets many at once, and is not attacking.
const MAX_PENDING_RESETS: usize = 16_384;

/// Largest message taken: whoever sends that much wants to see it echoed.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

type Request = http::Request<Incoming>;
type Response = http::Response<tonic::body::Body>;
type Reply = BoxFuture<Response, Infallible>;
/// A service whose type has no name, as a function.
type Unnamed = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// The services that all workers share, none of which is on the hot path.
#[derive(Clone)]
pub(super) struct Shared {
    health: HealthServer<HealthService>,
    reflection_v1: Unnamed,
    reflection_v1alpha: Unnamed,
}

impl Shared {
    /// # Errors
    /// [`ServeError::Reflection`], if the descriptors were not what reflection needs.
    pub(super) fn new(health: &HealthReporter) -> Result<Self, ServeError> {
        let refused = |reason| ServeError::Reflection {
            reason: Box::new(reason),
        };
        let described = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let reflection_v1 = described().build_v1().map_err(refused)?;
        let reflection_v1alpha = described().build_v1alpha().map_err(refused)?;
        Ok(Self {
            health: HealthServer::new(HealthService::from_health_reporter(health.clone())),
            reflection_v1: Arc::new(move |request| reflection_v1.clone().call(request)),
            reflection_v1alpha: Arc::new(move |request| reflection_v1alpha.clone().call(request)),
        })
    }
}

/// One worker's gRPC server.
pub(super) struct Grpc {
    http: http2::Builder<TokioExecutor>,
    services: Arc<Services>,
}

struct Services {
    greeter: GreeterServer<Greeter>,
    shared: Shared,
    identity: HeaderValue,
    faults: Option<Arc<WorkerFaults>>,
    tally: Option<Tally>,
}

impl Grpc {
    pub(super) fn new(
        identity: &Identity,
        shared: Shared,
        faults: Option<Arc<WorkerFaults>>,
        tally: Option<Tally>,
        stream_log: Option<fn(&str)>,
    ) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_PENDING_RESETS)
            .auto_date_header(false);
        Self {
            http,
            services: Arc::new(Services {
                // Replies go out as they are: compressing them is not what is measured here.
                greeter: GreeterServer::new(Greeter::new(identity, stream_log))
                    .accept_compressed(CompressionEncoding::Gzip)
                    .accept_compressed(CompressionEncoding::Zstd)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES),
                shared,
                identity: identity.header(),
                faults,
                tally,
            }),
        }
    }
}

impl Protocol for Grpc {
    async fn serve(&self, connection: Connection, mut drain: Drain) {
        let service = ConnectionService {
            cutter: connection.cutter(),
            services: Arc::clone(&self.services),
        };
        let mut serving = pin!(
            self.http
                .serve_connection(TokioIo::new(connection), service)
        );
        // How a connection ends is its peer's affair: an error here is theirs, or a cut one.
        tokio::select! {
            _ = serving.as_mut() => return,
            () = drain.begun() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }
}

/// Answers one connection's requests.
struct ConnectionService {
    services: Arc<Services>,
    cutter: Option<Cutter>,
}

impl HttpService<Request> for ConnectionService {
    type Response = http::Response<Answer>;
    type Error = Infallible;
    type Future = Signed;

    fn call(&self, request: Request) -> Signed {
        let (reply, handling) = match &self.cutter {
            // The connection is going, and its requests with it.
            Some(cutter) if !cutter.admits() => (Box::pin(std::future::pending()) as Reply, None),
            _ => self.services.route(request),
        };
        Signed {
            reply,
            handling,
            identity: Some(self.services.identity.clone()),
        }
    }
}

impl Services {
    /// The reply, and the beginning of its handling if that is measured. Health checks and
    /// reflection are no load; some of them last as long as their connection.
    fn route(&self, request: Request) -> (Reply, Option<Handling>) {
        let path = request.uri().path();
        let service = path
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .map_or("", |(service, _)| service);
        match service {
            GREETER => {
                let handling = self.begin();
                (self.greet(request), handling)
            }
            HEALTH => (self.shared.health.clone().call(request), None),
            REFLECTION_V1 => ((self.shared.reflection_v1)(request), None),
            REFLECTION_V1ALPHA => ((self.shared.reflection_v1alpha)(request), None),
            _ => {
                let status = Status::unimplemented(format!("there is no {path} here"));
                let reply = Box::pin(std::future::ready(Ok(status.into_http())));
                (reply, self.begin())
            }
        }
    }

    fn begin(&self) -> Option<Handling> {
        self.tally.as_ref().map(Tally::begin)
    }

    fn greet(&self, request: Request) -> Reply {
        let mut greeter = self.greeter.clone();
        let Some(faults) = self.faults.clone() else {
            return greeter.call(request);
        };
        Box::pin(async move {
            let status = match faults.judge().await {
                Verdict::Answer => return greeter.call(request).await,
                Verdict::Throttle => Status::resource_exhausted("throttled on purpose"),
                Verdict::Fail(code) => Status::new(code, "failed on purpose"),
            };
            Ok(status.into_http())
        })
    }
}

/// A reply that gets the backend's identity into its metadata.
struct Signed {
    reply: Reply,
    handling: Option<Handling>,
    identity: Option<HeaderValue>,
}

impl Future for Signed {
    type Output = Result<http::Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut response) = ready!(self.reply.as_mut().poll(context));
        if let Some(identity) = self.identity.take() {
            response.headers_mut().insert(IDENTITY_HEADER, identity);
        }
        let mut handling = self.handling.take();
        // Without messages the status is here, and what follows is empty.
        if handling.is_some()
            && let Some(answered) = answered(response.headers())
            && let Some(handling) = handling.take()
        {
            handling.over(answered);
        }
        Poll::Ready(Ok(response.map(|body| Answer { body, handling })))
    }
}

/// A reply's messages, up to the status behind the last of them.
struct Answer {
    body: tonic::body::Body,
    handling: Option<Handling>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if self.handling.is_some()
            && let Some(Ok(frame)) = &frame
            && let Some(answered) = frame.trailers_ref().and_then(answered)
            && let Some(handling) = self.handling.take()
        {
            handling.over(answered);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the status says, where there is one.
fn answered(headers: &HeaderMap) -> Option<Answered> {
    let status = headers.get(Status::GRPC_STATUS)?;
    Some(if status == "0" {
        Answered::Well
    } else {
        Answered::WithFailure
    })
}
