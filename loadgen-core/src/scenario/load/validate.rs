//! Load models: which fields go together, and what they amount to.

use std::time::Duration;

use super::raw::{
    RawArrivals, RawClosed, RawLoad, RawOpen, RawRateStage, RawUserStage, RawWhenBusy,
};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, List};
use crate::scenario::think_time;
use crate::scenario::value::MAX_ITERATIONS;
use crate::schedule::{
    ClosedModel, DEFAULT_MAX_USERS, Limit, Load, OpenModel, RateStage, Spacing, UserStage, WhenBusy,
};
use crate::units::MAX_DURATION;

pub(in crate::scenario) fn validate(
    raw: &RawLoad,
    path: &str,
    problems: &Problems,
) -> Option<Load> {
    match (&raw.closed, &raw.open) {
        (Entry::Absent, Entry::Absent) => {
            let is_misspelt = |model: &str| problems.is_misspelt(&format!("{path}.{model}"));
            if !["closed", "open"].into_iter().any(is_misspelt) {
                problems.add(path, "no load model", "one: `closed` or `open`", None);
            }
            None
        }
        (closed, Entry::Absent) => {
            let check = Check {
                path: format!("{path}.closed"),
                problems,
            };
            check.closed(closed.given()?).map(Load::Closed)
        }
        (Entry::Absent, open) => {
            let check = Check {
                path: format!("{path}.open"),
                problems,
            };
            check.open(open.given()?).map(Load::Open)
        }
        _ => {
            problems.add(path, "both `closed` and `open`", "one load model", None);
            None
        }
    }
}

/// Arrivals under a rate line: the area under it.
pub(in crate::scenario) fn expected_arrivals(stages: &[RateStage]) -> f64 {
    stages
        .iter()
        .map(|stage| (stage.from + stage.to) / 2.0 * stage.duration.as_secs_f64())
        .sum()
}

struct Check<'a> {
    path: String,
    problems: &'a Problems,
}

