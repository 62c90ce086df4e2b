//! What flags change in a load.

use std::time::Duration;

use super::stretch::{constant, stretch_rates, stretch_users, time_for, time_for_stages};
use crate::scenario::overrides::{OverrideError, Overrides};
use crate::schedule::{ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, WhenBusy};
use crate::units::{Rate, format_duration};

/// The load with these overrides; what they replaced is told in `notices`.
pub(in crate::scenario) fn changed(
    load: &Load,
    overrides: &Overrides,
    notices: &mut Vec<String>,
) -> Result<Load, OverrideError> {
    let mut change = Change { overrides, notices };
    Ok(match (load, overrides.rate) {
        (Load::Closed(model), None) => Load::Closed(change.closed(model)?),
        (Load::Closed(model), Some(rate)) => Load::Open(change.opened(model, rate)?),
        (Load::Open(model), _) => Load::Open(change.open(model)?),
    })
}

/// A load model under change.
struct Change<'a> {
    overrides: &'a Overrides,
    notices: &'a mut Vec<String>,
}

impl Change<'_> {
    fn closed(&mut self, model: &ClosedModel) -> Result<ClosedModel, OverrideError> {
        let mut changed = model.clone();
        if let Some(users) = self.overrides.concurrency {
            changed.users = users;
            if let Limit::Stages(stages) = &model.limit {
                let length = stages.iter().map(|stage| stage.duration).sum();
                changed.limit = Limit::Duration(length);
                self.notices.push(format!(
                    "--concurrency {users} replaces the stages with {users} users for {}",
                    format_duration(length)
                ));
            }
        }
        match (self.overrides.requests, self.overrides.duration) {
            (Some(requests), Some(duration)) => {
                self.notices.push(format!(
                    "--requests {requests} and --duration {} replace {}: whichever comes first ends the load",
                    format_duration(duration),
                    describe(&changed),
                ));
                changed.limit = Limit::Iterations(requests);
                changed.max_duration = Some(duration);
            }
            (Some(requests), None) => {
                let replaced = describe_limit(&changed.limit);
                if !matches!(changed.limit, Limit::Iterations(_)) {
                    self.notices
                        .push(format!("--requests {requests} replaces {replaced}"));
                }
                changed.limit = Limit::Iterations(requests);
            }
            (None, Some(duration)) => {
                let length = format_duration(duration);
                match &changed.limit {
                    Limit::Stages(stages) => {
                        self.notices.push(format!(
                            "--duration {length} stretches the stages to {length} in all"
                        ));
                        changed.limit = Limit::Stages(stretch_users(stages, duration));
                    }
                    limit => {
                        if !matches!(limit, Limit::Duration(_)) {
                            let replaced = describe(&changed);
                            self.notices
                                .push(format!("--duration {length} replaces {replaced}"));
                        }
                        changed.limit = Limit::Duration(duration);
                        changed.max_duration = None;
                    }
                }
            }
            (None, None) => {}
        }
        self.fit_users(&mut changed)?;
        Ok(changed)
    }

    /// More users than iterations: some would never start.
    fn fit_users(&mut self, model: &mut ClosedModel) -> Result<(), OverrideError> {
        let Limit::Iterations(iterations) = model.limit else {
            return Ok(());
        };
        let Some(fewer) = u32::try_from(iterations)
            .ok()
            .filter(|iterations| *iterations < model.users)
        else {
            return Ok(());
        };
        match (self.overrides.requests, self.overrides.concurrency) {
            (Some(requests), Some(concurrency)) => {
                return Err(OverrideError::Conflict {
                    flags: "--requests and --concurrency",
                    reason: format!("{requests} iterations are too few for {concurrency} users"),
                });
            }
            (Some(requests), None) => {
                self.notices.push(format!(
                    "--requests {requests} leaves work for {fewer} of the {} users, so there are {fewer}",
                    model.users
                ));
                model.users = fewer;
            }
            (None, _) => {
                return Err(OverrideError::OutOfBounds {
                    flag: "--concurrency",
                    found: model.users.to_string(),
                    expected: format!(
                        "at most the scenario's {iterations} iterations, or more --requests"
                    ),
                });
            }
        }
        Ok(())
    }

    /// A closed model made open: the users become the most, and it lasts as long as the
    /// iterations take at that rate.
    fn opened(&mut self, model: &ClosedModel, rate: Rate) -> Result<OpenModel, OverrideError> {
        let max_users = self.overrides.concurrency.unwrap_or(model.users);
        let counted = self.overrides.requests.map(|count| lasting(count, rate));
        let duration = match (self.end(counted)?, &model.limit) {
            (Some((duration, _)), _) => duration,
            (None, Limit::Iterations(count)) => within(model.max_duration, lasting(*count, rate))?,
            (None, Limit::IterationsPerUser(count)) => {
                let all = count.saturating_mul(u64::from(model.users));
                within(model.max_duration, lasting(all, rate))?
            }
            (None, Limit::Duration(duration)) => *duration,
            (None, Limit::Stages(stages)) => stages.iter().map(|stage| stage.duration).sum(),
        };
        let users = match &model.limit {
            Limit::Stages(_) => "its stages of users".to_owned(),
            _ => format!("{} users", model.users),
        };
        self.notices.push(format!(
            "--rate {rate} turns the closed load ({users}, {}) into an open one of {rate} for {} with at most {max_users} users",
            describe(model),
            format_duration(duration)
        ));
        for (given, name) in [
            (model.think_time.is_some(), "think_time"),
            (model.rate_limit.is_some(), "rate_limit"),
        ] {
            if given {
                self.notices.push(format!(
                    "--rate {rate} takes the place of `{name}`, which an open load does not have"
                ));
            }
        }
        Ok(OpenModel {
            stages: vec![constant(rate.per_second(), duration)],
            spacing: Spacing::default(),
            max_users,
            when_busy: WhenBusy::default(),
        })
    }

    fn open(&mut self, model: &OpenModel) -> Result<OpenModel, OverrideError> {
        let Overrides { requests, rate, .. } = *self.overrides;
        let mut changed = model.clone();
        if let Some(users) = self.overrides.concurrency {
            changed.max_users = users;
        }
        let staged = !matches!(model.stages.as_slice(), [stage] if stage.from == stage.to);
        if let Some(rate) = rate {
            let end = self.end(requests.map(|count| lasting(count, rate)))?;
            let length = || model.stages.iter().map(|stage| stage.duration).sum();
            let duration = end.map_or_else(length, |(duration, _)| duration);
            if staged {
                self.notices.push(format!(
                    "--rate {rate} replaces the stages with {rate} for {}",
                    format_duration(duration)
                ));
            }
            changed.stages = vec![constant(rate.per_second(), duration)];
        } else if let Some((duration, flag)) =
            self.end(requests.map(|count| stretching(count, &model.stages)))?
        {
            if staged {
                let length = format_duration(duration);
                self.notices
                    .push(format!("{flag} stretches the stages to {length} in all"));
            }
            changed.stages = stretch_rates(&model.stages, duration);
        }
        Ok(changed)
    }

    /// How long the flags let an open load last, and the flag that says so. `counted` is the time
    /// that `--requests` takes; beside `--duration` the shorter of the two counts, as an open
    /// load's iterations are a matter of time alone.
    fn end(
        &mut self,
        counted: Option<Result<Duration, OverrideError>>,
    ) -> Result<Option<(Duration, String)>, OverrideError> {
        let by_count = format!("--requests {}", self.overrides.requests.unwrap_or_default());
        let Some(duration) = self.overrides.duration else {
            return Ok(counted.transpose()?.map(|length| (length, by_count)));
        };
        let by_time = format!("--duration {}", format_duration(duration));
        let Some(counted) = counted else {
            return Ok(Some((duration, by_time)));
        };
        // Iterations that would take more than may be come after any duration.
        let (first, then) = match counted {
            Ok(length) if length < duration => ((length, by_count), by_time),
            _ => ((duration, by_time), by_count),
        };
        self.notices
            .push(format!("{} ends the load before {then} does", first.1));
        Ok(Some(first))
    }
}

