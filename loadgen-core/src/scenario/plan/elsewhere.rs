//! Where steps go that do not go where the scenario's own go: from the raw form to the plan, and back.

use std::collections::BTreeSet;
use std::time::Duration;

use super::parts::leaves_of;
use crate::scenario::protocol::elsewhere::{RawElsewhere, RawServers};
use crate::scenario::protocol::layers::{Layer, Layers};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::protocol::room::Room;
use crate::scenario::protocol::{Protocol, ProtocolPlan, Spoken, in_each_room, spoken_in};
use crate::scenario::reader::{Entry, List};
use crate::scenario::target::RawTarget;
use crate::scenario::tls::{self, Tls};
use crate::scenario::value::target::Target;
use crate::scenario::value::{Authority, MaxMessage, PositiveSpan};

/// Servers that steps of `setup`, `begin` and `end` go to, other than the scenario's own; and how they are
/// reached.
///
/// Whatever of a scenario's protocol speaks another one goes elsewhere. What speaks the same goes where the
/// scenario goes, unless there is one of these for that protocol, too.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Elsewhere {
    /// Where it sends to; empty until resolved from flags, environment or the embedded backend.
    pub targets: Vec<Target>,
    /// The longest that opening a connection may take; the scenario's where there is none.
    pub connect_timeout: Option<Duration>,
    /// The longest message taken from a server, in bytes; the scenario's where there is none.
    pub max_message: Option<u32>,
    /// Whom connections are told that they are for, in place of the target's host and port.
    pub authority: Option<String>,
    /// Transport encryption. `https://` targets imply the default of it.
    pub tls: Option<Tls>,
    /// What is spoken there, with whatever else is of that protocol only. It has no steps: these are the
    /// scenario's.
    pub protocol: ProtocolPlan,
}

impl Elsewhere {
    /// Servers of a protocol, with everything as in a file that says nothing of it.
    #[must_use]
    pub fn new(protocol: impl Into<ProtocolPlan>) -> Self {
        Self {
            targets: Vec::new(),
            connect_timeout: None,
            max_message: None,
            authority: None,
            tls: None,
            protocol: protocol.into(),
        }
    }
}

/// What is said of servers elsewhere, for each protocol.
#[derive(Debug)]
pub(super) struct Outside {
    /// What the scenario itself speaks, where that is clear.
    own: Option<&'static str>,
    /// Those that are said, or only spoken.
    all: Vec<Servers>,
}

#[derive(Debug)]
struct Servers {
    protocol: Protocol,
    /// As much of a scenario as is said of them.
    raw: RawScenario,
    path: String,
    /// Whether anything is said of them.
    is_given: bool,
}

impl Outside {
    /// Whether what speaks this protocol goes elsewhere.
    pub(super) fn takes(&self, protocol: Protocol) -> bool {
        let is_given = self
            .all
            .iter()
            .any(|it| it.protocol == protocol && it.is_given);
        self.own.is_some_and(|own| own != protocol.as_str()) || (self.own.is_some() && is_given)
    }

    /// The steps that go elsewhere.
    fn of_those<'a, 'b>(
        &self,
        leaves: &'b [(String, &'a RawStep)],
    ) -> impl Iterator<Item = (Protocol, &'b (String, &'a RawStep))> {
        let spoken = leaves.iter().flat_map(|leaf| {
            let spoken: Vec<Protocol> = spoken_in(leaf.1).collect();
            spoken.into_iter().map(move |it| (it, leaf))
        });
        spoken.filter(|(protocol, _)| self.takes(*protocol))
    }
}

