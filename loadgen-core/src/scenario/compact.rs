//! The compact form of the original configuration, rewritten into the full form.

use serde_json::json;

use super::call::{Message, Method};
use super::elements::{Bounded, Iterations, MAX_ITERATIONS, ScenarioName, Users};
use super::exchange::{FieldPath, JsonMessage, MessageSize, Path, Ping};
use super::problem::Problems;
use super::raw::{RawClosed, RawGrpc, RawLoad, RawScenario, RawStep};
use super::raw_websocket::{RawMessageStream, RawSend, RawSendAs, RawWebsocket};
use super::reader::{Decode, Entry, List, Reader, choice, object};

object! {
    /// A gRPC scenario in the compact form.
    RawCompactGrpc is "a compact gRPC scenario" {
        /// Unique among the gRPC scenarios.
        "name" [required] name: ScenarioName,
        /// Iterations, shared by all users.
        "total_requests" [required] total_requests: Iterations,
        /// Users.
        "concurrency" [required] concurrency: Users,
        /// What to call.
        "test_type" [required] test_type: GrpcTest,
    }
}

choice! {
    /// What a compact gRPC scenario calls.
    GrpcTest {
        /// A greeting.
        Hello = "hello",
        /// About 100 µs of processor time.
        Compute = "compute",
        /// A payload of 1 KiB, there and back.
        Echo = "echo",
        /// A stream of ten messages.
        Stream = "stream",
    }
}

object! {
    /// A WebSocket scenario in the compact form.
    RawCompactWebsocket is "a compact WebSocket scenario" {
        /// Unique among the WebSocket scenarios.
        "name" [required] name: ScenarioName,
        /// Users, each with a connection.
        "total_connections" [required] total_connections: Users,
        /// Iterations of each user.
        "messages_per_conn" [required] messages_per_conn: Iterations,
        /// What to send.
        "test_type" [required] test_type: WebsocketTest,
    }
}

choice! {
    /// What a compact WebSocket scenario sends.
    WebsocketTest {
        /// A message of 64 bytes that comes back.
        Echo = "echo",
        /// About 100 µs of processor time.
        Compute = "compute",
        /// A request that ten messages answer.
        Stream = "stream",
        /// A ping of the protocol.
        Ping = "ping",
    }
}

/// Rounds of the reference service that take about 100 µs of processor time.
const COMPUTE_ROUNDS: u32 = 10_000;
/// Messages of one stream.
const STREAM_COUNT: u32 = 10;
/// The field in which the reference server numbers the messages of a stream.
const SEQUENCE: &str = "sequence";
/// Bytes of a message that the WebSocket server sends back.
const ECHO_BYTES: u32 = 64;

/// The full form of a compact gRPC scenario; `None` when it could not be read.
///
/// Where there are fewer requests than users, as many users as requests do the same.
pub(super) fn rewrite_grpc(compact: &RawCompactGrpc) -> Option<RawScenario> {
    let iterations = *compact.total_requests.given()?;
    let users = Bounded(compact.concurrency.given()?.0.min(iterations.0));
    let (method, message) = match compact.test_type.given()? {
        GrpcTest::Hello => ("Hello", json!({ "name": "world" })),
        GrpcTest::Compute => ("Compute", json!({ "rounds": COMPUTE_ROUNDS })),
        GrpcTest::Echo => ("Echo", json!({ "payload": echo_payload() })),
        GrpcTest::Stream => ("Stream", json!({ "count": STREAM_COUNT })),
    };
    let closed = RawClosed {
        users: Entry::Given(users),
        iterations: Entry::Given(iterations),
        ..RawClosed::default()
    };
    let step = RawStep {
        grpc: Entry::Given(RawGrpc {
            method: Entry::Given(Method(format!("loadgen.v1.Greeter/{method}"))),
            message: Entry::Given(Message(message)),
            ..RawGrpc::default()
        }),
        ..RawStep::default()
    };
    Some(scenario(&compact.name, closed, step))
}

/// The full form of a compact WebSocket scenario; `None` when it could not be read.
pub(super) fn rewrite_websocket(
    compact: &RawCompactWebsocket,
    path: &str,
    problems: &Problems,
) -> Option<RawScenario> {
    let users = *compact.total_connections.given()?;
    let each = *compact.messages_per_conn.given()?;
    if u128::from(users.0) * u128::from(each.0) > u128::from(MAX_ITERATIONS) {
        problems.add(
            format!("{path}.messages_per_conn"),
            format!("{} for each of {} connections", each.0, users.0),
            format!("at most {MAX_ITERATIONS} in all"),
            None,
        );
        return None;
    }
    let asking = |value| {
        Entry::Given(RawSend {
            json: Entry::Given(JsonMessage(value)),
            ..RawSend::default()
        })
    };
    let raw = RawWebsocket::default();
    let (path, exchange) = match compact.test_type.given()? {
        WebsocketTest::Echo => {
            let send = Entry::Given(RawSend {
                size: Entry::Given(MessageSize(ECHO_BYTES)),
                send_as: Entry::Given(RawSendAs::Text),
                ..RawSend::default()
            });
            ("/echo", RawWebsocket { send, ..raw })
        }
        WebsocketTest::Compute => {
            let send = asking(json!({ "rounds": COMPUTE_ROUNDS }));
            ("/compute", RawWebsocket { send, ..raw })
        }
        WebsocketTest::Stream => {
            let send = asking(json!({ "count": STREAM_COUNT }));
            let stream = Entry::Given(RawMessageStream {
                messages: Entry::Given(Bounded(u64::from(STREAM_COUNT))),
                sequence: Entry::Given(FieldPath(SEQUENCE.to_owned())),
                ..RawMessageStream::default()
            });
            (
                "/stream",
                RawWebsocket {
                    send,
                    stream,
                    ..raw
                },
            )
        }
        WebsocketTest::Ping => {
            let ping = Entry::Given(Ping);
            ("/ping", RawWebsocket { ping, ..raw })
        }
    };
    let closed = RawClosed {
        users: Entry::Given(users),
        iterations_per_user: Entry::Given(each),
        ..RawClosed::default()
    };
    let step = RawStep {
        websocket: Entry::Given(RawWebsocket {
            path: Entry::Given(Path(path.to_owned())),
            ..exchange
        }),
        ..RawStep::default()
    };
    Some(scenario(&compact.name, closed, step))
}

fn scenario(name: &Entry<ScenarioName>, closed: RawClosed, step: RawStep) -> RawScenario {
    RawScenario {
        name: name.clone(),
        load: Entry::Given(RawLoad {
            closed: Entry::Given(closed),
            ..RawLoad::default()
        }),
        steps: Entry::Given(List::of([step])),
        ..RawScenario::default()
    }
}

/// 1 KiB, in the base64 that protobuf's JSON form has for bytes.
///
/// 1,024 bytes are 341 groups of three, each `lgl` and so `bGds`, and a last byte `l`.
fn echo_payload() -> String {
    format!("{}bA==", "bGds".repeat(341))
}

/// Notes the fields that only the full form has.
pub(super) fn refuse_full_fields(given: &[(&str, bool)], problems: &Problems) {
    for (field, present) in given {
        if *present {
            problems.add(
                *field,
                "a field of the full form beside the compact form",
                "one form in a file",
                Some(
                    "`loadgen validate --print` rewrites the compact form into the full one"
                        .to_owned(),
                ),
            );
        }
    }
}
