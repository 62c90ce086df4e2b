//! Steps that go elsewhere, made ready by the drivers of what they speak.
//!
//! Knows all drivers, and none knows it: each makes ready what it is handed, and is handed to the one of the
//! scenario as [`Guest`]s.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

#[cfg(feature = "grpc")]
use super::grpc::{self, GrpcFactory};
#[cfg(feature = "http")]
use super::http::{self, HttpFactory};
use super::intercept::Interceptor;
use super::mistake::Mistake;
use super::steps::{Guest, Host, Invite, Invited, Stage};
#[cfg(feature = "tcp")]
use super::tcp::{self, TcpFactory};
#[cfg(feature = "websocket")]
use super::websocket::{self, WebsocketFactory};
use crate::scenario::{Protocol, ProtocolPlan, ScenarioPlan};
use crate::secrets::Secrets;
use crate::workload::{FileChange, Look, Lookout, Lookouts};

/// Makes ready what of a scenario goes elsewhere.
pub(crate) struct Guests<'a> {
    scenario: &'a ScenarioPlan,
    secrets: &'a Secrets,
    interceptor: Option<&'a Arc<dyn Interceptor>>,
    /// Whether it is to be done, or looked over only.
    is_run: bool,
    lookouts: RefCell<Lookouts>,
    left_to_server: RefCell<Vec<String>>,
    is_unreachable: Cell<bool>,
    codec: RefCell<Option<String>>,
    notices: RefCell<Vec<String>>,
}

impl fmt::Debug for Guests<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").finish_non_exhaustive()
    }
}

impl<'a> Guests<'a> {
    /// What goes elsewhere of a scenario that is to be run.
    pub(crate) fn of(
        scenario: &'a ScenarioPlan,
        secrets: &'a Secrets,
        interceptor: Option<&'a Arc<dyn Interceptor>>,
    ) -> Self {
        Self {
            scenario,
            secrets,
            interceptor,
            is_run: true,
            lookouts: RefCell::default(),
            left_to_server: RefCell::default(),
            is_unreachable: Cell::new(false),
            codec: RefCell::default(),
            notices: RefCell::default(),
        }
    }

    /// The same of one that is looked over only, without a connection.
    pub(crate) fn checked(scenario: &'a ScenarioPlan, secrets: &'a Secrets) -> Self {
        Self {
            is_run: false,
            ..Self::of(scenario, secrets, None)
        }
    }

