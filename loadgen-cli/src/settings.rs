//! What a run is to be, once flags, scenarios and environment are settled against one another.
//!
//! Owns every rule of precedence. Starts nothing and prints nothing.

pub(crate) mod original;
pub(crate) mod sinks;

mod capacity;
mod env;
mod error;
mod journal;
mod overrides;
mod shard;
mod targets;
#[cfg(test)]
mod tests;
mod tls;
mod together;
mod ui;

use std::ffi::OsString;

use loadgen_core::engine::Options;
use loadgen_core::pacer::Pacing;
use loadgen_core::report::{DataDigest, ShardPart};
use loadgen_core::scenario::{Plan, Protocol, ScenarioPlan, Suite, Target};
use loadgen_core::schedule::{Load, Shard};
use loadgen_core::units::format_duration;

use self::sinks::SinkSettings;
use crate::args::{RunArgs, TargetFlags, WhatArgs};
use crate::coordinate;
use crate::human::counted;
use crate::output::Spec;
use crate::protocols::{self, Spoken};

pub(crate) use self::capacity::CapacitySettings;
pub(crate) use self::env::EnvError;
pub(crate) use self::error::SettingsError;
pub(crate) use self::journal::{Journal, beside as journal_beside, is_beside as is_journal_beside};
pub(crate) use self::together::{coordination, run_id};
pub(crate) use self::ui::UiSettings;

/// A run, settled.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// What is run, overrides applied. Scenarios that the embedded backend is to answer have no
    /// targets yet.
    pub(crate) plan: Plan,
    /// The protocols that scenarios need the embedded backend for, each once and in order.
    pub(crate) embedded: Vec<Protocol>,
    /// The cores of this machine.
    pub(crate) cores: usize,
    /// How it is carried out.
    pub(crate) options: Options,
    /// What was changed against the scenario, for a person to read.
    pub(crate) notices: Vec<String>,
    /// What is said also to who asked for quiet.
    pub(crate) warnings: Vec<String>,
    /// Files to write.
    pub(crate) outputs: Vec<Spec>,
    /// Where a journal is kept.
    pub(crate) journal: Journal,
    /// Whether the document is printed in place of the summary.
    pub(crate) json: bool,
    /// How many exchanges were asked to be shown in full.
    trace: Option<usize>,
    /// Where figures go while the run is under way.
    pub(crate) sinks: SinkSettings,
    /// Whether it is one of several parts of a run; which one is among the options.
    is_part: bool,
    /// Names the run that it is a part of.
    pub(crate) run_id: Option<String>,
    /// How the parts come together, where they do.
    pub(crate) coordination: Option<coordinate::Settings>,
    /// Files for the result of all parts.
    pub(crate) merged_outputs: Vec<Spec>,
    /// Where it is shown.
    pub(crate) ui: Option<UiSettings>,
}

impl RunSettings {
    /// Settles a run.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn resolve(
        what: &WhatArgs,
        args: &RunArgs,
        suite: &Suite,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, SettingsError> {
        let (plan, targets) = Self::chosen(what, suite)?;
        Self::of(plan, &targets, args, variable, cores)
    }

    /// What is chosen of a suite, and where the flags send it.
    fn chosen(what: &WhatArgs, suite: &Suite) -> Result<(Plan, TargetFlags), SettingsError> {
        let protocol = what.chosen_protocol().unwrap_or_default().word();
        let plan = suite.select(&what.scenarios, protocol).or_else(|error| {
            let mut others = what.others_of_schemes().into_iter();
            let other = others.find_map(|it| suite.select(&what.scenarios, it.word()).ok());
            other.ok_or(error)
        })?;
        let run = plan.scenarios.iter().map(|it| it.protocol()).collect();
        let targets = targets::settle(what, &run)?.into_owned();
        Ok((plan, targets))
    }

