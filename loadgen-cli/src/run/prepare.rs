//! Before the load: whether the machine has what it takes, and what has to be there.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use super::error::RunError;
use crate::backend::{Embedded, Fleet};
use crate::doctor::{self, Facts, Needs, Ports};
use crate::limits;
use crate::output::{Pending, Spec};
use crate::screen::{self, Screen};
use crate::settings::RunSettings;
use crate::sinks::Sinks;

/// Makes sure that this machine can do it. Returns what a person should know of it all the same.
///
/// # Errors
/// For what it has too little of.
pub(super) fn machine(settings: &RunSettings) -> Result<Vec<String>, RunError> {
    settings.options.pacing.check()?;
    limits::raise();
    let facts = Facts::of_this_machine();
    let needs = needs(settings, facts.ports.as_ref())?;
    needs.memory.check(facts.memory.as_ref())?;
    Ok(doctor::warnings(&facts, &needs))
}

/// What the run needs of this machine, and whether it can have the files and ports for it.
fn needs(settings: &RunSettings, ports: Option<&Ports>) -> Result<Needs, RunError> {
    let shard = settings.options.shard;
    let scenarios = settings.plan.scenarios.iter();
    let scenarios: Vec<_> = scenarios.filter_map(|it| it.as_large_as(shard)).collect();
    let scenarios = &scenarios;
    let workers = loadgen_core::workers(&settings.plan, &settings.options);
    let needs = Needs::of(scenarios, workers, |_| 1);
    // Whoever may have to offer the coordinator has a connection of each shard.
    let of_shards = match settings.coordination {
        Some(_) if shard.index() == 0 => u64::from(shard.count()),
        Some(_) | None => 0,
    };
    limits::check(needs.connections + of_shards, needs.workers)?;
    if needs.check_ports(ports).is_ok() {
        return Ok(needs);
    }
    // Only now it matters that a name may have several addresses: looking it up takes time.
    let needs = Needs::of(scenarios, workers, |target| {
        let found = (target.host.as_str(), target.port).to_socket_addrs();
        found.map_or(1, |addresses| addresses.count() as u64)
    });
    needs.check_ports(ports)?;
    Ok(needs)
}

/// Makes the files of results ready.
///
/// # Errors
/// For a path that cannot be written to.
pub(super) fn outputs(specs: &[Spec]) -> Result<Vec<Pending>, RunError> {
    let opened = specs.iter().map(Pending::open);
    opened.collect::<Result<_, _>>().map_err(RunError::Output)
}

/// Starts the embedded backend where a scenario needs it, and aims at it.
///
/// # Errors
/// When it does not come up.
pub(super) fn backend(
    settings: &mut RunSettings,
    screen: &Screen,
) -> Result<Option<Embedded>, RunError> {
    if settings.embedded.is_empty() {
        return Ok(None);
    }
    // The cores that the workers leave; both halves are at least one.
    let threads = (settings.cores - settings.cores / 2).max(1);
    let statsd = settings.sinks.statsd.as_ref();
    let backend = Embedded::start(&settings.embedded, threads, statsd)?;
    let protocols = settings.plan.scenarios.iter().flat_map(|it| {
        let elsewhere = it.elsewhere.iter().map(|it| it.protocol.protocol());
        elsewhere.chain([it.protocol()])
    });
    let several = protocols.collect::<BTreeSet<_>>().len() > 1;
    screen.say(&backend.notice(several));
    for (protocol, target) in backend.targets() {
        settings.aim_at_embedded(protocol, &target);
    }
    Ok(Some(backend))
}

/// Starts the suite's servers, and aims at those that scenarios send to. Says where each listens.
///
/// # Errors
/// When one of them does not come up.
pub(super) fn fleet(
    settings: &mut RunSettings,
    screen: &Screen,
) -> Result<Option<Arc<Fleet>>, RunError> {
    if settings.plan.backends.is_empty() {
        return Ok(None);
    }
    let statsd = settings.sinks.statsd.as_ref();
    let fleet = Fleet::start(&settings.plan.backends, statsd, screen)?;
    for notice in fleet.notices() {
        screen.say(&notice);
    }
    for scenario in &mut settings.plan.scenarios {
        let protocol = scenario.protocol();
        let names = scenario.target_backends.iter();
        let targets: Vec<_> = names.filter_map(|it| fleet.target(it, protocol)).collect();
        if !targets.is_empty() {
            scenario.targets = targets;
        }
    }
    Ok(Some(Arc::new(fleet)))
}

/// Says what a person should know before the load.
pub(super) fn announce(
    settings: &RunSettings,
    sinks: &Sinks,
    warnings: &[String],
    screen: &Screen,
) {
    for warning in &settings.warnings {
        screen::note(warning);
    }
    for notice in settings.notices.iter().chain(&sinks.notices()) {
        screen.say(notice);
    }
    for warning in warnings {
        screen.say(&format!("WARNING: {warning}"));
    }
}
