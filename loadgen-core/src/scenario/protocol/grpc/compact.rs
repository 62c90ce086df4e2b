//! The compact form of a gRPC scenario.

use serde_json::json;

use super::raw::RawGrpc;
use super::value::{Message, Method};
use crate::scenario::load::RawClosed;
use crate::scenario::protocol::compact::{COMPUTE_ROUNDS, Compact, STREAM_COUNT, scenario};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, choice, object};
use crate::scenario::value::{Bounded, Iterations, ScenarioName, Users};

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

impl Compact for RawCompactGrpc {
    fn name(&self) -> &Entry<ScenarioName> {
        &self.name
    }

    /// Where there are fewer requests than users, as many users as requests do the same.
    fn rewritten(&self, _: &str, _: &Problems) -> Option<RawScenario> {
        let iterations = *self.total_requests.given()?;
        let users = Bounded(self.concurrency.given()?.0.min(iterations.0));
        let (method, message) = match self.test_type.given()? {
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
        Some(scenario(&self.name, closed, step))
    }
}

/// 1 KiB, in the base64 that protobuf's JSON form has for bytes.
///
/// 1,024 bytes are 341 groups of three, each `lgl` and so `bGds`, and a last byte `l`.
fn echo_payload() -> String {
    format!("{}bA==", "bGds".repeat(341))
}
