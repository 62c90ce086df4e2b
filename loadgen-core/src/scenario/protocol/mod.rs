//! The protocols that scenarios speak: the one place of the language that knows all of them.
//!
//! Each has a room of its own with its raw form, its values, its validation, its plan and its
//! printing. Whoever adds one adds a room, and here a variant to [`Protocol`] and [`ProtocolPlan`], a
//! line to each list and macro, and to the tables in `raw` the fields and the action that are new in it.
//! A room knows `raw`, `layers`, `room` and `compact`, and never this file.

pub(in crate::scenario) mod compact;
pub(in crate::scenario) mod elsewhere;
pub(in crate::scenario) mod grpc;
pub(in crate::scenario) mod http;
pub(in crate::scenario) mod layers;
pub(in crate::scenario) mod raw;
pub(in crate::scenario) mod room;
mod spoken;
pub(crate) mod tcp;
pub(in crate::scenario) mod unclear;
pub(in crate::scenario) mod websocket;

use std::fmt;

use self::layers::Layers;
use self::raw::{RawScenario, RawStep};
use self::room::{Room, Words};
use super::reader::Fields;
use super::step::{Measured, Step, all, always_do, measured, said_elsewhere};
use super::value::Source;

pub use self::grpc::circuit_breaker::CircuitBreaker;
pub use self::grpc::health_check::HealthCheck;
pub use self::grpc::pick::Pick;
pub use self::grpc::plan::{Codec, CodecError, Compression, GrpcCall, GrpcPlan, GrpcStreamEnd};
pub use self::grpc::retry::{Retry, RetryThrottling};
pub use self::http::plan::{HttpBody, HttpPlan, HttpRequest, HttpVersion};
pub(crate) use self::http::value::check_header_name as check_request_header_name;
pub use self::spoken::Spoken;
pub use self::tcp::plan::{Endian, LengthPrefix, TcpExchange, TcpPayload, TcpPlan, TcpReceive};
pub use self::websocket::plan::{
    Answer, ConnectionPer, MessageStream, Payload, PerMessageDeflate, ReplyMark, WebsocketExchange,
    WebsocketMessages, WebsocketPlan,
};
pub(crate) use self::websocket::value::check_header_name;

/// What a scenario speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// WebSocket over HTTP/1.1.
    Websocket,
    /// HTTP.
    Http,
    /// Bytes over TCP.
    Tcp,
}

/// What a scenario says of the protocol that it speaks, its steps included.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ProtocolPlan {
    /// gRPC over HTTP/2.
    Grpc(GrpcPlan),
    /// WebSocket over HTTP/1.1.
    Websocket(WebsocketPlan),
    /// HTTP.
    Http(HttpPlan),
    /// Bytes over TCP.
    Tcp(TcpPlan),
}

/// All there are, in the order in which messages name them.
const ALL: [Protocol; 4] = [
    Protocol::Grpc,
    Protocol::Websocket,
    Protocol::Http,
    Protocol::Tcp,
];

/// Does the same in each room, by its plan's type.
macro_rules! in_each_room {
    (|$room:ident| $do:expr) => {{
        {
            type $room = $crate::scenario::protocol::GrpcPlan;
            $do;
        }
        {
            type $room = $crate::scenario::protocol::WebsocketPlan;
            $do;
        }
        {
            type $room = $crate::scenario::protocol::HttpPlan;
            $do;
        }
        {
            type $room = $crate::scenario::protocol::TcpPlan;
            $do;
        }
    }};
}
pub(in crate::scenario) use in_each_room;

/// Does the same with whatever a plan speaks.
macro_rules! with_room {
    ($plan:expr, |$room:ident| $do:expr) => {
        match $plan {
            ProtocolPlan::Grpc($room) => $do,
            ProtocolPlan::Websocket($room) => $do,
            ProtocolPlan::Http($room) => $do,
            ProtocolPlan::Tcp($room) => $do,
        }
    };
}

