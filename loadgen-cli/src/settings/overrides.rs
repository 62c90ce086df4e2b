//! What flags and environment change in a plan: load, and where it goes.

use std::collections::BTreeSet;
use std::ffi::OsString;

use loadgen_core::scenario::{Overrides, Plan, Protocol};

use super::error::SettingsError;
use super::{env, targets};
use crate::args::{RunArgs, TargetFlags};
use crate::protocols::{self, Spoken};

/// Applies the flags to each scenario. Says what they changed.
pub(super) fn apply(
    plan: &mut Plan,
    args: &RunArgs,
    targets: &TargetFlags,
) -> Result<Vec<String>, SettingsError> {
    // Whether or not a scenario needs it: what is no target is a mistake.
    let per_protocol = protocols::ALL
        .into_iter()
        .map(|it| Ok((it.protocol, overrides(args, targets, it.protocol)?)))
        .collect::<Result<Vec<(Protocol, Overrides)>, SettingsError>>()?;
    let mut notices = Vec::new();
    for scenario in &mut plan.scenarios {
        let mut its_own = per_protocol.iter();
        let Some((_, overrides)) = its_own.find(|(it, _)| *it == scenario.protocol()) else {
            continue;
        };
        let (changed, said) =
            scenario
                .with_overrides(overrides)
                .map_err(|source| SettingsError::Override {
                    scenario: scenario.name.clone(),
                    source,
                })?;
        *scenario = changed;
        notices.extend(said);
        let own = scenario.protocol();
        for servers in &mut scenario.elsewhere {
            let protocol = servers.protocol.protocol();
            let mut given = per_protocol.iter();
            let given = given.find(|(it, _)| *it == protocol && *it != own);
            // What goes elsewhere in the scenario's own protocol is not what a flag means by it.
            if let Some((_, overrides)) = given.filter(|(_, it)| !it.targets.is_empty()) {
                servers.targets.clone_from(&overrides.targets);
            }
        }
    }
    if per_protocol.iter().any(|(_, it)| !it.targets.is_empty()) {
        let gone = plan.let_go_of_unreached();
        if !gone.is_empty() {
            notices.push(format!(
                "not started, for nothing of this run reaches them: {}",
                gone.join(", ")
            ));
        }
    }
    plan.check_thresholds()?;
    let unjudged = plan.unjudged();
    notices.extend(
        unjudged.map(|it| {
            format!("`{it}` will not be judged: none of the chosen scenarios has the tag")
        }),
    );
    Ok(notices)
}

/// The overrides for scenarios of a protocol, which differ in the targets.
pub(super) fn overrides(
    args: &RunArgs,
    targets: &TargetFlags,
    protocol: Protocol,
) -> Result<Overrides, SettingsError> {
    // The parser of the flags has made sure that the counts fit.
    let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Overrides {
        requests: args.requests,
        concurrency: args.concurrency.map(narrow),
        duration: args.duration,
        rate: args.rate,
        connections: args.connections.map(narrow),
        codec: args.codec,
        timeout: args.timeout,
        targets: targets::parse_all(targets.of(protocol))?,
    })
}

/// Sets the environment's targets where neither flag nor scenario names one. Says which protocols
/// are left with scenarios without, for the embedded backend. That answers what goes elsewhere only where it
/// answers the scenario, too: what it would say of a user is nothing to another service.
pub(super) fn aim(
    plan: &mut Plan,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Protocol>, SettingsError> {
    let mut without = BTreeSet::new();
    let flag = |protocol| {
        let row = protocols::of(protocol);
        row.map_or_else(|| "targets".to_owned(), Spoken::target_flag)
    };
    let target = |protocol| match protocols::of(protocol) {
        Some(row) => env::address(&row.variables, &variable),
        None => Ok(None),
    };
    for scenario in &mut plan.scenarios {
        let protocol = scenario.protocol();
        let is_of_suite = !scenario.target_backends.is_empty();
        if scenario.targets.is_empty() && !is_of_suite {
            scenario.targets.extend(target(protocol)?);
        }
        let is_embedded = scenario.targets.is_empty() && !is_of_suite;
        if is_embedded {
            if scenario.tls.is_some() {
                return Err(SettingsError::TlsWithoutTarget {
                    scenario: scenario.name.clone(),
                    flag: flag(protocol),
                });
            }
            without.insert(protocol);
        }
        for servers in &mut scenario.elsewhere {
            let protocol = servers.protocol.protocol();
            if servers.targets.is_empty() {
                servers.targets.extend(target(protocol)?);
            }
            if servers.targets.is_empty() {
                if !is_embedded || servers.tls.is_some() {
                    return Err(SettingsError::NowhereElse {
                        scenario: scenario.name.clone(),
                        protocol,
                        flag: flag(protocol),
                    });
                }
                without.insert(protocol);
            }
        }
    }
    Ok(without.into_iter().collect())
}
