//! What a run is to be, once flags, scenarios and environment are settled against one another.
//!
//! Owns every rule of precedence. Starts nothing and prints nothing.

mod error;
mod overrides;
mod sinks;
#[cfg(test)]
mod tests;
mod tls;

use std::ffi::OsString;

use loadgen_core::engine::Options;
use loadgen_core::scenario::{Plan, Protocol, ScenarioPlan, Suite, Target};
use loadgen_core::schedule::Load;
use loadgen_core::sink::post::Url;
use loadgen_core::sink::statsd::Prefix;

use crate::args::{ProtocolChoice, RunArgs, TagList};
use crate::error::Error;
use crate::output::Spec;
use crate::sinks::{OtlpSettings, PrometheusSettings};
use crate::{env, targets};

pub(crate) use self::error::SettingsError;
pub(crate) use self::sinks::{IDLE_PREFIX, statsd};

/// A run, settled.
#[derive(Debug)]
pub(crate) struct RunSettings {
    /// What is run, overrides applied. Scenarios that the embedded backend is to answer have no
    /// targets yet.
    pub(crate) plan: Plan,
    /// The protocols that scenarios need the embedded backend for, each once and in order.
    pub(crate) embedded: Vec<Protocol>,
    /// How it is carried out.
    pub(crate) options: Options,
    /// What was changed against the scenario, for a person to read.
    pub(crate) notices: Vec<String>,
    /// What is said also to who asked for quiet.
    pub(crate) warnings: Vec<String>,
    /// Files to write.
    pub(crate) outputs: Vec<Spec>,
    /// Where metrics go while the run is under way.
    pub(crate) statsd: Option<Target>,
    /// What their names begin with.
    pub(crate) statsd_prefix: Prefix,
    /// Tags for all of them, where tags are sent.
    pub(crate) statsd_tags: Option<Vec<(String, String)>>,
    /// Where Prometheus scrapes.
    pub(crate) prometheus: Option<PrometheusSettings>,
    /// Where OTLP is posted.
    pub(crate) otlp: Option<OtlpSettings>,
    /// Where the run is marked.
    pub(crate) graphite: Option<Url>,
}

impl RunSettings {
    /// Settles a run.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn resolve(
        args: &RunArgs,
        suite: &Suite,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, Error> {
        refuse_same_output(&args.outputs)?;
        let protocol = protocol(args.chosen_protocol().unwrap_or_default());
        let mut plan = suite.select(&args.scenarios, protocol)?;
        let run = plan.scenarios.iter().map(|it| it.protocol()).collect();
        let args = &*targets::settle(args, &run)?;
        tls::refuse_contradicting(args)?;
        let mut notices = overrides::apply(&mut plan, args)?;
        let warnings = tls::apply(&mut plan, args);
        let statsd = statsd(args.statsd.as_ref(), &variable)?;
        let graphite = match &args.graphite {
            Some(given) => Some(given.clone()),
            None => env::graphite(&variable)?,
        };
        let otlp = sinks::otlp(args, &variable, &mut notices)?;
        // The marks carry the prefix, too.
        if statsd.is_none() && graphite.is_none() && args.statsd_prefix.is_some() {
            notices.push(IDLE_PREFIX.to_owned());
        }
        if statsd.is_none() && args.statsd_tags.is_some() {
            notices.push(
                "--statsd-tags changes nothing: no metrics are sent to StatsD without --statsd, STATSD_HOST or STATSD_PORT"
                    .to_owned(),
            );
        }
        let is_open = |plan: &ScenarioPlan| matches!(plan.load, Load::Open(_));
        if args.pacing.is_busy() && !plan.scenarios.iter().any(is_open) {
            notices.push(format!(
                "--pacing {} changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open",
                args.pacing
            ));
        }
        let embedded = overrides::aim(&mut plan, variable)?;
        let users = plan
            .scenarios
            .iter()
            .map(|it| it.load.max_users() as usize)
            .fold(0, usize::saturating_add);
        let workers = match args.workers {
            Some(workers) => usize::try_from(workers).ok(),
            None => default_workers(!embedded.is_empty(), cores, users),
        };
        Ok(Self {
            plan,
            embedded,
            options: Options::default()
                .workers(workers)
                .seed(args.seed)
                .pacing(args.pacing),
            notices,
            warnings,
            outputs: args.outputs.clone(),
            statsd,
            statsd_prefix: args.statsd_prefix.clone().unwrap_or_default(),
            statsd_tags: args.statsd_tags.clone().map(|TagList(tags)| tags),
            prometheus: args.prometheus.clone().map(|address| PrometheusSettings {
                address,
                wait: args.prometheus_wait,
            }),
            otlp,
            graphite,
        })
    }

    /// Fills in the embedded backend's address for a protocol where no target is set.
    pub(crate) fn aim_at_embedded(&mut self, protocol: Protocol, target: &Target) {
        for scenario in &mut self.plan.scenarios {
            if scenario.protocol() == protocol && scenario.targets.is_empty() {
                scenario.targets.push(target.clone());
            }
        }
    }
}

/// The protocol to select by; `None` is all of them.
pub(crate) fn protocol(choice: ProtocolChoice) -> Option<&'static str> {
    match choice {
        ProtocolChoice::All => None,
        ProtocolChoice::Grpc => Some(Protocol::Grpc.as_str()),
        ProtocolChoice::Websocket => Some(Protocol::Websocket.as_str()),
    }
}

/// Half the cores when the embedded backend has the other half; otherwise the engine's own rule.
fn default_workers(embedded: bool, cores: usize, users: usize) -> Option<usize> {
    embedded.then(|| (cores / 2).min(users).max(1))
}

fn refuse_same_output(outputs: &[Spec]) -> Result<(), SettingsError> {
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|it| it.path == output.path) {
            return Err(SettingsError::SameOutputTwice {
                path: output.path.clone(),
            });
        }
    }
    Ok(())
}
