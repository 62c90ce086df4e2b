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

const LOAD: &str = "a search finds the rate itself: expected `--from` and `--to` for where to look, and `--budget` for \
                    how long";
const ALONE: &str = "a search is made by one process; expected a lower `--to`, or a generator with more cores and \
                     `--workers`. How several make a load that was found: `loadgen run --rate RATE --shard I/N`";
const SINK: &str = "a search makes some twenty runs, whose figures would be taken for those of one; expected \
                    `--out json=PATH`, which has all trials, or `--ui`";
const JOURNAL: &str = "a search keeps no journal; Ctrl-C ends it with what is known so far";
const TRACE: &str = "a search shows no exchanges; `loadgen run --trace` does";

/// A flag, whether it is given, and why no search takes it.
type Refused = (&'static str, fn(&RunArgs) -> bool, &'static str);

/// Flags that say how much load there is, or that are of one run and no other.
const REFUSED: [Refused; 10] = [
    ("requests", |it| it.requests.is_some(), LOAD),
    ("duration", |it| it.duration.is_some(), LOAD),
    ("rate", |it| it.rate.is_some(), LOAD),
    ("shard", |it| it.shard.is_some(), ALONE),
    ("statsd", |it| it.statsd.is_some(), SINK),
    ("otlp", |it| it.otlp.is_some(), SINK),
    ("prometheus", |it| it.prometheus.is_some(), SINK),
    ("graphite", |it| it.graphite.is_some(), SINK),
    ("journal", |it| it.journal.is_some(), JOURNAL),
    ("trace", |it| it.trace.is_some(), TRACE),
];

fn refuse_flags(args: &RunArgs) -> Result<(), SettingsError> {
    let mut given = REFUSED.iter().filter(|(_, is_given, _)| is_given(args));
    given.next().map_or(Ok(()), |&(flag, _, why)| {
        Err(SettingsError::NotOfSearch { flag, why })
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn help_shows_nothing_that_is_refused() {
        let command = Args::command();
        let search = command.find_subcommand("capacity").expect("a command");
        for (flag, ..) in REFUSED {
            let mut flags = search.get_arguments();
            let found = flags.find(|it| it.get_long() == Some(flag));
            assert!(found.expect(flag).is_hide_set(), "{flag}");
        }
    }
}
