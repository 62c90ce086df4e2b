//! The compact form of a WebSocket scenario.

use serde_json::json;

use super::raw::{RawMessageStream, RawSend, RawSendAs, RawWebsocket};
use super::value::{FieldPath, JsonMessage, MessageSize, Path, Ping};
use crate::scenario::load::RawClosed;
use crate::scenario::protocol::compact::{COMPUTE_ROUNDS, Compact, STREAM_COUNT, scenario};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, choice, object};
use crate::scenario::value::{Bounded, Iterations, MAX_ITERATIONS, ScenarioName, Users};

/// The field in which the reference server numbers the messages of a stream.
const SEQUENCE: &str = "sequence";
/// Bytes of a message that the server sends back.
const ECHO_BYTES: u32 = 64;

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

impl Compact for RawCompactWebsocket {
    fn name(&self) -> &Entry<ScenarioName> {
        &self.name
    }

    fn rewritten(&self, path: &str, problems: &Problems) -> Option<RawScenario> {
        let users = *self.total_connections.given()?;
        let each = *self.messages_per_conn.given()?;
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
        let (path, exchange) = match self.test_type.given()? {
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
        Some(scenario(&self.name, closed, step))
    }
}
