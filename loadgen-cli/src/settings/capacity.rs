//! A search for a capacity, once flags and scenario are settled against one another.

use std::ffi::OsString;

use loadgen_core::capacity;
use loadgen_core::scenario::{CapacityPlan, Plan, Suite};

use super::{RunSettings, SettingsError};
use crate::args::{CapacityFlags, RunArgs, TargetFlags, WhatArgs};

/// A search, settled.
#[derive(Debug, Clone)]
pub(crate) struct CapacitySettings {
    /// How its runs are carried out. The one scenario's load is an open one.
    pub(crate) run: RunSettings,
    /// What is looked for.
    pub(crate) search: CapacityPlan,
}

impl CapacitySettings {
    /// Settles the search of a scenario of a suite.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn resolve(
        what: &WhatArgs,
        flags: &CapacityFlags,
        args: &RunArgs,
        suite: &Suite,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, SettingsError> {
        let (plan, targets) = RunSettings::chosen(what, suite)?;
        Self::of(plan, &targets, flags, args, variable, cores)
    }

    /// Settles the search of this plan's scenario.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn of(
        mut plan: Plan,
        targets: &TargetFlags,
        flags: &CapacityFlags,
        args: &RunArgs,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, SettingsError> {
        refuse_flags(args)?;
        let [scenario] = plan.scenarios.as_mut_slice() else {
            let names = plan.scenarios.iter().map(|it| it.name.clone()).collect();
            return Err(SettingsError::NotOneToSearch { names });
        };
        let search = flags.over(scenario.capacity.as_ref());
        *scenario = capacity::openly(scenario, &search)?;
        let events = scenario.events.len();
        scenario.events.clear();
        let mut run = RunSettings::of(plan, targets, args, variable, cores)?;
        if events > 0 {
            run.notices.push(format!(
                "the scenario's events ({events}) are not done: each trial would do them again"
            ));
        }
        Ok(Self { run, search })
    }
}

/// Flags that say how much load there is, or that are of one run and no other.
fn refuse_flags(args: &RunArgs) -> Result<(), SettingsError> {
    const LOAD: &str = "a search finds the rate itself: expected `--from` and `--to` for where to look, and `--budget` \
                        for how long";
    const ALONE: &str = "a search is made by one process; expected a lower `--to`, or a generator with more cores and \
                         `--workers`. How several make a load that was found: `loadgen run --rate RATE --shard I/N`";
    const SINK: &str = "a search makes some twenty runs, whose figures would be taken for those of one; expected \
                        `--out json=PATH`, which has all trials, or `--ui`";
    const JOURNAL: &str = "a search keeps no journal; Ctrl-C ends it with what is known so far";
    let given = [
        ("--requests", args.requests.is_some(), LOAD),
        ("--duration", args.duration.is_some(), LOAD),
        ("--rate", args.rate.is_some(), LOAD),
        ("--shard", args.shard.is_some(), ALONE),
        ("--statsd", args.statsd.is_some(), SINK),
        ("--otlp", args.otlp.is_some(), SINK),
        ("--prometheus", args.prometheus.is_some(), SINK),
        ("--graphite", args.graphite.is_some(), SINK),
        ("--journal", args.journal.is_some(), JOURNAL),
        (
            "--trace",
            args.trace.is_some(),
            "a search shows no exchanges; `loadgen run --trace` does",
        ),
    ];
    match given.into_iter().find(|(_, is_given, _)| *is_given) {
        None => Ok(()),
        Some((flag, _, why)) => Err(SettingsError::NotOfSearch { flag, why }),
    }
}