impl Layers<'_> {
    /// What is said of servers elsewhere, in a scenario that speaks this.
    pub(super) fn outside(&self, own: Option<&'static str>) -> Outside {
        let picked = self.pick("elsewhere", |raw| &raw.elsewhere);
        let said = picked.entry.given();
        let all = Protocol::all().map(|protocol| {
            let entry = said.map(|it| servers_of(it, protocol));
            let raw = entry.and_then(Entry::given);
            Servers {
                protocol,
                raw: raw.map(as_scenario).unwrap_or_default(),
                path: format!("{}.{protocol}", picked.path),
                is_given: entry.is_some_and(|it| !it.is_absent()),
            }
        });
        Outside {
            own,
            all: all.collect(),
        }
    }

    /// What is said of one protocol's servers, as of a scenario.
    fn servers<'a>(&'a self, servers: &'a Servers) -> Layers<'a> {
        Layers {
            layers: vec![Layer {
                raw: &servers.raw,
                path: servers.path.clone(),
            }],
            own_path: servers.path.clone(),
            base_dir: self.base_dir,
            servers: self.servers,
            problems: self.problems,
        }
    }

    /// What a step elsewhere says.
    pub(super) fn said_elsewhere(
        &self,
        protocol: Protocol,
        step: &RawStep,
        path: &str,
        outside: &Outside,
    ) -> Option<Spoken> {
        let servers = outside.all.iter().find(|it| it.protocol == protocol)?;
        let layers = self.servers(servers);
        in_each_room!(
            |R| if R::SPOKEN.is_some_and(|it| it.word == protocol.as_str()) {
                return R::action(&layers, step, path).map(Spoken::from);
            }
        );
        None
    }

    /// The servers elsewhere that steps of `setup`, `begin` and `end` go to.
    pub(super) fn elsewhere(&self, outside: &Outside) -> Option<Vec<Elsewhere>> {
        let parts = self.parts();
        let leaves = &leaves_of(&[&parts.setup, &parts.begin, &parts.end]);
        let picked = self.pick("elsewhere", |raw| &raw.elsewhere);
        let is_own = picked.path == format!("{}.elsewhere", self.own_path);
        let spoken: BTreeSet<Protocol> = outside.of_those(leaves).map(|(it, _)| it).collect();
        let mut all = Some(Vec::new());
        for servers in &outside.all {
            let is_spoken = spoken.contains(&servers.protocol);
            if !is_spoken && !servers.is_given {
                continue;
            }
            let read = self.read_servers(servers, outside, leaves);
            if !is_spoken && is_own && outside.own.is_some() {
                self.problems.add(
                    &servers.path,
                    format!(
                        "where `{}` goes, which no step there speaks",
                        servers.protocol
                    ),
                    "a protocol that a step of `setup`, `begin` or `end` speaks",
                    None,
                );
                all = None;
            }
            match (read, &mut all) {
                (Some(read), Some(all)) if is_spoken => all.push(read),
                (None, _) => all = None,
                _ => {}
            }
        }
        picked.entry.or((), |_| ())?;
        all
    }
}