/// The time in which so many iterations start at a rate.
fn lasting(requests: u64, rate: Rate) -> Result<Duration, OverrideError> {
    time_for(requests, rate.per_second()).ok_or_else(|| OverrideError::TooLong {
        requests,
        rate: rate.to_string(),
    })
}

/// The same where the rates are those of stages.
fn stretching(requests: u64, stages: &[RateStage]) -> Result<Duration, OverrideError> {
    time_for_stages(requests, stages).ok_or_else(|| OverrideError::TooLong {
        requests,
        rate: "the scenario's rates".to_owned(),
    })
}

/// The shorter of the two; a length beyond all bounds is not an error where there is a shorter one.
fn within(
    most: Option<Duration>,
    length: Result<Duration, OverrideError>,
) -> Result<Duration, OverrideError> {
    match most {
        Some(most) => Ok(length.map_or(most, |length| length.min(most))),
        None => length,
    }
}

/// When a closed load ends.
fn describe(model: &ClosedModel) -> String {
    let limit = describe_limit(&model.limit);
    match model.max_duration {
        Some(most) => format!("{limit} within {}", format_duration(most)),
        None => limit,
    }
}

fn describe_limit(limit: &Limit) -> String {
    match limit {
        Limit::Iterations(count) => format!("{count} iterations"),
        Limit::IterationsPerUser(count) => format!("{count} iterations for each user"),
        Limit::Duration(duration) => format!("a duration of {}", format_duration(*duration)),
        Limit::Stages(_) => "the stages".to_owned(),
    }
}
