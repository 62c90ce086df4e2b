//! Flags of `loadgen capacity`, and of the commands without a file where they look for one.

use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::scenario::CapacityPlan;
use loadgen_core::units::Rate;

use super::run::{RunArgs, WhatArgs};
use super::values::{condition, duration, percentage, rate};

const SEARCH: &str = "Capacity";

/// What runs have and searches refuse, with what goes with that: their help does not show it.
const NOT_OF_SEARCH: [&str; 22] = [
    "requests",
    "duration",
    "rate",
    "shard",
    "run_id",
    "coordinator",
    "wait_for_shards",
    "start_with",
    "coordinator_ca",
    "coordinator_cert",
    "coordinator_key",
    "merged_outputs",
    "journal",
    "no_journal",
    "statsd",
    "statsd_prefix",
    "statsd_tags",
    "prometheus",
    "prometheus_wait",
    "otlp",
    "graphite",
    "trace",
];

/// Flags of `loadgen capacity`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    after_help = "  loadgen capacity --scenario hello_high --goal 'response_time.p99 < 20ms' --goal 'error_rate < 0.1%'\n  \
    loadgen grpc localhost:50051 shop.v1.Shop/Order --goal 'response_time.p99 < 20ms'\n\n\
    What the scenario says of its load is not run, but for how arrivals are spaced and the most users. What it says \
    under\n`capacity` holds where no flag does.",
    mut_args(|it| match NOT_OF_SEARCH.contains(&it.get_id().as_str()) {
        true => it.hide(true),
        false => it,
    })
)]
pub(crate) struct CapacityCommand {
    /// What is searched.
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// For what.
    #[command(flatten)]
    pub(crate) search: CapacityFlags,
    /// How.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// How a capacity is looked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CapacityFlags {
    /// Look for the highest rate at which this holds, like `response_time.p99 < 20ms`; repeatable [default: the scenario's goals, else its thresholds]
    #[arg(long = "goal", value_name = "CONDITION", value_parser = condition, help_heading = SEARCH)]
    pub(crate) goals: Vec<Threshold>,
    /// The lowest rate to try, like `100/s`; one user alone who is turned away is held to it [default: a hundredth of what one user gets]
    #[arg(long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = SEARCH)]
    pub(crate) from: Option<Rate>,
    /// The highest rate to try
    #[arg(long, value_name = "RATE", value_parser = rate, allow_hyphen_values = true, help_heading = SEARCH)]
    pub(crate) to: Option<Rate>,
    /// How far apart the bounds of the answer may be [default: 2%]
    #[arg(long, value_name = "PERCENT", value_parser = percentage, allow_hyphen_values = true, help_heading = SEARCH)]
    pub(crate) width: Option<f64>,
    /// The longest that the search may take, 15s at the least [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true, help_heading = SEARCH)]
    pub(crate) budget: Option<Duration>,
}

impl CapacityFlags {
    /// Whether a search is asked for where a run is what else is meant.
    pub(crate) fn is_asked(&self) -> bool {
        let Self {
            goals,
            from,
            to,
            width,
            budget,
        } = self;
        !goals.is_empty() || from.is_some() || to.is_some() || width.is_some() || budget.is_some()
    }

    /// What a scenario says of the search, with what the flags say in its place.
    pub(crate) fn over(&self, plan: Option<&CapacityPlan>) -> CapacityPlan {
        let mut plan = plan.cloned().unwrap_or_default();
        if !self.goals.is_empty() {
            plan.goals.clone_from(&self.goals);
        }
        plan.from = self.from.or(plan.from);
        plan.to = self.to.or(plan.to);
        plan.width = self.width.unwrap_or(plan.width);
        plan.budget = self.budget.unwrap_or(plan.budget);
        plan
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn help_hides_these_and_no_others() {
        let command = Args::command();
        let search = command.find_subcommand("capacity").unwrap();
        let hidden = search.get_arguments().filter(|it| it.is_hide_set());
        let mut hidden: Vec<&str> = hidden.map(|it| it.get_id().as_str()).collect();
        let mut refused = NOT_OF_SEARCH;
        hidden.sort_unstable();
        refused.sort_unstable();
        assert_eq!(hidden, refused);
    }
}