impl Layers<'_> {
    fn read_servers(
        &self,
        servers: &Servers,
        outside: &Outside,
        leaves: &[(String, &RawStep)],
    ) -> Option<Elsewhere> {
        in_each_room!(
            |R| if R::SPOKEN.is_some_and(|it| it.word == servers.protocol.as_str()) {
                return self.servers_of::<R>(servers, outside, leaves);
            }
        );
        None
    }

    fn servers_of<R: Room + Into<ProtocolPlan>>(
        &self,
        servers: &Servers,
        outside: &Outside,
        leaves: &[(String, &RawStep)],
    ) -> Option<Elsewhere> {
        let layers = self.servers(servers);
        let is_foreign = R::SPOKEN.is_some_and(|words| {
            layers.has_foreign_fields(words, &format!("in what is said of {}", words.name))
        });
        let said: Vec<(String, &RawStep)> = outside
            .of_those(leaves)
            .filter(|(protocol, _)| *protocol == servers.protocol)
            .map(|(_, (path, step))| (path.clone(), *step))
            .collect();
        let agree = R::agree(&layers, &said);
        let tls = layers.tls();
        let targets = layers.targets::<R>(tls.as_ref().is_some_and(Option::is_some));
        let targets = targets.and_then(|(targets, of_suite)| {
            let refuse = |name: &String| {
                self.problems.add(
                    format!("{}.targets", servers.path),
                    format!("`backend:{name}`"),
                    "addresses",
                    Some(
                        "servers of the suite are named among a scenario's own `targets`"
                            .to_owned(),
                    ),
                );
            };
            of_suite.iter().for_each(refuse);
            let lists = targets.iter().filter(|it| it.list().is_some());
            let mut has_lists = false;
            for list in lists {
                has_lists = true;
                self.problems.add(
                    format!("{}.targets", servers.path),
                    format!("`{list}`"),
                    "addresses",
                    Some("lists of addresses are met among a scenario's own `targets`".to_owned()),
                );
            }
            (of_suite.is_empty() && !has_lists).then_some(targets)
        });
        let raw = &servers.raw;
        let is_somewhere =
            outside.own != Some(servers.protocol.as_str()) || !raw.targets.is_absent();
        if !is_somewhere {
            self.problems.add(
                format!("{}.targets", servers.path),
                "nothing",
                "targets: without any, these steps go where the scenario's own go",
                Some("leave it out for that".to_owned()),
            );
        }
        let fields = R::fields(&layers);
        let connect_timeout = raw.connect_timeout.or(None, |span| Some(span.0));
        let max_message = raw.max_message.or(None, |most| Some(most.0));
        let authority = raw.authority.or(None, |name| Some(name.0.clone()));
        if is_foreign || !agree || !is_somewhere {
            return None;
        }
        Some(Elsewhere {
            targets: targets?,
            connect_timeout: connect_timeout?,
            max_message: max_message?,
            authority: authority?,
            tls: tls?,
            protocol: fields?.into(),
        })
    }
}

fn servers_of(said: &RawElsewhere, protocol: Protocol) -> &Entry<RawServers> {
    match protocol {
        Protocol::Grpc => &said.grpc,
        Protocol::Websocket => &said.websocket,
        Protocol::Http => &said.http,
        Protocol::Tcp => &said.tcp,
    }
}

/// All servers elsewhere as they are written.
pub(super) fn print(all: &[Elsewhere]) -> Entry<RawElsewhere> {
    if all.is_empty() {
        return Entry::Absent;
    }
    let mut raw = RawElsewhere::default();
    for servers in all {
        let printed = Entry::Given(print_servers(servers));
        match servers.protocol.protocol() {
            Protocol::Grpc => raw.grpc = printed,
            Protocol::Websocket => raw.websocket = printed,
            Protocol::Http => raw.http = printed,
            Protocol::Tcp => raw.tcp = printed,
        }
    }
    Entry::Given(raw)
}

fn print_servers(servers: &Elsewhere) -> RawServers {
    let mut raw = RawScenario {
        targets: List::unless_empty(servers.targets.iter().map(RawTarget::of)),
        connect_timeout: Entry::from_option(servers.connect_timeout.map(PositiveSpan)),
        max_message: Entry::from_option(servers.max_message.map(MaxMessage)),
        authority: Entry::from_option(servers.authority.clone().map(Authority)),
        tls: Entry::from_option(servers.tls.as_ref().map(tls::print)),
        ..RawScenario::default()
    };
    servers.protocol.print(&mut raw);
    of_scenario(raw)
}

/// The fields that both have, from one to the other.
macro_rules! same_fields {
    ($($field:ident),+ $(,)?) => {
        fn as_scenario(raw: &RawServers) -> RawScenario {
            RawScenario {
                $($field: raw.$field.clone(),)+
                ..RawScenario::default()
            }
        }

        fn of_scenario(raw: RawScenario) -> RawServers {
            RawServers {
                $($field: raw.$field,)+
            }
        }
    };
}

same_fields!(
    targets,
    http_version,
    connections,
    streams_per_connection,
    codec,
    connection_per,
    connect_rate,
    connect_timeout,
    max_message,
    keepalive,
    wait_for_ready,
    authority,
    tls,
    metadata,
    headers,
    subprotocols,
    compression,
    cookies,
    redirects,
    protos,
);
