//! What a scenario and a step may say: one table each, with the fields and actions of all protocols.
//! Which protocol takes which field is in its [`Words`](super::room::Words).

use super::grpc::raw::RawGrpc;
use super::websocket::raw::{RawConnectionPer, RawWebsocket};
use super::websocket::value::Subprotocol;
use crate::condition::Threshold;
use crate::scenario::load::RawLoad;
use crate::scenario::reader::{Entries, Entry, List, object};
use crate::scenario::step::{Action, Step};
use crate::scenario::tls::RawTls;
use crate::scenario::value::{
    Authority, Connections, FilePath, MaxMessage, PositiveSpan, RawSource, ScenarioName, Span,
    StepName, Streams, TagValue, TargetText,
};
use crate::units::Rate;

object! {
    /// A named piece of load.
    RawScenario is "a scenario" {
        /// Unique among the scenarios of its protocol.
        "name" name: ScenarioName,
        /// For people.
        "description" description: String,
        /// Where to send. Left out, flags, environment or the embedded backend decide.
        "targets" targets: List<TargetText>,
        /// Connections over all workers (gRPC); one per worker and target unless given.
        "connections" connections: Connections,
        /// The most concurrent streams on one connection (gRPC); what the server allows unless
        /// given.
        "streams_per_connection" streams_per_connection: Streams,
        /// How long a user keeps its connections (WebSocket). `user` unless given.
        "connection_per" connection_per: RawConnectionPer,
        /// The most connections that all users together begin to open (WebSocket); as fast as
        /// they are needed unless given.
        "connect_rate" connect_rate: Rate,
        /// How iterations come about.
        "load" load: RawLoad,
        /// Wait before anything of this scenario happens. 0s unless given.
        "start_after" start_after: Span,
        /// Load before measuring. 0s unless given.
        "warm_up" warm_up: Span,
        /// How long iterations under way may take after the end. 30s unless given.
        "graceful_stop" graceful_stop: Span,
        /// The longest an iteration may take, pauses left out. 30s unless given.
        "timeout" timeout: PositiveSpan,
        /// The longest that opening a connection may take, name resolution included. 5s unless
        /// given.
        "connect_timeout" connect_timeout: PositiveSpan,
        /// Start lag above this counts as late. 1ms unless given.
        "late_after" late_after: PositiveSpan,
        /// The longest message taken from a server, compressed or not. 64MiB unless given.
        "max_message" max_message: MaxMessage,
        /// How often a ping asks whether a connection on which nothing comes is alive (gRPC); only
        /// after timeouts unless given.
        "keepalive" keepalive: PositiveSpan,
        /// What connections are told whom they are for, in place of the target's host and port:
        /// gRPC's `:authority`, WebSocket's `Host`.
        "authority" authority: Authority,
        /// Transport encryption.
        "tls" tls: RawTls,
        /// gRPC metadata sent with every call.
        "metadata" metadata: Entries<RawSource>,
        /// Header fields of the request that opens a connection (WebSocket).
        "headers" headers: Entries<RawSource>,
        /// Subprotocols offered when a connection is opened, the preferred one first (WebSocket).
        "subprotocols" subprotocols: List<Subprotocol>,
        /// Labels for reports and metrics.
        "tags" tags: Entries<TagValue>,
        /// `.proto` files that describe the services (gRPC), relative to this file; a folder is a
        /// root for imports.
        "protos" protos: List<FilePath>,
        /// What one iteration does.
        "steps" steps: List<RawStep>,
        /// Conditions on the results; `error_rate < 1%` unless given.
        "thresholds" thresholds: List<Threshold>,
    }
    hints {
        "subprotocol" => "subprotocols are a list: `subprotocols`",
        "path" => "a path belongs to a step: `websocket.path`",
        "data" => "data files come with a later version",
        "target" => "targets are a list: `targets`",
        "users" => "users belong to the load model: `load.closed.users`",
        "duration" => "the duration belongs to the load model: `load.closed.duration` or `load.open.duration`",
    }
}

object! {
    /// One action of an iteration.
    #[schemars(extend("oneOf" = [
        { "required": ["grpc"] },
        { "required": ["websocket"] },
        { "required": ["pause"] },
    ]))]
    RawStep is "a step" {
        /// Its series in every report; the method's name (`place_order` for `PlaceOrder`) or the path's last part
        /// unless given.
        "name" name: StepName,
        /// A gRPC call.
        "grpc" grpc: RawGrpc,
        /// An exchange of messages on a WebSocket connection.
        "websocket" websocket: RawWebsocket,
        /// Wait on purpose; the time counts nowhere.
        "pause" pause: PositiveSpan,
    }
    hints {
        "ws" => "the action is called `websocket`",
        "tcp" => "TCP comes with a later version; the actions are `grpc`, `websocket` and `pause`",
        "http" => "HTTP comes with a later version; the actions are `grpc`, `websocket` and `pause`",
        "expect" => "a call that does not end with OK and an exchange without its reply fail by themselves; what the whole run must hold to are the scenario's `thresholds`",
        "check" => "checks of replies come with a later version",
        "save" => "saving from replies comes with a later version",
        "method" => "the method belongs to the call: `grpc.method`",
        "message" => "the message belongs to the call: `grpc.message`",
        "path" => "the path belongs to the exchange: `websocket.path`",
        "send" => "what is sent belongs to the exchange: `websocket.send`",
        "ping" => "a ping is an exchange: `websocket.ping`",
        "stream" => "the stream belongs to the exchange: `websocket.stream`",
    }
}

impl RawStep {
    /// A step as it is written; `print` adds what it says.
    pub(super) fn of<A>(step: &Step<A>, print: impl Fn(&A, &mut Self)) -> Self {
        let mut raw = Self::default();
        match &step.action {
            Action::Speak(action) => {
                raw.name = Entry::Given(StepName(step.name.clone()));
                print(action, &mut raw);
            }
            Action::Pause(duration) => raw.pause = Entry::Given(PositiveSpan(*duration)),
        }
        raw
    }
}