    /// The stage of the scenario itself.
    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage::host(self.secrets, self)
    }

    /// The files that it is made of and that may change.
    pub(crate) fn lookouts(&self) -> Lookouts {
        self.lookouts.take()
    }

    /// The gRPC methods that its server is asked about when the run is prepared.
    pub(crate) fn left_to_server(&self) -> Vec<String> {
        self.left_to_server.take()
    }

    /// Whether a server had to be asked before the run that could not be reached.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.is_unreachable.get()
    }

    /// Who speaks HTTP/2 where steps call gRPC elsewhere.
    pub(crate) fn codec(&self) -> Option<String> {
        self.codec.take()
    }

    /// What is to be said of it.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.notices.take()
    }

    /// Has a driver make its steps ready; `None` where they are looked over only.
    fn guest(&self, host: &Host<'_>, plan: &ScenarioPlan) -> Result<Option<Arc<dyn Guest>>, Wrong> {
        let protocol = plan.protocol();
        let stage = &Stage::guest(self.secrets, host, protocol);
        match &plan.protocol {
            #[cfg(feature = "grpc")]
            ProtocolPlan::Grpc(grpc) if self.is_run => {
                let mut factory = GrpcFactory::on(plan, grpc, stage)?;
                if let Some(interceptor) = self.interceptor {
                    factory = factory.with_interceptor(Arc::clone(interceptor));
                }
                *self.codec.borrow_mut() = Some(factory.codec().to_string());
                let notice = factory.codec_notice();
                let notice = notice.map(|it| format!("elsewhere.{protocol}: {it}"));
                self.notices.borrow_mut().extend(notice);
                let lookouts = factory.lookouts();
                self.made(protocol, lookouts, factory, |factory, _| factory)
            }
            #[cfg(feature = "grpc")]
            ProtocolPlan::Grpc(grpc) => {
                let left = GrpcFactory::check_on(plan, grpc, stage)?;
                self.left_to_server.borrow_mut().extend(left);
                Ok(None)
            }
            #[cfg(feature = "websocket")]
            ProtocolPlan::Websocket(websocket) if self.is_run => {
                let factory = WebsocketFactory::on(plan, websocket, stage)?;
                let lookouts = factory.lookouts();
                self.made(
                    protocol,
                    lookouts,
                    factory,
                    WebsocketFactory::with_interceptor,
                )
            }
            #[cfg(feature = "websocket")]
            ProtocolPlan::Websocket(websocket) => {
                Ok(WebsocketFactory::check_on(plan, websocket, stage).map(|()| None)?)
            }
            #[cfg(feature = "http")]
            ProtocolPlan::Http(http) if self.is_run => {
                let factory = HttpFactory::on(plan, http, stage)?;
                let lookouts = factory.lookouts();
                self.made(protocol, lookouts, factory, HttpFactory::with_interceptor)
            }
            #[cfg(feature = "http")]
            ProtocolPlan::Http(http) => {
                Ok(HttpFactory::check_on(plan, http, stage).map(|()| None)?)
            }
            #[cfg(feature = "tcp")]
            ProtocolPlan::Tcp(tcp) if self.is_run => {
                let factory = TcpFactory::on(plan, tcp, stage)?;
                let lookouts = factory.lookouts();
                self.made(protocol, lookouts, factory, TcpFactory::with_interceptor)
            }
            #[cfg(feature = "tcp")]
            ProtocolPlan::Tcp(tcp) => Ok(TcpFactory::check_on(plan, tcp, stage).map(|()| None)?),
            #[cfg(not(all(
                feature = "grpc",
                feature = "websocket",
                feature = "http",
                feature = "tcp"
            )))]
            _ => Err(Wrong::Servers(format!(
                "loadgen-core was built without the feature `{protocol}`"
            ))),
        }
    }

    /// One that is ready, and shown to who intercepts.
    fn made<F: Guest + 'static>(
        &self,
        protocol: Protocol,
        lookouts: Lookouts,
        factory: F,
        shown_to: impl FnOnce(F, Arc<dyn Interceptor>) -> F,
    ) -> Result<Option<Arc<dyn Guest>>, Wrong> {
        let lookouts = lookouts.0.into_iter().map(|lookout| {
            let elsewhere: Arc<dyn Lookout> = Arc::new(Elsewhere { protocol, lookout });
            elsewhere
        });
        self.lookouts.borrow_mut().0.extend(lookouts);
        Ok(Some(match self.interceptor {
            Some(interceptor) => Arc::new(shown_to(factory, Arc::clone(interceptor))),
            None => Arc::new(factory),
        }))
    }

    /// All that is wrong, as of the scenario.
    fn mistakes(&self, protocol: Protocol, wrong: Wrong) -> Vec<Mistake> {
        match wrong {
            Wrong::Steps(mistakes) => mistakes,
            Wrong::Unreachable(problem) => {
                self.is_unreachable.set(true);
                vec![Mistake::new(&format!("elsewhere.{protocol}"), problem)]
            }
            Wrong::Servers(problem) => vec![of_servers(protocol, &problem)],
        }
    }
}