    /// Settles the run of these scenarios, which the flags send elsewhere where they name targets.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn of(
        mut plan: Plan,
        targets: &TargetFlags,
        args: &RunArgs,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, SettingsError> {
        let merged_outputs = &args.together.merged_outputs;
        refuse_same_output(&[&*args.outputs, merged_outputs].concat())?;
        refuse_events(&plan, args.allow_events)?;
        tls::refuse_contradicting(args, targets)?;
        let mut notices = overrides::apply(&mut plan, args, targets)?;
        let warnings = tls::apply(&mut plan, args);
        let sinks = SinkSettings::resolve(args, &variable, &mut notices)?;
        notices.extend(useless_pacing(&plan, args.pacing));
        let embedded = overrides::aim(&mut plan, &variable)?;
        let shard = args
            .shard
            .map(|it| shard::settle(it, &variable))
            .transpose()?;
        let run_id = together::run_id(args.run_id.as_deref(), args.shard, &variable)?;
        let coordination = args.coordinator.as_deref();
        let coordination = coordination
            .map(|it| together::coordination(it, &args.together, &variable))
            .transpose()?;
        let is_part = shard.is_some();
        let shard = shard.unwrap_or_default();
        if is_part {
            refuse_own_servers(&plan)?;
            notices.extend(plan.scenarios.iter().filter_map(|it| idle(it, shard)));
        }
        let users = plan
            .scenarios
            .iter()
            .filter_map(|it| Some(it.as_large_as(shard)?.load.max_users() as usize))
            .fold(0, usize::saturating_add);
        let has_servers = !embedded.is_empty() || !plan.backends.is_empty();
        let workers = match args.workers {
            Some(workers) => usize::try_from(workers).ok(),
            None => default_workers(has_servers, cores, users),
        };
        Ok(Self {
            plan,
            embedded,
            cores,
            options: Options::default()
                .workers(workers)
                .seed(args.seed)
                .pacing(args.pacing)
                .shard(shard),
            notices,
            warnings,
            outputs: args.outputs.clone(),
            journal: Journal::resolve(args),
            json: args.json,
            trace: args.trace.and_then(|it| usize::try_from(it).ok()),
            sinks,
            ui: UiSettings::resolve(args),
            is_part,
            run_id: run_id.filter(|_| is_part),
            coordination,
            merged_outputs: merged_outputs.clone(),
        })
    }

    /// Which part of a run it is, where it is one.
    pub(crate) fn part(&self) -> Option<ShardPart> {
        let Options { shard, seed, .. } = self.options;
        let slices = self.plan.scenarios.iter().map(|it| it.slice(shard));
        self.is_part.then(|| {
            let mut part = ShardPart::new(shard, seed, slices.collect());
            part.run_id.clone_from(&self.run_id);
            let of = |it: &ScenarioPlan| {
                let digests = it.data_digests().into_iter();
                let named =
                    digests.map(|(source, digest)| DataDigest::new(&it.name, source, digest));
                named.collect::<Vec<_>>()
            };
            part.data = self.plan.scenarios.iter().flat_map(of).collect();
            part
        })
    }

    /// Scenarios as large as what is run of them here: what they take, and how far they are. One of which nothing is
    /// run stays as it is.
    pub(crate) fn as_run(&self) -> Vec<ScenarioPlan> {
        let scenarios = self.plan.scenarios.iter();
        let slice = |it: &ScenarioPlan| it.as_large_as(self.options.shard);
        scenarios
            .map(|it| slice(it).unwrap_or_else(|| it.clone()))
            .collect()
    }

    /// The plan with the events that are done from here: of several parts of a run the first one does all.
    pub(crate) fn with_own_events(&self) -> Plan {
        let mut plan = self.plan.clone();
        if self.options.shard.index() > 0 {
            plan.scenarios.iter_mut().for_each(|it| it.events.clear());
        }
        plan
    }

    /// How many exchanges are shown in full.
    pub(crate) fn traced(&self) -> Option<usize> {
        self.trace
    }

