//! From a scenario to exchanges that are ready to be made, once and before the run.

use std::time::Duration;

use super::NO_ALPN;
use super::error::DriverError;
use super::frame::Frame;
use super::outgoing::Outgoing;
use crate::cap::Cap;
use crate::driver::mistake::Mistake;
use crate::driver::steps::{At, Life, Parts, Ready, Stage};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::expression::Known;
use crate::scenario::{ConnectionPer, ScenarioPlan, TcpExchange, TcpPlan, TcpReceive};
use crate::workload::Lookouts;

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) life: Life<Exchange>,
    pub(super) timeout: Duration,
    pub(super) connection_per: ConnectionPer,
    pub(super) connect_timeout: Duration,
    pub(super) connect_cap: Option<Cap>,
    /// The longest reply taken.
    pub(super) max_message: u32,
    /// What it is made of that may change.
    pub(super) lookouts: Lookouts,
}

/// What a step does on its connection.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The step's number in reports.
    pub(super) number: usize,
    /// What is sent; `None` only receives.
    pub(super) outgoing: Option<Outgoing>,
    /// Where a reply ends; `None` waits for nothing.
    pub(super) frame: Option<Frame>,
    /// Whether our side ends once all is sent.
    pub(super) shutdown: bool,
    /// Whether somebody looks at the last reply.
    pub(super) is_looked_at: bool,
    /// The longest it may take.
    pub(super) timeout: Option<Duration>,
    pub(super) repeat: u32,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
}

impl Exchange {
    /// Whether the connection is of no more use when the step is over.
    pub(super) fn ends_connection(&self) -> bool {
        self.shutdown || matches!(self.frame, Some(Frame::End))
    }
}

impl Prepared {
    pub(super) fn new(
        scenario: &ScenarioPlan,
        plan: &TcpPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Self::with_endpoints(scenario, plan, endpoints::of(scenario, &NO_ALPN)?, stage)
    }

    /// Prepares a scenario that may have no targets yet.
    pub(super) fn check(
        scenario: &ScenarioPlan,
        plan: &TcpPlan,
        stage: &Stage<'_>,
    ) -> Result<(), DriverError> {
        let endpoints = endpoints::check(scenario, &NO_ALPN)?;
        Self::with_endpoints(scenario, plan, endpoints, stage).map(drop)
    }

    fn with_endpoints(
        scenario: &ScenarioPlan,
        plan: &TcpPlan,
        endpoints: Vec<Endpoint>,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        let parts = Parts {
            setup: &plan.setup,
            begin: &plan.begin,
            steps: &plan.steps,
            end: &plan.end,
        };
        let most = scenario.max_message;
        let life = Life::prepare(scenario, &parts, stage, |exchange: &TcpExchange, at| {
            Ok::<_, DriverError>(Ready {
                action: prepare(exchange, at, most),
                reply: match exchange.receive {
                    Some(_) => vec![("reply", Known::Anything)],
                    None => Vec::new(),
                },
            })
        })?;
        Ok(Self {
            lookouts: Lookouts(endpoints::lookouts(&endpoints).collect()),
            endpoints,
            life,
            timeout: scenario.timeout,
            connection_per: plan.connection_per,
            connect_timeout: scenario.connect_timeout,
            connect_cap: plan.connect_rate.map(Cap::new),
            max_message: most,
        })
    }
}

/// What is wrong is noted.
fn prepare(exchange: &TcpExchange, at: &At<'_>, most: u32) -> Option<Exchange> {
    let wrong = |field: &str, problem: String| {
        let path = format!("{}.tcp.{field}", at.path);
        at.lexicon.add(Mistake::new(&path, problem));
    };
    if let Some(TcpReceive::Bytes(count)) = exchange.receive
        && count > most
    {
        let problem = format!("{count} bytes, and at most {most} are taken (`max_message`)");
        wrong("receive.bytes", problem);
    }
    let outgoing = exchange.send.as_ref().map(|it| Outgoing::new(it, at));
    let frame = exchange.receive.as_ref().map(Frame::new).transpose();
    let frame = frame.map_err(|problem| wrong("receive", problem)).ok()?;
    let is_single = matches!(frame, Some(Frame::End));
    let at_least_one = |count: u32| if is_single { 1 } else { count.max(1) };
    Some(Exchange {
        number: at.number,
        repeat: at_least_one(exchange.repeat),
        in_flight: at_least_one(exchange.in_flight),
        outgoing,
        frame,
        shutdown: exchange.shutdown,
        is_looked_at: at.looks.reply,
        timeout: exchange.timeout,
        every: exchange.every,
    })
}