impl Invite for Guests<'_> {
    fn invite(&self, host: &Host<'_>) -> Result<Invited, Vec<Mistake>> {
        let (mut guests, mut mistakes) = (Vec::new(), Vec::new());
        let plans = self.scenario.guests();
        for (protocol, path) in host.protocols() {
            let plan = plans.iter().find(|it| it.protocol() == protocol);
            let plan = plan.filter(|it| !self.is_run || !it.targets.is_empty());
            let Some(plan) = plan else {
                let problem =
                    format!("nothing says where `{path}` goes, which speaks `{protocol}`");
                let path = format!("elsewhere.{protocol}.targets");
                mistakes.push(Mistake::new(&path, problem));
                continue;
            };
            match self.guest(host, plan) {
                Ok(guest) => guests.extend(guest.map(|it| (protocol, it))),
                Err(wrong) => mistakes.extend(self.mistakes(protocol, wrong)),
            }
        }
        match mistakes.is_empty() {
            true => Ok(guests),
            false => Err(mistakes),
        }
    }
}

/// What a driver has against its part.
enum Wrong {
    /// Each with its place.
    Steps(Vec<Mistake>),
    /// Something about its servers, which it knows as a scenario's.
    Servers(String),
    /// A server that had to be asked was not there.
    Unreachable(String),
}

#[cfg(feature = "grpc")]
impl From<grpc::DriverError> for Wrong {
    fn from(error: grpc::DriverError) -> Self {
        match error {
            grpc::DriverError::Mistakes(mistakes) => Self::Steps(mistakes),
            grpc::DriverError::Unreachable(problem) => Self::Unreachable(problem),
            other => Self::Servers(other.to_string()),
        }
    }
}

#[cfg(feature = "websocket")]
impl From<websocket::DriverError> for Wrong {
    fn from(error: websocket::DriverError) -> Self {
        match error {
            websocket::DriverError::Mistakes(mistakes) => Self::Steps(mistakes),
            other => Self::Servers(other.to_string()),
        }
    }
}

#[cfg(feature = "http")]
impl From<http::DriverError> for Wrong {
    fn from(error: http::DriverError) -> Self {
        match error {
            http::DriverError::Mistakes(mistakes) => Self::Steps(mistakes),
            other => Self::Servers(other.to_string()),
        }
    }
}

#[cfg(feature = "tcp")]
impl From<tcp::DriverError> for Wrong {
    fn from(error: tcp::DriverError) -> Self {
        match error {
            tcp::DriverError::Mistakes(mistakes) => Self::Steps(mistakes),
            other => Self::Servers(other.to_string()),
        }
    }
}

/// A problem that begins with its place: that of a step is the scenario's, and that of what is said of servers
/// is below where that is said.
fn of_servers(protocol: Protocol, problem: &str) -> Mistake {
    const STEPS: [&str; 3] = ["setup[", "begin[", "end["];
    const FIELDS: [&str; 5] = ["headers", "metadata", "protos", "targets", "tls"];
    let begins = |with: &[&str]| with.iter().any(|it| problem.starts_with(it));
    let servers = format!("elsewhere.{protocol}");
    match problem.split_once(": ") {
        Some((path, rest)) if begins(&STEPS) => Mistake::new(path, rest.to_owned()),
        Some((path, rest)) if begins(&FIELDS) => {
            Mistake::new(&format!("{servers}.{path}"), rest.to_owned())
        }
        _ => Mistake::new(&servers, problem.to_owned()),
    }
}

/// A look at files of servers elsewhere.
struct Elsewhere {
    protocol: Protocol,
    lookout: Arc<dyn Lookout>,
}

impl Lookout for Elsewhere {
    fn look(&self) -> Look {
        match self.lookout.look() {
            Look::Changed(changes) => Look::Changed(
                changes
                    .into_iter()
                    .map(|(at, it)| {
                        let mut parts = ["setup[", "begin[", "end["].iter();
                        let field = match parts.any(|part| it.field.starts_with(part)) {
                            true => it.field,
                            false => format!("elsewhere.{}.{}", self.protocol, it.field),
                        };
                        (at, FileChange { field, ..it })
                    })
                    .collect(),
            ),
            other => other,
        }
    }
}