impl Check<'_> {
    fn refuse<T>(&self, field: &str, found: &str, expected: &str) -> Option<T> {
        let path = if field.is_empty() {
            self.path.clone()
        } else {
            format!("{}.{field}", self.path)
        };
        self.problems.add(path, found, expected, None);
        None
    }

    fn closed(&self, raw: &RawClosed) -> Option<ClosedModel> {
        let all = [
            ("iterations", raw.iterations.is_absent()),
            ("iterations_per_user", raw.iterations_per_user.is_absent()),
            ("duration", raw.duration.is_absent()),
            ("stages", raw.stages.is_absent()),
        ];
        let is_misspelt = |limit: &str| {
            let path = format!("{}.{limit}", self.path);
            self.problems.is_misspelt(&path)
        };
        let any_is_misspelt = all.iter().any(|(name, _)| is_misspelt(name));
        let limits: Vec<&str> = all
            .into_iter()
            .filter_map(|(name, absent)| (!absent).then_some(name))
            .collect();
        let think_time = raw.think_time.or(Some(None), |think_time| {
            think_time::validate(
                think_time,
                &format!("{}.think_time", self.path),
                self.problems,
            )
            .map(Some)
        });
        let rate_limit = raw.rate_limit.or(None, |rate| Some(*rate));
        let max_duration = raw.max_duration.or(None, |most| Some(most.0));
        if limits.len() > 1 || limits.is_empty() && !any_is_misspelt {
            const EXPECTED: &str =
                "one of `iterations`, `iterations_per_user`, `duration` and `stages`";
            let found = match limits.as_slice() {
                [] => "none of them".to_owned(),
                several => format!("`{}` together", several.join("`, `")),
            };
            let hint = match limits.as_slice() {
                [count @ ("iterations" | "iterations_per_user"), "duration"] => Some(format!(
                    "`{count}` and `max_duration` end a load with whichever comes first"
                )),
                _ => None,
            };
            self.problems.add(&self.path, found, EXPECTED, hint);
        }
        if let ([limit @ ("duration" | "stages")], false) =
            (limits.as_slice(), raw.max_duration.is_absent())
        {
            self.refuse::<()>(
                "max_duration",
                &format!("a second end in time beside `{limit}`"),
                "it beside `iterations` or `iterations_per_user` only",
            );
        }
        if raw.users.is_absent() && raw.stages.is_absent() {
            self.refuse::<()>("users", "nothing", "the number of users");
        }
        if !raw.users.is_absent() && !raw.stages.is_absent() {
            self.refuse::<()>(
                "users",
                "users beside `stages`",
                "only the stages' own users",
            );
            return None;
        }
        if limits.len() != 1 {
            return None;
        }
        let (users, limit) = if let Some(stages) = raw.stages.given() {
            let stages = self.user_stages(stages)?;
            let most = stages.iter().map(|stage| stage.users).max()?;
            (most, Limit::Stages(stages))
        } else {
            let users = raw.users.given()?.small();
            let limit = if let Some(iterations) = raw.iterations.given() {
                if iterations.0 < u64::from(users) {
                    return self.refuse(
                        "iterations",
                        &format!("{} for {users} users", iterations.0),
                        "at least one iteration for each user",
                    );
                }
                Limit::Iterations(iterations.0)
            } else if let Some(each) = raw.iterations_per_user.given() {
                if u128::from(each.0) * u128::from(users) > u128::from(MAX_ITERATIONS) {
                    return self.refuse(
                        "iterations_per_user",
                        &format!("{} for each of {users} users", each.0),
                        &format!("at most {MAX_ITERATIONS} in all"),
                    );
                }
                Limit::IterationsPerUser(each.0)
            } else {
                Limit::Duration(raw.duration.given()?.0)
            };
            (users, limit)
        };
        Some(ClosedModel {
            users,
            limit,
            max_duration: max_duration?,
            think_time: think_time??,
            rate_limit: rate_limit?,
        })
    }

    fn user_stages(&self, raw: &List<RawUserStage>) -> Option<Vec<UserStage>> {
        let stages = raw
            .all(|stage| {
                Some(UserStage {
                    duration: stage.duration.given()?.0,
                    users: stage.users.given()?.small(),
                })
            })?
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        self.stage_times(stages.iter().map(|stage| stage.duration))?;
        if stages.iter().all(|stage| stage.users == 0) {
            return self.refuse("stages", "no users in any stage", "some in at least one");
        }
        Some(stages)
    }

    /// The stages' times must amount to something, and the last must last.
    fn stage_times(&self, durations: impl Iterator<Item = Duration> + Clone) -> Option<()> {
        let total: u128 = durations.clone().map(|duration| duration.as_nanos()).sum();
        if total > MAX_DURATION.as_nanos() {
            return self.refuse("stages", "more than 30 days in all", "at most 30 days");
        }
        match durations.last() {
            None => self.refuse("stages", "an empty array", "at least one stage"),
            Some(Duration::ZERO) => self.refuse(
                "stages",
                "a last stage of no length",
                "a last stage that lasts for a time",
            ),
            Some(_) => Some(()),
        }
    }

    fn open(&self, raw: &RawOpen) -> Option<OpenModel> {
        let spacing = raw
            .arrivals
            .or(Spacing::Uniform, |arrivals| match arrivals {
                RawArrivals::Uniform => Spacing::Uniform,
                RawArrivals::Poisson => Spacing::Poisson,
            });
        let when_busy = raw
            .when_busy
            .or(WhenBusy::Queue, |when_busy| match when_busy {
                RawWhenBusy::Queue => WhenBusy::Queue,
                RawWhenBusy::Drop => WhenBusy::Drop,
            });
        let max_users = raw.users.or(Some(DEFAULT_MAX_USERS), |users| {
            users.max.or(DEFAULT_MAX_USERS, |max| max.small())
        });
        let stages = self.rates(raw)?;
        // The first arrival falls due at once, so there is one wherever the rate is above zero.
        if expected_arrivals(&stages) <= 0.0 {
            return self.refuse(
                "stages",
                "no arrivals in any stage",
                "a rate in at least one",
            );
        }
        Some(OpenModel {
            stages,
            spacing: spacing?,
            max_users: max_users??,
            when_busy: when_busy?,
        })
    }

    fn rates(&self, raw: &RawOpen) -> Option<Vec<RateStage>> {
        let constant = !raw.rate.is_absent() || !raw.duration.is_absent();
        if constant && !raw.stages.is_absent() {
            return self.refuse(
                "",
                "`stages` beside `rate` or `duration`",
                "`rate` and `duration`, or `stages`",
            );
        }
        if !raw.stages.is_absent() {
            return self.rate_stages(raw.stages.given()?);
        }
        if !constant {
            return self.refuse("", "no rate", "`rate` and `duration`, or `stages`");
        }
        if raw.rate.is_absent() {
            return self.refuse("rate", "nothing", "the rate that goes with `duration`");
        }
        if raw.duration.is_absent() {
            return self.refuse("duration", "nothing", "the duration that goes with `rate`");
        }
        let rate = raw.rate.given()?.per_second();
        Some(vec![RateStage {
            duration: raw.duration.given()?.0,
            from: rate,
            to: rate,
        }])
    }

    /// Each stage begins where the one before it ended, the first at 0. One of no length jumps.
    fn rate_stages(&self, raw: &List<RawRateStage>) -> Option<Vec<RateStage>> {
        let ends = raw
            .all(|stage| Some((stage.duration.given()?.0, stage.rate.given()?.per_second())))?
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        self.stage_times(ends.iter().map(|(duration, _)| *duration))?;
        let mut from = 0.0;
        let mut stages = Vec::with_capacity(ends.len());
        for (duration, to) in ends {
            if !duration.is_zero() {
                stages.push(RateStage { duration, from, to });
            }
            from = to;
        }
        Some(stages)
    }
}