impl Protocol {
    /// All there are, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// The word for it in JSON, metrics and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.words().word
    }

    fn words(self) -> &'static Words {
        match self {
            Self::Grpc => GrpcPlan::WORDS,
            Self::Websocket => WebsocketPlan::WORDS,
            Self::Http => HttpPlan::WORDS,
            Self::Tcp => TcpPlan::WORDS,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<GrpcPlan> for ProtocolPlan {
    fn from(plan: GrpcPlan) -> Self {
        Self::Grpc(plan)
    }
}

impl From<HttpPlan> for ProtocolPlan {
    fn from(plan: HttpPlan) -> Self {
        Self::Http(plan)
    }
}

impl From<TcpPlan> for ProtocolPlan {
    fn from(plan: TcpPlan) -> Self {
        Self::Tcp(plan)
    }
}

impl From<WebsocketPlan> for ProtocolPlan {
    fn from(plan: WebsocketPlan) -> Self {
        Self::Websocket(plan)
    }
}

impl ProtocolPlan {
    /// Which protocol it is.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Grpc(_) => Protocol::Grpc,
            Self::Websocket(_) => Protocol::Websocket,
            Self::Http(_) => Protocol::Http,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }

    /// The names of the steps that speak, those of `begin` first, those of `end` last: the order in
    /// which reports number them.
    #[must_use]
    pub fn step_names(&self) -> Vec<&str> {
        let all = self.measured().into_iter().flatten();
        all.map(|(name, ..)| name).collect()
    }

    /// The steps that speak, in the order in which reports number them: those that begin a user's life,
    /// those of its iterations, those that end it. Each with its name, its checks, and whether an iteration may do it several
    /// times, or not at all.
    pub(crate) fn measured(&self) -> [Vec<Measured<'_>>; 3] {
        with_room!(self, |plan| [
            measured(&plan.begin),
            measured(&plan.steps),
            measured(&plan.end),
        ])
    }

    /// Whether any of its iterations may have a step that lasts for as long as the load.
    pub(crate) fn may_last_as_load(&self) -> bool {
        match self {
            Self::Grpc(plan) => all(&plan.steps, "")
                .into_iter()
                .any(|(_, step)| step.spoken().is_some_and(GrpcPlan::lasts_as_load)),
            Self::Websocket(_) | Self::Http(_) | Self::Tcp(_) => false,
        }
    }

    /// Whether each of its iterations has a step that lasts for as long as the load.
    pub(crate) fn lasts_as_load(&self) -> bool {
        match self {
            Self::Grpc(plan) => always_do(&plan.steps, GrpcPlan::lasts_as_load),
            Self::Websocket(_) | Self::Http(_) | Self::Tcp(_) => false,
        }
    }

    /// Whether each iteration opens connections of its own.
    pub(crate) fn connects_each(&self) -> bool {
        let per = match self {
            Self::Grpc(plan) => plan.connection_per,
            Self::Websocket(plan) => Some(plan.connection_per),
            Self::Http(plan) => Some(plan.connection_per),
            Self::Tcp(plan) => Some(plan.connection_per),
        };
        per == Some(ConnectionPer::Iteration)
    }

    /// What the steps of `setup`, `begin` and `end` say elsewhere.
    pub(in crate::scenario) fn said_elsewhere(&self) -> [Vec<Step<Spoken>>; 3] {
        with_room!(self, |plan| [
            said_elsewhere(&plan.setup),
            said_elsewhere(&plan.begin),
            said_elsewhere(&plan.end),
        ])
    }

    /// The values that are sent beside messages, which may stand elsewhere.
    pub(crate) fn sources(&self) -> Vec<&Source> {
        let values = match self {
            Self::Grpc(plan) => {
                let parts = [&plan.setup, &plan.begin, &plan.steps, &plan.end];
                let steps = parts.into_iter().flat_map(|steps| all(steps, ""));
                let calls = steps.filter_map(|(_, step)| step.spoken());
                let own = calls.flat_map(|call| &call.metadata);
                plan.metadata.iter().chain(own).collect()
            }
            Self::Websocket(plan) => plan.headers.iter().collect::<Vec<_>>(),
            Self::Tcp(_) => Vec::new(),
            Self::Http(plan) => {
                let parts = [&plan.setup, &plan.begin, &plan.steps, &plan.end];
                let steps = parts.into_iter().flat_map(|steps| all(steps, ""));
                let requests = steps.filter_map(|(_, step)| step.spoken());
                let own = requests.flat_map(|request| &request.headers);
                plan.headers.iter().chain(own).collect()
            }
        };
        values.into_iter().map(|(_, source)| source).collect()
    }

    /// Adds its fields and steps to a scenario's raw form.
    pub(in crate::scenario) fn print(&self, raw: &mut RawScenario) {
        with_room!(self, |plan| plan.print(raw));
    }

    /// Has it use so many connections, or says why it does not.
    pub(in crate::scenario) fn set_connections(&mut self, connections: u32) -> Option<String> {
        with_room!(self, |plan| plan.set_connections(connections))
    }

    /// Has this one speak HTTP/2. Whether it does.
    pub(in crate::scenario) fn set_codec(&mut self, codec: Codec) -> bool {
        if let Self::Grpc(plan) = self {
            plan.codec = Some(codec);
            return true;
        }
        false
    }
}

