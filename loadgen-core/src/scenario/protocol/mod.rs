//! The protocols that scenarios speak: the one place of the language that knows all of them.
//!
//! Each has a room of its own with its raw form, its values, its validation, its plan and its
//! printing. Whoever adds one adds a room, and here a variant to [`Protocol`] and [`ProtocolPlan`], a
//! line to each list, and to the tables in `raw` the fields and the action that are new in it.

pub(in crate::scenario) mod grpc;
mod raw;
mod unclear;
pub(in crate::scenario) mod websocket;

use std::fmt;
use std::time::Duration;

pub(in crate::scenario) use self::raw::{RawScenario, RawStep};
use self::unclear::Unclear;
use super::plan::validate::Layers;
use super::plan::{ScenarioPlan, Step, names};
use super::reader::{Fields, List};

pub use self::grpc::plan::{GrpcCall, GrpcPlan};
pub use self::websocket::plan::{
    Answer, ConnectionPer, MessageStream, Payload, ReplyMark, WebsocketExchange, WebsocketMessages,
    WebsocketPlan,
};

/// What a scenario speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// WebSocket over HTTP/1.1.
    Websocket,
}

/// What a scenario says of the protocol that it speaks, its steps included.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ProtocolPlan {
    /// gRPC over HTTP/2.
    Grpc(GrpcPlan),
    /// WebSocket over HTTP/1.1.
    Websocket(WebsocketPlan),
}

/// All rooms, in the order in which messages name them.
const ROOMS: [&Words; 2] = [GrpcPlan::WORDS, WebsocketPlan::WORDS];

/// Does the same in each room, by its plan's type.
macro_rules! in_each_room {
    (|$room:ident| $do:expr) => {{
        {
            type $room = GrpcPlan;
            $do;
        }
        {
            type $room = WebsocketPlan;
            $do;
        }
    }};
}
use in_each_room;

/// Does the same with whatever a plan speaks.
macro_rules! with_room {
    ($plan:expr, |$room:ident| $do:expr) => {
        match $plan {
            ProtocolPlan::Grpc($room) => $do,
            ProtocolPlan::Websocket($room) => $do,
        }
    };
}

impl Protocol {
    /// All there are, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ROOMS.into_iter().map(|room| room.protocol)
    }

    /// The word for it in JSON, metrics and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.words().word
    }

    pub(in crate::scenario) fn words(self) -> &'static Words {
        match self {
            Self::Grpc => GrpcPlan::WORDS,
            Self::Websocket => WebsocketPlan::WORDS,
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
        }
    }

    /// The names of the steps, pauses left out: the order in which reports number them.
    #[must_use]
    pub fn step_names(&self) -> Vec<&str> {
        with_room!(self, |plan| names(&plan.steps))
    }

    /// Adds its fields and steps to a scenario's raw form.
    pub(in crate::scenario) fn print(&self, raw: &mut RawScenario) {
        with_room!(self, |plan| plan.print(raw));
    }

    /// Has it use so many connections, or says why it does not.
    pub(in crate::scenario) fn set_connections(&mut self, connections: u32) -> Option<String> {
        with_room!(self, |plan| plan.set_connections(connections))
    }
}

/// What messages say of a protocol, and what of a scenario is its own.
pub(in crate::scenario) struct Words {
    pub(in crate::scenario) protocol: Protocol,
    /// Its action in JSON, and what it is called there.
    pub(in crate::scenario) word: &'static str,
    /// Its name for people.
    pub(in crate::scenario) name: &'static str,
    /// The fields of a scenario that are for it, though not for all protocols.
    pub(in crate::scenario) fields: &'static [&'static str],
    /// What it has in place of fields that are for others only.
    pub(in crate::scenario) instead: &'static [(&'static str, &'static str)],
    /// Whether a step has its action.
    pub(in crate::scenario) is_spoken: fn(&RawStep) -> bool,
}

