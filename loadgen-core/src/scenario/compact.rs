//! The compact form of the original configuration, rewritten into the full form.

use serde_json::json;

use super::call::{Message, Method};
use super::elements::{Bounded, Iterations, ScenarioName, Users};
use super::problem::Problems;
use super::raw::{RawClosed, RawGrpc, RawLoad, RawScenario, RawStep};
use super::reader::{Decode, List, Reader, Slot, choice, object};

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
        /// A message that comes back.
        Echo = "echo",
        /// Processor work.
        Compute = "compute",
        /// A request that several messages answer.
        Stream = "stream",
        /// A ping.
        Ping = "ping",
    }
}

/// Rounds of the reference service that take about 100 µs of processor time.
const COMPUTE_ROUNDS: u32 = 10_000;
/// Messages of one stream.
const STREAM_COUNT: u32 = 10;

/// The full form of a compact gRPC scenario; `None` when it could not be read.
///
/// Where there are fewer requests than users, as many users as requests do the same.
pub(super) fn rewrite(compact: &RawCompactGrpc) -> Option<RawScenario> {
    let iterations = *compact.total_requests.given()?;
    let users = Bounded(compact.concurrency.given()?.0.min(iterations.0));
    let (method, message) = match compact.test_type.given()? {
        GrpcTest::Hello => ("Hello", json!({ "name": "world" })),
        GrpcTest::Compute => ("Compute", json!({ "rounds": COMPUTE_ROUNDS })),
        GrpcTest::Echo => ("Echo", json!({ "payload": echo_payload() })),
        GrpcTest::Stream => ("Stream", json!({ "count": STREAM_COUNT })),
    };
    Some(RawScenario {
        name: compact.name.clone(),
        load: Slot::Given(RawLoad {
            closed: Slot::Given(RawClosed {
                users: Slot::Given(users),
                iterations: Slot::Given(iterations),
                ..RawClosed::default()
            }),
            ..RawLoad::default()
        }),
        steps: Slot::Given(List::of([RawStep {
            grpc: Slot::Given(RawGrpc {
                method: Slot::Given(Method(format!("loadgen.v1.Greeter/{method}"))),
                message: Slot::Given(Message(message)),
                ..RawGrpc::default()
            }),
            ..RawStep::default()
        }])),
        ..RawScenario::default()
    })
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
