//! From a scenario to requests that are ready to be sent.
//!
//! Owns everything that is done once and before the run.

use std::time::Duration;

use super::error::DriverError;
use super::request::Outgoing;
use super::{HTTP1, HTTP2};
use crate::cap::Cap;
use crate::driver::header_fields::Sources;
use crate::driver::http2::Wanted;
use crate::driver::identity::Identity;
use crate::driver::steps::{Life, Looks, Parts, Ready, Stage};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::tls::Alpn;
use crate::driver::web::redirect::Elsewhere;
use crate::expression::Known;
use crate::outcome::Failure;
use crate::scenario::{
    Codec, ConnectionPer, HttpPlan, HttpRequest, HttpVersion, ScenarioPlan, StreamEnd,
};
use crate::workload::{Iteration, Lookouts};

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) life: Life<Asking>,
    pub(super) timeout: Duration,
    pub(super) connection_per: ConnectionPer,
    /// The connections that users share, over HTTP/2.
    pub(super) shared: Option<Wanted>,
    pub(super) connect_timeout: Duration,
    pub(super) connect_cap: Option<Cap>,
    /// The longest answer taken, packed and unpacked.
    pub(super) max_message: u32,
    /// Whether users keep cookies.
    pub(super) cookies: bool,
    /// The most redirections that are followed, and how.
    pub(super) redirects: u32,
    pub(super) elsewhere: Elsewhere,
    /// What it is made of that may change.
    pub(super) lookouts: Lookouts,
}

/// What a step asks for, and what is made of the answer.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) outgoing: Outgoing,
    /// What of the answer somebody looks at.
    pub(super) looks: Looks,
    /// What of it a step is judged by: without that, it fails.
    pub(super) checked: Looks,
    /// Where the answer says whose it is.
    pub(super) identity: Identity,
    /// When we end server-sent events.
    pub(super) stream: Option<StreamEnd>,
    /// The longest it may take.
    pub(super) timeout: Option<Duration>,
    /// What it is called in messages to people: method and path, without the query.
    pub(super) shown: String,
}

impl Asking {
    /// A request under way was cut off, when so many bytes of the answer's body had come, or not even its
    /// head.
    #[cold]
    pub(super) fn was_cut_off(&self, came: Option<u64>, iteration: &Iteration<'_>) {
        let shown = &self.shown;
        iteration.explain(Failure::Timeout, || match came {
            None => format!("{shown}: cut off while waiting for the answer's head"),
            Some(bytes) => format!("{shown}: cut off after {bytes} bytes of the answer's body"),
        });
    }
}

/// What connections agree on.
fn alpn(plan: &HttpPlan) -> &'static Alpn {
    match plan.version {
        HttpVersion::Http1 => &HTTP1,
        HttpVersion::Http2 => &HTTP2,
    }
}

impl Prepared {
    /// Of what is read on the way, the stage's secrets learn.
    pub(super) fn new(
        scenario: &ScenarioPlan,
        plan: &HttpPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Self::with_endpoints(scenario, plan, endpoints::of(scenario, alpn(plan))?, stage)
    }

    /// Prepares a scenario that may have no targets yet.
    pub(super) fn check(
        scenario: &ScenarioPlan,
        plan: &HttpPlan,
        stage: &Stage<'_>,
    ) -> Result<(), DriverError> {
        let endpoints = endpoints::check(scenario, alpn(plan))?;
        Self::with_endpoints(scenario, plan, endpoints, stage).map(drop)
    }

    fn with_endpoints(
        scenario: &ScenarioPlan,
        plan: &HttpPlan,
        endpoints: Vec<Endpoint>,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        let mut sources = Sources::new(stage.secrets);
        let parts = Parts {
            setup: &plan.setup,
            begin: &plan.begin,
            steps: &plan.steps,
            end: &plan.end,
        };
        let life = Life::prepare(scenario, &parts, stage, |request: &HttpRequest, at| {
            let path = request.path.split('?').next().unwrap_or_default();
            let asking = Asking {
                outgoing: Outgoing::new(request, plan, &mut sources, &endpoints, at)?,
                looks: at.looks,
                checked: at.checked,
                identity: at.identity.clone(),
                stream: request.stream,
                timeout: request.timeout,
                shown: format!("{} {path}", request.method),
            };
            Ok::<_, DriverError>(Ready {
                action: Some(asking),
                reply: vec![
                    ("reply", Known::Anything),
                    ("status", Known::Number),
                    ("headers", Known::Anything),
                    ("trailers", Known::Anything),
                ],
            })
        })?;
        let files = endpoints::lookouts(&endpoints).chain(sources.lookouts());
        Ok(Self {
            lookouts: Lookouts(files.collect()),
            endpoints,
            life,
            timeout: scenario.timeout,
            connection_per: plan.connection_per,
            shared: (plan.version == HttpVersion::Http2).then(|| Wanted {
                connections: plan.connections,
                most_streams: plan.streams_per_connection.unwrap_or(u32::MAX).max(1),
                codec: Codec::H2,
                connect_timeout: scenario.connect_timeout,
                keepalive: plan.keepalive,
                waits_for_ready: false,
                connect_cap: None,
            }),
            connect_timeout: scenario.connect_timeout,
            connect_cap: plan.connect_rate.map(Cap::new),
            max_message: scenario.max_message,
            cookies: plan.cookies,
            redirects: plan.redirects,
            elsewhere: Elsewhere::of(scenario, plan.redirects, alpn(plan)),
        })
    }
}