/// What validation asks of a protocol. The plan that comes of it has no steps until all are known.
pub(in crate::scenario) trait Room: Sized {
    /// What a step does.
    type Action;

    /// The words for it; `None` where it is not clear what is spoken.
    const SPOKEN: Option<&'static Words>;

    /// Its fields of a scenario.
    fn fields(layers: &Layers<'_>) -> Option<Self>;

    /// Its action in a step at this path.
    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<Self::Action>;

    /// What a step without a name is called, and after what.
    fn short_name(action: &Self::Action) -> (String, &'static str);

    /// Whether the steps agree on what they share; notes where they do not.
    fn agree(layers: &Layers<'_>, steps: &List<RawStep>, path: &str) -> bool;

    /// Has each step say what one says for all.
    fn share(steps: &mut [Step<Self::Action>]);

    /// Whether the steps fit into the time that an iteration may take; notes which do not.
    fn fit(
        layers: &Layers<'_>,
        steps: &[Step<Self::Action>],
        timeout: Duration,
        path: &str,
    ) -> bool;

    /// What is wrong with a target of this scheme: what is expected, and a hint.
    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)>;

    /// The whole.
    fn with_steps(self, steps: Vec<Step<Self::Action>>) -> ProtocolPlan;
}

impl Layers<'_> {
    /// The validated scenario; `None` when something in it is wrong.
    pub(in crate::scenario) fn plan(&self) -> Option<ScenarioPlan> {
        let spoken = self.protocol();
        in_each_room!(
            |R| if spoken.is_some() && R::SPOKEN.map(|it| it.protocol) == spoken {
                return self.plan_of::<R>();
            }
        );
        self.plan_of::<Unclear>()
    }

    /// What the steps speak; `None` when they speak nothing, or not one protocol.
    pub(in crate::scenario) fn protocol(&self) -> Option<Protocol> {
        let steps = self.pick("steps", |raw| &raw.steps).entry.given()?;
        let mut spoken = ROOMS
            .iter()
            .filter(|room| steps.given().any(|(_, step)| (room.is_spoken)(step)));
        match (spoken.next(), spoken.next()) {
            (Some(only), None) => Some(only.protocol),
            _ => None,
        }
    }

    /// Whether the scenario itself has fields of another protocol; notes each. Those of `defaults`
    /// and profiles are for whatever scenario they fit.
    pub(in crate::scenario) fn has_foreign_fields(&self, ours: &Words) -> bool {
        let Some(own) = self.own() else {
            return false;
        };
        let mut any = false;
        for field in RawScenario::FIELDS {
            let theirs: Vec<&str> = ROOMS
                .iter()
                .filter(|room| room.fields.contains(field))
                .map(|room| room.name)
                .collect();
            if theirs.is_empty() || ours.fields.contains(field) || !own.has(field) {
                continue;
            }
            any = true;
            let help = ours.instead.iter().find(|(name, _)| name == field);
            self.problems.add(
                format!("{}.{field}", self.own_path),
                format!(
                    "a field of {} in a {} scenario",
                    theirs.join(" and "),
                    ours.name
                ),
                format!("fields of {} only", ours.name),
                help.map(|(_, help)| (*help).to_owned()),
            );
        }
        any
    }
}

/// The actions that speak, and these, for messages: `` `grpc`, `websocket` or `pause` ``.
pub(in crate::scenario) fn one_of(others: &[&str]) -> String {
    let words = ROOMS.iter().map(|room| room.word);
    let words: Vec<&str> = words.chain(others.iter().copied()).collect();
    let (last, first) = words.split_last().expect("there are protocols");
    format!("`{}` or `{last}`", first.join("`, `"))
}

/// The words of the protocols whose action a step has.
pub(in crate::scenario) fn spoken_in(step: &RawStep) -> impl Iterator<Item = &'static Words> {
    ROOMS.into_iter().filter(|room| (room.is_spoken)(step))
}