    /// The first protocol of a run that goes to the embedded backend alone: nobody named a target, nor servers of
    /// the suite.
    pub(crate) fn only_embedded(&self) -> Option<&'static Spoken> {
        let mut scenarios = self.plan.scenarios.iter();
        let is_aimed = scenarios.any(|it| !it.targets.is_empty() || !it.target_backends.is_empty());
        let first = self.embedded.first().filter(|_| !is_aimed)?;
        protocols::of(*first)
    }

    /// Fills in the embedded backend's address for a protocol where no target is set.
    pub(crate) fn aim_at_embedded(&mut self, protocol: Protocol, target: &Target) {
        for scenario in &mut self.plan.scenarios {
            if scenario.protocol() == protocol && scenario.targets.is_empty() {
                scenario.targets.push(target.clone());
            }
            for servers in &mut scenario.elsewhere {
                if servers.protocol.protocol() == protocol && servers.targets.is_empty() {
                    servers.targets.push(target.clone());
                }
            }
        }
    }
}

/// Half the cores when servers that the run starts have the other half; otherwise the engine's own rule.
fn default_workers(has_servers: bool, cores: usize, users: usize) -> Option<usize> {
    has_servers.then(|| (cores / 2).min(users).max(1))
}

/// What is to be said of a pacing that was asked for and has nothing to do here.
fn useless_pacing(plan: &Plan, pacing: Pacing) -> Option<String> {
    let is_grid = pacing.ticks_apart().is_some();
    if !is_grid && !pacing.is_busy() {
        return None;
    }
    let is_closed = |it: &&ScenarioPlan| matches!(it.load, Load::Closed(_));
    let closed = plan.scenarios.iter().find(is_closed)?;
    if plan.scenarios.iter().all(|it| is_closed(&it)) {
        return Some(format!(
            "--pacing {pacing} changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open"
        ));
    }
    is_grid.then(|| {
        format!(
            "--pacing {pacing} changes nothing on workers that run `{}`, too: with each answer the users of a closed model would wait for the grid",
            closed.name
        )
    })
}

/// Nothing is done to what the run did not start unless that was allowed.
fn refuse_events(plan: &Plan, is_allowed: bool) -> Result<(), SettingsError> {
    let events = plan.scenarios.iter().flat_map(|it| &it.events);
    let outside = events.filter(|it| it.deed.needs_leave());
    let said: Vec<String> = outside
        .map(|it| format!("{} at {}", it.deed, format_duration(it.at)))
        .collect();
    match said.is_empty() || is_allowed {
        true => Ok(()),
        false => Err(SettingsError::Events { said }),
    }
}

/// Each part of a run would start servers of its own, and nobody the ones that all ask.
fn refuse_own_servers(plan: &Plan) -> Result<(), SettingsError> {
    match plan.backends.as_slice() {
        [] => Ok(()),
        backends => Err(SettingsError::OwnServers {
            names: backends.iter().map(|it| it.name.clone()).collect(),
        }),
    }
}

/// What is said of a scenario of which nothing is run here.
fn idle(scenario: &ScenarioPlan, shard: Shard) -> Option<String> {
    let part = scenario.part(shard);
    let slice = scenario.slice(shard);
    let why = match (part, slice.planned, slice.planned_of_all) {
        (None, ..) => {
            let most = u64::from(scenario.load.max_users());
            let shared = scenario.connections_shared().map(u64::from);
            match shared.filter(|it| *it < most) {
                Some(connections) => counted(connections, "connection"),
                None => counted(most, "user"),
            }
        }
        (Some(_), Some(0), Some(all)) => counted(all, "iteration"),
        _ => return None,
    };
    Some(format!(
        "`{}`: nothing of it is made by shard {shard}: it has {why}, and there are {}",
        scenario.name,
        counted(shard.count().into(), "shard"),
    ))
}

/// A file takes one result.
///
/// # Errors
/// For a path that is named twice.
pub(crate) fn refuse_same_output(outputs: &[Spec]) -> Result<(), SettingsError> {
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|it| it.path == output.path) {
            return Err(SettingsError::SameOutputTwice {
                path: output.path.clone(),
            });
        }
    }
    Ok(())
}