/// The words of all rooms, in order.
fn rooms() -> impl Iterator<Item = &'static Words> {
    Protocol::all().map(Protocol::words)
}

impl Layers<'_> {
    /// What the steps speak; `None` when they speak nothing, or not one protocol.
    pub(in crate::scenario) fn protocol(&self) -> Option<Protocol> {
        let steps = self.pick("steps", |raw| &raw.steps).entry.given()?;
        let steps = RawStep::all(steps, "");
        let mut spoken = Protocol::all().filter(|protocol| {
            let is_spoken = protocol.words().is_spoken;
            steps.iter().any(|(_, step)| is_spoken(step))
        });
        match (spoken.next(), spoken.next()) {
            (only, None) => only,
            _ => None,
        }
    }

    /// Whether the scenario itself has fields of another protocol; notes each. Those of `defaults`
    /// and profiles are for whatever scenario they fit.
    pub(in crate::scenario) fn has_foreign_fields(&self, ours: &Words, within: &str) -> bool {
        let Some(own) = self.own() else {
            return false;
        };
        let mut any = false;
        for field in RawScenario::FIELDS {
            let theirs: Vec<&str> = rooms()
                .filter(|room| room.fields.contains(field))
                .map(|room| room.name)
                .collect();
            if theirs.is_empty() || ours.fields.contains(field) || !own.has(field) {
                continue;
            }
            any = true;
            let help = ours.instead.iter().find(|(name, _)| name == field);
            let path = format!("{}.{field}", self.own_path);
            self.problems.forget_below(&path);
            self.problems.add(
                path,
                format!("a field of {} {within}", theirs.join(" and "),),
                format!("fields of {} only", ours.name),
                help.map(|(_, help)| (*help).to_owned()),
            );
        }
        any
    }
}

/// The actions that speak, and these, for messages: `` `grpc`, `websocket` or `pause` ``.
pub(in crate::scenario) fn one_of(others: &[&str]) -> String {
    let words = rooms().map(|room| room.word);
    let words: Vec<&str> = words.chain(others.iter().copied()).collect();
    let (last, first) = words.split_last().expect("there are protocols");
    format!("`{}` or `{last}`", first.join("`, `"))
}

/// The protocols whose action a step has.
pub(in crate::scenario) fn spoken_in(step: &RawStep) -> impl Iterator<Item = Protocol> {
    Protocol::all().filter(|protocol| (protocol.words().is_spoken)(step))
}
