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
    }
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
        timeout: args.timeout,
        targets: targets::parse_all(targets.of(protocol))?,
    })
}

/// Sets the environment's targets where neither flag nor scenario names one. Says which protocols
/// are left with scenarios without, for the embedded backend.
pub(super) fn aim(
    plan: &mut Plan,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Protocol>, SettingsError> {
    let mut without = BTreeSet::new();
    for scenario in &mut plan.scenarios {
        let protocol = scenario.protocol();
        if !scenario.targets.is_empty() {
            continue;
        }
        let row = protocols::of(protocol);
        if let Some(row) = row
            && let Some(target) = env::address(&row.variables, &variable)?
        {
            scenario.targets.push(target);
            continue;
        }
        if scenario.tls.is_some() {
            return Err(SettingsError::TlsWithoutTarget {
                scenario: scenario.name.clone(),
                flag: row.map_or_else(|| "targets".to_owned(), Spoken::target_flag),
            });
        }
        without.insert(protocol);
    }
    Ok(without.into_iter().collect())
}
